//! WGSL to gfx1100 machine code, for compute kernels: what makes the code objects that the card is to run.
//!
//! Where to start reading: [`compile`] (`pipeline.rs`) is the list of stages; [`ir`] and [`machine`] say what form stands
//! between them and what holds of it; [`CodeObject`] is what comes out.
//!
//! What it never does: run anything, know a model or a device, take WGSL that it would have to guess about (it refuses with
//! file, line and reason).
#![forbid(unsafe_code)]

mod error;
pub mod front;
pub mod ir;
mod launch;
pub mod machine;
mod object;
pub mod opt;
mod pipeline;
mod select;

pub use error::{Error, Fault, Reason, position};
pub use object::{Arguments, Binding, CodeObject, Statistics};
pub use pipeline::{Options, STAGES, Trace, compile, pass_names};
