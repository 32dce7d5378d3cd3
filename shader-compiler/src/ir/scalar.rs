//! What each scalar operation computes, on the bits of its operands: one definition for the evaluator and for constant
//! folding.
//!
//! Integers are kept zero extended to 64 bits. Floats are computed in f64 and rounded once. For sums, products and
//! quotients f64 is so much wider that its own rounding does no harm; a fused product and sum is made odd where it is
//! inexact (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008), so that the rounding which follows
//! still sees on which side of a tie it was.
//!
//! Folding (`fold_*`) is for what the machine computes to the last bit, with MODE as our kernels set it (round to nearest
//! even, denormals kept). What it approximates (`Exp2`, `Rcp`, ...) and NaNs, whose bits it chooses, are left to it.

use half::f16;

use super::*;

/// The bits that a value of type `ty` has.
fn mask(ty: Type) -> u64 {
    match ty {
        Type::Bool => 1,
        Type::I16 | Type::F16 => 0xffff,
        Type::I64 | Type::Words(2) => u64::MAX,
        _ => 0xffff_ffff,
    }
}

fn width(ty: Type) -> u32 {
    mask(ty).count_ones()
}

/// What is left of `bits` in type `ty`.
#[must_use]
pub fn truncate(bits: u64, ty: Type) -> u64 {
    bits & mask(ty)
}

/// The number as a signed one.
fn signed(ty: Type, bits: u64) -> i64 {
    let shift = 64 - width(ty);
    (bits << shift) as i64 >> shift
}

