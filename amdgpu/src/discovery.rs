//! The IP discovery table: what blocks a card has, of which versions, where their registers are, and how wide it is.
//!
//! The firmware in the card's flash puts it near the end of video memory. All of it is checked before it is believed: the
//! sums of its tables, and every offset and length against the bytes that there are.
//!
//! Sources: Linux `include/discovery.h`, `amdgpu_discovery.c`; tinygrad `amdev.py` `AMDev._run_discovery`.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use amdgpu_registers::{Bases, Ip, mp, nbif};

use crate::{Device, Error};

/// Where the table begins, from the end of video memory (`DISCOVERY_TMR_OFFSET`).
const FROM_END: u64 = 64 << 10;
/// Longest table that is read; Linux reads 10 KiB.
const BYTES_MAX: usize = 32 << 10;
/// How long the firmware in flash may take (`amdgpu_discovery_read_binary_from_mem` polls for a second; tinygrad 10).
const FLASH_LIMIT: Duration = Duration::from_secs(2);
/// Largest card that is believed, in MiB.
const MIB_MAX: u32 = 1 << 20;

const BINARY_SIGNATURE: u32 = 0x2821_1407;
const IP_SIGNATURE: u32 = 0x5344_5049;
const GC_SIGNATURE: u32 = 0x4347;
const HARVEST_SIGNATURE: u32 = 0x5652_4148;
const BINARY_HEADER: usize = 60;
const HARVEST_BYTES: usize = 136;
const DIES_MAX: u16 = 16;
const BLOCKS_MAX: u16 = 512;

/// Blocks that the table is reached by: they are where they are on every RDNA3 card (Linux has the addresses of RCC_CONFIG_MEMSIZE,
/// MM_INDEX and C2PMSG_33 as numbers, `amdgpu_discovery.c`).
pub struct FixedBases;

impl Bases for FixedBases {
    fn base(&self, ip: Ip, segment: u8) -> Option<u32> {
        match (ip, segment) {
            (Ip::Nbif, 0) => Some(0),
            (Ip::Nbif, 1) => Some(0x14),
            (Ip::Nbif, 2) => Some(0xd20),
            (Ip::Mp0, 0) => Some(0x1_6000),
            _ => None,
        }
    }
}

/// Major, minor, revision of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u8, pub u8, pub u8);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Hardware id; those with registers in our tables are the numbers of [`Ip`].
    pub id: u16,
    /// Which one of those with this id.
    pub instance: u8,
    /// Version.
    pub version: Version,
    /// Base addresses, in dwords.
    pub bases: Vec<u32>,
    /// It is fused off.
    pub is_harvested: bool,
}

/// How wide graphics and compute are, fused parts included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Shader engines.
    pub engines: u32,
    /// Shader arrays of an engine.
    pub arrays: u32,
    /// Work-group processors (of two compute units) of an array.
    pub wgps: u32,
    /// Waves that a SIMD holds.
    pub waves: u32,
    /// Scratch slots of a compute unit.
    pub scratch_slots: u32,
    /// KiB of LDS of a compute unit.
    pub lds: u32,
}

/// The table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// Blocks, as listed.
    pub blocks: Vec<Block>,
    /// How wide compute is.
    pub shape: Shape,
}

impl Discovery {
    /// The version of the first block with a hardware id.
    #[must_use]
    pub fn version(&self, id: u16) -> Option<Version> {
        let block = self.blocks.iter().find(|block| block.id == id);
        block.map(|block| block.version)
    }

    /// Reads a table.
    ///
    /// # Errors
    /// Names the field, what was found and what was expected.
    pub fn parse(binary: &[u8]) -> Result<Self, Error> {
        let binary = check_binary(binary)?;
        let ip = table(binary, 0)?.ok_or_else(|| missing("IP table"))?;
        expect("signature of the IP table", ip.u32(0)?, IP_SIGNATURE)?;
        let mut blocks = read_blocks(binary, ip)?;
        let gc = table(binary, 1)?.ok_or_else(|| missing("GC table"))?;
        let shape = read_shape(gc)?;
        if let Some(harvest) = table(binary, 2)? {
            mark_harvested(harvest, &mut blocks)?;
        }
        Ok(Self { blocks, shape })
    }
}

impl Bases for Discovery {
    fn base(&self, ip: Ip, segment: u8) -> Option<u32> {
        let block = self.blocks.iter().find(|block| block.id == ip as u16)?;
        block.bases.get(usize::from(segment)).copied()
    }
}

fn unexpected(what: &'static str, found: u64, expected: &'static str) -> Error {
    Error::Unexpected {
        what,
        found,
        expected,
    }
}

fn missing(what: &'static str) -> Error {
    unexpected(what, 0, "its place in the discovery table")
}

