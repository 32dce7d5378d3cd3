//! Arithmetic, logic and comparisons, element by element; f16 vectors two elements at a time where the machine can.

use rspirv::dr::Instruction;
use rspirv::spirv::Op as Spv;

use super::super::module::{result_type, word};
use super::build::Builder;
use super::{Lower, Lowered};
use crate::ir::*;

/// A binary instruction as one operation; `true`: it takes pairs of f16.
fn binary_of(op: Spv) -> Option<(Binary, bool)> {
    Some(match op {
        Spv::IAdd => (Binary::IAdd, false),
        Spv::ISub => (Binary::ISub, false),
        Spv::IMul => (Binary::IMul, false),
        Spv::UDiv => (Binary::UDiv, false),
        Spv::SDiv => (Binary::SDiv, false),
        Spv::UMod => (Binary::URem, false),
        Spv::SRem => (Binary::SRem, false),
        Spv::BitwiseAnd | Spv::LogicalAnd => (Binary::And, false),
        Spv::BitwiseOr | Spv::LogicalOr => (Binary::Or, false),
        Spv::BitwiseXor | Spv::LogicalNotEqual => (Binary::Xor, false),
        Spv::FAdd => (Binary::FAdd, true),
        Spv::FSub => (Binary::FSub, true),
        Spv::FMul => (Binary::FMul, true),
        Spv::FDiv => (Binary::FDiv, false),
        Spv::FRem => (Binary::FRem, false),
        _ => return None,
    })
}

fn shift_of(op: Spv) -> Option<Binary> {
    Some(match op {
        Spv::ShiftLeftLogical => Binary::Shl,
        Spv::ShiftRightLogical => Binary::ShrU,
        Spv::ShiftRightArithmetic => Binary::ShrS,
        _ => return None,
    })
}

/// A comparison as a predicate; `true`: with its operands exchanged.
///
/// WGSL's `!=` is true for NaN; naga writes the ordered comparison for it, and ours follows WGSL.
fn compare_of(op: Spv) -> Option<(Pred, bool)> {
    Some(match op {
        Spv::IEqual => (Pred::Eq, false),
        Spv::INotEqual => (Pred::Ne, false),
        Spv::ULessThan => (Pred::ULt, false),
        Spv::ULessThanEqual => (Pred::ULe, false),
        Spv::UGreaterThan => (Pred::ULt, true),
        Spv::UGreaterThanEqual => (Pred::ULe, true),
        Spv::SLessThan => (Pred::SLt, false),
        Spv::SLessThanEqual => (Pred::SLe, false),
        Spv::SGreaterThan => (Pred::SLt, true),
        Spv::SGreaterThanEqual => (Pred::SLe, true),
        Spv::FOrdEqual => (Pred::FEq, false),
        Spv::FOrdNotEqual | Spv::FUnordNotEqual => (Pred::FNe, false),
        Spv::FOrdLessThan => (Pred::FLt, false),
        Spv::FOrdLessThanEqual => (Pred::FLe, false),
        Spv::FOrdGreaterThan => (Pred::FLt, true),
        Spv::FOrdGreaterThanEqual => (Pred::FLe, true),
        _ => return None,
    })
}

impl Lower<'_, '_> {
    /// Applies `f` to the operands `ids` (all of one shape) and makes a value of the same shape from the results.
    /// `packed`: `f` takes pairs of f16 as they are.
    pub(super) fn each(
        &mut self,
        ids: &[u32],
        packed: bool,
        mut f: impl FnMut(&mut Builder, &[Value]) -> Value,
    ) -> Lowered<Vec<Value>> {
        let mut operands = Vec::new();
        for &id in ids {
            let (slots, ty) = self.typed(id)?;
            operands.push(if packed {
                slots
            } else {
                self.elements(ty, &slots)?
            });
        }
        let count = operands.first().map_or(0, Vec::len);
        if operands.iter().any(|o| o.len() != count) {
            return Err("operands differ in shape".into());
        }
        let mut results = Vec::new();
        for k in 0..count {
            let parts: Vec<Value> = operands.iter().map(|o| o[k]).collect();
            results.push(f(&mut self.b, &parts));
        }
        Ok(if packed {
            results
        } else {
            self.slots_of(&results)
        })
    }

