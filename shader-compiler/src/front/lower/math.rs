//! Scalar functions by formula, on F32 unless said otherwise.

use std::f32::consts;

use rspirv::spirv::GlslStd450Op as GLOp;

use super::build::Builder;
use crate::ir::*;

/// All bits of an integer type.
pub(super) fn ones(ty: Type) -> u64 {
    match ty {
        Type::I64 => u64::MAX,
        Type::I16 => 0xffff,
        _ => 0xffff_ffff,
    }
}

fn f(b: &mut Builder, op: Unary, a: Value) -> Value {
    b.unary(op, a, Type::F32)
}

fn scaled(b: &mut Builder, a: Value, factor: f32) -> Value {
    let factor = b.f32(factor);
    b.binary(Binary::FMul, a, factor)
}

pub(super) fn sin(b: &mut Builder, x: Value) -> Value {
    f(b, Unary::Sin, x)
}

pub(super) fn cos(b: &mut Builder, x: Value) -> Value {
    f(b, Unary::Cos, x)
}

pub(super) fn tan(b: &mut Builder, x: Value) -> Value {
    let (sin, cos) = (sin(b, x), cos(b, x));
    b.binary(Binary::FDiv, sin, cos)
}

pub(super) fn exp(b: &mut Builder, x: Value) -> Value {
    let x = scaled(b, x, consts::LOG2_E);
    f(b, Unary::Exp2, x)
}

pub(super) fn log(b: &mut Builder, x: Value) -> Value {
    let log = f(b, Unary::Log2, x);
    scaled(b, log, consts::LN_2)
}

pub(super) fn pow(b: &mut Builder, x: Value, y: Value) -> Value {
    let log = f(b, Unary::Log2, x);
    let product = b.binary(Binary::FMul, log, y);
    f(b, Unary::Exp2, product)
}

pub(super) fn radians(b: &mut Builder, x: Value) -> Value {
    scaled(b, x, consts::PI / 180.0)
}

pub(super) fn degrees(b: &mut Builder, x: Value) -> Value {
    scaled(b, x, 180.0 / consts::PI)
}

/// `exp(x)` and `exp(-x)`.
fn both_exp(b: &mut Builder, x: Value) -> [Value; 2] {
    let back = f(b, Unary::FNeg, x);
    [exp(b, x), exp(b, back)]
}

pub(super) fn sinh(b: &mut Builder, x: Value) -> Value {
    let [up, down] = both_exp(b, x);
    let difference = b.binary(Binary::FSub, up, down);
    scaled(b, difference, 0.5)
}

pub(super) fn cosh(b: &mut Builder, x: Value) -> Value {
    let [up, down] = both_exp(b, x);
    let sum = b.binary(Binary::FAdd, up, down);
    scaled(b, sum, 0.5)
}

/// `1 - 2 / (exp(2x) + 1)`: where `exp` overflows the quotient is 0, so there is no infinity over infinity.
pub(super) fn tanh(b: &mut Builder, x: Value) -> Value {
    let twice = scaled(b, x, 2.0 * consts::LOG2_E);
    let exp = f(b, Unary::Exp2, twice);
    let [one, minus_two] = [1.0, -2.0].map(|x| b.f32(x));
    let sum = b.binary(Binary::FAdd, exp, one);
    let inverse = f(b, Unary::Rcp, sum);
    b.ternary(Ternary::Fma, minus_two, inverse, one)
}

/// `sign(x) log(|x| + sqrt(x² + 1))`: the absolute value avoids the cancellation for negative x.
pub(super) fn asinh(b: &mut Builder, x: Value) -> Value {
    let one = b.f32(1.0);
    let size = f(b, Unary::FAbs, x);
    let square = b.ternary(Ternary::Fma, x, x, one);
    let root = f(b, Unary::Sqrt, square);
    let sum = b.binary(Binary::FAdd, size, root);
    let result = log(b, sum);
    copy_sign(b, result, x)
}

pub(super) fn acosh(b: &mut Builder, x: Value) -> Value {
    let minus = b.f32(-1.0);
    let square = b.ternary(Ternary::Fma, x, x, minus);
    let root = f(b, Unary::Sqrt, square);
    let sum = b.binary(Binary::FAdd, x, root);
    log(b, sum)
}

