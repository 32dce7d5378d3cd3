//! The self-test of a card: every shipped kernel on random data, compared with the scalar reference of the CPU.
//!
//! [`run`] takes anything that runs kernels; [`OnCard`] is a card with its driver. The kernel image prints the lines on the
//! serial console, `cargo gpu -- selftest` writes them below a [`Header`] into a report to attach to an issue.
//!
//! What it never does: hold more than one case in memory, read a clock, or go on with a card that does not answer.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod card;
mod header;
mod run;

pub use card::OnCard;
pub use header::Header;
pub use run::{Judgement, Outcome, Plan, Summary, run};
