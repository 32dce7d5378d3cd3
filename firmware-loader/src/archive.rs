//! The firmware partition: files one after the other, behind a table of their names and sums.
//!
//! | bytes | header | bytes | entry of the table |
//! | --- | --- | --- | --- |
//! | 8 | [`MAGIC`] | 48 | name in ASCII, filled up with zeros |
//! | 4 | version, 1 | 8 | where the file begins, counted from the start of the archive |
//! | 4 | entries, at most [`FILES_MAX`] | 8 | its bytes |
//! | 8 | bytes of the whole archive, at most [`BYTES_MAX`] | 32 | its SHA-256 |
//! | 8 | zeros | | |
//!
//! Numbers are little-endian. The files follow the table in its order, without gaps; so an archive can be written in one way
//! only, and the header alone tells how much is to be read.

use core::fmt;

use crate::sums::Sum;

/// How an archive begins.
pub const MAGIC: [u8; 8] = *b"INFERNFW";
/// Bytes of the header.
pub const HEADER_BYTES: usize = 32;
/// Bytes of an entry of the table.
pub const ENTRY_BYTES: usize = NAME_BYTES + 48;
/// Most files.
pub const FILES_MAX: u32 = 64;
/// Largest archive. AMD's files for one card have 2 MiB.
pub const BYTES_MAX: u64 = 16 << 20;

const VERSION: u32 = 1;
const NAME_BYTES: usize = 48;

/// Why bytes are no archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveError {
    /// There are fewer bytes than the header or the archive has.
    Ends {
        /// Bytes there are.
        found: u64,
        /// Bytes that there should be.
        expected: u64,
    },
    /// It does not begin as archives do.
    Magic {
        /// How it begins.
        found: [u8; 8],
    },
    /// A number of the header is out of bounds.
    Header {
        /// Which one.
        field: &'static str,
        /// What it is.
        found: u64,
        /// The least that it can be.
        least: u64,
        /// The most that it can be.
        most: u64,
    },
    /// The name of an entry is empty, is not printable ASCII, or has something behind its end.
    Name {
        /// Which entry.
        entry: u32,
    },
    /// Two entries have one name.
    Twice {
        /// The second of them.
        entry: u32,
    },
    /// A file does not begin where the one before it ends, or ends behind the archive.
    Place {
        /// Which entry.
        entry: u32,
        /// Where it says that it begins.
        offset: u64,
        /// How many bytes it says that it has.
        bytes: u64,
        /// Where it should begin.
        expected: u64,
        /// Where the archive ends.
        end: u64,
    },
    /// The archive has bytes behind its last file.
    Rest {
        /// Where the last file ends.
        files: u64,
        /// Where the archive ends.
        end: u64,
    },
    /// A file's bytes have another sum than its entry says.
    Sum {
        /// Which entry.
        entry: u32,
        /// Sum of the bytes.
        found: Sum,
        /// What the entry says.
        expected: Sum,
    },
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("firmware archive: ")?;
        match *self {
            Self::Ends { found, expected } => write!(f, "{found} bytes, expected {expected}"),
            Self::Magic { found } => write!(
                f,
                "it begins with `{}`, expected `{}`",
                found.escape_ascii(),
                MAGIC.escape_ascii()
            ),
            Self::Header {
                field,
                found,
                least,
                most,
            } => write!(f, "{field} is {found}, expected {least} to {most}"),
            Self::Name { entry } => write!(
                f,
                "the name of entry {entry} is not 1 to {} printable characters followed by zeros",
                NAME_BYTES - 1
            ),
            Self::Twice { entry } => write!(f, "entry {entry} has the name of one before it"),
            Self::Place {
                entry,
                offset,
                bytes,
                expected,
                end,
            } => write!(
                f,
                "the file of entry {entry} has {bytes} bytes at {offset}, expected it to begin at {expected} and to end by \
                 {end}"
            ),
            Self::Rest { files, end } => {
                write!(f, "the files end at {files}, the archive at {end}")
            }
            Self::Sum {
                entry,
                found,
                expected,
            } => write!(
                f,
                "the file of entry {entry} has the SHA-256 {found}, its entry says {expected}"
            ),
        }
    }
}

impl core::error::Error for ArchiveError {}

/// A file of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// The header of an archive with these numbers.
#[must_use]
pub fn header(files: u32, bytes: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&files.to_le_bytes());
    header[16..24].copy_from_slice(&bytes.to_le_bytes());
    header
}

/// The entry of a file that begins at `offset`; none if its name does not fit.
#[must_use]
pub fn entry(file: Entry<'_>, offset: u64) -> Option<[u8; ENTRY_BYTES]> {
    let mut entry = [0; ENTRY_BYTES];
    let (name, rest) = entry.split_at_mut(NAME_BYTES);
    name.get_mut(..file.name.len())?
        .copy_from_slice(file.name.as_bytes());
    rest[..8].copy_from_slice(&offset.to_le_bytes());
    rest[8..16].copy_from_slice(&(file.bytes.len() as u64).to_le_bytes());
    rest[16..].copy_from_slice(&Sum::of(file.bytes).0);
    self::name(&entry)?;
    Some(entry)
}

