//! Arithmetic on constants: what an operation gives when all its operands are known.
//!
//! The results are those of the machine with MODE as our kernels set it (round to nearest even, denormals kept), so that
//! folding never changes an answer. Operations whose result the machine only approximates (`Exp2`, `Log2`, `Rcp`, `Sqrt`,
//! `Sin`...) are left alone.

use half::f16;

use crate::ir::{Binary, Pred, Ternary, Type, Unary};

/// Bits of a constant.
pub(super) type Bits = u64;

fn f32s(bits: Bits) -> f32 {
    f32::from_bits(bits as u32)
}

/// What is left of the bits in a type.
pub(super) const fn truncate(bits: Bits, ty: Type) -> Bits {
    match ty {
        Type::Bool => bits & 1,
        Type::I16 | Type::F16 => bits & 0xffff,
        Type::I64 => bits,
        _ => bits & 0xffff_ffff,
    }
}

const fn signed(bits: Bits, ty: Type) -> i64 {
    match ty {
        Type::I16 => bits as i16 as i64,
        Type::I64 => bits as i64,
        _ => bits as i32 as i64,
    }
}

const fn width(ty: Type) -> u64 {
    match ty {
        Type::I16 => 16,
        Type::I64 => 64,
        _ => 32,
    }
}

/// `op` on constants of type `ty`.
pub(super) fn binary(op: Binary, a: Bits, b: Bits, ty: Type) -> Option<Bits> {
    let result = match ty {
        Type::F32 => binary_f32(op, f32s(a), f32s(b))?.to_bits().into(),
        Type::F16 => binary_f16(op, a as u16, b as u16)?.into(),
        Type::F16x2 => {
            let low = binary_f16(op, a as u16, b as u16)?;
            let high = binary_f16(op, (a >> 16) as u16, (b >> 16) as u16)?;
            u64::from(low) | u64::from(high) << 16
        }
        Type::Bool => match op {
            Binary::And => a & b,
            Binary::Or => a | b,
            Binary::Xor => a ^ b,
            _ => return None,
        },
        Type::I16 | Type::I32 | Type::I64 => binary_int(op, a, b, ty)?,
        _ => return None,
    };
    Some(truncate(result, ty))
}

fn binary_int(op: Binary, a: Bits, b: Bits, ty: Type) -> Option<Bits> {
    let (sa, sb) = (signed(a, ty), signed(b, ty));
    let count = (b % width(ty)) as u32;
    Some(match op {
        Binary::IAdd => a.wrapping_add(b),
        Binary::ISub => a.wrapping_sub(b),
        Binary::IMul => a.wrapping_mul(b),
        Binary::UMulHi if ty == Type::I32 => (a * b) >> 32,
        Binary::SMulHi if ty == Type::I32 => ((sa * sb) >> 32) as Bits,
        Binary::UDiv => a.checked_div(b).unwrap_or(a),
        Binary::URem => a.checked_rem(b).unwrap_or(0),
        Binary::SDiv if sb == 0 => a,
        Binary::SDiv => sa.wrapping_div(sb) as Bits,
        Binary::SRem if sb == 0 => 0,
        Binary::SRem => sa.wrapping_rem(sb) as Bits,
        Binary::UMin => a.min(b),
        Binary::UMax => a.max(b),
        Binary::SMin => sa.min(sb) as Bits,
        Binary::SMax => sa.max(sb) as Bits,
        Binary::And => a & b,
        Binary::Or => a | b,
        Binary::Xor => a ^ b,
        Binary::Shl => a << count,
        Binary::ShrU => a >> count,
        Binary::ShrS => (sa >> count) as Bits,
        _ => return None,
    })
}

fn binary_f32(op: Binary, a: f32, b: f32) -> Option<f32> {
    Some(match op {
        Binary::FAdd => a + b,
        Binary::FSub => a - b,
        Binary::FMul => a * b,
        // Folding a NaN could choose another payload or sign of zero than the machine: leave min and max of those.
        Binary::FMin if !a.is_nan() && !b.is_nan() && a != b => a.min(b),
        Binary::FMax if !a.is_nan() && !b.is_nan() && a != b => a.max(b),
        _ => return None,
    })
}

