//! Float arithmetic: modifiers, fused and mixed forms, division, transcendental functions.
//!
//! Accuracy, against what WGSL asks (section 15.7.4 of its specification):
//! - Division is `v_rcp_f32` (1 ulp) times the dividend: below 2.5 ulp where the divisor's magnitude is in [2^-126, 2^126],
//!   which is the range that WGSL speaks of. With a divisor above it the reciprocal is denormal and may become 0.
//! - `exp2`, `log2`, `sqrt`, `inverseSqrt` are single instructions of 1 ulp; where they flush denormals, WGSL allows it.
//! - `sin` and `cos` take revolutions: the argument times 1 / (2 pi), reduced to [0, 1), because the instruction is defined
//!   for 256 revolutions only.

use gfx1100_isa::Op as Isa;

use super::Selector;
use super::bank::Bank;
use super::operand::{Src, What};
use crate::ir::{Binary, Op, Type, Unary, Value};
use crate::machine::Operand;

/// Bits of 1 / (2 pi), an inline constant.
const INVERSE_TWO_PI: u32 = 0x3e22_f983;
const ONE: u32 = 0x3f80_0000;
const HALF_ONE: u32 = 0x3c00;

/// The instruction of an operation for F32, F16 and F16x2.
const fn plain(binary: Binary) -> Option<[Isa; 3]> {
    use Binary as B;
    Some(match binary {
        B::FAdd => [Isa::V_ADD_F32, Isa::V_ADD_F16, Isa::V_PK_ADD_F16],
        B::FSub => [Isa::V_SUB_F32, Isa::V_SUB_F16, Isa::V_PK_ADD_F16],
        B::FMul => [Isa::V_MUL_F32, Isa::V_MUL_F16, Isa::V_PK_MUL_F16],
        B::FMin => [Isa::V_MIN_F32, Isa::V_MIN_F16, Isa::V_PK_MIN_F16],
        B::FMax => [Isa::V_MAX_F32, Isa::V_MAX_F16, Isa::V_PK_MAX_F16],
        _ => return None,
    })
}