fn f32_of(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

fn f16_of(bits: u64) -> f16 {
    f16::from_bits(bits as u16)
}

/// Applies a function of f32 or f16 (computed in f64, which is exact enough to round once) to the bits of `ty`; pairs
/// element by element.
fn float(ty: Type, operands: &[u64], f: &dyn Fn(&[f64]) -> f64) -> u64 {
    match ty {
        Type::F16x2 => {
            let half = |shift: u32| {
                let parts: Vec<u64> = operands.iter().map(|o| o >> shift & 0xffff).collect();
                float(Type::F16, &parts, f)
            };
            half(0) | half(16) << 16
        }
        Type::F16 => {
            let parts: Vec<f64> = operands.iter().map(|&o| f64::from(f16_of(o))).collect();
            u64::from(f16_from_f64(f(&parts)).to_bits())
        }
        _ => {
            let parts: Vec<f64> = operands.iter().map(|&o| f64::from(f32_of(o))).collect();
            u64::from((f(&parts) as f32).to_bits())
        }
    }
}

/// The smaller (or larger) number; a NaN gives way to the other operand, and -0 is below +0.
fn min_max(a: f64, b: f64, max: bool) -> f64 {
    if a.is_nan() {
        return b;
    }
    if b.is_nan() {
        return a;
    }
    if a == b {
        return if a.is_sign_negative() == max { b } else { a };
    }
    if (a < b) == max { b } else { a }
}

/// An approximation that is off by `error`, made odd: rounded again to fewer bits it gives what the exact value would.
/// Of the two floats around the exact value one is odd.
fn odd(approximation: u64, error: f64, positive: bool) -> u64 {
    if error == 0.0 || approximation & 1 == 1 {
        approximation
    } else if (error > 0.0) == positive {
        approximation + 1
    } else {
        approximation - 1
    }
}

/// `a * b + c` of f32 or f16, odd if it is not exact.
fn fma(a: f64, b: f64, c: f64) -> f64 {
    // Exact: 24 bits times 24 bits.
    let product = a * b;
    let sum = product + c;
    if !sum.is_finite() {
        return sum;
    }
    let back = sum - product;
    let error = (product - (sum - back)) + (c - back);
    f64::from_bits(odd(sum.to_bits(), error, sum > 0.0))
}

/// Rounded once. By way of f32, as the processor has no way of its own.
pub(super) fn f16_from_f64(x: f64) -> f16 {
    let near = x as f32;
    if !near.is_finite() {
        return f16::from_f32(near);
    }
    let bits = odd(u64::from(near.to_bits()), x - f64::from(near), x > 0.0);
    f16::from_f32(f32_of(bits))
}

/// The result of a unary operation from type `from` to type `to`.
pub fn unary(op: Unary, from: Type, to: Type, a: u64) -> u64 {
    let word = a as u32;
    let f = |g: fn(f64) -> f64| float(from, &[a], &|v| g(v[0]));
    match op {
        Unary::INeg => a.wrapping_neg() & mask(to),
        Unary::Not => !a & mask(to),
        Unary::SAbs => signed(from, a).unsigned_abs() & mask(to),
        Unary::FNeg => a ^ sign_bits(from),
        Unary::FAbs => a & !sign_bits(from),
        Unary::Sqrt => f(f64::sqrt),
        Unary::Rsqrt => f(|x| 1.0 / x.sqrt()),
        Unary::Rcp => f(|x| 1.0 / x),
        Unary::Exp2 => f(f64::exp2),
        Unary::Log2 => f(f64::log2),
        Unary::Sin => f(f64::sin),
        Unary::Cos => f(f64::cos),
        Unary::Floor => f(f64::floor),
        Unary::Ceil => f(f64::ceil),
        Unary::Trunc => f(f64::trunc),
        Unary::Round => f(f64::round_ties_even),
        Unary::Fract => f(|x| x - x.floor()),
        Unary::PopCount => u64::from(word.count_ones()),
        Unary::ReverseBits => u64::from(word.reverse_bits()),
        Unary::Clz => u64::from(word.leading_zeros()),
        Unary::Ctz => u64::from(word.trailing_zeros()),
        Unary::F32FromS => u64::from((word as i32 as f32).to_bits()),
        Unary::F32FromU => u64::from((word as f32).to_bits()),
        Unary::SFromF32 => u64::from(f32_of(a) as i32 as u32),
        Unary::UFromF32 => u64::from(f32_of(a) as u32),
        Unary::F32FromF16 => u64::from(f16_of(a).to_f32().to_bits()),
        Unary::F16FromF32 => u64::from(f16::from_f32(f32_of(a)).to_bits()),
        Unary::F16FromS => u64::from(f16::from_f32(f32::from(a as u16 as i16)).to_bits()),
        Unary::F16FromU => u64::from(f16::from_f32(f32::from(a as u16)).to_bits()),
        Unary::SFromF16 => u64::from(f16_of(a).to_f32() as i16 as u16),
        Unary::UFromF16 => u64::from(f16_of(a).to_f32() as u16),
        Unary::ZeroExtend | Unary::Bitcast => a,
        Unary::SignExtend => signed(from, a) as u64 & mask(to),
        Unary::Truncate => a & mask(to),
        Unary::F32FromByte(k) => u64::from(((a >> (8 * k)) as u8 as f32).to_bits()),
        Unary::Half(k) => a >> (16 * u32::from(k)) & 0xffff,
    }
}

fn sign_bits(ty: Type) -> u64 {
    match ty {
        Type::F16 => 0x8000,
        Type::F16x2 => 0x8000_8000,
        _ => 0x8000_0000,
    }
}

/// The result of a binary operation on two values of type `ty`.
pub fn binary(op: Binary, ty: Type, a: u64, b: u64) -> u64 {
    use Binary::*;
    let (sa, sb) = (signed(ty, a), signed(ty, b));
    let shift = (b as u32) & (width(ty) - 1);
    let f = |g: &dyn Fn(f64, f64) -> f64| float(ty, &[a, b], &|v| g(v[0], v[1]));
    let integer = match op {
        IAdd => a.wrapping_add(b),
        ISub => a.wrapping_sub(b),
        IMul => a.wrapping_mul(b),
        UMulHi => ((a & 0xffff_ffff) * (b & 0xffff_ffff)) >> 32,
        SMulHi => ((sa * sb) >> 32) as u64,
        UDiv => a.checked_div(b).unwrap_or(a),
        URem => a.checked_rem(b).unwrap_or(0),
        SDiv => sa.checked_div(sb).unwrap_or(sa) as u64,
        SRem => sa.checked_rem(sb).unwrap_or(0) as u64,
        UMin => a.min(b),
        UMax => a.max(b),
        SMin => sa.min(sb) as u64,
        SMax => sa.max(sb) as u64,
        And => a & b,
        Or => a | b,
        Xor => a ^ b,
        Shl => a << shift,
        ShrU => a >> shift,
        ShrS => (sa >> shift) as u64,
        FAdd => return f(&|a, b| a + b),
        FSub => return f(&|a, b| a - b),
        FMul => return f(&|a, b| a * b),
        FDiv => return f(&|a, b| a / b),
        FRem => return f(&|a, b| a % b),
        FMin => return f(&|a, b| min_max(a, b, false)),
        FMax => return f(&|a, b| min_max(a, b, true)),
    };
    integer & mask(ty)
}

/// Bits `[offset, offset + count)` of a dword.
fn field(a: u64, offset: u64, count: u64) -> u64 {
    let kept = (1 << count.min(32)) - 1;
    truncate(a, Type::I32) >> offset.min(32) & kept
}

/// The result of a ternary operation; `ty` is its type.
pub fn ternary(op: Ternary, ty: Type, [a, b, c]: [u64; 3]) -> u64 {
    let bytes = |x: u64| [0, 8, 16, 24].map(|s| x >> s & 0xff);
    match op {
        Ternary::Fma => float(ty, &[a, b, c], &|v| fma(v[0], v[1], v[2])),
        Ternary::ExtractU => u64::from(field(a, b, c) as u32),
        Ternary::ExtractS => {
            let unused = 32 - c.clamp(1, 32) as u32;
            let signed = (field(a, b, c) as i32) << unused >> unused;
            u64::from(signed as u32)
        }
        Ternary::BitInsert => a & b | !a & c & 0xffff_ffff,
        Ternary::Dot4U => {
            let sum: u64 = bytes(a).iter().zip(bytes(b)).map(|(x, y)| x * y).sum();
            sum.wrapping_add(c) & 0xffff_ffff
        }
        Ternary::Dot4S => {
            let products = bytes(a).into_iter().zip(bytes(b));
            let sum: i64 = products
                .map(|(x, y)| i64::from(x as u8 as i8) * i64::from(y as u8 as i8))
                .sum();
            (sum as u64).wrapping_add(c) & 0xffff_ffff
        }
        Ternary::Dot2F16 => {
            let part = |x: u64, shift: u32| f64::from(f16_of(x >> shift));
            // Two products of 22 bits each; the sum is exact in f64 unless they are far apart.
            let sum = part(a, 0) * part(b, 0) + part(a, 16) * part(b, 16) + f64::from(f32_of(c));
            u64::from((sum as f32).to_bits())
        }
    }
}

/// The result of a comparison of two values of type `ty`.
pub fn compare(pred: Pred, ty: Type, a: u64, b: u64) -> bool {
    let number = |bits| match ty {
        Type::F16 => f64::from(f16_of(bits)),
        _ => f64::from(f32_of(bits)),
    };
    match pred {
        Pred::Eq => a == b,
        Pred::Ne => a != b,
        Pred::ULt => a < b,
        Pred::ULe => a <= b,
        Pred::SLt => signed(ty, a) < signed(ty, b),
        Pred::SLe => signed(ty, a) <= signed(ty, b),
        Pred::FEq => number(a) == number(b),
        Pred::FNe => number(a) != number(b),
        Pred::FLt => number(a) < number(b),
        Pred::FLe => number(a) <= number(b),
        Pred::FUnordered => number(a).is_nan() || number(b).is_nan(),
    }
}

/// `combine` of two values, as subgroup operations and atomics do it.
pub fn combine(combine: Combine, ty: Type, a: u64, b: u64) -> u64 {
    let op = match combine {
        Combine::IAdd => Binary::IAdd,
        Combine::IMul => Binary::IMul,
        Combine::UMin => Binary::UMin,
        Combine::UMax => Binary::UMax,
        Combine::SMin => Binary::SMin,
        Combine::SMax => Binary::SMax,
        Combine::And => Binary::And,
        Combine::Or => Binary::Or,
        Combine::Xor => Binary::Xor,
        Combine::FAdd => Binary::FAdd,
        Combine::FMul => Binary::FMul,
        Combine::FMin => Binary::FMin,
        Combine::FMax => Binary::FMax,
        Combine::Exchange => return b,
    };
    binary(op, ty, a, b)
}

/// What `combine` leaves unchanged.
pub fn identity(combine: Combine, ty: Type) -> u64 {
    let float = |x: f32| match ty {
        Type::F16 => u64::from(f16::from_f32(x).to_bits()),
        _ => u64::from(x.to_bits()),
    };
    match combine {
        Combine::IAdd | Combine::UMax | Combine::Or | Combine::Xor | Combine::Exchange => 0,
        Combine::IMul => 1,
        Combine::UMin | Combine::And => mask(ty),
        Combine::SMin => mask(ty) >> 1,
        Combine::SMax => (mask(ty) >> 1) + 1,
        // The sum keeps the sign of a zero only so.
        Combine::FAdd => float(-0.0),
        Combine::FMul => float(1.0),
        Combine::FMin => float(f32::INFINITY),
        Combine::FMax => float(f32::NEG_INFINITY),
    }
}

/// The bits, unless they are a NaN.
fn not_nan(ty: Type, bits: u64) -> Option<u64> {
    let nan = match ty {
        Type::F32 => f32_of(bits).is_nan(),
        Type::F16 => f16_of(bits).is_nan(),
        Type::F16x2 => f16_of(bits).is_nan() || f16_of(bits >> 16).is_nan(),
        _ => false,
    };
    (!nan).then_some(bits)
}

/// [`unary`], where the machine's result is sure to be the same.
#[must_use]
pub fn fold_unary(op: Unary, from: Type, to: Type, a: u64) -> Option<u64> {
    let bits = || unary(op, from, to, a);
    match op {
        Unary::Sqrt
        | Unary::Rsqrt
        | Unary::Rcp
        | Unary::Exp2
        | Unary::Log2
        | Unary::Sin
        | Unary::Cos => None,
        // Bits are moved, not computed.
        Unary::Bitcast | Unary::Half(_) | Unary::FNeg | Unary::FAbs => Some(bits()),
        _ => not_nan(to, bits()),
    }
}

/// [`binary`], where the machine's result is sure to be the same.
#[must_use]
pub fn fold_binary(op: Binary, ty: Type, a: u64, b: u64) -> Option<u64> {
    let exact = !matches!(op, Binary::FRem | Binary::FDiv);
    not_nan(ty, exact.then(|| binary(op, ty, a, b))?)
}

/// [`ternary`], where the machine's result is sure to be the same.
#[must_use]
pub fn fold_ternary(op: Ternary, ty: Type, values: [u64; 3]) -> Option<u64> {
    let exact = op != Ternary::Dot2F16;
    not_nan(ty, exact.then(|| ternary(op, ty, values))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(x: f32) -> u64 {
        u64::from(x.to_bits())
    }

    #[test]
    fn fma_rounds_once() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // Exponents near each other, so that cancellation and rounding both occur.
            f32::from_bits(
                (state >> 40) as u32 & 0x007f_ffff | (120 + (state >> 33 & 15) as u32) << 23,
            )
        };
        for _ in 0..100_000 {
            let (a, b, c) = (next(), next(), -next());
            let ours = ternary(Ternary::Fma, Type::F32, [bits(a), bits(b), bits(c)]);
            assert_eq!(ours, bits(a.mul_add(b, c)), "{a} * {b} + {c}");
        }
    }

    #[test]
    fn halves_are_rounded_once() {
        let f = |x: f64| {
            let half = f16::from_f64(x);
            assert_eq!(half.to_f64(), x, "an f16");
            u64::from(half.to_bits())
        };
        let power = |n: i32| 2f64.powi(n);
        // The product is a little less than half a unit of the sum, which f32 cannot tell from the half.
        let factors = [
            power(-6) * (1.0 + power(-10)),
            power(-5) * (1.0 - power(-10)),
        ];
        for sign in [1.0, -1.0] {
            let c = sign * (1.0 + power(-10));
            let values = [f(sign * factors[0]), f(factors[1]), f(c)];
            assert_eq!(ternary(Ternary::Fma, Type::F16, values), f(c));
        }
        assert_eq!(f16_from_f64(65520.0), f16::INFINITY);
        assert_eq!(f16_from_f64(65_519.999_999_9), f16::MAX);
        assert_eq!(f16_from_f64(-power(-25)).to_bits(), 0x8000);
        assert_eq!(f16_from_f64(power(-25) * (1.0 + power(-40))).to_bits(), 1);
        assert!(f16_from_f64(f64::NAN).is_nan());
    }

    #[test]
    fn fields_end_at_bit_31() {
        let u = |a, b, c| ternary(Ternary::ExtractU, Type::I32, [a, b, c]);
        let s = |a, b, c| ternary(Ternary::ExtractS, Type::I32, [a, b, c]);
        assert_eq!(u(0xabcd_1234, 8, 8), 0x12);
        assert_eq!(u(0xabcd_1234, 0, 32), 0xabcd_1234);
        assert_eq!(u(0xabcd_1234, 32, 0), 0);
        assert_eq!(s(0xabcd_1234, 28, 4), 0xffff_fffa);
        assert_eq!(s(0xabcd_1234, 0, 32), 0xabcd_1234);
        assert_eq!(s(0xffff_ffff, 3, 0), 0);
    }

    #[test]
    fn what_the_machine_chooses_is_not_folded() {
        let (zero, inf) = (bits(0.0), bits(f32::INFINITY));
        assert_eq!(fold_binary(Binary::FMul, Type::F32, zero, inf), None);
        assert_eq!(fold_binary(Binary::FDiv, Type::F32, zero, inf), None);
        assert_eq!(fold_unary(Unary::Rcp, Type::F32, Type::F32, inf), None);
        let nan = bits(f32::NAN);
        assert_eq!(
            fold_unary(Unary::Bitcast, Type::F32, Type::I32, nan),
            Some(nan)
        );
    }

    #[test]
    fn integers_keep_to_their_width() {
        assert_eq!(binary(Binary::IAdd, Type::I16, 0xffff, 2), 1);
        assert_eq!(
            binary(Binary::SDiv, Type::I32, 0x8000_0000, 0xffff_ffff),
            0x8000_0000
        );
        assert_eq!(binary(Binary::SDiv, Type::I32, 7, 0), 7);
        assert_eq!(
            binary(Binary::SRem, Type::I32, (-7_i32) as u32 as u64, 3),
            (-1_i32) as u32 as u64
        );
        assert_eq!(binary(Binary::Shl, Type::I32, 1, 33), 2);
        assert_eq!(
            binary(Binary::SMulHi, Type::I32, 0xffff_ffff, 2),
            0xffff_ffff
        );
        assert_eq!(ternary(Ternary::Dot4S, Type::I32, [0xff, 2, 5]), 3);
        assert_eq!(
            unary(Unary::SignExtend, Type::I16, Type::I64, 0x8000),
            0xffff_ffff_ffff_8000
        );
    }

    #[test]
    fn minimum_prefers_numbers_and_orders_zeros() {
        let min = |a: f32, b: f32| {
            f32::from_bits(binary(Binary::FMin, Type::F32, bits(a), bits(b)) as u32)
        };
        assert_eq!(min(f32::NAN, 1.0), 1.0);
        assert_eq!(min(1.0, f32::NAN), 1.0);
        assert!(min(0.0, -0.0).is_sign_negative() && min(-0.0, 0.0).is_sign_negative());
    }

    #[test]
    fn identities_leave_values_alone() {
        use Combine::*;
        for op in [IAdd, IMul, UMin, UMax, SMin, SMax, And, Or, Xor] {
            for x in [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
                assert_eq!(
                    combine(op, Type::I32, identity(op, Type::I32), x),
                    x,
                    "{op:?}"
                );
            }
        }
        for op in [FAdd, FMul, FMin, FMax] {
            for x in [0.0, -0.0, 1.5, -3.0, f32::INFINITY] {
                assert_eq!(
                    combine(op, Type::F32, identity(op, Type::F32), bits(x)),
                    bits(x),
                    "{op:?} {x}"
                );
            }
        }
    }
}
