//! The memory that the card and the driver share: a ring of descriptors and a buffer for each.

use core::mem::{offset_of, size_of};
use core::ptr::NonNull;
use core::slice;
use core::sync::atomic::{Ordering, fence};

use super::descriptors::{BUFFER_BYTES, DONE, RING};
use crate::memory::{PAGE_BYTES, direct_map, frames};

#[repr(C)]
struct Layout {
    descriptors: [[u64; 2]; RING],
    buffers: [[u8; BUFFER_BYTES]; RING],
}

// The card ignores the low four bits of a ring's address and the low seven of its length; the frames are page-aligned.
const _: () = assert!((size_of::<[u64; 2]>() * RING).is_multiple_of(128));

/// One direction's memory. It is never freed: no word of the card that it lets go of it would be believed.
pub(super) struct Shared {
    layout: NonNull<Layout>,
    physical: u64,
}

impl Shared {
    /// Bytes of the descriptors.
    pub(super) const RING_BYTES: u32 = (size_of::<[u64; 2]>() * RING) as u32;

    /// Memory of zeros. `None` if there is not enough in one piece.
    pub(super) fn allocate() -> Option<Self> {
        let range = frames::allocate_zeroed(size_of::<Layout>() as u64, PAGE_BYTES)?;
        Some(Self {
            layout: NonNull::new(direct_map(range.start()).cast())?,
            physical: range.start_u64(),
        })
    }

    /// The physical address of the descriptors.
    pub(super) fn physical(&self) -> u64 {
        self.physical
    }

    fn descriptor(&self, index: usize) -> *mut [u64; 2] {
        // SAFETY: the frames are this value's for good, aligned, and as large as the layout; the index is checked here.
        unsafe { &raw mut (*self.layout.as_ptr()).descriptors[index] }
    }

    /// The second word of a descriptor that the card is done with; `None` as long as it is not.
    pub(super) fn done(&self, index: usize) -> Option<u64> {
        // SAFETY: a valid, aligned word. It is volatile because the card writes it, and one access because it is 64 bits.
        let state = || unsafe { (&raw const (*self.descriptor(index))[1]).read_volatile() };
        if state() & DONE == 0 {
            return None;
        }
        // The card writes the packet, then the descriptor. What is read from here on was written before DONE was: the other
        // fields, read once more in case that they came in a later piece than the first look, and the packet.
        fence(Ordering::Acquire);
        Some(state())
    }

    /// Makes descriptor `index` say: its own buffer, and `state`. The card does not have it, and gets it by the tail.
    pub(super) fn fill(&mut self, index: usize, state: u64) {
        let buffer = offset_of!(Layout, buffers) + index * BUFFER_BYTES;
        // SAFETY: as in `done`. The address is that of a buffer in the same frames.
        unsafe {
            self.descriptor(index)
                .write_volatile([self.physical + buffer as u64, state]);
        }
    }

    /// Orders what was written to buffers and descriptors before the write of the tail that comes next, so that the card
    /// finds it in memory when it looks.
    pub(super) fn publish(&self) {
        fence(Ordering::Release);
    }

    /// The first `length` bytes of buffer `index`, whose descriptor was taken from the card. A card that writes to it all
    /// the same changes what the packet says, and packets are believed nothing anyway.
    ///
    /// # Panics
    /// If the length is more than the buffer has.
    pub(super) fn buffer(&mut self, index: usize, length: usize) -> &mut [u8] {
        assert!(length <= BUFFER_BYTES, "{length} bytes of a buffer");
        // SAFETY: `index` is checked here and `length` above; the frames are this value's, which is borrowed for as long as
        // the slice lives, and every bit pattern is a byte.
        unsafe {
            let buffer = &raw mut (*self.layout.as_ptr()).buffers[index];
            slice::from_raw_parts_mut(buffer.cast(), length)
        }
    }
}
