//! What two capabilities of an endpoint say, for reports: its link, and how many interrupt vectors it has.

use core::fmt;

use pci_types::ConfigRegionAccess;

use super::Config;
use super::capabilities::Capability;

/// Ids of capabilities (PCI Code and ID Assignment Specification 1.11, 2).
const MSI: u8 = 0x05;
const PCI_EXPRESS: u8 = 0x10;
const MSI_X: u8 = 0x11;

/// How fast a link runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Generation of PCI Express: 4 is 16 GT/s.
    pub generation: u8,
    /// Lanes.
    pub lanes: u8,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PCIe {}.0 x{}", self.generation, self.lanes)
    }
}

/// The interrupt vectors that a function offers. None is used here: devices are polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vectors {
    /// By MSI.
    pub msi: u16,
    /// By MSI-X.
    pub msi_x: u16,
}

fn find(capabilities: &[Capability], id: u8) -> Option<u16> {
    let found = capabilities.iter().find(|capability| capability.id == id);
    found.map(|capability| u16::from(capability.offset))
}

/// A register behind the start of a capability, if it lies in the room for capabilities.
fn read<A: ConfigRegionAccess + ?Sized>(
    config: &Config<'_, A>,
    start: u16,
    offset: u16,
) -> Option<u32> {
    let at = start.checked_add(offset).filter(|at| *at <= 0xfc)?;
    Some(config.read(at))
}

/// What the link of a function can do at most, and how it runs now; `None` where there is no link, as for a conventional
/// function or one on a root bus.
pub fn link<A: ConfigRegionAccess + ?Sized>(
    config: &Config<'_, A>,
    capabilities: &[Capability],
) -> Option<(Link, Link)> {
    let start = find(capabilities, PCI_EXPRESS)?;
    // Link Capabilities, and Link Status in the upper half of the register after it: speed in bits 3:0, width in bits 9:4
    // (PCI Express Base Specification 4.0, 7.5.3.6 and 7.5.3.8).
    let link = |fields: u32| Link {
        generation: (fields & 0xf) as u8,
        lanes: (fields >> 4 & 0x3f) as u8,
    };
    let most = link(read(config, start, 0x0c)?);
    let now = link(read(config, start, 0x10)? >> 16);
    (now.lanes != 0 && most.lanes != 0).then_some((most, now))
}

/// The interrupt vectors of a function.
pub fn vectors<A: ConfigRegionAccess + ?Sized>(
    config: &Config<'_, A>,
    capabilities: &[Capability],
) -> Vectors {
    // Message Control is the upper half of the first register of both: Multiple Message Capable in bits 3:1, a power of two,
    // and Table Size in bits 10:0, one less than it is (PCI Local Bus Specification 3.0, 6.8.1.3 and 6.8.2.3).
    let control = |id| {
        let start = find(capabilities, id)?;
        Some(read(config, start, 0)? >> 16)
    };
    Vectors {
        msi: control(MSI).map_or(0, |control| 1 << (control >> 1 & 7)),
        msi_x: control(MSI_X).map_or(0, |control| (control & 0x7ff) as u16 + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pci::fake::{FakeBus, address};

    fn card(registers: &[(u16, u32)], list: &[(u8, u8)]) -> (Option<(Link, Link)>, Vectors) {
        let bus = FakeBus::default();
        let at = address(1, 0, 0);
        bus.endpoint(at, 0x744c_1002, 0x0300_0000);
        for &(register, value) in registers {
            bus.set(at, register, value);
        }
        let list: Vec<_> = list
            .iter()
            .map(|&(id, offset)| Capability { id, offset })
            .collect();
        let config = Config::new(&bus, at);
        (link(&config, &list), vectors(&config, &list))
    }

    #[test]
    fn a_card_says_its_link_and_its_vectors() {
        let (link, vectors) = card(
            &[
                (0x70, 0x0040_0d04),
                (0x74, 0x1083_0000),
                (0xa0, 0x0084_c005),
                (0xc0, 0x0003_0011),
            ],
            &[(PCI_EXPRESS, 0x64), (MSI, 0xa0), (MSI_X, 0xc0)],
        );
        let (most, now) = link.expect("a link");
        assert_eq!((most.generation, most.lanes), (4, 16));
        assert_eq!((now.generation, now.lanes), (3, 8));
        assert_eq!(now.to_string(), "PCIe 3.0 x8");
        assert_eq!((vectors.msi, vectors.msi_x), (4, 4));
    }

    #[test]
    fn what_is_not_there_is_not_made_up() {
        assert_eq!(card(&[], &[]), (None, Vectors { msi: 0, msi_x: 0 }));
        // No lane is up; a capability whose registers lie beyond the room for it.
        assert_eq!(card(&[(0x70, 0x0040_0d04)], &[(PCI_EXPRESS, 0x64)]).0, None);
        assert_eq!(card(&[], &[(PCI_EXPRESS, 0xf8)]).0, None);
    }
}
