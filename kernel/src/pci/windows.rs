//! Gives an address to BARs that the firmware left without one, from the free room in their bridge's window.
//!
//! Only bridges say what lies behind them. The room on a root bus is described in ACPI byte code, which this kernel
//! does not interpret, so an unassigned BAR there is a fault.

use alloc::vec::Vec;
use core::ops::Range;

use pci_types::{ConfigRegionAccess, PciAddress};

use super::bars::{self, Bar, BarKind};
use super::scan::{Fault, Function, Scan};
use super::{Config, offset};

/// Granularity of a bridge's windows.
const WINDOW_UNIT: u64 = 1 << 20;

/// Assigns every memory BAR that has no address; functions for which there is no room become faults.
pub(super) fn assign_missing<A: ConfigRegionAccess + ?Sized>(access: &A, scan: &mut Scan) {
    for index in 0..scan.functions.len() {
        for bar_index in 0..scan.functions[index].bars.len() {
            let function = &scan.functions[index];
            let mut bar = function.bars[bar_index];
            if bar.kind == BarKind::Io || bar.address != 0 {
                continue;
            }
            let Some(address) = free_room(access, scan, function, &bar) else {
                let fault = Fault::Unassigned {
                    slot: bar.slot,
                    size: bar.size,
                };
                scan.faults.push((function.address, fault));
                break;
            };
            bars::assign(&Config::new(access, function.address), &mut bar, address);
            scan.functions[index].bars[bar_index] = bar;
        }
    }
    let faults = &scan.faults;
    scan.functions.retain(|function| {
        faults
            .iter()
            .all(|(address, _)| *address != function.address)
    });
}

/// The lowest aligned gap of the window in front of `function` that no other known BAR and no bridge behind it uses.
pub(super) fn free_room<A: ConfigRegionAccess + ?Sized>(
    access: &A,
    scan: &Scan,
    function: &Function,
    bar: &Bar,
) -> Option<u64> {
    let parent = function.parent?;
    let [memory, prefetchable] = windows(access, parent);
    let window = match bar.kind {
        BarKind::Memory64 if bar.prefetchable && !prefetchable.is_empty() => prefetchable,
        _ => memory,
    };
    // First and last address of everything that is taken. Where the BAR lies now is free once it moves.
    let others = scan.functions.iter().flat_map(|owner| {
        let is_it = move |other: &Bar| owner.address == function.address && other.slot == bar.slot;
        owner.bars.iter().filter(move |other| !is_it(other))
    });
    let mut used: Vec<(u64, u64)> = others
        .filter(|other| other.kind != BarKind::Io && other.address != 0)
        .map(|other| (other.address, other.address + (other.size - 1)))
        .collect();
    let is_sibling_bridge = |f: &&Function| f.parent == Some(parent) && f.class.0 == 0x06;
    for bridge in scan.functions.iter().filter(is_sibling_bridge) {
        let open = windows(access, bridge.address).into_iter();
        used.extend(open.filter(|w| !w.is_empty()).map(|w| (w.start, w.end - 1)));
    }
    used.sort_unstable();
    let mut at = window.start.checked_next_multiple_of(bar.size)?;
    for (first, last) in used {
        if first <= at.checked_add(bar.size - 1)? && at <= last {
            at = last.checked_add(1)?.checked_next_multiple_of(bar.size)?;
        }
    }
    (at != 0 && at.checked_add(bar.size)? <= window.end).then_some(at)
}

/// The memory windows of a bridge, plain and prefetchable; empty where the bridge forwards nothing.
fn windows<A: ConfigRegionAccess + ?Sized>(access: &A, bridge: PciAddress) -> [Range<u64>; 2] {
    let config = Config::new(access, bridge);
    let memory = config.read(offset::MEMORY_BASE_LIMIT);
    let prefetchable = config.read(offset::PREFETCHABLE_BASE_LIMIT);
    // The low nibble of the prefetchable base says whether the upper halves exist.
    let (base_upper, limit_upper) = match prefetchable & 0xf {
        1 => (
            config.read(offset::PREFETCHABLE_BASE_UPPER),
            config.read(offset::PREFETCHABLE_LIMIT_UPPER),
        ),
        _ => (0, 0),
    };
    [
        window(memory, 0, 0),
        window(prefetchable, base_upper, limit_upper),
    ]
}

/// A window from its base and limit register: bits 31 to 20 of both ends, the limit inclusive.
fn window(base_limit: u32, base_upper: u32, limit_upper: u32) -> Range<u64> {
    let base = u64::from(base_upper) << 32 | u64::from(base_limit & 0xfff0) << 16;
    let limit = u64::from(limit_upper) << 32 | u64::from(base_limit & 0xfff0_0000);
    base..limit.saturating_add(WINDOW_UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pci::fake::{FakeBus, address};
    use crate::pci::scan::scan;

    /// A disk behind a bridge, with a 16 KiB BAR that has no address.
    fn machine(window: u32) -> FakeBus {
        let bus = FakeBus::default();
        bus.bridge(address(0, 1, 0), 1, 1);
        bus.set(address(0, 1, 0), offset::MEMORY_BASE_LIMIT, window);
        bus.endpoint(address(1, 0, 0), 0x1042_1af4, 0x0100_0000);
        bus.bar(address(1, 0, 0), 4, 0x4, 0xffff_c000);
        bus.bar(address(1, 0, 0), 5, 0, 0xffff_ffff);
        bus
    }

    #[test]
    fn takes_the_first_free_gap() {
        let bus = machine(0xfe20_fe10);
        bus.endpoint(address(1, 1, 0), 0x1041_1af4, 0x0200_0000);
        bus.bar(address(1, 1, 0), 0, 0xfe10_0000, 0xffff_e000);
        let found = scan(&bus, 0, (0, 255));
        assert!(found.faults.is_empty(), "{:?}", found.faults);
        let disk = &found.functions[1];
        assert_eq!(disk.bars[0].address, 0xfe10_4000);
        assert_eq!(bus.get(disk.address, offset::BAR0 + 16), 0xfe10_4004);
    }

    #[test]
    fn refuses_where_no_room_is_known() {
        let unassigned = Fault::Unassigned {
            slot: 4,
            size: 0x4000,
        };
        // A closed window (base above limit), and a root bus.
        let closed = scan(&machine(0x0000_fff0), 0, (0, 255));
        assert_eq!(closed.faults, [(address(1, 0, 0), unassigned)]);
        let bus = FakeBus::default();
        bus.endpoint(address(0, 4, 0), 0x1042_1af4, 0x0100_0000);
        bus.bar(address(0, 4, 0), 4, 0x4, 0xffff_c000);
        bus.bar(address(0, 4, 0), 5, 0, 0xffff_ffff);
        let root = scan(&bus, 0, (0, 255));
        assert_eq!(root.faults, [(address(0, 4, 0), unassigned)]);
        assert!(root.functions.is_empty());
    }
}