    /// Everything that works element by element, and the products of vectors.
    pub(super) fn arithmetic(&mut self, inst: &Instruction) -> Lowered<()> {
        let op = inst.class.opcode;
        let count = inst.operands.len().min(4);
        let ids: Vec<u32> = (0..count).map_while(|i| word(inst, i).ok()).collect();
        let slots = if let Some((op, packed)) = binary_of(op) {
            if let Some(slots) = self.tile_binary(op, &ids)? {
                return self.define(inst, slots);
            }
            self.each(&ids, packed, |b, v| b.binary(op, v[0], v[1]))?
        } else if let Some(op) = shift_of(op) {
            self.each(&ids, false, |b, v| {
                let count = to_i32(b, v[1]);
                b.binary(op, v[0], count)
            })?
        } else if let Some((pred, swapped)) = compare_of(op) {
            self.each(&ids, false, |b, v| match swapped {
                false => b.compare(pred, v[0], v[1]),
                true => b.compare(pred, v[1], v[0]),
            })?
        } else {
            match op {
                Spv::SNegate => {
                    self.each(&ids, false, |b, v| b.unary(Unary::INeg, v[0], b.ty(v[0])))?
                }
                Spv::FNegate => {
                    self.each(&ids, true, |b, v| b.unary(Unary::FNeg, v[0], b.ty(v[0])))?
                }
                Spv::Not | Spv::LogicalNot => self.each(&ids, false, |b, v| b.not(v[0]))?,
                Spv::LogicalEqual => self.each(&ids, false, |b, v| {
                    let differ = b.binary(Binary::Xor, v[0], v[1]);
                    b.not(differ)
                })?,
                Spv::IsNan => {
                    self.each(&ids, false, |b, v| b.compare(Pred::FUnordered, v[0], v[0]))?
                }
                Spv::Select => self.select(&ids)?,
                Spv::All | Spv::Any => self.all_or_any(&ids, op == Spv::All)?,
                Spv::Dot => self.dot(ids[0], ids[1])?,
                Spv::SDot | Spv::UDot => {
                    let op = if op == Spv::SDot {
                        Ternary::Dot4S
                    } else {
                        Ternary::Dot4U
                    };
                    let (a, b, zero) = (self.scalar(ids[0])?, self.scalar(ids[1])?, self.b.i32(0));
                    vec![self.b.ternary(op, a, b, zero)]
                }
                Spv::BitCount => self.each(&ids, false, |b, v| {
                    b.unary(Unary::PopCount, v[0], Type::I32)
                })?,
                Spv::BitReverse => self.each(&ids, false, |b, v| {
                    b.unary(Unary::ReverseBits, v[0], Type::I32)
                })?,
                Spv::BitFieldUExtract | Spv::BitFieldSExtract | Spv::BitFieldInsert => {
                    self.bit_field(op, &ids)?
                }
                _ => return Err(format!("Op{} is not supported", inst.class.opname)),
            }
        };
        let expected = self.slot_types(result_type(inst)?)?;
        if !expected
            .iter()
            .copied()
            .eq(slots.iter().map(|&s| self.b.ty(s)))
        {
            return Err(format!(
                "Op{} is not supported on these types",
                inst.class.opname
            ));
        }
        self.define(inst, slots)
    }

    fn select(&mut self, ids: &[u32]) -> Lowered<Vec<Value>> {
        let conditions = self.slots(ids[0])?;
        match conditions.as_slice() {
            [one] => {
                let (yes, no) = (self.slots(ids[1])?, self.slots(ids[2])?);
                Ok(yes
                    .into_iter()
                    .zip(no)
                    .map(|(yes, no)| self.b.select(*one, yes, no))
                    .collect())
            }
            // The same condition for all elements needs no taking apart.
            [first, rest @ ..] if rest.iter().all(|c| c == first) => {
                let (yes, no) = (self.slots(ids[1])?, self.slots(ids[2])?);
                Ok(yes
                    .into_iter()
                    .zip(no)
                    .map(|(yes, no)| self.b.select(*first, yes, no))
                    .collect())
            }
            _ => self.each(ids, false, |b, v| b.select(v[0], v[1], v[2])),
        }
    }

