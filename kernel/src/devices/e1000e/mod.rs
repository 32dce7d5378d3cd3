//! The Intel 82574L network card, QEMU's `e1000e`: polled, one legacy ring in each direction.
//!
//! Sources: Intel's *82574 GbE Controller Family* datasheet, revision 3.4 (its section numbers are in the comments), and for
//! the same offsets, bits and values Linux's `drivers/net/ethernet/intel/e1000e/{regs,defines}.h`. Linux's workarounds for
//! boards and power states are not here: QEMU's card is the one that this driver was seen to work with.
//!
//! It never uses an interrupt, a second queue, or an offload, and never asks the card where a ring stands: only the DONE
//! bits in memory say so. Start reading at `Card::start`; `descriptors` is the part that is tested on the host.

pub mod descriptors;

#[cfg(not(test))]
mod card;
#[cfg(not(test))]
mod memory;
#[cfg(not(test))]
mod registers;

#[cfg(not(test))]
pub use card::{Card, StartError, TransmitSide};

/// Vendor and device id.
pub const ID: (u16, u16) = (0x8086, 0x10d3);
