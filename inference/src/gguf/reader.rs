//! Reads little-endian fields from a [`BlockSource`] in order, with read-ahead and a bound on everything.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::GgufError;
use crate::limits::{GGUF_READ_AHEAD_BYTES, MAX_GGUF_METADATA_BYTES};
use crate::source::BlockSource;

pub(super) struct Reader<'a> {
    source: &'a mut dyn BlockSource,
    length: u64,
    /// Offset of the first byte that was not taken yet.
    position: u64,
    /// Bytes of the source up to `position + (buffer.len() - taken)`.
    buffer: Vec<u8>,
    /// How much of `buffer` was taken.
    taken: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a mut dyn BlockSource) -> Self {
        Self {
            length: source.len(),
            source,
            position: 0,
            buffer: Vec::new(),
            taken: 0,
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Fails unless the metadata may go on for `bytes` more.
    pub(super) fn expect(&self, bytes: u64) -> Result<(), GgufError> {
        let available = self.length - self.position;
        if bytes > available {
            return Err(GgufError::Truncated {
                offset: self.position,
                needed: bytes,
                available,
            });
        }
        if bytes > MAX_GGUF_METADATA_BYTES - self.position {
            return Err(GgufError::MetadataTooLarge);
        }
        Ok(())
    }

    /// Hands the next `bytes` to `take`, in one or several pieces.
    fn pieces(&mut self, bytes: u64, mut take: impl FnMut(&[u8])) -> Result<(), GgufError> {
        self.expect(bytes)?;
        let mut missing = bytes;
        while missing > 0 {
            if self.taken == self.buffer.len() {
                self.refill()?;
            }
            let ready = &self.buffer[self.taken..];
            let piece = &ready[..ready
                .len()
                .min(usize::try_from(missing).unwrap_or(usize::MAX))];
            take(piece);
            self.taken += piece.len();
            self.position += piece.len() as u64;
            missing -= piece.len() as u64;
        }
        Ok(())
    }

    fn refill(&mut self) -> Result<(), GgufError> {
        let left = self.length - self.position;
        let chunk = usize::try_from(left).map_or(GGUF_READ_AHEAD_BYTES, |left| {
            left.min(GGUF_READ_AHEAD_BYTES)
        });
        reserve(&mut self.buffer, chunk)?;
        self.buffer.resize(chunk, 0);
        self.taken = 0;
        self.source.read_at(self.position, &mut self.buffer)?;
        Ok(())
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        let mut filled = 0;
        self.pieces(N as u64, |piece| {
            bytes[filled..][..piece.len()].copy_from_slice(piece);
            filled += piece.len();
        })?;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A count of `what`, at most `limit`.
    pub(super) fn count(&mut self, what: &'static str, limit: u64) -> Result<usize, GgufError> {
        let offset = self.position;
        let found = self.u64()?;
        let too_many = GgufError::TooMany {
            what,
            offset,
            found,
            limit,
        };
        if found > limit {
            return Err(too_many);
        }
        usize::try_from(found).map_err(|_| too_many)
    }

    /// Appends a string to `text`; `owner` is the key or tensor to blame.
    pub(super) fn string(
        &mut self,
        limit: u64,
        owner: &str,
        text: &mut String,
    ) -> Result<(), GgufError> {
        let bytes = self.count("string bytes", limit)?;
        self.expect(bytes as u64)?;
        let offset = self.position;
        let not_utf8 = || GgufError::NotUtf8 {
            owner: owner.into(),
            offset,
        };
        text.try_reserve(bytes)
            .map_err(|_| GgufError::OutOfMemory { bytes })?;
        // Most strings lie wholly in the buffer; a split one is put together first.
        if self.buffer.len() - self.taken >= bytes {
            let piece = &self.buffer[self.taken..][..bytes];
            text.push_str(str::from_utf8(piece).map_err(|_| not_utf8())?);
            self.taken += bytes;
            self.position += bytes as u64;
            return Ok(());
        }
        let mut whole = Vec::new();
        reserve(&mut whole, bytes)?;
        self.pieces(bytes as u64, |piece| whole.extend_from_slice(piece))?;
        text.push_str(str::from_utf8(&whole).map_err(|_| not_utf8())?);
        Ok(())
    }
}

/// Makes room for `length` elements, or says that there is none.
pub(super) fn reserve<T>(values: &mut Vec<T>, length: usize) -> Result<(), GgufError> {
    values
        .try_reserve_exact(length.saturating_sub(values.len()))
        .map_err(|_| GgufError::OutOfMemory {
            bytes: length.saturating_mul(size_of::<T>()),
        })
}
