//! GUID partition tables: which partitions a disk has.
//!
//! Reads the header at LBA 1 and, where that one is damaged, its copy in the last LBA. A header counts only if its own
//! checksum and that of the entries hold; every count and address is checked against the disk before it is used.
//! Sectors are 512 bytes.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use inference::source::{BlockSource, ReadError};

/// Bytes per logical block.
pub const SECTOR: u64 = 512;
const SIGNATURE: &[u8; 8] = b"EFI PART";
/// Bytes of the header that the specification defines.
const HEADER_BYTES: usize = 92;
/// Bytes of an entry that the specification defines.
const ENTRY_BYTES: usize = 128;
/// Entries that are read; the usual table has 128.
const MAX_ENTRIES: u32 = 1024;
/// Bytes of one entry that are accepted.
const MAX_ENTRY_BYTES: u32 = 4096;

/// A GUID as it stands on disk: the first three groups little-endian.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// The GUID that is written as these five groups.
    #[must_use]
    pub const fn new(a: u32, b: u16, c: u16, d: u16, e: u64) -> Self {
        let (a, b, c) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
        let (d, e) = (d.to_be_bytes(), e.to_be_bytes());
        Self([
            a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], e[2], e[3], e[4], e[5],
            e[6], e[7],
        ])
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for index in [
            3, 2, 1, 0, 16, 5, 4, 16, 7, 6, 16, 8, 9, 16, 10, 11, 12, 13, 14, 15,
        ] {
            match self.0.get(index) {
                Some(byte) => write!(f, "{byte:02x}")?,
                None => f.write_str("-")?,
            }
        }
        Ok(())
    }
}

/// One partition, wholly inside the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// What it is for.
    pub type_guid: Guid,
    /// Its name; characters that are not UTF-16 are replaced.
    pub name: String,
    /// First byte on the disk.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

/// Why a partition table cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GptError {
    /// The disk could not be read.
    Read(ReadError),
    /// The disk has fewer sectors than a table needs.
    TooSmall {
        /// Bytes there are.
        bytes: u64,
    },
    /// There is no signature: this is no GPT.
    NoSignature,
    /// The header says that it is shorter than the specification or longer than a sector.
    HeaderSize(u32),
    /// The header's checksum does not hold.
    HeaderChecksum {
        /// Computed.
        computed: u32,
        /// In the header.
        stored: u32,
    },
    /// The header does not stand where it says that it stands.
    HeaderPlace {
        /// Where it was read, in sectors.
        found: u64,
        /// Where it says it is.
        stored: u64,
    },
    /// The entry size is no power of two from 128 to 4096.
    EntrySize(u32),
    /// More entries than any real table has.
    EntryCount(u32),
    /// The entries do not lie inside the disk.
    EntriesOutside {
        /// Their first sector.
        sector: u64,
    },
    /// The entries' checksum does not hold.
    EntriesChecksum {
        /// Computed.
        computed: u32,
        /// In the header.
        stored: u32,
    },
    /// A partition reaches past the end of the disk, or ends before it starts.
    PartitionOutside {
        /// Which entry.
        entry: u32,
        /// First sector.
        first: u64,
        /// Last sector.
        last: u64,
        /// Sectors that the disk has.
        sectors: u64,
    },
    /// Two partitions share sectors.
    Overlap {
        /// A sector that both have.
        sector: u64,
    },
}

impl fmt::Display for GptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::TooSmall { bytes } => {
                write!(f, "a disk of {bytes} bytes holds no partition table")
            }
            Self::NoSignature => f.write_str("no GPT signature"),
            Self::HeaderSize(size) => write!(f, "GPT header size {size}, expected 92 to 512"),
            Self::HeaderChecksum { computed, stored } => {
                write!(
                    f,
                    "GPT header checksum is {computed:#010x}, the header says {stored:#010x}"
                )
            }
            Self::HeaderPlace { found, stored } => {
                write!(
                    f,
                    "GPT header in sector {found} says that it is in sector {stored}"
                )
            }
            Self::EntrySize(size) => {
                write!(
                    f,
                    "GPT entry size {size}, expected a power of two from 128 to {MAX_ENTRY_BYTES}"
                )
            }
            Self::EntryCount(count) => {
                write!(f, "GPT has {count} entries, expected at most {MAX_ENTRIES}")
            }
            Self::EntriesOutside { sector } => {
                write!(
                    f,
                    "GPT entries from sector {sector} on do not lie inside the disk"
                )
            }
            Self::EntriesChecksum { computed, stored } => {
                write!(
                    f,
                    "GPT entries checksum is {computed:#010x}, the header says {stored:#010x}"
                )
            }
            Self::PartitionOutside {
                entry,
                first,
                last,
                sectors,
            } => write!(
                f,
                "GPT entry {entry}, sectors {first} to {last}, does not lie inside the disk of {sectors} \
                 sectors: is the image truncated?"
            ),
            Self::Overlap { sector } => write!(f, "two GPT partitions share sector {sector}"),
        }
    }
}

