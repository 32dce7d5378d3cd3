//! GGUF files, versions 2 and 3, little-endian: what stands in front of the tensor data.
//!
//! What it is for: [`Header::read`] turns the untrusted front of a file into typed key/value pairs and a table of
//! tensors, each of which is known to lie inside the file, aligned, and apart from all others. Memory is bounded by the
//! caps in [`crate::limits`], and no count from the file is believed before the file was seen to be long enough for it.
//!
//! What it never does: it does not read tensor data, and it does not know what a key means (`model`, `tokenizer` and
//! `chat` do) except `general.alignment`.
//!
//! Where to start reading: [`Header::read`], then `reader` for how bytes arrive. [`Builder`] writes the same format.

mod builder;
mod error;
mod header;
mod reader;
mod tensor;
#[cfg(test)]
mod tests;
mod value;

pub use builder::Builder;
pub use error::{GgufError, KeyError, optional};
pub use header::Header;
pub use tensor::TensorInfo;
pub use value::{Array, Strings, Value};

/// The first four bytes of every GGUF file.
const MAGIC: [u8; 4] = *b"GGUF";

/// Alignment of tensor data where the file does not say.
const DEFAULT_ALIGNMENT: u64 = 32;
