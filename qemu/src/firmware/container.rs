//! AMD's firmware files as containers: where the signed parts lie that PSP gets one by one, and whether a file is whole.
//!
//! Layouts: `amdgpu_ucode.h` of Linux; the header of a signed part: AMD's files.

use std::ops::Range;

use anyhow::{Context, Result, ensure};

/// A part that PSP checks by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What AMD calls it.
    pub name: &'static str,
    /// Its bytes in the file.
    pub range: Range<usize>,
}

/// Bytes of the header that all files share.
const HEADER: usize = 32;
/// "$PS1", which starts a signed part at byte 0x10 of its header; a key database has 0 there.
const MAGIC: u32 = 0x3153_5024;
/// Bytes of a signed part that its signature does not cover.
const UNSIGNED: u32 = 0x200;

/// Where a file's header says that a part lies.
enum Place {
    /// A row of PSP's list, by its number there.
    Listed(u32),
    /// Offset and size stand at these bytes of the header.
    At { offset: usize, bytes: usize },
    /// It begins where all content begins; its size stands at this byte.
    First(usize),
    /// It follows the first, whose size stands at the first of these bytes; its own at the second.
    Second(usize, usize),
}

/// A part: its name, the type id that its header has (none: not known), and its place.
struct Row(&'static str, u32, Place);

use Place::{At, First, Listed, Second};

/// The parts of each file.
const PARTS: &[(&str, &[Row])] = &[
    (
        "psp_13_0_0_sos.bin",
        &[
            Row("KDB", 0x0100_004f, Listed(3)),
            Row("SPL", 0x0100_0056, Listed(5)),
            Row("SYS_DRV", 0x8101_000a, Listed(2)),
            Row("SOS", 0x0100_0009, Listed(1)),
            Row("TOC", 0x8101_200e, Listed(4)),
            Row("RL", 0x0100_0135, Listed(6)),
        ],
    ),
    ("smu_13_0_0.bin", &[Row("SMU", 0x0100_1001, First(20))]),
    (
        "sdma_6_0_0.bin",
        &[
            Row("SDMA_UCODE_TH0", 0x8101_203e, First(36)),
            Row(
                "SDMA_UCODE_TH1",
                0x8101_203f,
                At {
                    offset: 48,
                    bytes: 52,
                },
            ),
        ],
    ),
    (
        "gc_11_0_0_pfp.bin",
        &[
            Row("RS64_PFP", 0x8101_2044, First(36)),
            Row(
                "RS64_PFP_STACK",
                0x8101_2045,
                At {
                    offset: 48,
                    bytes: 44,
                },
            ),
        ],
    ),
    (
        "gc_11_0_0_me.bin",
        &[
            Row("RS64_ME", 0x8101_2046, First(36)),
            Row(
                "RS64_ME_STACK",
                0x8101_2047,
                At {
                    offset: 48,
                    bytes: 44,
                },
            ),
        ],
    ),
    (
        "gc_11_0_0_mec.bin",
        &[
            Row("RS64_MEC", 0x8101_2048, First(36)),
            Row(
                "RS64_MEC_STACK",
                0x8101_2049,
                At {
                    offset: 48,
                    bytes: 44,
                },
            ),
        ],
    ),
    (
        "gc_11_0_0_mes.bin",
        &[
            Row("CP_MES", 0x8101_2007, First(36)),
            Row(
                "MES_STACK",
                0x8101_2008,
                At {
                    offset: 52,
                    bytes: 48,
                },
            ),
        ],
    ),
    (
        "gc_11_0_0_mes1.bin",
        &[
            Row("CP_MES_KIQ", 0x8101_2042, First(36)),
            Row(
                "MES_KIQ_STACK",
                0x8101_2043,
                At {
                    offset: 52,
                    bytes: 48,
                },
            ),
        ],
    ),
    (
        "gc_11_0_0_imu.bin",
        &[
            Row("IMU_I", 0x8101_203b, First(32)),
            Row("IMU_D", 0x8101_203c, Second(32, 40)),
        ],
    ),
    (
        "gc_11_0_0_rlc.bin",
        &[
            Row("RLC_G", 0x8101_2009, First(20)),
            Row(
                "RLC_RESTORE_LIST_GPM_MEM",
                0x8101_200b,
                At {
                    offset: 136,
                    bytes: 132,
                },
            ),
            Row(
                "RLC_RESTORE_LIST_SRM_MEM",
                0x8101_200c,
                At {
                    offset: 152,
                    bytes: 148,
                },
            ),
            Row(
                "RLC_IRAM",
                0x8101_2016,
                At {
                    offset: 160,
                    bytes: 156,
                },
            ),
            Row(
                "RLC_DRAM_BOOT",
                0x8101_2017,
                At {
                    offset: 168,
                    bytes: 164,
                },
            ),
            Row(
                "RLC_P",
                0x8101_200f,
                At {
                    offset: 184,
                    bytes: 180,
                },
            ),
            Row(
                "RLC_V",
                0x8101_200a,
                At {
                    offset: 200,
                    bytes: 196,
                },
            ),
        ],
    ),
];

fn dword(bytes: &[u8], offset: usize) -> Result<u32> {
    let found = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    found
        .map(|dword| u32::from_le_bytes(*dword))
        .with_context(|| format!("it ends before byte {offset:#x}"))
}

/// The parts of a file, each with a header that fits it.
///
/// # Errors
/// Names the file, and the part where it is about one: if the file's size is not what its header says, or a part is missing,
/// cut off, of another kind, or damaged in its header.
pub fn parts(file: &str, bytes: &[u8]) -> Result<Vec<Part>> {
    let (_, rows) = PARTS
        .iter()
        .find(|(name, _)| *name == file)
        .with_context(|| format!("{file}: not a firmware file of this card"))?;
    let parts = rows.iter().map(|row| {
        let range = place(bytes, row).with_context(|| format!("{file}: {} is missing", row.0))?;
        check(bytes, &range, row).with_context(|| format!("{file}: {} is damaged", row.0))?;
        Ok(Part { name: row.0, range })
    });
    let parts: Result<Vec<Part>> = parts.collect();
    let parts = parts?;
    let size = dword(bytes, 0).with_context(|| format!("{file}: no header"))?;
    ensure!(
        size as usize == bytes.len() && bytes.len() >= HEADER,
        "{file}: {:#x} bytes, its header says {size:#x}",
        bytes.len()
    );
    Ok(parts)
}

/// Whether a file has the checksum in its header (CRC-32 of all that follows); `None` for files whose rule is not known.
/// Neither Linux nor tinygrad checks it.
#[must_use]
pub fn checksum(file: &str, bytes: &[u8]) -> Option<bool> {
    if file.starts_with("smu_") || file.ends_with("_rlc.bin") {
        return None;
    }
    let mut crc = u32::MAX;
    for byte in bytes.get(HEADER..)? {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    Some(dword(bytes, 28).ok()? == !crc)
}

/// Where a part lies.
fn place(bytes: &[u8], row: &Row) -> Result<Range<usize>> {
    let start = dword(bytes, 24)? as usize;
    let (offset, size) = match row.2 {
        Listed(number) => {
            // Version 2.1 of the header has one more field before the list.
            let minor = dword(bytes, 8)? >> 16;
            let list = if minor == 0 { 36 } else { 40 };
            let count = dword(bytes, 32)?.min(64) as usize;
            let mut rows = (0..count).map(|n| list + n * 16);
            let row = rows.find(|at| dword(bytes, *at).is_ok_and(|found| found == number));
            let at = row.context("PSP's list does not have it")?;
            (
                start + dword(bytes, at + 8)? as usize,
                dword(bytes, at + 12)?,
            )
        }
        At {
            offset,
            bytes: size,
        } => (dword(bytes, offset)? as usize, dword(bytes, size)?),
        First(size) => (start, dword(bytes, size)?),
        Second(first, size) => (start + dword(bytes, first)? as usize, dword(bytes, size)?),
    };
    ensure!(size > 0, "its size is 0");
    let end = offset + size as usize;
    ensure!(
        end <= bytes.len(),
        "it ends at {end:#x}, the file has {:#x} bytes",
        bytes.len()
    );
    Ok(offset..end)
}

/// Checks a part's own header.
fn check(bytes: &[u8], range: &Range<usize>, row: &Row) -> Result<()> {
    let part = &bytes[range.clone()];
    let Row(name, id, _) = *row;
    let magic = if name == "KDB" { 0 } else { MAGIC };
    for (offset, wanted) in [(0x10, magic), (0x30, 1), (0x58, id)] {
        let found = dword(part, offset)?;
        ensure!(
            found == wanted,
            "{found:#010x} at byte {offset:#x} of its header, expected {wanted:#010x}"
        );
    }
    let (signed, total) = (dword(part, 0x14)?, dword(part, 0x6c)?);
    let padded = name.ends_with("_STACK");
    let fits = total as usize == part.len() || padded && (total as usize) < part.len();
    ensure!(
        fits && signed.checked_add(UNSIGNED) == Some(total),
        "its header says {total:#x} bytes, {signed:#x} of them signed, the file has {:#x}",
        part.len()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn psps_list_is_found_in_both_versions_of_its_header() {
        for (minor, list) in [(0_u32, 36), (1, 40)] {
            let mut bytes = vec![0; 0x100 + 0x300];
            let mut put = |at: usize, value: u32| {
                bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            };
            put(8, 2 | minor << 16);
            put(24, 0x100);
            put(32, 2);
            put(list, 9);
            for (n, value) in [3, 0, 0x100, 0x200].into_iter().enumerate() {
                put(list + 16 + n * 4, value);
            }
            let row = Row("KDB", 0x0100_004f, Listed(3));
            assert_eq!(place(&bytes, &row).unwrap(), 0x200..0x400);
            let missing = Row("SPL", 0x0100_0056, Listed(5));
            assert!(place(&bytes, &missing).is_err());
        }
    }
}
