//! An NVMe disk: namespace 1 of a controller on PCIe, read through one pair of queues, polled.
//!
//! Section numbers are those of the NVM Express base specification, revisions 1.3 and 1.4; the layouts were compared with
//! Linux's `include/linux/nvme.h` and QEMU's `include/block/nvme.h`. [`protocol`] is what goes over the wire, free of hardware;
//! `controller` is the registers, the memory that both sides share, and the waiting. It never writes to a disk and uses
//! no interrupt.

pub mod protocol;

#[cfg(not(test))]
mod controller;

#[cfg(not(test))]
pub use controller::{CLASS, Nvme};
