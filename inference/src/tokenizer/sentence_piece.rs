//! SentencePiece-style BPE (`llama`): spaces become `▁`, then characters are merged to the tokens of the highest score.

use alloc::{string::String, vec::Vec};

use super::merge::{Merge, Merger, NO_TOKEN};
use super::vocabulary::{Vocabulary, check_length};
use super::{Metadata, TokenizerError};
use crate::ids::TokenId;
use crate::limits::MAX_MERGE_BYTES;

pub(super) struct SentencePiece {
    /// Of each token, lower for a higher score.
    priorities: Vec<u32>,
    /// The token `<0xXX>` of each byte, or else of its character.
    bytes: [Option<u32>; 256],
    unknown: Option<TokenId>,
    /// Whether every text, also one that follows a special token, gets a space in front.
    pub(super) adds_space: bool,
}

impl SentencePiece {
    pub(super) fn new(
        metadata: &Metadata<'_>,
        vocabulary: &Vocabulary,
        unknown: Option<TokenId>,
    ) -> Result<Self, TokenizerError> {
        check_length(
            "tokenizer.ggml.scores",
            metadata.scores.as_ref().map(Vec::len),
            vocabulary.len(),
        )?;
        let priority = |(token, &score): (usize, &f32)| match score.is_nan() {
            true => Err(TokenizerError::Score { token }),
            false => Ok(descending(score)),
        };
        let priorities = match &metadata.scores {
            Some(scores) => scores
                .iter()
                .enumerate()
                .map(priority)
                .collect::<Result<_, _>>()?,
            None => {
                return Err(TokenizerError::Missing {
                    key: "tokenizer.ggml.scores",
                });
            }
        };
        let bytes = core::array::from_fn(|byte| {
            let name = alloc::format!("<0x{byte:02X}>");
            vocabulary
                .find(name.as_bytes())
                .or_else(|| vocabulary.find(&[byte as u8]))
        });
        Ok(Self {
            priorities,
            bytes,
            unknown,
            adds_space: metadata.add_space_prefix.unwrap_or(true),
        })
    }

    /// Whether every text becomes tokens, and no part of it is left out.
    pub(super) fn expresses_all(&self) -> bool {
        self.unknown.is_some() || self.bytes.iter().all(Option::is_some)
    }

    pub(super) fn encode(
        &self,
        vocabulary: &Vocabulary,
        text: &str,
        merger: &mut Merger,
        out: &mut Vec<TokenId>,
    ) {
        let mut escaped = String::with_capacity(text.len() + text.len() / 2);
        if self.adds_space {
            escaped.push('▁');
        }
        escaped.extend(
            text.chars()
                .map(|character| if character == ' ' { '▁' } else { character }),
        );
        let mut rest = escaped.as_str();
        while !rest.is_empty() {
            let (run, after) = rest.split_at(rest.floor_char_boundary(MAX_MERGE_BYTES));
            self.encode_run(vocabulary, run, merger, out);
            rest = after;
        }
    }

    fn encode_run(
        &self,
        vocabulary: &Vocabulary,
        text: &str,
        merger: &mut Merger,
        out: &mut Vec<TokenId>,
    ) {
        merger.start(text.len());
        for (start, character) in text.char_indices() {
            merger.push(
                vocabulary.find_text(character.encode_utf8(&mut [0; 4]).as_bytes()),
                start,
            );
        }
        merger.run(|_, _, range| {
            let token = vocabulary.find_text(&text.as_bytes()[range])?;
            Some(Merge {
                priority: self.priorities[token as usize],
                token,
            })
        });
        for (token, range) in merger.symbols() {
            match token {
                NO_TOKEN => self.fall_back(&text.as_bytes()[range], out),
                token => out.push(TokenId(token)),
            }
        }
    }

    /// A character without a token becomes its bytes; without tokens for these, the one token for unknown text.
    fn fall_back(&self, character: &[u8], out: &mut Vec<TokenId>) {
        let start = out.len();
        out.extend(
            character
                .iter()
                .map_while(|&byte| self.bytes[usize::from(byte)])
                .map(TokenId),
        );
        if out.len() - start < character.len() {
            out.truncate(start);
            out.extend(self.unknown);
        }
    }
}

/// Orders scores as numbers that are lower for higher scores.
fn descending(score: f32) -> u32 {
    // Adding zero makes the two zeros one.
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 0 {
        !(bits | 1 << 31)
    } else {
        bits
    }
}
