//! Reads AMD's firmware from its partition.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use firmware_loader::archive::{ArchiveError, HEADER_BYTES, Header};
use inference::source::{BlockSource, ReadError};

use super::gpt::{self, GptError, Guid};
use super::locate;

/// Partition type of AMD's firmware.
pub const FIRMWARE_TYPE: Guid = Guid::new(0x4c7b_6e1d, 0x93a5, 0x4f20, 0xb1d6, 0x494e_4645_524e);
/// Its name, for tables made by tools that cannot set a type.
pub const FIRMWARE_NAME: &str = "infernel-firmware";

/// Why a disk's firmware cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirmwareError {
    /// The partition table cannot be used.
    Table(GptError),
    /// The disk could not be read.
    Read(ReadError),
    /// The partition does not begin as an archive does.
    Archive(ArchiveError),
}

impl fmt::Display for FirmwareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(error) => error.fmt(f),
            Self::Read(error) => error.fmt(f),
            Self::Archive(error) => write!(f, "partition `{FIRMWARE_NAME}`: {error}"),
        }
    }
}

/// The bytes of the archive in the firmware partition; none if the disk has no such partition. Only their header was checked,
/// which bounds them at 16 MiB: the rest is [`firmware_loader::archive::Archive::new`]'s.
///
/// # Errors
/// What is wrong with the disk, its table or the header.
pub fn read(disk: &mut dyn BlockSource) -> Result<Option<Vec<u8>>, FirmwareError> {
    let partitions = match gpt::read(disk) {
        Ok(partitions) => partitions,
        // A disk that is a model from its first byte on, or holds something else.
        Err(GptError::NoSignature | GptError::TooSmall { .. }) => return Ok(None),
        Err(error) => return Err(FirmwareError::Table(error)),
    };
    let Some(partition) = locate::find(&partitions, FIRMWARE_TYPE, FIRMWARE_NAME) else {
        return Ok(None);
    };
    // A partition has at least a sector.
    let mut header = [0; HEADER_BYTES];
    let read = disk.read_at(partition.offset, &mut header);
    read.map_err(FirmwareError::Read)?;
    let header = Header::new(&header).map_err(FirmwareError::Archive)?;
    if header.bytes as u64 > partition.length {
        return Err(FirmwareError::Archive(ArchiveError::Ends {
            found: partition.length,
            expected: header.bytes as u64,
        }));
    }
    let mut bytes = vec![0; header.bytes];
    let read = disk.read_at(partition.offset, &mut bytes);
    read.map_err(FirmwareError::Read)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use firmware_loader::archive::{self, Archive, ENTRY_BYTES, Entry};

    use super::*;
    use crate::disk::gpt::tests::disk;

    /// A disk with an archive of one file in sectors 40 to 49, of which `bytes` are exchanged.
    fn check(at: usize, bytes: &[u8]) -> Result<Option<Vec<u8>>, FirmwareError> {
        let mut disk = disk(&[(10, 19, "infernel-model"), (40, 49, FIRMWARE_NAME)]);
        let file = Entry {
            name: "a",
            bytes: &[7; 4000],
        };
        let start = HEADER_BYTES + ENTRY_BYTES;
        let mut archive = archive::header(1, start as u64 + 4000).to_vec();
        archive.extend(archive::entry(file, start as u64).expect("it fits"));
        archive.extend(file.bytes);
        archive[at..at + bytes.len()].copy_from_slice(bytes);
        disk[40 * 512..40 * 512 + archive.len()].copy_from_slice(&archive);
        read(&mut &disk[..])
    }

    #[test]
    fn the_archive_is_read_whole_and_nothing_behind_it() {
        let bytes = check(0, b"").expect("good").expect("there");
        let archive = Archive::new(&bytes).expect("good");
        assert_eq!(bytes.len(), HEADER_BYTES + ENTRY_BYTES + 4000);
        assert_eq!(archive.get("a"), Some(&[7; 4000][..]));
    }

    #[test]
    fn a_disk_without_firmware_has_none() {
        for disk in [&disk(&[(10, 19, "other")])[..], &[0; 9000], &[]] {
            assert_eq!(read(&mut { disk }), Ok(None));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |at, bytes: &[u8]| match check(at, bytes) {
            Err(error) => alloc::format!("{error}"),
            Ok(_) => panic!("it was accepted"),
        };
        let name = "partition `infernel-firmware`: firmware archive: ";
        assert!(error(0, b"GGUF").starts_with(&alloc::format!("{name}it begins with `GGUF")));
        // Larger than the partition, but not than an archive may be.
        let large = error(16, &6000_u64.to_le_bytes());
        assert_eq!(large, alloc::format!("{name}5120 bytes, expected 6000"));
        assert!(error(16, &[0xff; 8]).contains("expected 128 to 16777216"));
        let mut damaged = disk(&[(40, 49, FIRMWARE_NAME)]);
        for header in [512, 99 * 512] {
            damaged[header + 20] ^= 1;
        }
        let damaged = read(&mut &damaged[..]);
        assert!(matches!(damaged, Err(FirmwareError::Table(_))));
    }
}
