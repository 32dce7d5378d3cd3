//! Conversions between number formats, packing and taking apart.

use gfx1100_isa::Op as Isa;

use super::Selector;
use super::bank::Bank;
use super::operand::What;
use crate::ir::{Binary, Op, Ternary, Type, Unary, Value};
use crate::machine::Operand;

impl Selector<'_> {
    pub(super) fn unary(&mut self, unary: Unary, a: Value, result: Value) {
        match unary {
            Unary::Not if self.ty(result) == Type::Bool => {
                let dst = self.reg(result);
                let a = self.mask_source(a);
                self.emit(Isa::S_NOT_B32, dst, &[a]);
            }
            _ if self.ty(result) == Type::I64 || self.ty(a) == Type::I64 => {
                self.wide_unary(unary, a, result);
            }
            Unary::INeg | Unary::Not | Unary::SAbs | Unary::PopCount => {
                self.int_unary(unary, a, result);
            }
            Unary::ReverseBits | Unary::Clz | Unary::Ctz => self.int_unary(unary, a, result),
            Unary::FNeg | Unary::FAbs | Unary::Sqrt | Unary::Rsqrt | Unary::Rcp => {
                self.float_unary(unary, a, result);
            }
            Unary::Exp2 | Unary::Log2 | Unary::Sin | Unary::Cos => {
                self.float_unary(unary, a, result);
            }
            Unary::Floor | Unary::Ceil | Unary::Trunc | Unary::Round | Unary::Fract => {
                self.float_unary(unary, a, result);
            }
            Unary::ZeroExtend | Unary::SignExtend => self.extend_short(unary, a, result),
            Unary::Truncate | Unary::Bitcast | Unary::Half(0) => {
                if self.same_register(result).is_none() {
                    let dst = self.reg(result);
                    let from = self.dword(a, 0);
                    self.move_to(result, dst, from);
                }
            }
            Unary::Half(_) => {
                let dst = self.reg(result);
                if self.bank(result) == Bank::Scalar {
                    self.emit(Isa::S_LSHR_B32, dst, &[a.into(), 16.into()]);
                } else {
                    self.emit(Isa::V_LSHRREV_B32, dst, &[16.into(), a.into()]);
                }
            }
            _ => self.convert(unary, a, result),
        }
    }

    fn extend_short(&mut self, unary: Unary, a: Value, result: Value) {
        let dst = self.reg(result);
        match (unary, self.bank(result)) {
            (Unary::ZeroExtend, Bank::Scalar) => {
                self.emit(Isa::S_AND_B32, dst, &[a.into(), 0xffff.into()]);
            }
            (_, Bank::Scalar) => {
                self.emit(Isa::S_SEXT_I32_I16, dst, &[a.into()]);
            }
            (Unary::ZeroExtend, _) => {
                self.emit(Isa::V_AND_B32, dst, &[0xffff.into(), a.into()]);
            }
            _ => {
                self.emit(Isa::V_BFE_I32, dst, &[a.into(), 0.into(), 16.into()]);
            }
        }
    }

    fn convert(&mut self, unary: Unary, a: Value, result: Value) {
        let dst = self.reg(result);
        match unary {
            Unary::F32FromS => {
                self.emit(Isa::V_CVT_F32_I32, dst, &[a.into()]);
            }
            Unary::F32FromU => match self.byte(a) {
                Some((value, byte)) => self.byte_to_float(value, byte, dst),
                None => {
                    self.emit(Isa::V_CVT_F32_U32, dst, &[a.into()]);
                }
            },
            Unary::F32FromByte(byte) => self.byte_to_float(a, byte, dst),
            Unary::SFromF32 => {
                let src = self.float(a);
                self.emit(Isa::V_CVT_I32_F32, dst, &[src]);
            }
            Unary::UFromF32 => {
                let src = self.float(a);
                self.emit(Isa::V_CVT_U32_F32, dst, &[src]);
            }
            Unary::F32FromF16 => {
                let src = self.float(a);
                self.emit(Isa::V_CVT_F32_F16, dst, &[src]);
            }
            Unary::F16FromF32 => {
                let src = self.float(a);
                self.emit(Isa::V_CVT_F16_F32, dst, &[src]);
            }
            Unary::F16FromS => {
                self.emit(Isa::V_CVT_F16_I16, dst, &[a.into()]);
            }
            Unary::F16FromU => {
                self.emit(Isa::V_CVT_F16_U16, dst, &[a.into()]);
            }
            Unary::SFromF16 => {
                let src = self.float(a);
                self.emit(Isa::V_CVT_I16_F16, dst, &[src]);
            }
            Unary::UFromF16 => {
                let src = self.float(a);
                self.emit(Isa::V_CVT_U16_F16, dst, &[src]);
            }
            _ => self.broken("a conversion of another type"),
        }
    }

    fn byte_to_float(&mut self, value: Value, byte: u8, dst: Operand) {
        let op = [
            Isa::V_CVT_F32_UBYTE0,
            Isa::V_CVT_F32_UBYTE1,
            Isa::V_CVT_F32_UBYTE2,
            Isa::V_CVT_F32_UBYTE3,
        ][usize::from(byte & 3)];
        self.emit(op, dst, &[value.into()]);
    }

    /// The value and byte that an integer is, zero extended.
    fn byte(&self, value: Value) -> Option<(Value, u8)> {
        let aligned = |bit: u32| (bit.is_multiple_of(8) && bit < 32).then_some((bit / 8) as u8);
        match self.absorbed(value)? {
            Op::Binary(Binary::And, [a, b]) => {
                let (value, mask) = match (self.constant_u32(*a), self.constant_u32(*b)) {
                    (_, Some(mask)) => (*a, mask),
                    (Some(mask), _) => (*b, mask),
                    _ => return None,
                };
                if mask != 0xff {
                    return None;
                }
                match self.absorbed(value) {
                    Some(Op::Binary(Binary::ShrU, [inner, count])) => {
                        Some((*inner, aligned(self.constant_u32(*count)?)?))
                    }
                    _ => Some((value, 0)),
                }
            }
            Op::Binary(Binary::ShrU, [inner, count]) => {
                (self.constant_u32(*count) == Some(24)).then_some((*inner, 3))
            }
            Op::Ternary(Ternary::ExtractU, [inner, offset, width]) => {
                let byte = aligned(self.constant_u32(*offset)?)?;
                (self.constant_u32(*width) == Some(8)).then_some((*inner, byte))
            }
            _ => None,
        }
    }

    /// Two F16 side by side.
    pub(super) fn pack(&mut self, low: Value, high: Value, result: Value) {
        let dst = self.reg(result);
        if self.bank(result) == Bank::Scalar {
            self.emit(Isa::S_PACK_LL_B32_B16, dst, &[low.into(), high.into()]);
            return;
        }
        let sources = [self.float(low), self.float(high)];
        self.emit(Isa::V_PACK_B32_F16, dst, &sources);
    }

    /// Two F32 to F16 side by side, rounded to nearest: the machine's packing conversion rounds to zero.
    pub(super) fn pack_from_f32(&mut self, low: Value, high: Value, result: Value) {
        let dst = self.reg(result);
        let halves = [low, high].map(|value| {
            let half = self.vector_temporary(1);
            let src = self.float(value);
            self.emit(Isa::V_CVT_F16_F32, half, &[src]);
            half.into()
        });
        self.emit(Isa::V_PACK_B32_F16, dst, &halves);
    }

    /// A value as a source, wherever it is.
    pub(super) fn scalar_of(&mut self, value: Value) -> Operand {
        self.scalar(What::Value(value), gfx1100_isa::Ty::B32)
    }
}
