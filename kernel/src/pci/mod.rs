//! PCI: which functions there are, where their registers lie, and what they can do.
//!
//! Everything here is generic over [`pci_types::ConfigRegionAccess`], so the same code runs over ECAM on a machine and
//! over a table of numbers in a test. It never touches a device's own registers and never trusts an answer: a function
//! may say all ones, a bridge may claim any bus, a capability list may loop.
//!
//! Start reading at [`scan::scan`].

pub mod bars;
pub mod capabilities;
pub mod features;
pub mod resizable;
pub mod scan;
pub mod virtio_structures;
pub mod windows;

use pci_types::{ConfigRegionAccess, PciAddress};

/// Offsets in a function's configuration space, with the names of the PCI specification.
pub(crate) mod offset {
    pub(crate) const COMMAND: u16 = 0x04;
    pub(crate) const STATUS_COMMAND: u16 = 0x04;
    pub(crate) const BAR0: u16 = 0x10;
    pub(crate) const MEMORY_BASE_LIMIT: u16 = 0x20;
    pub(crate) const PREFETCHABLE_BASE_LIMIT: u16 = 0x24;
    pub(crate) const PREFETCHABLE_BASE_UPPER: u16 = 0x28;
    pub(crate) const PREFETCHABLE_LIMIT_UPPER: u16 = 0x2c;
    pub(crate) const CAPABILITIES: u16 = 0x34;
}

/// Bits of the command register.
pub(crate) mod command {
    pub(crate) const IO: u32 = 1 << 0;
    pub(crate) const MEMORY: u32 = 1 << 1;
    pub(crate) const BUS_MASTER: u32 = 1 << 2;
}

/// One function's configuration space: 4 KiB of registers behind an access method.
pub struct Config<'a, A: ?Sized> {
    access: &'a A,
    address: PciAddress,
}

impl<'a, A: ConfigRegionAccess + ?Sized> Config<'a, A> {
    /// The configuration space of the function at `address`.
    pub fn new(access: &'a A, address: PciAddress) -> Self {
        Self { access, address }
    }

    /// Reads the register at `offset`, a multiple of 4 below 4096.
    #[must_use]
    pub fn read(&self, offset: u16) -> u32 {
        assert!(
            offset < 4096 && offset.is_multiple_of(4),
            "config offset {offset:#x}"
        );
        // SAFETY: any address may be read (an absent function answers all ones) and the offset was just checked.
        unsafe { self.access.read(self.address, offset) }
    }

    /// Writes the register at `offset`, a multiple of 4 below 4096.
    pub fn write(&self, offset: u16, value: u32) {
        assert!(
            offset < 4096 && offset.is_multiple_of(4),
            "config offset {offset:#x}"
        );
        // SAFETY: the offset was just checked; what a write means is the caller's knowledge of the register, and none of
        // the registers written in this module lets a device reach memory before the driver enables bus mastering.
        unsafe { self.access.write(self.address, offset, value) }
    }

    /// Replaces the command register. The status half is written as zeros, which leaves its write-one-to-clear bits.
    pub(crate) fn set_command(&self, value: u32) {
        self.write(offset::COMMAND, value & 0xffff);
    }

    /// Lets the function decode its memory BARs, without DMA.
    pub fn enable_registers(&self) {
        let command = self.read(offset::COMMAND) | command::MEMORY;
        self.set_command(command & !command::BUS_MASTER);
    }

    /// Lets the function decode its memory BARs and read and write memory itself (DMA).
    pub fn enable(&self) {
        self.set_command(self.read(offset::COMMAND) | command::MEMORY | command::BUS_MASTER);
    }

    /// Takes the function's DMA away: after this returns it starts no new access to memory.
    pub fn disable_dma(&self) {
        self.set_command(self.read(offset::COMMAND) & !command::BUS_MASTER);
        // Reading back completes the posted write before the caller reuses the memory.
        let _ = self.read(offset::COMMAND);
    }
}

#[cfg(test)]
pub(crate) mod fake;
