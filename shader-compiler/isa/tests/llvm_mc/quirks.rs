//! What LLVM 19 cannot be asked about, with the reason.

use gfx1100_isa::{Encoding, Format, Inst, Op, Operand, Ty};

/// Instructions whose encoding LLVM cannot confirm.
pub(crate) struct Quirk {
    pub(crate) reason: &'static str,
    pub(crate) applies: fn(&Inst) -> bool,
}

/// All of them. The test fails for one that LLVM has no quarrel with any more.
pub(crate) const QUIRKS: &[Quirk] = &[
    Quirk {
        reason: "the halves of one-word instructions have names (`v0.h`) in LLVM 19 for 14 instructions only",
        applies: |inst| one_word(inst) && inst.mods.op_sel != 0 && !names_halves(inst.op),
    },
    Quirk {
        reason: "LLVM 19 knows v_mov_b16 with named halves only, and in VOP3 prints names beside op_sel",
        applies: |inst| inst.op == Op::V_MOV_B16 && !has_named_halves(inst),
    },
    Quirk {
        reason: "LLVM 19 has no op_sel for 16-bit instructions that were promoted to VOP3, and for some of its own: it \
                 waits for the halves to have names",
        applies: |inst| inst.mods.op_sel != 0 && lacks_op_sel(inst),
    },
    Quirk {
        reason: "LLVM 19 prints the low half of a mixed FMA's literal only, although a source that is f32 takes it whole",
        applies: |inst| {
            let mix = matches!(
                inst.op,
                Op::V_FMA_MIX_F32 | Op::V_FMA_MIXLO_F16 | Op::V_FMA_MIXHI_F16
            );
            mix && inst.literal().is_some_and(|literal| literal > 0xffff)
        },
    },
    Quirk {
        reason: "LLVM 19 prints a negated literal of an f64, and refuses to assemble what it printed",
        applies: |inst| {
            let pairs = inst.src.iter().zip(inst.op.row().src);
            let literal = |operand: &Operand| matches!(operand, Operand::Literal(_));
            inst.mods.neg != 0
                && pairs
                    .into_iter()
                    .any(|(source, slot)| literal(source) && slot.ty == Ty::F64)
        },
    },
    Quirk {
        reason: "LLVM 19 does not print bits of s_delay_alu, s_waitcnt and s_sendmsg that have no name, nor values that have none",
        applies: |inst| match inst.op {
            Op::S_DELAY_ALU => {
                let known = |low: i32| inst.imm >> low & 15 <= 11;
                inst.imm > 0x7ff || inst.imm >> 4 & 7 > 5 || !known(0) || !known(7)
            }
            Op::S_WAITCNT => inst.imm & 8 != 0,
            Op::S_SENDMSG | Op::S_SENDMSGHALT => inst.imm > 0xff,
            _ => false,
        },
    },
    Quirk {
        reason: "LLVM 19 prints a swizzle's meaning, which several numbers share: a lane bit that is set, or cleared and \
                 flipped",
        applies: |inst| {
            let (and, or, xor) = (inst.imm & 31, inst.imm >> 5 & 31, inst.imm >> 10 & 31);
            inst.op == Op::DS_SWIZZLE_B32
                && inst.imm < 0x8000
                && (or & (and | xor) | xor & !and) != 0
        },
    },
];

fn one_word(inst: &Inst) -> bool {
    matches!(
        inst.op.row().format,
        Format::Vop1 | Format::Vop2 | Format::Vopc
    ) && inst.encoding == Encoding::Native
}

/// Whether the halves of this instruction's one-word form have names in LLVM 19.
pub(crate) fn names_halves(op: Op) -> bool {
    matches!(
        op,
        Op::V_MOV_B16
            | Op::V_RCP_F16
            | Op::V_SQRT_F16
            | Op::V_RSQ_F16
            | Op::V_LOG_F16
            | Op::V_EXP_F16
            | Op::V_FLOOR_F16
            | Op::V_CEIL_F16
            | Op::V_ADD_F16
            | Op::V_SUB_F16
            | Op::V_SUBREV_F16
            | Op::V_MUL_F16
            | Op::V_MAX_F16
            | Op::V_MIN_F16
    )
}

/// Whether the test has to ask with names for halves.
pub(crate) fn has_named_halves(inst: &Inst) -> bool {
    one_word(inst) && inst.mods.op_sel != 0 && names_halves(inst.op)
}

fn lacks_op_sel(inst: &Inst) -> bool {
    let row = inst.op.row();
    let promoted = inst.encoding == Encoding::Vop3 && inst.op != Op::V_FMAC_F16;
    promoted
        || row.format == Format::Vop3
            && matches!(
                inst.op,
                Op::V_MUL_LO_U16
                    | Op::V_MAX_U16
                    | Op::V_MIN_U16
                    | Op::V_MAX_I16
                    | Op::V_MIN_I16
                    | Op::V_LSHLREV_B16
                    | Op::V_LSHRREV_B16
                    | Op::V_ASHRREV_I16
                    | Op::V_AND_B16
                    | Op::V_OR_B16
                    | Op::V_XOR_B16
                    | Op::V_CNDMASK_B16
                    | Op::V_MAXMIN_F16
                    | Op::V_MINMAX_F16
            )
}
