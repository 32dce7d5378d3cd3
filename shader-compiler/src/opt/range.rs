//! What is known of the size of an integer.

use super::simplify::Walk;
use crate::ir::{Binary, Builtin, Op, Ternary, Unary, Value};

/// No value of this I32, taken as unsigned, is larger. Looks `depth` operations deep.
pub(super) fn upper_bound(walk: &Walk<'_>, value: Value, depth: u32) -> u32 {
    if depth == 0 {
        return u32::MAX;
    }
    let Some(op) = walk.definition(value) else {
        return u32::MAX;
    };
    let size = walk.function.workgroup_size;
    let of = |value: &Value| upper_bound(walk, *value, depth - 1);
    let bits = |value: &Value| walk.bits(*value).map(|bits| bits as u32);
    match op {
        Op::Const(bits) => *bits as u32,
        Op::Builtin(Builtin::LocalInvocationId(k)) => size[usize::from(*k)] - 1,
        Op::Builtin(Builtin::SubgroupInvocationId) => 31,
        Op::Builtin(Builtin::SubgroupId) => size.iter().product::<u32>().div_ceil(32) - 1,
        // The dispatch packet counts workgroups in 32 bits, but global ids must fit 32 bits too.
        Op::Binary(Binary::And, [a, b]) => of(a).min(of(b)),
        Op::Binary(Binary::UMin, [a, b]) => of(a).min(of(b)),
        Op::Binary(Binary::UMax, [a, b]) => of(a).max(of(b)),
        Op::Binary(Binary::Or | Binary::Xor, [a, b]) => {
            let both = of(a) | of(b);
            u32::MAX.checked_shr(both.leading_zeros()).unwrap_or(0)
        }
        Op::Binary(Binary::IAdd, [a, b]) => of(a).saturating_add(of(b)),
        Op::Binary(Binary::IMul, [a, b]) => of(a).saturating_mul(of(b)),
        Op::Binary(Binary::ShrU, [a, b]) => match bits(b) {
            Some(count) if count < 32 => of(a) >> count,
            _ => of(a),
        },
        Op::Binary(Binary::Shl, [a, b]) => match bits(b) {
            Some(count) if count < 32 && of(a).leading_zeros() >= count => of(a) << count,
            _ => u32::MAX,
        },
        Op::Binary(Binary::URem, [_, b]) => match bits(b) {
            Some(divisor) if divisor > 0 => divisor - 1,
            _ => u32::MAX,
        },
        Op::Binary(Binary::UDiv, [a, b]) => match bits(b) {
            Some(divisor) if divisor > 0 => of(a) / divisor,
            _ => of(a),
        },
        Op::Ternary(Ternary::ExtractU, [_, _, width]) => match bits(width) {
            Some(width) if width < 32 => (1 << width) - 1,
            _ => u32::MAX,
        },
        Op::Select([_, a, b]) => of(a).max(of(b)),
        Op::Unary(Unary::PopCount | Unary::Clz | Unary::Ctz, _) => 32,
        _ => u32::MAX,
    }
}