/// The table's partitions, ordered by where they start.
///
/// # Errors
/// What is wrong with the primary table if its copy is bad as well.
pub fn read(disk: &mut dyn BlockSource) -> Result<Vec<Partition>, GptError> {
    let sectors = disk.len() / SECTOR;
    // Protective MBR, header, one sector of entries, and the same two again at the end.
    if sectors < 5 {
        return Err(GptError::TooSmall { bytes: disk.len() });
    }
    let primary = match read_table(disk, 1, sectors) {
        Ok(partitions) => return Ok(partitions),
        Err(error) => error,
    };
    match read_table(disk, sectors - 1, sectors) {
        Ok(partitions) => {
            log::warn!("disk: primary GPT is damaged ({primary}); using its copy");
            Ok(partitions)
        }
        Err(_) => Err(primary),
    }
}

fn read_table(
    disk: &mut dyn BlockSource,
    at: u64,
    sectors: u64,
) -> Result<Vec<Partition>, GptError> {
    let header = Header::read(disk, at)?;
    let bytes = u64::from(header.entries) * u64::from(header.entry_bytes);
    let start = header.entries_sector;
    let outside = GptError::EntriesOutside { sector: start };
    let end = start.checked_add(bytes.div_ceil(SECTOR)).ok_or(outside)?;
    if start < 2 || end > sectors {
        return Err(outside);
    }
    // MAX_ENTRIES * MAX_ENTRY_BYTES bounds this at 4 MiB.
    let mut entries = vec![0; bytes as usize];
    disk.read_at(start * SECTOR, &mut entries)
        .map_err(GptError::Read)?;
    let computed = crc32fast::hash(&entries);
    if computed != header.entries_checksum {
        return Err(GptError::EntriesChecksum {
            computed,
            stored: header.entries_checksum,
        });
    }
    partitions(&entries, header.entry_bytes as usize, sectors)
}

/// The fields of a header whose checksum holds.
struct Header {
    entries_sector: u64,
    entries: u32,
    entry_bytes: u32,
    entries_checksum: u32,
}

impl Header {
    fn read(disk: &mut dyn BlockSource, at: u64) -> Result<Self, GptError> {
        let mut sector = [0; SECTOR as usize];
        disk.read_at(at * SECTOR, &mut sector)
            .map_err(GptError::Read)?;
        if sector[..8] != *SIGNATURE {
            return Err(GptError::NoSignature);
        }
        let size = u32_at(&sector, 12);
        if !(HEADER_BYTES as u32..=SECTOR as u32).contains(&size) {
            return Err(GptError::HeaderSize(size));
        }
        let stored = u32_at(&sector, 16);
        let mut checked = sector;
        checked[16..20].fill(0);
        let computed = crc32fast::hash(&checked[..size as usize]);
        if computed != stored {
            return Err(GptError::HeaderChecksum { computed, stored });
        }
        let place = u64_at(&sector, 24);
        if place != at {
            return Err(GptError::HeaderPlace {
                found: at,
                stored: place,
            });
        }
        let entry_bytes = u32_at(&sector, 84);
        if !entry_bytes.is_power_of_two()
            || !(ENTRY_BYTES as u32..=MAX_ENTRY_BYTES).contains(&entry_bytes)
        {
            return Err(GptError::EntrySize(entry_bytes));
        }
        let entries = u32_at(&sector, 80);
        if entries > MAX_ENTRIES {
            return Err(GptError::EntryCount(entries));
        }
        Ok(Self {
            entries_sector: u64_at(&sector, 72),
            entries,
            entry_bytes,
            entries_checksum: u32_at(&sector, 88),
        })
    }
}

