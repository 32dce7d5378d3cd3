//! Integer division: by constants through a multiplication, otherwise through the reciprocal in F32.
//!
//! WGSL: division by zero gives the dividend, remainder 0; the least i32 divided by -1 gives itself, remainder 0.

use gfx1100_isa::Op as Isa;

use super::Selector;
use super::bank::Bank;
use super::operand::Src;
use crate::ir::{Binary, Value};
use crate::machine::Operand;

/// 2^32 - 512 as an F32: a little less than 2^32, so that the scaled reciprocal never rounds up to 2^32.
const BELOW_2_32: u32 = 0x4f7f_fffe;

/// Division of a u32 by a constant: (n * multiplier) >> (32 + shift), with n added once more before the shift if `add`
/// (Granlund and Montgomery, "Division by invariant integers using multiplication").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unsigned {
    multiplier: u32,
    shift: u32,
    add: bool,
}

impl Unsigned {
    /// For a divisor that is not a power of two.
    const fn by(divisor: u32) -> Self {
        let bits = 32 - (divisor - 1).leading_zeros();
        let product = 1u128 << (32 + bits);
        // 2^32 <= m < 2^33: its top bit is the addition.
        let m = product.div_ceil(divisor as u128);
        let smaller = (1u128 << (31 + bits)).div_ceil(divisor as u128);
        let error = smaller * divisor as u128 - (1 << (31 + bits));
        if error <= 1 << (bits - 1) {
            return Self {
                multiplier: smaller as u32,
                shift: bits - 1,
                add: false,
            };
        }
        Self {
            multiplier: m as u32,
            shift: bits,
            add: true,
        }
    }
}

/// Division of an i32 by a constant (Hacker's Delight, chapter 10): multiplier and shift.
const fn signed_by(divisor: i32) -> (u32, u32) {
    let magnitude = divisor.unsigned_abs() as u64;
    let mut shift = 0;
    loop {
        let power = 1u64 << (32 + shift);
        let m = power / magnitude + 1;
        // Exact for all |n| <= 2^31 if m * d - 2^(32+s) <= 2^(s+1).
        if m * magnitude - power <= 1 << (shift + 1) {
            return (m as u32, shift);
        }
        shift += 1;
    }
}

