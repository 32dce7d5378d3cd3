//! Finds every function: bus by bus, through bridges.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use pci_types::{ConfigRegionAccess, HeaderType, PciAddress, PciHeader, PciPciBridgeHeader};

use super::bars::{self, Bar, BarError};
use super::capabilities::{self, Capability, CapabilityError};
use super::{Config, windows};

const DEVICES_PER_BUS: u8 = 32;
const FUNCTIONS_PER_DEVICE: u8 = 8;
/// Vendor that an absent function answers.
const NO_VENDOR: u16 = 0xffff;
/// Base class of bridges. Their decoding carries other devices' traffic, so it is never switched off for sizing.
const CLASS_BRIDGE: u8 = 0x06;

/// One function of one device.
#[derive(Clone, Debug)]
pub struct Function {
    /// Segment, bus, device and function.
    pub address: PciAddress,
    /// Vendor id.
    pub vendor: u16,
    /// Device id.
    pub device: u16,
    /// Base class, subclass and programming interface.
    pub class: (u8, u8, u8),
    /// The windows; empty for bridges.
    pub bars: Vec<Bar>,
    /// The capability list; empty for bridges.
    pub capabilities: Vec<Capability>,
    /// The bridge that this function lies behind; `None` on a root bus.
    pub parent: Option<PciAddress>,
}

/// What is wrong with a function; it is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its BARs.
    Bar(BarError),
    /// Its capability list.
    Capability(CapabilityError),
    /// A bridge's bus numbers do not lie inside its parent's, or were seen before.
    BusNumbers {
        /// The bus right behind the bridge.
        secondary: u8,
        /// The highest bus behind the bridge.
        subordinate: u8,
    },
    /// A BAR was left without an address and there is no room that is known to be free.
    Unassigned {
        /// The slot.
        slot: u8,
        /// Bytes that it needs.
        size: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bar(error) => error.fmt(f),
            Self::Capability(error) => error.fmt(f),
            Self::BusNumbers {
                secondary,
                subordinate,
            } => write!(
                f,
                "bridge to buses {secondary:#04x} to {subordinate:#04x}, which do not lie inside its parent's"
            ),
            Self::Unassigned { slot, size } => write!(
                f,
                "BAR {slot} of {size:#x} bytes has no address and no bridge window has room; \
                 let the firmware assign PCI resources"
            ),
        }
    }
}

/// What a scan found.
#[derive(Debug, Default)]
pub struct Scan {
    /// Usable functions, in bus order.
    pub functions: Vec<Function>,
    /// Functions that are not used, and why.
    pub faults: Vec<(PciAddress, Fault)>,
}

/// Scans one segment from its first bus on, follows bridges by their bus numbers, sizes all BARs and gives unassigned
/// ones an address from the window of their bridge. Visits each of at most 256 buses once.
pub fn scan<A: ConfigRegionAccess + ?Sized>(access: &A, segment: u16, buses: (u8, u8)) -> Scan {
    let mut scanner = Scanner {
        access,
        segment,
        found: Scan::default(),
    };
    let mut pending = Vec::from([Bus {
        number: buses.0,
        last: buses.1,
        parent: None,
    }]);
    while let Some(bus) = pending.pop() {
        scanner.bus(bus, &mut pending);
    }
    let mut found = scanner.found;
    found.functions.sort_by_key(|function| function.address);
    windows::assign_missing(access, &mut found);
    found
}

/// A bus that waits to be scanned: only buses up to `last` may lie behind it.
#[derive(Clone, Copy)]
struct Bus {
    number: u8,
    last: u8,
    parent: Option<PciAddress>,
}

struct Scanner<'a, A: ?Sized> {
    access: &'a A,
    segment: u16,
    found: Scan,
}

