//! Page tables: four levels, pages of 4 KiB, 2 MiB and 1 GiB, the largest that fits each time.
//!
//! Touches no register, so that the host's tests run it: the caller says where table frames come from and how they are
//! reached. Entries only ever go from absent to present (and back by [`AddressSpace::unmap_page`]); nothing is remapped in place, so
//! that other cores need no TLB shoot-down.

use core::{fmt, ptr};

use super::range::{PAGE_BYTES, PhysRange};

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const PWT: u64 = 1 << 3;
const PCD: u64 = 1 << 4;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// What the page attribute table must hold (MSR 0x277) for [`Caching`] to mean what it says: entry 0 write-back, 1
/// write-combining, 2 uncached unless an MTRR combines, 3 uncached, 4 to 7 as after reset.
pub const PAT: u64 = 0x0007_0406_0007_0106;

/// What may be done with a page. None may be both written and executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read.
    Read,
    /// Read and write.
    Write,
    /// Read and execute.
    Execute,
}

/// How a page is cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// RAM.
    WriteBack,
    /// Framebuffers and other memory behind a bus: stores are gathered, and ordered only by fences.
    WriteCombining,
    /// Device registers.
    Uncached,
}

/// Why a range could not be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// No frame was left for a page table.
    OutOfFrames,
    /// Something is mapped at this address already.
    AlreadyMapped(u64),
    /// The virtual address and the physical range are not both on page boundaries.
    Unaligned(u64, PhysRange),
    /// The range reaches past what the processor can address, or past the window for such mappings.
    TooLarge(PhysRange),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapError::OutOfFrames => f.write_str("no memory is left for a page table"),
            MapError::AlreadyMapped(at) => write!(f, "something is mapped at {at:#x} already"),
            MapError::Unaligned(at, range) => {
                write!(f, "{at:#x} and {range:?} are not both on page boundaries")
            }
            MapError::TooLarge(range) => write!(f, "no room in the address space for {range:?}"),
        }
    }
}

/// A tree of page tables.
pub struct AddressSpace {
    root: u64,
    /// What to add to the physical address of a table to reach it.
    offset: u64,
    gib_pages: bool,
}

/// One level of the walk: what an entry there maps.
#[derive(Clone, Copy)]
struct Level {
    shift: u32,
}

impl Level {
    const ROOT: Level = Level { shift: 39 };

    fn page_bytes(self) -> u64 {
        1 << self.shift
    }

    fn index(self, virt: u64) -> usize {
        (virt >> self.shift) as usize & 0x1ff
    }

    fn below(self) -> Level {
        Level {
            shift: self.shift - 9,
        }
    }
}

impl AddressSpace {
    /// The tree at the physical address `root`. `gib_pages` says whether the processor knows pages of 1 GiB.
    ///
    /// # Safety
    /// 1. `root` is the address of a table whose present entries are valid page table entries down to the pages.
    /// 2. All tables, those that `map` gets from its caller included, are readable and writable at `offset` plus their
    ///    physical address for as long as this value lives.
    pub unsafe fn new(root: u64, offset: u64, gib_pages: bool) -> AddressSpace {
        AddressSpace {
            root,
            offset,
            gib_pages,
        }
    }

    /// The physical address of the root table, for CR3.
    pub fn root(&self) -> u64 {
        self.root
    }

    /// Maps `range` at `virt` on. `new_table` gives zeroed frames for tables.
    pub fn map(
        &mut self,
        virt: u64,
        range: PhysRange,
        access: Access,
        caching: Caching,
        new_table: &mut dyn FnMut() -> Option<u64>,
    ) -> Result<(), MapError> {
        if !virt.is_multiple_of(PAGE_BYTES) || range.pages_inside() != range {
            return Err(MapError::Unaligned(virt, range));
        }
        if virt.checked_add(range.bytes()).is_none() {
            return Err(MapError::TooLarge(range));
        }
        let flags = flags(access, caching);
        let (mut virt, mut phys) = (virt, range.start_u64());
        while phys < range.end_u64() {
            let level = self.largest_page(virt | phys, range.end_u64() - phys);
            self.map_page(virt, phys, level, flags, new_table)?;
            virt += level.page_bytes();
            phys += level.page_bytes();
        }
        Ok(())
    }

    /// Takes away the 4 KiB page at `virt`; `true` if there was one. The caller invalidates the TLBs that may hold it.
    pub fn unmap_page(&mut self, virt: u64) -> bool {
        let mut table = self.root;
        let mut level = Level::ROOT;
        while level.shift > 12 {
            let entry = self.read(table, level.index(virt));
            if entry & PRESENT == 0 || entry & LARGE != 0 {
                return false;
            }
            table = entry & ADDRESS;
            level = level.below();
        }
        let mapped = self.read(table, level.index(virt)) & PRESENT != 0;
        self.write(table, level.index(virt), 0);
        mapped
    }

