//! `v_div_scale`, `v_div_fmas`, `v_div_fixup`: what makes a correctly rounded division of an approximate reciprocal.
//!
//! Scale numerator and denominator into a range where Newton's steps neither overflow nor lose bits to denormals, let the
//! last step undo the scale, and put special cases right. The manual's pseudo-code has errors in it; where we follow cards
//! instead, the source is named: "gfx1100" are the tests of tinygrad that its authors ran on an RX 7900, "gfx1200" values
//! captured on an RDNA 4 card by another interpreter's authors. That the three together divide correctly is tested here.

use super::Inputs;
use super::ieee::Bits;
use super::soft::{Exact, F16, F32};
use crate::mode::Round;

/// What differs between the formats.
struct Limits {
    /// Scales are powers of two: a quarter of the exponents' range for f32, an eighth for f64.
    power: i32,
    /// From this difference of exponents on, the quotient comes near the largest number.
    near_largest: i32,
    /// Up to this exponent field the numerator is scaled so that the steps' remainders are no denormals.
    tiny_numerator: i32,
    round: Round,
}

fn limits<T: Bits>(i: &Inputs<'_>) -> Limits {
    if T::FORMAT == F32 {
        Limits {
            power: 64,
            near_largest: 96,
            tiny_numerator: 23,
            round: i.mode.round_f32(),
        }
    } else {
        Limits {
            power: 128,
            near_largest: 768,
            tiny_numerator: 53,
            round: i.mode.round_f16_f64(),
        }
    }
}

/// `v_div_scale`: `a` is the one of denominator and numerator that is to be scaled. The flag tells `v_div_fmas` to scale back.
pub(super) fn scale<T: Bits>(i: &Inputs<'_>, a: T, denominator: T, numerator: T) -> (T, bool) {
    let format = T::FORMAT;
    let limits = limits::<T>(i);
    let (d, n) = (denominator.wide(), numerator.wide());
    let (field_d, field_n) = (format.exponent_field(d), format.exponent_field(n));
    let times = |power| T::narrow(format.scale(a.wide(), power, limits.round));
    // The manual compares quotients with "DENORM". Exponents are what gfx1100 goes by: 2^-126 / 1 sets the flag.
    let tiny_quotient = field_n - field_d <= 1 - format.bias();
    let tiny_reciprocal = field_d >= 2 * format.bias() - 1;
    if format.magnitude(d) == 0 || format.magnitude(n) == 0 {
        // The flag is gfx1100's and gfx1200's; the manual says that there is none.
        (T::narrow(format.invalid()), true)
    } else if field_n - field_d >= limits.near_largest {
        (
            if a.equals(denominator) {
                times(limits.power)
            } else {
                a
            },
            true,
        )
    } else if field_d == 0 {
        (times(limits.power), false)
    } else if tiny_reciprocal && tiny_quotient {
        // Down, as gfx1200 does it; the manual says up, which would overflow.
        (
            if a.equals(denominator) {
                times(-limits.power)
            } else {
                a
            },
            true,
        )
    } else if tiny_reciprocal {
        (times(-limits.power), false)
    } else if tiny_quotient {
        (
            if a.equals(numerator) {
                times(limits.power)
            } else {
                a
            },
            true,
        )
    } else if field_n <= limits.tiny_numerator {
        (times(limits.power), false)
    } else {
        (a, false)
    }
}

/// `v_div_fmas`: `a * b + c`, scaled back where the lane's bit of VCC is set: up if the addend, which is the quotient so far,
/// is 2 or more, down if not (gfx1100; the manual's factor of 2^32 fits neither scale). One rounding: with two, quotients
/// that are denormal would not be correctly rounded.
pub(super) fn fmas<T: Bits>(i: &Inputs<'_>, scaled: bool, [a, b, c]: [T; 3]) -> T {
    let format = T::FORMAT;
    let limits = limits::<T>(i);
    let up = format.exponent_field(c.wide()) > format.bias();
    let power = match (scaled, up) {
        (false, _) => 0,
        (true, true) => limits.power,
        (true, false) => -limits.power,
    };
    T::narrow(format.scaled_fma(a.wide(), b.wide(), c.wide(), power, limits.round))
}

/// `v_div_fixup`: the quotient `a`, unless denominator or numerator is special.
pub(super) fn fixup<T: Bits>(i: &Inputs<'_>, a: T, denominator: T, numerator: T) -> T {
    let format = T::FORMAT;
    let (d, n) = (denominator.wide(), numerator.wide());
    let sign = (d ^ n) & format.sign();
    let zero = |bits| format.magnitude(bits) == 0;
    let infinite = |bits| format.is_infinite(bits);
    let far_below = format.exponent_field(n) - format.exponent_field(d)
        < -(format.bias() + format.fraction as i32);
    T::narrow(if numerator.is_nan() {
        numerator.quiet().wide()
    } else if denominator.is_nan() {
        denominator.quiet().wide()
    } else if zero(d) && zero(n) || infinite(d) && infinite(n) {
        format.invalid()
    } else if zero(d) || infinite(n) {
        sign | format.infinity()
    } else if infinite(d) || zero(n) {
        sign
    } else if far_below && T::FORMAT != F16 {
        let least = Exact {
            negative: sign != 0,
            exponent: -10_000,
            significand: 1,
        };
        format.round(least, limits::<T>(i).round)
    } else if a.is_nan() && T::FORMAT != F16 {
        // The steps overflowed: infinity on gfx1100, where the manual would keep the NaN.
        sign | format.infinity()
    } else {
        sign | format.magnitude(a.wide())
    })
}
