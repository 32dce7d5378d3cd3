//! Scripts for the bare-metal player (`tests/bare-metal/player.s`): the card is brought up until SDMA runs, and then copies
//! between the guest's memory and video memory.
//!
//! The bring-up is recorded from a card in this process, which is strict, so that what a guest plays is known to be right;
//! firmware has AMD's form and no content.

use amdgpu_registers::{Register, gc, nbif, sdma};
use anyhow::{Result, anyhow, ensure};
use gpu_model::{Card, Level, NoHost, VRAM_BYTES};

use self::bring_up::{Driver, MC, Row};

#[allow(
    unreachable_pub,
    dead_code,
    reason = "the model's own tests share the file"
)]
#[path = "../../qemu/gpu-model/tests/support/bring_up.rs"]
mod bring_up;

/// Where QEMU puts the script in guest memory.
pub const PLACE: u64 = 0x100_0000;
/// Guest memory that the card copies from and to.
pub const SOURCE: u64 = 0x200_0000;
/// The same for what comes back.
pub const BACK: u64 = 0x400_0000;
/// Offset in video memory that it copies to and from.
pub const TARGET: u64 = 0x400_0000;
/// Most bytes of a copy's area.
pub const AREA: u64 = 0x100_0000;
/// From one dword of a pattern to the next.
pub const STEP: u32 = 0x9e37_79b1;

/// SDMA's ring in guest memory, of 4096 dwords, and behind it the pointers and the fence.
const RING: u64 = 0x180_0000;
const RING_LOG: u32 = 12;
const READ_POINTER: u64 = RING + 0x1_0000;
const WRITE_POINTER: u64 = READ_POINTER + 8;
const FENCE: u64 = READ_POINTER + 0x40;

/// First virtual address of context 0. Guest memory is mapped behind it one to one, in pages of 4 KiB.
const VA: u64 = 0x2000_0000_0000;
/// The same guest memory in pages of 2 MiB.
const HUGE: u64 = VA + 0x1_0000_0000;
/// The areas' pages of 4 KiB once more, in another order.
const SCATTERED: u64 = VA + 0x2_0000_0000;
/// Video memory, in pages of 2 MiB.
const VRAM: u64 = VA + 0x3_0000_0000;

/// Page tables in video memory, and the pages for stray and for faulting accesses.
const TABLES: u64 = 0x80_0000;
const STRAY: u64 = 0x8_0000;
const FAULTING: u64 = 0x8_1000;

/// Bits of entries (`amdgpu_vm.h` in Linux): valid, readable, writeable; of the system, snooped, uncached; a leaf above 4 KiB.
const VALID: u64 = 1;
const PAGE: u64 = VALID | 1 << 5 | 1 << 6;
const HOST: u64 = PAGE | 1 << 1 | 1 << 2 | 3 << 48;
const LEAF: u64 = 1 << 54;

/// Byte of SDMA 0's doorbell in BAR2.
const DOORBELL: u32 = 0x800;
/// Bytes of one copy packet.
const COPY: u64 = 4 << 20;

/// How guest memory is mapped for a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// 2 MiB each.
    Huge,
    /// 4 KiB each, in order.
    Small,
    /// 4 KiB each, in the order of [`scattered`].
    Scattered,
}

impl Pages {
    fn of(self, place: u64) -> u64 {
        place
            + match self {
                Self::Huge => HUGE,
                Self::Small => VA,
                Self::Scattered => SCATTERED,
            }
    }
}

/// Which page of an area is the `n`th one of its scattered mapping.
#[must_use]
pub fn scattered(n: u64) -> u64 {
    n * 77 % (AREA / 4096)
}

/// What the player does, row by row.
#[derive(Default)]
pub struct Script {
    rows: Vec<[u32; 4]>,
    data: Vec<u8>,
    /// Bytes written to SDMA's ring, and the last fence.
    written: u64,
    fence: u32,
}

