//! The rewriting rules of [`super::simplify`]: identities that hold for every input, bit for bit.
//!
//! Float rules keep the sign of zero and NaN; that WGSL allows more is used in `contract` alone.

use super::simplify::Walk;
use crate::ir::{Binary, Op, Pred, Ternary, Type, Unary, Value, scalar};

/// What an operation is replaced by.
pub(super) enum Rewrite {
    /// A value that exists.
    Value(Value),
    /// Another operation of the same type.
    Op(Op),
}

use Rewrite::{Op as To, Value as Is};

/// One step, if a rule applies.
pub(super) fn rewrite(walk: &mut Walk<'_>, op: &Op, ty: Type) -> Option<Rewrite> {
    match op {
        Op::Unary(unary_op, a) => unary(walk, *unary_op, *a, ty),
        Op::Binary(binary_op, [a, b]) => binary(walk, *binary_op, *a, *b, ty),
        Op::Ternary(ternary_op, values) => ternary(walk, *ternary_op, *values, ty),
        Op::Compare(pred, [a, b]) => compare(walk, *pred, *a, *b),
        Op::Select(values) => select(walk, *values, ty),
        Op::Word(a, k) => word(walk, *a, *k, ty),
        Op::Pack([a, b]) => pack(walk, *a, *b),
        Op::Shuffle(..) | Op::Subgroup(..) => None,
        Op::BroadcastFirst(a) => walk.bits(*a).map(|_| Is(*a)),
        _ => None,
    }
}

fn constant(bits: u64, ty: Type) -> Option<Rewrite> {
    Some(To(Op::Const(scalar::truncate(bits, ty))))
}

fn unary(walk: &Walk<'_>, op: Unary, a: Value, ty: Type) -> Option<Rewrite> {
    let from = walk.ty(a);
    if let Some(bits) = walk.bits(a) {
        return constant(scalar::fold_unary(op, from, ty, bits)?, ty);
    }
    if op == Unary::Bitcast && from == ty {
        return Some(Is(a));
    }
    let inner = walk.definition(a)?;
    Some(match (op, inner) {
        (Unary::Bitcast, Op::Unary(Unary::Bitcast, b)) => To(Op::Unary(Unary::Bitcast, *b)),
        (Unary::Not, Op::Unary(Unary::Not, b))
        | (Unary::FNeg, Op::Unary(Unary::FNeg, b))
        | (Unary::INeg, Op::Unary(Unary::INeg, b)) => Is(*b),
        (Unary::F16FromF32, Op::Unary(Unary::F32FromF16, b)) => Is(*b),
        (Unary::Truncate, Op::Unary(Unary::ZeroExtend | Unary::SignExtend, b))
            if walk.ty(*b) == ty =>
        {
            Is(*b)
        }
        (Unary::Not, Op::Compare(pred, values)) if ty == Type::Bool => {
            let (pred, exchange) = inverse(*pred)?;
            let [x, y] = *values;
            To(Op::Compare(pred, if exchange { [y, x] } else { [x, y] }))
        }
        (Unary::FAbs, Op::Unary(Unary::FNeg | Unary::FAbs, b)) => To(Op::Unary(Unary::FAbs, *b)),
        (Unary::Half(k), Op::Pack(halves)) => Is(halves[usize::from(k)]),
        (Unary::F32FromU, Op::Ternary(Ternary::ExtractU, [word, offset, width])) => {
            let (offset, width) = (walk.bits(*offset)?, walk.bits(*width)?);
            if width != 8 || offset % 8 != 0 || offset >= 32 {
                return None;
            }
            To(Op::Unary(Unary::F32FromByte((offset / 8) as u8), *word))
        }
        (Unary::F32FromU, Op::Binary(Binary::ShrU, [word, count]))
            if walk.bits(*count) == Some(24) =>
        {
            To(Op::Unary(Unary::F32FromByte(3), *word))
        }
        (Unary::F32FromU, Op::Binary(Binary::And, [word, mask]))
            if walk.bits(*mask) == Some(255) =>
        {
            To(Op::Unary(Unary::F32FromByte(0), *word))
        }
        _ => return None,
    })
}