impl<A: ConfigRegionAccess + ?Sized> Scanner<'_, A> {
    fn bus(&mut self, bus: Bus, pending: &mut Vec<Bus>) {
        // Bridges on one bus must split the buses behind it between them: each starts after the one before ended.
        let mut claimed = bus.number;
        for device in 0..DEVICES_PER_BUS {
            for function in 0..FUNCTIONS_PER_DEVICE {
                let address = PciAddress::new(self.segment, bus.number, device, function);
                let header = PciHeader::new(address);
                if header.id(self.access).0 == NO_VENDOR {
                    if function == 0 {
                        break;
                    }
                    continue;
                }
                self.function(bus, address, &mut claimed, pending);
                if function == 0 && !header.has_multiple_functions(self.access) {
                    break;
                }
            }
        }
    }

    fn function(
        &mut self,
        bus: Bus,
        address: PciAddress,
        claimed: &mut u8,
        pending: &mut Vec<Bus>,
    ) {
        let header = PciHeader::new(address);
        let (vendor, device) = header.id(self.access);
        let (_, base, sub, interface) = header.revision_and_class(self.access);
        let mut function = Function {
            address,
            vendor,
            device,
            class: (base, sub, interface),
            bars: Vec::new(),
            capabilities: Vec::new(),
            parent: bus.parent,
        };
        let kind = header.header_type(self.access);
        let result = match kind {
            HeaderType::PciPciBridge => self.bridge(bus, header, claimed, pending),
            HeaderType::Endpoint => self.endpoint(&mut function),
            _ => Ok(()),
        };
        match result {
            Ok(()) => self.found.functions.push(function),
            Err(fault) => self.found.faults.push((address, fault)),
        }
    }

    fn bridge(
        &self,
        bus: Bus,
        header: PciHeader,
        claimed: &mut u8,
        pending: &mut Vec<Bus>,
    ) -> Result<(), Fault> {
        let address = header.address();
        // PANIC: the caller matched the header type that `from_header` asks for; a device that changes it in between
        // is no bridge to follow.
        let Some(bridge) = PciPciBridgeHeader::from_header(header, self.access) else {
            return Ok(());
        };
        let secondary = bridge.secondary_bus_number(self.access);
        let subordinate = bridge.subordinate_bus_number(self.access);
        if secondary == 0 && subordinate == 0 {
            // The firmware found nothing worth a number behind this bridge.
            return Ok(());
        }
        if secondary <= *claimed || subordinate < secondary || subordinate > bus.last {
            return Err(Fault::BusNumbers {
                secondary,
                subordinate,
            });
        }
        *claimed = subordinate;
        pending.push(Bus {
            number: secondary,
            last: subordinate,
            parent: Some(address),
        });
        Ok(())
    }

    fn endpoint(&self, function: &mut Function) -> Result<(), Fault> {
        let config = Config::new(self.access, function.address);
        if function.class.0 != CLASS_BRIDGE {
            function.bars = bars::bars(&config).map_err(Fault::Bar)?;
        }
        function.capabilities = capabilities::capabilities(&config).map_err(Fault::Capability)?;
        Ok(())
    }
}

/// What a class code means, for people.
#[must_use]
pub fn class_name(class: (u8, u8, u8)) -> String {
    let name = match (class.0, class.1) {
        (0x01, 0x00) => "SCSI or virtio disk",
        (0x01, 0x06) => "SATA controller",
        (0x01, 0x08) => "NVMe disk",
        (0x01, _) => "storage controller",
        (0x02, _) => "network controller",
        (0x03, _) => "display controller",
        (0x06, 0x00) => "host bridge",
        (0x06, 0x01) => "ISA bridge",
        (0x06, 0x04) => "PCI bridge",
        (0x06, _) => "bridge",
        (0x0c, 0x03) => "USB controller",
        (0x0c, 0x05) => "SMBus controller",
        _ => return alloc::format!("class {:02x}{:02x}{:02x}", class.0, class.1, class.2),
    };
    String::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pci::fake::{FakeBus, address};

    fn ids(scan: &Scan) -> Vec<(u8, u8, u8)> {
        scan.functions
            .iter()
            .map(|f| (f.address.bus(), f.address.device(), f.address.function()))
            .collect()
    }

    #[test]
    fn finds_functions_behind_bridges() {
        let bus = FakeBus::default();
        bus.endpoint(address(0, 0, 0), 0x29c0_8086, 0x0600_0000);
        bus.bridge(address(0, 1, 0), 1, 2);
        bus.bridge(address(1, 0, 0), 2, 2);
        bus.endpoint(address(2, 3, 0), 0x1042_1af4, 0x0100_0000);
        bus.endpoint(address(0, 31, 0), 0x2918_8086, 0x0601_0000);
        bus.endpoint(address(0, 31, 2), 0x2922_8086, 0x0106_0100);
        bus.multifunction(address(0, 31, 0));
        let found = scan(&bus, 0, (0, 255));
        assert_eq!(
            ids(&found),
            [
                (0, 0, 0),
                (0, 1, 0),
                (0, 31, 0),
                (0, 31, 2),
                (1, 0, 0),
                (2, 3, 0)
            ]
        );
        assert_eq!(found.functions[5].parent, Some(address(1, 0, 0)));
        assert!(found.faults.is_empty());
    }

    #[test]
    fn bridges_that_lie_about_buses_are_not_followed() {
        for (secondary, subordinate) in [(0, 5), (3, 2), (255, 254), (1, 40)] {
            let bus = FakeBus::default();
            bus.bridge(address(0, 1, 0), secondary, subordinate);
            let found = scan(&bus, 0, (0, 31));
            assert_eq!(
                found.faults,
                [(
                    address(0, 1, 0),
                    Fault::BusNumbers {
                        secondary,
                        subordinate
                    }
                )]
            );
        }
        // Two bridges that claim the same bus: the second is refused, so no bus is visited twice.
        let bus = FakeBus::default();
        bus.bridge(address(0, 1, 0), 1, 3);
        bus.bridge(address(0, 2, 0), 3, 4);
        bus.endpoint(address(3, 0, 0), 0x1042_1af4, 0x0100_0000);
        let found = scan(&bus, 0, (0, 255));
        assert_eq!(found.faults.len(), 1);
    }

    #[test]
    fn every_word_of_noise_is_survived() {
        // A configuration space of random words everywhere: the scan ends, and nothing panics.
        for seed in 1..40 {
            let bus = FakeBus::noise(seed);
            let found = scan(&bus, 0, (0, 255));
            assert!(
                found.functions.len() + found.faults.len() <= 256 * 256,
                "seed {seed}"
            );
        }
    }
}
