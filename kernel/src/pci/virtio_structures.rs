//! Where the registers of a virtio function lie: its vendor capabilities, checked before the virtio crate follows them.
//!
//! The crate adds offset and length in 32 bits and panics on a BAR or a notification that is not there, so a device that says
//! so must not get that far.

use core::fmt;

use pci_types::ConfigRegionAccess;

use super::Config;
use super::bars::{Bar, BarKind};
use super::capabilities::Capability;
use super::scan::Function;

const VENDOR_SPECIFIC: u8 = 0x09;
/// Kinds of structures that a driver uses, as the virtio specification numbers them.
const COMMON: u8 = 1;
const NOTIFY: u8 = 2;
const DEVICE: u8 = 4;
/// Bytes of a capability, and of one for notifications.
const LEAST_BYTES: u8 = 16;
const NOTIFY_BYTES: u8 = 20;
/// Bytes of the common configuration.
const COMMON_BYTES: u32 = 56;
/// Capabilities end here.
const CONFIG_BYTES: u16 = 256;

/// What a driver needs to know before the crate starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Structures {
    /// Physical address of the common configuration, a multiple of 4.
    pub common: u64,
    /// Bytes of the registers for notifications.
    pub notify_bytes: u32,
    /// Bytes between two of them.
    pub notify_multiplier: u32,
}

impl Structures {
    /// Whether the register of a queue with this number, as the device gives it, is one of those for notifications.
    #[must_use]
    pub fn can_notify(&self, queue_notify_off: u16) -> bool {
        let start = u64::from(queue_notify_off) * u64::from(self.notify_multiplier);
        start + 2 <= u64::from(self.notify_bytes)
    }
}

/// What is wrong with the structures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StructureError {
    /// The capability at this offset reaches past the room for capabilities.
    Capability(u8),
    /// It names a BAR that is no memory BAR with an address which the processor can reach.
    Bar {
        /// Where the capability lies.
        at: u8,
        /// The BAR.
        bar: u8,
    },
    /// Its structure does not lie inside its BAR, or is too short or not on its boundary.
    Place {
        /// Where the capability lies.
        at: u8,
        /// Where the structure starts in the BAR.
        offset: u32,
        /// Its bytes.
        length: u32,
        /// The bytes of the BAR.
        size: u64,
    },
    /// There is none of this kind, which a driver needs.
    Missing(&'static str),
}

impl fmt::Display for StructureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capability(at) => {
                write!(f, "virtio capability {at:#04x} does not end before 0x100")
            }
            Self::Bar { at, bar } => write!(
                f,
                "virtio capability {at:#04x} names BAR {bar}, which is no memory BAR that can be mapped"
            ),
            Self::Place {
                at,
                offset,
                length,
                size,
            } => write!(
                f,
                "virtio capability {at:#04x} names {length:#x} bytes at {offset:#x} of a BAR of {size:#x} bytes"
            ),
            Self::Missing(kind) => write!(f, "there is no virtio capability for {kind}"),
        }
    }
}