fn expect(what: &'static str, found: u32, expected: u32) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Different {
        what,
        found: found.into(),
        expected: expected.into(),
    })
}

/// Bytes, read with checks.
#[derive(Clone, Copy)]
struct View<'a>(&'a [u8]);

impl<'a> View<'a> {
    fn from(self, start: usize) -> Result<Self, Error> {
        let rest = self.0.get(start..);
        rest.map(View).ok_or_else(|| self.short(start))
    }

    fn bytes<const N: usize>(self, at: usize) -> Result<[u8; N], Error> {
        let rest = self.0.get(at..).and_then(|rest| rest.first_chunk());
        rest.copied().ok_or_else(|| self.short(at))
    }

    fn short(self, at: usize) -> Error {
        unexpected(
            "offset in the discovery table",
            at as u64,
            "a place within it",
        )
    }

    fn u8(self, at: usize) -> Result<u8, Error> {
        self.bytes(at).map(|[byte]| byte)
    }

    fn u16(self, at: usize) -> Result<u16, Error> {
        self.bytes(at).map(u16::from_le_bytes)
    }

    fn u32(self, at: usize) -> Result<u32, Error> {
        self.bytes(at).map(u32::from_le_bytes)
    }

    /// The first bytes, if their sum is right (`amdgpu_discovery_verify_checksum`).
    fn summed(self, what: &'static str, bytes: usize, expected: u16) -> Result<&'a [u8], Error> {
        let bytes = self.0.get(..bytes).ok_or_else(|| self.short(bytes))?;
        let sum = bytes
            .iter()
            .fold(0, |sum: u16, byte| sum.wrapping_add(u16::from(*byte)));
        expect(what, sum.into(), expected.into())?;
        Ok(bytes)
    }
}

/// Checks signature and sum of the whole.
fn check_binary(bytes: &[u8]) -> Result<View<'_>, Error> {
    let view = View(bytes);
    expect(
        "signature of the discovery table",
        view.u32(0)?,
        BINARY_SIGNATURE,
    )?;
    let size = usize::from(view.u16(10)?);
    let expected = view.u16(8)?;
    // The sum counts all that follows its field.
    let counted = size
        .checked_sub(10)
        .ok_or_else(|| unexpected("bytes of the discovery table", size as u64, "60 or more"))?;
    view.from(10)?
        .summed("sum of the discovery table", counted, expected)?;
    Ok(View(bytes.get(..size).unwrap_or_default()))
}

