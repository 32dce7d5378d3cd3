//! VOPD: two operations of 32 bits in one instruction, and the rules of pairing.
//!
//! Both halves read all their sources before either writes. The register file has four banks (register number modulo
//! 4) and a port each for the first, second and third source of a half, so that the same source of both halves must
//! come from different banks; the third source (accumulator, addend of fmamk) has only the parity to differ in.
//! Source: AMD "RDNA3 Instruction Set Architecture", "VOPD"; the same rules as in `llvm-mc-19`.

use crate::inst::{Inst, Place};
use crate::operand::Operand;
use crate::rules::{self, Rule};
use crate::table::Op;

/// The operation under an opcode of the X or Y table.
pub(crate) fn op(opcode: u32, y: bool) -> Option<Op> {
    Op::ALL.iter().copied().find(|op| {
        let row = op.row();
        let there = if y {
            row.effects.dual_y
        } else {
            row.effects.dual_x
        };
        there && u32::from(row.dual) == opcode
    })
}

/// The shape of a half beside its destination and first source.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One source.
    Move,
    /// Two sources; the flag: the destination is a third.
    Two(bool),
    /// Two sources and K added.
    AddK,
    /// One source, times K, plus the second.
    MulK,
    /// Two sources and VCC.
    Select,
}

/// What a half's operands are.
pub(crate) fn shape(op: Op) -> Shape {
    match op {
        Op::V_MOV_B32 => Shape::Move,
        Op::V_FMAAK_F32 => Shape::AddK,
        Op::V_FMAMK_F32 => Shape::MulK,
        Op::V_CNDMASK_B32 => Shape::Select,
        _ => Shape::Two(op.row().effects.reads_dst),
    }
}

/// Checks the rules of pairing.
pub(crate) fn check(inst: &Inst) -> Result<(), Rule> {
    let dual = inst.dual.ok_or(Rule::Dual)?;
    if !dual.x.row().effects.dual_x {
        return Err(Rule::NotDual(dual.x));
    }
    if !dual.y.row().effects.dual_y {
        return Err(Rule::NotDual(dual.y));
    }
    let shapes = [shape(dual.x), shape(dual.y)];
    let places = [
        (Place::Dst0, Place::Src0, Place::Src1),
        (Place::Dst1, Place::Src2, Place::Src3),
    ];
    for ((dst, src0, src1), shape) in places.into_iter().zip(shapes) {
        half(inst, shape, dst, src0, src1)?;
    }
    if inst.mods != crate::inst::Mods::default() {
        return Err(Rule::Modifier("of any kind in VOPD"));
    }
    let (Operand::V(x), Operand::V(y)) = (inst.dst[0], inst.dst[1]) else {
        return Err(Rule::DualDestinations);
    };
    if x % 2 == y % 2 {
        return Err(Rule::DualDestinations);
    }
    constants(inst, shapes, dual.literal)?;
    // Last, so that a lenient decoder that lets it pass has seen all else.
    banks(inst, shapes)
}

/// Checks the operands of one half by themselves.
fn half(inst: &Inst, shape: Shape, dst: Place, src0: Place, src1: Place) -> Result<(), Rule> {
    use crate::row::Field;
    let is_vector = |place| matches!(inst.get(place), Operand::V(_));
    if !is_vector(dst) {
        return Err(Rule::Field(dst, Field::Vgpr, inst.get(dst)));
    }
    let source = match inst.get(src0) {
        Operand::S(0..=107 | 124..=127) | Operand::V(_) | Operand::Literal(_) => true,
        Operand::Inline(code) => rules::is_inline(code),
        _ => false,
    };
    if !source {
        return Err(Rule::Field(src0, Field::Src, inst.get(src0)));
    }
    match (shape, inst.get(src1)) {
        (Shape::Move, Operand::None) => Ok(()),
        (Shape::Move, _) => Err(Rule::Unexpected(src1)),
        (_, Operand::V(_)) => Ok(()),
        (_, other) => Err(Rule::Field(src1, Field::Vgpr, other)),
    }
}

/// Sources of the same kind come from different banks.
fn banks(inst: &Inst, shapes: [Shape; 2]) -> Result<(), Rule> {
    let clash = |x, y, banks: u8| match (inst.get(x), inst.get(y)) {
        (Operand::V(a), Operand::V(b)) => a % banks == b % banks,
        _ => false,
    };
    let second = |shape, place| (shape != Shape::MulK).then_some(place);
    let third = |shape, dst, src1| match shape {
        Shape::MulK => Some(src1),
        Shape::Two(true) => Some(dst),
        _ => None,
    };
    let [x, y] = shapes;
    let pairs = [
        (Some(Place::Src0), Some(Place::Src2), 4),
        (second(x, Place::Src1), second(y, Place::Src3), 4),
        (
            third(x, Place::Dst0, Place::Src1),
            third(y, Place::Dst1, Place::Src3),
            2,
        ),
    ];
    for pair in pairs {
        if let (Some(x), Some(y), banks) = pair
            && clash(x, y, banks)
        {
            return Err(Rule::DualBank(x, y));
        }
    }
    Ok(())
}

/// One literal for both, and two scalars with it.
fn constants(inst: &Inst, shapes: [Shape; 2], k: Option<u32>) -> Result<(), Rule> {
    let needs = shapes
        .iter()
        .any(|shape| matches!(shape, Shape::AddK | Shape::MulK));
    if needs != k.is_some() {
        return Err(Rule::DualLiteral);
    }
    let mut literal = k;
    let mut seen = [Operand::None; 4];
    // As LLVM does, the VCC that is read unnamed is counted apart from a vcc_lo that is named.
    let mut found = 0;
    let vcc = usize::from(shapes.contains(&Shape::Select));
    for operand in [inst.src[0], inst.src[2]] {
        let counts = match operand {
            Operand::Literal(value) => {
                if let Some(other) = literal
                    && other != value
                {
                    return Err(Rule::TwoLiterals(other, value));
                }
                literal = Some(value);
                false
            }
            Operand::S(_) => operand != Operand::NULL,
            Operand::Inline(code) => !matches!(code, 128..=208 | 240..=248),
            _ => false,
        };
        if counts && !seen.contains(&operand) {
            seen[found] = operand;
            found += 1;
        }
    }
    found += vcc + usize::from(literal.is_some());
    if found > 2 {
        return Err(Rule::ConstantBus { limit: 2, found });
    }
    Ok(())
}