/// Operations of the player, in its order.
#[derive(Clone, Copy)]
enum Operation {
    End,
    Config,
    Register,
    PollRegister,
    PollVram,
    Poll,
    Vram,
    Doorbell,
    Store,
    Fill,
    Check,
    Mark,
}

impl Script {
    /// A card with a running SDMA queue.
    ///
    /// # Errors
    /// If the bring-up is not what the model takes.
    pub fn sdma() -> Result<Self> {
        let mut script = Self::default();
        // Memory space and bus mastering, whatever firmware did.
        script.row(Operation::Config, 4, 6, 0);
        let mut card = Card::new(Level::Strict, std::sync::Arc::new(NoHost))?;
        let mut driver = Driver::new(&mut card);
        driver
            .steps(&bring_up::synthetic())
            .map_err(|error| anyhow!(error))?;
        hub(&mut driver);
        driver.memory(TABLES, &Tables::of_everything().bytes);
        driver.flush();
        engine(&mut driver);
        let rows = std::mem::take(&mut driver.rows);
        ensure!(card.report().is_none(), "{:?}", card.report());
        rows.iter().for_each(|row| script.play(row));
        Ok(script)
    }

    fn row(&mut self, operation: Operation, address: u64, value: u32, extra: u32) {
        self.rows
            .push([operation as u32, address as u32, value, extra]);
    }

    fn play(&mut self, row: &Row) {
        match row {
            Row::Write(byte, value) => self.row(Operation::Register, *byte, *value, 0),
            Row::Read(byte, value) => self.row(Operation::PollRegister, *byte, *value, 0),
            Row::Dword(offset, value) => self.row(Operation::PollVram, *offset, *value, 0),
            Row::Memory(offset, bytes) => {
                // The player moves dwords; what is behind the end belongs to the same buffer.
                let at = self.data.len() as u32;
                self.data.extend(bytes);
                self.data.resize(self.data.len().next_multiple_of(4), 0);
                let bytes = self.data.len() as u32 - at;
                self.row(Operation::Vram, *offset, at, bytes);
            }
        }
    }

    /// Fills guest memory with a pattern.
    pub fn fill(&mut self, place: u64, bytes: u64, first: u32) {
        self.pattern(Operation::Fill, place, bytes, first);
    }

    /// The guest finds the pattern there, or ends with the number of this row.
    pub fn check(&mut self, place: u64, bytes: u64, first: u32) {
        self.pattern(Operation::Check, place, bytes, first);
    }

    fn pattern(&mut self, operation: Operation, place: u64, bytes: u64, first: u32) {
        // The player does at least one dword.
        if bytes > 0 {
            self.row(operation, place, first, bytes as u32);
        }
    }

    /// The guest says `mark` and this number.
    pub fn mark(&mut self, number: u32) {
        self.row(Operation::Mark, 0, number, 0);
    }

    /// Copies areas of guest memory to [`TARGET`], `times` times, and waits for the fence.
    pub fn to_vram(&mut self, from: u64, pages: Pages, bytes: u64, times: u32) {
        self.copy(pages.of(from), VRAM + TARGET, bytes, times);
    }

    /// Copies back.
    pub fn from_vram(&mut self, to: u64, pages: Pages, bytes: u64, times: u32) {
        self.copy(VRAM + TARGET, pages.of(to), bytes, times);
    }

