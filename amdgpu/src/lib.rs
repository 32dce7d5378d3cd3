//! A compute driver for RDNA3 cards, from the state in which a PC's firmware leaves a card to finished dispatches.
//!
//! It reaches the card through one trait, [`Bus`]: configuration space, three apertures, host memory for DMA, a clock. The
//! kernel implements it over PCIe, `amdgpu-host` over the device model in-process and over the remote PCI protocol.
//!
//! What it never does: touch a pointer, know a kernel, wait without a deadline, or trust what the card answers.
//!
//! Start reading at [`Bus`], then [`Device`] (registers by name, waits), then the steps of the bring-up.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod address;
pub mod asic;
mod bring_up;
mod bus;
mod device;
pub mod discovery;
mod error;
pub mod gating;
mod gpu;
pub mod hub;
pub mod ih;
pub mod layout;
pub mod mec;
pub mod memory;
pub mod nbio;
pub mod pci;
pub mod psp;
pub mod queue;
pub mod report;
pub mod sdma_engine;
pub mod smu;
#[cfg(test)]
mod testing;

pub use address::{BusAddr, GpuVa, McAddr, VramAddr};
pub use bring_up::{Found, Log, StepReport};
pub use bus::{Bar, Bus, HostBuffer, HostRange};
pub use device::{Access, Device};
pub use error::Error;
pub use gpu::{Configuration, Failure, Gpu, Health, Identity, Recovery};
pub use memory::Memory;
pub use report::Report;