/// Sums, differences and products of f16 are exact in f64 up to the one rounding to f16.
fn binary_f16(op: Binary, a: u16, b: u16) -> Option<u16> {
    let (a, b) = (f16::from_bits(a).to_f64(), f16::from_bits(b).to_f64());
    let result = match op {
        Binary::FAdd => a + b,
        Binary::FSub => a - b,
        Binary::FMul => a * b,
        Binary::FMin if a != b && !(a - b).is_nan() => a.min(b),
        Binary::FMax if a != b && !(a - b).is_nan() => a.max(b),
        _ => return None,
    };
    Some(f16::from_f64(result).to_bits())
}

/// `op` on a constant of type `from`, giving type `to`.
pub(super) fn unary(op: Unary, a: Bits, from: Type, to: Type) -> Option<Bits> {
    let word = a as u32;
    let result = match op {
        Unary::INeg => a.wrapping_neg(),
        Unary::Not => !a,
        Unary::SAbs => signed(a, from).wrapping_abs() as Bits,
        Unary::FNeg => match from {
            Type::F32 => a ^ 0x8000_0000,
            Type::F16 => a ^ 0x8000,
            Type::F16x2 => a ^ 0x8000_8000,
            _ => return None,
        },
        Unary::FAbs => match from {
            Type::F32 => a & 0x7fff_ffff,
            Type::F16 => a & 0x7fff,
            Type::F16x2 => a & 0x7fff_7fff,
            _ => return None,
        },
        Unary::Floor if from == Type::F32 => f32s(a).floor().to_bits().into(),
        Unary::Ceil if from == Type::F32 => f32s(a).ceil().to_bits().into(),
        Unary::Trunc if from == Type::F32 => f32s(a).trunc().to_bits().into(),
        Unary::Round if from == Type::F32 => f32s(a).round_ties_even().to_bits().into(),
        Unary::PopCount => word.count_ones().into(),
        Unary::ReverseBits => word.reverse_bits().into(),
        Unary::Clz => word.leading_zeros().into(),
        Unary::Ctz => word.trailing_zeros().into(),
        Unary::F32FromS => ((word as i32) as f32).to_bits().into(),
        Unary::F32FromU => (word as f32).to_bits().into(),
        Unary::F32FromByte(k) => f32::from(word.to_le_bytes()[usize::from(k)])
            .to_bits()
            .into(),
        Unary::SFromF32 => (f32s(a) as i32) as Bits,
        Unary::UFromF32 => (f32s(a) as u32).into(),
        Unary::F32FromF16 => f16::from_bits(a as u16).to_f32().to_bits().into(),
        Unary::F16FromF32 => f16::from_f32(f32s(a)).to_bits().into(),
        Unary::Half(k) => a >> (16 * u32::from(k)),
        Unary::ZeroExtend | Unary::Truncate | Unary::Bitcast => a,
        Unary::SignExtend => signed(a, from) as Bits,
        _ => return None,
    };
    Some(truncate(result, to))
}

/// `op` on constants, giving type `ty`.
pub(super) fn ternary(op: Ternary, [a, b, c]: [Bits; 3], ty: Type) -> Option<Bits> {
    let field = |signed_field: bool| {
        let (offset, count) = ((b as u32).min(32), (c as u32).min(32));
        let count = count.min(32 - offset);
        if count == 0 {
            return 0;
        }
        let up = (a as u32) << (32 - offset - count);
        if signed_field {
            ((up as i32) >> (32 - count)) as u32
        } else {
            up >> (32 - count)
        }
    };
    let dot = |byte: fn(u8) -> i32| {
        let bytes = |word: Bits| (word as u32).to_le_bytes().map(byte);
        let products = bytes(a).into_iter().zip(bytes(b)).map(|(x, y)| x * y);
        (c as i32).wrapping_add(products.sum::<i32>()) as u32
    };
    let result = match op {
        Ternary::Fma if ty == Type::F32 => f32s(a).mul_add(f32s(b), f32s(c)).to_bits().into(),
        Ternary::ExtractU if ty == Type::I32 => field(false).into(),
        Ternary::ExtractS if ty == Type::I32 => field(true).into(),
        Ternary::BitInsert => (a & b) | (!a & c),
        Ternary::Dot4S => dot(|byte| i32::from(byte as i8)).into(),
        Ternary::Dot4U => dot(i32::from).into(),
        _ => return None,
    };
    Some(truncate(result, ty))
}

