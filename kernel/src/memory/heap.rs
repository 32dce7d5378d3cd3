//! The heap: `talc` over spans of frames, asked for when it runs out and kept.

use core::alloc::{GlobalAlloc, Layout};

use talc::{OomHandler, Span, Talc, Talck};

use super::{direct_map, frames};

/// How much the heap grows at least.
const GROWTH_BYTES: u64 = 4 << 20;

static TALC: Talck<spin::Mutex<()>, Grow> = Talc::new(Grow { claimed: 0 }).lock();

/// The heap, to be made the global allocator. Where memory is short an allocation fails; it never panics itself.
pub struct Heap;

// SAFETY: every call is handed on to the one talc allocator, which keeps `GlobalAlloc`'s contract.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that talc asks for; so too below.
        unsafe { TALC.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`.
        unsafe { TALC.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as in `alloc`.
        unsafe { TALC.realloc(pointer, layout, new_size) }
    }
}

/// Bytes in use, and bytes taken from the frame allocator.
pub fn used_and_claimed_bytes() -> (u64, u64) {
    let talc = TALC.lock();
    (
        talc.get_counters().allocated_bytes as u64,
        talc.oom_handler.claimed,
    )
}

/// Gives the heap more frames when it needs them.
struct Grow {
    claimed: u64,
}

impl OomHandler for Grow {
    fn handle_oom(talc: &mut Talc<Self>, layout: Layout) -> Result<(), ()> {
        // Room for the allocation at any alignment, and for the tags that talc puts around it.
        let needed = layout
            .size()
            .checked_add(layout.align())
            .and_then(|bytes| bytes.checked_add(4096))
            .ok_or(())?;
        let needed = needed as u64;
        let span = frames::allocate(needed.max(GROWTH_BYTES), 1)
            .or_else(|| frames::allocate(needed, 1))
            .ok_or(())?;
        let start = direct_map(span.start());
        // SAFETY: the frame allocator gave this memory to the heap alone, and the direct map holds it, writable.
        unsafe { talc.claim(Span::from_base_size(start, span.bytes() as usize)) }?;
        talc.oom_handler.claimed += span.bytes();
        Ok(())
    }
}
