//! The graphics card's place in this machine: what the driver (`amdgpu`) stands on here.
//!
//! The driver reaches the card through one trait; [`PciBus`] is the trait over PCI Express, the only place where this kernel
//! touches a graphics card. Which cards there are is the driver's business: here it is enough that AMD made one that shows
//! pictures. Its interrupts stay off; the driver polls.

#[cfg(not(test))]
mod bus;
#[cfg(not(test))]
mod found;
#[cfg(not(test))]
mod host_memory;
#[cfg_attr(
    test,
    expect(dead_code, reason = "only its own tests use it on the host")
)]
mod region;

#[cfg(not(test))]
pub use bus::{BusError, PciBus};
#[cfg(not(test))]
pub use found::{Found, Slot};

use crate::pci::scan::Function;

/// AMD's graphics cards.
const VENDOR: u16 = 0x1002;
/// Base class of display controllers, and the subclasses of one with VGA and one without.
const DISPLAY: u8 = 0x03;
const SUBCLASSES: [u8; 2] = [0x00, 0x80];

/// Whether a function is a card that the driver may look at.
fn is_card(function: &Function) -> bool {
    let (base, sub, _) = function.class;
    function.vendor == VENDOR && base == DISPLAY && SUBCLASSES.contains(&sub)
}
