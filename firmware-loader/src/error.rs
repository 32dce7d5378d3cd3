//! What is wrong with a firmware file, and where.

use core::fmt;

use crate::sums::Sum;

/// Why a set of firmware cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// The file, as linux-firmware names it.
    pub file: &'static str,
    /// The part of it, as AMD names it; `header` for what all files begin with.
    pub part: &'static str,
    /// The byte of the file where it shows.
    pub offset: usize,
    /// What it is.
    pub fault: Fault,
}

/// What is wrong at a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file is not there.
    Missing,
    /// The file ends before a field that should be here.
    Ends {
        /// Bytes that it has.
        bytes: usize,
    },
    /// The file is in no published set.
    Unknown(Sum),
    /// A number is not what it must be, or not within what can be.
    Value {
        /// What the number says.
        field: &'static str,
        /// What is there.
        found: u32,
        /// The least that can be.
        least: u32,
        /// The most that can be.
        most: u32,
    },
    /// The header has a version whose layout is not known, or which belongs to another kind of file.
    Version {
        /// What is there.
        found: (u16, u16),
    },
    /// PSP's list, which begins here, lacks the part.
    Unlisted,
    /// The part has no bytes, but the card does not run without it.
    Empty,
    /// The part does not lie between the header and the end of the file.
    Outside {
        /// Where it begins.
        start: u64,
        /// Where it ends.
        end: u64,
        /// Where content may begin.
        least: usize,
        /// Bytes that the file has.
        bytes: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            part,
            offset,
            fault,
        } = self;
        if let Fault::Missing | Fault::Unknown(_) = fault {
            return write!(f, "{file}: {fault}");
        }
        write!(f, "{file}: {part}: byte {offset:#x}: {fault}")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Missing => f.write_str("the file is missing"),
            Self::Unknown(sum) => write!(
                f,
                "its SHA-256 is {sum}, that of no set that is known to work"
            ),
            Self::Ends { bytes } => write!(f, "the file ends at {bytes:#x}, before this field"),
            Self::Value {
                field,
                found,
                least,
                most,
            } => {
                write!(f, "{field} is {found:#x}, expected {least:#x}")?;
                if least != most {
                    write!(f, " to {most:#x}")?;
                }
                Ok(())
            }
            Self::Version {
                found: (major, minor),
            } => write!(
                f,
                "version {major}.{minor} of the header is not known for this kind of file"
            ),
            Self::Unlisted => f.write_str("the list that begins here lacks it"),
            Self::Empty => f.write_str("its size is 0, but the card does not run without it"),
            Self::Outside {
                start,
                end,
                least,
                bytes,
            } => write!(
                f,
                "it lies from {start:#x} to {end:#x}, expected within {least:#x} to {bytes:#x}"
            ),
        }
    }
}

impl core::error::Error for Error {}
