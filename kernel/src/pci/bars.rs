//! Base address registers: where a function's registers lie and how large each window is.
//!
//! The size comes from writing all ones and reading back which bits stuck. While that pattern stands in the register the
//! window would lie at the top of memory, so decoding is switched off around it.

use alloc::vec::Vec;
use core::fmt;

use pci_types::ConfigRegionAccess;

use super::{Config, command, offset};

/// BAR slots of an endpoint.
const SLOTS: u8 = 6;

/// What a BAR decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarKind {
    /// I/O ports.
    Io,
    /// Memory below 4 GiB.
    Memory32,
    /// Memory anywhere; occupies this slot and the next.
    Memory64,
}

/// One base address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Slot 0 to 5.
    pub slot: u8,
    /// What it decodes.
    pub kind: BarKind,
    /// Whether reads have no side effects, so that writes may be combined.
    pub prefetchable: bool,
    /// Where the window starts; 0 if the firmware left it unassigned.
    pub address: u64,
    /// Bytes (or ports), a power of two.
    pub size: u64,
}

/// What is wrong with a BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarError {
    /// The type bits have a reserved value.
    ReservedType {
        /// The slot.
        slot: u8,
    },
    /// A 64-bit BAR in the last slot has no upper half.
    NoUpperHalf {
        /// The slot.
        slot: u8,
    },
    /// The bits that stuck do not say a power of two.
    BadSize {
        /// The slot.
        slot: u8,
        /// What was read back.
        mask: u64,
    },
    /// The window's end is past the end of its address space, or its start is not a multiple of its size.
    BadAddress {
        /// The slot.
        slot: u8,
        /// The window's start.
        address: u64,
        /// The window's size.
        size: u64,
    },
}

impl fmt::Display for BarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedType { slot } => write!(f, "BAR {slot} has a reserved type"),
            Self::NoUpperHalf { slot } => {
                write!(f, "64-bit BAR {slot} has no slot for its upper half")
            }
            Self::BadSize { slot, mask } => {
                write!(
                    f,
                    "BAR {slot} has size mask {mask:#x}, which is no power of two"
                )
            }
            Self::BadAddress {
                slot,
                address,
                size,
            } => {
                write!(
                    f,
                    "BAR {slot} at {address:#x} is not a window of {size:#x} bytes"
                )
            }
        }
    }
}

/// Reads and sizes every BAR of an endpoint. Decoding is off meanwhile and restored afterwards.
///
/// # Errors
/// The first [`BarError`]; registers are restored then too.
pub fn bars<A: ConfigRegionAccess + ?Sized>(config: &Config<'_, A>) -> Result<Vec<Bar>, BarError> {
    let command = config.read(offset::COMMAND);
    config.set_command(command & !(command::IO | command::MEMORY));
    let result = bars_without_decode(config);
    config.set_command(command);
    result
}

fn bars_without_decode<A: ConfigRegionAccess + ?Sized>(
    config: &Config<'_, A>,
) -> Result<Vec<Bar>, BarError> {
    let mut bars = Vec::new();
    let mut slot = 0;
    while slot < SLOTS {
        let register = offset::BAR0 + 4 * u16::from(slot);
        let low = probe(config, register);
        let wide = low.value & 0b111 == 0b100;
        if wide && slot + 1 == SLOTS {
            return Err(BarError::NoUpperHalf { slot });
        }
        let high = wide.then(|| probe(config, register + 4));
        bars.extend(decode(slot, low, high)?);
        slot += if wide { 2 } else { 1 };
    }
    Ok(bars)
}

/// A BAR register's value, and what it reads as after all ones were written.
#[derive(Clone, Copy)]
struct Probe {
    value: u32,
    mask: u32,
}

fn probe<A: ConfigRegionAccess + ?Sized>(config: &Config<'_, A>, register: u16) -> Probe {
    let value = config.read(register);
    config.write(register, u32::MAX);
    let mask = config.read(register);
    config.write(register, value);
    Probe { value, mask }
}