/// The comparison that is true where this one is false; second: with operands exchanged. Ordered float comparisons have
/// none among the predicates, but equality has.
const fn inverse(pred: Pred) -> Option<(Pred, bool)> {
    Some(match pred {
        Pred::Eq => (Pred::Ne, false),
        Pred::Ne => (Pred::Eq, false),
        Pred::ULt => (Pred::ULe, true),
        Pred::ULe => (Pred::ULt, true),
        Pred::SLt => (Pred::SLe, true),
        Pred::SLe => (Pred::SLt, true),
        Pred::FEq => (Pred::FNe, false),
        Pred::FNe => (Pred::FEq, false),
        _ => return None,
    })
}

const fn commutes(op: Binary) -> bool {
    !matches!(
        op,
        Binary::ISub
            | Binary::UDiv
            | Binary::URem
            | Binary::SDiv
            | Binary::SRem
            | Binary::Shl
            | Binary::ShrU
            | Binary::ShrS
            | Binary::FSub
            | Binary::FDiv
            | Binary::FRem
    )
}

fn binary(walk: &mut Walk<'_>, op: Binary, a: Value, b: Value, ty: Type) -> Option<Rewrite> {
    match (walk.bits(a), walk.bits(b)) {
        (Some(x), Some(y)) => {
            if let Some(bits) = scalar::fold_binary(op, ty, x, y) {
                return constant(bits, ty);
            }
        }
        // Constants stand second, and of two values the older first: equal operations then look equal.
        (Some(_), None) if commutes(op) => return Some(To(Op::Binary(op, [b, a]))),
        (None, None) if commutes(op) && b < a => return Some(To(Op::Binary(op, [b, a]))),
        (None, Some(y)) => {
            if let Some(rewrite) = with_constant(walk, op, a, b, y, ty) {
                return Some(rewrite);
            }
        }
        _ => {}
    }
    if a == b {
        match op {
            Binary::And
            | Binary::Or
            | Binary::UMin
            | Binary::UMax
            | Binary::SMin
            | Binary::SMax => {
                return Some(Is(a));
            }
            Binary::Xor | Binary::ISub => return constant(0, ty),
            _ => {}
        }
    }
    // A dot product takes a sum in.
    if op == Binary::IAdd {
        for (x, y) in [(a, b), (b, a)] {
            if let Some(Op::Ternary(dot @ (Ternary::Dot4S | Ternary::Dot4U), [u, v, zero])) =
                walk.definition(x)
                && walk.bits(*zero) == Some(0)
            {
                return Some(To(Op::Ternary(*dot, [*u, *v, y])));
            }
        }
    }
    // (x + c) + y = (x + y) + c: constants move outwards, where addresses take them in.
    if op == Binary::IAdd {
        for (x, y) in [(a, b), (b, a)] {
            if let Some(Op::Binary(Binary::IAdd, [inner, c])) = walk.definition(x).cloned()
                && walk.bits(c).is_some()
                && walk.bits(y).is_none()
            {
                let sum = walk.make(Op::Binary(Binary::IAdd, [inner, y]), ty);
                return Some(To(Op::Binary(Binary::IAdd, [sum, c])));
            }
        }
    }
    None
}

