//! Signed images: the header that starts every component that PSP takes, and what can be checked of one without keys.

use crate::fabric::Fabric;
use crate::psp::memory::{self, dword};
use crate::rule::{Violation, rules};

rules! { Psp:
    IMAGE_MAGIC, "psp-image-magic", "an image starts with a header that has \"$PS1\" at byte 0x10 (a key database has 0 there) and 1 at 0x30",
        "AMD's files psp_13_0_0_sos, smu_13_0_0, sdma_6_0_0 and gc_11_0_0_* in linux-firmware: all signed parts have it";
    IMAGE_TYPE, "psp-image-type", "an image has the type id, at byte 0x58, of what it is loaded as",
        "AMD's files in linux-firmware: each part has its own id there";
    IMAGE_SIZE, "psp-image-size", "an image is as long as its header says at byte 0x6c; its signed part, at 0x14, is 0x200 bytes less; a signature ends it",
        "AMD's files in linux-firmware: sizes of parts in the containers equal the headers'; stacks are filled up with zeros";
}

/// Bytes of the header.
pub(crate) const HEADER: usize = 0x100;
/// "$PS1".
pub(crate) const MAGIC: u32 = 0x3153_5024;
/// Bytes of an image and what fills it up; the largest that is known has 0x41520.
const BYTES_MAX: usize = 1 << 24;
/// Header and signature, which the signed size leaves out.
pub(crate) const UNSIGNED: u32 = 0x200;

/// What an image must be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// What it is called in messages.
    pub(crate) name: &'static str,
    /// Its type id; none where no public file shows one.
    pub(crate) id: Option<u32>,
    /// Whether it has the magic number; a key database has not.
    pub(crate) magic: bool,
    /// Whether zeros may follow it.
    pub(crate) padded: bool,
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) signed: u32,
    pub(crate) id: u32,
    pub(crate) version: u32,
    pub(crate) total: u32,
}

/// Names of the type ids that AMD's files show, so that a message can say which image lies there instead.
const NAMES: &[(u32, &str)] = &[
    (0x8101_000a, "SYS_DRV"),
    (0x0100_0009, "SOS"),
    (0x8101_200e, "TOC"),
    (0x0100_004f, "KDB"),
    (0x0100_0056, "SPL"),
];

fn who(id: u32) -> &'static str {
    let known = NAMES.iter().find(|(known, _)| *known == id);
    known.map_or_else(
        || super::firmware::by_id(id).map_or("no image that AMD's files have", |row| row.name),
        |(_, name)| name,
    )
}

/// Reads the image at an offset of video memory and checks it: its header, and all its bytes. `given` are the bytes that the
/// driver says it has; a bootloader is not told.
pub(crate) fn check(
    fabric: &mut Fabric,
    offset: u64,
    given: Option<u32>,
    expected: Expected,
) -> Result<(Header, Vec<u8>), Violation> {
    let Expected { name, .. } = expected;
    if let Some(given) = given {
        fabric.require(
            given as usize >= HEADER,
            IMAGE_SIZE,
            format_args!("{name}: {given:#x} bytes are no image, its header alone has 0x100"),
        )?;
    }
    let mut bytes = vec![0; HEADER];
    memory::load(fabric, offset, &mut bytes, format_args!("header of {name}"))?;
    let header = Header {
        signed: dword(&bytes, 0x14),
        id: dword(&bytes, 0x58),
        version: dword(&bytes, 0x60),
        total: dword(&bytes, 0x6c),
    };
    let (magic, one) = (dword(&bytes, 0x10), dword(&bytes, 0x30));
    let wanted = if expected.magic { MAGIC } else { 0 };
    fabric.require(
        magic == wanted && one == 1,
        IMAGE_MAGIC,
        format_args!(
            "{name}: {magic:#010x} at 0x10 and {one:#x} at 0x30, expected {wanted:#010x} and 1"
        ),
    )?;
    if let Some(id) = expected.id {
        fabric.require(
            header.id == id,
            IMAGE_TYPE,
            format_args!(
                "{name}: type id {:#010x} ({}), expected {id:#010x}",
                header.id,
                who(header.id)
            ),
        )?;
    }
    size(fabric, header, given, expected)?;
    let total = header.total as usize;
    bytes.resize(
        given.map_or(total, |given| given as usize).min(BYTES_MAX),
        0,
    );
    memory::load(fabric, offset, &mut bytes, format_args!("{name}"))?;
    // A number of 2048 bits ends the image: that its last 8 bytes are 0 tells that the image was cut off.
    let signature = bytes.get(total - 8..total).unwrap_or_default();
    fabric.require(
        signature != [0; 8],
        IMAGE_SIZE,
        format_args!("{name}: the end of its signature, at {total:#x}, is 0; is it cut off?"),
    )?;
    let rest = bytes.get(total..).unwrap_or_default();
    fabric.require(
        rest.iter().all(|byte| *byte == 0),
        IMAGE_SIZE,
        format_args!("{name}: the image has {total:#x} bytes and no zeros follow"),
    )?;
    bytes.truncate(total);
    Ok((header, bytes))
}

/// Checks what the header says of sizes.
fn size(
    fabric: &mut Fabric,
    header: Header,
    given: Option<u32>,
    expected: Expected,
) -> Result<(), Violation> {
    let (name, total) = (expected.name, header.total);
    fabric.require(
        header.signed > 0 && header.signed.checked_add(UNSIGNED) == Some(total),
        IMAGE_SIZE,
        format_args!(
            "{name}: header says {:#x} signed bytes of {total:#x}, expected 0x200 less",
            header.signed
        ),
    )?;
    let fits = match given {
        None => total <= 1 << 20,
        Some(given) if expected.padded => given >= total,
        Some(given) => given == total,
    };
    let given = given.unwrap_or(1 << 20);
    fabric.require(
        fits && given as usize <= BYTES_MAX,
        IMAGE_SIZE,
        format_args!("{name}: {given:#x} bytes given, header says {total:#x}"),
    )
}
