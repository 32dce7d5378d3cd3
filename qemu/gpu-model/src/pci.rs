//! Configuration space: who the card is, where its apertures lie, and whether it may be spoken to and may speak.
//!
//! The layout follows what lspci shows of real cards: the vendor's capability at 0x48, power management at 0x50, PCI Express
//! at 0x64, MSI at 0xa0, resizable apertures at 0x200. MSI-X at 0xc0 is that of AMD's cards which have it, with its table
//! where the bus interface has the registers of its vectors.

use crate::fabric::Fabric;
use crate::rule::{Violation, rules};

rules! { Pci:
    MEMORY_SPACE, "memory-space", "apertures are accessed only while the command register has Memory Space on",
        "PCI Local Bus Specification 3.0, 6.2.2: with the bit off a function answers no memory access";
    BAR_RANGE, "within-bar", "accesses stay within the aperture and, in BAR0, within video memory",
        "BAR0 is the next power of two above 24,560 MiB when resized; RCC_CONFIG_MEMSIZE says where memory ends";
    POWER_STATE, "powered", "apertures are accessed only in power state D0",
        "PCI Bus Power Management Interface Specification 1.2, 5.4: in D1 to D3 only configuration space answers";
    BAR_WHILE_ON, "bar-while-decoding", "base addresses are written only while Memory Space is off",
        "PCI Firmware Specification 3.0, 3.5; Linux's __pci_read_base switches decoding off to size apertures";
    REBAR_WHILE_ON, "resize-while-decoding", "an aperture is resized only while Memory Space is off",
        "PCI Express Base Specification 4.0, 7.8.6.3; Linux's pci_resize_resource refuses otherwise";
    REBAR_SIZE, "resize-offered", "an aperture is resized only to a size that its capability offers",
        "PCI Express Base Specification 4.0, 7.8.6.2: other values have undefined results";
    CONFIG_WIDTH, "config-width", "configuration space is accessed by aligned bytes, words or dwords",
        "PCI Express Base Specification 4.0, 7.2.2: no configuration request crosses a dword";
}

/// What the card is plugged into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// PCI Express: 4 KiB of configuration space, 64-bit apertures that can be resized.
    Express,
    /// QEMU's proxy of a conventional device: 256 bytes, 32-bit apertures of fixed size.
    Conventional,
}

const COMMAND: usize = 0x04;
const BARS: usize = 0x10;
const POWER_CONTROL: usize = 0x54;
const EXPRESS: usize = 0x64;
const REBAR: usize = 0x200;

/// Command register: memory space, bus master.
const MEMORY: u8 = 1 << 1;
const MASTER: u8 = 1 << 2;

/// An aperture: number, bytes at reset, kind bits of its register, and the sizes that resizing offers, as a capability.
struct Aperture {
    bar: u8,
    bytes: u64,
    kind: u8,
    offered: u32,
}

/// 64-bit and prefetchable; a conventional slot keeps only the latter.
const WIDE: u8 = 0x4;
const PREFETCHABLE: u8 = 0x8;

/// Video memory, doorbells, the I/O ports of VGA (which nothing here answers), registers.
const APERTURES: [Aperture; 4] = [
    Aperture {
        bar: 0,
        bytes: 256 << 20,
        kind: WIDE | PREFETCHABLE,
        offered: 0x000f_f000,
    },
    Aperture {
        bar: 2,
        bytes: 2 << 20,
        kind: WIDE | PREFETCHABLE,
        offered: 0x0000_1fe0,
    },
    Aperture {
        bar: 4,
        bytes: 256,
        kind: 1,
        offered: 0,
    },
    Aperture {
        bar: 5,
        bytes: 1 << 20,
        kind: 0,
        offered: 0,
    },
];

/// The largest aperture of video memory, which its capability offers.
const LARGEST: u64 = 32 << 30;

/// Where a PC's firmware might have put the apertures.
const POSTED: [(u8, u64); 4] = [
    (0, 0x10_0000_0000),
    (2, 0x18_0000_0000),
    (4, 0xe000),
    (5, 0xfce0_0000),
];

/// The function's configuration space.
pub(crate) struct Pci {
    slot: Slot,
    bytes: Vec<u8>,
    /// Bits that a write changes.
    writable: Vec<u8>,
    sizes: [u64; 6],
}

