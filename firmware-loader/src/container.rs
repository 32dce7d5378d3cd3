//! AMD's containers: the header that all files share, the one that each kind and version adds, and where parts lie.
//!
//! HW: layouts are `amdgpu_ucode.h` of Linux and `struct_*_firmware_header_v*` of tinygrad's `autogen/am/am.py`, checked with the
//! files of Debian's `firmware-amd-graphics` 20230210 and 20250410; numbers below are bytes from the start of a file.

use core::ops::{Range, RangeInclusive};

use crate::error::{Error, Fault};
use crate::set::File;

/// Bytes of the header that all files share.
pub const HEADER: usize = 32;
/// Rows of PSP's list that are read; the longest known has 16.
const LIST_MAX: u32 = 64;
/// Bytes of a row of PSP's list: type, version, offset, size.
const LIST_ROW: usize = 16;
/// The largest part: PSP gets each through a buffer of 1 MiB (Linux `PSP_1_MEG`; tinygrad `AM_PSP`).
pub const PART_MAX: u32 = 1 << 20;

/// Versions of headers: which files have them, number, and bytes of the header.
const VERSIONS: &[(&[File], (u16, u16), u32)] = &[
    (&[File::Sos, File::Ta], (2, 0), 36),
    (&[File::Sos], (2, 1), 40),
    (&[File::Toc], (1, 0), 44),
    (&[File::Smu], (1, 0), 36),
    (&[File::Smu], (2, 0), 44),
    (&[File::Smu], (2, 1), 44),
    (&[File::Sdma], (2, 0), 64),
    (&[File::Pfp, File::Me, File::Mec], (1, 0), 44),
    (&[File::Pfp, File::Me, File::Mec], (2, 0), 60),
    (&[File::Mes, File::Mes1], (1, 0), 72),
    (&[File::Imu], (1, 0), 48),
    (&[File::Rlc], (2, 0), 104),
    (&[File::Rlc], (2, 1), 156),
    (&[File::Rlc], (2, 2), 172),
    (&[File::Rlc], (2, 3), 204),
    (&[File::Rlc], (2, 4), 244),
    (&[File::Rlc], (2, 5), 188),
];

/// Where a header says that a part lies. All content is counted from the start of the file, unless a row says otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// A row of PSP's list, by its type; offsets there count from where content begins.
    Listed(u32),
    /// Offset and size stand at these bytes of the header.
    At {
        /// Byte of the offset.
        offset: usize,
        /// Byte of the size.
        size: usize,
    },
    /// It begins where content begins; its size stands at this byte.
    First(usize),
    /// It follows such a part, whose size stands at the first of these bytes; its own at the second.
    Second(usize, usize),
    /// It begins where content begins, and a jump table at its end is not part of it.
    WithoutJumps,
    /// The jump table, of which the header has offset (from where content begins) and size in dwords.
    Jumps,
}

/// Bytes of the common header.
mod at {
    pub(super) const SIZE: usize = 0;
    pub(super) const HEADER_SIZE: usize = 4;
    pub(super) const VERSION: usize = 8;
    pub(super) const UCODE_VERSION: usize = 16;
    pub(super) const UCODE_SIZE: usize = 20;
    pub(super) const UCODE_OFFSET: usize = 24;
    /// The first field after it: in most files a version, in PSP's the length of the list.
    pub(super) const COUNT: usize = 32;
    /// Header of graphics and compute, version 1.
    pub(super) const JUMPS_OFFSET: usize = 36;
    pub(super) const JUMPS_SIZE: usize = 40;
    /// The same, version 2: low half, then high half.
    pub(super) const START: usize = 52;
}

/// A file whose headers were checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Container<'a> {
    pub(crate) name: &'static str,
    bytes: &'a [u8],
    /// Of its header.
    pub(crate) version: (u16, u16),
    /// Where content begins.
    start: u32,
    /// Of its content.
    pub(crate) ucode_version: u32,
}

impl<'a> Container<'a> {
    /// Checks the headers of a file.
    pub(crate) fn new(file: File, name: &'static str, bytes: &'a [u8]) -> Result<Self, Error> {
        let mut container = Self {
            name,
            bytes,
            version: (0, 0),
            start: 0,
            ucode_version: 0,
        };
        let part = "header";
        let word = |offset| container.dword(part, offset);
        let size = word(at::SIZE)?;
        let found = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        container.within(part, at::SIZE, "the file's size", found, size..=size)?;
        let version = word(at::VERSION)?;
        let found = (version as u16, (version >> 16) as u16);
        let mut rows = VERSIONS.iter();
        let row = rows.find(|(files, version, _)| files.contains(&file) && *version == found);
        let fault = Fault::Version { found };
        let (.., least) = row.ok_or_else(|| container.error(part, at::VERSION, fault))?;
        let start = word(at::UCODE_OFFSET)?;
        let field = "where content begins";
        container.within(part, at::UCODE_OFFSET, field, start, *least..=size)?;
        let header = word(at::HEADER_SIZE)?;
        let field = "the header's size";
        container.within(part, at::HEADER_SIZE, field, header, *least..=start)?;
        container.ucode_version = word(at::UCODE_VERSION)?;
        container.version = found;
        container.start = start;
        Ok(container)
    }

