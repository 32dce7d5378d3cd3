//! Memory of this process, at its own addresses, as far as it is mapped.

use std::fs;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock};

use gfx1100_interpreter::{Fault, Memory};

/// A mapped range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: u64,
    end: u64,
    writable: bool,
}

/// Memory of this process. What is mapped is looked up in a copy of the system's list, which is renewed when an address is
/// not in it.
pub(crate) struct HostMemory {
    ranges: RwLock<Vec<Range>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Intent {
    Read,
    Write,
}

impl HostMemory {
    pub(crate) fn new() -> Self {
        Self {
            ranges: RwLock::new(mapped()),
        }
    }

    /// A copy of bytes.
    pub(crate) fn bytes(&self, address: u64, len: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; len];
        self.read(address, &mut bytes)?;
        Ok(bytes)
    }

    fn check(&self, address: u64, bytes: usize, intent: Intent) -> Result<(), Fault> {
        let covered = |ranges: &[Range]| covers(ranges, address, bytes as u64, intent);
        let ranges = self.ranges.read().unwrap_or_else(PoisonError::into_inner);
        if covered(&ranges) {
            return Ok(());
        }
        drop(ranges);
        let now = mapped();
        let found = covered(&now);
        *self.ranges.write().unwrap_or_else(PoisonError::into_inner) = now;
        if found {
            return Ok(());
        }
        Err(Fault {
            address,
            bytes: bytes as u32,
            reason: match intent {
                Intent::Read => "not mapped in this process, or not readable",
                Intent::Write => "not mapped in this process, or not writable",
            },
        })
    }
}

/// Whether the bytes lie in ranges that allow it, one after the other.
fn covers(ranges: &[Range], address: u64, bytes: u64, intent: Intent) -> bool {
    let Some(end) = address.checked_add(bytes) else {
        return false;
    };
    let mut at = address;
    let first = ranges.partition_point(|range| range.end <= address);
    for range in &ranges[first..] {
        let allowed = range.writable || intent == Intent::Read;
        if range.start > at || !allowed {
            return false;
        }
        at = range.end;
        if at >= end {
            return true;
        }
    }
    false
}

/// Readable ranges of this process in order of address.
fn mapped() -> Vec<Range> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines().filter_map(range).collect()
}

/// A line of the list: `start-end rwxp offset device inode path`.
fn range(line: &str) -> Option<Range> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let access = fields.next()?;
    let address = |digits| u64::from_str_radix(digits, 16).ok();
    let range = Range {
        start: address(start)?,
        end: address(end)?,
        writable: access.as_bytes().get(1) == Some(&b'w'),
    };
    // The kernel's own pages above the process are listed but cannot all be read.
    let own = range.end <= 1 << 47;
    (access.starts_with('r') && own).then_some(range)
}

impl Memory for HostMemory {
    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), Fault> {
        self.check(address, out.len(), Intent::Read)?;
        let mut at = address;
        let mut rest = out;
        while !rest.is_empty() {
            let whole = at.is_multiple_of(4) && rest.len() >= 4;
            let (now, later) = rest.split_at_mut(if whole { 4 } else { 1 });
            if whole {
                // SAFETY: the dword is mapped and aligned; other threads reach it by atomics only while code runs.
                let word = unsafe { AtomicU32::from_ptr(at as *mut u32) };
                now.copy_from_slice(&word.load(Relaxed).to_ne_bytes());
            } else {
                // SAFETY: the byte is mapped; other threads reach it by atomics only while code runs.
                now[0] = unsafe { AtomicU8::from_ptr(at as *mut u8) }.load(Relaxed);
            }
            at += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    fn write(&self, address: u64, data: &[u8]) -> Result<(), Fault> {
        self.check(address, data.len(), Intent::Write)?;
        let mut at = address;
        let mut rest = data;
        while let Some(first) = rest.first() {
            if at.is_multiple_of(4)
                && let Some(word) = rest.first_chunk()
            {
                // SAFETY: the dword is mapped, writable and aligned; other threads reach it by atomics only.
                let place = unsafe { AtomicU32::from_ptr(at as *mut u32) };
                place.store(u32::from_ne_bytes(*word), Relaxed);
                rest = &rest[4..];
                at += 4;
            } else {
                // SAFETY: the byte is mapped and writable; other threads reach it by atomics only.
                unsafe { AtomicU8::from_ptr(at as *mut u8) }.store(*first, Relaxed);
                rest = &rest[1..];
                at += 1;
            }
        }
        Ok(())
    }

    fn atomic(
        &self,
        address: u64,
        bytes: usize,
        update: &mut dyn FnMut(u64) -> u64,
    ) -> Result<u64, Fault> {
        self.check(address, bytes, Intent::Write)?;
        // The closures always return a value, so an error cannot come.
        Ok(if bytes == 8 {
            // SAFETY: the interpreter aligns atomics to their size, and the bytes are mapped and writable.
            let place = unsafe { AtomicU64::from_ptr(address as *mut u64) };
            match place.fetch_update(Relaxed, Relaxed, |old| Some(update(old))) {
                Ok(old) | Err(old) => old,
            }
        } else {
            // SAFETY: as above.
            let place = unsafe { AtomicU32::from_ptr(address as *mut u32) };
            let update = |old| Some(update(u64::from(old)) as u32);
            match place.fetch_update(Relaxed, Relaxed, update) {
                Ok(old) | Err(old) => u64::from(old),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_memory_is_reached_and_nothing_else() {
        let memory = HostMemory::new();
        let mut bytes = [1u8, 2, 3, 4, 5, 6, 7, 8, 9];
        let address = bytes.as_mut_ptr() as u64;
        memory.write(address + 1, &[7, 7, 7, 7, 7]).unwrap();
        assert_eq!(
            memory.bytes(address, 9).unwrap(),
            [1, 7, 7, 7, 7, 7, 7, 8, 9]
        );
        assert!(memory.bytes(8, 4).is_err());
        assert!(memory.bytes(u64::MAX - 1, 4).is_err());
        assert!(memory.write(own as *const () as u64, &[0]).is_err());
    }

    fn own() {}

    #[test]
    fn ranges_join_where_they_touch() {
        let of = |start, end, writable| Range {
            start,
            end,
            writable,
        };
        let ranges = [of(16, 32, true), of(32, 48, false), of(64, 80, true)];
        assert!(covers(&ranges, 20, 28, Intent::Read));
        assert!(!covers(&ranges, 20, 28, Intent::Write));
        assert!(covers(&ranges, 20, 12, Intent::Write));
        assert!(!covers(&ranges, 40, 30, Intent::Read));
        assert!(!covers(&ranges, 80, 1, Intent::Read));
    }
}
