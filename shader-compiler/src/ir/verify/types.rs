//! Which types each operation takes and gives.

use super::super::*;
use super::{Checked, ensure};

fn is_int(ty: Type) -> bool {
    matches!(ty, Type::I32 | Type::I64 | Type::I16)
}

fn is_float(ty: Type) -> bool {
    matches!(ty, Type::F32 | Type::F16 | Type::F16x2)
}

fn is_dword(ty: Type) -> bool {
    matches!(ty, Type::I32 | Type::F32 | Type::F16x2)
}

/// Size in bits of a value that `Bitcast` may take; 0 for the others.
fn bits(ty: Type) -> u32 {
    match ty {
        Type::I32 | Type::F32 | Type::F16x2 => 32,
        Type::I16 | Type::F16 => 16,
        Type::I64 | Type::Words(2) => 64,
        _ => 0,
    }
}

/// Result type and operand types of one instruction.
pub(super) fn check_inst(function: &Function, inst: &Inst) -> Checked {
    let ty = |v: Value| function.ty(v);
    let (result, uses) = (inst.result.map(ty), inst.op.uses());
    let none = matches!(
        inst.op,
        Op::Store { .. } | Op::LocalStore(..) | Op::Barrier { .. } | Op::TileStore { .. }
    );
    ensure(result.is_none() == none, || {
        if none {
            "defines a value".into()
        } else {
            "defines no value".into()
        }
    })?;
    let r = result.unwrap_or(Type::Bool);
    let types: Vec<Type> = uses.iter().map(|&v| ty(v)).collect();
    let fits = match (&inst.op, types.as_slice()) {
        (Op::Const(_), _) => !matches!(r, Type::Words(_) | Type::Tile(..)),
        (Op::Undef, _) => true,
        (Op::Builtin(_) | Op::BufferSize(_), _) => r == Type::I32,
        (Op::Unary(op, _), &[a]) => unary_fits(*op, a, r),
        (Op::Binary(op, _), &[a, b]) => binary_fits(*op, a, b, r),
        (Op::Ternary(op, _), &[a, b, c]) => ternary_fits(*op, [a, b, c], r),
        (Op::Compare(pred, _), &[a, b]) => r == Type::Bool && a == b && compare_fits(*pred, a),
        (Op::Select(_), &[c, a, b]) => c == Type::Bool && a == r && b == r,
        (Op::Pack(_), types) => r == Type::F16x2 && types.iter().all(|&t| t == Type::F16),
        (Op::PackFromF32(_), types) => r == Type::F16x2 && types.iter().all(|&t| t == Type::F32),
        (Op::Join(_), types) => {
            (2..=4).contains(&types.len())
                && r == Type::Words(types.len() as u8)
                && types.iter().all(|&t| is_dword(t))
        }
        (Op::Word(_, k), &[Type::Words(n)]) => *k < n && is_dword(r),
        (Op::Word(_, k), &[Type::I64]) => *k < 2 && r == Type::I32,
        (Op::Load { access, .. }, &[offset]) => offset == Type::I32 && access_fits(*access, r),
        (Op::Store { space, access, .. }, &[offset, value]) => {
            offset == Type::I32 && access_fits(*access, value) && *space != Space::Arguments
        }
        (Op::Atomic { space, combine, .. }, &[offset, value]) => {
            let float = matches!(combine, Combine::FAdd | Combine::FMin | Combine::FMax);
            let good = match combine {
                Combine::IMul | Combine::FMul => false,
                Combine::Exchange => matches!(value, Type::I32 | Type::F32),
                _ => value == if float { Type::F32 } else { Type::I32 },
            };
            offset == Type::I32 && good && value == r && *space != Space::Arguments
        }
        (Op::AtomicCompare { space, .. }, types) => {
            types.iter().all(|&t| t == Type::I32) && r == Type::I32 && *space != Space::Arguments
        }
        (Op::LocalLoad(local, _), &[index]) => {
            index == Type::I32 && r == function.locals[local.0 as usize].ty
        }
        (Op::LocalStore(local, ..), &[index, value]) => {
            index == Type::I32 && value == function.locals[local.0 as usize].ty
        }
        (Op::Barrier { .. }, _) => true,
        (Op::Subgroup(combine, ..), &[a]) => a == r && combine_fits(*combine, a),
        (Op::Shuffle(..), &[a, b]) => a == r && b == Type::I32 && bits(a) != 0,
        (Op::BroadcastFirst(_), &[a]) => a == r && bits(a) != 0,
        (Op::Ballot(_), &[a]) => a == Type::Bool && r == Type::I32,
        (Op::Any(_) | Op::All(_), &[a]) => a == Type::Bool && r == Type::Bool,
        (Op::TileSplat(_), &[a]) => tile_elem(r) == Some(a),
        (Op::TileLoad { space, .. }, types) => {
            types.iter().all(|&t| t == Type::I32)
                && matches!(r, Type::Tile(..))
                && *space != Space::Arguments
        }
        (Op::TileStore { space, .. }, &[offset, stride, value]) => {
            [offset, stride] == [Type::I32; 2]
                && matches!(value, Type::Tile(..))
                && *space != Space::Arguments
        }
        (Op::TileMulAdd(_), &[a, b, c]) => {
            a == Type::Tile(Role::A, Elem::F16)
                && b == Type::Tile(Role::B, Elem::F16)
                && matches!(c, Type::Tile(Role::C, _))
                && c == r
        }
        (Op::TileBinary(op, _), &[a, b]) => {
            let good = matches!(op, Binary::FAdd | Binary::FSub | Binary::FMul);
            good && a == b && a == r && matches!(a, Type::Tile(..))
        }
        (Op::TileScale(..), &[a, b]) => a == r && tile_elem(a) == Some(b),
        _ => false,
    };
    ensure(fits, || {
        let list: Vec<String> = types.iter().map(Type::to_string).collect();
        format!(
            "does not take ({}) to {:?}",
            list.join(", "),
            result.map(|t| t.to_string())
        )
    })
}

