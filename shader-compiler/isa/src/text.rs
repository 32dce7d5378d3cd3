//! Assembler and disassembler: LLVM's syntax for gfx1100, one instruction a line.
//!
//! Both ask [`arguments`] which operands stand in a line and in what order, and [`symbols`] for names, so that each reads
//! what the other writes. What the text leaves open follows LLVM: a number that has an inline constant becomes it, and the
//! one-word encoding is taken where it is possible and no suffix says otherwise.

mod operands;
mod parse;
mod print;
mod symbols;

pub use parse::{AsmError, Reason, assemble, assemble_words};
pub use print::disassemble;

use crate::inst::{Inst, Place};
use crate::layout;
use crate::row::{Class, Format};
use crate::table::Op;

/// Something between the commas of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Argument {
    /// An operand.
    Place(Place),
    /// Offset of SMEM: a register, a number, or a register and a modifier.
    ScalarOffset,
    /// `imm` as a hexadecimal number.
    Hex,
    /// `imm` as a decimal number.
    Decimal,
    /// `imm` that need not be there.
    Optional,
    /// `imm` as a branch distance or a label.
    Target,
    /// `imm` as a hardware register and a field of it.
    HardwareRegister,
    /// `imm` as a message.
    Message,
    /// `imm` as counters or other fields.
    Fields(&'static symbols::Fields),
}

/// The arguments of an instruction, in the order of the text. Only opcode, encoding and modifiers need be there: they say
/// which operands it has.
fn arguments(inst: &Inst) -> Vec<Argument> {
    use Argument::{HardwareRegister, Hex, Message, Optional, ScalarOffset, Target};
    use Place::{Dst0, Dst1, Src0, Src1, Src2, Src3};
    let row = inst.op.row();
    let places = |order: &[Place]| {
        let there = |place: &&Place| row.slot(**place).is_some();
        order
            .iter()
            .filter(there)
            .copied()
            .map(Argument::Place)
            .collect::<Vec<_>>()
    };
    match row.format {
        Format::Sop1 if layout::is_message_return(inst.op) => {
            vec![Argument::Place(Dst0), Message]
        }
        Format::Sop1 | Format::Sop2 | Format::Sopc => places(&[Dst0, Src0, Src1]),
        Format::Sopk => match inst.op {
            Op::S_GETREG_B32 => vec![Argument::Place(Dst0), HardwareRegister],
            Op::S_SETREG_B32 => vec![HardwareRegister, Argument::Place(Src0)],
            Op::S_SETREG_IMM32_B32 => vec![HardwareRegister, Argument::Place(Src1)],
            Op::S_CALL_B64 => vec![Argument::Place(Dst0), Target],
            _ => [places(&[Dst0, Src0]), vec![Hex]].concat(),
        },
        Format::Sopp => match inst.op {
            Op::S_WAIT_IDLE | Op::S_CODE_END | Op::S_WAKEUP | Op::S_ICACHE_INV | Op::S_BARRIER => {
                vec![]
            }
            Op::S_ENDPGM => vec![Optional],
            Op::S_WAITCNT => vec![Argument::Fields(&symbols::WAITCNT)],
            Op::S_WAITCNT_DEPCTR => vec![Argument::Fields(&symbols::DEPCTR)],
            Op::S_DELAY_ALU => vec![Argument::Fields(&symbols::DELAY_ALU)],
            Op::S_SENDMSG | Op::S_SENDMSGHALT => vec![Message],
            Op::S_NOP | Op::S_SETPRIO | Op::S_SLEEP | Op::S_TRAP | Op::S_SETHALT => {
                vec![Argument::Decimal]
            }
            _ if row.class == Class::Branch => vec![Target],
            _ => vec![Hex],
        },
        Format::Smem if row.bytes == 0 => vec![],
        Format::Smem => vec![Argument::Place(Dst0), Argument::Place(Src0), ScalarOffset],
        Format::Vopc if row.effects.writes_exec => places(&[Src0, Src1]),
        Format::Mubuf if row.slot(Src1).is_some() => places(&[Src1, Src0, Src2, Src3]),
        Format::Mubuf => places(&[Dst0, Src0, Src2, Src3]),
        Format::Flat | Format::Global if row.class == Class::VmemAtomic && !inst.mods.glc => {
            places(&[Src0, Src1, Src2])
        }
        _ => places(&[Dst0, Dst1, Src0, Src1, Src2, Src3]),
    }
}

/// Whether VOP3P writes the signs of a row before its operands, as VOP3 does: the mixed FMAs.
fn signs_on_operands(op: Op) -> bool {
    let row = op.row();
    row.format != Format::Vop3p || row.src[0].ty == crate::row::Ty::F32
}
