//! `POST /v1/chat/completions`: a conversation to be continued.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use inference::chat::Json;
use serde_json::Value;

use super::fields::{self, Fields, Unsupported};
use super::options::{self, ModelBounds, Options};
use super::problem::Problem;
use crate::limits::MAX_CHAT_LOGPROBS;

/// A checked request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ChatRequest {
    pub(crate) model: String,
    pub(crate) messages: Vec<Message>,
    pub(crate) options: Options,
    /// Log-probabilities are wanted, with as many alternatives.
    pub(crate) logprobs: Option<usize>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// As chat templates name it.
    pub(crate) role: &'static str,
    pub(crate) content: String,
    /// Who speaks, where several share a role; templates that know it write it.
    pub(crate) name: Option<String>,
}

impl Message {
    /// Bytes of its texts.
    pub(crate) fn bytes(&self) -> usize {
        self.content.len() + self.name.as_ref().map_or(0, String::len)
    }

    /// As chat templates see it.
    pub(crate) fn into_json(self) -> Json {
        let mut members = Vec::from([
            ("role".into(), Json::String(self.role.into())),
            ("content".into(), Json::String(self.content)),
        ]);
        members.extend(self.name.map(|name| ("name".into(), Json::String(name))));
        Json::Object(members)
    }
}

/// What OpenAI's API knows and this server does not do.
const UNSUPPORTED: &[Unsupported] = &[
    Unsupported {
        name: "audio",
        asks_nothing: |_| false,
    },
    Unsupported {
        name: "function_call",
        asks_nothing: |value| value == "none",
    },
    Unsupported {
        name: "functions",
        asks_nothing: is_empty_list,
    },
    Unsupported {
        name: "modalities",
        asks_nothing: |value| *value == Value::from(["text"].to_vec()),
    },
    Unsupported {
        name: "moderation",
        asks_nothing: |_| false,
    },
    Unsupported {
        name: "parallel_tool_calls",
        asks_nothing: Value::is_boolean,
    },
    Unsupported {
        name: "prediction",
        asks_nothing: |_| false,
    },
    Unsupported {
        name: "prompt_cache_retention",
        asks_nothing: |_| false,
    },
    Unsupported {
        name: "reasoning_effort",
        asks_nothing: |value| value == "none",
    },
    Unsupported {
        name: "response_format",
        asks_nothing: |value| value["type"] == "text",
    },
    Unsupported {
        name: "service_tier",
        asks_nothing: |value| value == "auto" || value == "default",
    },
    Unsupported {
        name: "tool_choice",
        // There are no tools to choose from: they are refused by their own name.
        asks_nothing: |value| value == "none" || value == "auto",
    },
    Unsupported {
        name: "tools",
        asks_nothing: is_empty_list,
    },
    Unsupported {
        name: "verbosity",
        asks_nothing: |value| value == "medium",
    },
    Unsupported {
        name: "web_search_options",
        asks_nothing: |_| false,
    },
];

/// The same for a message; an assistant's message comes back from clients with all of these, empty.
const UNSUPPORTED_IN_MESSAGE: &[Unsupported] = &[
    Unsupported {
        name: "annotations",
        asks_nothing: is_empty_list,
    },
    Unsupported {
        name: "audio",
        asks_nothing: |_| false,
    },
    Unsupported {
        name: "function_call",
        asks_nothing: |_| false,
    },
    Unsupported {
        name: "refusal",
        asks_nothing: |_| false,
    },
    Unsupported {
        name: "tool_calls",
        asks_nothing: is_empty_list,
    },
];

/// Kinds of content that OpenAI's API knows besides text.
const UNSUPPORTED_PARTS: [&str; 4] = ["file", "image_url", "input_audio", "refusal"];

