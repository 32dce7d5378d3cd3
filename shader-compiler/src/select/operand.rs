//! Operands: which register, constant or modifier stands for a value in an instruction's field.

use gfx1100_isa::{Field, Op as Isa, Operand as Reg, Slot, Ty};

use super::bank::Bank;
use super::build::{constant32, inline16};
use super::{Selector, dwords, part};
use crate::ir::{Op, Type, Unary, Value};
use crate::machine::{Operand, Register};

/// What a source names.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// A value, wherever it is.
    Value(Value),
    /// An operand as it is.
    Operand(Operand),
    /// A constant by its bits.
    Bits(u32),
}

/// A source with its modifiers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Src {
    pub(super) what: What,
    pub(super) neg: bool,
    pub(super) abs: bool,
    /// High half of the register.
    pub(super) high: bool,
}

impl Src {
    pub(super) const fn plain(what: What) -> Self {
        Self {
            what,
            neg: false,
            abs: false,
            high: false,
        }
    }

    /// The same, negated.
    pub(super) const fn negated(self) -> Self {
        Self {
            neg: !self.neg,
            ..self
        }
    }
}

impl From<Value> for Src {
    fn from(value: Value) -> Self {
        Self::plain(What::Value(value))
    }
}

impl From<Operand> for Src {
    fn from(operand: Operand) -> Self {
        Self::plain(What::Operand(operand))
    }
}

impl From<u32> for Src {
    fn from(bits: u32) -> Self {
        Self::plain(What::Bits(bits))
    }
}

impl From<i32> for Src {
    fn from(bits: i32) -> Self {
        Self::plain(What::Bits(bits as u32))
    }
}

