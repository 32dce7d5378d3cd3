//! Random inputs for every kernel, the right results, and how far from them a device may be.
//!
//! What runs kernels is a [`Device`]: software Vulkan, our machine code in the interpreter, the card. A [`Recipe`] makes a
//! [`Case`], one at a time, so that a self-test in the kernel image never holds more than one in memory.
//!
//! Each case derives its bound beside it, from the roundings that its kernel's formula makes, whatever the order in which a
//! device adds. `EPS` is what one rounding to f32 changes at most, relative to the result.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod attention;
mod elementwise;
mod error;
mod inputs;
mod launch;
mod matvec;
mod memory;
mod prefill;
pub mod random;
mod recipe;
mod rope;
mod sampling;

pub use error::{Error, Result};
pub use launch::{Buffer, Device, Element, Launch, Outputs, Word};
pub use recipe::{Case, Recipe, Size, recipes};

use error::ensure;
use inputs::{EPS, EPS_F16, Inputs, Near, TINY, TINY_F16, compare, exact, same};
use recipe::Recipes;
