//! The frames of this machine: runs of physical memory, handed out and taken back.

use core::slice;

use spin::Mutex;

use super::{
    PAGE_BYTES,
    bitmap::FrameBitmap,
    direct_map,
    range::{PhysRange, RangeList},
};

static FRAMES: Mutex<Option<FrameBitmap<'static>>> = Mutex::new(None);

/// Makes `usable` the memory to hand out. The bitmap itself takes the first run of it that is long enough.
///
/// # Safety
/// Everything in `usable` is RAM in the direct map that nothing uses, now or later.
pub(super) unsafe fn init<const N: usize>(usable: &RangeList<N>) {
    let end = usable
        .as_slice()
        .iter()
        .map(PhysRange::end_u64)
        .max()
        .unwrap_or(0);
    let words = FrameBitmap::words_for(end);
    let bytes = (words as u64 * 8).next_multiple_of(PAGE_BYTES);
    let home = usable
        .as_slice()
        .iter()
        .find(|range| range.bytes() >= bytes);
    let home = home.expect("no memory for the frame bitmap").start_u64();
    let storage = direct_map(PhysRange::of_length(home, bytes).start()).cast::<u64>();
    // SAFETY: the caller gives away this memory, which is in the direct map; a page boundary is aligned enough for u64, and
    // `FrameBitmap::new` writes all words before it reads one.
    let words = unsafe {
        storage.write_bytes(0, words);
        slice::from_raw_parts_mut(storage, words)
    };
    let mut map = FrameBitmap::new(words);
    for range in usable.as_slice() {
        if range.start_u64() == home {
            map.free(PhysRange::new(home + bytes, range.end_u64()));
        } else {
            map.free(*range);
        }
    }
    *FRAMES.lock() = Some(map);
}

/// A run of `bytes` bytes, rounded up to whole frames, that starts at a multiple of `align` (a power of two). Its content is
/// whatever was there before. `None` where no such run is free.
pub fn allocate(bytes: u64, align: u64) -> Option<PhysRange> {
    FRAMES.lock().as_mut()?.allocate(bytes, align)
}

/// As [`allocate`], filled with zeros.
pub fn allocate_zeroed(bytes: u64, align: u64) -> Option<PhysRange> {
    let range = allocate(bytes, align)?;
    // SAFETY: the allocator gave this run to nobody else, and it lies in the direct map.
    unsafe { direct_map(range.start()).write_bytes(0, range.bytes() as usize) };
    Some(range)
}

/// Takes a run, or a part of one, back.
///
/// # Safety
/// `range` came from [`allocate`] and nothing refers to it any more, devices included.
pub unsafe fn free(range: PhysRange) {
    if let Some(map) = FRAMES.lock().as_mut() {
        map.free(range);
    }
}

/// Bytes in free frames.
pub fn free_bytes() -> u64 {
    FRAMES.lock().as_ref().map_or(0, FrameBitmap::free_bytes)
}
