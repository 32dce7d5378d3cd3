//! Why a file cannot be used as a model, although it is sound GGUF.

use alloc::string::String;
use core::fmt;

use super::WeightType;
use crate::gguf::KeyError;

/// Why a model was refused; each names the key or tensor, what was found and what was expected.
#[derive(Clone, Debug, PartialEq)]
#[rustfmt::skip] // one row per reason
#[expect(
    missing_docs,
    reason = "each variant's Display says in full what its fields mean"
)]
pub enum ModelError {
    Key(KeyError),
    Architecture { found: String },
    Integer { key: String, found: u32, least: usize, most: usize },
    Float { key: String, found: f32, above: f32, most: f32 },
    Unsupported { key: String, found: String, expected: &'static str },
    HeadGroups { head_count: usize, head_count_kv: usize },
    HeadLength { embedding_length: usize, head_count: usize },
    ValueLength { key_length: usize, value_length: usize },
    OddRotation { found: usize },
    Vocabulary { tokens: usize, declared: usize },
    MissingTensor { name: String },
    UnknownTensor { name: String },
    Shape { name: String, found: [u64; 4], expected: [u64; 4] },
    NormType { name: String, found: WeightType },
    TooLarge { bytes: u64 },
    DataLength { found: usize, expected: usize },
    RopeFactor { index: usize, found: f32, least: f32, most: f32 },
    NotFinite { name: String, unit: &'static str, index: usize, found: f32 },
}

impl fmt::Display for ModelError {
    #[rustfmt::skip] // one row per reason
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(error) => error.fmt(f),
            Self::Architecture { found } => write!(f, "key general.architecture: {found:?} is not supported; only \"llama\" is"),
            Self::Integer { key, found, least, most } => write!(f, "key {key}: {found} is not in {least} to {most}"),
            Self::Float { key, found, above, most } => write!(f, "key {key}: {found} is not above {above} and at most {most}"),
            Self::Unsupported { key, found, expected } => write!(f, "key {key}: {found} is not supported; only {expected} is"),
            Self::HeadGroups { head_count, head_count_kv } => write!(f, "key llama.attention.head_count_kv: {head_count_kv} does not divide the head count {head_count}"),
            Self::HeadLength { embedding_length, head_count } => write!(f, "key llama.attention.head_count: {head_count} does not divide the embedding length {embedding_length}, and llama.attention.key_length is missing"),
            Self::ValueLength { key_length, value_length } => write!(f, "key llama.attention.value_length: {value_length} differs from the key length {key_length}"),
            Self::OddRotation { found } => write!(f, "key llama.rope.dimension_count: {found} is odd"),
            Self::Vocabulary { tokens, declared } => write!(f, "key llama.vocab_size: {declared}, but tokenizer.ggml.tokens has {tokens}"),
            Self::MissingTensor { name } => write!(f, "tensor {name} is missing"),
            Self::UnknownTensor { name } => write!(f, "tensor {name} has no place in a llama model, so the model would be computed wrongly without it"),
            Self::Shape { name, found, expected } => write!(f, "tensor {name}: shape {found:?} instead of {expected:?}"),
            Self::NormType { name, found } => write!(f, "tensor {name}: type {found:?} instead of F32"),
            Self::TooLarge { bytes } => write!(f, "{bytes} bytes of tensor data do not fit into the address space"),
            Self::DataLength { found, expected } => write!(f, "{found} bytes of tensor data were read, {expected} expected"),
            Self::RopeFactor { index, found, least, most } => write!(f, "tensor rope_freqs.weight: factor {index} is {found}, which is not in {least} to {most}"),
            Self::NotFinite { name, unit, index, found } => {
                let found = if found.is_nan() { "NaN" } else { "infinite" };
                write!(f, "tensor {name}: {unit} {index} is {found}")
            }
        }
    }
}

impl core::error::Error for ModelError {}

impl From<KeyError> for ModelError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}
