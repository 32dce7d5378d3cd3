//! A run of bytes that processor and card both reach: an aperture of the card, or memory of ours.
//!
//! Every access is volatile, lies inside the run, and goes up in quadwords where it can: an aperture is far away, and each
//! access of it costs the same whatever its width.

use core::ptr::NonNull;

/// Mapped bytes that may change at any time.
pub(super) struct Region {
    base: NonNull<u8>,
    bytes: u64,
}

// SAFETY: the mapping is the same on every core, and whoever holds the value holds the only one for these bytes.
unsafe impl Send for Region {}

impl Region {
    /// The `bytes` bytes at `base`.
    ///
    /// # Safety
    /// 1. They are mapped, readable and writable, for as long as the value lives.
    /// 2. No reference leads to any of them, and no other `Region` does.
    /// 3. `base` is a multiple of 8.
    #[must_use]
    pub(super) unsafe fn new(base: NonNull<u8>, bytes: u64) -> Self {
        Self { base, bytes }
    }

    /// Length in bytes.
    #[must_use]
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where `count` bytes from `offset` on are.
    fn at(&self, offset: u64, count: usize) -> *mut u8 {
        let inside = offset
            .checked_add(count as u64)
            .is_some_and(|end| end <= self.bytes);
        let bytes = self.bytes;
        assert!(inside, "{count} bytes at {offset:#x} of {bytes:#x}");
        // SAFETY: the range was just checked, and lies in one mapping (1 of `new`).
        unsafe { self.base.as_ptr().add(offset as usize) }
    }

    /// Where the word at `offset` is.
    fn word<T>(&self, offset: u64) -> *mut T {
        let bytes = size_of::<T>();
        assert!(
            bytes <= 8 && offset.is_multiple_of(bytes as u64),
            "a word of {bytes} bytes at {offset:#x}"
        );
        self.at(offset, bytes).cast()
    }

    /// Reads an aligned dword.
    #[must_use]
    pub(super) fn read_u32(&self, offset: u64) -> u32 {
        // SAFETY: `word` gives an aligned address in the mapping (1, 3), which nothing else leads to (2).
        unsafe { self.word::<u32>(offset).read_volatile() }
    }

    /// Writes an aligned dword.
    pub(super) fn write_u32(&mut self, offset: u64, value: u32) {
        // SAFETY: as in `read_u32`.
        unsafe { self.word::<u32>(offset).write_volatile(value) }
    }

    /// Writes an aligned quadword in one store.
    pub(super) fn write_u64(&mut self, offset: u64, value: u64) {
        // SAFETY: as in `read_u32`.
        unsafe { self.word::<u64>(offset).write_volatile(value) }
    }

    /// Reads bytes in rising order.
    pub(super) fn read(&self, mut offset: u64, mut out: &mut [u8]) {
        self.at(offset, out.len());
        while !out.is_empty() {
            let width = width(offset, out.len());
            let (now, rest) = out.split_at_mut(width);
            // SAFETY: as in `read_u32`; `width` gives one that `offset` is a multiple of.
            unsafe {
                match width {
                    8 => {
                        now.copy_from_slice(&self.word::<u64>(offset).read_volatile().to_le_bytes())
                    }
                    4 => {
                        now.copy_from_slice(&self.word::<u32>(offset).read_volatile().to_le_bytes())
                    }
                    _ => now[0] = self.word::<u8>(offset).read_volatile(),
                }
            }
            offset += width as u64;
            out = rest;
        }
    }

    /// Writes bytes in rising order.
    pub(super) fn write(&mut self, mut offset: u64, mut data: &[u8]) {
        self.at(offset, data.len());
        while !data.is_empty() {
            let width = width(offset, data.len());
            let (now, rest) = data.split_at(width);
            let mut value = [0; 8];
            value[..width].copy_from_slice(now);
            let value = u64::from_le_bytes(value);
            // SAFETY: as in `read`.
            unsafe {
                match width {
                    8 => self.word::<u64>(offset).write_volatile(value),
                    4 => self.word::<u32>(offset).write_volatile(value as u32),
                    _ => self.word::<u8>(offset).write_volatile(value as u8),
                }
            }
            offset += width as u64;
            data = rest;
        }
    }
}

/// The widest access at `offset` of which `left` bytes have room.
fn width(offset: u64, left: usize) -> usize {
    let fits = |width: &usize| offset.is_multiple_of(*width as u64) && left >= *width;
    [8, 4].into_iter().find(fits).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(bytes: u64) -> Region {
        let words = vec![0_u64; bytes.div_ceil(8) as usize];
        let base = Box::leak(words.into_boxed_slice()).as_mut_ptr();
        // SAFETY: 1: the words are never freed. 2: the box is forgotten. 3: they are aligned as quadwords are.
        unsafe { Region::new(NonNull::new(base.cast()).expect("memory"), bytes) }
    }

    #[test]
    fn bytes_arrive_where_they_belong_at_any_offset_and_length() {
        let data: Vec<u8> = (1..=40).collect();
        for offset in 0..20 {
            for length in 0..=40 {
                let mut region = region(64);
                region.write(offset, &data[..length]);
                let mut all = [0; 64];
                region.read(0, &mut all);
                let mut expected = [0; 64];
                expected[offset as usize..][..length].copy_from_slice(&data[..length]);
                assert_eq!(all, expected);
                let mut some = vec![0; length];
                region.read(offset, &mut some);
                assert_eq!(some, data[..length]);
            }
        }
    }

    #[test]
    fn words_are_little_endian() {
        let mut region = region(16);
        region.write_u64(8, 0x1122_3344_5566_7788);
        region.write_u32(0, 5);
        assert_eq!((region.read_u32(0), region.read_u32(4)), (5, 0));
        assert_eq!(
            (region.read_u32(8), region.read_u32(12)),
            (0x5566_7788, 0x1122_3344)
        );
    }

    #[test]
    #[should_panic(expected = "2 bytes at 0xf of 0x10")]
    fn nothing_beyond_the_end_is_touched() {
        region(16).write(15, &[1, 2]);
    }

    #[test]
    #[should_panic(expected = "at 0xffffffffffffffff")]
    fn an_offset_that_overflows_is_refused() {
        region(16).read(u64::MAX, &mut [0; 2]);
    }

    #[test]
    #[should_panic(expected = "a word of 4 bytes at 0x2")]
    fn a_word_is_aligned() {
        let _ = region(16).read_u32(2);
    }
}