fn partitions(
    entries: &[u8],
    entry_bytes: usize,
    sectors: u64,
) -> Result<Vec<Partition>, GptError> {
    let mut found = Vec::new();
    for (index, entry) in entries.chunks_exact(entry_bytes).enumerate() {
        let mut type_guid = [0; 16];
        type_guid.copy_from_slice(&entry[..16]);
        if type_guid == [0; 16] {
            continue;
        }
        let (first, last) = (u64_at(entry, 32), u64_at(entry, 40));
        if first < 2 || last < first || last >= sectors {
            return Err(GptError::PartitionOutside {
                entry: index as u32,
                first,
                last,
                sectors,
            });
        }
        let name = entry[56..ENTRY_BYTES]
            .chunks_exact(2)
            .map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
        let name = char::decode_utf16(name.take_while(|&unit| unit != 0))
            .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        // `last < sectors`, which came from a length in bytes: no product overflows.
        found.push(Partition {
            type_guid: Guid(type_guid),
            name,
            offset: first * SECTOR,
            length: (last - first + 1) * SECTOR,
        });
    }
    found.sort_by_key(|partition| partition.offset);
    for pair in found.windows(2) {
        if pair[0].offset + pair[0].length > pair[1].offset {
            return Err(GptError::Overlap {
                sector: pair[1].offset / SECTOR,
            });
        }
    }
    Ok(found)
}

