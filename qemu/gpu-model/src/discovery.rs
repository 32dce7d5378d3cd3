//! The IP discovery table: what blocks the card has, of which versions, and where. The firmware in the card's flash puts it
//! near the end of video memory; drivers read it first of all.
//!
//! Layouts: Linux `drivers/gpu/drm/amd/include/discovery.h`. Bases: [`NAVI31`](crate::NAVI31); those of blocks that have no
//! registers here are of the Navi family's static tables in Linux (`sienna_cichlid_ip_offset.h`). Nobody outside AMD has
//! published the whole table of this card, so the order of blocks and the contents of rarely read fields are ours.

use crate::NAVI31;
use crate::rule::{Rule, rules};
use crate::vram::{VRAM_BYTES, Vram};

rules! { Discovery:
    WRITTEN, "discovery-kept", "the last 64 KiB of video memory, where the discovery table lies, are never written",
        "Linux amdgpu_ttm_init reserves them (DISCOVERY_TMR_OFFSET); tinygrad keeps the last 64 MiB free";
}

/// Where the table begins.
pub(crate) const OFFSET: u64 = VRAM_BYTES - (64 << 10);

/// Signatures of the binary and of its tables.
const BINARY: u32 = 0x2821_1407;
const IPDS: u32 = 0x5344_5049;
const GC: u32 = 0x4347;
const HARVEST: u32 = 0x5652_4148;

/// Bytes of the binary's header, and of the header of the IP table.
const BINARY_HEADER: usize = 60;
const IP_HEADER: usize = 80;

/// Blocks without registers here: hardware id, instances, version, bases.
const OTHERS: &[(u16, u8, [u8; 3], &[u32])] = &[
    (2, 1, [13, 0, 0], &[0x16000, 0x00DC_0000]),
    (3, 1, [13, 0, 0], &[0x16600, 0x0240_0C00]),
    (5, 1, [13, 0, 0], &[0x17400, 0x0240_1400]),
    (6, 1, [13, 0, 0], &[0x16C00, 0x0240_1800]),
    (12, 2, [4, 0, 0], &[0x7800, 0x7E00, 0x0240_3000]),
    (35, 1, [3, 0, 0], &[0xC00, 0x0240_8C00]),
    (42, 1, [6, 0, 0], &[0x1260, 0xA000, 0x1C000, 0x0240_2C00]),
    (43, 1, [6, 0, 0], &[0x1260, 0xA000, 0x1C000, 0x0240_2C00]),
    (46, 1, [4, 2, 0], &[0x7000, 0x0240_B800]),
    (70, 1, [7, 4, 0], &[0x0241_1800, 0x0444_0000]),
    (91, 1, [6, 0, 0], &[0x0240_C800]),
    (150, 12, [8, 10, 0], &[0x14000, 0x0242_5800]),
    (
        271,
        1,
        [3, 2, 0],
        &[0x12, 0xC0, 0x34C0, 0x9000, 0x0240_3C00],
    ),
];

/// The dwords of the GC table, version 1.2, after its header: 6 engines of 2 arrays of 4 WGPs, and what belongs to them.
/// Sources: KFD properties of real cards for engines, arrays, units, waves, scratch slots, LDS; AMD's RDNA3 documents for
/// caches; the others as Linux's `gfx_v11_0.c` sets for GC 11.0.0 or as earlier cards report.
const GC_INFO: &[u32] = &[
    6,      // shader engines
    4,      // WGPs 0 per array
    0,      // WGPs 1 per array
    4,      // render backends per engine
    24,     // GL2 channels
    1024,   // GPRs
    32,     // geometry threads
    32,     // geometry table depth
    0x1800, // primitive buffer depth
    1024,   // parameter cache depth
    1,      // double off-chip LDS buffer
    32,     // wave size
    16,     // waves per SIMD
    32,     // scratch slots per CU
    64,     // KiB of LDS
    2,      // scan converters per engine
    2,      // arrays per engine
    4,      // packers per scan converter
    4,      // GL2 arbiters
    8,      // L0s per array
    24,     // memory ports
    96,     // L0s
    2,      // L0s per WGP
    32,     // KiB of L0
    1,      // instruction and scalar caches per WGP
    32,     // KiB of instruction cache
    16,     // KiB of scalar cache
    4,      // GL1 per array
    64,     // KiB of a GL1
    24,     // GL2 per card
];

/// A little-endian binary that grows.
#[derive(Default)]
struct Binary(Vec<u8>);