/// A table of the list in the header, if it is there, as far as its own size says and with its sum checked.
fn table(binary: View<'_>, number: usize) -> Result<Option<View<'_>>, Error> {
    let row = 12 + 8 * number;
    let start = usize::from(binary.u16(row)?);
    if start == 0 {
        return Ok(None);
    }
    let sum = binary.u16(row + 2)?;
    let view = binary.from(start)?;
    let (what, bytes) = match number {
        0 => ("sum of the IP table", usize::from(view.u16(6)?)),
        1 => ("sum of the GC table", view.u32(8)? as usize),
        _ => ("sum of the harvest table", HARVEST_BYTES),
    };
    view.summed(what, bytes, sum).map(|bytes| Some(View(bytes)))
}

fn read_blocks(binary: View<'_>, ip: View<'_>) -> Result<Vec<Block>, Error> {
    let version = ip.u16(4)?;
    // From version 4 on a flag says that base addresses have 64 bits; dwords of BAR5 need 32 of them.
    let stride = if version >= 4 && ip.u8(78)? & 1 == 1 {
        8
    } else {
        4
    };
    let dies = ip.u16(12)?;
    if !(1..=DIES_MAX).contains(&dies) {
        return Err(unexpected("dies", dies.into(), "1 to 16"));
    }
    let mut blocks = Vec::new();
    for die in 0..usize::from(dies) {
        // Offsets of dies count from the start of the binary.
        let header = binary.from(usize::from(ip.u16(16 + 4 * die)?))?;
        let count = header.u16(2)?;
        if count > BLOCKS_MAX {
            return Err(unexpected("blocks of a die", count.into(), "at most 512"));
        }
        let mut at = 4;
        for _ in 0..count {
            let entry = header.from(at)?;
            let bases = usize::from(entry.u8(3)?);
            blocks.push(Block {
                id: entry.u16(0)?,
                instance: entry.u8(2)?,
                version: Version(entry.u8(4)?, entry.u8(5)?, entry.u8(6)?),
                bases: (0..bases)
                    .map(|n| entry.u32(8 + stride * n))
                    .collect::<Result<_, _>>()?,
                is_harvested: version < 3 && entry.u8(7)? & 0xf != 0,
            });
            at += 8 + stride * bases;
        }
    }
    Ok(blocks)
}

fn read_shape(gc: View<'_>) -> Result<Shape, Error> {
    expect("signature of the GC table", gc.u32(0)?, GC_SIGNATURE)?;
    let major = gc.u16(4)?;
    if major != 1 {
        let expected = "1, as on cards for graphics";
        return Err(unexpected(
            "major version of the GC table",
            major.into(),
            expected,
        ));
    }
    let shape = Shape {
        engines: gc.u32(12)?,
        arrays: gc.u32(76)?,
        wgps: gc.u32(16)?.saturating_add(gc.u32(20)?),
        waves: gc.u32(60)?,
        scratch_slots: gc.u32(64)?,
        lds: gc.u32(68)?,
    };
    // Masks of arrays and engines in registers have 8, 4 and 16 bits; counts beyond are no shape of any card.
    let limits = [
        ("shader engines", shape.engines, 8),
        ("arrays of an engine", shape.arrays, 4),
        ("work-group processors of an array", shape.wgps, 16),
        ("waves of a SIMD", shape.waves, 64),
        ("scratch slots of a compute unit", shape.scratch_slots, 256),
        ("KiB of LDS", shape.lds, 1024),
    ];
    for (what, found, most) in limits {
        if found == 0 || found > most {
            return Err(unexpected(
                what,
                found.into(),
                "a number that a card can have",
            ));
        }
    }
    Ok(shape)
}

fn mark_harvested(harvest: View<'_>, blocks: &mut [Block]) -> Result<(), Error> {
    expect(
        "signature of the harvest table",
        harvest.u32(0)?,
        HARVEST_SIGNATURE,
    )?;
    for at in (8..HARVEST_BYTES).step_by(4) {
        let (id, instance) = (harvest.u16(at)?, harvest.u8(at + 2)?);
        if id == 0 {
            break;
        }
        for block in &mut *blocks {
            block.is_harvested |= block.id == id && block.instance == instance;
        }
    }
    Ok(())
}

/// Waits until the firmware in flash has initialised the card after power-on or a reset: bytes of video memory.
///
/// # Errors
/// If it does not; [`Error::Gone`] if the card is off the bus.
pub fn wait_for_flash(device: &mut Device) -> Result<u64, Error> {
    let ready = (1 << 31, 1 << 31);
    let what = "firmware in the card's flash";
    device.wait(what, mp::PSP_IFWI, ready, FLASH_LIMIT)?;
    let size = nbif::RCC_DEV0_EPF0_RCC_CONFIG_MEMSIZE;
    let what = "size of video memory, in MiB";
    let mib = device.wait_until(what, size, FLASH_LIMIT, |mib| (1..=MIB_MAX).contains(&mib))?;
    Ok(u64::from(mib) << 20)
}

/// Reads and checks the table of a card with so many bytes of video memory, of which so many are visible through BAR0, and
/// has the device know its blocks.
///
/// # Errors
/// If there is no table, or something is wrong with it.
pub fn discover(device: &mut Device, vram: u64, visible: u64) -> Result<Discovery, Error> {
    let start = vram
        .checked_sub(FROM_END)
        .ok_or_else(|| unexpected("bytes of video memory", vram, "64 KiB or more"))?;
    let mut header = [0; BINARY_HEADER];
    read_vram(device, start, visible, &mut header)?;
    let size = usize::from(View(&header).u16(10)?);
    if !(BINARY_HEADER..=BYTES_MAX).contains(&size) {
        let what = "bytes of the discovery table";
        return Err(unexpected(what, size as u64, "60 to 32768"));
    }
    let mut binary = vec![0; size.next_multiple_of(4)];
    read_vram(device, start, visible, &mut binary)?;
    let discovery = Discovery::parse(&binary)?;
    device.set_bases(Box::new(discovery.clone()));
    Ok(discovery)
}

/// Reads dwords of video memory: through BAR0 if it shows them, else through a window of two registers
/// (`amdgpu_device_mm_access`).
fn read_vram(device: &mut Device, start: u64, visible: u64, out: &mut [u8]) -> Result<(), Error> {
    if start + out.len() as u64 <= visible {
        device.bus().vram_read(start, out);
        return Ok(());
    }
    for (address, dword) in (start..).step_by(4).zip(out.as_chunks_mut::<4>().0) {
        let low = nbif::BIF_BX_PF0_MM_INDEX::MM_OFFSET.is(address as u32)
            | nbif::BIF_BX_PF0_MM_INDEX::MM_APER.is(1);
        device.write_all(&[
            (nbif::BIF_BX_PF0_MM_INDEX, low),
            (nbif::BIF_BX_PF0_MM_INDEX_HI, (address >> 31) as u32),
        ])?;
        *dword = device.read(nbif::BIF_BX_PF0_MM_DATA)?.to_le_bytes();
    }
    Ok(())
}
