//! Memory as a wave sees it: a trait of four calls, and declared ranges behind it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// An access that memory refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// First byte of the access.
    pub address: u64,
    /// Its length in bytes.
    pub bytes: u32,
    /// What stands there, or that nothing does.
    pub reason: &'static str,
}

/// What global, flat, buffer and scalar instructions access. Waves on several threads use it at once; a race of the guest is
/// a race of relaxed accesses to dwords, never more.
pub trait Memory: Sync {
    /// Reads `out.len()` bytes (1 to 512, at any alignment).
    ///
    /// # Errors
    /// If any of them may not be read.
    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), Fault>;

    /// Reads bytes for a scalar load, which goes through a cache of its own.
    ///
    /// # Errors
    /// If any of them may not be read.
    fn read_scalar(&self, address: u64, out: &mut [u8]) -> Result<(), Fault> {
        self.read(address, out)
    }

    /// Writes `data.len()` bytes (1 to 512, at any alignment).
    ///
    /// # Errors
    /// If any of them may not be written; then none is.
    fn write(&self, address: u64, data: &[u8]) -> Result<(), Fault>;

    /// Replaces 4 or 8 bytes, which are aligned to their number, by what `update` makes of them; returns the old value.
    ///
    /// # Errors
    /// If they may not be read and written.
    fn atomic(
        &self,
        address: u64,
        bytes: usize,
        update: &mut dyn FnMut(u64) -> u64,
    ) -> Result<u64, Fault>;

    /// Whether any of these bytes was never written. A memory that does not keep track says no.
    fn undefined(&self, _address: u64, _bytes: usize) -> bool {
        false
    }
}

/// One declared range.
struct Region {
    /// First byte.
    base: u64,
    /// Bytes.
    len: u64,
    /// Address of the first word: `base` rounded down to a dword.
    origin: u64,
    words: Box<[AtomicU32]>,
    /// A bit per byte that was written, from `origin`.
    defined: Box<[AtomicU32]>,
}

/// Declared ranges of bytes, kept here. Everything outside them faults.
#[derive(Default)]
pub struct Regions {
    /// In order of address.
    regions: Vec<Region>,
    /// Makes 64-bit atomics whole.
    wide: Mutex<()>,
}

impl Regions {
    /// No memory at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares a range with contents.
    ///
    /// # Errors
    /// If it overlaps another one, is empty or wraps around.
    pub fn add(&mut self, base: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.add_undefined(base, bytes.len() as u64)?;
        self.write(base, bytes)
    }

    /// Declares a range of bytes that nobody wrote yet; they read as 0 where that is allowed.
    ///
    /// # Errors
    /// If it overlaps another one, is empty or wraps around.
    pub fn add_undefined(&mut self, base: u64, len: u64) -> Result<(), Fault> {
        let fault = |reason| Fault {
            address: base,
            bytes: u32::try_from(len).unwrap_or(u32::MAX),
            reason,
        };
        let end = base.checked_add(len).filter(|end| *end > base);
        let end = end.ok_or_else(|| fault("an empty range, or one past the end of addresses"))?;
        let at = self.regions.partition_point(|region| region.base < base);
        let below = at.checked_sub(1).map(|index| &self.regions[index]);
        let overlaps = below.is_some_and(|region| region.base + region.len > base)
            || self.regions.get(at).is_some_and(|region| region.base < end);
        if overlaps {
            return Err(fault("overlaps a range that is declared already"));
        }
        let origin = base & !3;
        let words = usize::try_from((end - origin).div_ceil(4))
            .map_err(|_| fault("larger than this machine"))?;
        let zeros = |count| (0..count).map(|_| AtomicU32::new(0)).collect();
        let region = Region {
            base,
            len,
            origin,
            words: zeros(words),
            defined: zeros(words.div_ceil(8)),
        };
        self.regions.insert(at, region);
        Ok(())
    }

    /// The ranges, as base and length.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.regions.iter().map(|region| (region.base, region.len))
    }

    /// A copy of bytes, for instance of a whole range.
    ///
    /// # Errors
    /// If they are not all of one range.
    pub fn bytes(&self, base: u64, len: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; len];
        self.read(base, &mut bytes)?;
        Ok(bytes)
    }

    fn find(&self, address: u64, bytes: usize) -> Result<(&Region, usize), Fault> {
        let at = self
            .regions
            .partition_point(|region| region.base <= address);
        let region = at.checked_sub(1).map(|index| &self.regions[index]);
        region
            .filter(|region| {
                let offset = address - region.base;
                offset < region.len && region.len - offset >= bytes as u64
            })
            .map(|region| (region, (address - region.origin) as usize))
            .ok_or(Fault {
                address,
                bytes: bytes as u32,
                reason: "no declared range holds it",
            })
    }
}

impl Region {
    /// The words of [`Self::defined`] for a range of bytes, with their bits.
    fn bits(&self, offset: usize, len: usize) -> impl Iterator<Item = (&AtomicU32, u32)> {
        let end = offset + len;
        (offset / 32..end.div_ceil(32)).map(move |index| {
            let low = offset.saturating_sub(32 * index);
            let high = (end - 32 * index).min(32);
            let bits = (u64::MAX << low & u64::MAX >> (64 - high)) as u32;
            (&self.defined[index], bits)
        })
    }

