//! Where the bytes of a model come from: a disk, a file, a slice in a test.

use core::fmt;

/// Random access to a finite run of bytes whose content is not trusted.
pub trait BlockSource {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether there is nothing to read.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buffer` with the bytes from `offset` on. Any offset and any length are allowed; an implementation over a
    /// disk handles sectors itself.
    ///
    /// # Errors
    /// [`ReadError`] if the range is not wholly inside the source, or the device failed.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError>;
}

/// Why a read failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The range `offset .. offset + length` reaches past the end of the source.
    OutOfRange {
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        length: u64,
        /// Bytes there are.
        available: u64,
    },
    /// The device reported an error for the sector or byte at this offset.
    Device {
        /// First byte of the failed transfer.
        offset: u64,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange {
                offset,
                length,
                available,
            } => {
                write!(
                    f,
                    "read of {length} bytes at offset {offset} in a source of {available} bytes"
                )
            }
            Self::Device { offset } => write!(f, "the device failed to read at offset {offset}"),
        }
    }
}

impl core::error::Error for ReadError {}

impl BlockSource for &[u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        let error = ReadError::OutOfRange {
            offset,
            length: buffer.len() as u64,
            available: <[u8]>::len(self) as u64,
        };
        let start = usize::try_from(offset).map_err(|_| error)?;
        let end = start.checked_add(buffer.len()).ok_or(error)?;
        buffer.copy_from_slice(self.get(start..end).ok_or(error)?);
        Ok(())
    }
}
