//! What goes wrong between driver and card.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use amdgpu_registers::Register;

use crate::queue::Hang;

/// What went wrong, and with what.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// A register did not come to hold what it should.
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// The register.
        register: Register,
        /// Which of its bits, and what they should have been, where that says it.
        wanted: Option<(u32, u32)>,
        /// What the register was in the end.
        found: u32,
        /// After how long.
        after: Duration,
    },
    /// Memory that the card writes did not come to hold what it should.
    Silent {
        /// What was waited for.
        what: &'static str,
        /// What it should have been.
        expected: u64,
        /// What it was in the end.
        found: u64,
        /// After how long.
        after: Duration,
    },
    /// The card is off the bus: everything reads as ones.
    Gone {
        /// Why, where the bus knows.
        why: Option<String>,
    },
    /// The card has no such block or base address.
    NoSuchRegister(Register),
    /// The card answered something that it should not.
    Unexpected {
        /// What was asked for.
        what: &'static str,
        /// The answer.
        found: u64,
        /// What was expected, in words.
        expected: &'static str,
    },
    /// Something has another value than the only right one.
    Different {
        /// What it is.
        what: &'static str,
        /// What it has.
        found: u64,
        /// What it should have.
        expected: u64,
    },
    /// A processor of the card answered a command with an error.
    Refused {
        /// Who: PSP or SMU.
        by: &'static str,
        /// Which command.
        command: &'static str,
        /// The answer.
        status: u32,
        /// What it means, where that is known.
        meaning: &'static str,
    },
    /// The driver does not know the card well enough.
    Unsupported {
        /// What it is.
        name: String,
        /// What is missing.
        why: &'static str,
    },
    /// A queue does not do what it was told.
    Hung(Box<Hang>),
    /// There is not enough of something.
    NoRoom {
        /// What for.
        what: &'static str,
        /// Bytes asked for.
        bytes: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout {
                what,
                register,
                wanted,
                found,
                after,
            } => {
                write!(f, "{what}: {register} is {found:#010x} after {after:?}")?;
                match wanted {
                    Some((mask, value)) => {
                        write!(f, ", expected {value:#x} in the bits {mask:#010x}")
                    }
                    None => Ok(()),
                }
            }
            Self::Silent {
                what,
                expected,
                found,
                after,
            } => write!(
                f,
                "{what}: {found:#x} in memory after {after:?}, expected {expected:#x}"
            ),
            Self::Gone { why: Some(why) } => write!(f, "the card cannot be reached: {why}"),
            Self::Gone { why: None } => {
                f.write_str("the card is off the bus: all registers read as ones")
            }
            Self::NoSuchRegister(register) => {
                write!(
                    f,
                    "the card's discovery table has no base address for {register}"
                )
            }
            Self::Unexpected {
                what,
                found,
                expected,
            } => write!(f, "{what}: {found:#x}, expected {expected}"),
            Self::Different {
                what,
                found,
                expected,
            } => write!(f, "{what} is {found:#x}, expected {expected:#x}"),
            Self::Refused {
                by,
                command,
                status,
                meaning,
            } => write!(f, "{by} answered {command} with {status:#x}: {meaning}"),
            Self::Unsupported { name, why } => write!(f, "{name} is not supported: {why}"),
            Self::Hung(hang) => hang.fmt(f),
            Self::NoRoom { what, bytes } => write!(f, "no room for {bytes} bytes: {what}"),
        }
    }
}

impl core::error::Error for Error {}
