//! f64 arithmetic; as in [`super::float`], the host's where MODE asks for nearest even.

use gfx1100_isa::Op;

use super::lift::{flagged, one, one_in, source, table, three_if, three_in, two_in};
use super::soft::F64;
use super::{Inputs, Outputs, Vector, division, ieee};
use crate::mode::Round;

/// Of `SOURCES` sources: `fast` where it may be used, `exact` for the rest and for NaN.
#[inline(always)]
fn arithmetic<const SOURCES: usize>(
    i: &Inputs<'_>,
    o: &mut Outputs,
    fast: impl Fn([f64; SOURCES]) -> f64,
    exact: impl Fn([u64; SOURCES], Round) -> u64,
) {
    let round = i.mode.round_f16_f64();
    for lane in 0..32 {
        let bits: [u64; SOURCES] = std::array::from_fn(|index| source(i, index, lane));
        let mut result = f64::NAN;
        if round == Round::NearestEven {
            result = fast(bits.map(f64::from_bits));
        }
        let result = if result.is_nan() {
            exact(bits, round)
        } else {
            result.to_bits()
        };
        o.low[lane] = result as u32;
        o.high[lane] = (result >> 32) as u32;
    }
}

table! {
    V_ADD_F64 => arithmetic(|[a, b]| a + b, |[a, b], round| F64.add(a, b, round));
    V_MUL_F64 => arithmetic(|[a, b]| a * b, |[a, b], round| F64.mul(a, b, round));
    V_FMA_F64 => arithmetic(|[a, b, c]: [f64; 3]| a.mul_add(b, c), |[a, b, c], round| F64.fma(a, b, c, round));
    V_MIN_F64 => two_in(|i, a: u64, b| ieee::min(i.mode.ieee(), a, b));
    V_MAX_F64 => two_in(|i, a: u64, b| ieee::max(i.mode.ieee(), a, b));
    V_LDEXP_F64 => two_in(|i, a: u64, n: i32| F64.scale(a, n, i.mode.round_f16_f64()));
    V_TRUNC_F64 => one(|a| rounded(a, f64::trunc));
    V_CEIL_F64 => one(|a| rounded(a, f64::ceil));
    V_FLOOR_F64 => one(|a| rounded(a, f64::floor));
    V_RNDNE_F64 => one(|a| rounded(a, f64::round_ties_even));
    V_FRACT_F64 => one_in(fract);
    V_FREXP_MANT_F64 => one(ieee::mantissa::<u64>);
    V_FREXP_EXP_I32_F64 => one(ieee::exponent::<u64>);
    V_DIV_SCALE_F32 => flagged(division::scale::<u32>);
    V_DIV_SCALE_F64 => flagged(division::scale::<u64>);
    V_DIV_FMAS_F64 => three_if(division::fmas::<u64>);
    V_DIV_FIXUP_F64 => three_in(division::fixup::<u64>);
    V_TRIG_PREOP_F64 => two_in(|_, a: u64, segment: u32| trig_preop(a, segment));
}

/// Rounded to an integer; a NaN becomes quiet.
fn rounded(a: u64, f: impl Fn(f64) -> f64) -> u64 {
    let value = f64::from_bits(a);
    if value.is_nan() {
        a | F64.quiet_bit()
    } else {
        f(value).to_bits()
    }
}

/// The fraction, below 1; see `v_fract_f32`.
fn fract(i: &Inputs<'_>, a: u64) -> u64 {
    let floor = rounded(a, f64::floor);
    let difference = F64.sub(a, floor, i.mode.round_f16_f64());
    if F64.is_nan(difference) {
        difference
    } else {
        F64.magnitude(difference).min(0x3fef_ffff_ffff_ffff)
    }
}

/// The first 1201 bits of 2/pi behind the point, highest first: 18 words and 49 bits at the top of the last.
const TWO_OVER_PI: [u64; 19] = [
    0xa2f9_836e_4e44_1529,
    0xfc27_57d1_f534_ddc0,
    0xdb62_9599_3c43_9041,
    0xfe51_63ab_debb_c561,
    0xb724_6e3a_424d_d2e0,
    0x0649_2eea_09d1_921c,
    0xfe1d_eb1c_b129_a73e,
    0xe882_35f5_2ebb_4484,
    0xe99c_7026_b45f_7e41,
    0x3991_d639_8353_39f4,
    0x9c84_5f8b_bdf9_283b,
    0x1ff8_97ff_de05_980f,
    0xef2f_118b_5a0a_6d1f,
    0x6d36_7ecf_27cb_09b7,
    0x4f46_3f66_9e5f_ea2d,
    0x7527_bac7_ebe5_f17b,
    0x3d07_39f7_8a52_92ea,
    0x6bfb_5fb1_1f8d_5d08,
    0x5603_3046_fc7b_0000,
];

/// `v_trig_preop`: 53 bits of 2/pi from bit `53 * segment` on, later for arguments so large that the bits before only make
/// multiples of 4; scaled to their place, and by 2^128 for the largest arguments so that the product does not vanish.
fn trig_preop(a: u64, segment: u32) -> u64 {
    let exponent = F64.exponent_field(a);
    let shift = 53 * (segment & 31) + (exponent - 1077).max(0) as u32;
    let word = |index: u32| TWO_OVER_PI.get(index as usize).copied().unwrap_or(0);
    let pair = u128::from(word(shift / 64)) << 64 | u128::from(word(shift / 64 + 1));
    let bits = (pair << (shift % 64) >> 75) as u64;
    let power = -53 - shift as i32 + if exponent >= 1968 { 128 } else { 0 };
    F64.scale((bits as f64).to_bits(), power, Round::NearestEven)
}