impl Selector<'_> {
    pub(super) fn divide(&mut self, binary: Binary, a: Value, b: Value, result: Value) {
        let dst = self.reg(result);
        let unit = Unit {
            scalar: self.bank(result) == Bank::Scalar,
        };
        let remainder = matches!(binary, Binary::URem | Binary::SRem);
        let signed = matches!(binary, Binary::SDiv | Binary::SRem);
        match self.constant_u32(b) {
            Some(0) if remainder => self.unit(unit, Do::Move, dst, &[0.into()]),
            Some(0) => self.unit(unit, Do::Move, dst, &[a.into()]),
            Some(divisor) if signed => {
                self.signed_constant(unit, a, divisor as i32, remainder, dst)
            }
            Some(divisor) => self.unsigned_constant(unit, a, divisor, remainder, dst),
            None => self.general(signed, remainder, a, b, unit, dst),
        }
    }

    /// One step on either unit.
    fn unit(&mut self, unit: Unit, what: Do, dst: Operand, sources: &[Src]) {
        let (scalar, vector, reverse) = what.ops();
        match (unit.scalar, reverse) {
            (true, _) => self.emit(scalar, dst, sources),
            (false, true) => self.emit(vector, dst, &[sources[1], sources[0]]),
            (false, false) => self.emit(vector, dst, sources),
        };
    }

    fn step(&mut self, unit: Unit, what: Do, sources: &[Src]) -> Operand {
        let dst = if unit.scalar {
            self.scalar_temporary(1)
        } else {
            self.vector_temporary(1)
        };
        self.unit(unit, what, dst, sources);
        dst
    }

    fn unsigned_constant(
        &mut self,
        unit: Unit,
        a: Value,
        divisor: u32,
        remainder: bool,
        dst: Operand,
    ) {
        let n = Src::from(a);
        if divisor.is_power_of_two() {
            let (what, by) = if remainder {
                (Do::And, divisor - 1)
            } else {
                (Do::ShiftU, divisor.trailing_zeros())
            };
            return self.unit(unit, what, dst, &[n, by.into()]);
        }
        let magic = Unsigned::by(divisor);
        let high = self.step(unit, Do::HighU, &[n, magic.multiplier.into()]);
        let (value, shift) = if magic.add {
            // (((n - high) / 2) + high) >> (shift - 1) is (n + high) >> shift without the carry.
            let rest = self.step(unit, Do::Sub, &[n, high.into()]);
            let half = self.step(unit, Do::ShiftU, &[rest.into(), 1.into()]);
            let sum = self.step(unit, Do::Add, &[half.into(), high.into()]);
            (sum, magic.shift - 1)
        } else {
            (high, magic.shift)
        };
        if !remainder {
            return self.unit(unit, Do::ShiftU, dst, &[value.into(), shift.into()]);
        }
        let quotient = self.step(unit, Do::ShiftU, &[value.into(), shift.into()]);
        let back = self.step(unit, Do::Mul, &[quotient.into(), divisor.into()]);
        self.unit(unit, Do::Sub, dst, &[n, back.into()]);
    }

    fn signed_constant(
        &mut self,
        unit: Unit,
        a: Value,
        divisor: i32,
        remainder: bool,
        dst: Operand,
    ) {
        let n = Src::from(a);
        let quotient = if divisor == 1 || divisor == -1 {
            if remainder {
                return self.unit(unit, Do::Move, dst, &[0.into()]);
            }
            self.step(unit, Do::Move, &[n])
        } else if divisor.unsigned_abs().is_power_of_two() {
            // Rounds toward zero: a negative dividend is raised by divisor - 1 first.
            let count = divisor.unsigned_abs().trailing_zeros();
            let sign = self.step(unit, Do::ShiftS, &[n, 31.into()]);
            let raise = self.step(unit, Do::ShiftU, &[sign.into(), (32 - count).into()]);
            let sum = self.step(unit, Do::Add, &[n, raise.into()]);
            self.step(unit, Do::ShiftS, &[sum.into(), count.into()])
        } else {
            let (multiplier, shift) = signed_by(divisor);
            let mut high = self.step(unit, Do::HighS, &[n, multiplier.into()]);
            if multiplier >> 31 == 1 {
                // Read as signed, the multiplier is 2^32 too small.
                high = self.step(unit, Do::Add, &[high.into(), n]);
            }
            let shifted = self.step(unit, Do::ShiftS, &[high.into(), shift.into()]);
            let sign = self.step(unit, Do::ShiftU, &[n, 31.into()]);
            self.step(unit, Do::Add, &[shifted.into(), sign.into()])
        };
        let quotient = if divisor < 0 {
            self.step(unit, Do::Sub, &[0.into(), quotient.into()])
        } else {
            quotient
        };
        if !remainder {
            return self.unit(unit, Do::Move, dst, &[quotient.into()]);
        }
        let back = self.step(unit, Do::Mul, &[quotient.into(), (divisor as u32).into()]);
        self.unit(unit, Do::Sub, dst, &[n, back.into()]);
    }

    /// By a value: on the vector unit, which has the reciprocal; a scalar result is fetched from there.
    fn general(
        &mut self,
        signed: bool,
        remainder: bool,
        a: Value,
        b: Value,
        unit: Unit,
        dst: Operand,
    ) {
        let vector = Unit { scalar: false };
        let out = if unit.scalar {
            self.vector_temporary(1)
        } else {
            dst
        };
        let (n, d) = (Src::from(a), Src::from(b));
        if signed {
            let (n_sign, n_abs) = self.magnitude(n);
            let (d_sign, d_abs) = self.magnitude(d);
            let magnitude = self.unsigned_general(remainder, n_abs.into(), d_abs.into());
            let sign = if remainder {
                n_sign
            } else {
                self.step(vector, Do::Xor, &[n_sign.into(), d_sign.into()])
            };
            // (m ^ sign) - sign negates where the sign is -1. The divisor 0 has passed the dividend's magnitude on.
            let flipped = self.step(vector, Do::Xor, &[magnitude.into(), sign.into()]);
            self.unit(vector, Do::Sub, out, &[flipped.into(), sign.into()]);
        } else {
            let found = self.unsigned_general(remainder, n, d);
            self.unit(vector, Do::Move, out, &[found.into()]);
        }
        if unit.scalar {
            self.emit(Isa::V_READFIRSTLANE_B32, dst, &[out.into()]);
        }
    }

    /// Sign (0 or -1) and magnitude.
    fn magnitude(&mut self, value: Src) -> (Operand, Operand) {
        let vector = Unit { scalar: false };
        let sign = self.step(vector, Do::ShiftS, &[value, 31.into()]);
        let sum = self.step(vector, Do::Add, &[value, sign.into()]);
        let abs = self.step(vector, Do::Xor, &[sum.into(), sign.into()]);
        (sign, abs)
    }

    /// The reciprocal in F32, one Newton step in fixed point, and two corrections, each by one divisor.
    fn unsigned_general(&mut self, remainder: bool, n: Src, d: Src) -> Operand {
        let vector = Unit { scalar: false };
        let float: [Operand; 4] = std::array::from_fn(|_| self.vector_temporary(1));
        self.emit(Isa::V_CVT_F32_U32, float[0], &[d]);
        self.emit(Isa::V_RCP_IFLAG_F32, float[1], &[float[0].into()]);
        self.emit(
            Isa::V_MUL_F32,
            float[2],
            &[BELOW_2_32.into(), float[1].into()],
        );
        self.emit(Isa::V_CVT_U32_F32, float[3], &[float[2].into()]);
        let estimate = float[3];
        let minus = self.step(vector, Do::Sub, &[0.into(), d]);
        let error = self.step(vector, Do::Mul, &[minus.into(), estimate.into()]);
        let correction = self.step(vector, Do::HighU, &[estimate.into(), error.into()]);
        let inverse = self.step(vector, Do::Add, &[estimate.into(), correction.into()]);
        let mut quotient = self.step(vector, Do::HighU, &[n, inverse.into()]);
        let back = self.step(vector, Do::Mul, &[quotient.into(), d]);
        let mut rest = self.step(vector, Do::Sub, &[n, back.into()]);
        for _ in 0..2 {
            let more = self.mask_temporary();
            self.emit(Isa::V_CMP_GE_U32, more, &[rest.into(), d]);
            if !remainder {
                let next = self.step(vector, Do::Add, &[quotient.into(), 1.into()]);
                quotient = self.choose(more, next, quotient);
            }
            let less = self.step(vector, Do::Sub, &[rest.into(), d]);
            rest = self.choose(more, less, rest);
        }
        let zero = self.mask_temporary();
        self.emit(Isa::V_CMP_EQ_U32, zero, &[0.into(), d]);
        let out = self.vector_temporary(1);
        let sources = if remainder {
            [rest.into(), 0.into(), zero.into()]
        } else {
            [quotient.into(), n, zero.into()]
        };
        self.emit(Isa::V_CNDMASK_B32, out, &sources);
        out
    }

    fn choose(&mut self, mask: Operand, yes: Operand, no: Operand) -> Operand {
        let out = self.vector_temporary(1);
        self.emit(
            Isa::V_CNDMASK_B32,
            out,
            &[no.into(), yes.into(), mask.into()],
        );
        out
    }
}