    fn copy(&mut self, from: u64, to: u64, bytes: u64, times: u32) {
        let mut packets = Vec::new();
        for _ in 0..times {
            for at in (0..bytes).step_by(COPY as usize) {
                let count = (bytes - at).min(COPY) as u32;
                packets.extend([1, count - 1, 0]);
                packets.extend([from + at, to + at].map(halves).as_flattened());
            }
        }
        self.fence += 1;
        let [low, high] = halves(VA + FENCE);
        packets.extend([0x3_0005, low, high, self.fence]);
        let ring = 4 << RING_LOG;
        let bytes = 4 * packets.len() as u64;
        let left = ring - self.written % ring;
        if left < bytes {
            // No packet may straddle the ring's end: zeros are NOPs.
            packets.splice(0..0, vec![0; left as usize / 4]);
        }
        for (n, dword) in packets.iter().enumerate() {
            let at = (self.written + 4 * n as u64) % ring;
            self.row(Operation::Store, RING + at, *dword, 0);
        }
        self.written += 4 * packets.len() as u64;
        let [low, high] = halves(self.written);
        self.row(Operation::Store, WRITE_POINTER, low, 0);
        self.row(Operation::Store, WRITE_POINTER + 4, high, 0);
        self.row(Operation::Doorbell, DOORBELL.into(), low, high);
        self.row(Operation::Poll, FENCE, self.fence, 0);
    }

    /// The script as the player reads it.
    #[must_use]
    pub fn bytes(mut self) -> Vec<u8> {
        self.row(Operation::End, 0, 0, 0);
        let data = (self.rows.len() * 16) as u32;
        for row in &mut self.rows {
            if row[0] == Operation::Vram as u32 {
                row[2] += data;
            }
        }
        let rows = self.rows.as_flattened().iter();
        let mut bytes: Vec<u8> = rows.flat_map(|dword| dword.to_le_bytes()).collect();
        bytes.extend(self.data);
        bytes
    }
}

fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

/// The GC hub with context 0, as both known drivers set it up.
fn hub(driver: &mut Driver<'_>) {
    let [root, root_high] = halves(TABLES | VALID);
    for (register, value) in [
        (gc::GCMC_VM_AGP_BOT, 0xff_ffff),
        (gc::GCMC_VM_SYSTEM_APERTURE_LOW_ADDR, (MC >> 18) as u32),
        (
            gc::GCMC_VM_SYSTEM_APERTURE_HIGH_ADDR,
            ((MC + VRAM_BYTES - 1) >> 18) as u32,
        ),
        (
            gc::GCMC_VM_SYSTEM_APERTURE_DEFAULT_ADDR_LSB,
            (STRAY >> 12) as u32,
        ),
        (
            gc::GCVM_L2_PROTECTION_FAULT_DEFAULT_ADDR_LO32,
            (FAULTING >> 12) as u32,
        ),
        (gc::GCMC_VM_MX_L1_TLB_CNTL, 0x1859),
        (gc::GCVM_L2_CNTL, 0x8_0e01),
        (gc::GCVM_L2_CNTL3, 0x8013_0009),
        (gc::GCVM_L2_CNTL4, 1),
        (
            gc::GCVM_L2_CONTEXT1_IDENTITY_APERTURE_LOW_ADDR_LO32,
            u32::MAX,
        ),
        (gc::GCVM_L2_CONTEXT1_IDENTITY_APERTURE_LOW_ADDR_HI32, 0xf),
        (
            gc::GCVM_CONTEXT_PAGE_TABLE_START_ADDR_HI32,
            (VA >> 44) as u32,
        ),
        (gc::GCVM_CONTEXT_PAGE_TABLE_END_ADDR_LO32, u32::MAX),
        (gc::GCVM_CONTEXT_PAGE_TABLE_END_ADDR_HI32, 7),
        (gc::GCVM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32, root),
        (gc::GCVM_CONTEXT_PAGE_TABLE_BASE_ADDR_HI32, root_high),
        (gc::GCVM_CONTEXT_CNTL, 0x1ff_fe07),
    ] {
        driver.write(register, value);
    }
}

