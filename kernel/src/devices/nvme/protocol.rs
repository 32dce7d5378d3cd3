//! Commands, completions, identify pages and queue positions of NVMe, as numbers.

use core::fmt;
use core::time::Duration;

use crate::memory::MapError;

/// Bytes of the memory pages that the controller is told to use, and of a page of identify data.
pub const PAGE: usize = 4096;
/// Powers of two of the bytes of a submission and of a completion queue entry (sections 4.2 and 4.6).
pub const ENTRY_SHIFTS: (u8, u8) = (6, 4);
/// Entries that a queue has, unless the controller takes fewer.
const QUEUE_ENTRIES: u32 = 64;

/// Why a controller cannot be used, or how it broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NvmeError {
    /// BAR 0 does not hold the registers.
    Registers {
        /// Bytes of memory in BAR 0.
        bytes: u64,
        /// Bytes that are needed.
        needed: u64,
    },
    /// The registers cannot be mapped.
    Map(MapError),
    /// There is no memory for the queues.
    NoMemory,
    /// Every register reads as ones: the device does not answer.
    Absent,
    /// The smallest memory page that it works with is larger than [`PAGE`].
    PageSize(u64),
    /// It does not have the NVM command set.
    CommandSet,
    /// Its queues are too small.
    QueueEntries {
        /// Entries that they can have.
        entries: u32,
        /// Entries that are needed.
        needed: u32,
    },
    /// It did not start or stop in the time that it asks for itself.
    NotReady {
        /// Whether it was to start.
        start: bool,
        /// The status register at the end.
        status: u32,
        /// How long it was given.
        limit: Duration,
    },
    /// It says that it failed.
    Fatal(u32),
    /// It did not answer a command.
    Silent(&'static str),
    /// It reports an error for a command.
    Command(&'static str, Status),
    /// It completed a command that it was not given.
    UnknownCommand(u16),
    /// A completion names a queue that it cannot be for.
    WrongQueue {
        /// The queue whose completions these are.
        queue: u16,
        /// The submission queue that it names.
        named: u16,
    },
    /// A completion says that the submission queue was read up to a place outside it.
    HeadOutside {
        /// The place.
        head: u16,
        /// Entries of the queue.
        entries: u16,
    },
    /// Its queue entries have other sizes (powers of two; the smallest and largest are a half byte each).
    EntrySizes {
        /// Of submission queues.
        submission: u8,
        /// Of completion queues.
        completion: u8,
    },
    /// It is no I/O controller, but one for discovery or administration.
    ControllerType(u8),
    /// Namespace 1 is not there.
    NoNamespace,
    /// The namespace names a format that it does not have.
    Format {
        /// The format.
        index: u8,
        /// How many it has.
        formats: u16,
    },
    /// Its blocks are neither 512 nor 4096 bytes long (a power of two).
    BlockShift(u8),
    /// Its blocks carry metadata.
    Metadata(u16),
}

impl fmt::Display for NvmeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Registers { bytes, needed } => {
                write!(
                    f,
                    "BAR 0 has {bytes} bytes of memory, the registers take {needed}"
                )
            }
            Self::Map(error) => write!(f, "registers: {error}"),
            Self::NoMemory => f.write_str("no memory for the queues"),
            Self::Absent => f.write_str("all registers read as ones: the device does not answer"),
            Self::PageSize(bytes) => {
                write!(
                    f,
                    "its memory pages have at least {bytes} bytes, expected {PAGE}"
                )
            }
            Self::CommandSet => f.write_str("CAP.CSS lacks the NVM command set"),
            Self::QueueEntries { entries, needed } => {
                write!(
                    f,
                    "CAP.MQES: queues of {entries} entries, {needed} are needed"
                )
            }
            Self::NotReady {
                start,
                status,
                limit,
            } => write!(
                f,
                "it did not {} within {} ms (CSTS {status:#x})",
                if start { "start" } else { "stop" },
                limit.as_millis()
            ),
            Self::Fatal(status) => write!(f, "it reports a fatal error (CSTS {status:#x})"),
            Self::Silent(command) => write!(f, "it did not answer the command {command}"),
            Self::Command(command, status) => write!(f, "command {command}: {status}"),
            Self::UnknownCommand(id) => {
                write!(f, "it completed command {id:#x}, which was not given")
            }
            Self::WrongQueue { queue, named } => {
                write!(f, "a completion in queue {queue} names queue {named}")
            }
            Self::HeadOutside { head, entries } => {
                write!(
                    f,
                    "a completion has the head at {head} of {entries} entries"
                )
            }
            Self::EntrySizes {
                submission,
                completion,
            } => write!(
                f,
                "queue entry sizes SQES {submission:#x} and CQES {completion:#x}, expected 0x66 and 0x44"
            ),
            Self::ControllerType(kind) => {
                write!(f, "controller type {kind}, expected 1 (an I/O controller)")
            }
            Self::NoNamespace => f.write_str("it has no namespace 1"),
            Self::Format { index, formats } => {
                write!(f, "namespace 1 has format {index} of {formats}")
            }
            Self::BlockShift(shift) => {
                write!(
                    f,
                    "namespace 1 has blocks of 2^{shift} bytes, expected 512 or 4096"
                )
            }
            Self::Metadata(bytes) => write!(
                f,
                "namespace 1 has {bytes} bytes of metadata a block, expected none; format it without"
            ),
        }
    }
}

