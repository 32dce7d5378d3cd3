//! f16 arithmetic, one value per lane or two.
//!
//! The fast path computes in f32 and rounds to f16. A sum, difference or product of f16 in f32 (24 bits, at least twice 11
//! and two more) rounds to the f16 that the exact value rounds to. A fused multiply-add does not have that slack: its f32 sum
//! is rounded to odd, which keeps what the second rounding must know.

use gfx1100_isa::Op;

use super::lift::{hot, one, one_in, source, table, three_in, two_in};
use super::soft::F16;
use super::{Inputs, Outputs, Vector, division, ieee};
use crate::mode::Round;

/// Exact. A NaN becomes quiet, its payload in the high bits.
#[inline(always)]
pub(super) fn to_f32(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let magnitude = u32::from(half & 0x7fff) << 13;
    let rebiased = magnitude + ((127 - 15) << 23);
    let exponent = magnitude & (0x7c00 << 13);
    // A denormal gets a hidden bit by one more in the exponent and loses it by a subtraction.
    let denormal = f32::from_bits(rebiased + (1 << 23)) - f32::from_bits(113 << 23);
    let quiet = u32::from(half & 0x7fff > 0x7c00) << 22;
    f32::from_bits(
        sign | if exponent == 0x7c00 << 13 {
            (rebiased + ((128 - 16) << 23)) | quiet
        } else if exponent == 0 {
            denormal.to_bits()
        } else {
            rebiased
        },
    )
}

/// To nearest even. A NaN becomes quiet, the high bits of its payload kept.
#[inline(always)]
pub(super) fn from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = bits >> 16 & 0x8000;
    let magnitude = bits & 0x7fff_ffff;
    // Adding 0.5 puts the last bit of an f16 denormal at the last bit of the f32, which then rounds it.
    let denormal = (f32::from_bits(magnitude) + 0.5)
        .to_bits()
        .wrapping_sub(0x3f00_0000);
    let odd = magnitude >> 13 & 1;
    let normal = magnitude
        .wrapping_sub((127 - 15) << 23)
        .wrapping_add(0xfff + odd)
        >> 13;
    let rounded = if magnitude > 0x7f80_0000 {
        0x7e00 | magnitude >> 13 & 0x1ff
    } else if magnitude >= 143 << 23 {
        0x7c00
    } else if magnitude < 113 << 23 {
        denormal
    } else {
        normal
    };
    (sign | rounded) as u16
}

/// `a * b + c` of f16 values, as an f32 that rounds to the right f16: rounded to odd.
#[inline(always)]
fn fma_to_odd(a: f32, b: f32, c: f32) -> f32 {
    let product = a * b; // exact: 22 bits
    let sum = product + c;
    // The rounding error, exactly (Knuth's two-sum).
    let part = sum - product;
    let error = (product - (sum - part)) + (c - part);
    let bits = sum.to_bits();
    let away = (error.to_bits() ^ bits) >> 31 == 0;
    let step = if away { 1 } else { u32::MAX };
    let inexact = error != 0.0 && bits & 1 == 0 && sum.is_finite();
    f32::from_bits(if inexact {
        bits.wrapping_add(step)
    } else {
        bits
    })
}

/// Of `SOURCES` sources with `PARTS` halves each: `fast` where it may be used, `exact` for the rest and for NaN.
#[inline(always)]
fn arithmetic<const SOURCES: usize, const PARTS: usize>(
    i: &Inputs<'_>,
    o: &mut Outputs,
    fast: impl Fn([f32; SOURCES]) -> f32,
    exact: impl Fn([u64; SOURCES], Round) -> u64,
) {
    let round = i.mode.round_f16_f64();
    let part = |index, lane, part| (source::<u32>(i, index, lane) >> (16 * part)) as u16;
    let slow = |lane, p| {
        exact(
            std::array::from_fn(|index| u64::from(part(index, lane, p))),
            round,
        ) as u32
    };
    if round != Round::NearestEven {
        for (lane, result) in o.low.iter_mut().enumerate() {
            *result = (0..PARTS).fold(0, |bits, p| bits | slow(lane, p) << (16 * p));
        }
        return;
    }
    let (mut results, mut nan) = ([0; 32], false);
    for p in 0..PARTS {
        for (lane, result) in results.iter_mut().enumerate() {
            let value = fast(std::array::from_fn(|index| to_f32(part(index, lane, p))));
            nan |= value.is_nan();
            *result |= u32::from(from_f32(value)) << (16 * p);
        }
    }
    o.low = results;
    if nan {
        for p in 0..PARTS {
            for (lane, result) in o.low.iter_mut().enumerate() {
                if *result >> (16 * p) & 0x7fff > 0x7c00 {
                    *result = *result & !(0xffff << (16 * p)) | slow(lane, p) << (16 * p);
                }
            }
        }
    }
}

