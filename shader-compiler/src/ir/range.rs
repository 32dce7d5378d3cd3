//! What is known of the bits of an I32 without running the kernel: an upper bound, from which leading zeros follow.

use super::{Binary, Builtin, Function, Op, Ternary, Type, Unary, Value};

/// How far definitions are followed.
const DEPTH: u32 = 6;

/// The largest number that an I32, read as unsigned, can be. `op` finds the operation that defines a value.
pub fn upper_bound<'a>(
    function: &Function,
    op: &dyn Fn(Value) -> Option<&'a Op>,
    value: Value,
) -> u32 {
    let bound = bound(function, op, value, DEPTH);
    u32::try_from(bound).unwrap_or(u32::MAX)
}

fn bound<'a>(
    function: &Function,
    op: &dyn Fn(Value) -> Option<&'a Op>,
    value: Value,
    depth: u32,
) -> u64 {
    const ALL: u64 = u32::MAX as u64;
    let Some(definition) = op(value).filter(|_| depth > 0) else {
        return ALL;
    };
    let of = |value: Value| bound(function, op, value, depth - 1);
    let constant = |value: Value| match op(value) {
        Some(Op::Const(bits)) => Some(*bits & ALL),
        _ => None,
    };
    let found = match definition {
        Op::Const(bits) => *bits & ALL,
        Op::Builtin(builtin) => match builtin {
            Builtin::LocalInvocationId(k) => {
                u64::from(function.workgroup_size[usize::from(*k)]).saturating_sub(1)
            }
            Builtin::SubgroupInvocationId => 31,
            Builtin::SubgroupId => {
                let lanes: u32 = function.workgroup_size.iter().product();
                u64::from(lanes.div_ceil(32)).saturating_sub(1)
            }
            Builtin::WorkgroupId(_) | Builtin::NumWorkgroups(_) => ALL,
        },
        Op::Binary(binary, [a, b]) => match binary {
            Binary::And => of(*a).min(of(*b)),
            // No result has a bit above the highest of either.
            Binary::Or | Binary::Xor => ((of(*a) | of(*b)) + 1).next_power_of_two() - 1,
            Binary::IAdd => of(*a) + of(*b),
            Binary::IMul => of(*a).saturating_mul(of(*b)),
            Binary::Shl => match constant(*b) {
                Some(count) => of(*a) << (count & 31),
                None => ALL,
            },
            Binary::ShrU => match constant(*b) {
                Some(count) => of(*a) >> (count & 31),
                None => of(*a),
            },
            Binary::UDiv => match constant(*b) {
                Some(divisor) if divisor > 0 => of(*a) / divisor,
                _ => of(*a),
            },
            Binary::URem => match constant(*b) {
                Some(divisor) if divisor > 0 => of(*a).min(divisor - 1),
                _ => of(*a),
            },
            Binary::UMin => of(*a).min(of(*b)),
            Binary::UMax => of(*a).max(of(*b)),
            _ => ALL,
        },
        Op::Unary(Unary::PopCount | Unary::Clz | Unary::Ctz, _) => 32,
        Op::Unary(Unary::ZeroExtend, a) if function.ty(*a) == Type::I16 => 0xffff,
        Op::Ternary(Ternary::ExtractU, [_, _, width]) => match constant(*width) {
            Some(width) if width < 32 => (1 << width) - 1,
            _ => ALL,
        },
        Op::Select([_, a, b]) => of(*a).max(of(*b)),
        _ => ALL,
    };
    // What may have wrapped can be anything.
    if found > ALL { ALL } else { found }
}
