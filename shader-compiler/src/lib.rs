//! WGSL to gfx1100 machine code, for compute kernels.
#![forbid(unsafe_code)]

mod error;
pub mod front;
pub mod ir;
mod launch;
pub mod machine;
mod object;
pub mod opt;
mod pipeline;
pub mod select;

pub use error::{Error, Fault, Reason, position};
pub use launch::Launch;
pub use object::{Arguments, Binding, CodeObject, DESCRIPTOR_BYTES, Statistics, descriptor};
pub use pipeline::{Options, STAGES, Trace, compile, kernel, pass_names};
