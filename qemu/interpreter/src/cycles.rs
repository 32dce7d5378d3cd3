//! The cycle model: what an instruction occupies, how long memory takes, and what follows for a dispatch.
//!
//! It is a model, not a simulation of the card. A wave issues one instruction after the other; each occupies its unit for
//! [`issue`] clocks (rates as ACO's scheduler has them), results of the ALUs are there at once, and those of memory after a fixed latency,
//! which a wave sees only at the `s_waitcnt` that waits for them. Caches, bank conflicts, row misses, clock changes and the
//! competition of waves for one unit are left out, except that a dispatch takes at least as long as
//! - its busiest unit, if its work were spread evenly over the card,
//! - its bytes at the bandwidth of the card's memory, none of them cached,
//! - its longest wave.
//!
//! [`Clocks::card`] is the largest of these. Good for comparing two versions of a kernel and for telling what bounds it; too
//! low where several bounds are near each other, and where few waves run.

use gfx1100_isa::{Class, Inst, Op, Row, Ty};

use crate::report::Traffic;

/// Clocks from issue to data, for a memory without cache hits: about 0.2 us at 2.5 GHz.
pub const VMEM_LATENCY: u64 = 500;
/// The same through the scalar cache.
pub const SMEM_LATENCY: u64 = 200;
/// Clocks from issue to data from LDS.
pub const LDS_LATENCY: u64 = 64;

/// SIMDs of the card: 96 compute units of two.
const SIMDS: u64 = 192;
/// LDS ports and L0 caches: one for each compute unit.
const UNITS: u64 = 96;
/// Bytes per clock of the card's memory: 960 GB/s at 2.5 GHz.
const MEMORY_BYTES: u64 = 384;

/// Clocks that an instruction occupies its unit.
pub(crate) fn issue(inst: &Inst) -> u8 {
    let row = inst.op.row();
    match row.class {
        // 8 lanes a clock.
        Class::Trans => 4,
        Class::ValuSlow => slow(row),
        Class::Wmma if inst.op == Op::V_WMMA_I32_16X16X16_IU4 => 16,
        Class::Wmma => 32,
        // 128 bytes a clock from LDS.
        Class::LdsLoad | Class::LdsStore | Class::LdsAtomic => row.bytes.div_ceil(4).max(1),
        // 64 bytes a clock from L0.
        Class::VmemLoad | Class::VmemStore | Class::VmemAtomic => row.bytes.div_ceil(2).max(1),
        _ => 1,
    }
}

/// Quarter rate for integer products, half rate for 64-bit integers, a 32nd for f64.
fn slow(row: &Row) -> u8 {
    let slots = || row.dst.iter().chain(row.src);
    if slots().any(|slot| slot.ty == Ty::F64) {
        32
    } else if slots().any(|slot| slot.ty.dwords() == 2) {
        2
    } else {
        4
    }
}

/// Clocks, summed over the waves of a dispatch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// Vector ALUs, transcendental and matrix units among them.
    pub vector: u64,
    /// Scalar ALUs, branches, waits and hints.
    pub scalar: u64,
    /// LDS.
    pub lds: u64,
    /// Vector memory: address and data path to L0.
    pub vmem: u64,
    /// The longest wave, with its waits.
    pub longest_wave: u64,
}

impl Clocks {
    pub(crate) fn add(&mut self, class: Class, clocks: u64) {
        let unit = match class {
            Class::Valu | Class::Trans | Class::ValuSlow | Class::Dot | Class::Wmma => {
                &mut self.vector
            }
            Class::LdsLoad | Class::LdsStore | Class::LdsAtomic | Class::LdsCross => &mut self.lds,
            Class::VmemLoad | Class::VmemStore | Class::VmemAtomic => &mut self.vmem,
            _ => &mut self.scalar,
        };
        *unit += clocks;
    }

    /// The least number of clocks in which the card could do it.
    #[must_use]
    pub fn card(&self, traffic: &Traffic) -> u64 {
        [
            self.vector.div_ceil(SIMDS),
            self.scalar.div_ceil(SIMDS),
            self.lds.div_ceil(UNITS),
            self.vmem.div_ceil(UNITS),
            (traffic.loaded + traffic.stored + traffic.scalar).div_ceil(MEMORY_BYTES),
            self.longest_wave,
        ]
        .into_iter()
        .max()
        .unwrap_or(0)
    }
}
