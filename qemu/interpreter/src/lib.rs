//! Executes gfx1100 machine code, strictly: what hardware may do wrong in silence stops it with a reason.

pub mod alu;
mod mode;

pub use mode::{Mode, Round};
