//! What happens to vectors between the products: plain Rust for every instruction set, so the same bits by construction.
//! The loops have no branches, and the compiler may vectorise them: that changes no result.

use crate::kernels::lanes::{maximum, sum, sum_of_squares};

/// `out = x / sqrt(mean(x^2) + epsilon) * weight`.
pub(crate) fn rms_norm(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    let mean = sum_of_squares(x) / x.len() as f32;
    let scale = 1.0 / libm::sqrtf(mean + epsilon);
    for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
        *out = x * scale * weight;
    }
}

/// `x = exp(scale * x) / sum(exp(scale * x))`, with the largest exponent moved to 0; rounded to F16, like the values that
/// these weights meet.
pub(crate) fn softmax(x: &mut [f32], scale: f32) {
    let largest = maximum(x) * scale;
    for x in x.iter_mut() {
        *x = exp(*x * scale - largest);
    }
    let inverse = 1.0 / sum(x);
    for x in x.iter_mut() {
        *x = round_to_f16(*x * inverse);
    }
}

/// `gate = silu(gate) * up`, with `silu(x) = x / (1 + exp(-x))`.
pub(crate) fn swiglu(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + exp(-*gate)) * up;
    }
}

/// The nearest F16, ties to even; numbers too large for F16 keep F16's precision, and NaN stays NaN.
#[inline]
pub(crate) fn round_to_f16(x: f32) -> f32 {
    /// Bits of an f32's fraction that F16 lacks.
    const EXCESS: u32 = 13;
    /// F16's smallest normal number, 2^-14; below it, F16s are multiples of 2^-24.
    const NORMAL: f32 = 6.103_515_6e-5;
    /// f32s near this one are multiples of 2^-24.
    const ROUND: f32 = 0.75;

    let bits = x.to_bits();
    let half = (1 << (EXCESS - 1)) - 1 + (bits >> EXCESS & 1);
    let rounded = f32::from_bits(bits.wrapping_add(half) & !((1 << EXCESS) - 1));
    let subnormal = (x + ROUND) - ROUND;
    if x.abs() >= NORMAL {
        rounded
    } else {
        subnormal
    }
}

/// `e^x` within 3 units in the last place; 0 below the smallest normal number, clamped to `e^88` above.
///
/// `x = n ln 2 + r` with integer `n` and `|r| <= ln(2) / 2`; then `2^n` times the Taylor polynomial of degree 7, whose
/// remainder there is under 6e-9.
#[inline]
fn exp(x: f32) -> f32 {
    const LOWEST: f32 = -87.0;
    const HIGHEST: f32 = 88.0;
    /// Added and subtracted, it rounds to an integer, which then stands in the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts; the first has so few bits that its product with `n` is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    const EXPONENT_BIAS: u32 = 127;

    let clamped = if x > HIGHEST { HIGHEST } else { x };
    let rounded = clamped * core::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = clamped - n * LN_2_HIGH - n * LN_2_LOW;
    let mut polynomial = 1.0 / 5040.0;
    for coefficient in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        polynomial = polynomial * r + coefficient;
    }
    let exponent = rounded.to_bits().wrapping_sub(ROUND.to_bits());
    let power = f32::from_bits(exponent.wrapping_add(EXPONENT_BIAS) << 23);
    if x < LOWEST { 0.0 } else { polynomial * power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_three_units_in_the_last_place() {
        let mut worst = 0.0f64;
        for i in -87_000..88_000 {
            let x = i as f32 / 1000.0;
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) - expected).abs() / expected;
            worst = worst.max(error);
        }
        assert!(worst < 3.0 * f64::from(f32::EPSILON) / 2.0, "{worst:e}");
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-100.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!(exp(1e30).is_finite());
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn rounding_to_f16_is_what_converting_does() {
        for bits in (0..0x477f_e000u32).step_by(977) {
            for x in [f32::from_bits(bits), -f32::from_bits(bits)] {
                assert_eq!(round_to_f16(x), half::f16::from_f32(x).to_f32(), "{x:e}");
            }
        }
        assert_eq!(round_to_f16(f32::INFINITY), f32::INFINITY);
        for bits in [0x7f80_0001, 0x7fff_ffff, 0xffc0_0000, u32::MAX] {
            assert!(round_to_f16(f32::from_bits(bits)).is_nan(), "{bits:#x}");
        }
    }

    #[test]
    fn softmax_sums_to_one_and_keeps_ratios() {
        let mut x = [1000.0, 1001.0, 999.0, -1e9];
        softmax(&mut x, 0.5);
        // Each is rounded to F16.
        assert!((x.iter().sum::<f32>() - 1.0).abs() < 1.0 / 2048.0);
        assert!((x[1] / x[0] - 0.5f32.exp()).abs() < 2.0 / 2048.0);
        assert_eq!(x[3], 0.0);
    }
}