impl Pci {
    /// As after power-on, or after firmware assigned addresses and switched decoding on.
    pub(crate) fn new(slot: Slot, posted: bool) -> Self {
        let bytes = if slot == Slot::Express { 4096 } else { 256 };
        let mut pci = Self {
            slot,
            bytes: vec![0; bytes],
            writable: vec![0; bytes],
            sizes: [0; 6],
        };
        pci.header();
        pci.capabilities();
        if slot == Slot::Express {
            pci.extended_capabilities();
        }
        for aperture in &APERTURES {
            pci.size(aperture, aperture.bytes);
        }
        if posted {
            pci.post(false);
        }
        pci
    }

    /// What a PC's firmware does: addresses for all apertures, and decoding on. `resize` gives video memory its largest
    /// aperture. Bus mastering is left as it is.
    pub(crate) fn post(&mut self, resize: bool) {
        if resize && self.slot == Slot::Express {
            self.size(&APERTURES[0], LARGEST);
            self.bytes[REBAR + 9] = (LARGEST.ilog2() - 20) as u8;
        }
        for (bar, address) in POSTED {
            self.place(bar, address);
        }
        self.bytes[COMMAND] |= MEMORY | 1;
    }

    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }

    fn word(&mut self, offset: usize, value: u16, writable: u16) {
        self.bytes[offset..offset + 2].copy_from_slice(&value.to_le_bytes());
        self.writable[offset..offset + 2].copy_from_slice(&writable.to_le_bytes());
    }

    fn dword(&mut self, offset: usize, value: u32, writable: u32) {
        self.bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        self.writable[offset..offset + 4].copy_from_slice(&writable.to_le_bytes());
    }

    fn header(&mut self) {
        self.dword(0x00, 0x744c_1002, 0);
        // Status: has capabilities. Command: I/O, memory, master, parity, SERR, interrupt disable.
        self.dword(0x04, 0x0010_0000, 0x0547);
        // Display controller, VGA compatible; revision C8 is the XTX.
        self.dword(0x08, 0x0300_00c8, 0);
        self.dword(0x0c, 0, 0x0000_00ff);
        // Subsystem of AMD's own board.
        self.dword(0x2c, 0x0e3b_1002, 0);
        self.dword(0x34, 0x48, 0);
        // Interrupt pin A.
        self.dword(0x3c, 0x0000_0100, 0xff);
    }

    fn capabilities(&mut self) {
        self.dword(0x48, 0x0008_5009, 0);
        self.dword(0x4c, 0x0e3b_1002, 0);
        // Power management 3: D1, D2, PME from D1 to D3cold; keeps its state on the way from D3hot to D0.
        self.dword(0x50, 0xf603_6401, 0);
        self.dword(POWER_CONTROL, 0x0000_0008, 0x0000_0103);
        // PCI Express 2, legacy endpoint, as cards show on either side of their own switch.
        self.dword(EXPRESS, 0x0012_a010, 0);
        // Payload of 256 bytes, extended tags, latencies, role-based error reporting.
        self.dword(EXPRESS + 0x04, 0x0000_8fa1, 0);
        self.word(EXPRESS + 0x08, 0x2810, 0x7fff);
        // 16 GT/s, 16 lanes, L1, ASPM optionality; the link runs at that, with L1 on.
        self.dword(EXPRESS + 0x0c, 0x0040_0904, 0);
        self.word(EXPRESS + 0x10, 0x0002, 0x00fb);
        self.word(EXPRESS + 0x12, 0x0104, 0);
        self.dword(EXPRESS + 0x24, 0x0000_0010, 0);
        self.word(EXPRESS + 0x28, 0, 0x041f);
        // 2.5 to 16 GT/s.
        self.dword(EXPRESS + 0x2c, 0x0000_001e, 0);
        self.word(EXPRESS + 0x30, 4, 0x000f);
        // MSI: 64-bit address, one vector.
        self.dword(0xa0, 0x0080_c005, 0x0071_0000);
        self.dword(0xa4, 0, 0xffff_fffc);
        self.dword(0xa8, 0, u32::MAX);
        self.dword(0xac, 0, 0xffff);
        // MSI-X: four vectors, table and pending bits in BAR5.
        self.dword(0xc0, 0x0003_0011, 0xc000_0000);
        self.dword(0xc4, 0x0004_2000 | 5, 0);
        self.dword(0xc8, 0x0004_3000 | 5, 0);
    }

    fn extended_capabilities(&mut self) {
        // Vendor specific, then error reporting, then resizable apertures.
        self.dword(0x100, 0x1501_000b, 0);
        self.dword(0x104, 0x0101_0001, 0);
        self.dword(0x150, 0x2002_0001, 0);
        self.dword(0x158, 0, 0x01ff_f030);
        self.dword(REBAR, 0x0001_0015, 0);
        let mut at = REBAR + 4;
        for aperture in APERTURES.iter().filter(|aperture| aperture.offered != 0) {
            self.dword(at, aperture.offered, 0);
            let size = aperture.bytes.ilog2() - 20;
            // Two apertures; the number counts in the first control register only.
            let count = if at == REBAR + 4 { 2 << 5 } else { 0 };
            self.dword(
                at + 4,
                u32::from(aperture.bar) | count | size << 8,
                0x0000_3f00,
            );
            at += 8;
        }
    }

    /// Gives an aperture its size: which bits of its base address can be written.
    fn size(&mut self, aperture: &Aperture, bytes: u64) {
        let wide = aperture.kind & WIDE != 0 && self.slot == Slot::Express;
        let kind = if wide {
            aperture.kind
        } else {
            aperture.kind & !WIDE
        };
        let mask = !(bytes - 1);
        let at = BARS + 4 * usize::from(aperture.bar);
        let kept = self.base(aperture.bar) & mask;
        self.dword(at, kept as u32 | u32::from(kind), mask as u32);
        if wide {
            self.dword(at + 4, (kept >> 32) as u32, (mask >> 32) as u32);
        }
        self.sizes[usize::from(aperture.bar)] = bytes;
    }

    fn place(&mut self, bar: u8, address: u64) {
        let at = BARS + 4 * usize::from(bar);
        let kind = u32::from(self.bytes[at] & 0xf);
        let writable = self.at(&self.writable, at);
        self.dword(at, address as u32 & writable | kind, writable);
        if kind & u32::from(WIDE) != 0 && kind & 1 == 0 {
            let writable = self.at(&self.writable, at + 4);
            self.dword(at + 4, (address >> 32) as u32 & writable, writable);
        }
    }

    fn at(&self, bytes: &[u8], offset: usize) -> u32 {
        let found = bytes[offset..].first_chunk().copied();
        // PANIC: offsets are constants within 256 bytes.
        u32::from_le_bytes(found.expect("a dword of configuration space"))
    }

    /// Address of an aperture.
    pub(crate) fn base(&self, bar: u8) -> u64 {
        let at = BARS + 4 * usize::from(bar);
        let low = self.at(&self.bytes, at);
        if low & 1 != 0 {
            return u64::from(low & !3);
        }
        let high = if low as u8 & WIDE != 0 {
            self.at(&self.bytes, at + 4)
        } else {
            0
        };
        u64::from(high) << 32 | u64::from(low & !0xf)
    }

    /// Bytes of an aperture; 0 if there is none of this number.
    pub(crate) fn bytes_of(&self, bar: u8) -> u64 {
        self.sizes.get(usize::from(bar)).copied().unwrap_or(0)
    }

    pub(crate) fn memory_on(&self) -> bool {
        self.bytes[COMMAND] & MEMORY != 0
    }

    pub(crate) fn bus_master(&self) -> bool {
        self.bytes[COMMAND] & MASTER != 0
    }

    /// Whether an access of an aperture reaches the card.
    pub(crate) fn decodes(
        &self,
        bar: u8,
        offset: u64,
        bytes: usize,
        fabric: &mut Fabric,
    ) -> Result<(), Violation> {
        fabric.require(
            self.memory_on(),
            MEMORY_SPACE,
            format_args!("{bytes} bytes at {offset:#x} of BAR{bar}, Memory Space is off"),
        )?;
        let state = self.bytes[POWER_CONTROL] & 3;
        fabric.require(
            state == 0,
            POWER_STATE,
            format_args!("{bytes} bytes at {offset:#x} of BAR{bar} in power state D{state}"),
        )?;
        let limit = match bar {
            0 => self.bytes_of(0).min(crate::VRAM_BYTES),
            _ => self.bytes_of(bar),
        };
        let end = offset.checked_add(bytes as u64);
        fabric.require(
            end.is_some_and(|end| end <= limit),
            BAR_RANGE,
            format_args!("{bytes} bytes at {offset:#x} of BAR{bar}, which ends at {limit:#x}"),
        )
    }

    pub(crate) fn read(
        &self,
        offset: u32,
        bytes: u32,
        fabric: &mut Fabric,
    ) -> Result<u32, Violation> {
        check_width(offset, bytes, fabric)?;
        let mut value = [0; 4];
        for (n, byte) in value.iter_mut().take(bytes as usize).enumerate() {
            *byte = self.bytes.get(offset as usize + n).copied().unwrap_or(0xff);
        }
        Ok(u32::from_le_bytes(value))
    }

    pub(crate) fn write(
        &mut self,
        offset: u32,
        bytes: u32,
        value: u32,
        fabric: &mut Fabric,
    ) -> Result<(), Violation> {
        check_width(offset, bytes, fabric)?;
        let at = offset as usize;
        let bars = BARS..BARS + 24;
        let rebar = REBAR + 8..REBAR + 20;
        let resizes = self.slot == Slot::Express && rebar.contains(&at);
        fabric.require(
            !(bars.contains(&at) && self.memory_on()),
            BAR_WHILE_ON,
            format_args!("{value:#x} to {offset:#x}"),
        )?;
        fabric.require(
            !(resizes && self.memory_on()),
            REBAR_WHILE_ON,
            format_args!("{value:#x} to {offset:#x}"),
        )?;
        let slots = self.bytes.iter_mut().zip(&self.writable).skip(at);
        for (byte, (slot, writable)) in value
            .to_le_bytes()
            .into_iter()
            .take(bytes as usize)
            .zip(slots)
        {
            *slot = *slot & !writable | byte & writable;
        }
        if resizes {
            self.resize(fabric)?;
        }
        fabric.bus_master = self.bus_master();
        Ok(())
    }

    /// Lets apertures have the sizes that the capability's control registers hold.
    fn resize(&mut self, fabric: &mut Fabric) -> Result<(), Violation> {
        let mut at = REBAR + 4;
        for aperture in APERTURES.iter().filter(|aperture| aperture.offered != 0) {
            let code = u32::from(self.bytes[at + 5] & 0x3f);
            let offered = code < 28 && aperture.offered & (16 << code) != 0;
            fabric.require(
                offered,
                REBAR_SIZE,
                format_args!("size code {code} for BAR{}", aperture.bar),
            )?;
            self.size(aperture, 1 << (code + 20));
            at += 8;
        }
        Ok(())
    }
}

