//! The driver as a Linux process.
//!
//! [`InProcess`] is a bus to the device model in the same process: fast, repeatable, with a clock of its own.
//!
//! What it never does: reach a card of this machine.
//!
//! Start reading at [`InProcess`].
#![forbid(unsafe_code)]

mod in_process;

pub use in_process::InProcess;