/// What the controller is able to do (register CAP, section 3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Entries that our queues have.
    pub entries: u16,
    /// Longest wait for a start or a stop.
    pub timeout: Duration,
    /// Bytes from one doorbell to the next.
    pub stride: usize,
}

impl Capabilities {
    /// Reads the register. Queues are to have room for `requests` requests in flight.
    ///
    /// # Errors
    /// [`NvmeError`] if the controller cannot do what is needed.
    pub fn parse(register: u64, requests: u32) -> Result<Self, NvmeError> {
        if register == u64::MAX {
            return Err(NvmeError::Absent);
        }
        let smallest_page = (PAGE as u64) << (register >> 48 & 0xf);
        if smallest_page != PAGE as u64 {
            return Err(NvmeError::PageSize(smallest_page));
        }
        if register >> 37 & 1 == 0 {
            return Err(NvmeError::CommandSet);
        }
        // A full queue has one entry free.
        let (entries, needed) = ((register & 0xffff) as u32 + 1, requests + 1);
        if entries < needed {
            return Err(NvmeError::QueueEntries { entries, needed });
        }
        Ok(Self {
            entries: entries.min(QUEUE_ENTRIES) as u16,
            // In units of 500 ms; a controller that says 0 gets one all the same.
            timeout: Duration::from_millis(500 * (register >> 24 & 0xff).max(1)),
            stride: 4 << (register >> 32 & 0xf),
        })
    }
}

/// A submission queue entry (section 4.2); the queue adds the command's id.
pub type Command = [u32; 16];

/// A command with its data pointer (two PRP entries) and its own dwords from 10 on.
fn command<const N: usize>(opcode: u8, namespace: u32, data: [u64; 2], own: [u32; N]) -> Command {
    let mut command = [0; 16];
    command[0] = u32::from(opcode);
    command[1] = namespace;
    for (pair, entry) in command[6..10].chunks_exact_mut(2).zip(data) {
        pair.copy_from_slice(&[entry as u32, (entry >> 32) as u32]);
    }
    command[10..10 + N].copy_from_slice(&own);
    command
}

/// The namespace that is read.
const NAMESPACE: u32 = 1;

/// Identify (section 5.15) of the controller, into a page.
#[must_use]
pub fn identify_controller(page: u64) -> Command {
    command(0x06, 0, [page, 0], [0x01])
}

/// Identify (section 5.15) of namespace 1, into a page.
#[must_use]
pub fn identify_namespace(page: u64) -> Command {
    command(0x06, NAMESPACE, [page, 0], [0x00])
}

/// Set Features (section 5.21), number of queues: one of each kind.
#[must_use]
pub fn set_one_queue() -> Command {
    command(0x09, 0, [0; 2], [0x07, 0])
}

/// Create I/O Completion Queue (section 5.3) in a page, without interrupts.
#[must_use]
pub fn create_completion_queue(queue: u16, entries: u16, page: u64) -> Command {
    let size = u32::from(entries - 1) << 16;
    command(0x05, 0, [page, 0], [size | u32::from(queue), 1])
}

/// Create I/O Submission Queue (section 5.4) in a page, whose completions go to the queue of the same number.
#[must_use]
pub fn create_submission_queue(queue: u16, entries: u16, page: u64) -> Command {
    let queue = u32::from(queue);
    let size = u32::from(entries - 1) << 16;
    command(0x01, 0, [page, 0], [size | queue, queue << 16 | 1])
}

/// Read (section 6.9) of 1 to 65536 blocks.
#[must_use]
pub fn read(block: u64, blocks: u32, data: [u64; 2]) -> Command {
    let own = [block as u32, (block >> 32) as u32, blocks - 1];
    command(0x02, NAMESPACE, data, own)
}

/// The data pointer (section 4.3) for `bytes` bytes of contiguous memory from `start` on. Where they touch more than two
/// pages, the second and all later ones go to a list in the page at `list`, entry by entry through `write`.
pub fn data_pointer(
    start: u64,
    bytes: usize,
    list: u64,
    mut write: impl FnMut(usize, u64),
) -> [u64; 2] {
    let page = PAGE as u64;
    let first = start - start % page;
    let pages = (start - first + bytes as u64).div_ceil(page);
    let second = match pages {
        0 | 1 => 0,
        2 => first + page,
        _ => {
            (1..pages).for_each(|at| write(at as usize - 1, first + at * page));
            list
        }
    };
    [start, second]
}

/// The status of a completed command (section 4.6.1): the status field without the phase tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status(pub u16);

/// Status code types and codes that a read may end with, and their names.
const STATUS_NAMES: [(u16, &str); 9] = [
    (0x002, "invalid field"),
    (0x004, "data transfer error"),
    (0x006, "internal error"),
    (0x00b, "invalid namespace"),
    (0x080, "block out of range"),
    (0x082, "namespace not ready"),
    (0x281, "unrecovered read error"),
    (0x286, "access denied"),
    (0x287, "block never written"),
];

