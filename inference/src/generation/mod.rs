//! From text to a prompt's tokens, and from an answer's tokens to text.
//!
//! Where to start reading: [`TextStream`] for what a client sees of an answer, [`StopFilter`] for how stop strings are
//! found across the borders of tokens.

mod stop;

use alloc::string::String;
use alloc::vec::Vec;

use crate::chat::{ChatTemplate, Conversation, Origin, Segment, TemplateError};
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