/// Rules with a constant `y` (value `b`) on the right.
fn with_constant(
    walk: &mut Walk<'_>,
    op: Binary,
    a: Value,
    b: Value,
    y: u64,
    ty: Type,
) -> Option<Rewrite> {
    let ones = scalar::truncate(u64::MAX, ty);
    match (op, y) {
        (
            Binary::IAdd
            | Binary::ISub
            | Binary::Or
            | Binary::Xor
            | Binary::Shl
            | Binary::ShrU
            | Binary::ShrS
            | Binary::UMax,
            0,
        )
        | (Binary::IMul | Binary::UDiv | Binary::SDiv, 1) => return Some(Is(a)),
        (Binary::IMul | Binary::And | Binary::UMin, 0) | (Binary::URem | Binary::SRem, 1) => {
            return constant(0, ty);
        }
        (Binary::And | Binary::UMin, _) if y == ones => return Some(Is(a)),
        (Binary::Or | Binary::UMax, _) if y == ones => return constant(ones, ty),
        (Binary::Xor, _) if y == ones => return Some(To(Op::Unary(Unary::Not, a))),
        // x * 1.0, x / 1.0 and x + -0.0 are x for every x, NaN and zeros included.
        (Binary::FMul | Binary::FDiv, _) if Some(y) == one(ty) => return Some(Is(a)),
        (Binary::FAdd, 0x8000_0000) if ty == Type::F32 => return Some(Is(a)),
        (Binary::FSub, 0) if ty == Type::F32 => return Some(Is(a)),
        (Binary::ISub, _) => {
            let negated = walk.constant(y.wrapping_neg(), ty);
            return Some(To(Op::Binary(Binary::IAdd, [a, negated])));
        }
        (Binary::IMul, _) if y.is_power_of_two() => {
            let count = walk.constant(y.trailing_zeros().into(), Type::I32);
            return Some(To(Op::Binary(Binary::Shl, [a, count])));
        }
        (Binary::UDiv, _) if y.is_power_of_two() => {
            let count = walk.constant(y.trailing_zeros().into(), Type::I32);
            return Some(To(Op::Binary(Binary::ShrU, [a, count])));
        }
        (Binary::URem, _) if y.is_power_of_two() => {
            let mask = walk.constant(y - 1, ty);
            return Some(To(Op::Binary(Binary::And, [a, mask])));
        }
        _ => {}
    }
    let inner = walk.definition(a)?.clone();
    let Op::Binary(inner_op, [x, c]) = inner else {
        return bits_of_known(walk, op, a, y, ty);
    };
    let Some(c_bits) = walk.bits(c) else {
        return bits_of_known(walk, op, a, y, ty);
    };
    let merged = |walk: &mut Walk<'_>, op, bits| {
        let both = walk.constant(bits, ty);
        Some(To(Op::Binary(op, [x, both])))
    };
    match (op, inner_op) {
        (Binary::IAdd, Binary::IAdd) => merged(walk, op, c_bits.wrapping_add(y)),
        (Binary::IMul, Binary::IMul) => merged(walk, op, c_bits.wrapping_mul(y)),
        (Binary::And, Binary::And) => merged(walk, op, c_bits & y),
        (Binary::Or, Binary::Or) => merged(walk, op, c_bits | y),
        (Binary::Xor, Binary::Xor) => merged(walk, op, c_bits ^ y),
        (Binary::Shl, Binary::Shl) | (Binary::ShrU, Binary::ShrU)
            if ty == Type::I32 && c_bits < 32 && y < 32 =>
        {
            let sum = c_bits + y;
            if sum >= 32 {
                return constant(0, ty);
            }
            let both = walk.constant(sum, Type::I32);
            Some(To(Op::Binary(op, [x, both])))
        }
        // (x * c) << y = x * (c << y); (x << c) * y likewise.
        (Binary::Shl, Binary::IMul) if ty == Type::I32 && y < 32 => {
            merged(walk, Binary::IMul, c_bits << y)
        }
        (Binary::IMul, Binary::Shl) if ty == Type::I32 && c_bits < 32 => {
            merged(walk, Binary::IMul, y << c_bits)
        }
        // (x + c) << y = (x << y) + (c << y), and the same for a product: constants move outwards.
        (Binary::Shl, Binary::IAdd) if ty == Type::I32 && y < 32 => {
            let scaled = walk.make(Op::Binary(Binary::Shl, [x, b]), ty);
            let offset = walk.constant(c_bits << y, ty);
            Some(To(Op::Binary(Binary::IAdd, [scaled, offset])))
        }
        (Binary::IMul, Binary::IAdd) if ty == Type::I32 => {
            let scaled = walk.make(Op::Binary(Binary::IMul, [x, b]), ty);
            let offset = walk.constant(c_bits.wrapping_mul(y), ty);
            Some(To(Op::Binary(Binary::IAdd, [scaled, offset])))
        }
        (Binary::And, Binary::ShrU) if ty == Type::I32 && c_bits < 32 => field(walk, x, c_bits, y),
        // (x << c) >> c drops high bits; (x >> c) << c low ones.
        (Binary::ShrU, Binary::Shl) if ty == Type::I32 && c_bits == y && y < 32 => {
            merged(walk, Binary::And, 0xffff_ffff >> y)
        }
        (Binary::Shl, Binary::ShrU) if ty == Type::I32 && c_bits == y && y < 32 => {
            merged(walk, Binary::And, 0xffff_ffff << y)
        }
        _ => bits_of_known(walk, op, a, y, ty),
    }
}