    fn mark_defined(&self, offset: usize, len: usize) {
        for (word, bits) in self.bits(offset, len) {
            if word.load(Relaxed) & bits != bits {
                word.fetch_or(bits, Relaxed);
            }
        }
    }

    fn undefined(&self, offset: usize, len: usize) -> bool {
        self.bits(offset, len)
            .any(|(word, bits)| word.load(Relaxed) & bits != bits)
    }

    /// Writes bytes of one word.
    fn write_part(&self, offset: usize, data: &[u8]) {
        let shift = offset % 4 * 8;
        let mut value = [0; 4];
        value[..data.len()].copy_from_slice(data);
        let mask = (u64::MAX >> (64 - 8 * data.len())) as u32;
        let word = &self.words[offset / 4];
        let merge = |old: u32| Some(old & !(mask << shift) | u32::from_le_bytes(value) << shift);
        // `merge` never gives up, so both arms of the result mean success.
        let _ = word.fetch_update(Relaxed, Relaxed, merge);
    }
}

impl Memory for Regions {
    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), Fault> {
        let (region, mut offset) = self.find(address, out.len())?;
        let mut rest = out;
        while !rest.is_empty() {
            let word = region.words[offset / 4].load(Relaxed).to_le_bytes();
            let bytes = &word[offset % 4..];
            let count = bytes.len().min(rest.len());
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(&bytes[..count]);
            rest = later;
            offset += count;
        }
        Ok(())
    }

    fn write(&self, address: u64, data: &[u8]) -> Result<(), Fault> {
        let (region, offset) = self.find(address, data.len())?;
        let mut at = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let count = (4 - at % 4).min(rest.len());
            let (now, later) = rest.split_at(count);
            if let Ok(word) = <[u8; 4]>::try_from(now) {
                region.words[at / 4].store(u32::from_le_bytes(word), Relaxed);
            } else {
                region.write_part(at, now);
            }
            rest = later;
            at += count;
        }
        region.mark_defined(offset, data.len());
        Ok(())
    }

    fn atomic(
        &self,
        address: u64,
        bytes: usize,
        update: &mut dyn FnMut(u64) -> u64,
    ) -> Result<u64, Fault> {
        let (region, offset) = self.find(address, bytes)?;
        let word = &region.words[offset / 4];
        let old = if bytes == 4 {
            // The closure always returns a value, so an error cannot come.
            match word.fetch_update(Relaxed, Relaxed, |old| Some(update(u64::from(old)) as u32)) {
                Ok(old) | Err(old) => u64::from(old),
            }
        } else {
            let high = &region.words[offset / 4 + 1];
            let _whole = self
                .wide
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let old = u64::from(word.load(Relaxed)) | u64::from(high.load(Relaxed)) << 32;
            let new = update(old);
            word.store(new as u32, Relaxed);
            high.store((new >> 32) as u32, Relaxed);
            old
        };
        region.mark_defined(offset, bytes);
        Ok(old)
    }

    fn undefined(&self, address: u64, bytes: usize) -> bool {
        self.find(address, bytes)
            .is_ok_and(|(region, offset)| region.undefined(offset, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unaligned_ranges_keep_their_bytes() {
        let mut memory = Regions::new();
        memory.add(0x1003, &[1, 2, 3, 4, 5, 6, 7]).unwrap();
        memory.write(0x1005, &[9, 8]).unwrap();
        assert_eq!(memory.bytes(0x1003, 7).unwrap(), [1, 2, 9, 8, 5, 6, 7]);
        assert!(memory.bytes(0x1002, 1).is_err());
        assert!(memory.bytes(0x100a, 1).is_err());
        assert!(memory.bytes(0x1009, 2).is_err());
    }

    #[test]
    fn ranges_do_not_overlap() {
        let mut memory = Regions::new();
        memory.add_undefined(100, 10).unwrap();
        assert!(memory.add_undefined(109, 1).is_err());
        assert!(memory.add_undefined(95, 6).is_err());
        assert!(memory.add_undefined(5, 0).is_err());
        memory.add_undefined(110, 1).unwrap();
        memory.add_undefined(90, 10).unwrap();
    }

    #[test]
    fn what_was_not_written_is_known() {
        let mut memory = Regions::new();
        memory.add_undefined(0x2000, 100).unwrap();
        memory.write(0x201e, &[7; 6]).unwrap();
        assert!(!memory.undefined(0x201e, 6));
        assert!(memory.undefined(0x201d, 2));
        assert!(memory.undefined(0x2023, 2));
    }

    #[test]
    fn atomics_return_the_old_value() {
        let mut memory = Regions::new();
        memory
            .add(8, &[255, 255, 255, 255, 1, 0, 0, 0, 5, 0, 0, 0])
            .unwrap();
        let old = memory.atomic(8, 8, &mut |old| old + 1).unwrap();
        assert_eq!(old, 0x1_ffff_ffff);
        assert_eq!(memory.atomic(12, 4, &mut |_| 7).unwrap(), 2);
        assert_eq!(memory.bytes(8, 8).unwrap(), [0, 0, 0, 0, 7, 0, 0, 0]);
    }
}