pub(super) fn atanh(b: &mut Builder, x: Value) -> Value {
    let one = b.f32(1.0);
    let above = b.binary(Binary::FAdd, one, x);
    let below = b.binary(Binary::FSub, one, x);
    let ratio = b.binary(Binary::FDiv, above, below);
    let log = log(b, ratio);
    scaled(b, log, 0.5)
}

/// `sqrt(1 - x²)`, as `(1 - x)(1 + x)` so that nothing cancels near 1.
fn leg(b: &mut Builder, x: Value) -> Value {
    let one = b.f32(1.0);
    let below = b.binary(Binary::FSub, one, x);
    let above = b.binary(Binary::FAdd, one, x);
    let square = b.binary(Binary::FMul, below, above);
    f(b, Unary::Sqrt, square)
}

pub(super) fn asin(b: &mut Builder, x: Value) -> Value {
    let leg = leg(b, x);
    atan2(b, x, leg)
}

pub(super) fn acos(b: &mut Builder, x: Value) -> Value {
    let leg = leg(b, x);
    atan2(b, leg, x)
}

pub(super) fn atan(b: &mut Builder, x: Value) -> Value {
    let one = b.f32(1.0);
    atan2(b, x, one)
}

/// Coefficients of `atan(x) / x` in x², from x^16 down to 1: Abramowitz and Stegun 4.4.49.
const ATAN: [f32; 9] = [
    0.002_866_225_7,
    -0.016_165_737,
    0.042_909_614,
    -0.075_289_64,
    0.106_562_64,
    -0.142_089,
    0.199_935_51,
    -0.333_331_45,
    1.0,
];

/// The angle of (x, y): from the smaller over the larger, then by octant.
pub(super) fn atan2(b: &mut Builder, y: Value, x: Value) -> Value {
    let (size_y, size_x) = (f(b, Unary::FAbs, y), f(b, Unary::FAbs, x));
    let small = b.binary(Binary::FMin, size_y, size_x);
    let large = b.binary(Binary::FMax, size_y, size_x);
    let [zero, right, straight] = [0.0, consts::FRAC_PI_2, consts::PI].map(|x| b.f32(x));
    let ratio = b.binary(Binary::FDiv, small, large);
    let origin = b.compare(Pred::FEq, large, zero);
    let ratio = b.select(origin, zero, ratio);
    let square = b.binary(Binary::FMul, ratio, ratio);
    let mut sum = b.f32(ATAN[0]);
    for coefficient in &ATAN[1..] {
        let coefficient = b.f32(*coefficient);
        sum = b.ternary(Ternary::Fma, sum, square, coefficient);
    }
    let angle = b.binary(Binary::FMul, sum, ratio);
    let complement = b.binary(Binary::FSub, right, angle);
    let steep = b.compare(Pred::FLt, size_x, size_y);
    let angle = b.select(steep, complement, angle);
    let supplement = b.binary(Binary::FSub, straight, angle);
    let left = b.compare(Pred::FLt, x, zero);
    let angle = b.select(left, supplement, angle);
    copy_sign(b, angle, y)
}

/// `|magnitude|` with the sign of `sign`.
fn copy_sign(b: &mut Builder, magnitude: Value, sign: Value) -> Value {
    let mask = b.i32(0x7fff_ffff);
    let [magnitude, sign] = [magnitude, sign].map(|v| b.unary(Unary::Bitcast, v, Type::I32));
    let bits = b.ternary(Ternary::BitInsert, mask, magnitude, sign);
    b.unary(Unary::Bitcast, bits, Type::F32)
}

/// 1, -1 or the zero itself; F32 or F16.
pub(super) fn sign(b: &mut Builder, x: Value) -> Value {
    let ty = b.ty(x);
    let [zero, one, minus] = [0.0, 1.0, -1.0].map(|x| b.float(ty, x));
    let (above, below) = (b.compare(Pred::FLt, zero, x), b.compare(Pred::FLt, x, zero));
    let rest = b.select(below, minus, x);
    b.select(above, one, rest)
}