/// What the two readings say; `None` for a slot that is not implemented.
fn decode(slot: u8, low: Probe, high: Option<Probe>) -> Result<Option<Bar>, BarError> {
    let (kind, flags) = match low.value & 0b111 {
        0b000 => (BarKind::Memory32, 0xf),
        0b100 => (BarKind::Memory64, 0xf),
        0b010 | 0b110 => return Err(BarError::ReservedType { slot }),
        _ => (BarKind::Io, 0x3),
    };
    let (high_value, high_mask) = high.map_or((0, u32::MAX), |high| (high.value, high.mask));
    if low.mask & !flags == 0 && (high.is_none() || high_mask == 0) {
        return Ok(None);
    }
    // A port BAR may leave its upper 16 bits unimplemented.
    let low_mask = match kind {
        BarKind::Io if low.mask >> 16 == 0 => low.mask | 0xffff_0000,
        _ => low.mask,
    };
    let mask = u64::from(high_mask) << 32 | u64::from(low_mask & !flags);
    let size = (!mask).wrapping_add(1);
    if !size.is_power_of_two() {
        return Err(BarError::BadSize { slot, mask });
    }
    let address = u64::from(high_value) << 32 | u64::from(low.value & !flags);
    if !address.is_multiple_of(size) || address.checked_add(size - 1).is_none() {
        return Err(BarError::BadAddress {
            slot,
            address,
            size,
        });
    }
    Ok(Some(Bar {
        slot,
        kind,
        prefetchable: kind != BarKind::Io && low.value & 0b1000 != 0,
        address,
        size,
    }))
}

/// Moves a memory BAR to `address`, which the caller has reserved for it.
pub(crate) fn assign<A: ConfigRegionAccess + ?Sized>(
    config: &Config<'_, A>,
    bar: &mut Bar,
    address: u64,
) {
    let command = config.read(offset::COMMAND);
    config.set_command(command & !(command::IO | command::MEMORY));
    let register = offset::BAR0 + 4 * u16::from(bar.slot);
    config.write(register, address as u32);
    if bar.kind == BarKind::Memory64 {
        config.write(register + 4, (address >> 32) as u32);
    }
    bar.address = address;
    config.set_command(command);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pci::fake::{FakeBus, address};

    fn read(registers: &[(u8, u32, u32)]) -> Result<Vec<Bar>, BarError> {
        let bus = FakeBus::default();
        let at = address(0, 2, 0);
        bus.endpoint(at, 0x1041_1af4, 0x0200_0000);
        bus.set(at, offset::COMMAND, command::MEMORY | command::IO);
        for &(slot, value, writable) in registers {
            bus.bar(at, slot, value, writable);
        }
        let result = bars(&Config::new(&bus, at));
        for &(slot, value, _) in registers {
            let register = offset::BAR0 + 4 * u16::from(slot);
            assert_eq!(bus.get(at, register), value, "slot {slot} is restored");
        }
        assert_eq!(bus.get(at, offset::COMMAND) & 3, 3, "decoding is restored");
        assert!(!bus.sized_while_decoding(), "decoding is off while sizing");
        result
    }

    #[test]
    fn sizes_every_kind() {
        let found = read(&[
            (0, 0xc001, 0xffe0),
            (1, 0xfebd_1000, 0xffff_f000),
            (4, 0xfe00_000c, 0xffff_c000),
            (5, 0x0000_0007, 0xffff_ffff),
        ])
        .expect("good BARs");
        let sizes: Vec<_> = found
            .iter()
            .map(|bar| (bar.slot, bar.kind, bar.size))
            .collect();
        assert_eq!(
            sizes,
            [
                (0, BarKind::Io, 0x20),
                (1, BarKind::Memory32, 0x1000),
                (4, BarKind::Memory64, 0x4000)
            ]
        );
        assert_eq!(found[2].address, 0x7_fe00_0000);
        assert!(found[2].prefetchable && !found[1].prefetchable);
    }

    #[test]
    fn sizes_above_four_gibibytes() {
        let found = read(&[(0, 0xc, 0), (1, 0x10, 0xffff_fff0)]).expect("a 64 GiB BAR");
        assert_eq!((found[0].address, found[0].size), (0x10_0000_0000, 1 << 36));
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        assert_eq!(
            read(&[(0, 0x2, 0)]),
            Err(BarError::ReservedType { slot: 0 })
        );
        assert_eq!(
            read(&[(2, 0x6, 0)]),
            Err(BarError::ReservedType { slot: 2 })
        );
        assert_eq!(read(&[(5, 0x4, 0)]), Err(BarError::NoUpperHalf { slot: 5 }));
        assert!(matches!(
            read(&[(0, 0, 0xff0f_f000)]),
            Err(BarError::BadSize { slot: 0, .. })
        ));
        let moved = Probe {
            value: 0x1000,
            mask: 0xffff_c000,
        };
        assert!(matches!(
            decode(0, moved, None),
            Err(BarError::BadAddress { slot: 0, .. })
        ));
        assert_eq!(read(&[]), Ok(Vec::new()));
    }
}