    /// Refuses a number that is not between these two.
    pub(crate) fn within(
        &self,
        part: &'static str,
        offset: usize,
        field: &'static str,
        found: u32,
        range: RangeInclusive<u32>,
    ) -> Result<(), Error> {
        if range.contains(&found) {
            return Ok(());
        }
        let fault = Fault::Value {
            field,
            found,
            least: *range.start(),
            most: *range.end(),
        };
        Err(self.error(part, offset, fault))
    }

    /// A fault of this file.
    pub(crate) fn error(&self, part: &'static str, offset: usize, fault: Fault) -> Error {
        Error {
            file: self.name,
            part,
            offset,
            fault,
        }
    }

    /// The dword at an offset.
    pub(crate) fn dword(&self, part: &'static str, offset: usize) -> Result<u32, Error> {
        let rest = self.bytes.get(offset..);
        let dword = rest.and_then(|rest| rest.first_chunk());
        let bytes = self.bytes.len();
        dword
            .map(|dword| u32::from_le_bytes(*dword))
            .ok_or_else(|| self.error(part, offset, Fault::Ends { bytes }))
    }

    /// Where the program of an RS64 engine begins; engines of version 1 have no such field.
    pub(crate) fn start_address(&self) -> Option<u64> {
        let half = |offset| self.dword("header", offset).ok().map(u64::from);
        let (low, high) = (half(at::START)?, half(at::START + 4)?);
        (self.version == (2, 0)).then_some(high << 32 | low)
    }

    /// Finds a part: the byte of the header that tells of it, and its place, empty or none if the file has no such part.
    pub(crate) fn find(
        &self,
        part: &'static str,
        place: Place,
    ) -> Result<(usize, Option<Range<usize>>), Error> {
        let word = |offset| self.dword(part, offset).map(u64::from);
        let first = u64::from(self.start);
        let (field, start, bytes) = match place {
            Place::Listed(kind) => {
                let (row, listed) = self.listed(part, kind)?;
                if !listed {
                    return Ok((row, None));
                }
                (row + 12, first + word(row + 8)?, word(row + 12)?)
            }
            Place::At { offset, size } => (size, word(offset)?, word(size)?),
            Place::First(size) => (size, first, word(size)?),
            Place::Second(size, own) => (own, first + word(size)?, word(own)?),
            Place::WithoutJumps => {
                let all = self.dword(part, at::UCODE_SIZE)?;
                let jumps = self.dword(part, at::JUMPS_SIZE)?;
                let field = "the size of the jump table";
                self.within(part, at::JUMPS_SIZE, field, jumps, 0..=all / 4)?;
                let code = u64::from(all) - u64::from(jumps) * 4;
                (at::UCODE_SIZE, first, code)
            }
            Place::Jumps => {
                let offset = word(at::JUMPS_OFFSET)? * 4;
                (at::JUMPS_SIZE, first + offset, word(at::JUMPS_SIZE)? * 4)
            }
        };
        Ok((field, Some(self.range(part, field, start, bytes)?)))
    }

    /// Checks a place against the file. The sums of three values of 34 bits that came here did not overflow.
    fn range(
        &self,
        part: &'static str,
        field: usize,
        start: u64,
        bytes: u64,
    ) -> Result<Range<usize>, Error> {
        if bytes == 0 {
            return Ok(0..0);
        }
        let size = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.within(part, field, "its size", size, 0..=PART_MAX)?;
        let (least, most) = (self.start as usize, self.bytes.len());
        let end = start + bytes;
        match (usize::try_from(start), usize::try_from(end)) {
            (Ok(from), Ok(to)) if from >= least && to <= most => Ok(from..to),
            _ => {
                let bytes = most;
                let fault = Fault::Outside {
                    start,
                    end,
                    least,
                    bytes,
                };
                Err(self.error(part, field, fault))
            }
        }
    }

    /// The row of PSP's list with a type, or where the list begins and `false`. The last counts if there are several, as
    /// in Linux and tinygrad.
    fn listed(&self, part: &'static str, kind: u32) -> Result<(usize, bool), Error> {
        let mut count = self.dword(part, at::COUNT)?;
        let mut list = at::COUNT + 4;
        if self.version == (2, 1) {
            // One list for two kinds of chip, of which the second half is for the other (Linux `amdgpu_psp.c`,
            // `psp_aux_fw_bin_index`).
            count = count.saturating_sub(self.dword(part, list)?);
            list += 4;
        }
        let field = "the length of the list";
        self.within(part, at::COUNT, field, count, 0..=LIST_MAX)?;
        let mut found = (list, false);
        for n in 0..count as usize {
            let row = list + n * LIST_ROW;
            if self.dword(part, row)? == kind {
                found = (row, true);
            }
        }
        Ok(found)
    }

    /// The bytes at a place that [`Self::find`] gave.
    pub(crate) fn slice(&self, range: &Range<usize>) -> &'a [u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }
}