    /// The physical address behind `virt` and what may be done there, or `None` where nothing is mapped.
    pub fn translate(&self, virt: u64) -> Option<(u64, Access)> {
        let canonical = (virt as i64) << 16 >> 16 == virt as i64;
        let mut table = canonical.then_some(self.root)?;
        let mut level = Level::ROOT;
        // Every entry on the way of a page that may be written or executed allows it, because `map_page` makes them so.
        loop {
            let entry = self.read(table, level.index(virt));
            if entry & PRESENT == 0 {
                return None;
            }
            if level.shift == 12 || entry & LARGE != 0 {
                let access = match (entry & WRITABLE != 0, entry & NO_EXECUTE != 0) {
                    (true, _) => Access::Write,
                    (false, true) => Access::Read,
                    (false, false) => Access::Execute,
                };
                let inside = level.page_bytes() - 1;
                return Some(((entry & ADDRESS & !inside) | (virt & inside), access));
            }
            table = entry & ADDRESS;
            level = level.below();
        }
    }

    fn largest_page(&self, alignment: u64, left: u64) -> Level {
        let fits = |level: &Level| {
            alignment.is_multiple_of(level.page_bytes()) && left >= level.page_bytes()
        };
        let levels = [Level { shift: 30 }, Level { shift: 21 }];
        let skip = usize::from(!self.gib_pages);
        levels
            .into_iter()
            .skip(skip)
            .find(fits)
            .unwrap_or(Level { shift: 12 })
    }

    fn map_page(
        &mut self,
        virt: u64,
        phys: u64,
        target: Level,
        flags: u64,
        new_table: &mut dyn FnMut() -> Option<u64>,
    ) -> Result<(), MapError> {
        let mut table = self.root;
        let mut level = Level::ROOT;
        while level.shift > target.shift {
            let index = level.index(virt);
            let mut entry = self.read(table, index);
            if entry & PRESENT == 0 {
                entry = new_table().ok_or(MapError::OutOfFrames)? | PRESENT | WRITABLE;
                self.write(table, index, entry);
            } else if entry & LARGE != 0 {
                return Err(MapError::AlreadyMapped(virt));
            }
            table = entry & ADDRESS;
            level = level.below();
        }
        let index = level.index(virt);
        if self.read(table, index) & PRESENT != 0 {
            return Err(MapError::AlreadyMapped(virt));
        }
        let large = if target.shift > 12 { LARGE } else { 0 };
        self.write(table, index, phys | flags | large | PRESENT);
        Ok(())
    }

    fn entry(&self, table: u64, index: usize) -> *mut u64 {
        (self.offset.wrapping_add(table) as *mut u64).wrapping_add(index)
    }

    fn read(&self, table: u64, index: usize) -> u64 {
        // SAFETY: `table` is the root or comes from an entry of a table, and so is a table that `new` was promised to be
        // readable at the offset; `index` is below 512. Volatile, because the processor sets bits in it.
        unsafe { ptr::read_volatile(self.entry(table, index)) }
    }

    fn write(&mut self, table: u64, index: usize, entry: u64) {
        // SAFETY: as for `read`, writable; `&mut self` keeps other writers out.
        unsafe { ptr::write_volatile(self.entry(table, index), entry) }
    }
}

