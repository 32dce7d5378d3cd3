//! From text to a prompt's tokens, and from an answer's tokens to text.
//!
//! Where to start reading: [`TextStream`] for what a client sees of an answer, [`StopFilter`] for how stop strings are
//! found across the borders of tokens, [`chat_template`] for what is asked of a template before clients are let at it.

mod stop;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;

use crate::chat::{ChatTemplate, Conversation, ErrorKind, Json, Origin, Segment, TemplateError};
use crate::ids::TokenId;
use crate::tokenizer::{Detokenizer, Special, Tokenizer};
pub use stop::StopFilter;

/// The tokens of a prompt that is text, with the token that begins a text where the model wants it.
#[must_use]
pub fn prompt_tokens(tokenizer: &Tokenizer, text: &str, special: Special) -> Vec<TokenId> {
    let mut tokens = Vec::new();
    tokens.extend(tokenizer.bos().filter(|_| tokenizer.add_bos()));
    tokenizer.encode(text, special, &mut tokens);
    tokens
}

/// A message as a client would send it.
#[must_use]
pub fn message(role: &str, content: &str) -> Json {
    Json::object([("role", role.into()), ("content", content.into())])
}

/// A conversation in which the assistant speaks next.
#[must_use]
pub fn conversation(tokenizer: &Tokenizer, messages: Vec<Json>, unix_time: u32) -> Conversation {
    let text = |token| tokenizer.token_text(token).into();
    Conversation {
        messages,
        add_generation_prompt: true,
        bos_token: tokenizer.bos().map(text).unwrap_or_default(),
        eos_token: tokenizer.eos().map(text).unwrap_or_default(),
        unix_time,
        ..Conversation::default()
    }
}

/// Compiles a chat template and tries it: on a greeting, alone and after a system message. It may refuse one of the two
/// with `raise_exception`, as templates without a system role do; any other failure would meet every client.
///
/// # Errors
/// Why it does not compile, or what is wrong with how it renders.
pub fn chat_template(source: &str, tokenizer: &Tokenizer) -> Result<ChatTemplate, TemplateError> {
    let template = ChatTemplate::compile(source)?;
    let (system, user) = (message("system", "Be kind."), message("user", "Hello!"));
    let render = |messages| template.render(&conversation(tokenizer, messages, 0));
    let after_system = render(Vec::from([system, user.clone()])).err();
    let refused = |error: &TemplateError| matches!(error.kind, ErrorKind::Raised(_));
    let failure = match (render(Vec::from([user])).err(), after_system) {
        (Some(alone), Some(_)) => Some(alone),
        (alone, after_system) => alone.or(after_system).filter(|error| !refused(error)),
    };
    failure.map_or(Ok(template), Err)
}

/// The tokens of a conversation, as by [`segment_tokens`].
///
/// # Errors
/// What the template refuses.
pub fn conversation_tokens(
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    conversation: &Conversation,
) -> Result<Vec<TokenId>, TemplateError> {
    Ok(segment_tokens(tokenizer, &template.render(conversation)?))
}

/// The tokens of a rendered conversation; what a user wrote in it never becomes a control token. The token that begins a
/// text stands in front once, whether or not the template writes it.
#[must_use]
pub fn segment_tokens(tokenizer: &Tokenizer, segments: &[Segment]) -> Vec<TokenId> {
    let parts = segments.iter().map(|segment| {
        let special = match segment.origin {
            Origin::Template => Special::Parse,
            Origin::User => Special::AsText,
        };
        (segment.text.as_str(), special)
    });
    let mut tokens = Vec::new();
    tokenizer.encode_parts(parts, &mut tokens);
    if let Some(bos) = tokenizer.bos().filter(|_| tokenizer.add_bos())
        && tokens.first() != Some(&bos)
    {
        tokens.insert(0, bos);
    }
    tokens
}

/// What a token adds to the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Text that is certain: whole characters, and no part of a stop string.
    pub text: String,
    /// Whether a stop string has come; the answer is complete, and no further token belongs to it.
    pub stopped: bool,
}

/// Turns the tokens of an answer into text as it grows.
#[derive(Debug)]
pub struct TextStream {
    detokenizer: Detokenizer,
    filter: StopFilter,
    /// Kept for its memory.
    text: String,
}

impl TextStream {
    /// A stream that ends before the first of the `stop` strings; empty ones are ignored.
    #[must_use]
    pub fn new(stop: Vec<String>) -> Self {
        Self {
            detokenizer: Detokenizer::new(),
            filter: StopFilter::new(stop),
            text: String::new(),
        }
    }

    /// Takes the next token.
    pub fn push(&mut self, tokenizer: &Tokenizer, token: TokenId) -> Piece {
        self.text.clear();
        self.detokenizer.push(tokenizer, token, &mut self.text);
        let mut text = String::new();
        let stopped = self.filter.push(&self.text, &mut text);
        Piece { text, stopped }
    }

    /// The text that was held back, once no token follows; empty after a stop string.
    pub fn finish(&mut self) -> String {
        self.text.clear();
        self.detokenizer.finish(&mut self.text);
        let mut text = String::new();
        if !self.filter.push(&self.text, &mut text) {
            self.filter.finish(&mut text);
        }
        text
    }
}
