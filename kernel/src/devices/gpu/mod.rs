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
