//! 32-bit and 16-bit integer arithmetic and logic, on either unit, with the fused forms of the vector one.

use gfx1100_isa::Op as Isa;

use super::bank::Bank;
use super::{Selector, part};
use crate::ir::{Binary, Op, Ternary, Type, Unary, Value, range};
use crate::machine::{Kind, Operand};

/// Scalar and vector instruction of an operation, and whether the vector one takes its operands in reverse.
const fn plain(binary: Binary) -> Option<(Isa, Isa, bool)> {
    use Binary as B;
    Some(match binary {
        B::IAdd => (Isa::S_ADD_I32, Isa::V_ADD_NC_U32, false),
        B::ISub => (Isa::S_SUB_I32, Isa::V_SUB_NC_U32, false),
        B::IMul => (Isa::S_MUL_I32, Isa::V_MUL_LO_U32, false),
        B::UMulHi => (Isa::S_MUL_HI_U32, Isa::V_MUL_HI_U32, false),
        B::SMulHi => (Isa::S_MUL_HI_I32, Isa::V_MUL_HI_I32, false),
        B::UMin => (Isa::S_MIN_U32, Isa::V_MIN_U32, false),
        B::UMax => (Isa::S_MAX_U32, Isa::V_MAX_U32, false),
        B::SMin => (Isa::S_MIN_I32, Isa::V_MIN_I32, false),
        B::SMax => (Isa::S_MAX_I32, Isa::V_MAX_I32, false),
        B::And => (Isa::S_AND_B32, Isa::V_AND_B32, false),
        B::Or => (Isa::S_OR_B32, Isa::V_OR_B32, false),
        B::Xor => (Isa::S_XOR_B32, Isa::V_XOR_B32, false),
        B::Shl => (Isa::S_LSHL_B32, Isa::V_LSHLREV_B32, true),
        B::ShrU => (Isa::S_LSHR_B32, Isa::V_LSHRREV_B32, true),
        B::ShrS => (Isa::S_ASHR_I32, Isa::V_ASHRREV_I32, true),
        _ => return None,
    })
}