/// Checks every structure that a driver may use. `address_limit` is where physical addresses end.
///
/// # Errors
/// The first [`StructureError`].
pub fn structures<A: ConfigRegionAccess + ?Sized>(
    config: &Config<'_, A>,
    function: &Function,
    address_limit: u64,
) -> Result<Structures, StructureError> {
    let (mut common, mut notify) = (None, None);
    let vendor = |capability: &&Capability| capability.id == VENDOR_SPECIFIC;
    for at in function
        .capabilities
        .iter()
        .filter(vendor)
        .map(|capability| capability.offset)
    {
        let [.., bytes, kind] = config.read(u16::from(at)).to_le_bytes();
        if bytes < LEAST_BYTES || !(COMMON..=DEVICE).contains(&kind) {
            continue;
        }
        if u16::from(at) + u16::from(bytes) > CONFIG_BYTES {
            return Err(StructureError::Capability(at));
        }
        let word = |index: u16| config.read(u16::from(at) + 4 * index);
        let (bar, offset, length) = (word(1) as u8, word(2), word(3));
        let usable = |candidate: &&Bar| {
            candidate.slot == bar
                && candidate.kind != BarKind::Io
                && candidate.address != 0
                && candidate
                    .address
                    .checked_add(candidate.size)
                    .is_some_and(|end| end <= address_limit)
        };
        let Some(bar) = function.bars.iter().find(usable) else {
            return Err(StructureError::Bar { at, bar });
        };
        let room = bar.size.min(u64::from(u32::MAX));
        let misplaced = u64::from(offset) + u64::from(length) > room
            || (kind == COMMON && (length < COMMON_BYTES || !offset.is_multiple_of(4)));
        if misplaced {
            let size = bar.size;
            return Err(StructureError::Place {
                at,
                offset,
                length,
                size,
            });
        }
        // The first of each kind counts.
        match kind {
            COMMON => common = common.or(Some(bar.address + u64::from(offset))),
            NOTIFY if bytes >= NOTIFY_BYTES => notify = notify.or(Some((length, word(4)))),
            _ => {}
        }
    }
    let (notify_bytes, notify_multiplier) =
        notify.ok_or(StructureError::Missing("notifications"))?;
    Ok(Structures {
        common: common.ok_or(StructureError::Missing("the common configuration"))?,
        notify_bytes,
        notify_multiplier,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pci::bars::bars;
    use crate::pci::capabilities::capabilities;
    use crate::pci::fake::{FakeBus, address};

    const LIMIT: u64 = 1 << 40;

    /// A function with 16 KiB of registers in BAR 4, and one changed register.
    fn read(change: (u16, u32)) -> Result<Structures, StructureError> {
        let bus = FakeBus::default();
        let at = address(0, 1, 0);
        bus.endpoint(at, 0x1042_1af4, 0x0100_0000);
        bus.bar(at, 0, 0xc001, 0xffe0);
        bus.bar(at, 4, 0xfe00_000c, 0xffff_c000);
        bus.bar(at, 5, 0x7, 0xffff_ffff);
        let registers = [
            (0x04, 1 << 20),
            (0x34, 0x40),
            (0x40, 0x0110_5009),
            (0x44, 4),
            (0x48, 0),
            (0x4c, 0x1000),
            (0x50, 0x0214_f009),
            (0x54, 4),
            (0x58, 0x3000),
            (0x5c, 0x1000),
            (0x60, 4),
            // The last place; a window into configuration space, which no driver here uses.
            (0xf0, 0x0514_0009),
        ];
        for (register, value) in registers.into_iter().chain([change]) {
            bus.set(at, register, value);
        }
        let config = Config::new(&bus, at);
        let function = Function {
            address: at,
            vendor: 0x1af4,
            device: 0x1042,
            class: (1, 0, 0),
            // Before the BARs: sizing them writes the status register, which is plain memory here.
            capabilities: capabilities(&config).expect("a good list"),
            bars: bars(&config).expect("good BARs"),
            parent: None,
        };
        structures(&config, &function, LIMIT)
    }

    #[test]
    fn finds_what_a_driver_needs() {
        let found = read((0x34, 0x40)).expect("a good device");
        let expected = Structures {
            common: 0x7_fe00_0000,
            notify_bytes: 0x1000,
            notify_multiplier: 4,
        };
        assert_eq!(found, expected);
        assert!(found.can_notify(0x3ff) && !found.can_notify(0x400));
        let wide = Structures {
            notify_multiplier: u32::MAX,
            ..found
        };
        assert!(wide.can_notify(0) && !wide.can_notify(u16::MAX));
    }

    #[test]
    fn refuses_what_lies_elsewhere() {
        for (at, register, bar) in [(0x40, 0x44, 0), (0x40, 0x44, 5), (0x50, 0x54, 6)] {
            let error = StructureError::Bar { at, bar };
            assert_eq!(read((register, u32::from(bar))), Err(error));
        }
        let above_the_limit = read((0x24, 0x100));
        assert_eq!(
            above_the_limit,
            Err(StructureError::Bar { at: 0x40, bar: 4 })
        );
        let misplaced = [
            (0x48, 0x3001),
            (0x48, u32::MAX),
            (0x48, 2),
            (0x4c, 55),
            (0x58, 0xffff_f000),
            (0x5c, u32::MAX),
        ];
        for change in misplaced {
            let result = read(change);
            assert!(
                matches!(result, Err(StructureError::Place { size: 0x4000, .. })),
                "{change:x?}: {result:?}"
            );
        }
    }

    #[test]
    fn refuses_what_is_cut_off_or_missing() {
        assert_eq!(
            read((0xf0, 0x0114_0009)),
            Err(StructureError::Capability(0xf0))
        );
        assert!(matches!(
            read((0x40, 0x0510_5009)),
            Err(StructureError::Missing(_))
        ));
        // A capability for notifications without the multiplier.
        assert!(matches!(
            read((0x50, 0x0210_f009)),
            Err(StructureError::Missing(_))
        ));
    }
}
