//! From an instruction to a step: everything but the operands of the vector ALU, which is in [`super::vector`].

use std::collections::HashMap;

use gfx1100_isa::{Class, Format, Inst, Op, Operand, Row, Ty};

use super::access::{access, scalar_load};
use super::operand::{Constants, ScalarSource, scalar_source, source};
use super::step::{
    Condition, Control, Kind, LaneStep, NO_REGISTER, ScalarStep, Shape, Target, WmmaStep,
};
use super::vector;
use crate::alu;
use crate::rule::Rule;

/// What lowering adds to while it goes through the code.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) constants: Constants,
    pub(crate) shapes: Vec<Shape>,
    /// Number of each of them.
    pub(crate) known_shapes: HashMap<Shape, u32>,
}

/// What the loop does for an instruction. `target` finds the step at so many dwords after the next instruction.
pub(crate) fn kind(inst: &Inst, tables: &mut Tables, target: impl Fn(i64) -> Target) -> Kind {
    let row = inst.op.row();
    let lowered = match row.class {
        Class::Salu => scalar(inst, row),
        Class::Smem if row.bytes > 0 => scalar_load(inst).map(Kind::ScalarLoad),
        Class::Smem => Some(Kind::Control(Control::Nothing)),
        Class::Branch => branch(inst, target),
        Class::Valu | Class::Trans | Class::ValuSlow | Class::Dot => valu(inst, row, tables),
        Class::Wmma => wmma(inst, row, tables),
        Class::End if inst.op == Op::S_ENDPGM => Some(Kind::Control(Control::End)),
        Class::End => Some(Kind::Refused(Rule::CodeEnd)),
        Class::Barrier => Some(Kind::Control(Control::Barrier)),
        Class::Control => control(inst),
        _ if inst.mods.gds => None,
        _ => access(inst).map(Kind::Access),
    };
    lowered.unwrap_or(Kind::Refused(Rule::Unsupported))
}

fn code(operand: Operand) -> u8 {
    match operand {
        Operand::S(code) => code,
        _ => NO_REGISTER,
    }
}

fn register(operand: Operand) -> Option<u8> {
    match operand {
        Operand::V(register) => Some(register),
        _ => None,
    }
}

fn scalar(inst: &Inst, row: &Row) -> Option<Kind> {
    let destination = code(inst.dst[0]);
    let wide = row.dst.first().is_some_and(|slot| slot.ty.dwords() == 2);
    let operand = |index: usize| match row.src.get(index) {
        Some(slot) => scalar_source(inst.src[index], slot.ty),
        None => ScalarSource::None,
    };
    match inst.op {
        Op::S_GETREG_B32 => {
            let imm = inst.imm as u16;
            return Some(Kind::Control(Control::GetRegister { destination, imm }));
        }
        Op::S_SETREG_B32 | Op::S_SETREG_IMM32_B32 => {
            let index = usize::from(inst.op == Op::S_SETREG_IMM32_B32);
            return Some(Kind::Control(Control::SetRegister {
                source: operand(index),
                imm: inst.imm as u16,
            }));
        }
        Op::S_GETPC_B64 => return Some(Kind::Control(Control::GetPc(destination))),
        Op::S_MOVRELS_B32
        | Op::S_MOVRELS_B64
        | Op::S_MOVRELD_B32
        | Op::S_MOVRELD_B64
        | Op::S_MOVRELSD_2_B32 => {
            return Some(Kind::Control(Control::MoveRelative {
                op: inst.op,
                destination,
                source: operand(0),
                wide,
            }));
        }
        _ => {}
    }
    let function = alu::scalar(inst.op)?;
    let immediate = ScalarSource::K(u64::from(inst.imm as i16 as i32 as u32));
    let old = if row.effects.reads_dst {
        scalar_source(inst.dst[0], row.dst.first()?.ty)
    } else {
        ScalarSource::None
    };
    let [a, b] = match row.format {
        Format::Sopk if row.effects.reads_dst => [old, immediate],
        Format::Sopk => [operand(0), immediate],
        _ => [operand(0), operand(1)],
    };
    Some(Kind::Scalar(ScalarStep {
        function,
        a,
        b,
        old,
        destination,
        wide,
        writes_scc: row.effects.writes_scc,
        writes_exec: row.effects.writes_exec,
        selects: matches!(inst.op, Op::S_CSELECT_B32 | Op::S_CSELECT_B64),
    }))
}

