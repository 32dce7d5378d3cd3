//! Floating point by integers: exact sums and products, rounded once, in any format and any rounding mode.
//!
//! This is the definition. The fast paths of [`super::float`], [`super::half`] and [`super::double`] use the host's
//! arithmetic where MODE asks for nearest even, are tested against this module, and come back to it for every NaN.
//!
//! Idea: a finite number is `±significand * 2^exponent` with 128 bits of significand. A product of two f64 has 106 bits, so
//! it is exact; a sum keeps at least 125 bits and gathers what falls off in its last bit, which [`Format::round`] then sees
//! as "not exact". Rounding happens in that one place.
//!
//! NaN (measured on RDNA 4 cards by others, which the examples of AMD's RDNA 3 manual agree with): the first operand that
//! is a NaN is the result, made quiet, its payload kept; an invalid operation gives the negative quiet NaN, 0xffc0_0000.

use crate::mode::Round;

/// A binary interchange format: sign, exponent, fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// Bits of the fraction field.
    pub(super) fraction: u32,
    /// Bits of the exponent field.
    pub(super) exponent: u32,
}

pub(super) const F16: Format = Format {
    fraction: 10,
    exponent: 5,
};
pub(super) const BF16: Format = Format {
    fraction: 7,
    exponent: 8,
};
pub(super) const F32: Format = Format {
    fraction: 23,
    exponent: 8,
};
pub(super) const F64: Format = Format {
    fraction: 52,
    exponent: 11,
};

/// A finite number: `±significand * 2^exponent`. Zero has a sign too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exact {
    pub(super) negative: bool,
    pub(super) exponent: i32,
    pub(super) significand: u128,
}

impl Exact {
    /// An integer.
    pub(super) fn integer(value: i64) -> Self {
        Self {
            negative: value < 0,
            exponent: 0,
            significand: u128::from(value.unsigned_abs()),
        }
    }

    fn times(self, other: Self) -> Self {
        Self {
            negative: self.negative != other.negative,
            exponent: self.exponent + other.exponent,
            significand: self.significand * other.significand,
        }
    }

    /// The highest bit of the significand at bit 125, so that a sum does not overflow.
    fn normalised(self) -> Self {
        let shift = self.significand.leading_zeros() as i32 - 2;
        Self {
            exponent: self.exponent - shift,
            significand: self.significand << shift,
            ..self
        }
    }

    /// The sum; an exact zero of two different signs is negative only when rounding down.
    fn plus(self, other: Self, round: Round) -> Self {
        let zero = Self {
            negative: if self.negative == other.negative {
                self.negative
            } else {
                round == Round::Down
            },
            exponent: 0,
            significand: 0,
        };
        match (self.significand == 0, other.significand == 0) {
            (true, true) => return zero,
            (true, false) => return other,
            (false, true) => return self,
            (false, false) => {}
        }
        let (mut large, mut small) = (self.normalised(), other.normalised());
        if (large.exponent, large.significand) < (small.exponent, small.significand) {
            (large, small) = (small, large);
        }
        let distance = (large.exponent - small.exponent).min(127);
        let lost = small.significand & ((1 << distance) - 1) != 0;
        let aligned = small.significand >> distance | u128::from(lost);
        let significand = if large.negative == small.negative {
            large.significand + aligned
        } else {
            large.significand - aligned
        };
        if significand == 0 {
            return Self {
                negative: round == Round::Down,
                ..zero
            };
        }
        Self {
            significand,
            ..large
        }
    }
}

impl Format {
    pub(super) const fn sign(self) -> u64 {
        1 << (self.fraction + self.exponent)
    }

    pub(super) const fn infinity(self) -> u64 {
        ((1 << self.exponent) - 1) << self.fraction
    }

    /// What an invalid operation gives.
    pub(super) const fn invalid(self) -> u64 {
        self.sign() | self.infinity() | self.quiet_bit()
    }

    pub(super) const fn quiet_bit(self) -> u64 {
        1 << (self.fraction - 1)
    }

    pub(super) const fn bias(self) -> i32 {
        (1 << (self.exponent - 1)) - 1
    }

    pub(super) const fn magnitude(self, bits: u64) -> u64 {
        bits & (self.sign() - 1)
    }

    pub(super) const fn is_nan(self, bits: u64) -> bool {
        self.magnitude(bits) > self.infinity()
    }

    pub(super) const fn is_infinite(self, bits: u64) -> bool {
        self.magnitude(bits) == self.infinity()
    }

    pub(super) const fn is_negative(self, bits: u64) -> bool {
        bits & self.sign() != 0
    }

    /// The exponent field, biased.
    pub(super) const fn exponent_field(self, bits: u64) -> i32 {
        (self.magnitude(bits) >> self.fraction) as i32
    }

    /// A denormal becomes a zero of its sign.
    pub(super) const fn flush(self, bits: u64) -> u64 {
        if self.exponent_field(bits) == 0 {
            bits & self.sign()
        } else {
            bits
        }
    }

    /// The number; `None` for infinity and NaN.
    pub(super) fn unpack(self, bits: u64) -> Option<Exact> {
        let field = self.exponent_field(bits);
        if self.magnitude(bits) >= self.infinity() {
            return None;
        }
        let hidden = u64::from(field != 0) << self.fraction;
        let significand = bits & ((1 << self.fraction) - 1) | hidden;
        Some(Exact {
            negative: self.is_negative(bits),
            exponent: field.max(1) - self.bias() - self.fraction as i32,
            significand: u128::from(significand),
        })
    }

