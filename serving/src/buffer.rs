//! A queue of bytes: appended at one end, consumed at the other.

use alloc::vec::Vec;
use core::fmt;

/// Memory that an empty queue keeps for its next bytes.
const KEPT_BYTES: usize = 4096;

/// Bytes in the order in which they came; what was consumed is forgotten lazily.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    /// The bytes that were not consumed yet.
    pub(crate) fn unread(&self) -> &[u8] {
        // PANIC: `start` never passes the length: only `consume` moves it, and checks.
        &self.bytes[self.start..]
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the first `count` unread bytes, or all where there are fewer.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count.min(self.len());
        if self.is_empty() {
            self.clear();
        }
    }

    /// Forgets everything, and gives back the memory of what was long.
    pub(crate) fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.start = 0;
    }

    /// Bytes of memory held.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Takes memory for so many more bytes and not more, where it is known how many come.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.bytes.reserve_exact(count);
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        // Each byte is moved at most once for every byte appended after it, so that a queue costs linear time.
        if self.start > self.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Overwrites unread bytes that were appended before, from the unread position `at` on.
    pub(crate) fn patch(&mut self, at: usize, bytes: &[u8]) {
        let at = self.start + at;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

impl fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.append(text.as_bytes());
        Ok(())
    }
}