fn check_width(offset: u32, bytes: u32, fabric: &mut Fabric) -> Result<(), Violation> {
    fabric.require(
        matches!(bytes, 1 | 2 | 4) && offset.is_multiple_of(bytes) && offset < 4096,
        CONFIG_WIDTH,
        format_args!("{bytes} bytes at {offset:#x} of configuration space"),
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rig::{Case, Rig};
    use crate::{Card, Level, NoHost};

    fn command(rig: &mut Rig, bits: u8) {
        rig.card.config_write(4, 2, u32::from(bits));
    }

    pub(crate) const CASES: &[Case] = &[
        Case {
            rule: MEMORY_SPACE,
            breaks: |rig| {
                command(rig, 0);
                rig.card.bar_read(5, 0xde3 * 4, &mut [0; 4]);
            },
            keeps: |rig| {
                command(rig, 0);
                command(rig, MEMORY);
                rig.card.bar_read(5, 0xde3 * 4, &mut [0; 4]);
            },
        },
        Case {
            rule: BAR_RANGE,
            breaks: |rig| rig.card.bar_read(0, 256 << 20, &mut [0; 4]),
            keeps: |rig| rig.card.bar_read(0, (256 << 20) - 4, &mut [0; 4]),
        },
        Case {
            rule: BAR_RANGE,
            breaks: |rig| rig.card.bar_write(5, u64::MAX - 3, &[0; 4]),
            keeps: |rig| {
                command(rig, 0);
                rig.card.config_write(0x208, 4, 15 << 8 | 0x40);
                command(rig, MEMORY);
                rig.card
                    .bar_read(0, crate::VRAM_BYTES - 0x1_0000, &mut [0; 4]);
            },
        },
        Case {
            rule: POWER_STATE,
            breaks: |rig| {
                rig.card.config_write(0x54, 2, 3);
                rig.card.bar_read(5, 0xde3 * 4, &mut [0; 4]);
            },
            keeps: |rig| {
                rig.card.config_write(0x54, 2, 3);
                rig.card.config_write(0x54, 2, 0);
                rig.card.bar_read(5, 0xde3 * 4, &mut [0; 4]);
            },
        },
        Case {
            rule: BAR_WHILE_ON,
            breaks: |rig| rig.card.config_write(0x10, 4, u32::MAX),
            keeps: |rig| {
                command(rig, 0);
                rig.card.config_write(0x10, 4, u32::MAX);
            },
        },
        Case {
            rule: REBAR_WHILE_ON,
            breaks: |rig| rig.card.config_write(0x208, 4, 15 << 8),
            keeps: |rig| {
                command(rig, 0);
                rig.card.config_write(0x208, 4, 15 << 8);
            },
        },
        Case {
            rule: REBAR_SIZE,
            breaks: |rig| {
                command(rig, 0);
                rig.card.config_write(0x208, 4, 16 << 8);
            },
            keeps: |rig| {
                command(rig, 0);
                rig.card.config_write(0x208, 4, 8 << 8);
            },
        },
        Case {
            rule: CONFIG_WIDTH,
            breaks: |rig| {
                rig.card.config_read(3, 2);
            },
            keeps: |rig| {
                rig.card.config_read(2, 2);
            },
        },
    ];

    /// Sizes an aperture as firmware does; `None` if there is none.
    fn probe(card: &mut Card, bar: u32) -> Option<u64> {
        let at = 0x10 + 4 * bar;
        card.config_write(at, 4, u32::MAX);
        let low = card.config_read(at, 4);
        if low == 0 {
            return None;
        }
        let kind = if low & 1 == 0 { 0xf } else { 3 };
        let mut mask = u64::from(low & !kind) | 0xffff_ffff_0000_0000;
        if low & 7 == 4 {
            card.config_write(at + 4, 4, u32::MAX);
            let high = card.config_read(at + 4, 4);
            mask = u64::from(high) << 32 | u64::from(low & !kind);
        }
        Some(!mask + 1)
    }

    #[test]
    fn firmware_sizes_every_aperture_by_ones() {
        for slot in [Slot::Express, Slot::Conventional] {
            let mut card = Card::new(Level::Strict, Arc::new(NoHost)).expect("address space");
            card.plug(slot);
            let sizes = [0, 2, 4, 5].map(|bar| probe(&mut card, bar));
            assert_eq!(
                sizes,
                [Some(256 << 20), Some(2 << 20), Some(256), Some(1 << 20)]
            );
            if slot == Slot::Conventional {
                assert_eq!((probe(&mut card, 1), probe(&mut card, 3)), (None, None));
            }
            // The ROM's register holds nothing.
            card.config_write(0x30, 4, u32::MAX);
            assert_eq!(card.config_read(0x30, 4), 0);
            assert_eq!(card.stopped(), None);
        }
    }

    #[test]
    fn the_capability_list_ends_and_names_what_the_card_has() {
        let mut card = Card::new(Level::Strict, Arc::new(NoHost)).expect("address space");
        let mut found = Vec::new();
        let mut at = card.config_read(0x34, 1);
        while at != 0 && found.len() < 16 {
            found.push(card.config_read(at, 1));
            at = card.config_read(at + 1, 1);
        }
        assert_eq!(found, [0x09, 0x01, 0x10, 0x05, 0x11]);
        let mut extended = Vec::new();
        let mut at = 0x100;
        while at != 0 && extended.len() < 16 {
            let header = card.config_read(at, 4);
            extended.push(header & 0xffff);
            at = header >> 20;
        }
        assert_eq!(extended, [0x0b, 0x01, 0x15]);
        assert_eq!(card.config_read(0, 4), 0x744c_1002);
        assert_eq!(card.config_read(8, 4), 0x0300_00c8);
    }
}
