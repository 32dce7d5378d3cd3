//! Finds the model on a disk.

use core::fmt;

use inference::source::{BlockSource, ReadError};

use super::gpt::{self, GptError, Guid, Partition};

/// Partition type of a model.
pub const MODEL_TYPE: Guid = Guid::new(0x9d3f_5a52, 0x1f0c, 0x4a7e, 0x8c57, 0x494e_4645_524e);
/// Partition name of a model, for tables made by tools that cannot set a type.
pub const MODEL_NAME: &str = "infernel-model";
const GGUF_MAGIC: &[u8; 4] = b"GGUF";

/// The bytes of a model on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// First byte.
    pub offset: u64,
    /// Bytes from there on, padding included.
    pub length: u64,
    /// Whether it is a partition; else it is the whole disk.
    pub partition: bool,
}

/// Why no model was found on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocateError {
    /// The disk could not be read.
    Read(ReadError),
    /// The disk has no sectors.
    NoSectors,
    /// The disk's first sectors are all zeros.
    Empty,
    /// The disk starts with no GGUF magic, and the partition table cannot be used.
    NoTable(GptError),
    /// There is a partition table without a model in it.
    NoModelPartition {
        /// Partitions that there are.
        partitions: usize,
    },
    /// The model partition does not start as a GGUF file does.
    NotGguf {
        /// Its first four bytes.
        found: [u8; 4],
    },
}

impl fmt::Display for LocateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::NoSectors => f.write_str("the disk has no sectors"),
            Self::Empty => f.write_str("the disk is empty: its first sectors hold only zeros"),
            Self::NoTable(error) => {
                write!(
                    f,
                    "the disk starts with neither a GGUF file nor a usable GPT: {error}"
                )
            }
            Self::NoModelPartition { partitions } => write!(
                f,
                "none of the {partitions} partitions has type {MODEL_TYPE:?} or name `{MODEL_NAME}`"
            ),
            Self::NotGguf { found } => write!(
                f,
                "the model partition starts with bytes {found:02x?}, expected `GGUF`"
            ),
        }
    }
}

/// Finds the model: the whole disk if it starts with `GGUF`, else the first partition of the model's type or name.
///
/// # Errors
/// [`LocateError`], one variant per reason.
pub fn locate(disk: &mut dyn BlockSource) -> Result<Location, LocateError> {
    if disk.len() < gpt::SECTOR {
        return Err(LocateError::NoSectors);
    }
    let mut start = [0; 2 * gpt::SECTOR as usize];
    let length = (disk.len() as usize).min(start.len());
    disk.read_at(0, &mut start[..length])
        .map_err(LocateError::Read)?;
    if start.starts_with(GGUF_MAGIC) {
        return Ok(Location {
            offset: 0,
            length: disk.len(),
            partition: false,
        });
    }
    let partitions = match gpt::read(disk) {
        Ok(partitions) => partitions,
        Err(_) if start.iter().all(|&byte| byte == 0) => return Err(LocateError::Empty),
        Err(error) => return Err(LocateError::NoTable(error)),
    };
    let model = find(&partitions, MODEL_TYPE, MODEL_NAME).ok_or(LocateError::NoModelPartition {
        partitions: partitions.len(),
    })?;
    let mut found = [0; 4];
    disk.read_at(model.offset, &mut found)
        .map_err(LocateError::Read)?;
    if found != *GGUF_MAGIC {
        return Err(LocateError::NotGguf { found });
    }
    Ok(Location {
        offset: model.offset,
        length: model.length,
        partition: true,
    })
}

/// The first partition of a type, or with a name.
pub(super) fn find<'a>(
    partitions: &'a [Partition],
    kind: Guid,
    name: &str,
) -> Option<&'a Partition> {
    let mut partitions = partitions.iter();
    partitions.find(|partition| partition.type_guid == kind || partition.name == name)
}

/// A run of bytes of another source.
pub struct Slice<'a> {
    source: &'a mut dyn BlockSource,
    location: Location,
}

impl<'a> Slice<'a> {
    /// The bytes of `source` that `location` names; it came from [`locate`] on the same source.
    pub fn new(source: &'a mut dyn BlockSource, location: Location) -> Self {
        Self { source, location }
    }
}

impl BlockSource for Slice<'_> {
    fn len(&self) -> u64 {
        self.location.length
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        let length = buffer.len() as u64;
        let available = self.location.length;
        if offset.checked_add(length).is_none_or(|end| end > available) {
            return Err(ReadError::OutOfRange {
                offset,
                length,
                available,
            });
        }
        self.source.read_at(self.location.offset + offset, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::gpt::tests::disk;

    fn check(disk: &[u8]) -> Result<Location, LocateError> {
        locate(&mut &disk[..])
    }

    #[test]
    fn finds_a_model() {
        let mut whole = std::vec![7; 1000];
        whole[..4].copy_from_slice(b"GGUF");
        let found = check(&whole).expect("a whole disk");
        assert_eq!(
            (found.offset, found.length, found.partition),
            (0, 1000, false)
        );

        let mut parts = disk(&[(10, 19, "other"), (40, 49, "infernel-model")]);
        parts[10 * 512..10 * 512 + 4].copy_from_slice(b"GGUF");
        let found = check(&parts).expect("a partition");
        assert_eq!(
            (found.offset, found.length, found.partition),
            (5120, 5120, true)
        );
        let mut bytes = [0; 4];
        let mut source = &parts[..];
        let mut slice = Slice::new(&mut source, found);
        slice.read_at(0, &mut bytes).expect("in range");
        assert_eq!(&bytes, b"GGUF");
        assert!(slice.read_at(5117, &mut bytes).is_err());
    }

    #[test]
    fn names_why_there_is_none() {
        assert_eq!(check(&[]), Err(LocateError::NoSectors));
        assert_eq!(check(&[0; 512]), Err(LocateError::Empty));
        assert_eq!(check(&[0; 9000]), Err(LocateError::Empty));
        let text = [b'x'; 9000];
        assert_eq!(
            check(&text),
            Err(LocateError::NoTable(GptError::NoSignature))
        );
        assert_eq!(
            check(&disk(&[])),
            Err(LocateError::NoModelPartition { partitions: 0 })
        );
        assert_eq!(
            check(&disk(&[(10, 19, "infernel-model")])),
            Err(LocateError::NotGguf { found: [0; 4] })
        );
    }
}
