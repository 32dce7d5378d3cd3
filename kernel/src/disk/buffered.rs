//! A read-ahead buffer, so that a parser may ask for bytes in small pieces.

use alloc::boxed::Box;
use alloc::vec;

use inference::source::{BlockSource, ReadError};

/// Bytes that one read of the device brings, and their alignment. Large enough that a GGUF header of a few MiB costs a
/// few reads.
pub const READ_AHEAD: usize = 1 << 20;

/// A source in front of which the last [`READ_AHEAD`] bytes that were asked for are kept.
pub struct Buffered<'a> {
    source: &'a mut dyn BlockSource,
    buffer: Box<[u8]>,
    /// Where the buffer's bytes come from, and how many of them are there.
    start: u64,
    filled: usize,
}

impl<'a> Buffered<'a> {
    /// An empty buffer in front of `source`.
    pub fn new(source: &'a mut dyn BlockSource) -> Self {
        Self {
            source,
            buffer: vec![0; READ_AHEAD].into_boxed_slice(),
            start: 0,
            filled: 0,
        }
    }

    fn fill(&mut self, offset: u64) -> Result<(), ReadError> {
        let start = offset - offset % READ_AHEAD as u64;
        let length = (self.source.len() - start).min(READ_AHEAD as u64) as usize;
        self.filled = 0;
        self.source.read_at(start, &mut self.buffer[..length])?;
        (self.start, self.filled) = (start, length);
        Ok(())
    }
}

impl BlockSource for Buffered<'_> {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        let available = self.len();
        let length = buffer.len() as u64;
        if offset.checked_add(length).is_none_or(|end| end > available) {
            return Err(ReadError::OutOfRange {
                offset,
                length,
                available,
            });
        }
        let mut offset = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            if offset < self.start || offset >= self.start + self.filled as u64 {
                self.fill(offset)?;
            }
            let from = (offset - self.start) as usize;
            let count = rest.len().min(self.filled - from);
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(&self.buffer[from..from + count]);
            rest = later;
            offset += count as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_source_at_every_boundary() {
        let bytes: Vec<u8> = (0..READ_AHEAD * 2 + 777)
            .map(|i| (i * 7 + i / 251) as u8)
            .collect();
        let mut slice = &bytes[..];
        let mut source = Buffered::new(&mut slice);
        let edges = [
            0,
            1,
            READ_AHEAD - 1,
            READ_AHEAD,
            READ_AHEAD + 1,
            2 * READ_AHEAD,
            bytes.len(),
        ];
        for start in edges {
            for end in edges.into_iter().filter(|&end| end >= start) {
                let mut got = vec![0; end - start];
                source.read_at(start as u64, &mut got).expect("in range");
                assert!(got == bytes[start..end], "{start}..{end}");
            }
        }
        let past = source.read_at(bytes.len() as u64 - 1, &mut [0; 2]);
        assert!(matches!(past, Err(ReadError::OutOfRange { length: 2, .. })));
        assert!(source.read_at(u64::MAX, &mut [0; 2]).is_err());
    }
}
