//! Page tables: four levels of 512 entries in video memory, which every engine walks.
//!
//! A copy of each table is kept here. Changes go to the copies; [`PageTables::commit`] then writes what changed of each table
//! as one run, tables before the entries that lead to them. Video memory is never read over the bus, and a change that fails
//! half-way is undone before the card could see it. Flushes are the business of the caller, once after all.
//!
//! Format of entries: `amdgpu_vm.h` in Linux (AMDGPU_PTE_*, AMDGPU_PDE_PTE, AMDGPU_PTE_MTYPE_NV10) and tinygrad's
//! `AM_GMC.get_pte_flags` for GFX 10 and 11.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::ops::Range;

use super::ranges::Ranges;
use crate::{Device, Error, GpuVa, VramAddr};

/// Entries of a table.
const ENTRIES: usize = 512;
const TABLE_BYTES: u64 = 4096;
/// Level of the root: PDB2. Level 0 is the last, PTB.
const ROOT_LEVEL: u32 = 3;

const VALID: u64 = 1;
/// Bit 54 of a PDE: it is the entry of a page, not of a table.
const PDE_PTE: u64 = 1 << 54;
const FRAGMENT_SHIFT: u32 = 7;

/// The lowest bit that an index into a table of this level is taken from: the logarithm of what an entry maps.
const fn shift(level: u32) -> u32 {
    12 + 9 * level
}

const fn index(address: u64, level: u32) -> usize {
    (address >> shift(level)) as usize % ENTRIES
}

/// What pages are, without their addresses: the bits of a PTE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageFlags(u64);

impl PageFlags {
    pub(super) const SYSTEM: Self = Self(1 << 1);
    pub(super) const SNOOPED: Self = Self(1 << 2);
    pub(super) const EXECUTABLE: Self = Self(1 << 4);
    pub(super) const READABLE: Self = Self(1 << 5);
    pub(super) const WRITEABLE: Self = Self(1 << 6);
    /// MTYPE UC: no cache keeps its lines. Without it MTYPE is RW (0): cached.
    pub(super) const UNCACHED: Self = Self(3 << 48);

    /// These and, if `wanted`, `other`.
    pub(super) const fn with(self, other: Self, wanted: bool) -> Self {
        Self(self.0 | if wanted { other.0 } else { 0 })
    }
}

/// A run of addresses to be mapped to one of memory. Everything is a multiple of a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) va: GpuVa,
    /// Offset in video memory, or bus address.
    pub(super) to: u64,
    pub(super) bytes: u64,
    pub(super) flags: PageFlags,
}

struct Table {
    place: VramAddr,
    entries: Box<[u64; ENTRIES]>,
    /// The tables that its entries lead to.
    below: BTreeMap<usize, Table>,
    /// Entries that video memory does not have yet.
    changed: Range<usize>,
    /// So has a table below.
    changed_below: bool,
}

/// The tables of one address space.
pub(super) struct PageTables {
    root: Table,
    pool: Ranges,
    /// First address of the space.
    start: GpuVa,
}

impl PageTables {
    /// An empty root at `root`, with further tables from `pool`.
    pub(super) fn new(root: VramAddr, pool: Range<VramAddr>, start: GpuVa) -> Self {
        Self {
            root: Table::new(root),
            pool: Ranges::new("page tables", pool.start.0..pool.end.0),
            start,
        }
    }

    /// Maps a run with the largest pages that its addresses and length allow. Nothing else is mapped there.
    ///
    /// # Errors
    /// If there is no room for a table; then part of the run may be mapped.
    pub(super) fn map(&mut self, run: Run) -> Result<(), Error> {
        let va = GpuVa(run.va.0 - self.start.0);
        self.root.map(&mut self.pool, ROOT_LEVEL, Run { va, ..run })
    }

    /// Unmaps whatever is mapped at addresses that [`PageTables::map`] was given as a whole. Tables that are empty then go
    /// back to the pool: the caller commits and flushes TLBs before it maps anything else.
    pub(super) fn unmap(&mut self, va: GpuVa, bytes: u64) {
        let start = va.0 - self.start.0;
        self.root
            .unmap(&mut self.pool, ROOT_LEVEL, start..start + bytes);
    }

    /// Writes what changed.
    pub(super) fn commit(&mut self, device: &mut Device) {
        self.root.commit(device);
    }
}

