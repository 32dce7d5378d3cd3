//! What lies where in video memory.
//!
//! From the bottom: a picture that the machine's firmware may still show (Linux keeps it too: `amdgpu_gmc_get_vbios_allocations`),
//! what the driver itself needs, and the heap. All but the heap's end is below 256 MiB, so that a card whose slot cannot make
//! its aperture larger works the same. At the top, where Linux and tinygrad have them too: PSP's trusted memory region (TMR),
//! then 64 MiB that belong to the card's firmware, with the discovery table at their end.

use core::ops::Range;

use crate::{Error, McAddr, VramAddr};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Part of video memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First byte.
    pub start: VramAddr,
    /// Length.
    pub bytes: u64,
}

impl Region {
    const fn at(start: u64, bytes: u64) -> Self {
        let start = VramAddr(start);
        Self { start, bytes }
    }

    /// First byte after it.
    #[must_use]
    pub const fn end(self) -> VramAddr {
        self.start.plus(self.bytes)
    }
}

/// Images on their way to PSP, which takes addresses in MiB (`PSP_1_MEG` in Linux `amdgpu_psp.h`).
pub const PSP_IMAGE: Region = Region::at(64 * MIB, MIB);
/// PSP's ring: 64 frames (`psp_ring_init`).
pub const PSP_RING: Region = Region::at(65 * MIB, 4 * KIB);
/// The command that a frame names.
pub const PSP_COMMAND: Region = Region::at(65 * MIB + 4 * KIB, 4 * KIB);
/// What PSP writes when a command is done.
pub const PSP_FENCE: Region = Region::at(65 * MIB + 8 * KIB, 4 * KIB);
/// Where stray accesses of the system aperture end.
pub const SCRATCH_PAGE: Region = Region::at(65 * MIB + 12 * KIB, 4 * KIB);
/// Where faulting accesses end.
pub const DUMMY_PAGE: Region = Region::at(65 * MIB + 16 * KIB, 4 * KIB);
/// The root page table of VMID 0.
pub const ROOT_TABLE: Region = Region::at(65 * MIB + 20 * KIB, 4 * KIB);
/// The table that SMU and driver exchange.
pub const SMU_TABLE: Region = Region::at(65 * MIB + 64 * KIB, 64 * KIB);
/// Memory queue descriptors, a page each.
pub const MQDS: Region = Region::at(65 * MIB + 128 * KIB, 128 * KIB);
/// Page tables below the root: enough for 16 GiB of host memory in single pages.
pub const TABLES: Region = Region::at(96 * MIB, 32 * MIB);

/// Where the heap begins.
const HEAP: u64 = 128 * MIB;
/// What the card's firmware has at the top.
const TOP: u64 = 64 * MIB;
/// Room for the TMR; a real card asks for 0x130_0000.
const TMR_ROOM: u64 = 64 * MIB;
/// The alignment of the TMR (`PSP_TMR_ALIGNMENT` in Linux `amdgpu_psp.h`).
const TMR_ALIGN: u64 = MIB;
/// Smallest memory with this layout; the smallest RDNA3 card has 8 GiB.
const SMALLEST: u64 = GIB;
const GIB: u64 = 1 << 30;

/// Video memory of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Length.
    pub bytes: u64,
    /// How much of it the processor sees through BAR0, from the start.
    pub visible: u64,
    /// MC address of the first byte.
    pub base: McAddr,
}

impl Layout {
    /// The layout of a memory of this size.
    ///
    /// # Errors
    /// If it is too small, or too little of it is visible.
    pub fn new(bytes: u64, visible: u64, base: McAddr) -> Result<Self, Error> {
        let too_small = |what, found, expected| Error::Unexpected {
            what,
            found,
            expected,
        };
        if bytes < SMALLEST {
            return Err(too_small("video memory", bytes, "1 GiB or more"));
        }
        if visible < 2 * HEAP {
            return Err(too_small(
                "video memory that BAR0 shows",
                visible,
                "256 MiB or more",
            ));
        }
        Ok(Self {
            bytes,
            visible: visible.min(bytes),
            base,
        })
    }

    /// The MC address of an offset.
    #[must_use]
    pub const fn mc(&self, address: VramAddr) -> McAddr {
        self.base.plus(address.0)
    }

    /// The MC address of the last byte.
    #[must_use]
    pub const fn last(&self) -> McAddr {
        self.base.plus(self.bytes - 1)
    }

    /// What the allocator hands out.
    #[must_use]
    pub const fn heap(&self) -> Range<VramAddr> {
        VramAddr(HEAP)..self.tmr_room().start
    }

    /// PSP's trusted memory region of the length that PSP asked for.
    ///
    /// # Errors
    /// If there is no room for it.
    pub fn tmr(&self, bytes: u64) -> Result<Region, Error> {
        if bytes == 0 || bytes > TMR_ROOM {
            return Err(Error::Unexpected {
                what: "bytes of PSP's trusted memory region",
                found: bytes,
                expected: "1 to 64 MiB",
            });
        }
        let start = self.tmr_room().start;
        Ok(Region { start, bytes })
    }

    const fn tmr_room(&self) -> Region {
        let start = (self.bytes - TOP - TMR_ROOM) / TMR_ALIGN * TMR_ALIGN;
        Region::at(start, TMR_ROOM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAVI31: u64 = 24_560 << 20;

    #[test]
    fn nothing_overlaps_and_all_of_it_is_visible() {
        let fixed = [
            PSP_IMAGE,
            PSP_RING,
            PSP_COMMAND,
            PSP_FENCE,
            SCRATCH_PAGE,
            DUMMY_PAGE,
            ROOT_TABLE,
            SMU_TABLE,
            MQDS,
            TABLES,
        ];
        for pair in fixed.windows(2) {
            assert!(pair[0].end() <= pair[1].start, "{pair:?}");
        }
        assert!(TABLES.end() <= VramAddr(HEAP));
        assert!(PSP_IMAGE.start.0.is_multiple_of(MIB));
    }

    #[test]
    fn the_trusted_region_lies_between_heap_and_top() {
        let layout = Layout::new(NAVI31, 256 * MIB, McAddr(0x80_0000_0000)).unwrap();
        let tmr = layout.tmr(0x130_0000).unwrap();
        assert_eq!(layout.heap().end, tmr.start);
        assert!(tmr.start.0.is_multiple_of(TMR_ALIGN));
        assert!(tmr.end().0 <= NAVI31 - TOP);
        assert_eq!(layout.mc(tmr.start).0, 0x80_0000_0000 + tmr.start.0);
        assert!(layout.tmr(TMR_ROOM + 1).is_err() && layout.tmr(0).is_err());
    }

    #[test]
    fn a_memory_or_aperture_that_is_too_small_is_named() {
        let small = Layout::new(256 * MIB, 256 * MIB, McAddr(0)).unwrap_err();
        assert!(std::format!("{small}").contains("video memory: 0x10000000"));
        assert!(Layout::new(NAVI31, 128 * MIB, McAddr(0)).is_err());
    }
}
