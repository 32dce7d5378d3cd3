//! Byte-level BPE (`gpt2`): the text is cut into words, and in each word bytes are merged in the order of a list.
//!
//! Token texts spell every byte as one printable character: those that are printable in Latin-1 as themselves, the
//! others as U+0100 and following.

use alloc::{string::ToString, vec::Vec};

use hashbrown::HashMap;

use super::merge::{Merge, Merger, NO_TOKEN};
use super::pre_tokenizer::PreTokenizer;
use super::vocabulary::Vocabulary;
use super::{Metadata, TokenizerError};
use crate::ids::TokenId;
use crate::limits::MAX_MERGE_BYTES;

pub(super) struct ByteLevel {
    pre_tokenizer: &'static PreTokenizer,
    /// The token of each single byte.
    bytes: [Option<u32>; 256],
    /// What two tokens merge to.
    merges: HashMap<(u32, u32), Merge>,
}

impl ByteLevel {
    pub(super) fn new(
        metadata: &Metadata<'_>,
        vocabulary: &Vocabulary,
    ) -> Result<Self, TokenizerError> {
        let pre_tokenizer = PreTokenizer::by_name(metadata.pre.unwrap_or("default"))?;
        let list = metadata.merges.as_deref().ok_or(TokenizerError::Missing {
            key: "tokenizer.ggml.merges",
        })?;
        let mut merges = HashMap::with_capacity(list.len());
        for (merge, text) in list.iter().enumerate() {
            let (left, right) = text
                .split_once(' ')
                .filter(|(left, right)| {
                    !left.is_empty() && !right.is_empty() && !right.contains(' ')
                })
                .ok_or_else(|| TokenizerError::MalformedMerge {
                    merge,
                    text: text.to_string(),
                })?;
            let find = |text: &str| {
                let unknown = || TokenizerError::MergeOfUnknownToken {
                    merge,
                    text: text.to_string(),
                };
                vocabulary.find(text.as_bytes()).ok_or_else(unknown)
            };
            let result = Merge {
                priority: merge as u32,
                token: find(&[left, right].concat())?,
            };
            if merges.insert((find(left)?, find(right)?), result).is_some() {
                return Err(TokenizerError::DuplicateMerge {
                    merge,
                    text: text.to_string(),
                });
            }
        }
        // Text must not become a control token, also not where a merge spells one.
        merges.retain(|_, merge| !vocabulary.kind(merge.token as usize).is_hidden());
        let bytes = core::array::from_fn(|byte| {
            vocabulary.find_text(byte_to_char(byte as u8).encode_utf8(&mut [0; 4]).as_bytes())
        });
        Ok(Self {
            pre_tokenizer,
            bytes,
            merges,
        })
    }

    pub(super) fn adds_bos(&self) -> bool {
        self.pre_tokenizer.adds_bos
    }

    /// Whether every text becomes tokens, and no part of it is left out.
    pub(super) fn expresses_all(&self) -> bool {
        self.bytes.iter().all(Option::is_some)
    }

    pub(super) fn encode(
        &self,
        vocabulary: &Vocabulary,
        text: &str,
        merger: &mut Merger,
        out: &mut Vec<TokenId>,
    ) {
        self.pre_tokenizer.words(text, &mut |word| {
            if self.pre_tokenizer.ignores_merges
                && let Some(token) = find_word(vocabulary, word)
            {
                return out.push(TokenId(token));
            }
            for run in word.as_bytes().chunks(MAX_MERGE_BYTES) {
                merger.start(run.len());
                for (start, &byte) in run.iter().enumerate() {
                    merger.push(self.bytes[usize::from(byte)], start);
                }
                merger.run(|left, right, _| self.merges.get(&(left, right)).copied());
                // A byte that the vocabulary cannot express is left out, as in llama.cpp.
                out.extend(
                    merger
                        .symbols()
                        .filter(|&(token, _)| token != NO_TOKEN)
                        .map(|(token, _)| TokenId(token)),
                );
            }
        });
    }
}

/// The token whose text spells the whole word.
fn find_word(vocabulary: &Vocabulary, word: &str) -> Option<u32> {
    if word.len() > vocabulary.longest() {
        return None;
    }
    let spelled: alloc::string::String = word.bytes().map(byte_to_char).collect();
    vocabulary.find_text(spelled.as_bytes())
}

/// Bytes that are spelled as the character of the same number.
fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

/// The character that spells a byte.
pub(super) fn byte_to_char(byte: u8) -> char {
    if is_printable(byte) {
        return char::from(byte);
    }
    // Unprintable bytes are numbered from U+0100 in ascending order.
    let rank = (0..byte).filter(|&lower| !is_printable(lower)).count();
    char::from_u32(0x100 + rank as u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte that a character spells.
fn char_to_byte(character: char) -> Option<u8> {
    match u32::from(character) {
        code @ 0..=0xff => Some(code as u8).filter(|&byte| is_printable(byte)),
        code @ 0x100..=0x143 => (0..=u8::MAX)
            .filter(|&byte| !is_printable(byte))
            .nth((code - 0x100) as usize),
        _ => None,
    }
}

/// The bytes that a token text spells; none if it has a character that spells no byte.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    text.chars().map(char_to_byte).collect()
}