/// The largest naturally aligned block at the beginning of a run, as the logarithm of its bytes: what one entry, or one
/// fragment, may stand for (`amdgpu_vm_pte_fragment`).
fn block(va: u64, to: u64, bytes: u64) -> u32 {
    (va | to).trailing_zeros().min(bytes.ilog2())
}

impl Table {
    fn new(place: VramAddr) -> Self {
        Self {
            place,
            entries: Box::new([0; ENTRIES]),
            below: BTreeMap::new(),
            changed: 0..ENTRIES,
            changed_below: false,
        }
    }

    fn set(&mut self, index: usize, entry: u64) {
        self.entries[index] = entry;
        self.changed = if self.changed.is_empty() {
            index..index + 1
        } else {
            self.changed.start.min(index)..self.changed.end.max(index + 1)
        };
    }

    /// Maps a run that lies within this table, its addresses relative to the first of the space.
    fn map(&mut self, pool: &mut Ranges, level: u32, run: Run) -> Result<(), Error> {
        let mut done = 0;
        while done < run.bytes {
            let (va, to, left) = (run.va.0 + done, run.to + done, run.bytes - done);
            let log = block(va, to, left).min(shift(level + 1));
            if level < ROOT_LEVEL && log >= shift(level) {
                self.pages(level, va, to, log, run.flags);
                done += 1 << log;
            } else {
                let bytes = left.min((1 << shift(level)) - va % (1 << shift(level)));
                let va = GpuVa(va);
                let inner = Run {
                    va,
                    to,
                    bytes,
                    ..run
                };
                self.descend(pool, level, inner)?;
                done += bytes;
            }
        }
        Ok(())
    }

    /// Enters a block as pages of this level that have it as their fragment. A block that is aligned to its size never leaves
    /// its table.
    fn pages(&mut self, level: u32, va: u64, to: u64, log: u32, flags: PageFlags) {
        let fragment = u64::from(log - 12) << FRAGMENT_SHIFT;
        let kind = if level > 0 { PDE_PTE } else { 0 };
        for n in 0..1 << (log - shift(level)) {
            let page = to + (n << shift(level));
            let entry = VALID | page | flags.0 | fragment | kind;
            self.set(index(va, level) + n as usize, entry);
        }
    }

    fn descend(&mut self, pool: &mut Ranges, level: u32, run: Run) -> Result<(), Error> {
        let index = index(run.va.0, level);
        self.changed_below = true;
        if let Some(table) = self.below.get_mut(&index) {
            return table.map(pool, level - 1, run);
        }
        let place = VramAddr(pool.take(TABLE_BYTES, TABLE_BYTES, 0)?);
        let mut table = Table::new(place);
        let mapped = table.map(pool, level - 1, run);
        self.below.insert(index, table);
        self.set(index, VALID | place.0);
        mapped
    }

    fn unmap(&mut self, pool: &mut Ranges, level: u32, range: Range<u64>) {
        let mut at = range.start;
        while at < range.end {
            let index = index(at, level);
            let end = ((at | ((1 << shift(level)) - 1)) + 1).min(range.end);
            if let Some(table) = self.below.get_mut(&index) {
                table.unmap(pool, level - 1, at..end);
                self.changed_below = true;
                if table.entries.iter().all(|entry| *entry == 0) {
                    // It came from the pool, and nothing leads to it any more.
                    let given = pool.give(table.place.0, TABLE_BYTES);
                    debug_assert_eq!(given, Ok(()));
                    self.below.remove(&index);
                    self.set(index, 0);
                }
            } else if self.entries[index] != 0 {
                debug_assert_eq!(end - at, 1 << shift(level), "a whole page");
                self.set(index, 0);
            }
            at = end;
        }
    }

    fn commit(&mut self, device: &mut Device) {
        if core::mem::take(&mut self.changed_below) {
            for table in self.below.values_mut() {
                table.commit(device);
            }
        }
        let changed = core::mem::take(&mut self.changed);
        if changed.is_empty() {
            return;
        }
        let mut bytes = [0; TABLE_BYTES as usize];
        let out = &mut bytes[..8 * changed.len()];
        let place = self.place.plus(8 * changed.start as u64);
        for (place, entry) in out.as_chunks_mut().0.iter_mut().zip(&self.entries[changed]) {
            *place = entry.to_le_bytes();
        }
        device.bus().vram_write(place.0, out);
    }
}