/// A comparison of constants of type `ty`.
pub(super) fn compare(pred: Pred, a: Bits, b: Bits, ty: Type) -> Option<bool> {
    let (x, y) = match ty {
        Type::F32 => (f64::from(f32s(a)), f64::from(f32s(b))),
        Type::F16 => (
            f16::from_bits(a as u16).to_f64(),
            f16::from_bits(b as u16).to_f64(),
        ),
        _ => (0.0, 0.0),
    };
    let (sa, sb) = (signed(a, ty), signed(b, ty));
    Some(match pred {
        Pred::Eq => a == b,
        Pred::Ne => a != b,
        Pred::ULt => a < b,
        Pred::ULe => a <= b,
        Pred::SLt => sa < sb,
        Pred::SLe => sa <= sb,
        Pred::FEq => x == y,
        Pred::FNe => x != y,
        Pred::FLt => x < y,
        Pred::FLe => x <= y,
        Pred::FUnordered => x.is_nan() || y.is_nan(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_wrap_and_divide_as_wgsl_says() {
        let i = |op, a: i64, b: i64| binary(op, a as u32 as u64, b as u32 as u64, Type::I32);
        assert_eq!(i(Binary::IAdd, -1, 2), Some(1));
        assert_eq!(i(Binary::UDiv, 7, 0), Some(7));
        assert_eq!(i(Binary::SRem, -7, 0), Some(0));
        assert_eq!(
            i(Binary::SDiv, i32::MIN.into(), -1),
            Some(0x8000_0000),
            "the one overflow gives the dividend"
        );
        assert_eq!(i(Binary::SRem, i32::MIN.into(), -1), Some(0));
        assert_eq!(i(Binary::Shl, 1, 33), Some(2), "counts are modulo 32");
        assert_eq!(i(Binary::ShrS, -8, 1), Some(0xffff_fffc));
        assert_eq!(i(Binary::SMulHi, -1, 1), Some(0xffff_ffff));
    }

    #[test]
    fn fields_end_at_bit_31() {
        let f = |op, a: u64, b, c| ternary(op, [a, b, c], Type::I32);
        assert_eq!(f(Ternary::ExtractU, 0xabcd_1234, 8, 8), Some(0x12));
        assert_eq!(f(Ternary::ExtractS, 0xabcd_1234, 28, 4), Some(0xffff_fffa));
        assert_eq!(f(Ternary::ExtractU, 0xabcd_1234, 0, 32), Some(0xabcd_1234));
        assert_eq!(f(Ternary::ExtractU, 0xabcd_1234, 24, 32), Some(0xab));
        assert_eq!(f(Ternary::ExtractS, 0xffff_ffff, 3, 0), Some(0));
    }

    #[test]
    fn dots_are_signed_or_not() {
        let words = [0xff01_7f80, 0x0102_0304, 10];
        let signed = -1 + 2 + 127 * 3 - 128 * 4 + 10;
        assert_eq!(
            ternary(Ternary::Dot4S, words, Type::I32),
            Some(signed as u32 as u64)
        );
        let unsigned = 255 + 2 + 127 * 3 + 128 * 4 + 10;
        assert_eq!(ternary(Ternary::Dot4U, words, Type::I32), Some(unsigned));
    }

    #[test]
    fn halves_round_once() {
        let f = |x: f64| u64::from(f16::from_f64(x).to_bits());
        assert_eq!(
            binary(Binary::FMul, f(1.0009765625), f(3.0), Type::F16),
            Some(f(3.0029296875))
        );
        assert_eq!(
            unary(
                Unary::F16FromF32,
                u64::from(65520.0_f32.to_bits()),
                Type::F32,
                Type::F16
            ),
            Some(u64::from(f16::INFINITY.to_bits()))
        );
        assert_eq!(
            unary(
                Unary::SFromF32,
                u64::from(f32::NAN.to_bits()),
                Type::F32,
                Type::I32
            ),
            Some(0)
        );
    }
}
