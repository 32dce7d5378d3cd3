//! Signed images: the header that starts every component that PSP takes, and what can be checked of one without keys.

use crate::fabric::Fabric;
use crate::psp::memory;
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
pub(crate) const HEADER: u64 = 0x100;
/// "$PS1".
pub(crate) const MAGIC: u32 = 0x3153_5024;
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

fn dword(bytes: &[u8; HEADER as usize], offset: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_le_bytes(value)
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

/// Checks the image at an offset of video memory. `given` are the bytes that the driver says it has; a bootloader is not told.
pub(crate) fn check(
    fabric: &mut Fabric,
    offset: u64,
    given: Option<u32>,
    expected: Expected,
) -> Result<Header, Violation> {
    let Expected { name, .. } = expected;
    if let Some(given) = given {
        let holds = u64::from(given) >= HEADER;
        fabric.require(
            holds,
            IMAGE_SIZE,
            format_args!("{name}: {given:#x} bytes are no image, its header alone has 0x100"),
        )?;
    }
    memory::visible(fabric, offset, HEADER, format_args!("{name}: header"))?;
    let mut bytes = [0; HEADER as usize];
    fabric.vram.read(offset, &mut bytes);
    let magic = dword(&bytes, 0x10);
    let header = Header {
        signed: dword(&bytes, 0x14),
        id: dword(&bytes, 0x58),
        version: dword(&bytes, 0x60),
        total: dword(&bytes, 0x6c),
    };
    let wanted = if expected.magic { MAGIC } else { 0 };
    fabric.require(
        magic == wanted && dword(&bytes, 0x30) == 1,
        IMAGE_MAGIC,
        format_args!(
            "{name}: {magic:#010x} at 0x10 and {:#x} at 0x30, expected {wanted:#010x} and 1",
            dword(&bytes, 0x30)
        ),
    )?;
    if let Some(id) = expected.id {
        fabric.require(
            header.id == id,
            IMAGE_TYPE,
            format_args!(
                "{name}: type id {:#010x} ({}), expected {id:#010x}; is it the right part, and was HDP flushed after it was written?",
                header.id,
                who(header.id)
            ),
        )?;
    }
    size(fabric, header, given, expected)?;
    let total = u64::from(header.total);
    memory::visible(fabric, offset, total, format_args!("{name}: image"))?;
    // A number of 2048 bits ends the image: that its last 8 bytes are 0 tells that the image was cut off.
    let mut end = [0; 8];
    fabric.vram.read(offset + total - 8, &mut end);
    let what =
        format_args!("{name}: the end of its signature, at {total:#x}, is 0; is it cut off?");
    fabric.require(end != [0; 8], IMAGE_SIZE, what)?;
    if let Some(given) = given.filter(|given| *given > header.total) {
        let mut rest = vec![0; (given - header.total) as usize];
        let what = format_args!("{name}: zeros after the image");
        memory::visible(fabric, offset + total, rest.len() as u64, what)?;
        fabric.vram.read(offset + total, &mut rest);
        fabric.require(
            rest.iter().all(|byte| *byte == 0),
            IMAGE_SIZE,
            format_args!(
                "{name}: {given:#x} bytes given, the image has {total:#x} and no zeros follow"
            ),
        )?;
    }
    Ok(header)
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
        fits,
        IMAGE_SIZE,
        format_args!("{name}: {given:#x} bytes given, header says {total:#x}"),
    )
}