    fn all_or_any(&mut self, ids: &[u32], all: bool) -> Lowered<Vec<Value>> {
        let op = if all { Binary::And } else { Binary::Or };
        let slots = self.slots(ids[0])?;
        let joined = slots.into_iter().reduce(|a, b| self.b.binary(op, a, b));
        Ok(vec![joined.ok_or("a vector of nothing")?])
    }

    /// The scalar product of two vectors of floats. Of f16: products and sums in f32, rounded once at the end.
    pub(super) fn dot(&mut self, a: u32, b: u32) -> Lowered<Vec<Value>> {
        let (a, b) = (self.slots(a)?, self.slots(b)?);
        let mut pairs = a.into_iter().zip(b);
        let (a, b) = pairs.next().ok_or("a vector of nothing")?;
        if self.b.ty(a) == Type::F32 {
            let first = self.b.binary(Binary::FMul, a, b);
            return Ok(vec![pairs.fold(first, |sum, (a, b)| {
                self.b.ternary(Ternary::Fma, a, b, sum)
            })]);
        }
        let mut sum = self.b.f32(0.0);
        for (a, b) in std::iter::once((a, b)).chain(pairs) {
            sum = match self.b.ty(a) {
                Type::F16x2 => self.b.ternary(Ternary::Dot2F16, a, b, sum),
                _ => {
                    let [a, b] = [a, b].map(|v| self.b.unary(Unary::F32FromF16, v, Type::F32));
                    self.b.ternary(Ternary::Fma, a, b, sum)
                }
            };
        }
        Ok(vec![self.b.unary(Unary::F16FromF32, sum, Type::F16)])
    }

    /// `extractBits` and `insertBits`; naga has brought offset and count into range.
    fn bit_field(&mut self, op: Spv, ids: &[u32]) -> Lowered<Vec<Value>> {
        let (offset, count) = match op {
            Spv::BitFieldInsert => (ids[2], ids[3]),
            _ => (ids[1], ids[2]),
        };
        let (offset, count) = (self.scalar(offset)?, self.scalar(count)?);
        let op = match op {
            Spv::BitFieldUExtract => Ternary::ExtractU,
            Spv::BitFieldSExtract => Ternary::ExtractS,
            _ => return self.insert_bits(ids, offset, count),
        };
        self.each(&ids[..1], false, |b, v| {
            b.value(Type::I32, Op::Ternary(op, [v[0], offset, count]))
        })
    }

    fn insert_bits(&mut self, ids: &[u32], offset: Value, count: Value) -> Lowered<Vec<Value>> {
        let [all, thirty_one, one] = [u32::MAX, 31, 1].map(|n| self.b.i32(n));
        // A count of 32 is all bits, for which shift counts have no room.
        let full = self.b.compare(Pred::ULt, thirty_one, count);
        let top = self.b.binary(Binary::Shl, one, count);
        let low = self.b.binary(Binary::ISub, top, one);
        let low = self.b.select(full, all, low);
        let mask = self.b.binary(Binary::Shl, low, offset);
        self.each(&ids[..2], false, |b, v| {
            let new = b.binary(Binary::Shl, v[1], offset);
            b.ternary(Ternary::BitInsert, mask, new, v[0])
        })
    }
}

/// A shift count of any width as I32.
fn to_i32(b: &mut Builder, value: Value) -> Value {
    match b.ty(value) {
        Type::I64 => b.unary(Unary::Truncate, value, Type::I32),
        Type::I16 => b.unary(Unary::ZeroExtend, value, Type::I32),
        _ => value,
    }
}