/// Which unit computes.
#[derive(Clone, Copy)]
struct Unit {
    scalar: bool,
}

/// A step that both units have.
#[derive(Clone, Copy)]
enum Do {
    Move,
    Add,
    Sub,
    Mul,
    HighU,
    HighS,
    ShiftU,
    ShiftS,
    And,
    Xor,
}

impl Do {
    /// Scalar and vector instruction, and whether the vector one takes its sources in reverse.
    const fn ops(self) -> (Isa, Isa, bool) {
        match self {
            Self::Move => (Isa::S_MOV_B32, Isa::V_MOV_B32, false),
            Self::Add => (Isa::S_ADD_I32, Isa::V_ADD_NC_U32, false),
            Self::Sub => (Isa::S_SUB_I32, Isa::V_SUB_NC_U32, false),
            Self::Mul => (Isa::S_MUL_I32, Isa::V_MUL_LO_U32, false),
            Self::HighU => (Isa::S_MUL_HI_U32, Isa::V_MUL_HI_U32, false),
            Self::HighS => (Isa::S_MUL_HI_I32, Isa::V_MUL_HI_I32, false),
            Self::ShiftU => (Isa::S_LSHR_B32, Isa::V_LSHRREV_B32, true),
            Self::ShiftS => (Isa::S_ASHR_I32, Isa::V_ASHRREV_I32, true),
            Self::And => (Isa::S_AND_B32, Isa::V_AND_B32, false),
            Self::Xor => (Isa::S_XOR_B32, Isa::V_XOR_B32, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: [u32; 12] = [
        0,
        1,
        2,
        3,
        6,
        7,
        9,
        641,
        0x7fff_ffff,
        0x8000_0000,
        0x8000_0001,
        u32::MAX,
    ];

    #[test]
    fn multipliers_divide_exactly() {
        for divisor in (3..2000).chain([641, 0x7fff_ffff, 0x8000_0001, u32::MAX]) {
            if u32::is_power_of_two(divisor) {
                continue;
            }
            let magic = Unsigned::by(divisor);
            for near in NUMBERS {
                for n in [
                    near,
                    near.wrapping_mul(divisor),
                    near.wrapping_mul(divisor).wrapping_sub(1),
                ] {
                    let high = ((u64::from(n) * u64::from(magic.multiplier)) >> 32) as u32;
                    let quotient = if magic.add {
                        (((n - high) >> 1) + high) >> (magic.shift - 1)
                    } else {
                        high >> magic.shift
                    };
                    assert_eq!(quotient, n / divisor, "{n} / {divisor}");
                }
            }
        }
    }

    #[test]
    fn signed_multipliers_divide_exactly() {
        for divisor in (3..2000).chain([641, 0x7fff_ffff]).flat_map(|d| [d, -d]) {
            if i32::unsigned_abs(divisor).is_power_of_two() {
                continue;
            }
            let (multiplier, shift) = signed_by(divisor);
            for near in NUMBERS {
                for n in [
                    near as i32,
                    (near as i32).wrapping_mul(divisor),
                    (near as i32).wrapping_mul(divisor).wrapping_sub(1),
                ] {
                    let high = ((i64::from(n) * i64::from(multiplier as i32)) >> 32) as i32;
                    let high = if multiplier >> 31 == 1 {
                        high.wrapping_add(n)
                    } else {
                        high
                    };
                    let quotient = (high >> shift) + (n as u32 >> 31) as i32;
                    let quotient = if divisor < 0 { -quotient } else { quotient };
                    assert_eq!(quotient, n / divisor, "{n} / {divisor}");
                }
            }
        }
    }
}