fn branch(inst: &Inst, target: impl Fn(i64) -> Target) -> Option<Kind> {
    let to = || target(i64::from(inst.imm as i16));
    let condition = match inst.op {
        Op::S_BRANCH => Condition::Always,
        Op::S_CBRANCH_SCC0 => Condition::Scc(false),
        Op::S_CBRANCH_SCC1 => Condition::Scc(true),
        Op::S_CBRANCH_VCCZ => Condition::VccZero(true),
        Op::S_CBRANCH_VCCNZ => Condition::VccZero(false),
        Op::S_CBRANCH_EXECZ => Condition::ExecZero(true),
        Op::S_CBRANCH_EXECNZ => Condition::ExecZero(false),
        Op::S_SETPC_B64 => return Some(Kind::Control(Control::SetPc(code(inst.src[0])))),
        Op::S_SWAPPC_B64 => {
            return Some(Kind::Control(Control::SwapPc {
                destination: code(inst.dst[0]),
                source: code(inst.src[0]),
            }));
        }
        Op::S_CALL_B64 => {
            return Some(Kind::Control(Control::Call {
                destination: code(inst.dst[0]),
                target: to(),
            }));
        }
        _ => return None,
    };
    Some(Kind::Branch(condition, to()))
}

/// MSG_DEALLOC_VGPRS, the one message for compute.
const DEALLOC: i32 = 3;
const NO_WAIT: u8 = 63;

fn control(inst: &Inst) -> Option<Kind> {
    let imm = inst.imm as u32;
    let none = Control::Wait {
        vm: NO_WAIT,
        lgkm: NO_WAIT,
        vs: NO_WAIT,
    };
    let count = (imm & 63) as u8;
    // The SOPK forms add a register to the count; all but `null` are of no use and refused.
    let plain = inst.src[0] == Operand::NULL;
    let control = match inst.op {
        Op::S_WAITCNT => Control::Wait {
            vm: (imm >> 10 & 63) as u8,
            lgkm: (imm >> 4 & 63) as u8,
            vs: NO_WAIT,
        },
        Op::S_WAITCNT_VSCNT if plain => Control::Wait {
            vm: NO_WAIT,
            lgkm: NO_WAIT,
            vs: count,
        },
        Op::S_WAITCNT_VMCNT if plain => Control::Wait {
            vm: count,
            lgkm: NO_WAIT,
            vs: NO_WAIT,
        },
        Op::S_WAITCNT_LGKMCNT if plain => Control::Wait {
            vm: NO_WAIT,
            lgkm: count,
            vs: NO_WAIT,
        },
        Op::S_WAITCNT_EXPCNT if plain => none,
        Op::S_WAIT_IDLE => Control::Wait {
            vm: 0,
            lgkm: 0,
            vs: 0,
        },
        Op::S_WAITCNT_DEPCTR if imm >> 12 & 15 == 0 => Control::WaitVector,
        Op::S_ROUND_MODE => Control::SetMode {
            mask: 0x0f,
            bits: imm & 15,
        },
        Op::S_DENORM_MODE => Control::SetMode {
            mask: 0xf0,
            bits: (imm & 15) << 4,
        },
        Op::S_SENDMSG if imm as i32 & 0xff == DEALLOC => Control::Dealloc,
        Op::S_WAITCNT_DEPCTR
        | Op::S_NOP
        | Op::S_SLEEP
        | Op::S_CLAUSE
        | Op::S_DELAY_ALU
        | Op::S_SETPRIO
        | Op::S_SET_INST_PREFETCH_DISTANCE
        | Op::S_ICACHE_INV
        | Op::S_WAKEUP
        | Op::BUFFER_GL0_INV
        | Op::BUFFER_GL1_INV
        | Op::DS_NOP => Control::Nothing,
        _ => return None,
    };
    Some(Kind::Control(control))
}