impl Selector<'_> {
    /// The bits of a constant; what is undefined is 0.
    pub(super) fn constant(&self, value: Value) -> Option<u64> {
        match self.op(value)? {
            Op::Const(bits) => Some(*bits),
            Op::Undef => Some(0),
            Op::Unary(Unary::Bitcast, inner) => self.constant(*inner),
            _ => None,
        }
    }

    /// The bits of a constant of at most 32.
    pub(super) fn constant_u32(&self, value: Value) -> Option<u32> {
        self.constant(value).map(|bits| bits as u32)
    }

    /// The register of a value. Asking makes its definition be emitted.
    pub(super) fn reg(&mut self, value: Value) -> Operand {
        let value = self.resolve(value);
        if let Some((register, first)) = self.registers[value.0 as usize] {
            return Operand::Virtual(register, first);
        }
        if let Some((inner, k)) = self.same_register(value) {
            let Operand::Virtual(register, first) = self.reg(inner) else {
                return Operand::None;
            };
            self.registers[value.0 as usize] = Some((register, first + k));
            return Operand::Virtual(register, first + k);
        }
        let dwords = dwords(self.ty(value));
        let register = match self.bank(value) {
            Bank::Scalar => self.scalar_register(dwords),
            Bank::Vector => self.vector_register(dwords),
            Bank::Mask => self.mask_register(),
        };
        self.registers[value.0 as usize] = Some((register, 0));
        Operand::Virtual(register, 0)
    }

    /// The value and dword in whose register this value stands without any instruction.
    pub(super) fn same_register(&self, value: Value) -> Option<(Value, u8)> {
        let (inner, k) = match self.op(value)? {
            Op::Unary(Unary::Bitcast | Unary::Half(0) | Unary::Truncate, inner) => (*inner, 0),
            Op::Word(inner, k) => (*inner, *k),
            Op::BroadcastFirst(inner) => (*inner, 0),
            _ => return None,
        };
        let same = self.bank(inner) == self.bank(value) && self.constant(inner).is_none();
        same.then_some((inner, k))
    }

    pub(super) fn scalar_register(&mut self, dwords: u8) -> Register {
        self.new_register(crate::machine::File::Scalar, dwords, false)
    }

    pub(super) fn vector_register(&mut self, dwords: u8) -> Register {
        self.new_register(crate::machine::File::Vector, dwords, false)
    }

    pub(super) fn mask_register(&mut self) -> Register {
        self.new_register(crate::machine::File::Scalar, 1, true)
    }

    pub(super) fn scalar_temporary(&mut self, dwords: u8) -> Operand {
        Operand::Virtual(self.scalar_register(dwords), 0)
    }

    pub(super) fn vector_temporary(&mut self, dwords: u8) -> Operand {
        Operand::Virtual(self.vector_register(dwords), 0)
    }

    pub(super) fn mask_temporary(&mut self) -> Operand {
        Operand::Virtual(self.mask_register(), 0)
    }

    /// Dword `k` of a value, as a copy's source.
    pub(super) fn dword(&mut self, value: Value, k: u8) -> Operand {
        match self.constant(value) {
            Some(bits) if self.ty(value) == Type::Bool => {
                constant32(0u32.wrapping_sub(bits as u32 & 1))
            }
            Some(bits) => constant32((bits >> (32 * u32::from(k))) as u32),
            None => match self.tile_constant(value) {
                Some(bits) => constant32(bits),
                None => part(self.reg(value), k),
            },
        }
    }

    /// The operand for a source in a field of an instruction.
    pub(super) fn operand(&mut self, src: Src, slot: Slot, promotable: bool) -> Operand {
        match slot.field {
            Field::Ssrc | Field::Sreg | Field::Sdst => self.scalar(src.what, slot.ty),
            // No literal here.
            Field::Sinline => match self.scalar(src.what, slot.ty) {
                Operand::Fixed(Reg::Literal(bits)) => self.pooled(bits),
                other => other,
            },
            Field::Vinline => self.any(src.what, slot.ty),
            Field::Vgpr if !promotable => self.vector(src.what, slot.ty),
            Field::Mask => match src.what {
                What::Value(value) => self.mask(value),
                What::Operand(operand) => operand,
                What::Bits(bits) => self.pooled(bits),
            },
            Field::Literal | Field::Unused => Operand::None,
            Field::Src | Field::Vgpr => self.any(src.what, slot.ty),
        }
    }

    /// A source that the vector unit reads: any register or constant.
    fn any(&mut self, what: What, ty: Ty) -> Operand {
        match what {
            What::Operand(operand) => operand,
            What::Bits(bits) => self.constant_operand(u64::from(bits), ty, true),
            What::Value(value) => match self.constant(value) {
                Some(bits) => self.constant_operand(bits, ty, true),
                None => self.reg(value),
            },
        }
    }

    fn constant_operand(&mut self, bits: u64, ty: Ty, vector: bool) -> Operand {
        match ty {
            Ty::F16 | Ty::I16 | Ty::U16 | Ty::B16 | Ty::Bf16 => {
                inline16(bits as u16, matches!(ty, Ty::F16))
                    .unwrap_or(Operand::Fixed(Reg::Literal(bits as u32 & 0xffff)))
            }
            // Selection that knows the halves picks inline constants itself.
            Ty::F16x2 | Ty::B16x2 | Ty::Bf16x2 if bits as u32 != 0 => self.pooled(bits as u32),
            Ty::B64 | Ty::I64 | Ty::U64 => {
                if let Some(inline) = i32::try_from(bits as i64).ok().and_then(Reg::inline_int) {
                    return Operand::Fixed(inline);
                }
                let (mov, pair) = if vector {
                    (Isa::V_MOV_B32, self.vector_temporary(2))
                } else {
                    (Isa::S_MOV_B32, self.scalar_temporary(2))
                };
                for k in 0..2 {
                    let half = (bits >> (32 * u32::from(k))) as u32;
                    self.emit(mov, part(pair, k), &[half.into()]);
                }
                pair
            }
            _ => constant32(bits as u32),
        }
    }

    /// A source that the scalar unit reads. A uniform value that the vector unit computed is fetched from its first lane.
    pub(super) fn scalar(&mut self, what: What, ty: Ty) -> Operand {
        let value = match what {
            What::Operand(operand) => return operand,
            What::Bits(bits) => return self.constant_operand(u64::from(bits), ty, false),
            What::Value(value) => value,
        };
        if let Some(bits) = self.constant(value) {
            return self.constant_operand(bits, ty, false);
        }
        let register = self.reg(value);
        if self.bank(value) != Bank::Vector {
            return register;
        }
        let count = dwords(self.ty(value));
        let scalar = self.scalar_temporary(count);
        for k in 0..count {
            self.emit(
                Isa::V_READFIRSTLANE_B32,
                part(scalar, k),
                &[part(register, k).into()],
            );
        }
        scalar
    }

    /// A source in a field that takes vector registers only.
    pub(super) fn vector(&mut self, what: What, ty: Ty) -> Operand {
        let (from, count) = match what {
            What::Operand(operand) => return self.vector_copy(operand, ty.dwords()),
            What::Bits(bits) => (self.constant_operand(u64::from(bits), Ty::B32, true), 1),
            What::Value(value) => {
                let count = dwords(self.ty(value));
                if let Some(bits) = self.constant(value) {
                    let vector = self.vector_temporary(count);
                    for k in 0..count {
                        let half = (bits >> (32 * u32::from(k))) as u32;
                        self.emit(Isa::V_MOV_B32, part(vector, k), &[half.into()]);
                    }
                    return vector;
                }
                if self.bank(value) == Bank::Vector {
                    return self.reg(value);
                }
                (self.reg(value), count)
            }
        };
        let vector = self.vector_temporary(count);
        for k in 0..count {
            self.emit(Isa::V_MOV_B32, part(vector, k), &[part(from, k).into()]);
        }
        vector
    }

    fn vector_copy(&mut self, operand: Operand, count: u8) -> Operand {
        let in_vector = match operand {
            Operand::Virtual(register, _) => {
                self.out.registers[register.0 as usize].file == crate::machine::File::Vector
            }
            Operand::Fixed(fixed) => matches!(fixed, Reg::V(_)),
            Operand::None => true,
        };
        if in_vector {
            return operand;
        }
        let vector = self.vector_temporary(count);
        for k in 0..count {
            self.emit(Isa::V_MOV_B32, part(vector, k), &[part(operand, k).into()]);
        }
        vector
    }

    /// A Bool as a lane mask in a register.
    pub(super) fn mask(&mut self, value: Value) -> Operand {
        match self.constant(value) {
            Some(bits) => {
                let mask = self.mask_temporary();
                let all = if bits & 1 == 1 { -1 } else { 0 };
                self.emit(Isa::S_MOV_B32, mask, &[all.into()]);
                mask
            }
            None => self.reg(value),
        }
    }

    /// A Bool as an operand of scalar logic.
    pub(super) fn mask_source(&mut self, value: Value) -> Src {
        match self.constant(value) {
            Some(bits) if bits & 1 == 1 => (-1).into(),
            Some(_) => 0.into(),
            None => self.reg(value).into(),
        }
    }

    /// A float operand with the negations, absolute values and halves around it taken into modifiers.
    pub(super) fn float(&self, value: Value) -> Src {
        let mut src = Src::from(self.resolve(value));
        loop {
            let What::Value(value) = src.what else {
                return src;
            };
            match self.op(value) {
                Some(Op::Unary(Unary::FNeg, inner)) if self.constant(value).is_none() => {
                    src.neg ^= !src.abs;
                    src.what = What::Value(self.resolve(*inner));
                }
                Some(Op::Unary(Unary::FAbs, inner)) => {
                    src.abs = true;
                    src.what = What::Value(self.resolve(*inner));
                }
                Some(Op::Unary(Unary::Half(1), inner)) if self.bank(*inner) == Bank::Vector => {
                    src.high = true;
                    src.what = What::Value(self.resolve(*inner));
                    return src;
                }
                _ => return src,
            }
        }
    }

    /// A constant in a scalar register that is set at entry.
    pub(super) fn pooled(&mut self, bits: u32) -> Operand {
        let register = match self.pool.get(&bits) {
            Some(register) => *register,
            None => {
                let register = self.scalar_register(1);
                self.pool.insert(bits, register);
                register
            }
        };
        Operand::Virtual(register, 0)
    }
}
