//! The CPU backend: fallback where there is no GPU, and the reference that a GPU is checked against.
#![no_std]

extern crate alloc;

pub mod fork_join;