// PANIC: callers pass a whole sector or a whole entry of at least 128 bytes, and offsets from the specification.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const TYPE: Guid = Guid::new(0x9d3f_5a52, 0x1f0c, 0x4a7e, 0x8c57, 0x494e_4645_524e);
    const SECTORS: u64 = 100;

    /// A disk of [`SECTORS`] sectors with these partitions (first and last sector, name) and good tables at both ends.
    pub(crate) fn disk(partitions: &[(u64, u64, &str)]) -> Vec<u8> {
        let mut entries = vec![0u8; 4 * ENTRY_BYTES];
        for (entry, &(first, last, name)) in entries.chunks_exact_mut(ENTRY_BYTES).zip(partitions) {
            entry[..16].copy_from_slice(&TYPE.0);
            entry[32..40].copy_from_slice(&first.to_le_bytes());
            entry[40..48].copy_from_slice(&last.to_le_bytes());
            for (place, unit) in entry[56..].chunks_exact_mut(2).zip(name.encode_utf16()) {
                place.copy_from_slice(&unit.to_le_bytes());
            }
        }
        let mut disk = vec![0; (SECTORS * SECTOR) as usize];
        for (at, entries_at) in [(1, 2), (SECTORS - 1, SECTORS - 2)] {
            let header = header(at, entries_at, &entries);
            write(&mut disk, at, &header);
            write(&mut disk, entries_at, &entries);
        }
        disk
    }

    fn write(disk: &mut [u8], sector: u64, bytes: &[u8]) {
        let at = (sector * SECTOR) as usize;
        disk[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn header(at: u64, entries_at: u64, entries: &[u8]) -> Vec<u8> {
        let mut header = vec![0; HEADER_BYTES];
        header[..8].copy_from_slice(SIGNATURE);
        header[8..12].copy_from_slice(&0x0001_0000u32.to_le_bytes());
        header[12..16].copy_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        header[24..32].copy_from_slice(&at.to_le_bytes());
        header[72..80].copy_from_slice(&entries_at.to_le_bytes());
        header[80..84].copy_from_slice(&4u32.to_le_bytes());
        header[84..88].copy_from_slice(&(ENTRY_BYTES as u32).to_le_bytes());
        header[88..92].copy_from_slice(&crc32fast::hash(entries).to_le_bytes());
        seal(&mut header);
        header
    }

    /// Makes the header's checksum hold again.
    fn seal(header: &mut [u8]) {
        header[16..20].fill(0);
        let checksum = crc32fast::hash(&header[..HEADER_BYTES]);
        header[16..20].copy_from_slice(&checksum.to_le_bytes());
    }

    fn check(disk: &[u8]) -> Result<Vec<Partition>, GptError> {
        read(&mut &disk[..])
    }

    #[test]
    fn reads_names_and_bounds() {
        let found = check(&disk(&[(40, 49, "infernel-model"), (10, 19, "日本")])).expect("good");
        assert_eq!(found[1].name, "infernel-model");
        assert_eq!((found[1].offset, found[1].length), (40 * 512, 10 * 512));
        assert_eq!(found[0].name, "日本");
        assert_eq!(
            alloc::format!("{:?}", found[0].type_guid),
            "9d3f5a52-1f0c-4a7e-8c57-494e4645524e"
        );
    }

    #[test]
    fn uses_the_copy_when_the_primary_is_damaged() {
        let good = disk(&[(40, 49, "m")]);
        for at in [512, 512 + 20, 1024 + 7] {
            let mut damaged = good.clone();
            damaged[at] ^= 0x40;
            assert_eq!(check(&damaged), check(&good), "byte {at}");
            // With the same byte of the copy damaged as well, the primary's error is told.
            let copy = if at < 1024 {
                at + 98 * 512
            } else {
                at + 96 * 512
            };
            damaged[copy] ^= 0x40;
            assert!(check(&damaged).is_err(), "byte {at}");
        }
    }

    /// The error for a disk whose primary header was changed and sealed again, with the copy erased.
    fn changed(at: usize, bytes: &[u8]) -> GptError {
        let mut disk = disk(&[(40, 49, "m")]);
        let place = (SECTORS as usize - 1) * 512;
        disk[place..].fill(0);
        disk[512 + at..512 + at + bytes.len()].copy_from_slice(bytes);
        seal(&mut disk[512..1024]);
        check(&disk).expect_err("must be refused")
    }

    #[test]
    fn names_what_is_wrong() {
        assert_eq!(changed(12, &[91]), GptError::HeaderSize(91));
        assert_eq!(
            changed(24, &[2]),
            GptError::HeaderPlace {
                found: 1,
                stored: 2
            }
        );
        assert_eq!(changed(84, &[129]), GptError::EntrySize(129));
        assert_eq!(changed(84, &[0, 0x20]), GptError::EntrySize(0x2000));
        assert_eq!(changed(80, &[0xff; 4]), GptError::EntryCount(u32::MAX));
        assert_eq!(
            changed(72, &[0xff; 8]),
            GptError::EntriesOutside { sector: u64::MAX }
        );
        assert_eq!(
            changed(72, &[100]),
            GptError::EntriesOutside { sector: 100 }
        );
        assert!(matches!(
            changed(88, &[1]),
            GptError::EntriesChecksum { .. }
        ));
        let outside = check(&disk(&[(40, 100, "m")]));
        assert!(matches!(
            outside,
            Err(GptError::PartitionOutside { last: 100, .. })
        ));
        assert!(matches!(
            check(&disk(&[(5, 4, "")])),
            Err(GptError::PartitionOutside { .. })
        ));
        assert_eq!(
            check(&disk(&[(10, 20, "a"), (20, 30, "b")])),
            Err(GptError::Overlap { sector: 20 })
        );
        assert_eq!(check(&[0; 1024]), Err(GptError::TooSmall { bytes: 1024 }));
        assert_eq!(check(&[0; 8192]), Err(GptError::NoSignature));
    }

    #[test]
    fn a_truncated_image_says_so() {
        // The primary is whole, but the disk ends in the middle of the partition.
        let image = disk(&[(40, 90, "m")]);
        assert!(matches!(
            check(&image[..60 * 512]),
            Err(GptError::PartitionOutside { sectors: 60, .. })
        ));
    }

    #[test]
    fn mutations_never_panic_and_never_leave_the_disk() {
        let good = disk(&[(10, 19, "a"), (40, 49, "b")]);
        let mut state = 0x1234_5678_9abc_def1u64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for round in 0..20_000 {
            let mut image = good.clone();
            for _ in 0..next() % 4 + 1 {
                // Mostly header bytes; half of the time the checksum is made to hold, so that the fields are reached.
                let at = 512 + (next() % 92) as usize;
                image[at] = if next() & 1 == 0 { next() as u8 } else { 0xff };
            }
            if next() & 1 == 0 {
                seal(&mut image[512..1024]);
            }
            image[99 * 512] ^= 1;
            if let Ok(partitions) = check(&image) {
                for partition in partitions {
                    let end = partition.offset.checked_add(partition.length);
                    assert!(
                        end.is_some_and(|end| end <= image.len() as u64),
                        "round {round}"
                    );
                }
            }
        }
    }
}
