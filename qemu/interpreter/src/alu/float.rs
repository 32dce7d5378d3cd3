//! f32 arithmetic.
//!
//! Where MODE rounds f32 to nearest even, the host's arithmetic is used and [`super::soft`] is asked only for NaN, whose
//! payload the host does not promise. In the other rounding modes [`super::soft`] does it all.

use gfx1100_isa::Op;

use super::lift::{hot, one, source, table, three_if, three_in, two_in};
use super::soft::{F16, F32};
use super::{Inputs, Outputs, Vector, division, half, ieee};
use crate::mode::Round;

/// Of `sources` sources: `fast` where it may be used, `exact` for the rest.
#[inline(always)]
fn arithmetic<const SOURCES: usize>(
    i: &Inputs<'_>,
    o: &mut Outputs,
    fast: impl Fn([f32; SOURCES]) -> f32,
    exact: impl Fn([u64; SOURCES], Round) -> u64,
) {
    let round = i.mode.round_f32();
    let slow = |lane| {
        let bits = std::array::from_fn(|index| u64::from(source::<u32>(i, index, lane)));
        exact(bits, round) as u32
    };
    if round != Round::NearestEven {
        for (lane, result) in o.low.iter_mut().enumerate() {
            *result = slow(lane);
        }
        return;
    }
    let (mut results, mut nan) = ([0; 32], false);
    for (lane, result) in results.iter_mut().enumerate() {
        let value = fast(std::array::from_fn(|index| source(i, index, lane)));
        nan |= value.is_nan();
        *result = value.to_bits();
    }
    o.low = results;
    if nan {
        for (lane, result) in o.low.iter_mut().enumerate() {
            if f32::from_bits(*result).is_nan() {
                *result = slow(lane);
            }
        }
    }
}

/// DX9 rules: zero times anything is zero.
#[inline(always)]
fn dx9_zero(a: f32, b: f32) -> bool {
    a == 0.0 || b == 0.0
}

fn dx9_zero_bits(a: u64, b: u64) -> bool {
    F32.magnitude(a) == 0 || F32.magnitude(b) == 0
}

hot! {
    V_ADD_F32 => arithmetic(|[a, b]| a + b, |[a, b], round| F32.add(a, b, round));
    V_SUB_F32 => arithmetic(|[a, b]| a - b, |[a, b], round| F32.sub(a, b, round));
    V_SUBREV_F32 => arithmetic(|[a, b]| b - a, |[a, b], round| F32.sub(b, a, round));
    V_MUL_F32 => arithmetic(|[a, b]| a * b, |[a, b], round| F32.mul(a, b, round));
    V_FMA_F32 | V_FMAC_F32 | V_FMAMK_F32 | V_FMAAK_F32 | V_FMA_MIX_F32 =>
        arithmetic(|[a, b, c]: [f32; 3]| a.mul_add(b, c), |[a, b, c], round| F32.fma(a, b, c, round));
    V_FMA_MIXLO_F16 | V_FMA_MIXHI_F16 => fma_to_f16();
    V_MIN_F32 => two_in(|i, a: u32, b| ieee::min(i.mode.ieee(), a, b));
    V_MAX_F32 => two_in(|i, a: u32, b| ieee::max(i.mode.ieee(), a, b));
    V_MIN3_F32 => three_in(|i, a: u32, b, c| ieee::min3(i.mode.ieee(), a, b, c));
    V_MAX3_F32 => three_in(|i, a: u32, b, c| ieee::max3(i.mode.ieee(), a, b, c));
    V_MED3_F32 => three_in(|i, a: u32, b, c| ieee::med3(i.mode.ieee(), a, b, c));
    V_MAXMIN_F32 => three_in(|i, a: u32, b, c| ieee::maxmin(i.mode.ieee(), a, b, c));
    V_MINMAX_F32 => three_in(|i, a: u32, b, c| ieee::minmax(i.mode.ieee(), a, b, c));
    V_TRUNC_F32 => one(|a| rounded(a, f32::trunc));
    V_CEIL_F32 => one(|a| rounded(a, f32::ceil));
    V_FLOOR_F32 => one(|a| rounded(a, f32::floor));
    V_RNDNE_F32 => one(|a| rounded(a, f32::round_ties_even));
    V_FRACT_F32 => fract();
}

table! {
    V_MUL_DX9_ZERO_F32 => arithmetic(
        |[a, b]| if dx9_zero(a, b) { 0.0 } else { a * b },
        |[a, b], round| if dx9_zero_bits(a, b) { 0 } else { F32.mul(a, b, round) }
    );
    V_FMA_DX9_ZERO_F32 | V_FMAC_DX9_ZERO_F32 => arithmetic(
        |[a, b, c]: [f32; 3]| if dx9_zero(a, b) { c } else { a.mul_add(b, c) },
        |[a, b, c], round| if dx9_zero_bits(a, b) { c } else { F32.fma(a, b, c, round) }
    );
    V_LDEXP_F32 => two_in(|i, a: u32, n: i32| F32.scale(a.into(), n, i.mode.round_f32()) as u32);
    V_FREXP_MANT_F32 => one(ieee::mantissa::<u32>);
    V_FREXP_EXP_I32_F32 => one(ieee::exponent::<u32>);
    V_DIV_FMAS_F32 => three_if(division::fmas::<u32>);
    V_DIV_FIXUP_F32 => three_in(division::fixup::<u32>);
}

/// Rounded to an integer; a NaN becomes quiet.
#[inline(always)]
fn rounded(a: u32, f: impl Fn(f32) -> f32) -> u32 {
    let value = f32::from_bits(a);
    if value.is_nan() {
        a | F32.quiet_bit() as u32
    } else {
        f(value).to_bits()
    }
}

/// The fraction, below 1: the difference that the manual writes down would round up to 1 for tiny negative numbers, but LLVM
/// selects this instruction for `min(x - floor(x), 0x1.fffffep-1)`, and cards of the next generation deliver that, and +0.
#[inline(always)]
fn fract(i: &Inputs<'_>, o: &mut Outputs) {
    arithmetic(
        i,
        o,
        |[a]: [f32; 1]| a - a.floor(),
        |[a], round| {
            let floor = rounded(a as u32, f32::floor).into();
            F32.sub(a, floor, round)
        },
    );
    for result in &mut o.low {
        *result = below_one(*result);
    }
}

/// What is not below 1 nor a NaN becomes the largest number below; -0 becomes +0.
#[inline(always)]
fn below_one(bits: u32) -> u32 {
    if bits & 0x7fff_ffff > 0x7f80_0000 {
        bits
    } else {
        (bits & 0x7fff_ffff).min(0x3f7f_ffff)
    }
}

/// Two roundings, as the manual has it: to f32, then to f16.
#[inline(always)]
fn fma_to_f16(i: &Inputs<'_>, o: &mut Outputs) {
    arithmetic(
        i,
        o,
        |[a, b, c]: [f32; 3]| a.mul_add(b, c),
        |[a, b, c], round| F32.fma(a, b, c, round),
    );
    let round = i.mode.round_f16_f64();
    for result in &mut o.low {
        *result = if round == Round::NearestEven {
            half::from_f32(f32::from_bits(*result)).into()
        } else {
            F32.convert((*result).into(), F16, round) as u32
        };
    }
}