/// The name in an entry.
fn name(entry: &[u8; ENTRY_BYTES]) -> Option<&str> {
    let field = &entry[..NAME_BYTES];
    let length = field.iter().position(|byte| *byte == 0)?;
    let (name, rest) = field.split_at(length);
    let is_good = !name.is_empty()
        && name.iter().all(u8::is_ascii_graphic)
        && rest.iter().all(|byte| *byte == 0);
    str::from_utf8(name).ok().filter(|_| is_good)
}

/// The number of eight bytes at `at`. PANIC: callers name a place inside.
fn number(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Entries of the table.
    pub files: u32,
    /// Bytes of the whole archive.
    pub bytes: usize,
}

impl Header {
    /// Reads the header at the start of `bytes`, which need not go on behind it.
    ///
    /// # Errors
    /// Names what cannot be.
    pub fn new(bytes: &[u8]) -> Result<Self, ArchiveError> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(ArchiveError::Ends {
                found: bytes.len() as u64,
                expected: HEADER_BYTES as u64,
            });
        };
        if header[..8] != MAGIC {
            let mut found = [0; 8];
            found.copy_from_slice(&header[..8]);
            return Err(ArchiveError::Magic { found });
        }
        let (version, files) = (number(header, 8) & 0xffff_ffff, number(header, 8) >> 32);
        let (size, zeros) = (number(header, 16), number(header, 24));
        let table = HEADER_BYTES as u64 + files * ENTRY_BYTES as u64;
        for (field, found, least, most) in [
            ("the version", version, VERSION.into(), VERSION.into()),
            ("the number of files", files, 1, FILES_MAX.into()),
            ("the size", size, table, BYTES_MAX),
            ("what should be zero", zeros, 0, 0),
        ] {
            if found < least || found > most {
                return Err(ArchiveError::Header {
                    field,
                    found,
                    least,
                    most,
                });
            }
        }
        Ok(Self {
            files: files as u32,
            bytes: size as usize,
        })
    }
}

/// An archive of which every entry was checked.
#[derive(Clone, Copy, Debug)]
pub struct Archive<'a> {
    table: &'a [[u8; ENTRY_BYTES]],
    /// All bytes, from the header on.
    bytes: &'a [u8],
}

impl<'a> Archive<'a> {
    /// Checks the archive that `bytes` begin with; what follows it, a sector's padding, is ignored.
    ///
    /// # Errors
    /// Names the entry, and what was found and expected.
    pub fn new(bytes: &'a [u8]) -> Result<Self, ArchiveError> {
        let header = Header::new(bytes)?;
        let ends = ArchiveError::Ends {
            found: bytes.len() as u64,
            expected: header.bytes as u64,
        };
        let bytes = bytes.get(..header.bytes).ok_or(ends)?;
        let (table, _) = bytes[HEADER_BYTES..].as_chunks();
        let archive = Self {
            table: &table[..header.files as usize],
            bytes,
        };
        archive.check()?;
        Ok(archive)
    }

    fn check(&self) -> Result<(), ArchiveError> {
        let end = self.bytes.len() as u64;
        let mut expected = (HEADER_BYTES + self.table.len() * ENTRY_BYTES) as u64;
        for (at, row) in self.table.iter().enumerate() {
            let entry = at as u32;
            let name = name(row).ok_or(ArchiveError::Name { entry })?;
            let before = &self.table[..at];
            if before.iter().any(|other| self::name(other) == Some(name)) {
                return Err(ArchiveError::Twice { entry });
            }
            let (offset, bytes) = place(row);
            let place = ArchiveError::Place {
                entry,
                offset,
                bytes,
                expected,
                end,
            };
            let next = offset
                .checked_add(bytes)
                .filter(|next| offset == expected && *next <= end);
            expected = next.ok_or(place)?;
            let found = Sum::of(self.slice(row));
            let mut sum = [0; 32];
            sum.copy_from_slice(&row[NAME_BYTES + 16..]);
            if found.0 != sum {
                return Err(ArchiveError::Sum {
                    entry,
                    found,
                    expected: Sum(sum),
                });
            }
        }
        if expected != end {
            return Err(ArchiveError::Rest {
                files: expected,
                end,
            });
        }
        Ok(())
    }

    fn slice(&self, row: &[u8; ENTRY_BYTES]) -> &'a [u8] {
        let (offset, bytes) = place(row);
        let rest = self.bytes.get(offset as usize..).unwrap_or_default();
        rest.get(..bytes as usize).unwrap_or_default()
    }

    /// Its files, in order.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> {
        let archive = *self;
        let rows = archive.table.iter();
        rows.map(move |row| Entry {
            name: name(row).unwrap_or_default(),
            bytes: archive.slice(row),
        })
    }

    /// The bytes of a file.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let mut entries = self.entries();
        entries
            .find(|entry| entry.name == name)
            .map(|entry| entry.bytes)
    }
}

/// Where an entry says that its file lies, and how many bytes it has.
fn place(entry: &[u8; ENTRY_BYTES]) -> (u64, u64) {
    (number(entry, NAME_BYTES), number(entry, NAME_BYTES + 8))
}
