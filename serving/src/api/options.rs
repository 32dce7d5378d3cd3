//! What chats and completions share: how to sample, when to stop, how to send.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use inference::ids::TokenId;
use inference::sampler::SamplingParams;
use serde_json::Value;

use super::fields::{self, Fields};
use super::problem::Problem;
use crate::limits::{MAX_CHOICES, MAX_LOGIT_BIASES, MAX_STOP_BYTES, MAX_STOP_STRINGS};

/// What a request may ask for depends on the model by these.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ModelBounds {
    /// Positions of a sequence, prompt and answer together.
    pub(crate) context: usize,
    /// Tokens there are.
    pub(crate) vocabulary: usize,
}

/// The checked options of a request, with OpenAI's defaults in place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    /// All but the seed.
    pub(crate) sampling: SamplingParams,
    /// `None`: any.
    pub(crate) seed: Option<u64>,
    pub(crate) stop: Vec<String>,
    /// Sequences per prompt.
    pub(crate) n: usize,
    /// `None`: as many as the context holds.
    pub(crate) max_tokens: Option<usize>,
    pub(crate) stream: bool,
    /// A stream ends with a chunk that carries the usage.
    pub(crate) include_usage: bool,
}

impl Options {
    /// Takes the options out of a request's fields; what only one of the two endpoints knows is left to it.
    pub(crate) fn take(fields: &mut Fields, bounds: ModelBounds) -> Result<Self, Problem> {
        let stream = fields.boolean("stream")?.unwrap_or(false);
        take_harmless(fields)?;
        Ok(Self {
            sampling: sampling(fields, bounds)?,
            seed: fields
                .integer("seed", i64::MIN..=i64::MAX)?
                .map(i64::cast_unsigned),
            stop: stop(fields)?,
            n: fields.integer("n", 1..=MAX_CHOICES as i64)?.unwrap_or(1) as usize,
            max_tokens: max_tokens(fields, "max_tokens", bounds)?,
            stream,
            include_usage: include_usage(fields, stream)?,
        })
    }
}

fn sampling(fields: &mut Fields, bounds: ModelBounds) -> Result<SamplingParams, Problem> {
    let mut real = |name, minimum, maximum, default| {
        let value = fields.number(name, minimum..=maximum)?;
        Ok::<f32, Problem>(value.map_or(default, |value| value as f32))
    };
    let default = SamplingParams::default();
    Ok(SamplingParams {
        temperature: real("temperature", 0.0, 2.0, default.temperature)?,
        top_p: real("top_p", 0.0, 1.0, default.top_p)?,
        min_p: real("min_p", 0.0, 1.0, default.min_p)?,
        repetition_penalty: real(
            "repetition_penalty",
            0.01,
            100.0,
            default.repetition_penalty,
        )?,
        presence_penalty: real("presence_penalty", -2.0, 2.0, default.presence_penalty)?,
        frequency_penalty: real("frequency_penalty", -2.0, 2.0, default.frequency_penalty)?,
        top_k: fields
            // Off is 0 for some clients and -1 for others.
            .integer("top_k", -1..=i64::from(u32::MAX))?
            .map_or(default.top_k, |k| k.max(0) as u32),
        logit_bias: logit_bias(fields, bounds.vocabulary)?,
        seed: default.seed,
    })
}

/// An upper bound of the answer in tokens. One that the context leaves no room for is cut, and the answer says `length`.
pub(crate) fn max_tokens(
    fields: &mut Fields,
    name: &str,
    bounds: ModelBounds,
) -> Result<Option<usize>, Problem> {
    let Some(value) = fields.take(name) else {
        return Ok(None);
    };
    let tokens = match value.as_u64() {
        // Also over what an `i64` holds.
        Some(tokens @ 1..) => tokens,
        _ => fields::integer(name.into(), &value, 1..=i64::MAX)? as u64,
    };
    Ok(Some(
        usize::try_from(tokens).map_or(bounds.context, |tokens| tokens.min(bounds.context)),
    ))
}

fn stop(fields: &mut Fields) -> Result<Vec<String>, Problem> {
    let Some(value) = fields.take("stop") else {
        return Ok(Vec::new());
    };
    if value == "" {
        return Ok(Vec::new());
    }
    let stop = fields::string_or_list("stop", value)?;
    let why = if stop.len() > MAX_STOP_STRINGS {
        format!(
            "at most {MAX_STOP_STRINGS} stop strings are allowed, but got {}.",
            stop.len()
        )
    } else if stop.iter().any(String::is_empty) {
        "a stop string must not be empty.".to_string()
    } else if stop.iter().any(|text| text.len() > MAX_STOP_BYTES) {
        format!("a stop string has at most {MAX_STOP_BYTES} bytes.")
    } else {
        return Ok(stop);
    };
    Err(Problem::InvalidValue {
        param: "stop".into(),
        why: why.into(),
    })
}

fn logit_bias(fields: &mut Fields, vocabulary: usize) -> Result<Vec<(TokenId, f32)>, Problem> {
    let map = match fields.take("logit_bias") {
        None => return Ok(Vec::new()),
        Some(Value::Object(map)) => map,
        Some(other) => return Err(fields::wrong_type("logit_bias".into(), "an object", &other)),
    };
    let invalid = |why: String| Problem::InvalidValue {
        param: "logit_bias".into(),
        why: why.into(),
    };
    if map.len() > MAX_LOGIT_BIASES {
        return Err(invalid(format!(
            "at most {MAX_LOGIT_BIASES} entries, but got {}.",
            map.len()
        )));
    }
    let mut biases = Vec::with_capacity(map.len());
    for (key, value) in &map {
        let token = key
            .parse()
            .ok()
            .filter(|&id: &u32| (id as usize) < vocabulary);
        // `parse` also takes "+1" and "01", with which two keys could name one token.
        let token = token.filter(|id| id.to_string() == *key).ok_or_else(|| {
            invalid(format!(
                "the keys must be token ids from 0 to {}.",
                vocabulary - 1
            ))
        })?;
        let bias = fields::number(format!("logit_bias.{key}"), value, -100.0..=100.0)?;
        biases.push((TokenId(token), bias as f32));
    }
    Ok(biases)
}

fn include_usage(fields: &mut Fields, stream: bool) -> Result<bool, Problem> {
    let Some(value) = fields.take("stream_options") else {
        return Ok(false);
    };
    if !stream {
        return Err(Problem::InvalidValue {
            param: "stream_options".into(),
            why: "it is only allowed when 'stream' is true.".into(),
        });
    }
    let mut options = Fields::of(value, "stream_options")?;
    let include = options.boolean("include_usage")?.unwrap_or(false);
    // Noise that hides the length of tokens from who reads encrypted traffic; this server's is not encrypted.
    options.boolean("include_obfuscation")?;
    options.finish(&[])?;
    Ok(include)
}

/// Takes what says something about the caller and nothing about the answer.
fn take_harmless(fields: &mut Fields) -> Result<(), Problem> {
    for name in ["user", "safety_identifier", "prompt_cache_key"] {
        fields.string(name)?;
    }
    fields.boolean("store")?;
    match fields.take("metadata") {
        None | Some(Value::Object(_)) => Ok(()),
        Some(other) => Err(fields::wrong_type("metadata".into(), "an object", &other)),
    }
}

pub(crate) fn is_false(value: &Value) -> bool {
    *value == Value::Bool(false)
}
