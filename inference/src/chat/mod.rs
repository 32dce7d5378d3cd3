//! Chat templates: the Jinja source in a GGUF file turns a conversation into a prompt.
//!
//! What it is for: [`ChatTemplate::compile`] checks a template once, [`ChatTemplate::render`] makes a prompt of a
//! [`Conversation`]. The language is what Hugging Face's `apply_chat_template` runs: Jinja in its immutable sandbox, with
//! `trim_blocks`, `lstrip_blocks`, `break` and `continue`, `generation` blocks, `raise_exception`, `strftime_now`.
//! It is an interpreter of our own since the prompt must say, for each piece of text, whether the template or a user
//! wrote it: each string carries that through every filter and method ([`Segment`]), so that `<|im_end|>` in a user's
//! message is tokenised as the text that it is.
//!
//! What it never does: it reads no clock, and neither a hostile template nor a hostile message makes it panic, hang or
//! use more than [`Limits`] allow. A construct that it does not know is an error with its name and place.
//!
//! Where to start reading: `evaluator` for what a template does, `text` for origins, `value` for what a template sees.

mod arguments;
mod ast;
mod budget;
mod date;
mod error;
mod evaluate;
mod evaluator;
mod expressions;
mod filters;
mod format;
mod json;
mod lexer;
mod methods;
mod operators;
mod parser;
mod predicates;
mod sequences;
mod strings;
mod text;
mod value;

#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;

pub use budget::Limits;
pub use error::{ErrorKind, Position, TemplateError};
pub use json::Json;
pub use text::{Origin, Segment};

use budget::Budget;
use value::{Scope, Value};

/// Roles that count as the template's text. Any other is whatever the client made up.
const ROLES: [&str; 6] = [
    "system",
    "user",
    "assistant",
    "tool",
    "developer",
    "function",
];

/// A compiled chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    body: ast::Body,
}

/// What a template makes a prompt of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conversation {
    /// The messages, each an object as a client of the OpenAI API sends it: `role`, `content`, `tool_calls` and so on.
    pub messages: Vec<Json>,
    /// The tool definitions, as the client sent them.
    pub tools: Option<Json>,
    /// Whether the prompt shall end where the assistant begins to speak.
    pub add_generation_prompt: bool,
    /// The text of the token that begins a sequence.
    pub bos_token: String,
    /// The text of the token that ends one.
    pub eos_token: String,
    /// What time `strftime_now` tells: seconds since 1970, UTC.
    pub unix_time: u32,
    /// More variables, such as `enable_thinking`: text in them counts as the user's.
    pub extra: Vec<(String, Json)>,
}

impl ChatTemplate {
    /// Checks a template's syntax.
    ///
    /// # Errors
    /// The construct that is malformed, or not known, and its place.
    pub fn compile(source: &str) -> Result<ChatTemplate, TemplateError> {
        Ok(ChatTemplate {
            body: parser::parse(source)?,
        })
    }

    /// Makes the prompt of a conversation; neighbouring segments have different origins.
    ///
    /// # Errors
    /// What the template refuses or does wrong, and where; or which limit it exceeds.
    pub fn render(&self, conversation: &Conversation) -> Result<Vec<Segment>, TemplateError> {
        self.render_within(conversation, Limits::for_input(conversation.size()))
    }

    /// [`ChatTemplate::render`] with limits of the caller's choice.
    ///
    /// # Errors
    /// As for [`ChatTemplate::render`].
    pub fn render_within(
        &self,
        conversation: &Conversation,
        limits: Limits,
    ) -> Result<Vec<Segment>, TemplateError> {
        let mut budget = Budget::new(limits);
        let start = Position { line: 1, column: 1 };
        let variables = conversation
            .variables(&mut budget)
            .map_err(|kind| kind.at(start))?;
        Ok(
            evaluator::render(&self.body, variables, budget, conversation.unix_time)?
                .into_segments(),
        )
    }
}

impl Conversation {
    /// About how many bytes it takes.
    fn size(&self) -> usize {
        let values = self
            .messages
            .iter()
            .chain(&self.tools)
            .chain(self.extra.iter().map(|(_, value)| value));
        values.map(Json::size).sum()
    }

    /// The variables that a template sees. Where names meet, the last definition counts.
    fn variables(&self, budget: &mut Budget) -> Result<Scope, ErrorKind> {
        let mut variables = Scope::new();
        for (name, value) in &self.extra {
            variables.push((name.as_str().into(), Value::from_json(value, budget)?));
        }
        let messages = self
            .messages
            .iter()
            .map(|message| message_value(message, budget))
            .collect::<Result<_, _>>()?;
        variables.push(("messages".into(), Value::list(messages, budget)?));
        let tools = self
            .tools
            .as_ref()
            .map_or(Ok(Value::None), |tools| Value::from_json(tools, budget))?;
        variables.push(("tools".into(), tools));
        variables.push(("documents".into(), Value::None));
        variables.push((
            "add_generation_prompt".into(),
            Value::Bool(self.add_generation_prompt),
        ));
        variables.push(("bos_token".into(), Value::template(self.bos_token.as_str())));
        variables.push(("eos_token".into(), Value::template(self.eos_token.as_str())));
        Ok(variables)
    }
}

/// A message, whose role counts as the template's text if it is a well-known one.
fn message_value(message: &Json, budget: &mut Budget) -> Result<Value, ErrorKind> {
    let Value::Map(map) = Value::from_json(message, budget)? else {
        return Err(ErrorKind::of_type(
            "a message",
            "value that is not an object",
        ));
    };
    let members = map
        .members
        .iter()
        .map(|(key, value)| match (key.as_str(), value.as_str()) {
            (Some("role"), Some(role)) if ROLES.contains(&role) => {
                (key.clone(), Value::template(role))
            }
            _ => (key.clone(), value.clone()),
        });
    Value::map(members.collect(), budget)
}