/// Masks that keep every bit that can be set.
fn bits_of_known(walk: &Walk<'_>, op: Binary, a: Value, y: u64, ty: Type) -> Option<Rewrite> {
    if ty != Type::I32 || op != Binary::And {
        return None;
    }
    let bound = walk.upper_bound(a);
    // All bits of the bound's width stand in the mask.
    let all = u64::from(u32::MAX.checked_shr(bound.leading_zeros()).unwrap_or(0));
    (all & !y == 0).then_some(Is(a))
}

/// `(x >> offset) & mask` as a bit field, where the mask is one.
fn field(walk: &mut Walk<'_>, x: Value, offset: u64, mask: u64) -> Option<Rewrite> {
    let width = u64::from(mask.trailing_ones());
    if mask >> width != 0 || width == 0 {
        return None;
    }
    if offset + width >= 32 {
        let count = walk.constant(offset, Type::I32);
        return Some(To(Op::Binary(Binary::ShrU, [x, count])));
    }
    let offset = walk.constant(offset, Type::I32);
    let width = walk.constant(width, Type::I32);
    Some(To(Op::Ternary(Ternary::ExtractU, [x, offset, width])))
}

const fn one(ty: Type) -> Option<u64> {
    match ty {
        Type::F32 => Some(0x3f80_0000),
        Type::F16 => Some(0x3c00),
        Type::F16x2 => Some(0x3c00_3c00),
        _ => None,
    }
}

fn ternary(walk: &mut Walk<'_>, op: Ternary, values: [Value; 3], ty: Type) -> Option<Rewrite> {
    if let [Some(a), Some(b), Some(c)] = values.map(|value| walk.bits(value))
        && let Some(bits) = scalar::fold_ternary(op, ty, [a, b, c])
    {
        return constant(bits, ty);
    }
    let [a, b, c] = values;
    match op {
        Ternary::ExtractU => {
            let (offset, width) = (walk.bits(b)?, walk.bits(c)?);
            if width == 0 {
                return constant(0, ty);
            }
            if offset == 0 {
                if width >= 32 {
                    return Some(Is(a));
                }
                let mask = walk.constant((1 << width) - 1, ty);
                return Some(To(Op::Binary(Binary::And, [a, mask])));
            }
            (offset < 32 && offset + width >= 32).then_some(To(Op::Binary(Binary::ShrU, [a, b])))
        }
        Ternary::ExtractS => {
            let (offset, width) = (walk.bits(b)?, walk.bits(c)?);
            (offset < 32 && width > 0 && offset + width >= 32)
                .then_some(To(Op::Binary(Binary::ShrS, [a, b])))
        }
        _ => None,
    }
}

