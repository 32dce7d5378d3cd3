//! Why a model file's tokenizer was refused.

use alloc::string::String;
use core::fmt;

use crate::gguf::KeyError;
use crate::limits::{MAX_TOKEN_BYTES, MAX_VOCABULARY};

/// Why a tokenizer could not be built; in every case the file is to blame, and the text names the metadata key.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TokenizerError {
    /// A key that this kind of tokenizer needs is absent.
    Missing {
        /// The metadata key.
        key: &'static str,
    },
    /// A key holds something of the wrong type.
    Key(KeyError),
    /// `tokenizer.ggml.model` names an algorithm that is not supported.
    UnknownModel {
        /// The name in the file.
        found: String,
    },
    /// `tokenizer.ggml.pre` names a pre-tokenizer that is not supported.
    UnknownPreTokenizer {
        /// The name in the file.
        found: String,
    },
    /// The vocabulary is empty, or larger than token ids or offsets can number.
    VocabularySize {
        /// Number of tokens.
        tokens: usize,
        /// Bytes in all token texts together.
        bytes: usize,
    },
    /// A token's text is longer than any real one.
    TokenLength {
        /// The token.
        token: usize,
        /// Bytes of its text.
        bytes: usize,
    },
    /// A per-token array is not as long as the vocabulary.
    Length {
        /// The metadata key of the array.
        key: &'static str,
        /// Its length.
        found: usize,
        /// The number of tokens.
        expected: usize,
    },
    /// Two tokens have the same text.
    DuplicateToken {
        /// The first of them.
        first: u32,
        /// The second of them.
        second: u32,
        /// Their text.
        text: String,
    },
    /// A token type outside of the format's list.
    UnknownTokenType {
        /// The token.
        token: usize,
        /// Its type.
        found: i32,
    },
    /// A token of type byte whose text is not `<0xXX>`.
    MalformedByteToken {
        /// The token.
        token: usize,
        /// Its text.
        text: String,
    },
    /// A score that is not a number.
    Score {
        /// The token.
        token: usize,
    },
    /// A special token's id lies outside of the vocabulary.
    TokenOutOfRange {
        /// The metadata key.
        key: &'static str,
        /// The id in the file.
        found: u32,
        /// The number of tokens.
        vocabulary: usize,
    },
    /// A merge that is not two parts with one space between.
    MalformedMerge {
        /// Its index.
        merge: usize,
        /// Its text.
        text: String,
    },
    /// A merge whose part or result is not in the vocabulary.
    MergeOfUnknownToken {
        /// Its index.
        merge: usize,
        /// The text that is no token.
        text: String,
    },
    /// A merge that occurs twice.
    DuplicateMerge {
        /// Index of the second one.
        merge: usize,
        /// Its text.
        text: String,
    },
}

impl fmt::Display for TokenizerError {
    #[rustfmt::skip] // one row per reason
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { key } => write!(f, "{key} is missing"),
            Self::Key(error) => error.fmt(f),
            Self::UnknownModel { found } => write!(f, "tokenizer.ggml.model is {found:?}, supported are \"llama\" and \"gpt2\""),
            Self::UnknownPreTokenizer { found } => write!(f, "tokenizer.ggml.pre is {found:?}, which is not a supported pre-tokenizer"),
            Self::VocabularySize { tokens, bytes } => write!(f, "tokenizer.ggml.tokens has {tokens} tokens of {bytes} bytes together, expected 1 to {} of at most {}", MAX_VOCABULARY, u32::MAX),
            Self::TokenLength { token, bytes } => write!(f, "tokenizer.ggml.tokens item {token} has {bytes} bytes, expected at most {MAX_TOKEN_BYTES}"),
            Self::Length { key, found, expected } => write!(f, "{key} has {found} items, expected one for each of {expected} tokens"),
            Self::DuplicateToken { first, second, text } => write!(f, "tokenizer.ggml.tokens has {text:?} twice, as {first} and as {second}"),
            Self::UnknownTokenType { token, found } => write!(f, "tokenizer.ggml.token_type of token {token} is {found}, expected 0 to 6"),
            Self::MalformedByteToken { token, text } => write!(f, "tokenizer.ggml.token_type says byte for token {token}, whose text is {text:?}, not <0xXX>"),
            Self::Score { token } => write!(f, "tokenizer.ggml.scores of token {token} is not a number"),
            Self::TokenOutOfRange { key, found, vocabulary } => write!(f, "{key} is {found}, but the vocabulary has {vocabulary} tokens"),
            Self::MalformedMerge { merge, text } => write!(f, "tokenizer.ggml.merges item {merge} is {text:?}, expected two parts and a space between"),
            Self::MergeOfUnknownToken { merge, text } => write!(f, "tokenizer.ggml.merges item {merge} needs {text:?}, which is not in tokenizer.ggml.tokens"),
            Self::DuplicateMerge { merge, text } => write!(f, "tokenizer.ggml.merges item {merge}, {text:?}, was there before"),
        }
    }
}

impl From<KeyError> for TokenizerError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

impl core::error::Error for TokenizerError {}