impl Status {
    /// Type (3 bits) and code (8 bits).
    fn code(self) -> u16 {
        self.0 & 0x7ff
    }

    /// # Errors
    /// Itself, unless it says success.
    pub fn check(self) -> Result<(), Self> {
        if self.code() == 0 { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code();
        let name = STATUS_NAMES.iter().find(|(known, _)| *known == code);
        let name = name.map_or("an error", |(_, name)| name);
        write!(
            f,
            "{name} (status type {}, code {:#04x})",
            code >> 8,
            code & 0xff
        )
    }
}

/// A completion queue entry (section 4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The command.
    pub id: u16,
    /// How it ended.
    pub status: Status,
}

impl Completion {
    /// Whether the last dword of an entry has the phase tag of a new one.
    #[must_use]
    pub fn is_new(dword3: u32, phase: bool) -> bool {
        (dword3 >> 16 & 1 == 1) == phase
    }

    /// Reads the last two dwords of an entry in `queue`, which has `entries` entries.
    ///
    /// # Errors
    /// [`NvmeError`] if the entry cannot be for this queue.
    pub fn parse(dwords: [u32; 2], queue: u16, entries: u16) -> Result<Self, NvmeError> {
        let (head, named) = (dwords[0] as u16, (dwords[0] >> 16) as u16);
        if named != queue {
            return Err(NvmeError::WrongQueue { queue, named });
        }
        if head >= entries {
            return Err(NvmeError::HeadOutside { head, entries });
        }
        Ok(Self {
            id: dwords[1] as u16,
            status: Status((dwords[1] >> 17) as u16),
        })
    }
}

/// A place in a queue that is passed through round and round (section 4.1), and the phase tag of new entries there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Entries of the queue.
    pub entries: u16,
    /// The entry.
    pub index: u16,
    /// In the first round new entries have a tag of one.
    pub phase: bool,
}

impl Position {
    /// The start of a new queue.
    #[must_use]
    pub fn start(entries: u16) -> Self {
        Self {
            entries,
            index: 0,
            phase: true,
        }
    }

    /// Goes to the next entry.
    pub fn advance(&mut self) {
        self.index += 1;
        if self.index == self.entries {
            (self.index, self.phase) = (0, !self.phase);
        }
    }
}

fn word(page: &[u8; PAGE], at: usize) -> u16 {
    u16::from_le_bytes([page[at], page[at + 1]])
}

/// The longest transfer in bytes that an identify page of the controller (section 5.15.2) allows, at most `wanted`.
///
/// # Errors
/// [`NvmeError`] if it is no controller that reads blocks through queues of our format.
pub fn parse_controller(page: &[u8; PAGE], wanted: usize) -> Result<usize, NvmeError> {
    // Those before revision 1.4 leave the type at 0.
    if page[111] > 1 {
        return Err(NvmeError::ControllerType(page[111]));
    }
    let (submission, completion) = (page[512], page[513]);
    let holds = |sizes: u8, shift| (sizes & 0xf..=sizes >> 4).contains(&shift);
    if !holds(submission, ENTRY_SHIFTS.0) || !holds(completion, ENTRY_SHIFTS.1) {
        return Err(NvmeError::EntrySizes {
            submission,
            completion,
        });
    }
    // MDTS: a power of two of pages; 0 is no limit, and what no number holds is none either.
    let limit = match page[77] {
        0 => usize::MAX,
        shift if shift < 32 => PAGE << shift,
        _ => usize::MAX,
    };
    Ok(wanted.min(limit))
}

/// What a namespace holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Blocks.
    pub blocks: u64,
    /// Bytes of a block, as a power of two: 9 or 12.
    pub shift: u8,
}

/// Reads an identify page of the namespace (section 5.15.2).
///
/// # Errors
/// [`NvmeError`] if it is not there, or its blocks are of no format that can be read.
pub fn parse_namespace(page: &[u8; PAGE]) -> Result<Namespace, NvmeError> {
    let [size, capacity] = [0, 8].map(|at| {
        let words = [6, 4, 2, 0].map(|offset| u64::from(word(page, at + offset)));
        words.iter().fold(0, |number, word| number << 16 | word)
    });
    if size == 0 || capacity == 0 {
        return Err(NvmeError::NoNamespace);
    }
    let (formats, flags) = (u16::from(page[25]) + 1, page[26]);
    // Bits 6:5 have a meaning only where there are more than 16 formats.
    let high = if formats > 16 { flags >> 1 & 0x30 } else { 0 };
    let index = flags & 0xf | high;
    if u16::from(index) >= formats {
        return Err(NvmeError::Format { index, formats });
    }
    let at = 128 + 4 * usize::from(index);
    let (metadata, shift) = (word(page, at), page[at + 2]);
    if metadata != 0 {
        return Err(NvmeError::Metadata(metadata));
    }
    if shift != 9 && shift != 12 {
        return Err(NvmeError::BlockShift(shift));
    }
    Ok(Namespace {
        blocks: size,
        shift,
    })
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
