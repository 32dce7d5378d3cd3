//! The walk: four levels of tables of 512 entries, from a virtual address to a page.
//!
//! Format of entries: `amdgpu_vm.h` in Linux (AMDGPU_PTE_*, AMDGPU_PDE_PTE, AMDGPU_PTE_MTYPE_NV10) for GFX 10 and 11.

use super::hub::HubRegisters;
use super::rules::{FRAGMENT, HUGE_LEAF, PTE_ADDRESS, PTE_RESERVED, SYSTEM_SNOOPED, TABLE_ADDRESS};
use super::{Hub, Intent};
use crate::fabric::Fabric;
use crate::rule::Rule;
use crate::vram::{VRAM_BYTES, Vram};

pub(crate) const VALID: u64 = 1;
pub(crate) const SYSTEM: u64 = 1 << 1;
pub(crate) const SNOOPED: u64 = 1 << 2;
pub(crate) const EXECUTABLE: u64 = 1 << 4;
pub(crate) const READABLE: u64 = 1 << 5;
pub(crate) const WRITEABLE: u64 = 1 << 6;
pub(crate) const PRT: u64 = 1 << 51;
pub(crate) const LEAF: u64 = 1 << 54;
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;
/// Bits that are nothing in a page's entry: 52, 53, 56, 57, 59 and above.
const RESERVED: u64 = 0xfb30_0000_0000_0000;
/// Bits 47:44 of an address: beyond what the card drives on the bus, and beyond any video memory.
const TOO_HIGH: u64 = 0x0000_f000_0000_0000;

/// What a page is memory of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Offset in video memory.
    Vram(u64),
    /// Bus address.
    Host(u64),
    /// Nothing: reads are zero, writes are lost.
    Sparse,
}

impl Place {
    /// The place `bytes` further.
    pub(crate) fn plus(self, bytes: u64) -> Self {
        match self {
            Self::Vram(offset) => Self::Vram(offset + bytes),
            Self::Host(address) => Self::Host(address + bytes),
            Self::Sparse => Self::Sparse,
        }
    }
}

/// A page, or a run of pages that one translation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Where its first byte is.
    pub(crate) place: Place,
    pub(crate) readable: bool,
    pub(crate) writeable: bool,
    pub(crate) executable: bool,
    /// MTYPE is UC: no cache keeps its lines.
    pub(crate) uncached: bool,
}

/// Why there is no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Miss {
    /// The context is off, or the address is outside of its range.
    Range,
    /// An entry is not valid: 0 in the last table, otherwise the level of the directory (1 is PDB0).
    Invalid(u8),
}

/// What an address range means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Translation {
    /// First address.
    pub(crate) start: u64,
    /// Logarithm of its bytes.
    pub(crate) bits: u32,
    pub(crate) page: Result<Page, Miss>,
}

impl Translation {
    pub(crate) fn covers(&self, va: u64) -> bool {
        va >> self.bits == self.start >> self.bits
    }
}

/// A rule that an entry breaks.
pub(crate) type Complaint = (Rule, String);

impl Page {
    /// Whether it may be used so.
    pub(crate) fn allows(&self, intent: Intent) -> bool {
        match intent {
            Intent::Read => self.readable,
            Intent::Write => self.writeable,
            Intent::Execute => self.executable,
        }
    }

    fn of(entry: u64) -> Self {
        let address = entry & ADDRESS;
        Self {
            place: if entry & PRT != 0 {
                Place::Sparse
            } else if entry & SYSTEM != 0 {
                Place::Host(address)
            } else {
                Place::Vram(address)
            },
            readable: entry & READABLE != 0,
            writeable: entry & WRITEABLE != 0,
            executable: entry & EXECUTABLE != 0,
            uncached: entry >> 48 & 7 == 3,
        }
    }
}

/// A walk in progress.
struct Walk<'a> {
    fabric: &'a Fabric,
    va: u64,
    complaints: Vec<Complaint>,
}

/// Walks the tables of a context, without any cache.
pub(super) fn walk(fabric: &Fabric, hub: Hub, vmid: u8, va: u64) -> (Translation, Vec<Complaint>) {
    let registers = hub.registers();
    let miss = |bits: u32, miss| Translation {
        start: va >> bits << bits,
        bits,
        page: Err(miss),
    };
    let control = registers.context_of(fabric, vmid);
    let first = HubRegisters::pair_of(fabric, registers.start, vmid) << 12;
    let last = HubRegisters::pair_of(fabric, registers.end, vmid) << 12 | 0xfff;
    if control & 1 == 0 || va < first || va > last {
        return (miss(12, Miss::Range), Vec::new());
    }
    let depth = control >> 1 & 3;
    let mut walk = Walk {
        fabric,
        va,
        complaints: Vec::new(),
    };
    let mut entry = HubRegisters::pair_of(fabric, registers.table, vmid);
    let relative = va - first;
    for level in (0..=depth).rev() {
        let bits = 12 + 9 * level;
        let index = relative >> bits & 0x1ff;
        let Some(table) = walk.table(entry) else {
            return (
                miss(bits + 9, Miss::Invalid(level as u8 + 1)),
                walk.complaints,
            );
        };
        entry = walk.entry(table, index);
        if entry & VALID == 0 {
            return (miss(bits, Miss::Invalid(level as u8)), walk.complaints);
        }
        if level == 0 || entry & LEAF != 0 {
            let found = walk.leaf(entry, bits, relative, table, index);
            return (found, walk.complaints);
        }
    }
    // A context of depth 0 has one table only, so the loop has returned.
    (miss(12, Miss::Range), walk.complaints)
}