fn compare(walk: &Walk<'_>, pred: Pred, a: Value, b: Value) -> Option<Rewrite> {
    let ty = walk.ty(a);
    if let (Some(x), Some(y)) = (walk.bits(a), walk.bits(b)) {
        return constant(scalar::compare(pred, ty, x, y).into(), Type::Bool);
    }
    if a == b {
        match pred {
            Pred::Eq | Pred::ULe | Pred::SLe => return constant(1, Type::Bool),
            Pred::Ne | Pred::ULt | Pred::SLt => return constant(0, Type::Bool),
            _ => {}
        }
    }
    // A Bool that became a number and back.
    if let (Pred::Ne | Pred::Eq, Some(0), Some(Op::Select([c, one, zero]))) =
        (pred, walk.bits(b), walk.definition(a))
        && walk.bits(*zero) == Some(0)
        && walk.bits(*one).is_some_and(|bits| bits != 0)
    {
        return Some(match pred {
            Pred::Ne => Is(*c),
            _ => To(Op::Unary(Unary::Not, *c)),
        });
    }
    if ty != Type::I32 {
        return None;
    }
    // What the ranges of both sides decide.
    let bound = |value| match walk.bits(value) {
        Some(bits) => (bits as u32, bits as u32),
        None => (0, walk.upper_bound(value)),
    };
    let ((low_a, high_a), (low_b, high_b)) = (bound(a), bound(b));
    let unsigned = match pred {
        Pred::ULt => true,
        Pred::ULe => true,
        Pred::SLt | Pred::SLe => high_a <= i32::MAX as u32 && high_b <= i32::MAX as u32,
        _ => false,
    };
    if !unsigned {
        return None;
    }
    let strict = matches!(pred, Pred::ULt | Pred::SLt);
    if (strict && high_a < low_b) || (!strict && high_a <= low_b) {
        return constant(1, Type::Bool);
    }
    if (strict && low_a >= high_b) || (!strict && low_a > high_b) {
        return constant(0, Type::Bool);
    }
    // Known not to be negative: the unsigned comparison is the same.
    let canonical = match pred {
        Pred::SLt => Pred::ULt,
        Pred::SLe => Pred::ULe,
        _ => return None,
    };
    Some(To(Op::Compare(canonical, [a, b])))
}

fn select(walk: &Walk<'_>, [condition, yes, no]: [Value; 3], ty: Type) -> Option<Rewrite> {
    if let Some(bits) = walk.bits(condition) {
        return Some(Is(if bits != 0 { yes } else { no }));
    }
    if yes == no {
        return Some(Is(yes));
    }
    if let Some(Op::Unary(Unary::Not, inner)) = walk.definition(condition) {
        return Some(To(Op::Select([*inner, no, yes])));
    }
    if ty == Type::Bool {
        return Some(match (walk.bits(yes), walk.bits(no)) {
            (Some(1), Some(0)) => Is(condition),
            (Some(0), Some(1)) => To(Op::Unary(Unary::Not, condition)),
            (Some(1), None) => To(Op::Binary(Binary::Or, [condition, no])),
            (None, Some(0)) => To(Op::Binary(Binary::And, [condition, yes])),
            _ => return None,
        });
    }
    None
}

fn word(walk: &Walk<'_>, a: Value, k: u8, ty: Type) -> Option<Rewrite> {
    match walk.definition(a)? {
        Op::Join(parts) => {
            let part = parts[usize::from(k)];
            Some(if walk.ty(part) == ty {
                Is(part)
            } else {
                To(Op::Unary(Unary::Bitcast, part))
            })
        }
        Op::Const(bits) => constant(bits >> (32 * u32::from(k)), ty),
        _ => None,
    }
}

fn pack(walk: &Walk<'_>, a: Value, b: Value) -> Option<Rewrite> {
    if let (Some(low), Some(high)) = (walk.bits(a), walk.bits(b)) {
        return constant(low | high << 16, Type::F16x2);
    }
    match (walk.definition(a)?, walk.definition(b)?) {
        (Op::Unary(Unary::Half(0), x), Op::Unary(Unary::Half(1), y)) if x == y => {
            (walk.ty(*x) == Type::F16x2).then_some(Is(*x))
        }
        (Op::Unary(Unary::F16FromF32, x), Op::Unary(Unary::F16FromF32, y)) => {
            Some(To(Op::PackFromF32([*x, *y])))
        }
        _ => None,
    }
}