impl ChatRequest {
    /// Checks a body.
    pub(crate) fn new(body: Value, bounds: ModelBounds) -> Result<Self, Problem> {
        let mut fields = Fields::of_body(body)?;
        let model = fields.require_string("model")?;
        let messages = messages(fields.require("messages")?)?;
        let mut options = Options::take(&mut fields, bounds)?;
        if let Some(tokens) = options::max_tokens(&mut fields, "max_completion_tokens", bounds)? {
            if options.max_tokens.is_some_and(|other| other != tokens) {
                return Err(Problem::InvalidValue {
                    param: "max_tokens".into(),
                    why: "it contradicts 'max_completion_tokens', which replaces it.".into(),
                });
            }
            options.max_tokens = Some(tokens);
        }
        let logprobs = logprobs(&mut fields)?;
        fields.finish(UNSUPPORTED)?;
        Ok(Self {
            model,
            messages,
            options,
            logprobs,
        })
    }
}

fn logprobs(fields: &mut Fields) -> Result<Option<usize>, Problem> {
    let wanted = fields.boolean("logprobs")?.unwrap_or(false);
    let top = fields.integer("top_logprobs", 0..=MAX_CHAT_LOGPROBS as i64)?;
    if top.unwrap_or(0) > 0 && !wanted {
        return Err(Problem::InvalidValue {
            param: "top_logprobs".into(),
            why: "it is only allowed when 'logprobs' is true.".into(),
        });
    }
    Ok(wanted.then(|| top.unwrap_or(0) as usize))
}

fn messages(value: Value) -> Result<Vec<Message>, Problem> {
    let list = match value {
        Value::Array(list) => list,
        other => return Err(fields::wrong_type("messages".into(), "an array", &other)),
    };
    if list.is_empty() {
        return Err(Problem::InvalidValue {
            param: "messages".into(),
            why: "a conversation has at least one message.".into(),
        });
    }
    list.into_iter()
        .enumerate()
        .map(|(index, value)| message(value, &format!("messages[{index}]")))
        .collect()
}

fn message(value: Value, path: &str) -> Result<Message, Problem> {
    let mut fields = Fields::of(value, path)?;
    let role = match fields.require_string("role")?.as_str() {
        // The newer name of the same role; templates know the older one.
        "system" | "developer" => "system",
        "user" => "user",
        "assistant" => "assistant",
        role @ ("tool" | "function") => {
            return Err(Problem::InvalidValue {
                param: fields.param("role"),
                why: format!("the role '{role}' is not supported by this server.").into(),
            });
        }
        role => {
            return Err(Problem::InvalidValue {
                param: fields.param("role"),
                why: format!("'{role:.50}' is none of system, developer, user, assistant.").into(),
            });
        }
    };
    let content = match fields.take("content") {
        // So comes an answer back that said nothing; one that called a tool instead is refused below.
        None if role == "assistant" => String::new(),
        None => {
            return Err(Problem::Missing {
                param: fields.param("content"),
            });
        }
        Some(value) => content(value, &fields.param("content"))?,
    };
    let name = fields.string("name")?;
    fields.finish(UNSUPPORTED_IN_MESSAGE)?;
    Ok(Message {
        role,
        content,
        name,
    })
}

/// A string, or the texts of a list of parts, a line each.
fn content(value: Value, path: &str) -> Result<String, Problem> {
    let parts = match value {
        Value::String(text) => return Ok(text),
        Value::Array(parts) if parts.is_empty() => {
            return Err(Problem::InvalidValue {
                param: path.into(),
                why: "a list of parts has at least one part.".into(),
            });
        }
        Value::Array(parts) => parts,
        other => {
            return Err(fields::wrong_type(
                path.into(),
                "a string or an array of parts",
                &other,
            ));
        }
    };
    let mut content = String::new();
    for (index, part) in parts.into_iter().enumerate() {
        let mut part = Fields::of(part, &format!("{path}[{index}]"))?;
        let kind = part.require_string("type")?;
        if kind != "text" {
            let why = if UNSUPPORTED_PARTS.contains(&kind.as_str()) {
                format!("parts of type '{kind}' are not supported by this server, only 'text'.")
            } else {
                format!("'{kind:.50}' is not a type of part; the supported one is 'text'.")
            };
            return Err(Problem::InvalidValue {
                param: part.param("type"),
                why: why.into(),
            });
        }
        if index > 0 {
            content.push('\n');
        }
        content.push_str(&part.require_string("text")?);
        // What another server may keep says nothing about the answer.
        part.take("cache_control");
        part.finish(&[])?;
    }
    Ok(content)
}

fn is_empty_list(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}
