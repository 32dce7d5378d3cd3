//! Rules that an instruction breaks by itself, whatever the state of the wave.

use gfx1100_isa::{Class, Dual, Effects, Field, Format, Inst, Op, Operand, Row, Ty};

use super::registers::Registers;
use crate::rule::Rule;

/// A set of rules, by their bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) u64);

impl Broken {
    pub(crate) fn add(&mut self, broken: bool, rule: Rule) {
        self.0 |= u64::from(broken) << rule as u8;
    }
}

/// What the instruction breaks. `previous` stands before it in the code; `allocated` is the number of VGPRs of the wave.
pub(crate) fn broken(
    inst: &Inst,
    registers: &Registers,
    previous: Option<&Inst>,
    allocated: u32,
) -> Broken {
    let mut broken = Broken::default();
    let row = inst.op.row();
    broken.add(registers.overrun, Rule::RegisterRange);
    broken.add(registers.misaligned, Rule::MisalignedSgprs);
    let mut touched = registers.vector_reads;
    touched.extend(&registers.vector_writes);
    let beyond = touched
        .last()
        .is_some_and(|last| u32::from(last) >= allocated);
    broken.add(beyond, Rule::RegisterAllocation);
    let scalars = registers.scalar_reads | registers.scalar_writes;
    broken.add(scalars >> 127 & 1 == 1, Rule::ExecHi);
    broken.add(scalars >> 107 & 1 == 1, Rule::VccHi);
    if let Some(dual) = inst.dual {
        vopd(inst, dual, &mut broken);
        return broken;
    }
    match row.class {
        Class::Valu | Class::Trans | Class::ValuSlow | Class::Dot => {
            valu(inst, row, registers, &mut broken);
        }
        Class::Wmma => wmma(inst, row, &mut broken),
        _ => {}
    }
    let dealloc = inst.op == Op::S_SENDMSG && inst.imm & 0xff == 3;
    let after_nop = previous.is_some_and(|previous| previous.op == Op::S_NOP);
    broken.add(dealloc && !after_nop, Rule::DeallocNop);
    broken
}

fn valu(inst: &Inst, row: &Row, registers: &Registers, broken: &mut Broken) {
    let shift64 = matches!(
        inst.op,
        Op::V_LSHLREV_B64 | Op::V_LSHRREV_B64 | Op::V_ASHRREV_I64
    );
    let mut scalars = Scalars::default();
    for operand in &inst.src[..row.src.len()] {
        scalars.add(*operand);
    }
    scalars.implicit(row.effects);
    let limit = if shift64 { 1 } else { 2 };
    broken.add(scalars.count() > limit, Rule::ScalarOperands);
    let literal_with_dpp = scalars.literals > 0 && inst.mods.dpp.is_some();
    broken.add(scalars.literals > 1 || literal_with_dpp, Rule::Literals);
    let dpp_source = matches!(inst.src[0], Operand::V(_));
    broken.add(inst.mods.dpp.is_some() && !dpp_source, Rule::Literals);
    let dot = row.class == Class::Dot;
    broken.add(dot && uses_op_sel(inst, row), Rule::DotOpSel);
    let mad = matches!(inst.op, Op::V_MAD_U64_U32 | Op::V_MAD_I64_I32);
    let overlap = !registers
        .vector_writes
        .is_disjoint(&registers.vector_reads);
    broken.add(mad && overlap, Rule::MadOverlap);
}

/// `op_sel` away from its default; of VOP3P that is low halves for low results and high ones for high results.
fn uses_op_sel(inst: &Inst, row: &Row) -> bool {
    let sources = (1 << row.src.len()) - 1;
    let packed = row.format == Format::Vop3p;
    inst.mods.op_sel != 0 || packed && inst.mods.op_sel_hi & sources != sources
}

/// Distinct scalar values on the constant bus.
#[derive(Default)]
struct Scalars {
    registers: u128,
    literal: Option<u32>,
    /// Different literals.
    literals: u32,
}

