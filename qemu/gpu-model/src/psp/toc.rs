//! Table of contents of the RLC's autoload: where in the trusted memory region each engine's firmware lies.

use super::image::HEADER;
use super::memory::dword;

/// Entries that are read at most.
const ENTRIES_MAX: usize = 128;

/// Where one firmware lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: u8,
    /// Bytes from the start of the region.
    pub(crate) offset: u64,
    /// Bytes that there are for it.
    pub(crate) bytes: u64,
}

/// The table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Toc {
    entries: Vec<Entry>,
}

impl Toc {
    /// Reads the table of an image that was checked. An entry of 16 bytes begins with id (31:25) and offset in dwords (24:0),
    /// then size in dwords (31:14); id 0 ends the table, register programs follow.
    pub(crate) fn read(image: &[u8]) -> Self {
        let mut entries = Vec::new();
        let (table, _) = image.get(HEADER..).unwrap_or_default().as_chunks::<16>();
        for entry in table.iter().take(ENTRIES_MAX) {
            let (place, size) = (dword(entry, 0), dword(entry, 4));
            let id = (place >> 25) as u8;
            if id == 0 {
                break;
            }
            entries.push(Entry {
                id,
                offset: u64::from(place & 0x1ff_ffff) * 4,
                bytes: u64::from(size >> 14) * 4,
            });
        }
        Self { entries }
    }

    /// The place of a firmware, by its number in the table; 0 is none.
    pub(crate) fn find(&self, id: u8) -> Option<Entry> {
        self.entries
            .iter()
            .find(|entry| entry.id == id && id != 0 && entry.bytes > 0)
            .copied()
    }
}
