//! The CPU backend: fallback where there is no GPU, and the reference that a GPU is checked against.
//!
//! What it is for: [`CpuBackend`] evaluates steps of a Llama-architecture model on any number of cores, in plain Rust, AVX2
//! or AVX-512. All three, and any number of cores, compute the same bits: the order of every reduction is defined once, in
//! `kernels::lanes`, and no element's order depends on the batch, on how a prompt was cut, or on who computes it.
//!
//! What it never does: allocate in a step, start a thread (see [`fork_join`]), use the standard library, or use `unsafe`
//! outside of the kernels and of `parallel`.
//!
//! Where to start reading: `forward`, which is the model from top to bottom, then `kernels`.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod attention;
mod backend;
mod cache;
mod elementwise;
pub mod fork_join;
mod forward;
mod kernels;
mod memory;
mod parallel;
pub mod reference;
mod rope;

pub use backend::{CpuBackend, CpuConfig};
pub use kernels::KernelSet;
pub use memory::CpuError;