impl Scalars {
    fn add(&mut self, operand: Operand) {
        match operand {
            // NULL is a constant zero and does not use the bus.
            Operand::S(124) => {}
            Operand::S(code) => self.registers |= 1 << code,
            Operand::Literal(value) if self.literal != Some(value) => {
                self.literal = Some(value);
                self.literals += 1;
            }
            Operand::Inline(251) => self.registers |= 1 << 106,
            Operand::Inline(252) => self.registers |= 1 << 126,
            Operand::Inline(253) => self.registers |= 1 << 123,
            _ => {}
        }
    }

    fn implicit(&mut self, effects: Effects) {
        if effects.reads_vcc {
            self.registers |= 1 << 106;
        }
    }

    fn count(&self) -> u32 {
        self.registers.count_ones() + self.literals
    }
}

fn wmma(inst: &Inst, row: &Row, broken: &mut Broken) {
    let range = |operand: Operand, ty: Ty| match operand {
        Operand::V(first) => Some(u32::from(first)..u32::from(first) + u32::from(ty.dwords())),
        _ => None,
    };
    let Some(d) = range(inst.dst[0], row.dst[0].ty) else {
        return;
    };
    let mut overlap = false;
    for index in 0..3 {
        if let Some(source) = range(inst.src[index], row.src[index].ty) {
            let disjoint = source.end <= d.start || d.end <= source.start;
            overlap |= !disjoint && !(index == 2 && source == d);
        }
    }
    broken.add(overlap, Rule::WmmaOverlap);
}

fn vopd(inst: &Inst, dual: Dual, broken: &mut Broken) {
    let [x, y] = [dual.x, dual.y];
    let allowed = x.row().effects.dual_x && y.row().effects.dual_y;
    broken.add(!allowed, Rule::VopdOperation);
    let vgpr = |operand: Operand| match operand {
        Operand::V(register) => Some(register),
        _ => None,
    };
    let [dx, dy] = inst.dst.map(vgpr);
    let parity = dx.zip(dy).is_none_or(|(x, y)| x % 2 != y % 2);
    broken.add(!parity, Rule::VopdDestinations);
    let banks = |x: Option<u8>, y: Option<u8>, count: u8| {
        x.zip(y).is_some_and(|(x, y)| x % count == y % count)
    };
    broken.add(
        banks(vgpr(inst.src[0]), vgpr(inst.src[2]), 4),
        Rule::VopdBanks,
    );
    // v_mov has no second source; the vsrc1 of fmamk is its addend, so it is a third one.
    let second = |op: Op, vsrc1: Operand| match op {
        Op::V_MOV_B32 | Op::V_FMAMK_F32 => None,
        _ => vgpr(vsrc1),
    };
    let seconds = (second(x, inst.src[1]), second(y, inst.src[3]));
    broken.add(banks(seconds.0, seconds.1, 4), Rule::VopdBanks);
    let third = |op: Op, d: Option<u8>, vsrc1: Operand| match op {
        Op::V_FMAMK_F32 => vgpr(vsrc1),
        _ if op.row().effects.reads_dst => d,
        _ => None,
    };
    let thirds = (third(x, dx, inst.src[1]), third(y, dy, inst.src[3]));
    broken.add(banks(thirds.0, thirds.1, 2), Rule::VopdBanks);
    let mut scalars = Scalars::default();
    scalars.add(inst.src[0]);
    scalars.add(inst.src[2]);
    if let Some(literal) = dual.literal {
        scalars.add(Operand::Literal(literal));
    }
    if x == Op::V_CNDMASK_B32 || y == Op::V_CNDMASK_B32 {
        scalars.registers |= 1 << 106;
    }
    let many = scalars.literals > 1 || scalars.count() > 2;
    broken.add(many, Rule::VopdScalars);
}

/// Whether a slot of the row reads a mask.
pub(crate) fn mask_source(row: &Row) -> Option<usize> {
    row.src
        .iter()
        .position(|slot| slot.field == Field::Mask || slot.ty == Ty::Mask)
}
