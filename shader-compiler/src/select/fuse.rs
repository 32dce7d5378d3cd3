//! Integer operations that absorb others: shifts in adds, masks in ors, three operands in one instruction.

use gfx1100_isa::Op as Isa;

use super::Selector;
use super::bank::Bank;
use super::operand::Src;
use crate::ir::{Binary, Op, Unary, Value};
use crate::machine::Operand;

/// A number that 24 bits hold.
const U24: u32 = (1 << 24) - 1;

impl Selector<'_> {
    pub(super) fn fused_scalar(
        &mut self,
        binary: Binary,
        a: Value,
        b: Value,
        dst: Operand,
    ) -> bool {
        match binary {
            Binary::IAdd => {
                for (shifted, other) in [(a, b), (b, a)] {
                    if let Some((value, count @ 1..=4)) = self.constant_shift(shifted) {
                        let ops = [
                            Isa::S_LSHL1_ADD_U32,
                            Isa::S_LSHL2_ADD_U32,
                            Isa::S_LSHL3_ADD_U32,
                            Isa::S_LSHL4_ADD_U32,
                        ];
                        let op = ops[count as usize - 1];
                        self.emit(op, dst, &[value.into(), other.into()]);
                        return true;
                    }
                }
                false
            }
            Binary::And => {
                for (mask, other) in [(a, b), (b, a)] {
                    if let Some(Op::Unary(Unary::Not, inner)) = self.absorbed(mask) {
                        self.emit(Isa::S_AND_NOT1_B32, dst, &[other.into(), (*inner).into()]);
                        return true;
                    }
                }
                if let Some((value, offset, width)) = self.field(a, b) {
                    let field = width << 16 | offset;
                    self.emit(Isa::S_BFE_U32, dst, &[value.into(), field.into()]);
                    return true;
                }
                false
            }
            Binary::IMul => {
                for (by, value) in [(a, b), (b, a)] {
                    if let Some(power) = self.constant_u32(by).filter(|n| n.is_power_of_two()) {
                        let count = power.trailing_zeros();
                        self.emit(Isa::S_LSHL_B32, dst, &[value.into(), count.into()]);
                        return true;
                    }
                }
                false
            }
            _ => false,
        }
    }

    /// A shift to the left by a constant that its user may absorb.
    pub(super) fn constant_shift(&self, value: Value) -> Option<(Value, u32)> {
        match self.absorbed(value)? {
            Op::Binary(Binary::Shl, [inner, count]) => {
                Some((*inner, self.constant_u32(*count)? & 31))
            }
            Op::Binary(Binary::IMul, [inner, by]) => {
                let by = self.constant_u32(*by)?;
                by.is_power_of_two().then(|| (*inner, by.trailing_zeros()))
            }
            _ => None,
        }
    }

    /// (x >> offset) & (2^width - 1), from the operands of the And.
    pub(super) fn field(&self, a: Value, b: Value) -> Option<(Value, u32, u32)> {
        for (shifted, mask) in [(a, b), (b, a)] {
            let Some(mask) = self.constant_u32(mask) else {
                continue;
            };
            let Some(Op::Binary(Binary::ShrU, [value, count])) = self.absorbed(shifted) else {
                continue;
            };
            let count = self.constant_u32(*count)? & 31;
            if mask != 0 && mask.wrapping_add(1).is_power_of_two() {
                return Some((*value, count, mask.count_ones()));
            }
        }
        None
    }

    pub(super) fn fused_vector(
        &mut self,
        binary: Binary,
        a: Value,
        b: Value,
        dst: Operand,
    ) -> bool {
        let found = match binary {
            Binary::IAdd => self.fuse_add(a, b),
            Binary::ISub => match self.absorbed(b) {
                Some(Op::Unary(Unary::INeg, inner)) => {
                    Some((Isa::V_ADD_NC_U32, vec![a.into(), (*inner).into()]))
                }
                _ => None,
            },
            Binary::IMul => return self.multiply(a, b, dst),
            Binary::And => self.fuse_and(a, b),
            Binary::Or => self.fuse_or(a, b),
            Binary::Xor => self.fuse_pair(Binary::Xor, a, b, Isa::V_XOR3_B32),
            Binary::Shl => match self.absorbed(a) {
                Some(Op::Binary(Binary::IAdd, [x, y])) => Some((
                    Isa::V_ADD_LSHL_U32,
                    vec![(*x).into(), (*y).into(), b.into()],
                )),
                _ => None,
            },
            Binary::ShrU => self.fuse_shift_pair(a, b, Isa::V_BFE_U32),
            Binary::ShrS => self.fuse_shift_pair(a, b, Isa::V_BFE_I32),
            Binary::UMin => self.fuse_pair(Binary::UMin, a, b, Isa::V_MIN3_U32),
            Binary::UMax => self.fuse_pair(Binary::UMax, a, b, Isa::V_MAX3_U32),
            Binary::SMin => self.fuse_pair(Binary::SMin, a, b, Isa::V_MIN3_I32),
            Binary::SMax => self.fuse_pair(Binary::SMax, a, b, Isa::V_MAX3_I32),
            _ => None,
        };
        let Some((op, sources)) = found else {
            return false;
        };
        self.emit(op, dst, &sources);
        true
    }

    /// a op (x op y) as one instruction.
    pub(super) fn fuse_pair(
        &self,
        binary: Binary,
        a: Value,
        b: Value,
        op: Isa,
    ) -> Option<(Isa, Vec<Src>)> {
        for (inner, other) in [(a, b), (b, a)] {
            if let Some(Op::Binary(found, [x, y])) = self.absorbed_vector(inner)
                && *found == binary
            {
                return Some((op, vec![(*x).into(), (*y).into(), other.into()]));
            }
        }
        None
    }

    /// As [`Self::absorbed`], if the vector unit would compute it.
    pub(super) fn absorbed_vector(&self, value: Value) -> Option<&Op> {
        self.absorbed(value)
            .filter(|_| self.bank(value) == Bank::Vector)
    }

    pub(super) fn fuse_add(&self, a: Value, b: Value) -> Option<(Isa, Vec<Src>)> {
        for (inner, other) in [(a, b), (b, a)] {
            if self.bank(inner) != Bank::Vector {
                continue;
            }
            if let Some((value, count)) = self.constant_shift(inner) {
                return Some((
                    Isa::V_LSHL_ADD_U32,
                    vec![value.into(), count.into(), other.into()],
                ));
            }
            match self.absorbed(inner) {
                Some(Op::Binary(Binary::Shl, [x, count])) => {
                    let sources = vec![(*x).into(), (*count).into(), other.into()];
                    return Some((Isa::V_LSHL_ADD_U32, sources));
                }
                Some(Op::Binary(Binary::IMul, [x, y]))
                    if self.upper_bound(*x) <= U24 && self.upper_bound(*y) <= U24 =>
                {
                    let sources = vec![(*x).into(), (*y).into(), other.into()];
                    return Some((Isa::V_MAD_U32_U24, sources));
                }
                Some(Op::Binary(Binary::Xor, [x, y])) => {
                    let sources = vec![(*x).into(), (*y).into(), other.into()];
                    return Some((Isa::V_XAD_U32, sources));
                }
                Some(Op::Unary(Unary::PopCount, x)) => {
                    return Some((Isa::V_BCNT_U32_B32, vec![(*x).into(), other.into()]));
                }
                Some(Op::Unary(Unary::INeg, x)) => {
                    return Some((Isa::V_SUB_NC_U32, vec![other.into(), (*x).into()]));
                }
                _ => {}
            }
        }
        self.fuse_pair(Binary::IAdd, a, b, Isa::V_ADD3_U32)
    }

    pub(super) fn fuse_and(&self, a: Value, b: Value) -> Option<(Isa, Vec<Src>)> {
        if let Some((value, offset, width)) = self.field(a, b) {
            let sources = vec![value.into(), offset.into(), width.into()];
            return Some((Isa::V_BFE_U32, sources));
        }
        for (mask, other) in [(a, b), (b, a)] {
            if let Some(Op::Unary(Unary::Not, inner)) = self.absorbed_vector(mask) {
                let sources = vec![(*inner).into(), 0.into(), other.into()];
                return Some((Isa::V_BFI_B32, sources));
            }
        }
        None
    }

    pub(super) fn fuse_or(&self, a: Value, b: Value) -> Option<(Isa, Vec<Src>)> {
        if let Some(permuted) = self.permute(a, b) {
            return Some(permuted);
        }
        for (left, right) in [(a, b), (b, a)] {
            // (x << n) | (y >> (32 - n)): the two side by side, shifted.
            if let Some((x, count)) = self.constant_shift(left)
                && let Some(Op::Binary(Binary::ShrU, [y, down])) = self.absorbed_vector(right)
                && self.constant_u32(*down) == Some(32 - count)
                && count != 0
            {
                let sources = vec![x.into(), (*y).into(), (32 - count).into()];
                return Some((Isa::V_ALIGNBIT_B32, sources));
            }
        }
        for (inner, other) in [(a, b), (b, a)] {
            if self.bank(inner) != Bank::Vector {
                continue;
            }
            if let Some((value, count)) = self.constant_shift(inner) {
                let sources = vec![value.into(), count.into(), other.into()];
                return Some((Isa::V_LSHL_OR_B32, sources));
            }
            match self.absorbed(inner) {
                Some(Op::Binary(Binary::Shl, [x, count])) => {
                    let sources = vec![(*x).into(), (*count).into(), other.into()];
                    return Some((Isa::V_LSHL_OR_B32, sources));
                }
                // A shifted field is better taken by its own instruction.
                Some(Op::Binary(Binary::And, [x, y])) if self.field(*x, *y).is_none() => {
                    let sources = vec![(*x).into(), (*y).into(), other.into()];
                    return Some((Isa::V_AND_OR_B32, sources));
                }
                _ => {}
            }
        }
        self.fuse_pair(Binary::Or, a, b, Isa::V_OR3_B32)
    }

    /// (x << up) >> down as a bit field.
    pub(super) fn fuse_shift_pair(&self, a: Value, b: Value, op: Isa) -> Option<(Isa, Vec<Src>)> {
        let down = self.constant_u32(b)? & 31;
        let (value, up) = self.constant_shift(a)?;
        (up <= down && up > 0).then(|| {
            let sources = vec![value.into(), (down - up).into(), (32 - down).into()];
            (op, sources)
        })
    }

    pub(super) fn multiply(&mut self, a: Value, b: Value, dst: Operand) -> bool {
        for (by, value) in [(a, b), (b, a)] {
            let Some(by) = self.constant_u32(by) else {
                continue;
            };
            if by.is_power_of_two() {
                let count = by.trailing_zeros();
                self.emit(Isa::V_LSHLREV_B32, dst, &[count.into(), value.into()]);
                return true;
            }
            if by > 2 && (by - 1).is_power_of_two() {
                let count = (by - 1).trailing_zeros();
                let sources = [value.into(), count.into(), value.into()];
                self.emit(Isa::V_LSHL_ADD_U32, dst, &sources);
                return true;
            }
        }
        if self.upper_bound(a) <= U24 && self.upper_bound(b) <= U24 {
            self.emit(Isa::V_MUL_U32_U24, dst, &[a.into(), b.into()]);
            return true;
        }
        false
    }
}
