//! The driver as a Linux process.
//!
//! [`InProcess`] is a bus to the device model in the same process: fast, repeatable, with a clock of its own. [`Remote`] is
//! one to a card that somebody serves by the remote PCI protocol: the model in another process, or a real one.
//!
//! What it never does: reach a card of this machine by itself.
//!
//! Start reading at [`InProcess`].
#![forbid(unsafe_code)]

mod in_process;
mod null;
mod remote;
pub mod trace;

pub use in_process::InProcess;
pub use null::NullBus;
pub use remote::{LIMIT, Remote};