/// One half per source.
#[inline(always)]
fn single<const SOURCES: usize>(
    i: &Inputs<'_>,
    o: &mut Outputs,
    fast: impl Fn([f32; SOURCES]) -> f32,
    exact: impl Fn([u64; SOURCES], Round) -> u64,
) {
    arithmetic::<SOURCES, 1>(i, o, fast, exact);
}

/// Both halves.
#[inline(always)]
fn packed<const SOURCES: usize>(
    i: &Inputs<'_>,
    o: &mut Outputs,
    fast: impl Fn([f32; SOURCES]) -> f32,
    exact: impl Fn([u64; SOURCES], Round) -> u64,
) {
    arithmetic::<SOURCES, 2>(i, o, fast, exact);
}

hot! {
    V_ADD_F16 => single(|[a, b]| a + b, |[a, b], round| F16.add(a, b, round));
    V_SUB_F16 => single(|[a, b]| a - b, |[a, b], round| F16.sub(a, b, round));
    V_SUBREV_F16 => single(|[a, b]| b - a, |[a, b], round| F16.sub(b, a, round));
    V_MUL_F16 => single(|[a, b]| a * b, |[a, b], round| F16.mul(a, b, round));
    V_FMA_F16 | V_FMAC_F16 | V_FMAMK_F16 | V_FMAAK_F16 =>
        single(|[a, b, c]| fma_to_odd(a, b, c), |[a, b, c], round| F16.fma(a, b, c, round));
    V_PK_ADD_F16 => packed(|[a, b]| a + b, |[a, b], round| F16.add(a, b, round));
    V_PK_MUL_F16 => packed(|[a, b]| a * b, |[a, b], round| F16.mul(a, b, round));
    V_PK_FMA_F16 | V_PK_FMAC_F16 =>
        packed(|[a, b, c]| fma_to_odd(a, b, c), |[a, b, c], round| F16.fma(a, b, c, round));
    V_MIN_F16 => two_in(|i, a: u16, b| ieee::min(i.mode.ieee(), a, b));
    V_MAX_F16 => two_in(|i, a: u16, b| ieee::max(i.mode.ieee(), a, b));
    V_PK_MIN_F16 => two_in(|i, a: [u16; 2], b: [u16; 2]| pairwise(a, b, |a, b| ieee::min(i.mode.ieee(), a, b)));
    V_PK_MAX_F16 => two_in(|i, a: [u16; 2], b: [u16; 2]| pairwise(a, b, |a, b| ieee::max(i.mode.ieee(), a, b)));
}

table! {
    V_MIN3_F16 => three_in(|i, a: u16, b, c| ieee::min3(i.mode.ieee(), a, b, c));
    V_MAX3_F16 => three_in(|i, a: u16, b, c| ieee::max3(i.mode.ieee(), a, b, c));
    V_MED3_F16 => three_in(|i, a: u16, b, c| ieee::med3(i.mode.ieee(), a, b, c));
    V_MAXMIN_F16 => three_in(|i, a: u16, b, c| ieee::maxmin(i.mode.ieee(), a, b, c));
    V_MINMAX_F16 => three_in(|i, a: u16, b, c| ieee::minmax(i.mode.ieee(), a, b, c));
    V_TRUNC_F16 => one(|a| rounded(a, f32::trunc));
    V_CEIL_F16 => one(|a| rounded(a, f32::ceil));
    V_FLOOR_F16 => one(|a| rounded(a, f32::floor));
    V_RNDNE_F16 => one(|a| rounded(a, f32::round_ties_even));
    V_FRACT_F16 => one_in(fract);
    V_LDEXP_F16 => two_in(|i, a: u16, n: i16| F16.scale(a.into(), n.into(), i.mode.round_f16_f64()) as u16);
    V_FREXP_MANT_F16 => one(ieee::mantissa::<u16>);
    V_FREXP_EXP_I16_F16 => one(|a: u16| ieee::exponent(a) as i16);
    V_DIV_FIXUP_F16 => three_in(division::fixup::<u16>);
}

#[inline(always)]
fn pairwise(a: [u16; 2], b: [u16; 2], f: impl Fn(u16, u16) -> u16) -> [u16; 2] {
    [f(a[0], b[0]), f(a[1], b[1])]
}

/// Rounded to an integer, which is an f16 again; a NaN becomes quiet.
#[inline(always)]
fn rounded(a: u16, f: impl Fn(f32) -> f32) -> u16 {
    from_f32(f(to_f32(a)))
}

/// The fraction, below 1; see `v_fract_f32`.
fn fract(i: &Inputs<'_>, a: u16) -> u16 {
    let floor = rounded(a, f32::floor);
    let difference = F16.sub(a.into(), floor.into(), i.mode.round_f16_f64());
    if F16.is_nan(difference) {
        difference as u16
    } else {
        F16.magnitude(difference).min(0x3bff) as u16
    }
}
