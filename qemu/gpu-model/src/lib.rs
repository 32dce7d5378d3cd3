//! A Radeon RX 7900 XTX in software: what a driver can tell of the card, and stricter than it where a driver may be sloppy.
//!
//! [`Card`] is the whole model: configuration space, three BARs, and DMA into [`HostMemory`]. It does all work within the
//! access that causes it, so that a run repeats exactly; time passes by accesses and by executed clocks, never by the
//! machine's clock. What the driver does wrong is a [`Violation`] of a [`Rule`], and stops the card with a report; at
//! [`Level::Hardware`] the card goes on where real cards are known to.
//!
//! Each block is a folder or file that can be read alone: its registers are those of `amdgpu-registers`, most of them plain
//! storage, and the block's `read` and `write` hold what happens beyond that. [`MODEL.md`](../MODEL.md) says for every
//! block what is modelled, what is simplified and what nobody outside AMD knows.
//!
//! What it never does: look at the driver's code, or keep time by the machine's clock.
//!
//! Start reading at [`Card`], then `fabric` (what blocks share), then any block.

#[cfg(test)]
extern crate self as gpu_model;

mod bases;
#[cfg(test)]
#[allow(unreachable_pub, dead_code, reason = "other tests share the file")]
#[path = "../tests/support/bring_up.rs"]
mod bring_up;
mod caches;
mod card;
mod clock;
mod counters;
mod discovery;
pub mod door;
mod fabric;
mod fault;
mod gfx;
mod gmc;
mod hdp;
mod host;
mod ih;
mod journal;
mod nbio;
mod pci;
mod psp;
mod register_file;
#[cfg(test)]
mod rig;
mod rule;
mod run;
mod sdma;
mod shared_bytes;
mod smu;
mod vram;

pub use bases::NAVI31;
pub use card::Card;
pub use counters::{Counters, Dispatch, Levels};
pub use fault::{BadFault, FaultKind, Faults};
pub use host::{BusError, HostMemory, NoHost};
pub use journal::{Access, Entry, Journal, Place};
pub use pci::Slot;
pub use rule::{Block, Level, Rule, Tolerance, Violation, every_rule};
pub use vram::{VRAM_BYTES, Vram};
