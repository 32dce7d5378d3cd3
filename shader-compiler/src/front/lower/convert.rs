//! Conversions between numbers, and bits taken as another type.

use rspirv::dr::Instruction;
use rspirv::spirv::Op as Spv;

use super::super::module::{Ty, result_type, word};
use super::build::Builder;
use super::{Lower, Lowered};
use crate::ir::*;

impl Lower<'_, '_> {
    /// Lowers a conversion; `false` if the instruction is none.
    pub(super) fn convert(&mut self, inst: &Instruction) -> Lowered<bool> {
        let op = inst.class.opcode;
        if !matches!(
            op,
            Spv::ConvertSToF
                | Spv::ConvertUToF
                | Spv::ConvertFToS
                | Spv::ConvertFToU
                | Spv::SConvert
                | Spv::UConvert
                | Spv::FConvert
                | Spv::Bitcast
                | Spv::QuantizeToF16
        ) {
            return Ok(false);
        }
        let ty = result_type(inst)?;
        let id = word(inst, 0)?;
        let (slots, from) = self.typed(id)?;
        let result = match (self.is_bytes(from)?, self.is_bytes(ty)?) {
            (true, false) if op != Spv::Bitcast => {
                self.unpack_bytes(slots[0], ty, op == Spv::SConvert)?
            }
            (false, true) if op != Spv::Bitcast => vec![self.pack_bytes(&slots)?],
            _ if op == Spv::Bitcast => self.bitcast(&slots, ty)?,
            _ => {
                let to = self.slot_types(self.element_type(ty)?)?[0];
                let mut fits = true;
                let result = self.each(&[id], false, |b, v| {
                    number(b, op, v[0], to).unwrap_or_else(|| {
                        fits = false;
                        v[0]
                    })
                })?;
                if !fits {
                    return Err(format!(
                        "Op{} is not supported between these widths",
                        inst.class.opname
                    ));
                }
                result
            }
        };
        self.define(inst, result)?;
        Ok(true)
    }

    /// The type is a vector of four bytes, which lies in one dword.
    fn is_bytes(&self, ty: u32) -> Lowered<bool> {
        Ok(match self.module.ty(ty)? {
            Ty::Vector(element, 4) => matches!(self.module.ty(*element)?, Ty::Int(8)),
            _ => false,
        })
    }

    /// `unpack4xI8` and `unpack4xU8`.
    fn unpack_bytes(&mut self, word: Value, ty: u32, signed: bool) -> Lowered<Vec<Value>> {
        if self.slot_types(ty)? != [Type::I32; 4] {
            return Err("bytes convert to 32-bit integers only".into());
        }
        let op = if signed {
            Ternary::ExtractS
        } else {
            Ternary::ExtractU
        };
        let width = self.b.i32(8);
        let byte = |k: u32| {
            let at = self.b.i32(8 * k);
            self.b.value(Type::I32, Op::Ternary(op, [word, at, width]))
        };
        Ok((0..4).map(byte).collect())
    }

    /// `pack4xI8` and `pack4xU8`: the low bytes.
    pub(super) fn pack_bytes(&mut self, numbers: &[Value]) -> Lowered<Value> {
        let &[first, ref rest @ ..] = numbers else {
            return Err("no bytes to pack".into());
        };
        let low = self.b.i32(0xff);
        let mut word = self.b.binary(Binary::And, first, low);
        for (k, number) in rest.iter().enumerate() {
            let shift = self.b.i32(8 * (k as u32 + 1));
            // The top byte needs no mask: what is above it is shifted out.
            let byte = if k == 2 {
                *number
            } else {
                self.b.binary(Binary::And, *number, low)
            };
            let byte = self.b.binary(Binary::Shl, byte, shift);
            word = self.b.binary(Binary::Or, word, byte);
        }
        Ok(word)
    }

    fn bitcast(&mut self, slots: &[Value], ty: u32) -> Lowered<Vec<Value>> {
        let types = self.slot_types(ty)?;
        if types.len() != slots.len() {
            return Err("a bitcast between vectors of different lengths is not supported".into());
        }
        let width = |ty: Type| match ty {
            Type::I16 | Type::F16 => 16,
            Type::I32 | Type::F32 | Type::F16x2 => 32,
            Type::I64 => 64,
            _ => 0,
        };
        let mut result = Vec::new();
        for (slot, ty) in slots.iter().zip(types) {
            if width(self.b.ty(*slot)) != width(ty) {
                return Err("a bitcast between different widths is not supported".into());
            }
            result.push(self.b.unary(Unary::Bitcast, *slot, ty));
        }
        Ok(result)
    }
}

/// One number converted to type `to`; `None` if there is no way.
fn number(b: &mut Builder, op: Spv, value: Value, to: Type) -> Option<Value> {
    use Type::*;
    let from = b.ty(value);
    let signed = matches!(op, Spv::ConvertSToF | Spv::ConvertFToS | Spv::SConvert);
    let pick = |s: Unary, u: Unary| if signed { s } else { u };
    let extend = pick(Unary::SignExtend, Unary::ZeroExtend);
    Some(match (op, from, to) {
        (Spv::SConvert | Spv::UConvert, I16, I32 | I64)
        | (Spv::SConvert | Spv::UConvert, I32, I64) => b.unary(extend, value, to),
        (Spv::SConvert | Spv::UConvert, I64, I32 | I16)
        | (Spv::SConvert | Spv::UConvert, I32, I16) => b.unary(Unary::Truncate, value, to),
        (Spv::FConvert, F32, F16) => b.unary(Unary::F16FromF32, value, to),
        (Spv::FConvert, F16, F32) => b.unary(Unary::F32FromF16, value, to),
        (Spv::QuantizeToF16, F32, F32) => {
            let half = b.unary(Unary::F16FromF32, value, F16);
            b.unary(Unary::F32FromF16, half, F32)
        }
        (Spv::ConvertSToF | Spv::ConvertUToF, I32, F32) => {
            b.unary(pick(Unary::F32FromS, Unary::F32FromU), value, to)
        }
        (Spv::ConvertSToF | Spv::ConvertUToF, I16, F16) => {
            b.unary(pick(Unary::F16FromS, Unary::F16FromU), value, to)
        }
        (Spv::ConvertSToF | Spv::ConvertUToF, I16, F32) => {
            let wide = b.unary(extend, value, I32);
            b.unary(pick(Unary::F32FromS, Unary::F32FromU), wide, to)
        }
        // What f32 rounds is far above the largest f16, so rounding twice is rounding once.
        (Spv::ConvertSToF | Spv::ConvertUToF, I32, F16) => {
            let single = b.unary(pick(Unary::F32FromS, Unary::F32FromU), value, F32);
            b.unary(Unary::F16FromF32, single, to)
        }
        (Spv::ConvertFToS | Spv::ConvertFToU, F32, I32) => {
            b.unary(pick(Unary::SFromF32, Unary::UFromF32), value, to)
        }
        (Spv::ConvertFToS | Spv::ConvertFToU, F16, I16) => {
            b.unary(pick(Unary::SFromF16, Unary::UFromF16), value, to)
        }
        (Spv::ConvertFToS | Spv::ConvertFToU, F16, I32) => {
            let single = b.unary(Unary::F32FromF16, value, F32);
            b.unary(pick(Unary::SFromF32, Unary::UFromF32), single, to)
        }
        (Spv::ConvertFToS | Spv::ConvertFToU, F32, I16) => {
            let wide = b.unary(pick(Unary::SFromF32, Unary::UFromF32), value, I32);
            b.unary(Unary::Truncate, wide, to)
        }
        _ => return None,
    })
}