fn flags(access: Access, caching: Caching) -> u64 {
    let access = match access {
        Access::Read => NO_EXECUTE,
        Access::Write => NO_EXECUTE | WRITABLE,
        Access::Execute => 0,
    };
    let caching = match caching {
        Caching::WriteBack => 0,
        Caching::WriteCombining => PWT,
        Caching::Uncached => PCD | PWT,
    };
    access | caching
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone)]
    #[repr(align(4096))]
    struct Table(#[expect(dead_code, reason = "only the address of a table is used")] [u64; 512]);

    /// A tree whose "physical" addresses are those of boxes of this process, so that the offset is zero.
    struct Fixture {
        space: AddressSpace,
        tables: Vec<*mut Table>,
        limit: usize,
    }

    impl Fixture {
        fn new(gib_pages: bool, limit: usize) -> Fixture {
            let root = Box::into_raw(Box::new(Table([0; 512])));
            // SAFETY: 1: an all-zero table has no present entries. 2: tables are boxes, freed only when the fixture is.
            let space = unsafe { AddressSpace::new(root as u64, 0, gib_pages) };
            Fixture {
                space,
                tables: vec![root],
                limit,
            }
        }

        fn map(&mut self, virt: u64, range: (u64, u64), access: Access) -> Result<(), MapError> {
            let (tables, limit) = (&mut self.tables, self.limit);
            let mut new_table = || {
                if tables.len() == limit {
                    return None;
                }
                let table = Box::into_raw(Box::new(Table([0; 512])));
                tables.push(table);
                Some(table as u64)
            };
            self.space.map(
                virt,
                PhysRange::new(range.0, range.1),
                access,
                Caching::WriteBack,
                &mut new_table,
            )
        }
    }

    impl Drop for Fixture {
        fn drop(&mut self) {
            for &table in &self.tables {
                // SAFETY: each came from `Box::into_raw` and is freed once.
                drop(unsafe { Box::from_raw(table) });
            }
        }
    }

    const BASE: u64 = 0xffff_8000_0000_0000;
    const GIB: u64 = 1 << 30;

    #[test]
    fn large_pages_are_used_where_they_fit() {
        // Root, one table for the GiB entries, one for 2 MiB, one for 4 KiB on either side of the middle.
        for (gib_pages, expected) in [(true, 6), (false, 7)] {
            let mut fixture = Fixture::new(gib_pages, 100);
            fixture
                .map(
                    BASE + 0x1ff000,
                    (0x1ff000, 2 * GIB + 0x201000),
                    Access::Write,
                )
                .unwrap();
            assert_eq!(fixture.tables.len(), expected, "1 GiB pages: {gib_pages}");
            for at in [
                0x1ff000,
                0x1fffff,
                0x200000,
                GIB - 1,
                GIB,
                2 * GIB,
                2 * GIB + 0x200fff,
            ] {
                assert_eq!(
                    fixture.space.translate(BASE + at),
                    Some((at, Access::Write)),
                    "{at:#x}"
                );
            }
            for at in [0, 0x1fefff, 2 * GIB + 0x201000] {
                assert_eq!(fixture.space.translate(BASE + at), None, "{at:#x}");
            }
        }
    }

    #[test]
    fn errors_name_their_reason() {
        let mut fixture = Fixture::new(true, 4);
        fixture
            .map(BASE, (0x5000, 0x6000), Access::Execute)
            .unwrap();
        assert_eq!(
            fixture.map(BASE, (0x5000, 0x6000), Access::Read),
            Err(MapError::AlreadyMapped(BASE))
        );
        assert_eq!(
            fixture.map(BASE, (0, GIB), Access::Read),
            Err(MapError::AlreadyMapped(BASE))
        );
        assert!(matches!(
            fixture.map(BASE + 1, (0, 0x1000), Access::Read),
            Err(MapError::Unaligned(..))
        ));
        assert!(matches!(
            fixture.map(BASE, (0, 0x1001), Access::Read),
            Err(MapError::Unaligned(..))
        ));
        assert_eq!(
            fixture.map(0, (0, 0x1000), Access::Read),
            Err(MapError::OutOfFrames)
        );
        let top = 0u64.wrapping_sub(0x1000);
        assert!(matches!(
            fixture.map(top, (0, 0x2000), Access::Read),
            Err(MapError::TooLarge(..))
        ));
    }

    #[test]
    fn non_canonical_addresses_are_not_mapped() {
        let mut fixture = Fixture::new(true, 9);
        fixture.map(BASE, (0, GIB), Access::Read).unwrap();
        assert_eq!(fixture.space.translate(BASE & 0x0000_ffff_ffff_ffff), None);
    }

    /// Random mappings, then every page of the area against a list of what was mapped.
    #[test]
    fn random_mappings_translate_as_listed() {
        let mut state = 77_u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let mut fixture = Fixture::new(false, 1000);
        let mut pages = vec![None; 4096];
        for _ in 0..200 {
            let start = random(4096);
            let end = (start + 1 + random(700)).min(4096);
            let phys = 0x4000_0000 + random(2) * (random(4096) << 12) + (start << 12);
            let access = [Access::Read, Access::Write, Access::Execute][random(3) as usize];
            let area = start as usize..end as usize;
            if pages[area.clone()].iter().any(Option::is_some) {
                continue;
            }
            fixture
                .map(
                    BASE + (start << 12),
                    (phys, phys + ((end - start) << 12)),
                    access,
                )
                .unwrap();
            for (index, page) in pages[area].iter_mut().enumerate() {
                *page = Some((phys + ((index as u64) << 12), access));
            }
        }
        for (index, page) in pages.iter().enumerate() {
            assert_eq!(
                fixture.space.translate(BASE + ((index as u64) << 12)),
                *page,
                "page {index}"
            );
        }
    }

    #[test]
    fn a_page_can_be_taken_away() {
        let mut fixture = Fixture::new(true, 9);
        fixture
            .map(0x8000, (0x8000, 0xa000), Access::Execute)
            .unwrap();
        assert!(fixture.space.unmap_page(0x8000));
        assert!(!fixture.space.unmap_page(0x8000));
        assert!(!fixture.space.unmap_page(BASE));
        assert_eq!(fixture.space.translate(0x8000), None);
        assert_eq!(
            fixture.space.translate(0x9000),
            Some((0x9000, Access::Execute))
        );
    }
}