/// `t² (3 - 2t)` with `t = clamp((x - low) / (high - low), 0, 1)`; F32 or F16.
pub(super) fn smooth_step(b: &mut Builder, low: Value, high: Value, x: Value) -> Value {
    let ty = b.ty(x);
    let [zero, one, minus_two, three] = [0.0, 1.0, -2.0, 3.0].map(|x| b.float(ty, x));
    let (above, range) = (
        b.binary(Binary::FSub, x, low),
        b.binary(Binary::FSub, high, low),
    );
    let t = b.binary(Binary::FDiv, above, range);
    let t = b.binary(Binary::FMax, t, zero);
    let t = b.binary(Binary::FMin, t, one);
    let square = b.binary(Binary::FMul, t, t);
    let factor = b.ternary(Ternary::Fma, minus_two, t, three);
    b.binary(Binary::FMul, square, factor)
}

/// The lowest or highest set bit (for negative numbers: clear bit) of an I32, or -1.
pub(super) fn find_bit(b: &mut Builder, op: GLOp, x: Value) -> Value {
    if b.ty(x) != Type::I32 {
        // The caller compares the type of the result and refuses.
        return b.bool(false);
    }
    let [zero, minus, top] = [0, u32::MAX, 31].map(|n| b.i32(n));
    if op == GLOp::FindILsb {
        let none = b.compare(Pred::Eq, x, zero);
        let low = b.unary(Unary::Ctz, x, Type::I32);
        return b.select(none, minus, low);
    }
    let x = if op == GLOp::FindSMsb {
        let sign = b.binary(Binary::ShrS, x, top);
        b.binary(Binary::Xor, x, sign)
    } else {
        x
    };
    let leading = b.unary(Unary::Clz, x, Type::I32);
    b.binary(Binary::ISub, top, leading)
}

/// `2^e` for -126 <= e <= 127.
fn power_of_two(b: &mut Builder, e: Value) -> Value {
    let (bias, mantissa) = (b.i32(127), b.i32(23));
    let biased = b.binary(Binary::IAdd, e, bias);
    let bits = b.binary(Binary::Shl, biased, mantissa);
    b.unary(Unary::Bitcast, bits, Type::F32)
}

/// `x 2^e`, by two factors so that every result that f32 has is reached.
pub(super) fn ldexp(b: &mut Builder, x: Value, e: Value) -> Value {
    let [low, high, one] = [-252_i32, 254, 1].map(|n| b.i32(n as u32));
    let e = b.binary(Binary::SMax, e, low);
    let e = b.binary(Binary::SMin, e, high);
    let first = b.binary(Binary::ShrS, e, one);
    let second = b.binary(Binary::ISub, e, first);
    let (first, second) = (power_of_two(b, first), power_of_two(b, second));
    let x = b.binary(Binary::FMul, x, first);
    b.binary(Binary::FMul, x, second)
}

/// Fraction in [0.5, 1) with the sign of x, and exponent; of F32 or F16. Zero gives zero twice.
pub(super) fn frexp(b: &mut Builder, x: Value) -> (Value, Value) {
    let half = b.ty(x) == Type::F16;
    let x = if half {
        b.unary(Unary::F32FromF16, x, Type::F32)
    } else {
        x
    };
    let [zero, smallest, up] = [0.0, f32::MIN_POSITIVE, 16_777_216.0].map(|x| b.f32(x));
    // Subnormal numbers are scaled up by 2^24 first.
    let size = f(b, Unary::FAbs, x);
    let tiny = b.compare(Pred::FLt, size, smallest);
    let larger = b.binary(Binary::FMul, x, up);
    let normal = b.select(tiny, larger, x);
    let bits = b.unary(Unary::Bitcast, normal, Type::I32);
    let [twenty_three, eight, bias, more, keep, exponent, none] =
        [23, 8, 126, 126 + 24, 0x807f_ffff, 0x3f00_0000, 0].map(|n| b.i32(n));
    let field = b.value(
        Type::I32,
        Op::Ternary(Ternary::ExtractU, [bits, twenty_three, eight]),
    );
    let bias = b.select(tiny, more, bias);
    let e = b.binary(Binary::ISub, field, bias);
    let kept = b.binary(Binary::And, bits, keep);
    let bits = b.binary(Binary::Or, kept, exponent);
    let fraction = b.unary(Unary::Bitcast, bits, Type::F32);
    let is_zero = b.compare(Pred::FEq, x, zero);
    let fraction = b.select(is_zero, x, fraction);
    let e = b.select(is_zero, none, e);
    let fraction = if half {
        b.unary(Unary::F16FromF32, fraction, Type::F16)
    } else {
        fraction
    };
    (fraction, e)
}
