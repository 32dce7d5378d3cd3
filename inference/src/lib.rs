//! Everything about a language model that does not depend on the machine it runs on.
//!
//! What it is for: reading a GGUF file from any [`source::BlockSource`], turning text into tokens and back, rendering
//! the chat template that the file carries, keeping the paged KV cache's books, sampling, and forming batches of
//! sequences that a [`backend::Backend`] evaluates.
//!
//! What it never does: it performs no input or output, reads no clock, starts no thread, contains no `unsafe`, and knows
//! neither CPU features nor GPUs. Every byte of a model file is untrusted: counts, offsets and dimensions are checked
//! before they are used.
//!
//! Where to start reading: [`model`] for what a model is, [`backend`] for the contract with the hardware rooms,
//! `engine` for what happens to a request.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod backend;
pub mod chat;
pub mod engine;
pub mod generation;
pub mod gguf;
pub mod ids;
pub mod kv;
pub mod limits;
pub mod model;
mod random;
pub mod sampler;
pub mod source;
#[cfg(test)]
mod test_random;
pub mod tokenizer;
