//! Video memory: 24,560 MiB, of which only what is used takes room.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

use memmap2::{MmapOptions, MmapRaw};

/// Bytes of video memory: RCC_CONFIG_MEMSIZE of a real RX 7900 XTX reads 0x5ff0 (MiB).
pub const VRAM_BYTES: u64 = 0x5ff0 << 20;

/// Video memory. Engines on several threads use it at once; a race of the guest is a race of relaxed accesses to dwords or
/// bytes, never more.
pub struct Vram {
    bytes: MmapRaw,
    /// A bit per dword that was written since power-on or reset.
    defined: MmapRaw,
}

fn sparse(bytes: u64) -> std::io::Result<MmapRaw> {
    let mut options = MmapOptions::new();
    let map = options.len(bytes as usize).no_reserve_swap().map_anon()?;
    Ok(map.into())
}

impl Vram {
    /// Video memory that nobody wrote yet.
    ///
    /// # Errors
    /// If the process may not have the address space.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            bytes: sparse(VRAM_BYTES)?,
            defined: sparse(VRAM_BYTES / 4 / 8)?,
        })
    }

    /// Loses everything, as a reset of the whole card does.
    ///
    /// # Errors
    /// If the process may not have the address space.
    pub fn clear(&mut self) -> std::io::Result<()> {
        *self = Self::new()?;
        Ok(())
    }

    /// The dword at a multiple of 4 below [`VRAM_BYTES`].
    pub fn dword(&self, offset: u64) -> &AtomicU32 {
        assert!(
            offset < VRAM_BYTES && offset.is_multiple_of(4),
            "VRAM offset {offset:#x}"
        );
        // SAFETY: within the map by the assertion and aligned; the map lives as long as `self` and is only accessed by atomics.
        unsafe { AtomicU32::from_ptr(self.bytes.as_mut_ptr().add(offset as usize).cast()) }
    }

    fn byte(&self, offset: u64) -> &AtomicU8 {
        assert!(offset < VRAM_BYTES, "VRAM offset {offset:#x}");
        // SAFETY: within the map by the assertion; the map lives as long as `self` and is only accessed by atomics.
        unsafe { AtomicU8::from_ptr(self.bytes.as_mut_ptr().add(offset as usize)) }
    }

    fn defined_bits(&self, offset: u64) -> (&AtomicU32, u32) {
        assert!(offset < VRAM_BYTES, "VRAM offset {offset:#x}");
        let dword = offset / 4;
        // SAFETY: a bit per dword of VRAM, so within the map by the assertion; aligned to 4; only accessed by atomics.
        let word = unsafe {
            AtomicU32::from_ptr(
                self.defined
                    .as_mut_ptr()
                    .add((dword / 32 * 4) as usize)
                    .cast(),
            )
        };
        (word, 1 << (dword % 32))
    }

    /// Whether bytes lie in video memory.
    #[must_use]
    pub fn holds(offset: u64, bytes: usize) -> bool {
        offset
            .checked_add(bytes as u64)
            .is_some_and(|end| end <= VRAM_BYTES)
    }

    /// Reads bytes, which must lie in video memory.
    pub fn read(&self, offset: u64, out: &mut [u8]) {
        let mut at = offset;
        let (head, rest) = out.split_at_mut(out.len().min((offset.wrapping_neg() & 3) as usize));
        for byte in head {
            *byte = self.byte(at).load(Relaxed);
            at += 1;
        }
        let (dwords, tail) = rest.as_chunks_mut::<4>();
        for dword in dwords {
            *dword = self.dword(at).load(Relaxed).to_le_bytes();
            at += 4;
        }
        for byte in tail {
            *byte = self.byte(at).load(Relaxed);
            at += 1;
        }
    }

    /// Writes bytes, which must lie in video memory.
    pub fn write(&self, offset: u64, data: &[u8]) {
        let mut at = offset;
        let (head, rest) = data.split_at(data.len().min((offset.wrapping_neg() & 3) as usize));
        for byte in head {
            self.byte(at).store(*byte, Relaxed);
            at += 1;
        }
        let (dwords, tail) = rest.as_chunks::<4>();
        for dword in dwords {
            self.dword(at).store(u32::from_le_bytes(*dword), Relaxed);
            at += 4;
        }
        for byte in tail {
            self.byte(at).store(*byte, Relaxed);
            at += 1;
        }
        self.define(offset, data.len());
    }

    fn define(&self, offset: u64, bytes: usize) {
        let mut dword = offset / 4;
        let end = (offset + bytes as u64).div_ceil(4);
        while dword < end {
            let (word, _) = self.defined_bits(dword * 4);
            let first = dword % 32;
            let count = (end - dword).min(32 - first);
            word.fetch_or((u32::MAX >> (32 - count)) << first, Relaxed);
            dword += count;
        }
    }

    /// Whether any of the dwords that these bytes touch was never written.
    #[must_use]
    pub fn undefined(&self, offset: u64, bytes: usize) -> bool {
        let (first, end) = (offset / 4, (offset + bytes as u64).div_ceil(4));
        (first..end).any(|dword| {
            let (word, bit) = self.defined_bits(dword * 4);
            word.load(Relaxed) & bit == 0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_written_at_any_alignment() {
        let vram = Vram::new().expect("address space");
        let data: Vec<u8> = (0..=255).collect();
        for (offset, bytes) in [
            (0, 1),
            (9, 2),
            (19, 9),
            (VRAM_BYTES - 7, 7),
            (4096 - 2, 200),
        ] {
            assert!(vram.undefined(offset, bytes));
            vram.write(offset, &data[..bytes]);
            let mut out = vec![0; bytes];
            vram.read(offset, &mut out);
            assert_eq!(out, data[..bytes]);
            assert!(!vram.undefined(offset, bytes));
        }
        assert!(vram.undefined(1 << 30, 4));
        assert!(
            !Vram::holds(VRAM_BYTES - 3, 4)
                && Vram::holds(VRAM_BYTES - 4, 4)
                && !Vram::holds(u64::MAX, 2)
        );
    }
}
