//! Memory that the card reaches by DMA. There is no IOMMU, so whatever address the card is given it can write to: it is only
//! ever given those of memory that came from here, which stays the card's until the bus takes it back.

use alloc::collections::BTreeMap;
use core::ptr::NonNull;

use amdgpu::{BusAddr, HostBuffer, HostRange};

use super::region::Region;
use crate::memory::{self, PAGE_BYTES, PhysRange, frames};

/// Bits of an address that the card puts on the bus (Linux `gmc_v11_0_sw_init`: a DMA mask of 44 bits).
const ADDRESS_BITS: u32 = 44;
/// Buffers start at multiples of their size up to this, so that the card's page tables cover them with few large entries.
const MOST_ALIGNMENT: u64 = 2 << 20;

/// What the card was lent. Dropped, all of it is free again: the card must have lost its DMA before.
#[derive(Default)]
pub(super) struct HostMemory {
    buffers: BTreeMap<u32, (PhysRange, Region)>,
    next: u32,
}

impl HostMemory {
    /// A buffer of zeros in one piece; `None` where there is none that the card can address.
    pub(super) fn allocate(&mut self, bytes: u64) -> Option<HostBuffer> {
        assert!(bytes.is_multiple_of(PAGE_BYTES), "{bytes:#x} bytes");
        let id = self.next;
        self.next = id.checked_add(1)?;
        let align = bytes.checked_next_power_of_two()?;
        let range = frames::allocate_zeroed(bytes, align.clamp(PAGE_BYTES, MOST_ALIGNMENT))?;
        if range.end_u64() > 1 << ADDRESS_BITS {
            // SAFETY: it came from `allocate_zeroed` just now, and nobody was told of it.
            unsafe { frames::free(range) };
            return None;
        }
        let base = NonNull::new(memory::direct_map(range.start()))?;
        // SAFETY: 1: the direct map holds all frames, for good. 2: the allocator gave these to nobody else, and this is the
        // only value made for them. 3: a frame starts at a multiple of 4096.
        let region = unsafe { Region::new(base, bytes) };
        self.buffers.insert(id, (range, region));
        let range = HostRange {
            address: BusAddr(range.start_u64()),
            bytes,
        };
        Some(HostBuffer {
            id,
            bytes,
            ranges: [range].to_vec(),
        })
    }

    /// Takes a buffer back.
    ///
    /// # Panics
    /// If it did not come from here.
    pub(super) fn free(&mut self, buffer: &HostBuffer) {
        let known = self.buffers.remove(&buffer.id);
        // PANIC: a buffer can be neither made up nor copied without breaking the trait's contract.
        let (range, _) = known.expect("a buffer of this bus");
        // SAFETY: it came from `allocate`, its region is gone, and the trait promises that the card has let go of it.
        unsafe { frames::free(range) };
    }

    /// The bytes of a buffer.
    ///
    /// # Panics
    /// If it did not come from here.
    pub(super) fn region(&mut self, buffer: &HostBuffer) -> &mut Region {
        let known = self.buffers.get_mut(&buffer.id);
        // PANIC: as in `free`.
        let (_, region) = known.expect("a buffer of this bus");
        region
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        for (range, _) in self.buffers.values() {
            // SAFETY: it came from `allocate`, its region is dropped with this value, and the bus has taken the card's DMA
            // away before it drops this.
            unsafe { frames::free(*range) };
        }
    }
}
