//! The capability list: a chain of offsets that a broken device can bend into a loop.

use alloc::vec::Vec;
use core::fmt;

use pci_types::ConfigRegionAccess;

use super::{Config, offset};

const STATUS_CAPABILITIES: u32 = 1 << (16 + 4);
/// Capabilities lie behind the standard header, 4-byte aligned, in the first 256 bytes.
const FIRST_OFFSET: u8 = 0x40;

/// One entry of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// The kind: 0x05 is MSI, 0x09 vendor specific, 0x10 PCI Express, 0x11 MSI-X.
    pub id: u8,
    /// Where it starts in the configuration space.
    pub offset: u8,
}

/// What is wrong with a capability list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapabilityError {
    /// A pointer leads outside the room for capabilities.
    BadPointer(u8),
    /// A pointer leads to a capability that was already seen.
    Loop(u8),
}

impl fmt::Display for CapabilityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadPointer(at) => write!(f, "capability pointer {at:#04x} is below 0x40"),
            Self::Loop(at) => write!(f, "the capability list loops back to {at:#04x}"),
        }
    }
}

/// The capabilities of an endpoint, in list order. Bounded: there are 48 places for a capability.
///
/// # Errors
/// [`CapabilityError`] if the chain leaves its room or loops.
pub fn capabilities<A: ConfigRegionAccess + ?Sized>(
    config: &Config<'_, A>,
) -> Result<Vec<Capability>, CapabilityError> {
    let mut list: Vec<Capability> = Vec::new();
    if config.read(offset::STATUS_COMMAND) & STATUS_CAPABILITIES == 0 {
        return Ok(list);
    }
    // The two low bits of every pointer are reserved and must be ignored.
    let mut at = (config.read(offset::CAPABILITIES) & 0xfc) as u8;
    while at != 0 {
        if at < FIRST_OFFSET {
            return Err(CapabilityError::BadPointer(at));
        }
        if list.iter().any(|seen| seen.offset == at) {
            return Err(CapabilityError::Loop(at));
        }
        let header = config.read(u16::from(at));
        list.push(Capability {
            id: header as u8,
            offset: at,
        });
        at = (header >> 8) as u8 & 0xfc;
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pci::fake::{FakeBus, address};

    fn list(pointer: u32, headers: &[(u16, u32)]) -> Result<Vec<Capability>, CapabilityError> {
        let bus = FakeBus::default();
        let at = address(0, 1, 0);
        bus.endpoint(at, 0x1234_1af4, 0x0200_0000);
        bus.set(at, offset::STATUS_COMMAND, STATUS_CAPABILITIES);
        bus.set(at, offset::CAPABILITIES, pointer);
        for &(offset, header) in headers {
            bus.set(at, offset, header);
        }
        capabilities(&Config::new(&bus, at))
    }

    #[test]
    fn follows_the_chain_and_ignores_reserved_bits() {
        let found = list(0x43, &[(0x40, 0x5209), (0x50, 0x0011)]).expect("a good list");
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].id, found[1].id, found[1].offset),
            (0x09, 0x11, 0x50)
        );
    }

    #[test]
    fn refuses_loops_and_wild_pointers() {
        assert_eq!(
            list(0x40, &[(0x40, 0x5009), (0x50, 0x4009)]),
            Err(CapabilityError::Loop(0x40))
        );
        assert_eq!(
            list(0x40, &[(0x40, 0x4009)]),
            Err(CapabilityError::Loop(0x40))
        );
        assert_eq!(
            list(0x40, &[(0x40, 0x0809)]),
            Err(CapabilityError::BadPointer(0x08))
        );
        // A device that vanished answers all ones everywhere: its pointer 0xfc leads to itself.
        assert_eq!(
            list(0xffff_ffff, &[(0xfc, 0xffff_ffff)]),
            Err(CapabilityError::Loop(0xfc))
        );
    }
}
