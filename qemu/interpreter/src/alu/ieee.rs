//! What the three float formats have in common, on their bits: NaN, minimum, maximum, median, class.

use super::soft::{F16, F32, F64, Format};

/// The bits of a float: `u16` is an f16, `u32` an f32, `u64` an f64.
pub(super) trait Bits: Copy {
    /// The format.
    const FORMAT: Format;
    /// The integer that is ordered as the numbers are, -0 before +0.
    type Key: Ord;
    fn key(self) -> Self::Key;
    fn wide(self) -> u64;
    fn narrow(bits: u64) -> Self;
    fn is_nan(self) -> bool;
    fn is_signalling(self) -> bool;
    fn quiet(self) -> Self;
    /// Equal as numbers: -0 and +0 are, a NaN is not even to itself.
    fn equals(self, other: Self) -> bool;
}

macro_rules! bits {
    ($($ty:ty, $signed:ty, $format:ident;)*) => {
        $(impl Bits for $ty {
            const FORMAT: Format = $format;
            type Key = $signed;
            #[inline(always)]
            fn key(self) -> $signed {
                let signed = self as $signed;
                signed ^ ((signed >> (<$ty>::BITS - 1)) as $ty >> 1) as $signed
            }
            #[inline(always)]
            fn wide(self) -> u64 {
                u64::from(self)
            }
            #[inline(always)]
            fn narrow(bits: u64) -> Self {
                bits as Self
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                self & (<$ty>::MAX >> 1) > $format.infinity() as $ty
            }
            #[inline(always)]
            fn is_signalling(self) -> bool {
                self.is_nan() && self & $format.quiet_bit() as $ty == 0
            }
            #[inline(always)]
            fn quiet(self) -> Self {
                self | $format.quiet_bit() as $ty
            }
            #[inline(always)]
            fn equals(self, other: Self) -> bool {
                !self.is_nan() && !other.is_nan() && (self == other || (self | other) << 1 == 0)
            }
        })*
    };
}

bits! {
    u16, i16, F16;
    u32, i32, F32;
    u64, i64, F64;
}

/// Minimum or maximum: `first` says of two numbers' keys whether the first is chosen.
#[inline(always)]
fn choose<T: Bits>(ieee: bool, a: T, b: T, first: impl Fn(T::Key, T::Key) -> bool) -> T {
    let number = if b.is_nan() {
        a
    } else if a.is_nan() {
        b
    } else if first(a.key(), b.key()) {
        a
    } else {
        b
    };
    if ieee && a.is_signalling() {
        a.quiet()
    } else if ieee && b.is_signalling() {
        b.quiet()
    } else {
        number
    }
}

/// The manual's `v_min`: the operand that is no NaN, -0 below +0; with MODE.ieee a signalling NaN is the result, quiet.
#[inline(always)]
pub(super) fn min<T: Bits>(ieee: bool, a: T, b: T) -> T {
    choose(ieee, a, b, |a, b| a < b)
}

/// The manual's `v_max`.
#[inline(always)]
pub(super) fn max<T: Bits>(ieee: bool, a: T, b: T) -> T {
    choose(ieee, a, b, |a, b| a > b)
}

#[inline(always)]
pub(super) fn min3<T: Bits>(ieee: bool, a: T, b: T, c: T) -> T {
    min(ieee, min(ieee, a, b), c)
}

#[inline(always)]
pub(super) fn max3<T: Bits>(ieee: bool, a: T, b: T, c: T) -> T {
    max(ieee, max(ieee, a, b), c)
}

/// `v_maxmin`: the minimum of the third and of the maximum of the first two.
#[inline(always)]
pub(super) fn maxmin<T: Bits>(ieee: bool, a: T, b: T, c: T) -> T {
    min(ieee, max(ieee, a, b), c)
}

/// `v_minmax`.
#[inline(always)]
pub(super) fn minmax<T: Bits>(ieee: bool, a: T, b: T, c: T) -> T {
    max(ieee, min(ieee, a, b), c)
}

/// The manual's `v_med3`: with a NaN the minimum of all, else what is left without the maximum and the minimum.
#[inline(always)]
pub(super) fn med3<T: Bits>(ieee: bool, a: T, b: T, c: T) -> T {
    let largest = max3(ieee, a, b, c);
    if a.is_nan() || b.is_nan() || c.is_nan() {
        min3(ieee, a, b, c)
    } else if largest.equals(a) {
        max(ieee, b, c)
    } else if largest.equals(b) {
        max(ieee, a, c)
    } else {
        max(ieee, a, b)
    }
}

/// `v_cmp_class`: whether the mask has the bit of the number's class.
#[inline(always)]
pub(super) fn class<T: Bits>(a: T, mask: u32) -> bool {
    let format = T::FORMAT;
    let bits = a.wide();
    let field = format.exponent_field(bits);
    let (positive, negative) = if a.is_signalling() {
        (0, 0)
    } else if a.is_nan() {
        (1, 1)
    } else if format.is_infinite(bits) {
        (9, 2)
    } else if field > 0 {
        (8, 3)
    } else if format.magnitude(bits) > 0 {
        (7, 4)
    } else {
        (6, 5)
    };
    let bit = if format.is_negative(bits) {
        negative
    } else {
        positive
    };
    mask >> bit & 1 == 1
}

/// `v_frexp_mant`: the number scaled to [0.5, 1); zero, infinity and NaN stay, a NaN becomes quiet.
pub(super) fn mantissa<T: Bits>(a: T) -> T {
    let format = T::FORMAT;
    match format.unpack(a.wide()) {
        None if a.is_nan() => a.quiet(),
        Some(x) if x.significand != 0 => {
            let top = format.fraction - (127 - x.significand.leading_zeros());
            let fraction = (x.significand << top) as u64 & ((1 << format.fraction) - 1);
            let half = (format.bias() as u64 - 1) << format.fraction;
            T::narrow(a.wide() & format.sign() | half | fraction)
        }
        _ => a,
    }
}

/// `v_frexp_exp`: the power of two that [`mantissa`] took out; 0 for zero, infinity and NaN. (The manual's pseudo-code says
/// -126 for zero and denormals; cards of the next generation give 0 and the true exponent, which is what frexp means.)
pub(super) fn exponent<T: Bits>(a: T) -> i32 {
    match T::FORMAT.unpack(a.wide()) {
        Some(x) if x.significand != 0 => x.exponent + 128 - x.significand.leading_zeros() as i32,
        _ => 0,
    }
}