impl Selector<'_> {
    pub(super) fn float_binary(&mut self, binary: Binary, a: Value, b: Value, result: Value) {
        match binary {
            Binary::FDiv => return self.float_divide(a, b, result),
            Binary::FRem => return self.float_remainder(a, b, result),
            _ => {}
        }
        let Some([single, half, pair]) = plain(binary) else {
            return self.broken("a float operation on another type");
        };
        let ty = self.ty(result);
        if ty == Type::F16x2 {
            return self.packed(pair, &[a, b], binary == Binary::FSub, result);
        }
        if ty == Type::F32 && self.mixed_binary(binary, a, b, result) {
            return;
        }
        if self.clamp_idiom(binary, a, b, result) || self.min_max(binary, a, b, result) {
            return;
        }
        let dst = self.reg(result);
        let op = if ty == Type::F32 { single } else { half };
        if ty == Type::F32 && binary != Binary::FSub {
            for (other, own) in [(a, b), (b, a)] {
                if let Some((src, dpp)) = self.absorbed_shuffle(other) {
                    let own = self.vector(What::Value(own), gfx1100_isa::Ty::F32);
                    self.emit_dpp(op, dst, &[src, own.into()], dpp);
                    return self.clamp_last(result);
                }
            }
        }
        let (a, b) = (self.float(a), self.float(b));
        // The subtrahend first, if that is the scalar one.
        if binary == Binary::FSub && self.is_vector_src(a) && !self.is_vector_src(b) {
            let reverse = if ty == Type::F32 {
                Isa::V_SUBREV_F32
            } else {
                Isa::V_SUBREV_F16
            };
            self.emit(reverse, dst, &[b, a]);
        } else {
            self.emit(op, dst, &[a, b]);
        }
        self.clamp_last(result);
    }

    fn is_vector_src(&self, src: Src) -> bool {
        match src.what {
            What::Value(value) => self.is_vector(value),
            _ => false,
        }
    }

    /// Sets the clamp of the instruction just made, if its result is wanted in [0, 1].
    fn clamp_last(&mut self, result: Value) {
        if self.clamped[self.resolve(result).0 as usize]
            && let Some(last) = self.sequence.last_mut()
        {
            last.mods.clamp = true;
        }
    }

    /// min(max(x, 0), 1) and max(min(x, 1), 0): the modifier of the instruction that makes x.
    fn clamp_idiom(&mut self, binary: Binary, a: Value, b: Value, result: Value) -> bool {
        if self.ty(result) != Type::F32 {
            return false;
        }
        let limits = |outer: Binary| match outer {
            Binary::FMin => Some((Binary::FMax, ONE, 0)),
            Binary::FMax => Some((Binary::FMin, 0, ONE)),
            _ => None,
        };
        let Some((inner, outer_limit, inner_limit)) = limits(binary) else {
            return false;
        };
        for (value, limit) in [(a, b), (b, a)] {
            if self.constant_u32(limit) != Some(outer_limit) {
                continue;
            }
            let Some(&Op::Binary(found, [x, y])) = self.absorbed(value) else {
                continue;
            };
            if found != inner {
                continue;
            }
            for (x, limit) in [(x, y), (y, x)] {
                if self.constant_u32(limit) == Some(inner_limit) {
                    self.clamp(x, result);
                    return true;
                }
            }
        }
        false
    }

    fn clamp(&mut self, x: Value, result: Value) {
        let dst = self.reg(result);
        let x = self.resolve(x);
        let folds = matches!(
            self.absorbed(x),
            Some(Op::Binary(Binary::FAdd | Binary::FSub | Binary::FMul, _))
                | Some(Op::Ternary(crate::ir::Ternary::Fma, _))
        ) && self.here(x);
        if folds && let Operand::Virtual(register, first) = dst {
            self.registers[x.0 as usize] = Some((register, first));
            self.clamped[x.0 as usize] = true;
            return;
        }
        let src = self.float(x);
        self.emit(Isa::V_MAX_F32, dst, &[src, src]).mods.clamp = true;
    }

    /// Three-operand minima and maxima.
    fn min_max(&mut self, binary: Binary, a: Value, b: Value, result: Value) -> bool {
        let single = self.ty(result) == Type::F32;
        for (value, other) in [(a, b), (b, a)] {
            let Some(&Op::Binary(inner, [x, y])) = self.absorbed(value) else {
                continue;
            };
            let op = match (binary, inner, single) {
                (Binary::FMin, Binary::FMin, true) => Isa::V_MIN3_F32,
                (Binary::FMax, Binary::FMax, true) => Isa::V_MAX3_F32,
                (Binary::FMin, Binary::FMax, true) => Isa::V_MAXMIN_F32,
                (Binary::FMax, Binary::FMin, true) => Isa::V_MINMAX_F32,
                (Binary::FMin, Binary::FMin, false) => Isa::V_MIN3_F16,
                (Binary::FMax, Binary::FMax, false) => Isa::V_MAX3_F16,
                (Binary::FMin, Binary::FMax, false) => Isa::V_MAXMIN_F16,
                (Binary::FMax, Binary::FMin, false) => Isa::V_MINMAX_F16,
                _ => continue,
            };
            let dst = self.reg(result);
            let sources = [self.float(x), self.float(y), self.float(other)];
            self.emit(op, dst, &sources);
            return true;
        }
        false
    }

    pub(super) fn fma(&mut self, values: [Value; 3], result: Value) {
        match self.ty(result) {
            Type::F16x2 => self.packed(Isa::V_PK_FMA_F16, &values, false, result),
            Type::F32 if self.mixed(values.map(Some), result) => {}
            ty => {
                let dst = self.reg(result);
                let sources = values.map(|value| self.float(value));
                let op = if ty == Type::F32 {
                    Isa::V_FMA_F32
                } else {
                    Isa::V_FMA_F16
                };
                self.emit(op, dst, &sources);
                self.clamp_last(result);
            }
        }
    }

    /// a * b or a + b with a binary16 source: as a mixed fused operation, which spares the conversion.
    fn mixed_binary(&mut self, binary: Binary, a: Value, b: Value, result: Value) -> bool {
        match binary {
            Binary::FMul => self.mixed([Some(a), Some(b), None], result),
            Binary::FAdd => {
                self.half_behind(a).is_some() && self.mixed([Some(a), None, Some(b)], result)
                    || self.half_behind(b).is_some() && self.mixed([Some(b), None, Some(a)], result)
            }
            _ => false,
        }
    }

    /// The binary16 value that an F32 was converted from, if all its users can take it as that.
    fn half_behind(&self, value: Value) -> Option<Value> {
        let Src {
            what: What::Value(value),
            ..
        } = self.float(value)
        else {
            return None;
        };
        match self.absorbed(value) {
            Some(Op::Unary(Unary::F32FromF16, inner)) => Some(*inner),
            _ => None,
        }
    }

    /// `v_fma_mix_f32`. A missing factor is 1, a missing addend -0.
    fn mixed(&mut self, values: [Option<Value>; 3], result: Value) -> bool {
        let any = values
            .iter()
            .flatten()
            .any(|value| self.half_behind(*value).is_some());
        if !any {
            return false;
        }
        let dst = self.reg(result);
        let (mut select, mut half) = (0, 0);
        let mut sources = [Src::from(0u32); 3];
        for (index, value) in values.into_iter().enumerate() {
            let Some(value) = value else {
                sources[index] = if index == 2 {
                    Src::from(0u32).negated()
                } else {
                    ONE.into()
                };
                continue;
            };
            let mut src = self.float(value);
            if let Some(inner) = self.half_behind(value) {
                let of_half = self.float(inner);
                half |= 1 << index;
                select |= u8::from(of_half.high) << index;
                // |-x| is |x|; otherwise the signs multiply.
                src.neg ^= of_half.neg && !src.abs;
                src.abs |= of_half.abs;
                src.what = of_half.what;
            }
            src.high = false;
            sources[index] = src;
        }
        let inst = self.emit(Isa::V_FMA_MIX_F32, dst, &sources);
        inst.mods.op_sel = select;
        inst.mods.op_sel_hi = half;
        self.clamp_last(result);
        true
    }

    /// A packed operation. A constant of two equal halves is taken inline by its low half twice.
    fn packed(&mut self, op: Isa, values: &[Value], subtract: bool, result: Value) {
        let dst = self.reg(result);
        let mut sources = Vec::new();
        let (mut low, mut high, mut select, mut select_high) = (0u8, 0u8, 0u8, 7u8);
        for (index, &value) in values.iter().enumerate() {
            let bit = 1 << index;
            let mut value = self.resolve(value);
            if subtract && index == 1 {
                low ^= bit;
                high ^= bit;
            }
            if let Some(&Op::Unary(Unary::FNeg, inner)) = self.op(value) {
                low ^= bit;
                high ^= bit;
                value = self.resolve(inner);
            }
            let splat = match self.op(value) {
                Some(&Op::Pack([x, y])) if self.resolve(x) == self.resolve(y) => Some(x),
                _ => None,
            };
            let constant = self
                .constant_u32(value)
                .filter(|bits| bits >> 16 == bits & 0xffff);
            let inline = constant.and_then(|bits| super::build::inline16(bits as u16, true));
            if let Some(inline) = inline {
                select_high &= !bit;
                sources.push(inline.into());
            } else if let Some(x) = splat.filter(|x| self.constant(*x).is_none()) {
                let src = self.float(x);
                if src.neg {
                    low ^= bit;
                    high ^= bit;
                }
                if src.high {
                    select |= bit;
                } else {
                    select_high &= !bit;
                }
                // An absolute value has no place here: it is computed.
                let what = if src.abs { What::Value(x) } else { src.what };
                sources.push(Src::plain(what));
            } else {
                sources.push(value.into());
            }
        }
        let inst = self.emit(op, dst, &sources);
        inst.mods.neg = low;
        inst.mods.abs = high;
        inst.mods.op_sel = select;
        inst.mods.op_sel_hi = select_high;
    }

    fn float_divide(&mut self, a: Value, b: Value, result: Value) {
        let dst = self.reg(result);
        match self.ty(result) {
            Type::F32 => {
                let divisor = self.float(b);
                if self.constant_u32(a) == Some(ONE) {
                    self.emit(Isa::V_RCP_F32, dst, &[divisor]);
                    return;
                }
                let inverse = self.vector_temporary(1);
                self.emit(Isa::V_RCP_F32, inverse, &[divisor]);
                let dividend = self.float(a);
                self.emit(Isa::V_MUL_F32, dst, &[dividend, inverse.into()]);
            }
            Type::F16 => {
                let divisor = self.float(b);
                if self.constant_u32(a) == Some(HALF_ONE) {
                    self.emit(Isa::V_RCP_F16, dst, &[divisor]);
                    return;
                }
                let inverse = self.vector_temporary(1);
                self.emit(Isa::V_RCP_F16, inverse, &[divisor]);
                let dividend = self.float(a);
                self.emit(Isa::V_MUL_F16, dst, &[dividend, inverse.into()]);
            }
            _ => self.unsupported("the quotient of packed floats"),
        }
    }

    /// x - y * trunc(x / y), as WGSL defines it.
    fn float_remainder(&mut self, a: Value, b: Value, result: Value) {
        let dst = self.reg(result);
        let single = match self.ty(result) {
            Type::F32 => true,
            Type::F16 => false,
            _ => return self.unsupported("the remainder of packed floats"),
        };
        let ops = if single {
            [
                Isa::V_RCP_F32,
                Isa::V_MUL_F32,
                Isa::V_TRUNC_F32,
                Isa::V_FMA_F32,
            ]
        } else {
            [
                Isa::V_RCP_F16,
                Isa::V_MUL_F16,
                Isa::V_TRUNC_F16,
                Isa::V_FMA_F16,
            ]
        };
        let (x, y) = (self.float(a), self.float(b));
        let steps: [Operand; 3] = std::array::from_fn(|_| self.vector_temporary(1));
        self.emit(ops[0], steps[0], &[y]);
        self.emit(ops[1], steps[1], &[x, steps[0].into()]);
        self.emit(ops[2], steps[2], &[steps[1].into()]);
        self.emit(ops[3], dst, &[Src::from(steps[2]).negated(), y, x]);
    }

    pub(super) fn float_unary(&mut self, unary: Unary, a: Value, result: Value) {
        let dst = self.reg(result);
        let single = match self.ty(result) {
            Type::F32 => true,
            Type::F16 => false,
            _ if matches!(unary, Unary::FNeg | Unary::FAbs) => return self.sign(unary, a, result),
            _ => return self.unsupported("this function of packed floats"),
        };
        let op = match unary {
            Unary::Sqrt => [Isa::V_SQRT_F32, Isa::V_SQRT_F16],
            Unary::Rsqrt => [Isa::V_RSQ_F32, Isa::V_RSQ_F16],
            Unary::Rcp => [Isa::V_RCP_F32, Isa::V_RCP_F16],
            Unary::Exp2 => [Isa::V_EXP_F32, Isa::V_EXP_F16],
            Unary::Log2 => [Isa::V_LOG_F32, Isa::V_LOG_F16],
            Unary::Floor => [Isa::V_FLOOR_F32, Isa::V_FLOOR_F16],
            Unary::Ceil => [Isa::V_CEIL_F32, Isa::V_CEIL_F16],
            Unary::Trunc => [Isa::V_TRUNC_F32, Isa::V_TRUNC_F16],
            Unary::Round => [Isa::V_RNDNE_F32, Isa::V_RNDNE_F16],
            Unary::Fract => [Isa::V_FRACT_F32, Isa::V_FRACT_F16],
            Unary::Sin => {
                return self.trigonometric([Isa::V_SIN_F32, Isa::V_SIN_F16], a, single, dst);
            }
            Unary::Cos => {
                return self.trigonometric([Isa::V_COS_F32, Isa::V_COS_F16], a, single, dst);
            }
            Unary::FNeg | Unary::FAbs => return self.sign(unary, a, result),
            _ => return self.broken("a float operation on another type"),
        };
        let src = self.float(a);
        self.emit(op[usize::from(!single)], dst, &[src]);
    }

    fn trigonometric(&mut self, op: [Isa; 2], a: Value, single: bool, dst: Operand) {
        let (turns, reduced) = (self.vector_temporary(1), self.vector_temporary(1));
        let src = self.float(a);
        if single {
            self.emit(Isa::V_MUL_F32, turns, &[INVERSE_TWO_PI.into(), src]);
            self.emit(Isa::V_FRACT_F32, reduced, &[turns.into()]);
            self.emit(op[0], dst, &[reduced.into()]);
        } else {
            self.emit(Isa::V_MUL_F16, turns, &[0x3118.into(), src]);
            self.emit(Isa::V_FRACT_F16, reduced, &[turns.into()]);
            self.emit(op[1], dst, &[reduced.into()]);
        }
    }

    /// A negation or absolute value that no user could take as a modifier.
    fn sign(&mut self, unary: Unary, a: Value, result: Value) {
        let dst = self.reg(result);
        let sign: u32 = match self.ty(result) {
            Type::F32 => 1 << 31,
            Type::F16 => 1 << 15,
            _ => 1 << 31 | 1 << 15,
        };
        let scalar = self.bank(result) == Bank::Scalar;
        let (op, bits) = match (unary, scalar) {
            (Unary::FNeg, true) => (Isa::S_XOR_B32, sign),
            (Unary::FNeg, false) => (Isa::V_XOR_B32, sign),
            (_, true) => (Isa::S_AND_B32, !sign),
            (_, false) => (Isa::V_AND_B32, !sign),
        };
        self.emit(op, dst, &[bits.into(), a.into()]);
    }
}
