//! What an instruction costs, for the scheduler: a model, not a promise.
//!
//! | what | cycles | source |
//! | --- | --- | --- |
//! | VALU, SALU, TRANS, quarter rate | 5, 2, 10, 8 to the result | ACO's figures for `s_delay_alu` (`aco_insert_delay_alu`) |
//! | TRANS and quarter-rate multiply | occupy 8 lanes a clock: 4 cycles | ACO's cost table |
//! | WMMA | occupies the vector ALU for 32 cycles (iu4: 16) | ACO's cost table |
//! | buffer load | 320 to the result | 128 ns at 2.5 GHz, the measured latency of the last cache (Chips and Cheese) |
//! | LDS, SMEM | 64, 200 to the result | estimates between the best and the loaded case |

use super::{Inst, Kind};
use gfx1100_isa as isa;
use isa::{Class, Op};

/// Cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    /// From issue until the result can be used.
    pub(super) latency: u32,
    /// For which its unit takes no other instruction.
    pub(super) occupies: u32,
    /// The unit: 0 vector ALU, 1 transcendental, 2 scalar, 3 vector memory, 4 local memory, 5 the rest.
    pub(super) unit: usize,
}

/// Units that [`Cost::unit`] names.
pub(super) const UNITS: usize = 6;

const fn of(latency: u32, occupies: u32, unit: usize) -> Cost {
    Cost {
        latency,
        occupies,
        unit,
    }
}

/// The cost of an instruction.
pub(super) fn cost(inst: &Inst) -> Cost {
    let Kind::Isa(op) = inst.kind else {
        // Most copies vanish.
        return of(1, 0, 5);
    };
    match op.row().class {
        Class::Valu | Class::Dot => of(5, 1, 0),
        Class::ValuSlow => of(8, 4, 0),
        Class::Trans => of(10, 4, 1),
        Class::Wmma if op == Op::V_WMMA_I32_16X16X16_IU4 => of(21, 16, 0),
        Class::Wmma => of(37, 32, 0),
        Class::Salu => of(2, 1, 2),
        Class::Smem => of(200, 1, 2),
        Class::LdsLoad | Class::LdsAtomic | Class::LdsCross => of(64, 1, 4),
        Class::LdsStore => of(1, 1, 4),
        Class::VmemLoad | Class::VmemAtomic => of(320, 1, 3),
        Class::VmemStore => of(1, 1, 3),
        Class::Branch | Class::Control | Class::Barrier | Class::End => of(1, 0, 5),
    }
}

/// A load that joins others of its kind in a clause: same unit, no store.
pub(super) fn clause(inst: &Inst) -> Option<Class> {
    let Kind::Isa(op) = inst.kind else {
        return None;
    };
    let class = op.row().class;
    matches!(class, Class::VmemLoad | Class::LdsLoad | Class::Smem).then_some(class)
}
