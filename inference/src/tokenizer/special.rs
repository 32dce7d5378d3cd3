//! Finding special tokens in a text before anything else looks at it.
//!
//! Longer tokens are found first, over the whole text, then shorter ones in what is left between them; among equally
//! long ones the leftmost wins. So the text is searched once for each length that occurs, and the work is linear in it.

use alloc::vec::Vec;

use super::vocabulary::Vocabulary;
use super::{Special, TokenKind};
use crate::ids::TokenId;

/// A part of a text: one special token, or ordinary text.
pub(super) enum Fragment<'a> {
    Token(TokenId),
    Text(&'a str),
}

/// The special tokens of one length.
struct Length {
    bytes: usize,
    /// The bytes that one of them begins with.
    first: [bool; 256],
}

/// Recognises the special tokens of a vocabulary.
pub(super) struct SpecialTokens {
    /// Longest first.
    parse: Vec<Length>,
    as_text: Vec<Length>,
}

impl SpecialTokens {
    pub(super) fn new(vocabulary: &Vocabulary) -> Self {
        let lengths = |special| {
            let mut lengths: Vec<Length> = Vec::new();
            for text in
                (0..vocabulary.len()).filter(|&token| recognised(vocabulary, token, special))
            {
                let text = vocabulary.text(text);
                let index = match lengths.binary_search_by(|length| text.len().cmp(&length.bytes)) {
                    Ok(index) => index,
                    Err(index) => {
                        lengths.insert(
                            index,
                            Length {
                                bytes: text.len(),
                                first: [false; 256],
                            },
                        );
                        index
                    }
                };
                lengths[index].first[usize::from(text[0])] = true;
            }
            lengths
        };
        Self {
            parse: lengths(Special::Parse),
            as_text: lengths(Special::AsText),
        }
    }

    /// Cuts `text` into special tokens and what lies between them.
    pub(super) fn split<'a>(
        &self,
        vocabulary: &Vocabulary,
        text: &'a str,
        special: Special,
    ) -> Vec<Fragment<'a>> {
        let lengths = match special {
            Special::Parse => &self.parse,
            Special::AsText => &self.as_text,
        };
        let mut fragments = Vec::from([Fragment::Text(text)]);
        for length in lengths {
            let mut finer = Vec::with_capacity(fragments.len());
            for fragment in fragments {
                match fragment {
                    Fragment::Token(_) => finer.push(fragment),
                    Fragment::Text(text) => length.split(vocabulary, text, special, &mut finer),
                }
            }
            fragments = finer;
        }
        fragments
    }
}

impl Length {
    fn split<'a>(
        &self,
        vocabulary: &Vocabulary,
        mut text: &'a str,
        special: Special,
        fragments: &mut Vec<Fragment<'a>>,
    ) {
        let mut at = 0;
        while let Some(candidate) = text.as_bytes().get(at..at + self.bytes) {
            let token = self.first[usize::from(candidate[0])]
                .then(|| vocabulary.find(candidate))
                .flatten();
            match token.filter(|&token| recognised(vocabulary, token as usize, special)) {
                None => at += 1,
                Some(token) => {
                    if at > 0 {
                        fragments.push(Fragment::Text(&text[..at]));
                    }
                    fragments.push(Fragment::Token(TokenId(token)));
                    text = &text[at + self.bytes..];
                    at = 0;
                }
            }
        }
        if !text.is_empty() {
            fragments.push(Fragment::Text(text));
        }
    }
}

fn recognised(vocabulary: &Vocabulary, token: usize, special: Special) -> bool {
    match vocabulary.kind(token) {
        TokenKind::UserDefined => true,
        TokenKind::Control | TokenKind::Unknown => special == Special::Parse,
        TokenKind::Normal | TokenKind::Byte | TokenKind::Unused => false,
    }
}