/// SDMA 0 with queue 0, whose ring and pointers lie in guest memory, and the way of its doorbell.
fn engine(driver: &mut Driver<'_>) {
    let pair = |low: Register, high: Register, value: u64| {
        let [a, b] = halves(value);
        [(low, a), (high, b)]
    };
    let pairs = [
        pair(
            sdma::SDMA0_QUEUE_RB_BASE,
            sdma::SDMA0_QUEUE_RB_BASE_HI,
            (VA + RING) >> 8,
        ),
        pair(
            sdma::SDMA0_QUEUE_RB_RPTR_ADDR_LO,
            sdma::SDMA0_QUEUE_RB_RPTR_ADDR_HI,
            VA + READ_POINTER,
        ),
        pair(
            sdma::SDMA0_QUEUE_RB_WPTR_POLL_ADDR_LO,
            sdma::SDMA0_QUEUE_RB_WPTR_POLL_ADDR_HI,
            VA + WRITE_POINTER,
        ),
    ];
    let first = [
        (sdma::SDMA0_UTCL1_CNTL, 0x2c00_0669),
        // Past GL2, both ways.
        (sdma::SDMA0_UTCL1_PAGE, 0xc_ac00),
        (sdma::SDMA0_F32_CNTL, 0x0808_4000),
        (sdma::SDMA0_CNTL, 0x2441),
        (nbif::RCC_DEV0_EPF0_RCC_DOORBELL_APER_EN, 1),
        // S2A entry 2, which lies beyond BAR5: doorbells of SDMA.
        (nbif::BIF_BX_PF0_RSMU_INDEX, (0x1_0400 + 0x4f_7642) * 4),
        (nbif::BIF_BX_PF0_RSMU_DATA, 0x3009_001d),
    ];
    let last = [
        (sdma::SDMA0_QUEUE_DOORBELL_OFFSET, DOORBELL),
        (sdma::SDMA0_QUEUE_DOORBELL, 1 << 28),
        (
            sdma::SDMA0_QUEUE_RB_CNTL,
            RING_LOG << 1 | 1 | 1 << 11 | 1 << 12 | 4 << 16 | 1 << 23,
        ),
    ];
    for (register, value) in first.iter().chain(pairs.as_flattened()).chain(&last) {
        driver.write(*register, *value);
    }
}

/// Page tables, as they are to lie at [`TABLES`].
struct Tables {
    bytes: Vec<u8>,
}

impl Tables {
    fn of_everything() -> Self {
        let mut tables = Self {
            bytes: vec![0; 4096],
        };
        for page in (RING..READ_POINTER + 4096).step_by(4096) {
            tables.enter(VA + page, 12, HOST | page);
        }
        for area in [SOURCE, BACK] {
            for page in 0..AREA / 4096 {
                let at = area + page * 4096;
                tables.enter(VA + at, 12, HOST | at);
                let other = area + scattered(page) * 4096;
                tables.enter(SCATTERED + at, 12, HOST | other);
            }
            for at in (area..area + AREA).step_by(2 << 20) {
                tables.enter(HUGE + at, 21, HOST | LEAF | at);
            }
        }
        for at in (TARGET..TARGET + AREA).step_by(2 << 20) {
            tables.enter(VRAM + at, 21, PAGE | LEAF | at);
        }
        tables
    }

    fn entry(&mut self, table: u64, index: u64) -> &mut [u8; 8] {
        let at = (table - TABLES + 8 * index) as usize;
        self.bytes[at..]
            .first_chunk_mut()
            .expect("an entry of a table")
    }

    fn enter(&mut self, va: u64, bits: u32, entry: u64) {
        let relative = va - VA;
        let mut table = TABLES;
        for level in (1..=3).rev().map(|level| 12 + 9 * level) {
            if level <= bits {
                break;
            }
            let end = TABLES + self.bytes.len() as u64;
            let slot = self.entry(table, relative >> level & 0x1ff);
            let mut next = u64::from_le_bytes(*slot);
            if next == 0 {
                next = end | VALID;
                *slot = next.to_le_bytes();
                self.bytes.resize(self.bytes.len() + 4096, 0);
            }
            table = next & !0xfff;
        }
        *self.entry(table, relative >> bits & 0x1ff) = entry.to_le_bytes();
    }
}
