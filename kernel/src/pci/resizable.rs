//! Resizable BARs: which sizes a BAR may have, and where it could lie with each of them.
//!
//! The capability is one of PCI Express's extended ones, which lie beyond the first 256 bytes of configuration space. A BAR
//! that grows has to move: to a gap in the window of the bridge before it, as `windows` finds one. Windows themselves stay
//! as the firmware made them: what the root bus has room for is described in ACPI byte code only.

use alloc::vec::Vec;

use pci_types::ConfigRegionAccess;

use super::bars::{self, Bar};
use super::scan::{Function, Scan};
use super::{Config, command, offset, windows};

/// Where extended capabilities begin, and how many there can be.
const EXTENDED: u16 = 0x100;
const MOST_EXTENDED: usize = (4096 - EXTENDED as usize) / 4;
/// The capability's id, and the sizes that its registers name: 1 MiB in bit 4 to 128 TiB in bit 31 (PCI Express Base
/// Specification 4.0, 7.8.6).
const RESIZABLE_BAR: u16 = 0x15;
const SMALLEST_LOG2: u32 = 20;
const SIZES: u32 = 28;

/// A size that a BAR can be given, and where it would lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Bytes.
    pub size: u64,
    /// Free room of that size.
    pub address: u64,
    /// Offset of the BAR's control register.
    control: u16,
}

/// The offset of an extended capability, if the function has it. Bounded; a function without such capabilities answers
/// zeros or ones there.
fn find<A: ConfigRegionAccess + ?Sized>(config: &Config<'_, A>, id: u16) -> Option<u16> {
    let mut at = EXTENDED;
    for _ in 0..MOST_EXTENDED {
        let header = config.read(at);
        if header == 0 || header == u32::MAX {
            return None;
        }
        if header as u16 == id {
            return Some(at);
        }
        at = (header >> 20) as u16 & 0xffc;
        if at < EXTENDED {
            return None;
        }
    }
    None
}

/// The sizes of a BAR that its function offers and its bridge has room for, smallest first; none for a BAR that cannot be
/// resized.
#[must_use]
pub fn choices<A: ConfigRegionAccess + ?Sized>(
    access: &A,
    scan: &Scan,
    function: &Function,
    bar: &Bar,
) -> Vec<Choice> {
    let config = Config::new(access, function.address);
    let Some((offered, control)) = registers(&config, bar.slot) else {
        return Vec::new();
    };
    let sizes = (0..SIZES).filter(|code| offered >> (4 + code) & 1 != 0);
    let choice = |code| {
        let size = 1_u64 << (SMALLEST_LOG2 + code);
        let address = windows::free_room(access, scan, function, &Bar { size, ..*bar })?;
        Some(Choice {
            size,
            address,
            control,
        })
    };
    sizes.filter_map(choice).collect()
}

/// What is offered for the BAR in a slot, and the offset of its control register.
fn registers<A: ConfigRegionAccess + ?Sized>(
    config: &Config<'_, A>,
    slot: u8,
) -> Option<(u32, u16)> {
    let start = find(config, RESIZABLE_BAR)?;
    // The first entry's control register says how many entries there are: 1 to 6.
    let entries = (config.read(start.checked_add(8)?.min(4092)) >> 5 & 7) as u16;
    let places = (0..entries.min(6)).map(|entry| start + 4 + 8 * entry);
    let mut inside = places.filter(|at| at + 4 < 4096);
    let at = inside.find(|at| config.read(at + 4) & 7 == u32::from(slot))?;
    Some((config.read(at), at + 4))
}

