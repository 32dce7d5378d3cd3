//! PCI configuration space through memory: 4 KiB per function, 1 MiB per bus, from an address that ACPI's MCFG tells.

use core::ptr::NonNull;

use pci_types::{ConfigRegionAccess, PciAddress};
use x86_64::PhysAddr;

use crate::memory::{Caching, MapError, map_device};

const BYTES_PER_BUS: u64 = 1 << 20;

/// The configuration space of the buses of one segment.
pub struct Ecam {
    base: NonNull<u8>,
    segment: u16,
    buses: (u8, u8),
}

// SAFETY: the pointer leads to registers that every core may access; each access is one aligned 32-bit read or write.
unsafe impl Send for Ecam {}
// SAFETY: as for `Send`.
unsafe impl Sync for Ecam {}

impl Ecam {
    /// Maps the space of buses `buses.0` to `buses.1` of `segment`; `base` is where bus 0 would lie.
    ///
    /// # Errors
    /// [`MapError`] if the space cannot be mapped.
    pub fn map(base: u64, segment: u16, buses: (u8, u8)) -> Result<Self, MapError> {
        let start = PhysAddr::new_truncate(base + u64::from(buses.0) * BYTES_PER_BUS);
        let count = u64::from(buses.1.saturating_sub(buses.0)) + 1;
        Ok(Self {
            base: map_device(start, count * BYTES_PER_BUS, Caching::Uncached)?,
            segment,
            buses,
        })
    }

    /// The segment.
    #[must_use]
    pub fn segment(&self) -> u16 {
        self.segment
    }

    /// The first and the last bus.
    #[must_use]
    pub fn buses(&self) -> (u8, u8) {
        self.buses
    }

    /// The register, if the function lies in this space.
    fn register(&self, address: PciAddress, offset: u16) -> Option<*mut u32> {
        let bus = address.bus();
        if address.segment() != self.segment || !(self.buses.0..=self.buses.1).contains(&bus) {
            return None;
        }
        let function = usize::from(address.device()) << 15 | usize::from(address.function()) << 12;
        let at = usize::from(bus - self.buses.0) << 20 | function | usize::from(offset & 0xffc);
        // SAFETY: the bus was just checked against those that are mapped, and the rest is below 1 MiB.
        Some(unsafe { self.base.as_ptr().add(at).cast() })
    }
}

impl ConfigRegionAccess for Ecam {
    unsafe fn read(&self, address: PciAddress, offset: u16) -> u32 {
        match self.register(address, offset) {
            // SAFETY: `register` gives an aligned address in the mapping.
            Some(register) => unsafe { register.read_volatile() },
            // What the bus answers for a function that is not there.
            None => u32::MAX,
        }
    }

    unsafe fn write(&self, address: PciAddress, offset: u16, value: u32) {
        if let Some(register) = self.register(address, offset) {
            // SAFETY: as in `read`; what the write means is the caller's promise.
            unsafe { register.write_volatile(value) }
        }
    }
}