impl Selector<'_> {
    pub(super) fn upper_bound(&self, value: Value) -> u32 {
        range::upper_bound(self.function, &|value| self.op(value), value)
    }

    pub(super) fn int_binary(&mut self, binary: Binary, a: Value, b: Value, result: Value) {
        if matches!(
            binary,
            Binary::UDiv | Binary::URem | Binary::SDiv | Binary::SRem
        ) {
            return self.divide(binary, a, b, result);
        }
        let Some((scalar, vector, reverse)) = plain(binary) else {
            return self.broken("an integer operation on another type");
        };
        let dst = self.reg(result);
        if self.bank(result) == Bank::Scalar {
            if !self.fused_scalar(binary, a, b, dst) {
                self.emit(scalar, dst, &[a.into(), b.into()]);
            }
            return;
        }
        if self.fused_vector(binary, a, b, dst) {
            return;
        }
        let (first, second) = if reverse { (b, a) } else { (a, b) };
        if binary == Binary::ISub && self.is_vector(first) && !self.is_vector(second) {
            self.emit(Isa::V_SUBREV_NC_U32, dst, &[second.into(), first.into()]);
        } else {
            self.emit(vector, dst, &[first.into(), second.into()]);
        }
    }

    pub(super) fn is_vector(&self, value: Value) -> bool {
        self.constant(value).is_none() && self.bank(value) == Bank::Vector
    }

    pub(super) fn short_binary(&mut self, binary: Binary, a: Value, b: Value, result: Value) {
        use Binary as B;
        let dst = self.reg(result);
        let (op, reverse) = match binary {
            B::IAdd => (Isa::V_ADD_NC_U16, false),
            B::ISub => (Isa::V_SUB_NC_U16, false),
            B::IMul => (Isa::V_MUL_LO_U16, false),
            B::UMin => (Isa::V_MIN_U16, false),
            B::UMax => (Isa::V_MAX_U16, false),
            B::SMin => (Isa::V_MIN_I16, false),
            B::SMax => (Isa::V_MAX_I16, false),
            B::And => (Isa::V_AND_B16, false),
            B::Or => (Isa::V_OR_B16, false),
            B::Xor => (Isa::V_XOR_B16, false),
            B::Shl => (Isa::V_LSHLREV_B16, true),
            B::ShrU => (Isa::V_LSHRREV_B16, true),
            B::ShrS => (Isa::V_ASHRREV_I16, true),
            _ => return self.unsupported("this operation on 16-bit integers"),
        };
        let (first, second) = if reverse { (b, a) } else { (a, b) };
        self.emit(op, dst, &[first.into(), second.into()]);
    }

    pub(super) fn ternary(&mut self, ternary: Ternary, [a, b, c]: [Value; 3], result: Value) {
        let dst = self.reg(result);
        let scalar = self.bank(result) == Bank::Scalar;
        match ternary {
            Ternary::Fma => self.fma([a, b, c], result),
            Ternary::ExtractU | Ternary::ExtractS => {
                let signed = ternary == Ternary::ExtractS;
                if scalar {
                    self.scalar_extract(signed, [a, b, c], dst);
                } else {
                    self.vector_extract(signed, [a, b, c], dst);
                }
            }
            Ternary::BitInsert if scalar => {
                let (yes, no) = (self.scalar_temporary(1), self.scalar_temporary(1));
                self.emit(Isa::S_AND_B32, yes, &[a.into(), b.into()]);
                self.emit(Isa::S_AND_NOT1_B32, no, &[c.into(), a.into()]);
                self.emit(Isa::S_OR_B32, dst, &[yes.into(), no.into()]);
            }
            Ternary::BitInsert => {
                self.emit(Isa::V_BFI_B32, dst, &[a.into(), b.into(), c.into()]);
            }
            Ternary::Dot4S => {
                let sources = [a.into(), b.into(), c.into()];
                // neg_lo of a byte source means that it is signed.
                self.emit(Isa::V_DOT4_I32_IU8, dst, &sources).mods.neg = 3;
            }
            Ternary::Dot4U => {
                self.emit(Isa::V_DOT4_U32_U8, dst, &[a.into(), b.into(), c.into()]);
            }
            Ternary::Dot2F16 => {
                self.emit(Isa::V_DOT2_F32_F16, dst, &[a.into(), b.into(), c.into()]);
            }
        }
    }

    fn scalar_extract(&mut self, signed: bool, [a, b, c]: [Value; 3], dst: Operand) {
        let op = if signed {
            Isa::S_BFE_I32
        } else {
            Isa::S_BFE_U32
        };
        if let (Some(offset), Some(width)) = (self.constant_u32(b), self.constant_u32(c)) {
            let field = width.min(32) << 16 | offset & 31;
            self.emit(op, dst, &[a.into(), field.into()]);
            return;
        }
        let (width, field) = (self.scalar_temporary(1), self.scalar_temporary(1));
        self.emit(Isa::S_LSHL_B32, width, &[c.into(), 16.into()]);
        self.emit(Isa::S_OR_B32, field, &[width.into(), b.into()]);
        self.emit(op, dst, &[a.into(), field.into()]);
    }

    fn vector_extract(&mut self, signed: bool, [a, b, c]: [Value; 3], dst: Operand) {
        let op = if signed {
            Isa::V_BFE_I32
        } else {
            Isa::V_BFE_U32
        };
        match (self.constant_u32(b), self.constant_u32(c)) {
            // The instruction takes five bits of the width.
            (_, Some(32)) => {
                self.emit(Isa::V_MOV_B32, dst, &[a.into()]);
            }
            (_, Some(_)) => {
                self.emit(op, dst, &[a.into(), b.into(), c.into()]);
            }
            _ => {
                let field = self.vector_temporary(1);
                self.emit(op, field, &[a.into(), b.into(), c.into()]);
                let whole = self.mask_temporary();
                self.emit(Isa::V_CMP_EQ_U32, whole, &[32.into(), c.into()]);
                let sources = [field.into(), a.into(), whole.into()];
                self.emit(Isa::V_CNDMASK_B32, dst, &sources);
            }
        }
    }

    pub(super) fn int_unary(&mut self, unary: Unary, a: Value, result: Value) {
        let dst = self.reg(result);
        let scalar = self.bank(result) == Bank::Scalar;
        match (unary, scalar) {
            (Unary::INeg, true) => {
                self.emit(Isa::S_SUB_I32, dst, &[0.into(), a.into()]);
            }
            (Unary::INeg, false) if self.ty(result) == Type::I16 => {
                self.emit(Isa::V_SUB_NC_U16, dst, &[0.into(), a.into()]);
            }
            (Unary::INeg, false) => {
                self.emit(Isa::V_SUB_NC_U32, dst, &[0.into(), a.into()]);
            }
            (Unary::Not, true) => {
                self.emit(Isa::S_NOT_B32, dst, &[a.into()]);
            }
            (Unary::Not, false) => self.vector_not(a, dst),
            (Unary::SAbs, true) => {
                self.emit(Isa::S_ABS_I32, dst, &[a.into()]);
            }
            (Unary::SAbs, false) => {
                let minus = self.vector_temporary(1);
                self.emit(Isa::V_SUB_NC_U32, minus, &[0.into(), a.into()]);
                self.emit(Isa::V_MAX_I32, dst, &[a.into(), minus.into()]);
            }
            (Unary::PopCount, true) => {
                self.emit(Isa::S_BCNT1_I32_B32, dst, &[a.into()]);
            }
            (Unary::PopCount, false) => {
                self.emit(Isa::V_BCNT_U32_B32, dst, &[a.into(), 0.into()]);
            }
            (Unary::ReverseBits, true) => {
                self.emit(Isa::S_BREV_B32, dst, &[a.into()]);
            }
            (Unary::ReverseBits, false) => {
                self.emit(Isa::V_BFREV_B32, dst, &[a.into()]);
            }
            (Unary::Clz | Unary::Ctz, _) => self.count_zeros(unary, scalar, a, dst),
            _ => self.broken("an integer operation on another type"),
        }
    }

    fn vector_not(&mut self, a: Value, dst: Operand) {
        match self.absorbed_vector(a) {
            Some(&Op::Binary(Binary::Xor, [x, y])) => {
                self.emit(Isa::V_XNOR_B32, dst, &[x.into(), y.into()]);
            }
            _ => {
                self.emit(Isa::V_NOT_B32, dst, &[a.into()]);
            }
        }
    }

    /// The machine says -1 for 0, WGSL 32; as unsigned numbers, the smaller of the machine's and 32.
    fn count_zeros(&mut self, unary: Unary, scalar: bool, a: Value, dst: Operand) {
        let clz = unary == Unary::Clz;
        let (op, min, count) = match (scalar, clz) {
            (true, true) => (Isa::S_CLZ_I32_U32, Isa::S_MIN_U32, self.scalar_temporary(1)),
            (true, false) => (Isa::S_CTZ_I32_B32, Isa::S_MIN_U32, self.scalar_temporary(1)),
            (false, true) => (Isa::V_CLZ_I32_U32, Isa::V_MIN_U32, self.vector_temporary(1)),
            (false, false) => (Isa::V_CTZ_I32_B32, Isa::V_MIN_U32, self.vector_temporary(1)),
        };
        self.emit(op, count, &[a.into()]);
        self.emit(min, dst, &[32.into(), count.into()]);
    }

    /// Dwords put side by side.
    pub(super) fn join(&mut self, values: &[Value], result: Value) {
        let dst = self.reg(result);
        let bank = self.bank(result);
        let Operand::Virtual(register, first) = dst else {
            return;
        };
        for (k, &value) in values.iter().enumerate() {
            let k = k as u8;
            let value = self.resolve(value);
            let place = (register, first + k);
            // A part that nobody has asked for yet is made where it belongs.
            let free = self.registers[value.0 as usize].is_none()
                && self.constant(value).is_none()
                && self.same_register(value).is_none()
                && self.bank(value) == bank
                && self.here(value)
                && self.op(value).is_some();
            if free {
                self.registers[value.0 as usize] = Some(place);
            }
            if self.registers[value.0 as usize] != Some(place) {
                // A copy, so that allocation knows that one place for both is wanted.
                let mut inst = self.blank(Isa::S_NOP);
                inst.kind = Kind::Copies(vec![(part(dst, k), self.dword(value, 0))]);
                self.push(inst);
            }
        }
    }

    /// A dword of a tuple whose register is of another file.
    pub(super) fn word(&mut self, a: Value, k: u8, result: Value) {
        if self.same_register(result).is_none() {
            let dst = self.reg(result);
            let from = self.dword(a, k);
            self.move_to(result, dst, from);
        }
    }

    /// Moves a dword into the register of a value.
    pub(super) fn move_to(&mut self, value: Value, dst: Operand, from: Operand) {
        if self.bank(value) == Bank::Scalar {
            let from = self.scalar(super::operand::What::Operand(from), gfx1100_isa::Ty::B32);
            self.emit(Isa::S_MOV_B32, dst, &[from.into()]);
        } else {
            self.emit(Isa::V_MOV_B32, dst, &[from.into()]);
        }
    }

    /// A constant somebody wants in a register.
    pub(super) fn materialize(&mut self, result: Value) {
        let Some(bits) = self.constant(result) else {
            return;
        };
        let dst = self.reg(result);
        let bits = if self.ty(result) == Type::Bool && bits & 1 == 1 {
            u64::MAX
        } else {
            bits
        };
        let mov = match self.bank(result) {
            Bank::Vector => Isa::V_MOV_B32,
            Bank::Scalar | Bank::Mask => Isa::S_MOV_B32,
        };
        for k in 0..super::dwords(self.ty(result)) {
            let half = (bits >> (32 * u32::from(k))) as u32;
            self.emit(mov, part(dst, k), &[half.into()]);
        }
    }
}
