//! The table of functions that turns an address of a backtrace into a name.
//!
//! The build cannot know the addresses before it has linked, so the linked image ends in an empty table in a segment of its
//! own, and the image builder (`qemu`, after the build) replaces that segment by the real table: it is the last one, so that
//! no address moves. An image without the builder's step runs as well and prints bare addresses.
//!
//! Format, little-endian, no alignment: magic `IFSYMTAB`, u32 length of the whole table in bytes, u32 count; then `count` rows
//! of (u32 offset of the function from the image's start, u32 offset of its name from the names' start), sorted by the first;
//! one more row that ends the last function and the last name; then the names.

/// The first eight bytes.
pub const MAGIC: &[u8; 8] = b"IFSYMTAB";
/// Bytes before the first row.
pub const HEADER_BYTES: usize = 16;
const ROW_BYTES: usize = 8;

/// An empty table: what the linker puts in, and what the loader maps when no builder replaced it.
#[cfg(not(test))]
#[used]
#[unsafe(link_section = ".symbols")]
static EMPTY: [u8; HEADER_BYTES + ROW_BYTES] = {
    let mut table = [0; HEADER_BYTES + ROW_BYTES];
    let mut index = 0;
    while index < MAGIC.len() {
        table[index] = MAGIC[index];
        index += 1;
    }
    table[MAGIC.len()] = (HEADER_BYTES + ROW_BYTES) as u8;
    table
};

/// Checked access to a table.
#[derive(Clone, Copy)]
pub struct Symbols<'a> {
    rows: &'a [u8],
    names: &'a [u8],
}

impl<'a> Symbols<'a> {
    /// The table in `bytes`, or `None` where they are not one.
    pub fn new(bytes: &'a [u8]) -> Option<Symbols<'a>> {
        let body = bytes.strip_prefix(MAGIC)?;
        let (length, body) = body.split_first_chunk::<4>()?;
        let (count, body) = body.split_first_chunk::<4>()?;
        let rows = (u32::from_le_bytes(*count) as usize)
            .checked_add(1)?
            .checked_mul(ROW_BYTES)?;
        let (rows, names) = body.split_at_checked(rows)?;
        (u32::from_le_bytes(*length) as usize == bytes.len()).then_some(Symbols { rows, names })
    }

    /// How many functions it names.
    pub fn len(&self) -> usize {
        self.rows.len() / ROW_BYTES - 1
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The function that holds the instruction at `offset` from the image's start, and how far inside it that is.
    pub fn find(&self, offset: u32) -> Option<(&'a str, u32)> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.row(middle)?.0 <= offset {
                low = middle + 1
            } else {
                high = middle
            }
        }
        let index = low.checked_sub(1)?;
        let ((start, name), (end, name_end)) = (self.row(index)?, self.row(index + 1)?);
        let name = self.names.get(name as usize..name_end as usize)?;
        (offset < end).then_some((core::str::from_utf8(name).ok()?, offset - start))
    }

    fn row(&self, index: usize) -> Option<(u32, u32)> {
        let row = self
            .rows
            .get(index * ROW_BYTES..)?
            .first_chunk::<ROW_BYTES>()?;
        let [a, b, c, d, e, f, g, h] = *row;
        Some((
            u32::from_le_bytes([a, b, c, d]),
            u32::from_le_bytes([e, f, g, h]),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(functions: &[(u32, &str)], end: u32) -> Vec<u8> {
        let mut rows = Vec::new();
        let mut names = Vec::new();
        for &(start, name) in functions.iter().chain(&[(end, "")]) {
            rows.extend(start.to_le_bytes());
            rows.extend((names.len() as u32).to_le_bytes());
            names.extend(name.as_bytes());
        }
        let length = (HEADER_BYTES + rows.len() + names.len()) as u32;
        [
            &MAGIC[..],
            &length.to_le_bytes(),
            &(functions.len() as u32).to_le_bytes(),
            &rows,
            &names,
        ]
        .concat()
    }

    #[test]
    fn finds_the_function_around_an_address() {
        let bytes = table(
            &[
                (0x10, "start"),
                (0x40, "alloc::vec::Vec<T>::push"),
                (0x90, "end"),
            ],
            0xa0,
        );
        let symbols = Symbols::new(&bytes).unwrap();
        assert_eq!(symbols.len(), 3);
        let found: Vec<_> = [0, 0x10, 0x3f, 0x40, 0x8f, 0x90, 0x9f, 0xa0]
            .map(|at| symbols.find(at))
            .to_vec();
        let push = "alloc::vec::Vec<T>::push";
        assert_eq!(
            found,
            [
                None,
                Some(("start", 0)),
                Some(("start", 0x2f)),
                Some((push, 0)),
                Some((push, 0x4f)),
                Some(("end", 0)),
                Some(("end", 0xf)),
                None
            ]
        );
    }

    #[test]
    fn an_empty_table_finds_nothing() {
        let bytes = table(&[], 0);
        let symbols = Symbols::new(&bytes).unwrap();
        assert!(symbols.is_empty());
        assert_eq!(symbols.find(0), None);
    }

    #[test]
    fn damaged_tables_are_refused_or_find_nothing_but_never_panic() {
        let good = table(&[(0x10, "a"), (0x20, "b")], 0x30);
        for cut in 0..good.len() {
            assert!(Symbols::new(&good[..cut]).is_none(), "cut at {cut}");
        }
        for at in 0..good.len() {
            for value in [0x00, 0x7f, 0xff] {
                let mut bytes = good.clone();
                bytes[at] = value;
                if let Some(symbols) = Symbols::new(&bytes) {
                    let _ =
                        [0, 0x10, 0x15, 0x20, 0x2f, u32::MAX].map(|offset| symbols.find(offset));
                }
            }
        }
    }
}
