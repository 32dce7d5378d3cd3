//! From tokens back to text, one token at a time.

use alloc::{string::String, vec::Vec};

use super::{TokenKind, Tokenizer};
use crate::ids::TokenId;

/// Whether control tokens show in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ControlTokens {
    /// They are structure, and leave no trace.
    #[default]
    Hide,
    /// They show as they are written in the vocabulary.
    Show,
}

/// Turns a stream of tokens into text that is valid UTF-8 after every token.
///
/// The bytes of a character that is not yet whole are held back; bytes that cannot become a character are replaced by
/// U+FFFD, exactly as [`String::from_utf8_lossy`] would in the whole. At most 3 bytes are held.
#[derive(Clone, Debug, Default)]
pub struct Detokenizer {
    pending: Vec<u8>,
    control: ControlTokens,
    strip_space: bool,
}

impl Detokenizer {
    /// For tokens that continue a text, such as a model's answer: nothing of them is stripped.
    pub fn new() -> Self {
        Self::default()
    }

    /// For the tokens of a whole text: takes back the space that encoding put in front.
    pub fn of_whole_text(tokenizer: &Tokenizer, control: ControlTokens) -> Self {
        Self {
            pending: Vec::new(),
            control,
            strip_space: tokenizer.adds_space(),
        }
    }

    /// Appends to `text` what `token` completes. A token outside of the vocabulary adds nothing.
    pub fn push(&mut self, tokenizer: &Tokenizer, token: TokenId, text: &mut String) {
        if tokenizer
            .token_kind(token)
            .is_none_or(|kind| self.hides(kind))
        {
            return;
        }
        let mut piece = tokenizer.token_bytes(token);
        if !piece.is_empty() && core::mem::take(&mut self.strip_space) {
            piece = piece.strip_prefix(b" ").unwrap_or(piece);
        }
        self.pending.extend_from_slice(piece);
        let held = self.decode(text);
        self.pending.drain(..self.pending.len() - held);
    }

    /// Appends what was held back, as U+FFFD because it never became whole, and starts over.
    pub fn finish(&mut self, text: &mut String) {
        if !self.pending.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
            self.pending.clear();
        }
    }

    fn hides(&self, kind: TokenKind) -> bool {
        self.control == ControlTokens::Hide && kind.is_hidden()
    }

    /// Appends what is pending to `text`, and returns how many of the last bytes may still become a character.
    fn decode(&self, text: &mut String) -> usize {
        let mut left = self.pending.len();
        for chunk in self.pending.utf8_chunks() {
            text.push_str(chunk.valid());
            left -= chunk.valid().len() + chunk.invalid().len();
            let invalid = chunk.invalid();
            let incomplete =
                core::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if left == 0 && incomplete {
                return invalid.len();
            }
            if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        0
    }
}
