//! WGSL to gfx1100 machine code, for compute kernels.
#![forbid(unsafe_code)]

pub mod ir;
pub mod machine;
mod object;

pub use object::{Arguments, Binding, CodeObject, Statistics};
