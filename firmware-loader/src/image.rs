//! The header of a signed image, of which every part consists: what can be checked of it without keys.
//!
//! HW: no document names these fields; AMD's files show them. All parts of the files for gfx11 in Debian's
//! `firmware-amd-graphics` 20230210 and 20250410 keep these rules.

use crate::container::Container;
use crate::error::Error;

/// "$PS1".
const MAGIC: u32 = 0x3153_5024;
/// Type of a key database, which may lack the magic number.
const KEY_DATABASE: u16 = 0x4f;
/// Header and signature, which the signed size leaves out.
const UNSIGNED: u32 = 0x200;

/// Bytes of the header.
mod at {
    pub(super) const MAGIC: usize = 0x10;
    pub(super) const SIGNED: usize = 0x14;
    pub(super) const ONE: usize = 0x30;
    pub(super) const TYPE: usize = 0x58;
    pub(super) const VERSION: usize = 0x60;
    pub(super) const TOTAL: usize = 0x6c;
}

/// Checks the header of the image at `start`, of a part with `bytes` bytes and this type.
pub(crate) fn check(
    container: &Container<'_>,
    part: &'static str,
    start: usize,
    bytes: usize,
    kind: u16,
) -> Result<(), Error> {
    let word = |field| container.dword(part, start + field);
    let within = |at, field, found, range| container.within(part, start + at, field, found, range);
    let equal = |at, field, found, expected| within(at, field, found, expected..=expected);
    let magic = word(at::MAGIC)?;
    if magic != 0 || kind != KEY_DATABASE {
        equal(at::MAGIC, "the image's magic number", magic, MAGIC)?;
    }
    equal(at::ONE, "the image's constant", word(at::ONE)?, 1)?;
    // The high half names the generation of keys.
    let found = word(at::TYPE)? & 0xffff;
    equal(at::TYPE, "the image's type", found, u32::from(kind))?;
    let (signed, total) = (word(at::SIGNED)?, word(at::TOTAL)?);
    let size = u32::try_from(bytes).unwrap_or(u32::MAX);
    // Images of gfx1150 leave their size out.
    let total = if total == 0 { size } else { total };
    // Zeros fill the data of engines up to the size of their memory.
    let least = if is_filled(kind) { UNSIGNED } else { size };
    within(at::TOTAL, "the image's size", total, least..=size)?;
    let expected = total.saturating_sub(UNSIGNED);
    equal(at::SIGNED, "the image's signed size", signed, expected)
}

/// Whether zeros follow images of this type: data of RS64 engines and of the scheduler's pipes.
const fn is_filled(kind: u16) -> bool {
    matches!(kind, 0x2045 | 0x2047 | 0x2049 | 0x2008 | 0x2043)
}

/// The version that an image says it has.
pub(crate) fn version(image: &[u8]) -> Option<u32> {
    let version = image.get(at::VERSION..)?.first_chunk()?;
    Some(u32::from_le_bytes(*version))
}
