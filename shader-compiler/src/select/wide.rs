//! 64-bit integers: pairs of dwords, low first.

use gfx1100_isa::{Op as Isa, Operand as Reg};

use super::bank::Bank;
use super::{Selector, part};
use crate::ir::{Binary, Op, Type, Unary, Value};
use crate::machine::Operand;

impl Selector<'_> {
    pub(super) fn wide_binary(&mut self, binary: Binary, a: Value, b: Value, result: Value) {
        use Binary as B;
        let dst = self.reg(result);
        let scalar = self.bank(result) == Bank::Scalar;
        match binary {
            B::IAdd if !scalar && self.wide_multiply_add(a, b, dst) => {}
            B::IAdd | B::ISub => self.carry_chain(binary, scalar, a, b, dst),
            B::And | B::Or | B::Xor => {
                let op = match (binary, scalar) {
                    (B::And, true) => Isa::S_AND_B32,
                    (B::Or, true) => Isa::S_OR_B32,
                    (_, true) => Isa::S_XOR_B32,
                    (B::And, false) => Isa::V_AND_B32,
                    (B::Or, false) => Isa::V_OR_B32,
                    (_, false) => Isa::V_XOR_B32,
                };
                for k in 0..2 {
                    let (a, b) = (self.dword(a, k), self.dword(b, k));
                    self.emit(op, part(dst, k), &[a.into(), b.into()]);
                }
            }
            B::Shl | B::ShrU | B::ShrS if scalar => {
                let op = match binary {
                    B::Shl => Isa::S_LSHL_B64,
                    B::ShrU => Isa::S_LSHR_B64,
                    _ => Isa::S_ASHR_I64,
                };
                self.emit(op, dst, &[a.into(), b.into()]);
            }
            B::Shl | B::ShrU | B::ShrS => {
                let op = match binary {
                    B::Shl => Isa::V_LSHLREV_B64,
                    B::ShrU => Isa::V_LSHRREV_B64,
                    _ => Isa::V_ASHRREV_I64,
                };
                self.emit(op, dst, &[b.into(), a.into()]);
            }
            B::IMul if scalar => self.scalar_multiply(a, b, dst),
            B::IMul => self.wide_multiply(a, b, dst),
            B::UMin | B::UMax | B::SMin | B::SMax => self.wide_min_max(binary, a, b, dst),
            _ => self.unsupported("this operation on 64-bit integers"),
        }
    }

    fn carry_chain(&mut self, binary: Binary, scalar: bool, a: Value, b: Value, dst: Operand) {
        let add = binary == Binary::IAdd;
        let [a0, a1, b0, b1] = [(a, 0), (a, 1), (b, 0), (b, 1)].map(|(v, k)| self.dword(v, k));
        if scalar {
            let ops = if add {
                [Isa::S_ADD_U32, Isa::S_ADDC_U32]
            } else {
                [Isa::S_SUB_U32, Isa::S_SUBB_U32]
            };
            self.emit(ops[0], part(dst, 0), &[a0.into(), b0.into()]);
            self.emit(ops[1], part(dst, 1), &[a1.into(), b1.into()]);
            return;
        }
        let ops = if add {
            [Isa::V_ADD_CO_U32, Isa::V_ADD_CO_CI_U32]
        } else {
            [Isa::V_SUB_CO_U32, Isa::V_SUB_CO_CI_U32]
        };
        let carry = self.mask_temporary();
        let null = Operand::Fixed(Reg::NULL);
        self.emit_two(ops[0], [part(dst, 0), carry], &[a0.into(), b0.into()]);
        let sources = [a1.into(), b1.into(), carry.into()];
        let _ = null;
        let dead = self.mask_temporary();
        self.emit_two(ops[1], [part(dst, 1), dead], &sources);
    }

    /// The I32 that a value is the zero extension of.
    fn extended(&self, value: Value, unary: Unary) -> Option<Value> {
        match self.op(value) {
            Some(Op::Unary(found, inner)) if *found == unary && self.ty(*inner) == Type::I32 => {
                Some(*inner)
            }
            _ => None,
        }
    }

    /// x * y of extended 32-bit factors, plus an addend, in one instruction.
    fn wide_multiply_add(&mut self, a: Value, b: Value, dst: Operand) -> bool {
        for (product, addend) in [(a, b), (b, a)] {
            let Some(&Op::Binary(Binary::IMul, [x, y])) = self.absorbed(product) else {
                continue;
            };
            for (unary, op) in [
                (Unary::ZeroExtend, Isa::V_MAD_U64_U32),
                (Unary::SignExtend, Isa::V_MAD_I64_I32),
            ] {
                if let (Some(x), Some(y)) = (self.extended(x, unary), self.extended(y, unary)) {
                    let dead = self.mask_temporary();
                    let sources = [x.into(), y.into(), addend.into()];
                    self.emit_two(op, [dst, dead], &sources);
                    return true;
                }
            }
        }
        false
    }

    fn wide_multiply(&mut self, a: Value, b: Value, dst: Operand) {
        for (unary, op) in [
            (Unary::ZeroExtend, Isa::V_MAD_U64_U32),
            (Unary::SignExtend, Isa::V_MAD_I64_I32),
        ] {
            if let (Some(x), Some(y)) = (self.extended(a, unary), self.extended(b, unary)) {
                let dead = self.mask_temporary();
                self.emit_two(op, [dst, dead], &[x.into(), y.into(), 0.into()]);
                return;
            }
        }
        let [a0, a1, b0, b1] = [(a, 0), (a, 1), (b, 0), (b, 1)].map(|(v, k)| self.dword(v, k));
        let low = self.vector_temporary(2);
        let dead = self.mask_temporary();
        self.emit_two(
            Isa::V_MAD_U64_U32,
            [low, dead],
            &[a0.into(), b0.into(), 0.into()],
        );
        let cross = [self.vector_temporary(1), self.vector_temporary(1)];
        self.emit(Isa::V_MUL_LO_U32, cross[0], &[a0.into(), b1.into()]);
        self.emit(Isa::V_MUL_LO_U32, cross[1], &[a1.into(), b0.into()]);
        self.emit(Isa::V_MOV_B32, part(dst, 0), &[part(low, 0).into()]);
        let sources = [part(low, 1).into(), cross[0].into(), cross[1].into()];
        self.emit(Isa::V_ADD3_U32, part(dst, 1), &sources);
    }

    fn scalar_multiply(&mut self, a: Value, b: Value, dst: Operand) {
        let [a0, a1, b0, b1] = [(a, 0), (a, 1), (b, 0), (b, 1)].map(|(v, k)| self.dword(v, k));
        let steps: [Operand; 4] = std::array::from_fn(|_| self.scalar_temporary(1));
        self.emit(Isa::S_MUL_HI_U32, steps[0], &[a0.into(), b0.into()]);
        self.emit(Isa::S_MUL_I32, steps[1], &[a0.into(), b1.into()]);
        self.emit(Isa::S_MUL_I32, steps[2], &[a1.into(), b0.into()]);
        self.emit(
            Isa::S_ADD_U32,
            steps[3],
            &[steps[0].into(), steps[1].into()],
        );
        self.emit(
            Isa::S_ADD_U32,
            part(dst, 1),
            &[steps[3].into(), steps[2].into()],
        );
        self.emit(Isa::S_MUL_I32, part(dst, 0), &[a0.into(), b0.into()]);
    }

    fn wide_min_max(&mut self, binary: Binary, a: Value, b: Value, dst: Operand) {
        let op = match binary {
            Binary::UMin => Isa::V_CMP_LT_U64,
            Binary::UMax => Isa::V_CMP_GT_U64,
            Binary::SMin => Isa::V_CMP_LT_I64,
            _ => Isa::V_CMP_GT_I64,
        };
        let first = self.mask_temporary();
        self.emit(op, first, &[a.into(), b.into()]);
        for k in 0..2 {
            let (a, b) = (self.dword(a, k), self.dword(b, k));
            let sources = [b.into(), a.into(), first.into()];
            self.emit(Isa::V_CNDMASK_B32, part(dst, k), &sources);
        }
    }

    pub(super) fn wide_unary(&mut self, unary: Unary, a: Value, result: Value) {
        let dst = self.reg(result);
        let scalar = self.bank(result) == Bank::Scalar;
        let mov = if scalar {
            Isa::S_MOV_B32
        } else {
            Isa::V_MOV_B32
        };
        match unary {
            Unary::ZeroExtend => {
                let low = self.dword(a, 0);
                self.emit(mov, part(dst, 0), &[low.into()]);
                self.emit(mov, part(dst, 1), &[0.into()]);
            }
            Unary::SignExtend => {
                let low = self.dword(a, 0);
                self.emit(mov, part(dst, 0), &[low.into()]);
                if scalar {
                    self.emit(Isa::S_ASHR_I32, part(dst, 1), &[low.into(), 31.into()]);
                } else {
                    self.emit(Isa::V_ASHRREV_I32, part(dst, 1), &[31.into(), low.into()]);
                }
            }
            Unary::Truncate | Unary::Bitcast => {
                if self.same_register(result).is_none() {
                    for k in 0..super::dwords(self.ty(result)) {
                        let from = self.dword(a, k);
                        self.move_to(result, part(dst, k), from);
                    }
                }
            }
            Unary::Not => {
                let op = if scalar {
                    Isa::S_NOT_B32
                } else {
                    Isa::V_NOT_B32
                };
                for k in 0..2 {
                    let from = self.dword(a, k);
                    self.emit(op, part(dst, k), &[from.into()]);
                }
            }
            Unary::INeg => {
                let [low, high] = [0, 1].map(|k| self.dword(a, k));
                if scalar {
                    self.emit(Isa::S_SUB_U32, part(dst, 0), &[0.into(), low.into()]);
                    self.emit(Isa::S_SUBB_U32, part(dst, 1), &[0.into(), high.into()]);
                } else {
                    let (borrow, dead) = (self.mask_temporary(), self.mask_temporary());
                    let first = [part(dst, 0), borrow];
                    self.emit_two(Isa::V_SUB_CO_U32, first, &[0.into(), low.into()]);
                    let sources = [0.into(), high.into(), borrow.into()];
                    self.emit_two(Isa::V_SUB_CO_CI_U32, [part(dst, 1), dead], &sources);
                }
            }
            _ => self.unsupported("this operation on 64-bit integers"),
        }
    }
}
