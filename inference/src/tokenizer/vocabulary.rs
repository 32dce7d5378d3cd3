//! The checked vocabulary: token texts, their kinds, what each stands for, and the way back from text to token.

use alloc::{format, string::ToString, vec::Vec};
use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{Metadata, TokenizerError, byte_level, roles};
use crate::limits::{MAX_TOKEN_BYTES, MAX_VOCABULARY};

/// What a token is, by `tokenizer.ggml.token_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Stands for nothing (also: a type of 0, or a token marked unused).
    Unused,
    /// Stands for a piece of text.
    Normal,
    /// Stands for text that has no token.
    Unknown,
    /// Structure, such as the begin or the end of a message; not text.
    Control,
    /// A piece of text that is recognised before anything else.
    UserDefined,
    /// Stands for one byte.
    Byte,
}

impl TokenKind {
    fn from_metadata(token: usize, found: i32) -> Result<Self, TokenizerError> {
        match found {
            0 | 5 => Ok(Self::Unused),
            1 => Ok(Self::Normal),
            2 => Ok(Self::Unknown),
            3 => Ok(Self::Control),
            4 => Ok(Self::UserDefined),
            6 => Ok(Self::Byte),
            _ => Err(TokenizerError::UnknownTokenType { token, found }),
        }
    }

    /// Whether the token is structure and not text, so that ordinary text must never become it.
    pub(super) fn is_hidden(self) -> bool {
        matches!(self, Self::Control | Self::Unknown)
    }
}

/// Byte strings one after the other in one allocation.
#[derive(Default)]
struct Strings {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Strings {
    /// The caller has checked that all strings together are at most `u32::MAX` bytes.
    fn push(&mut self, bytes: impl IntoIterator<Item = u8>) {
        self.bytes.extend(bytes);
        self.ends.push(self.bytes.len() as u32);
    }

    fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 {
            0
        } else {
            self.ends[index - 1] as usize
        };
        &self.bytes[start..self.ends[index] as usize]
    }
}

/// How token texts spell bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// `▁` is a space, everything else itself (`llama`).
    SentencePiece,
    /// Every byte is a printable character (`gpt2`).
    ByteLevel,
}

pub(super) struct Vocabulary {
    texts: Strings,
    pieces: Strings,
    kinds: Vec<TokenKind>,
    by_text: HashTable<u32>,
    hasher: DefaultHashBuilder,
    longest: usize,
}

impl Vocabulary {
    pub(super) fn new(metadata: &Metadata<'_>, spelling: Spelling) -> Result<Self, TokenizerError> {
        let tokens = metadata.tokens.len();
        // Room for the names that empty tokens get.
        let bytes = metadata
            .tokens
            .iter()
            .map(|text| text.len().max(32))
            .fold(0, usize::saturating_add);
        if tokens == 0 || tokens > MAX_VOCABULARY || bytes > u32::MAX as usize {
            return Err(TokenizerError::VocabularySize { tokens, bytes });
        }
        check_length(
            "tokenizer.ggml.token_type",
            metadata.token_types.as_ref().map(Vec::len),
            tokens,
        )?;
        let mut vocabulary = Self {
            texts: Strings::default(),
            pieces: Strings::default(),
            kinds: Vec::with_capacity(tokens),
            by_text: HashTable::with_capacity(tokens),
            hasher: DefaultHashBuilder::default(),
            longest: 0,
        };
        for (token, text) in metadata.tokens.iter().enumerate() {
            let kind = match &metadata.token_types {
                Some(types) => TokenKind::from_metadata(token, types[token])?,
                None => TokenKind::Normal,
            };
            match text {
                &"" => vocabulary.add(token, &format!("[EMPTY_{token}]"), kind)?,
                text => vocabulary.add(token, text, kind)?,
            }
        }
        roles::correct_kinds(metadata, &mut vocabulary);
        vocabulary.spell(spelling)?;
        Ok(vocabulary)
    }

    fn add(&mut self, token: usize, text: &str, kind: TokenKind) -> Result<(), TokenizerError> {
        if text.len() > MAX_TOKEN_BYTES {
            let bytes = text.len();
            return Err(TokenizerError::TokenLength { token, bytes });
        }
        let second = token as u32;
        if let Some(first) = self.find(text.as_bytes()) {
            return Err(TokenizerError::DuplicateToken {
                first,
                second,
                text: text.to_string(),
            });
        }
        self.texts.push(text.bytes());
        self.kinds.push(kind);
        self.longest = self.longest.max(text.len());
        let Self {
            texts,
            hasher,
            by_text,
            ..
        } = self;
        by_text.insert_unique(hasher.hash_one(text.as_bytes()), second, |&other| {
            hasher.hash_one(texts.get(other as usize))
        });
        Ok(())
    }

    /// Works out what every token stands for.
    fn spell(&mut self, spelling: Spelling) -> Result<(), TokenizerError> {
        for token in 0..self.len() {
            let text = core::str::from_utf8(self.texts.get(token)).unwrap_or_default();
            match (self.kinds[token], spelling) {
                (TokenKind::Unused, _) => self.pieces.push([]),
                (TokenKind::Unknown | TokenKind::Control | TokenKind::UserDefined, _) => {
                    self.pieces.push(text.bytes())
                }
                (TokenKind::Normal, Spelling::SentencePiece) => {
                    self.pieces.push(text.replace('▁', " ").bytes())
                }
                (TokenKind::Normal, Spelling::ByteLevel) => match byte_level::decode(text) {
                    Some(bytes) => self.pieces.push(bytes),
                    None => self.pieces.push(text.bytes()),
                },
                (TokenKind::Byte, _) => match parse_byte_token(text) {
                    Some(byte) => self.pieces.push([byte]),
                    None => {
                        return Err(TokenizerError::MalformedByteToken {
                            token,
                            text: text.to_string(),
                        });
                    }
                },
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Length in bytes of the longest token text.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    pub(super) fn find(&self, text: &[u8]) -> Option<u32> {
        if text.len() > self.longest {
            return None;
        }
        self.by_text
            .find(self.hasher.hash_one(text), |&token| {
                self.texts.get(token as usize) == text
            })
            .copied()
    }

    /// As [`Self::find`], but never a token that ordinary text must not become.
    pub(super) fn find_text(&self, text: &[u8]) -> Option<u32> {
        self.find(text)
            .filter(|&token| !self.kinds[token as usize].is_hidden())
    }

    pub(super) fn text(&self, token: usize) -> &[u8] {
        self.texts.get(token)
    }

    pub(super) fn piece(&self, token: usize) -> &[u8] {
        self.pieces.get(token)
    }

    pub(super) fn kind(&self, token: usize) -> TokenKind {
        self.kinds[token]
    }

    pub(super) fn set_kind(&mut self, token: u32, kind: TokenKind) {
        self.kinds[token as usize] = kind;
    }
}

/// The byte that `<0xXX>` names.
fn parse_byte_token(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() != 2 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

pub(super) fn check_length(
    key: &'static str,
    found: Option<usize>,
    expected: usize,
) -> Result<(), TokenizerError> {
    match found {
        Some(found) if found != expected => Err(TokenizerError::Length {
            key,
            found,
            expected,
        }),
        _ => Ok(()),
    }
}