impl Binary {
    fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    fn u16(&mut self, value: u16) {
        self.0.extend(value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    fn patch(&mut self, at: usize, value: u16) {
        self.0[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }

    fn entry(&mut self, id: u16, instance: u8, version: [u8; 3], bases: &[u32]) {
        self.u16(id);
        self.u8(instance);
        self.u8(bases.len() as u8);
        self.0.extend(version);
        self.u8(0);
        for base in bases {
            self.u32(*base);
        }
    }
}

/// The sum of bytes by which tables are checked.
fn checksum(bytes: &[u8]) -> u16 {
    bytes
        .iter()
        .fold(0, |sum, byte| sum.wrapping_add(u16::from(*byte)))
}

/// Table list of the binary's header: number of the table, its place, its bytes.
fn list(binary: &mut Binary, table: usize, start: usize) {
    let size = binary.0.len() - start;
    let sum = checksum(&binary.0[start..]);
    for (field, value) in [start as u16, sum, size as u16].into_iter().enumerate() {
        binary.patch(12 + table * 8 + field * 2, value);
    }
}

/// The whole binary.
fn binary() -> Vec<u8> {
    let mut out = Binary(vec![0; BINARY_HEADER]);
    out.0[..4].copy_from_slice(&BINARY.to_le_bytes());
    out.patch(4, 4);

    let start = out.0.len();
    ip_table(&mut out);
    list(&mut out, 0, start);

    let start = out.0.len();
    out.u32(GC);
    out.u16(1);
    out.u16(2);
    out.u32(12 + 4 * GC_INFO.len() as u32);
    for value in GC_INFO {
        out.u32(*value);
    }
    list(&mut out, 1, start);

    let start = out.0.len();
    out.u32(HARVEST);
    out.u32(0);
    // Nothing is harvested: 32 empty entries.
    out.0.extend([0; 32 * 4]);
    list(&mut out, 2, start);

    let size = out.0.len() as u16;
    out.patch(10, size);
    let sum = checksum(&out.0[10..]);
    out.patch(8, sum);
    out.0
}

/// The IP table, version 4 with 32-bit bases: one die with all blocks.
fn ip_table(out: &mut Binary) {
    let start = out.0.len();
    out.u32(IPDS);
    out.u16(4);
    out.u16(0);
    out.u32(0);
    out.u16(1);
    out.u16(0);
    out.u16((start + IP_HEADER) as u16);
    out.0.resize(start + IP_HEADER, 0);

    let instances: u16 = OTHERS.iter().map(|row| u16::from(row.1)).sum();
    out.u16(0);
    out.u16(NAVI31.blocks.len() as u16 + instances);
    for (ip, version, bases) in NAVI31.blocks {
        out.entry(*ip as u16, 0, *version, bases);
    }
    for (id, instances, version, bases) in OTHERS {
        for instance in 0..*instances {
            out.entry(*id, instance, *version, bases);
        }
    }
    let size = (out.0.len() - start) as u16;
    out.patch(start + 6, size);
}

/// Puts the table where drivers look for it.
pub(crate) fn write(vram: &Vram) {
    vram.write(OFFSET, &binary());
}

/// The rule that a write to these bytes breaks, if it is one.
pub(crate) fn watches(offset: u64, bytes: usize) -> Option<Rule> {
    let end = offset.saturating_add(bytes as u64);
    (end > OFFSET && offset < VRAM_BYTES && bytes > 0).then_some(WRITTEN)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::rig::{Case, Rig};

    pub(crate) const CASES: &[Case] = &[Case {
        rule: WRITTEN,
        breaks: |rig| rig.engine(|fabric| fabric.cpu_write(OFFSET + 64, &[0; 4])),
        keeps: |rig| rig.engine(|fabric| fabric.cpu_write(OFFSET - 4, &[0; 4])),
    }];

    fn u16_at(bytes: &[u8], at: usize) -> usize {
        usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
    }

    fn u32_at(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    }

    /// The table as a driver gets it through BAR5.
    fn through_the_window(rig: &mut Rig) -> Vec<u8> {
        let mut table = Vec::new();
        for offset in (OFFSET..OFFSET + 0x2800).step_by(4) {
            let [low, high] = [offset & 0x7fff_ffff | 0x8000_0000, offset >> 31];
            rig.card.bar_write(5, 0x18, &(high as u32).to_le_bytes());
            rig.card.bar_write(5, 0x0, &(low as u32).to_le_bytes());
            let mut data = [0; 4];
            rig.card.bar_read(5, 0x4, &mut data);
            table.extend(data);
        }
        assert_eq!(rig.card.stopped(), None);
        table
    }

    #[test]
    fn a_driver_finds_valid_sums_and_every_block() {
        let table = through_the_window(&mut Rig::new());
        assert_eq!(u32_at(&table, 0), BINARY);
        let size = u16_at(&table, 10);
        assert_eq!(u16_at(&table, 8), usize::from(checksum(&table[10..size])));
        for (n, signature) in [(0, IPDS), (1, GC), (2, HARVEST)] {
            let [at, sum, bytes] = [0, 2, 4].map(|field| u16_at(&table, 12 + n * 8 + field));
            assert_eq!(u32_at(&table, at), signature);
            assert_eq!(sum, usize::from(checksum(&table[at..at + bytes])));
        }
        let ip = u16_at(&table, 12);
        assert_eq!((u16_at(&table, ip + 4), u16_at(&table, ip + 12)), (4, 1));
        let die = u16_at(&table, ip + 16);
        let mut at = die + 4;
        let mut found = std::collections::BTreeMap::new();
        for _ in 0..u16_at(&table, die + 2) {
            let (id, bases) = (u16_at(&table, at), usize::from(table[at + 3]));
            let list: Vec<_> = (0..bases).map(|n| u32_at(&table, at + 8 + 4 * n)).collect();
            let version = [table[at + 4], table[at + 5], table[at + 6]];
            found.insert((id, table[at + 2]), (version, list));
            at += 8 + 4 * bases;
        }
        assert_eq!(at, ip + u16_at(&table, ip + 6));
        for (block, version, bases) in NAVI31.blocks {
            assert_eq!(
                found[&(*block as usize, 0)],
                (*version, bases.to_vec()),
                "{block:?}"
            );
        }
        assert_eq!(found[&(42, 0)].0, [6, 0, 0]);
        assert_eq!(found.len(), 8 + 25);
    }

    #[test]
    fn the_card_has_96_compute_units() {
        let table = binary();
        let gc = u16_at(&table, 12 + 8);
        let field = |at| u32_at(&table, gc + at);
        assert_eq!(u32_at(&table, gc + 8), 132);
        assert_eq!(field(12) * field(76) * 2 * (field(16) + field(20)), 96);
    }
}
