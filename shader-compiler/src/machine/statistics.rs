//! Counts on finished code.

use std::collections::BTreeMap;

use gfx1100_isa::Class;

use super::code::{Code, Line};
use crate::object::Statistics;

/// Registers of a SIMD's file that a lane has, and how many are handed out at a time (RDNA3 manual; 1.5 times as many on
/// Navi 31 and 32).
const VGPRS_PER_SIMD: u32 = 1536;
/// Registers are handed out in multiples of this to a wave of 32.
const VGPR_GRANULE: u32 = 24;
/// Wave slots of a SIMD.
pub const MOST_WAVES: u32 = 16;
/// SIMDs that share the local data share of a workgroup processor.
const SIMDS_PER_WGP: u32 = 4;
/// Bytes of local data share of a workgroup processor.
const LDS_PER_WGP: u32 = 128 << 10;
/// Local data share is handed out in multiples of this.
const LDS_GRANULE: u32 = 1024;

/// Counts `code`. `threads` is the size of a workgroup.
#[must_use]
pub fn count(code: &Code, vgprs: u32, lds_bytes: u32, threads: u32) -> Statistics {
    let all = || code.blocks.iter().flat_map(|block| &block.lines);
    let body: Vec<&Line> = code
        .innermost_loop()
        .into_iter()
        .flat_map(|block| &code.blocks[block].lines)
        .collect();
    let loaded = |line: &&Line| bytes(line, Class::VmemLoad);
    let stored = |line: &&Line| bytes(line, Class::VmemStore);
    let of_class = |class: Class| {
        body.iter()
            .filter(|l| l.inst.op.row().class == class)
            .count()
    };
    Statistics {
        instructions: all().count() as u32,
        by_class: by_class(all()),
        dual: all().filter(|line| line.inst.dual.is_some()).count() as u32,
        inner_loop: body.len() as u32,
        inner_loop_by_class: by_class(body.iter().copied()),
        inner_loop_wmma: of_class(Class::Wmma) as u32,
        inner_loop_bytes_loaded: body.iter().map(loaded).sum(),
        bytes_loaded: all().map(|line| loaded(&line)).sum(),
        bytes_stored: all().map(|line| stored(&line)).sum(),
        waves_per_simd: waves_per_simd(vgprs, lds_bytes, threads),
    }
}

fn by_class<'a>(lines: impl Iterator<Item = &'a Line>) -> Vec<(Class, u32)> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line.inst.op.row().class).or_default() += 1;
    }
    counts.into_iter().collect()
}

/// Bytes per lane that a vector memory instruction of `class` moves.
fn bytes(line: &Line, class: Class) -> u32 {
    let row = line.inst.op.row();
    if row.class == class {
        row.bytes.into()
    } else {
        0
    }
}

/// Waves that a SIMD can hold at once, by registers and by local data share.
#[must_use]
pub fn waves_per_simd(vgprs: u32, lds_bytes: u32, threads: u32) -> u32 {
    let by_registers = VGPRS_PER_SIMD / vgprs.max(1).next_multiple_of(VGPR_GRANULE);
    let waves_per_group = threads.div_ceil(32).max(1);
    let by_lds = match lds_bytes {
        0 => MOST_WAVES,
        bytes => {
            let groups = LDS_PER_WGP / bytes.next_multiple_of(LDS_GRANULE);
            groups * waves_per_group / SIMDS_PER_WGP
        }
    };
    by_registers.min(by_lds).min(MOST_WAVES)
}

#[cfg(test)]
mod tests {
    use super::waves_per_simd;

    #[test]
    fn occupancy_follows_the_table_of_llvm() {
        // `; Occupancy` of llc-19 for gfx1100, wave32, by number of VGPRs.
        let table = [
            (1, 16),
            (96, 16),
            (97, 12),
            (120, 12),
            (121, 10),
            (144, 10),
            (145, 9),
            (168, 9),
            (169, 8),
            (192, 8),
            (193, 7),
            (216, 7),
            (217, 6),
            (240, 6),
            (241, 5),
            (256, 5),
        ];
        for (vgprs, waves) in table {
            assert_eq!(waves_per_simd(vgprs, 0, 256), waves, "{vgprs} VGPRs");
        }
        let lds = [(8, 16), (16, 16), (32, 8), (64, 4)];
        for (kib, waves) in lds {
            assert_eq!(waves_per_simd(24, kib << 10, 256), waves, "{kib} KiB");
        }
    }
}
