//! The transcendental unit: reciprocal, square roots, exponential, logarithm, sine, cosine.
//!
//! What cards compute is not documented to the bit: AMD's manual grants 1 ulp for f32 `v_exp`, `v_log`, `v_rcp`, `v_rsq`,
//! `v_sqrt`, 2^29 ulp for the f64 ones, and says nothing of the rest. We deliver the exact result rounded to nearest even, as
//! far as f64 knows it: within 0.5 ulp for reciprocal and square root, within 0.5001 ulp for the others (libm's f64 functions
//! err by less than 1 ulp of f64, and f64's reciprocal square root is rounded twice). MODE's rounding has no say.
//!
//! The f32 exponential, logarithm, reciprocal and square roots flush denormals whatever MODE says (manual); f32 sine and
//! cosine and all f16 and f64 functions do not.

use gfx1100_isa::Op;

use super::half;
use super::lift::{one, table};
use super::soft::{F16, F32, F64};
use super::{Inputs, Outputs, Vector};
use crate::mode::Round;

table! {
    V_EXP_F32 => one(|a| flushing(a, libm::exp2));
    V_LOG_F32 => one(|a| flushing(a, logarithm));
    V_RCP_F32 | V_RCP_IFLAG_F32 => one(|a| flushing(a, |a| 1.0 / a));
    V_RSQ_F32 => one(|a| flushing(a, reciprocal_root));
    V_SQRT_F32 => one(|a| flushing(a, f64::sqrt));
    V_SIN_F32 => one(|a| single(a, sine));
    V_COS_F32 => one(|a| single(a, cosine));
    V_EXP_F16 => one(|a| short(a, libm::exp2));
    V_LOG_F16 => one(|a| short(a, logarithm));
    V_RCP_F16 => one(|a| short(a, |a| 1.0 / a));
    V_RSQ_F16 => one(|a| short(a, reciprocal_root));
    V_SQRT_F16 => one(|a| short(a, f64::sqrt));
    V_SIN_F16 => one(|a| short(a, sine));
    V_COS_F16 => one(|a| short(a, cosine));
    V_RCP_F64 => one(|a| double(a, |a| 1.0 / a));
    V_RSQ_F64 => one(|a| double(a, reciprocal_root));
    V_SQRT_F64 => one(|a| double(a, f64::sqrt));
}

/// `f` of a number; a NaN becomes quiet, what has no result the invalid NaN.
fn single(a: u32, f: impl Fn(f64) -> f64) -> u32 {
    match f32::from_bits(a) {
        value if value.is_nan() => a | F32.quiet_bit() as u32,
        value => match f(value.into()) as f32 {
            result if result.is_nan() => F32.invalid() as u32,
            result => result.to_bits(),
        },
    }
}

/// An f32 function of the unit that knows no denormals.
fn flushing(a: u32, f: impl Fn(f64) -> f64) -> u32 {
    let result = single(F32.flush(a.into()) as u32, f);
    F32.flush(result.into()) as u32
}

fn short(a: u16, f: impl Fn(f64) -> f64) -> u16 {
    match half::to_f32(a) {
        value if value.is_nan() => a | F16.quiet_bit() as u16,
        value => match f(value.into()) {
            result if result.is_nan() => F16.invalid() as u16,
            result => F64.convert(result.to_bits(), F16, Round::NearestEven) as u16,
        },
    }
}

fn double(a: u64, f: impl Fn(f64) -> f64) -> u64 {
    match f64::from_bits(a) {
        value if value.is_nan() => a | F64.quiet_bit(),
        value => match f(value) {
            result if result.is_nan() => F64.invalid(),
            result => result.to_bits(),
        },
    }
}

/// Of -0 it is -infinity too.
fn logarithm(a: f64) -> f64 {
    if a == 0.0 {
        f64::NEG_INFINITY
    } else {
        libm::log2(a)
    }
}

/// Of -0 it is -infinity.
fn reciprocal_root(a: f64) -> f64 {
    1.0 / a.sqrt()
}

/// `a` turns, as a number of quarter turns and the rest, at most an eighth of a turn, in radians. Exact up to the product
/// with 2 pi: numbers of turns from f32 and f16 have few bits.
fn quarters(a: f64) -> (u8, f64) {
    let fraction = a - a.floor();
    let nearest = (4.0 * fraction).round_ties_even();
    let rest = fraction - nearest / 4.0;
    (nearest as u8 & 3, rest * std::f64::consts::TAU)
}

/// Sine of `a` turns. Zeros are +0, but the sine of -0 is -0 (the manual's examples).
fn sine(a: f64) -> f64 {
    // A number so small is not changed by whole turns, and `a.floor()` would take its bits.
    if a.abs() < 0.125 {
        return libm::sin(a * std::f64::consts::TAU);
    }
    let sine = match quarters(a) {
        (0, rest) => libm::sin(rest),
        (1, rest) => libm::cos(rest),
        (2, rest) => -libm::sin(rest),
        (_, rest) => -libm::cos(rest),
    };
    // -0 + 0 is +0.
    sine + 0.0
}

/// Cosine of `a` turns.
fn cosine(a: f64) -> f64 {
    let a = a.abs();
    if a < 0.125 {
        return libm::cos(a * std::f64::consts::TAU);
    }
    let cosine = match quarters(a) {
        (0, rest) => libm::cos(rest),
        (1, rest) => -libm::sin(rest),
        (2, rest) => -libm::cos(rest),
        (_, rest) => libm::sin(rest),
    };
    cosine + 0.0
}
