//! Why a GGUF file, or a key of it, was refused.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use crate::limits::{MAX_GGUF_METADATA_BYTES, MAX_GGUF_RANK};
use crate::source::ReadError;

/// Why a file was refused. All variants but `Read` and `OutOfMemory` blame the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each variant's Display says in full what its fields mean"
)]
pub enum GgufError {
    Read(ReadError),
    OutOfMemory {
        bytes: usize,
    },
    NotGguf {
        found: [u8; 4],
    },
    BigEndian,
    Version {
        found: u32,
    },
    Truncated {
        offset: u64,
        needed: u64,
        available: u64,
    },
    At {
        place: String,
        error: Box<GgufError>,
    },
    MetadataTooLarge,
    TooMany {
        what: &'static str,
        offset: u64,
        found: u64,
        limit: u64,
    },
    NotUtf8 {
        owner: String,
        offset: u64,
    },
    UnknownValueType {
        key: String,
        found: u32,
    },
    NestedArray {
        key: String,
    },
    BadBool {
        key: String,
        found: u8,
    },
    DuplicateKey {
        key: String,
    },
    DuplicateTensor {
        name: String,
    },
    AlignmentType {
        found: &'static str,
    },
    Alignment {
        found: u64,
    },
    TensorRank {
        name: String,
        found: u32,
    },
    EmptyTensor {
        name: String,
    },
    TensorType {
        name: String,
        id: u32,
        type_name: Option<&'static str>,
    },
    PartialBlock {
        name: String,
        columns: u64,
        block: usize,
    },
    TensorTooLarge {
        name: String,
        dimensions: [u64; MAX_GGUF_RANK],
    },
    TensorMisaligned {
        name: String,
        offset: u64,
        alignment: u64,
    },
    TensorOutOfBounds {
        name: String,
        offset: u64,
        length: u64,
        available: u64,
    },
    TensorsOverlap {
        name: String,
        other: String,
    },
}

impl fmt::Display for GgufError {
    #[rustfmt::skip] // one row per reason
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "cannot read the model: {error}"),
            Self::OutOfMemory { bytes } => write!(f, "no memory for {bytes} bytes of model metadata"),
            Self::NotGguf { found } => write!(f, "not a GGUF file: it begins with \"{}\" instead of \"GGUF\"", found.escape_ascii()),
            Self::BigEndian => write!(f, "big-endian GGUF file: only little-endian ones are supported"),
            Self::Version { found } => write!(f, "GGUF version {found}: only versions 2 and 3 are supported"),
            Self::Truncated { offset, needed, available } => write!(f, "the file ends too early: {needed} bytes expected at offset {offset}, {available} there"),
            Self::At { place, error } => write!(f, "{place}: {error}"),
            Self::MetadataTooLarge => write!(f, "the metadata takes more than {MAX_GGUF_METADATA_BYTES} bytes"),
            Self::TooMany { what, offset, found, limit } => write!(f, "{found} {what} at offset {offset}: at most {limit} are supported"),
            Self::NotUtf8 { owner, offset } => write!(f, "{owner}: the string at offset {offset} is not UTF-8"),
            Self::UnknownValueType { key, found } => write!(f, "key {key}: unknown value type {found}"),
            Self::NestedArray { key } => write!(f, "key {key}: an array of arrays, which is not supported"),
            Self::BadBool { key, found } => write!(f, "key {key}: a bool with value {found} instead of 0 or 1"),
            Self::DuplicateKey { key } => write!(f, "key {key} stands in the file twice"),
            Self::DuplicateTensor { name } => write!(f, "tensor {name} stands in the file twice"),
            Self::AlignmentType { found } => write!(f, "key general.alignment: {found} instead of uint32"),
            Self::Alignment { found } => write!(f, "key general.alignment: {found} is not a power of two from 8 to 65536"),
            Self::TensorRank { name, found } => write!(f, "tensor {name}: {found} dimensions instead of 1 to {MAX_GGUF_RANK}"),
            Self::EmptyTensor { name } => write!(f, "tensor {name}: a dimension is 0"),
            Self::TensorType { name, id, type_name: Some(type_name) } => write!(f, "tensor {name}: type {type_name} (id {id}) is not supported; use a file in F32, F16, Q8_0 or Q4_0"),
            Self::TensorType { name, id, type_name: None } => write!(f, "tensor {name}: unknown type id {id}"),
            Self::PartialBlock { name, columns, block } => write!(f, "tensor {name}: rows of {columns} elements are not whole blocks of {block}"),
            Self::TensorTooLarge { name, dimensions } => write!(f, "tensor {name}: dimensions {dimensions:?} overflow"),
            Self::TensorMisaligned { name, offset, alignment } => write!(f, "tensor {name}: offset {offset} is not a multiple of the alignment {alignment}"),
            Self::TensorOutOfBounds { name, offset, length, available } => write!(f, "tensor {name}: {length} bytes at offset {offset} of {available} bytes of tensor data; is the file truncated?"),
            Self::TensorsOverlap { name, other } => write!(f, "tensor {name} overlaps tensor {other}"),
        }
    }
}

impl core::error::Error for GgufError {}

impl GgufError {
    /// Adds the key or tensor at which reading failed, to errors that do not name it themselves.
    pub(super) fn at(self, place: impl FnOnce() -> String) -> Self {
        match self {
            Self::Truncated { .. } | Self::TooMany { .. } | Self::MetadataTooLarge => Self::At {
                place: place(),
                error: Box::new(self),
            },
            other => other,
        }
    }
}

impl From<ReadError> for GgufError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// Why a key could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The file has no such key.
    Missing {
        /// The key.
        key: String,
    },
    /// Its value has another type.
    WrongType {
        /// The key.
        key: String,
        /// GGUF's name of the type that was asked for.
        expected: &'static str,
        /// GGUF's name of the type that the file gave.
        found: &'static str,
    },
    /// Its value is an integer that does not fit.
    OutOfRange {
        /// The key.
        key: String,
        /// Its value.
        found: i128,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { key } => write!(f, "key {key} is missing"),
            Self::WrongType {
                key,
                expected,
                found,
            } => write!(f, "key {key}: {found} instead of {expected}"),
            Self::OutOfRange { key, found } => write!(
                f,
                "key {key}: {found} does not fit into an unsigned 32-bit number"
            ),
        }
    }
}

impl core::error::Error for KeyError {}

/// Turns "the key is missing" into `None`; a key of the wrong type stays an error.
///
/// # Errors
/// The given error, unless it is [`KeyError::Missing`].
pub fn optional<T>(result: Result<T, KeyError>) -> Result<Option<T>, KeyError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(KeyError::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
