//! Rules that an instruction breaks by itself, whatever the state of the wave. What the decoder refuses is not here.

use gfx1100_isa::{Class, DecodeError, Format, Inst, Op, Operand, Row, Ty};

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
    let mut touched = registers.vector_reads;
    touched.extend(&registers.vector_writes);
    let beyond = touched
        .last()
        .is_some_and(|last| u32::from(last) >= allocated);
    broken.add(beyond, Rule::RegisterAllocation);
    let scalars = registers.scalar_reads | registers.scalar_writes;
    broken.add(scalars >> 127 & 1 == 1, Rule::ExecHi);
    broken.add(scalars >> 107 & 1 == 1, Rule::VccHi);
    let dot = row.class == Class::Dot;
    broken.add(dot && uses_op_sel(inst, row), Rule::DotOpSel);
    let mad = matches!(inst.op, Op::V_MAD_U64_U32 | Op::V_MAD_I64_I32);
    let overlap = !registers.vector_writes.is_disjoint(&registers.vector_reads);
    broken.add(mad && overlap, Rule::MadOverlap);
    broken.add(
        row.class == Class::Wmma && wmma_overlap(inst, row),
        Rule::WmmaOverlap,
    );
    let dealloc = inst.op == Op::S_SENDMSG && inst.imm & 0xff == 3;
    let after_nop = previous.is_some_and(|previous| previous.op == Op::S_NOP);
    broken.add(dealloc && !after_nop, Rule::DeallocNop);
    broken
}

/// `op_sel` away from its default; of VOP3P that is low halves for low results and high ones for high results.
fn uses_op_sel(inst: &Inst, row: &Row) -> bool {
    let sources = (1 << row.src.len()) - 1;
    let packed = row.format == Format::Vop3p;
    inst.mods.op_sel != 0 || packed && inst.mods.op_sel_hi & sources != sources
}

/// Whether D overlaps A or B, or C without being C.
fn wmma_overlap(inst: &Inst, row: &Row) -> bool {
    let range = |operand: Operand, ty: Ty| match operand {
        Operand::V(first) => Some(u32::from(first)..u32::from(first) + u32::from(ty.dwords())),
        _ => None,
    };
    let Some(d) = range(inst.dst[0], row.dst[0].ty) else {
        return false;
    };
    (0..3).any(|index| {
        range(inst.src[index], row.src[index].ty).is_some_and(|source| {
            let overlaps = source.start < d.end && d.start < source.end;
            overlaps && (index != 2 || source != d)
        })
    })
}

/// The rule for what the decoder refuses.
pub(crate) fn refusal(error: &DecodeError) -> Rule {
    use gfx1100_isa::Rule as Encoding;
    match error {
        DecodeError::NonCanonical(..) => Rule::NonCanonical,
        DecodeError::Rule(_, rule) => match rule {
            Encoding::ScalarTuple(..) => Rule::MisalignedSgprs,
            Encoding::VectorTuple(..) => Rule::RegisterRange,
            Encoding::WideLiteral(..) => Rule::Literals,
            Encoding::ConstantBus { .. } => Rule::ScalarOperands,
            Encoding::DualBank(..) => Rule::VopdBanks,
            _ => Rule::ReservedEncoding,
        },
        _ => Rule::ReservedEncoding,
    }
}