fn valu(inst: &Inst, row: &Row, tables: &mut Tables) -> Option<Kind> {
    if let Some(dual) = inst.dual {
        let halves = vector::dual(inst, dual, tables)?;
        return Some(Kind::Dual(halves));
    }
    let lane = matches!(
        inst.op,
        Op::V_READFIRSTLANE_B32
            | Op::V_READLANE_B32
            | Op::V_WRITELANE_B32
            | Op::V_PERMLANE16_B32
            | Op::V_PERMLANEX16_B32
            | Op::V_PERMLANE64_B32
            | Op::V_SWAP_B32
            | Op::V_SWAPREL_B32
            | Op::V_MOVRELD_B32
            | Op::V_MOVRELS_B32
            | Op::V_MOVRELSD_B32
            | Op::V_MOVRELSD_2_B32
            | Op::V_MQSAD_U32_U8
    );
    match inst.op {
        Op::V_NOP => Some(Kind::Control(Control::Nothing)),
        _ if lane => lane_step(inst, row, tables).map(Kind::Lane),
        _ => vector::step(inst, tables).map(Kind::Vector),
    }
}

fn lane_step(inst: &Inst, row: &Row, tables: &mut Tables) -> Option<LaneStep> {
    let destination = register(inst.dst[0]).unwrap_or_else(|| code(inst.dst[0]));
    let writelane = inst.op == Op::V_WRITELANE_B32;
    let scalars = if writelane { [0, 1] } else { [1, 2] };
    Some(LaneStep {
        op: inst.op,
        destination,
        source: source(inst.src[0], row.src.first()?.ty, &mut tables.constants),
        scalars: scalars.map(|index| scalar_source(inst.src[index], Ty::B32)),
        more: [register(inst.src[1]), register(inst.src[2])],
        fetch_inactive: inst.mods.op_sel & 1 == 1,
        bound_control: inst.mods.op_sel & 2 == 2,
        clamp: inst.mods.clamp,
    })
}

fn wmma(inst: &Inst, row: &Row, tables: &mut Tables) -> Option<Kind> {
    // C of the 16-bit and integer forms is an operand of dwords: its inline floats are those of the element type.
    let element = match inst.op {
        Op::V_WMMA_F16_16X16X16_F16 => Ty::F16,
        Op::V_WMMA_BF16_16X16X16_BF16 => Ty::Bf16,
        Op::V_WMMA_I32_16X16X16_IU8 | Op::V_WMMA_I32_16X16X16_IU4 => Ty::I32,
        _ => Ty::F32,
    };
    Some(Kind::Wmma(WmmaStep {
        op: inst.op,
        d: register(inst.dst[0])?,
        a: register(inst.src[0])?,
        b: register(inst.src[1])?,
        c: source(inst.src[2], element, &mut tables.constants),
        registers: row.src.first()?.ty.dwords(),
        neg: inst.mods.neg,
        abs: inst.mods.abs,
        high: inst.mods.op_sel & 4 == 4,
        clamp: inst.mods.clamp,
    }))
}

/// The SGPR of the lane mask that the instruction reads.
pub(crate) fn mask_register(inst: &Inst, row: &Row) -> u8 {
    const VCC: u8 = 106;
    let mask = row.src.iter().position(|slot| slot.ty == Ty::Mask);
    match mask {
        Some(index) => code(inst.src[index]),
        None if row.effects.reads_vcc => VCC,
        None => NO_REGISTER,
    }
}