/// Gives a BAR its chosen size and place; what would make it as it was. Decoding is off meanwhile, and as it was afterwards.
pub fn resize<A: ConfigRegionAccess + ?Sized>(
    config: &Config<'_, A>,
    bar: &mut Bar,
    choice: Choice,
) -> Choice {
    let before = Choice {
        size: bar.size,
        address: bar.address,
        ..choice
    };
    let decoding = config.read(offset::COMMAND);
    config.set_command(decoding & !(command::IO | command::MEMORY));
    let control = config.read(choice.control);
    let code = choice.size.ilog2() - SMALLEST_LOG2;
    config.write(choice.control, control & !0x3f00 | code << 8);
    bar.size = choice.size;
    bars::assign(config, bar, choice.address);
    config.set_command(decoding);
    before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pci::bars::BarKind;
    use crate::pci::fake::{FakeBus, address};
    use crate::pci::scan::scan;

    const MIB: u64 = 1 << 20;
    const WINDOW: u64 = 0x20_0000_0000;

    /// A card with 256 MiB of 16 GiB visible behind a bridge whose prefetchable window has so many MiB, from 128 GiB on.
    fn machine(window_mib: u64) -> FakeBus {
        let bus = FakeBus::default();
        let (bridge, card) = (address(0, 1, 0), address(1, 0, 0));
        bus.bridge(bridge, 1, 1);
        let last = WINDOW + (window_mib - 1) * MIB;
        let base_limit = (last >> 16) as u32 & 0xfff0 | 1;
        bus.set(
            bridge,
            offset::PREFETCHABLE_BASE_LIMIT,
            base_limit << 16 | 1,
        );
        bus.set(bridge, offset::PREFETCHABLE_BASE_UPPER, 0x20);
        bus.set(
            bridge,
            offset::PREFETCHABLE_LIMIT_UPPER,
            (last >> 32) as u32,
        );
        bus.set(bridge, offset::MEMORY_BASE_LIMIT, 0x0000_fff0);
        bus.endpoint(card, 0x744c_1002, 0x0300_0000);
        bus.set(card, offset::COMMAND, command::MEMORY);
        bus.bar(card, 0, 0x0000_000c, 0xf000_0000);
        bus.bar(card, 1, 0x20, 0xffff_ffff);
        bus.bar(card, 2, 0x1000_000c, 0xffe0_0000);
        bus.bar(card, 3, 0x20, 0xffff_ffff);
        bus.set(card, 0x100, 0x2001_000b);
        bus.set(card, 0x200, 0x0001_0015);
        // 256 MiB to 16 GiB in BAR 0, the first of two entries; 2 MiB and 4 MiB in BAR 2.
        for (at, value) in [
            (0x204, 0x0007_f000),
            (0x208, 0x0000_0840),
            (0x20c, 0x60),
            (0x210, 0x0000_0102),
        ] {
            bus.set(card, at, value);
        }
        bus
    }

    fn offered(bus: &FakeBus, bar: usize) -> Vec<(u64, u64)> {
        let found = scan(bus, 0, (0, 255));
        let card = found.functions.last().expect("the card");
        let choices = choices(bus, &found, card, &card.bars[bar]);
        choices
            .iter()
            .map(|choice| (choice.size / MIB, choice.address))
            .collect()
    }

    #[test]
    fn a_bar_grows_as_far_as_its_bridge_has_room() {
        // BAR 2 lies right behind BAR 0, so that a larger BAR 0 starts at the next multiple of its size.
        let tight = machine(512);
        assert_eq!(offered(&tight, 0), [(256, WINDOW)]);
        let wide = machine(4096);
        assert_eq!(
            offered(&wide, 0),
            [
                (256, WINDOW),
                (512, WINDOW + 512 * MIB),
                (1024, WINDOW + 1024 * MIB),
                (2048, WINDOW + 2048 * MIB)
            ]
        );
        assert_eq!(offered(&tight, 1).len(), 2);
    }

    #[test]
    fn resizing_writes_size_and_place_while_nothing_is_decoded() {
        let bus = machine(4096);
        let found = scan(&bus, 0, (0, 255));
        let card = found.functions.last().expect("the card");
        let mut bar = card.bars[0];
        let choice = *choices(&bus, &found, card, &bar).last().expect("a choice");
        let before = resize(&Config::new(&bus, card.address), &mut bar, choice);
        assert_eq!((before.size, before.address), (256 * MIB, WINDOW));
        let address = WINDOW + 2048 * MIB;
        assert_eq!(
            (bar.size, bar.address, bar.kind),
            (2048 * MIB, address, BarKind::Memory64)
        );
        assert_eq!(bus.get(card.address, 0x208), 0x0000_0b40);
        assert_eq!(bus.get(card.address, offset::BAR0), 0x8000_000c);
        assert_eq!(bus.get(card.address, offset::BAR0 + 4), 0x20);
        assert_eq!(bus.get(card.address, offset::COMMAND), command::MEMORY);
        assert!(!bus.sized_while_decoding());
    }

    #[test]
    fn what_is_no_list_offers_nothing() {
        // Ones (256 bytes of configuration space only), a loop, a pointer backwards, a capability at the very end, an entry
        // for another BAR.
        for (at, value) in [
            (0x100, u32::MAX),
            (0x100, 0x1001_000b),
            (0x100, 0x0401_000b),
            (0x100, 0xffc1_000b),
            (0x208, 0x0000_0843),
        ] {
            let bus = machine(4096);
            bus.set(address(1, 0, 0), at, value);
            bus.set(address(1, 0, 0), 0xffc, 0x0001_0015);
            assert_eq!(offered(&bus, 0), [], "{at:#x} {value:#x}");
        }
    }
}