impl Walk<'_> {
    fn complain(&mut self, rule: Rule, seen: String) {
        self.complaints.push((rule, seen));
    }

    /// Where a directory entry, or the root register, says that a table is.
    fn table(&mut self, entry: u64) -> Option<Place> {
        // PDE addresses have bits 11:6 too; tables of 512 entries leave them 0.
        let address = entry & 0x0000_ffff_ffff_ffc0;
        let fits = entry & SYSTEM != 0 || Vram::holds(address, 4096);
        if address & 0xfff != 0 || !fits {
            let va = self.va;
            self.complain(
                TABLE_ADDRESS,
                format!("entry {entry:#x} on the way to {va:#x}"),
            );
            return None;
        }
        Some(if entry & SYSTEM != 0 {
            Place::Host(address)
        } else {
            Place::Vram(address)
        })
    }

    fn entry(&mut self, table: Place, index: u64) -> u64 {
        let mut bytes = [0; 8];
        match table {
            Place::Vram(offset) => {
                let at = offset + 8 * index;
                if self.fabric.hdp.waits(at, 8) {
                    let seen = format!("the entry at {at:#x} on the way to {:#x}", self.va);
                    self.complain(crate::hdp::STALE, seen);
                }
                self.fabric.vram.read(at, &mut bytes);
            }
            Place::Host(address) => {
                let read = self.fabric.host.read(address + 8 * index, &mut bytes);
                if read.is_err() || !self.fabric.bus_master {
                    return 0;
                }
            }
            Place::Sparse => {}
        }
        u64::from_le_bytes(bytes)
    }

    fn leaf(
        &mut self,
        entry: u64,
        bits: u32,
        relative: u64,
        table: Place,
        index: u64,
    ) -> Translation {
        let va = self.va;
        let seen = move || format!("entry {entry:#x} of {va:#x}");
        let reserved = if bits == 12 {
            RESERVED | LEAF
        } else {
            RESERVED
        };
        if entry & reserved != 0 {
            self.complain(PTE_RESERVED, seen());
        }
        if entry & TOO_HIGH != 0 {
            self.complain(PTE_ADDRESS, seen());
        }
        let mut page = Page::of(entry);
        if entry & ADDRESS & ((1 << bits) - 1) != 0 && page.place != Place::Sparse {
            self.complain(HUGE_LEAF, seen());
        }
        if let Place::Vram(offset) = page.place
            && !Vram::holds(offset, 1 << bits)
        {
            self.complain(PTE_ADDRESS, seen());
            if offset >= VRAM_BYTES {
                page.place = Place::Sparse;
            }
        }
        if entry & SYSTEM != 0 && entry & SNOOPED == 0 && !page.uncached {
            self.complain(SYSTEM_SNOOPED, seen());
        }
        // A leaf above its natural size is cached as pages of 2 MiB at most, which keeps translations whole and simple.
        let single = Translation {
            start: va >> bits << bits,
            bits,
            page: Ok(page),
        };
        let fragment = (entry >> 7 & 0x1f) as u32;
        if bits > 12 || fragment == 0 {
            return single;
        }
        self.fragment(fragment.min(9), relative, table, index, entry)
            .map_or(single, |page| Translation {
                start: va >> (12 + fragment.min(9)) << (12 + fragment.min(9)),
                bits: 12 + fragment.min(9),
                page: Ok(page),
            })
    }

    /// The run of pages that an entry with a fragment stands for, if it is one.
    fn fragment(
        &mut self,
        fragment: u32,
        relative: u64,
        table: Place,
        index: u64,
        entry: u64,
    ) -> Option<Page> {
        let pages = 1u64 << fragment;
        let first = index & !(pages - 1);
        let address = entry & ADDRESS;
        let base = address.wrapping_sub((index - first) << 12);
        let aligned =
            base & ((pages << 12) - 1) == 0 && (self.va ^ relative) & (pages - 1) << 12 == 0;
        let contiguous = aligned
            && [first, first + pages / 2, first + pages - 1]
                .into_iter()
                .all(|at| self.entry(table, at) == entry - address + base + ((at - first) << 12));
        if contiguous {
            return Some(Page::of(entry - address + base));
        }
        let va = self.va;
        self.complain(
            FRAGMENT,
            format!("entry {entry:#x} of {va:#x}, fragment {fragment}"),
        );
        None
    }
}
