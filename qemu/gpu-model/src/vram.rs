//! Video memory: 24,560 MiB, of which only what is used takes room.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::shared_bytes::SharedBytes;

/// Bytes of video memory: RCC_CONFIG_MEMSIZE of a real RX 7900 XTX reads 0x5ff0 (MiB).
pub const VRAM_BYTES: u64 = 0x5ff0 << 20;

/// Video memory. Engines on several threads use it at once.
pub struct Vram {
    bytes: SharedBytes,
    /// A bit per dword that was written since power-on or reset.
    defined: SharedBytes,
}

impl Vram {
    /// Video memory that nobody wrote yet.
    ///
    /// # Errors
    /// If the process may not have the address space.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            bytes: SharedBytes::sparse(VRAM_BYTES as usize)?,
            defined: SharedBytes::sparse((VRAM_BYTES / 4 / 8) as usize)?,
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
        self.bytes.dword(offset)
    }

    /// The quadword at a multiple of 8 below [`VRAM_BYTES`].
    pub fn quad(&self, offset: u64) -> &AtomicU64 {
        self.bytes.quad(offset)
    }

    /// The dword, if the offset is one of video memory.
    pub(crate) fn holds_dword(&self, offset: u64) -> Option<&AtomicU32> {
        (offset.is_multiple_of(4) && Self::holds(offset, 4)).then(|| self.dword(offset))
    }

    fn defined_bits(&self, dword: u64) -> &AtomicU32 {
        self.defined.dword(dword / 32 * 4)
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
        self.bytes.read(offset, out);
    }

    /// Writes bytes, which must lie in video memory.
    pub fn write(&self, offset: u64, data: &[u8]) {
        self.bytes.write(offset, data);
        self.define(offset, data.len());
    }

    /// Marks the dwords that these bytes touch as written.
    pub(crate) fn define(&self, offset: u64, bytes: usize) {
        let mut dword = offset / 4;
        let end = (offset + bytes as u64).div_ceil(4);
        while dword < end {
            let first = dword % 32;
            let count = (end - dword).min(32 - first);
            let bits = (u32::MAX >> (32 - count)) << first;
            let word = self.defined_bits(dword);
            if word.load(Relaxed) & bits != bits {
                word.fetch_or(bits, Relaxed);
            }
            dword += count;
        }
    }

    /// Whether any of the dwords that these bytes touch was never written.
    #[must_use]
    pub fn undefined(&self, offset: u64, bytes: usize) -> bool {
        let (first, end) = (offset / 4, (offset + bytes as u64).div_ceil(4));
        (first..end).any(|dword| self.defined_bits(dword).load(Relaxed) & (1 << (dword % 32)) == 0)
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
