//! Bytes that several parties access at once: video memory, guest memory, memory lent to a remote driver.
//!
//! A guest races with the card as it likes. Every access here is a relaxed atomic one of a byte, a dword or a quadword, so
//! that such a race gives old or new bytes and nothing worse.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

use memmap2::{MmapOptions, MmapRaw};

/// A mapped range of bytes.
pub(crate) struct SharedBytes {
    map: MmapRaw,
}

impl SharedBytes {
    /// Zeros, which take room only when written.
    pub(crate) fn sparse(bytes: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(bytes).no_reserve_swap().map_anon()?;
        Ok(Self { map: map.into() })
    }

    /// Bytes of a file, shared with everybody who maps them.
    pub(crate) fn of_file(file: impl AsFd, offset: u64, bytes: usize) -> io::Result<Self> {
        use std::os::fd::AsRawFd;
        let map = MmapOptions::new()
            .offset(offset)
            .len(bytes)
            .map_raw(file.as_fd().as_raw_fd())?;
        Ok(Self { map })
    }

    /// How many.
    pub(crate) fn len(&self) -> u64 {
        self.map.len() as u64
    }

    fn pointer(&self, offset: u64, bytes: u64) -> *mut u8 {
        let end = offset.checked_add(bytes);
        assert!(
            end.is_some_and(|end| end <= self.len()) && offset.is_multiple_of(bytes),
            "{bytes} bytes at {offset:#x} of {:#x}",
            self.len()
        );
        // SAFETY: within the map by the assertion.
        unsafe { self.map.as_mut_ptr().add(offset as usize) }
    }

    /// A byte.
    pub(crate) fn byte(&self, offset: u64) -> &AtomicU8 {
        // SAFETY: in the map; the map lives as long as `self` and is only accessed by atomics.
        unsafe { AtomicU8::from_ptr(self.pointer(offset, 1)) }
    }

    /// The dword at a multiple of 4.
    pub(crate) fn dword(&self, offset: u64) -> &AtomicU32 {
        // SAFETY: as in `byte`; aligned, since the map starts at a page and `pointer` asserts a multiple.
        unsafe { AtomicU32::from_ptr(self.pointer(offset, 4).cast()) }
    }

    /// The quadword at a multiple of 8.
    pub(crate) fn quad(&self, offset: u64) -> &AtomicU64 {
        // SAFETY: as in `dword`.
        unsafe { AtomicU64::from_ptr(self.pointer(offset, 8).cast()) }
    }

    /// Quadwords from a multiple of 8.
    fn quads(&self, offset: u64, count: usize) -> &[AtomicU64] {
        let bytes = count as u64 * 8;
        let end = offset.checked_add(bytes);
        assert!(
            end.is_some_and(|end| end <= self.len()) && offset.is_multiple_of(8),
            "{bytes} bytes at {offset:#x} of {:#x}",
            self.len()
        );
        // SAFETY: within the map and aligned by the assertion; the map lives as long as `self` and is only accessed by
        // atomics, which have the layout of what they hold.
        unsafe {
            let first = self.map.as_mut_ptr().add(offset as usize);
            std::slice::from_raw_parts(first.cast::<AtomicU64>(), count)
        }
    }

    /// Reads bytes, which must lie within: whole quadwords and dwords at once where they are aligned.
    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) {
        let mut at = offset;
        let mut rest = out;
        while !rest.is_empty() {
            let step = step(at, rest.len());
            let (now, later) = rest.split_at_mut(step);
            match step {
                1 => now[0] = self.byte(at).load(Relaxed),
                4 => now.copy_from_slice(&self.dword(at).load(Relaxed).to_le_bytes()),
                _ => {
                    let quads = now.as_chunks_mut::<8>().0;
                    for (quad, place) in quads.iter_mut().zip(self.quads(at, step / 8)) {
                        *quad = place.load(Relaxed).to_le_bytes();
                    }
                }
            }
            at += step as u64;
            rest = later;
        }
    }

    /// Writes bytes, which must lie within.
    pub(crate) fn write(&self, offset: u64, data: &[u8]) {
        let mut at = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let step = step(at, rest.len());
            let (now, later) = rest.split_at(step);
            match *now {
                [byte] => self.byte(at).store(byte, Relaxed),
                [a, b, c, d] => self
                    .dword(at)
                    .store(u32::from_le_bytes([a, b, c, d]), Relaxed),
                _ => {
                    let quads = now.as_chunks::<8>().0;
                    for (quad, place) in quads.iter().zip(self.quads(at, step / 8)) {
                        place.store(u64::from_le_bytes(*quad), Relaxed);
                    }
                }
            }
            at += step as u64;
            rest = later;
        }
    }
}

/// Bytes to move next: 1, 4, or all whole quadwords.
fn step(at: u64, left: usize) -> usize {
    if at.is_multiple_of(8) && left >= 8 {
        left & !7
    } else if at.is_multiple_of(4) && left >= 4 {
        4
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_alignment_and_length_is_moved_whole() {
        let bytes = SharedBytes::sparse(4096).expect("a page");
        let data: Vec<u8> = (1..=64).collect();
        for offset in 0..9 {
            for length in 0..=40 {
                bytes.write(offset, &data[..length]);
                let mut out = vec![0; length];
                bytes.read(offset, &mut out);
                assert_eq!(out, data[..length], "{length} bytes at {offset}");
            }
        }
    }
}
