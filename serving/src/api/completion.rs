//! `POST /v1/completions`: texts or tokens to be continued as they are, without a template.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use inference::ids::TokenId;
use serde_json::Value;

use super::fields::{self, Fields, Unsupported};
use super::options::{ModelBounds, Options, is_false};
use super::problem::Problem;
use crate::limits::{MAX_CHOICES, MAX_COMPLETION_LOGPROBS};

/// OpenAI's default for `max_tokens` at this endpoint.
const DEFAULT_MAX_TOKENS: usize = 16;

/// A checked request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CompletionRequest {
    pub(crate) model: String,
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) options: Options,
    /// Log-probabilities are wanted, with as many alternatives.
    pub(crate) logprobs: Option<usize>,
}

/// One prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// Text, to be tokenised.
    Text(String),
    /// Tokens, all inside the vocabulary.
    Tokens(Vec<TokenId>),
}

/// What OpenAI's API knows and this server does not do.
const UNSUPPORTED: &[Unsupported] = &[
    Unsupported {
        name: "best_of",
        asks_nothing: |value| *value == 1,
    },
    Unsupported {
        name: "echo",
        asks_nothing: is_false,
    },
    Unsupported {
        name: "suffix",
        asks_nothing: |value| value == "",
    },
];

impl CompletionRequest {
    /// Checks a body.
    pub(crate) fn new(body: Value, bounds: ModelBounds) -> Result<Self, Problem> {
        let mut fields = Fields::of_body(body)?;
        let model = fields.require_string("model")?;
        let prompts = prompts(fields.require("prompt")?, bounds)?;
        let mut options = Options::take(&mut fields, bounds)?;
        options
            .max_tokens
            .get_or_insert(DEFAULT_MAX_TOKENS.min(bounds.context));
        let logprobs = fields.integer("logprobs", 0..=MAX_COMPLETION_LOGPROBS as i64)?;
        fields.finish(UNSUPPORTED)?;
        if prompts.len().saturating_mul(options.n) > MAX_CHOICES {
            return Err(Problem::InvalidValue {
                param: "n".into(),
                why: format!(
                    "{} prompts times n = {} are more than {MAX_CHOICES}.",
                    prompts.len(),
                    options.n
                )
                .into(),
            });
        }
        Ok(Self {
            model,
            prompts,
            options,
            logprobs: logprobs.map(|top| top as usize),
        })
    }
}

/// A string, a list of strings, a list of tokens, or a list of lists of tokens.
fn prompts(value: Value, bounds: ModelBounds) -> Result<Vec<Prompt>, Problem> {
    const PARAM: &str = "prompt";
    let list = match value {
        Value::String(text) => return Ok([Prompt::Text(text)].into()),
        Value::Array(list) => list,
        other => {
            return Err(fields::wrong_type(
                PARAM.into(),
                "a string or an array",
                &other,
            ));
        }
    };
    match list.first() {
        None => Err(empty(PARAM.into())),
        Some(Value::Number(_)) => Ok([tokens(list, PARAM, bounds)?].into()),
        Some(_) => list
            .into_iter()
            .enumerate()
            .map(
                |(index, value)| match (value, format!("{PARAM}[{index}]")) {
                    (Value::String(text), _) => Ok(Prompt::Text(text)),
                    (Value::Array(list), param) => tokens(list, &param, bounds),
                    (other, param) => Err(fields::wrong_type(
                        param,
                        "a string or an array of tokens",
                        &other,
                    )),
                },
            )
            .collect(),
    }
}

fn tokens(list: Vec<Value>, param: &str, bounds: ModelBounds) -> Result<Prompt, Problem> {
    if list.is_empty() {
        return Err(empty(param.into()));
    }
    let maximum = i64::try_from(bounds.vocabulary).unwrap_or(i64::MAX) - 1;
    let token = |(index, value): (usize, &Value)| {
        fields::integer(format!("{param}[{index}]"), value, 0..=maximum)
            .map(|id| TokenId(id as u32))
    };
    Ok(Prompt::Tokens(
        list.iter()
            .enumerate()
            .map(token)
            .collect::<Result<_, _>>()?,
    ))
}

fn empty(param: String) -> Problem {
    Problem::InvalidValue {
        param,
        why: "it must not be empty.".into(),
    }
}