    /// The nearest number of the format in the direction of `round`.
    pub(super) fn round(self, x: Exact, round: Round) -> u64 {
        let sign = if x.negative { self.sign() } else { 0 };
        if x.significand == 0 {
            return sign;
        }
        let fraction = self.fraction as i32;
        let top = 127 - x.significand.leading_zeros() as i32;
        // The exponent of the last bit that is kept; denormals end where the smallest normal numbers do.
        let last = (x.exponent + top).max(1 - self.bias()) - fraction;
        let shift = last - x.exponent;
        let (kept, rest) = match shift {
            ..=0 => ((x.significand << -shift) as u64, Rest::None),
            1..=127 => (
                (x.significand >> shift) as u64,
                Rest::of(x.significand & ((1 << shift) - 1), 1 << (shift - 1)),
            ),
            _ => (0, Rest::BelowHalf),
        };
        let up = match round {
            Round::NearestEven => rest == Rest::AboveHalf || rest == Rest::Half && kept & 1 == 1,
            Round::Up => rest != Rest::None && !x.negative,
            Round::Down => rest != Rest::None && x.negative,
            Round::Zero => false,
        };
        // The hidden bit of `kept` adds one to the exponent field, and so does a carry.
        let field = (last + fraction + self.bias() - 1).min(1 << self.exponent) as u64;
        let bits = (field << self.fraction) + kept + u64::from(up);
        sign | if bits < self.infinity() {
            bits
        } else {
            self.overflow(x.negative, round)
        }
    }

    /// The magnitude of what is too large.
    fn overflow(self, negative: bool, round: Round) -> u64 {
        let to_infinity = match round {
            Round::NearestEven => true,
            Round::Up => !negative,
            Round::Down => negative,
            Round::Zero => false,
        };
        self.infinity() - u64::from(!to_infinity)
    }

    /// The first NaN among the operands, quiet.
    fn first_nan(self, operands: &[u64]) -> Option<u64> {
        let nan = operands.iter().find(|bits| self.is_nan(**bits))?;
        Some(nan | self.quiet_bit())
    }

    pub(super) fn add(self, a: u64, b: u64, round: Round) -> u64 {
        if let Some(nan) = self.first_nan(&[a, b]) {
            return nan;
        }
        match (self.unpack(a), self.unpack(b)) {
            (Some(x), Some(y)) => self.round(x.plus(y, round), round),
            (Some(_), None) => b,
            (None, Some(_)) => a,
            (None, None) if a == b => a,
            (None, None) => self.invalid(),
        }
    }

    pub(super) fn sub(self, a: u64, b: u64, round: Round) -> u64 {
        match self.first_nan(&[a, b]) {
            Some(nan) => nan,
            None => self.add(a, b ^ self.sign(), round),
        }
    }

    pub(super) fn mul(self, a: u64, b: u64, round: Round) -> u64 {
        if let Some(nan) = self.first_nan(&[a, b]) {
            return nan;
        }
        match (self.unpack(a), self.unpack(b)) {
            (Some(x), Some(y)) => self.round(x.times(y), round),
            _ => self.infinite_product(a, b),
        }
    }

    /// A product of which one factor is infinite.
    fn infinite_product(self, a: u64, b: u64) -> u64 {
        if self.magnitude(a) == 0 || self.magnitude(b) == 0 {
            self.invalid()
        } else {
            (a ^ b) & self.sign() | self.infinity()
        }
    }

    /// `a * b + c`, rounded once.
    pub(super) fn fma(self, a: u64, b: u64, c: u64, round: Round) -> u64 {
        self.scaled_fma(a, b, c, 0, round)
    }

    /// `(a * b + c) * 2^power`, rounded once.
    pub(super) fn scaled_fma(self, a: u64, b: u64, c: u64, power: i32, round: Round) -> u64 {
        if let Some(nan) = self.first_nan(&[a, b, c]) {
            return nan;
        }
        match (self.unpack(a), self.unpack(b)) {
            (Some(x), Some(y)) => match self.unpack(c) {
                Some(z) => {
                    let mut sum = x.times(y).plus(z, round);
                    sum.exponent += power;
                    self.round(sum, round)
                }
                None => c,
            },
            _ => match self.infinite_product(a, b) {
                product if self.is_nan(product) => product,
                product => self.add(product, c, round),
            },
        }
    }

    /// `a * 2^power`.
    pub(super) fn scale(self, a: u64, power: i32, round: Round) -> u64 {
        match self.unpack(a) {
            // Beyond a few thousand every format has overflowed or vanished.
            Some(x) => self.round(
                Exact {
                    exponent: x.exponent + power.clamp(-10_000, 10_000),
                    ..x
                },
                round,
            ),
            None if self.is_nan(a) => a | self.quiet_bit(),
            None => a,
        }
    }

    /// The number in another format; a NaN keeps the high bits of its payload.
    pub(super) fn convert(self, bits: u64, to: Self, round: Round) -> u64 {
        if let Some(x) = self.unpack(bits) {
            return to.round(x, round);
        }
        let sign = if self.is_negative(bits) { to.sign() } else { 0 };
        if self.is_infinite(bits) {
            return sign | to.infinity();
        }
        let payload = bits & ((1 << self.fraction) - 1);
        let payload = if to.fraction > self.fraction {
            payload << (to.fraction - self.fraction)
        } else {
            payload >> (self.fraction - to.fraction)
        };
        sign | to.infinity() | to.quiet_bit() | payload
    }
}

/// What rounding cuts off, against half of the last bit that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    None,
    BelowHalf,
    Half,
    AboveHalf,
}

impl Rest {
    fn of(rest: u128, half: u128) -> Self {
        match rest {
            0 => Self::None,
            rest if rest < half => Self::BelowHalf,
            rest if rest == half => Self::Half,
            _ => Self::AboveHalf,
        }
    }
}