fn tile_elem(ty: Type) -> Option<Type> {
    match ty {
        Type::Tile(_, Elem::F16) => Some(Type::F16),
        Type::Tile(_, Elem::F32) => Some(Type::F32),
        _ => None,
    }
}

fn access_fits(access: Access, ty: Type) -> bool {
    match access {
        Access::Words(1) => is_dword(ty),
        Access::Words(n) => (2..=4).contains(&n) && ty == Type::Words(n),
        Access::Half => matches!(ty, Type::F16 | Type::I16),
    }
}

fn unary_fits(op: Unary, a: Type, r: Type) -> bool {
    use Type::*;
    match op {
        Unary::INeg | Unary::SAbs => a == r && is_int(a),
        Unary::Not => a == r && (is_int(a) || a == Bool),
        Unary::FNeg | Unary::FAbs => a == r && is_float(a),
        Unary::Sqrt
        | Unary::Rsqrt
        | Unary::Rcp
        | Unary::Exp2
        | Unary::Log2
        | Unary::Sin
        | Unary::Cos => a == r && matches!(a, F32 | F16),
        Unary::Floor | Unary::Ceil | Unary::Trunc | Unary::Round | Unary::Fract => {
            a == r && matches!(a, F32 | F16)
        }
        Unary::PopCount | Unary::ReverseBits | Unary::Clz | Unary::Ctz => a == I32 && r == I32,
        Unary::F32FromS | Unary::F32FromU | Unary::F32FromByte(0..=3) => a == I32 && r == F32,
        Unary::SFromF32 | Unary::UFromF32 => a == F32 && r == I32,
        Unary::F32FromByte(_) => false,
        Unary::F32FromF16 => a == F16 && r == F32,
        Unary::F16FromF32 => a == F32 && r == F16,
        Unary::F16FromS | Unary::F16FromU => a == I16 && r == F16,
        Unary::SFromF16 | Unary::UFromF16 => a == F16 && r == I16,
        Unary::ZeroExtend | Unary::SignExtend => matches!((a, r), (I16, I32 | I64) | (I32, I64)),
        Unary::Truncate => matches!((a, r), (I64, I32 | I16) | (I32, I16)),
        Unary::Half(k) => k < 2 && a == F16x2 && r == F16,
        Unary::Bitcast => bits(a) != 0 && bits(a) == bits(r),
    }
}

fn binary_fits(op: Binary, a: Type, b: Type, r: Type) -> bool {
    use Binary::*;
    match op {
        Shl | ShrU | ShrS => a == r && is_int(a) && b == Type::I32,
        UMulHi | SMulHi => [a, b, r] == [Type::I32; 3],
        And | Or | Xor => a == b && a == r && (is_int(a) || a == Type::Bool),
        IAdd | ISub | IMul | UDiv | URem | SDiv | SRem | UMin | UMax | SMin | SMax => {
            a == b && a == r && is_int(a)
        }
        FAdd | FSub | FMul | FMin | FMax => a == b && a == r && is_float(a),
        FDiv | FRem => a == b && a == r && matches!(a, Type::F32 | Type::F16),
    }
}

fn ternary_fits(op: Ternary, operands: [Type; 3], r: Type) -> bool {
    use Type::{F16x2, F32, I32};
    match op {
        Ternary::Fma => operands == [r; 3] && is_float(r),
        Ternary::Dot2F16 => operands == [F16x2, F16x2, F32] && r == F32,
        _ => operands == [I32; 3] && r == I32,
    }
}

fn compare_fits(pred: Pred, a: Type) -> bool {
    match pred {
        Pred::Eq | Pred::Ne | Pred::ULt | Pred::ULe | Pred::SLt | Pred::SLe => is_int(a),
        Pred::FEq | Pred::FNe | Pred::FLt | Pred::FLe | Pred::FUnordered => {
            matches!(a, Type::F32 | Type::F16)
        }
    }
}

fn combine_fits(combine: Combine, a: Type) -> bool {
    match combine {
        Combine::And | Combine::Or | Combine::Xor => matches!(a, Type::I32 | Type::Bool),
        Combine::FAdd | Combine::FMul | Combine::FMin | Combine::FMax => a == Type::F32,
        Combine::Exchange => false,
        _ => a == Type::I32,
    }
}
