//! What lanes do together: barriers, atomics, subgroup operations.

use rspirv::dr::Instruction;
use rspirv::spirv::{GroupOperation, MemorySemantics, Op as Spv, Scope};

use super::super::module::{result_type, word};
use super::place::Place;
use super::{Lower, Lowered};
use crate::ir::*;

/// Read-modify-write instructions with one operand.
fn atomic_of(op: Spv) -> Option<Combine> {
    Some(match op {
        Spv::AtomicIAdd | Spv::AtomicISub => Combine::IAdd,
        Spv::AtomicSMin => Combine::SMin,
        Spv::AtomicUMin => Combine::UMin,
        Spv::AtomicSMax => Combine::SMax,
        Spv::AtomicUMax => Combine::UMax,
        Spv::AtomicAnd => Combine::And,
        Spv::AtomicOr => Combine::Or,
        Spv::AtomicXor => Combine::Xor,
        Spv::AtomicExchange => Combine::Exchange,
        Spv::AtomicFAddEXT => Combine::FAdd,
        _ => return None,
    })
}

/// Reductions and scans.
fn combine_of(op: Spv) -> Option<Combine> {
    Some(match op {
        Spv::GroupNonUniformIAdd => Combine::IAdd,
        Spv::GroupNonUniformFAdd => Combine::FAdd,
        Spv::GroupNonUniformIMul => Combine::IMul,
        Spv::GroupNonUniformFMul => Combine::FMul,
        Spv::GroupNonUniformSMin => Combine::SMin,
        Spv::GroupNonUniformUMin => Combine::UMin,
        Spv::GroupNonUniformFMin => Combine::FMin,
        Spv::GroupNonUniformSMax => Combine::SMax,
        Spv::GroupNonUniformUMax => Combine::UMax,
        Spv::GroupNonUniformFMax => Combine::FMax,
        Spv::GroupNonUniformBitwiseAnd | Spv::GroupNonUniformLogicalAnd => Combine::And,
        Spv::GroupNonUniformBitwiseOr | Spv::GroupNonUniformLogicalOr => Combine::Or,
        Spv::GroupNonUniformBitwiseXor | Spv::GroupNonUniformLogicalXor => Combine::Xor,
        _ => return None,
    })
}

fn shuffle_of(op: Spv) -> Option<Shuffle> {
    Some(match op {
        Spv::GroupNonUniformShuffle => Shuffle::Index,
        Spv::GroupNonUniformShuffleXor => Shuffle::Xor,
        Spv::GroupNonUniformShuffleUp => Shuffle::Up,
        Spv::GroupNonUniformShuffleDown => Shuffle::Down,
        Spv::GroupNonUniformQuadBroadcast => Shuffle::QuadBroadcast,
        _ => return None,
    })
}

impl Lower<'_, '_> {
    pub(super) fn barrier(&mut self, inst: &Instruction) -> Lowered<()> {
        let control = inst.class.opcode == Spv::ControlBarrier;
        let first = usize::from(control);
        let scope = if control {
            self.module.number(word(inst, 0)?)?
        } else {
            Scope::Subgroup as u32
        };
        let semantics =
            MemorySemantics::from_bits_truncate(self.module.number(word(inst, first + 1)?)?);
        self.b.effect(Op::Barrier {
            shared: semantics.contains(MemorySemantics::WORKGROUP_MEMORY),
            buffers: semantics.contains(MemorySemantics::UNIFORM_MEMORY),
            workgroup: scope == Scope::Workgroup as u32,
        });
        Ok(())
    }

    /// Lowers an atomic operation; `false` if the instruction is none.
    pub(super) fn atomic(&mut self, inst: &Instruction) -> Lowered<bool> {
        let op = inst.class.opcode;
        let combine = atomic_of(op);
        if combine.is_none()
            && !matches!(
                op,
                Spv::AtomicLoad | Spv::AtomicStore | Spv::AtomicCompareExchange
            )
        {
            return Ok(false);
        }
        let Place::Memory {
            space,
            offset: sum,
            ty,
            ..
        } = self.place(word(inst, 0)?)?
        else {
            return Err("an atomic variable lies in a buffer or in workgroup memory".into());
        };
        let ty = match self.slot_types(ty)?.as_slice() {
            [ty @ (Type::I32 | Type::F32)] => *ty,
            _ => return Err("atomics are of 32 bits".into()),
        };
        let (offset, constant, access) = (self.base(sum), sum.constant, Access::Words(1));
        match (op, combine) {
            (Spv::AtomicLoad, _) => {
                let value = self.b.value(
                    ty,
                    Op::Load {
                        space,
                        offset,
                        constant,
                        access,
                        volatile: true,
                    },
                );
                self.define(inst, vec![value])?;
            }
            (Spv::AtomicStore, _) => {
                let value = self.scalar(word(inst, 3)?)?;
                self.b.effect(Op::Store {
                    space,
                    offset,
                    constant,
                    access,
                    value,
                });
            }
            (_, Some(combine)) => {
                let mut value = self.scalar(word(inst, 3)?)?;
                if op == Spv::AtomicISub {
                    value = self.b.unary(Unary::INeg, value, ty);
                }
                let before = self.b.value(
                    ty,
                    Op::Atomic {
                        space,
                        offset,
                        constant,
                        combine,
                        value,
                    },
                );
                self.define(inst, vec![before])?;
            }
            _ => {
                let (new, expected) = (self.scalar(word(inst, 4)?)?, self.scalar(word(inst, 5)?)?);
                let before = self.b.value(
                    ty,
                    Op::AtomicCompare {
                        space,
                        offset,
                        constant,
                        new,
                        expected,
                    },
                );
                self.define(inst, vec![before])?;
            }
        }
        Ok(true)
    }

    /// Lowers a subgroup operation; `false` if the instruction is none.
    pub(super) fn group(&mut self, inst: &Instruction) -> Lowered<bool> {
        let op = inst.class.opcode;
        let slots = if let Some(combine) = combine_of(op) {
            let scan = match inst.operands.get(1) {
                Some(rspirv::dr::Operand::GroupOperation(GroupOperation::Reduce)) => Scan::Reduce,
                Some(rspirv::dr::Operand::GroupOperation(GroupOperation::InclusiveScan)) => {
                    Scan::Inclusive
                }
                Some(rspirv::dr::Operand::GroupOperation(GroupOperation::ExclusiveScan)) => {
                    Scan::Exclusive
                }
                _ => {
                    return Err(format!(
                        "Op{} in this form is not supported",
                        inst.class.opname
                    ));
                }
            };
            self.combine(combine, scan, word(inst, 2)?)?
        } else if let Some(kind) = shuffle_of(op) {
            let index = self.scalar(word(inst, 2)?)?;
            self.shuffle(kind, word(inst, 1)?, index)?
        } else {
            match op {
                Spv::GroupNonUniformQuadSwap => {
                    let kind = match self.module.number(word(inst, 2)?)? {
                        0 => Shuffle::QuadSwapX,
                        1 => Shuffle::QuadSwapY,
                        _ => Shuffle::QuadSwapDiagonal,
                    };
                    let none = self.b.i32(0);
                    self.shuffle(kind, word(inst, 1)?, none)?
                }
                Spv::GroupNonUniformBroadcastFirst => self.moved(word(inst, 1)?, |l, v| {
                    l.b.value(l.b.ty(v), Op::BroadcastFirst(v))
                })?,
                Spv::GroupNonUniformBallot => {
                    let condition = self.scalar(word(inst, 1)?)?;
                    let mask = self.b.value(Type::I32, Op::Ballot(condition));
                    let zero = self.b.i32(0);
                    vec![mask, zero, zero, zero]
                }
                Spv::GroupNonUniformAny | Spv::GroupNonUniformAll => {
                    let a = self.scalar(word(inst, 1)?)?;
                    let op = if op == Spv::GroupNonUniformAny {
                        Op::Any(a)
                    } else {
                        Op::All(a)
                    };
                    vec![self.b.value(Type::Bool, op)]
                }
                _ => return Ok(false),
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
        self.define(inst, slots)?;
        Ok(true)
    }

    /// A reduction or scan of each element; 16-bit ones are widened for it.
    fn combine(&mut self, combine: Combine, scan: Scan, id: u32) -> Lowered<Vec<Value>> {
        let (slots, ty) = self.typed(id)?;
        let mut elements = self.elements(ty, &slots)?;
        let signed = matches!(combine, Combine::SMin | Combine::SMax);
        for element in &mut elements {
            let from = self.b.ty(*element);
            let (widen, wide, narrow) = match from {
                Type::F16 => (Unary::F32FromF16, Type::F32, Unary::F16FromF32),
                Type::I16 if signed => (Unary::SignExtend, Type::I32, Unary::Truncate),
                Type::I16 => (Unary::ZeroExtend, Type::I32, Unary::Truncate),
                Type::I64 => return Err("subgroup operations are of 32 bits at most".into()),
                _ => {
                    *element = self.b.value(from, Op::Subgroup(combine, scan, *element));
                    continue;
                }
            };
            let value = self.b.unary(widen, *element, wide);
            let result = self.b.value(wide, Op::Subgroup(combine, scan, value));
            *element = self.b.unary(narrow, result, from);
        }
        Ok(self.slots_of(&elements))
    }

    fn shuffle(&mut self, kind: Shuffle, id: u32, index: Value) -> Lowered<Vec<Value>> {
        self.moved(id, |l, v| l.b.value(l.b.ty(v), Op::Shuffle(kind, v, index)))
    }

    /// Moves each slot between lanes with `f`, which takes any type of 16 or 32 bits.
    fn moved(
        &mut self,
        id: u32,
        mut f: impl FnMut(&mut Self, Value) -> Value,
    ) -> Lowered<Vec<Value>> {
        let mut slots = self.slots(id)?;
        for slot in &mut slots {
            *slot = match self.b.ty(*slot) {
                Type::Bool => {
                    let (one, zero) = (self.b.i32(1), self.b.i32(0));
                    let number = self.b.select(*slot, one, zero);
                    let moved = f(self, number);
                    self.b.compare(Pred::Ne, moved, zero)
                }
                Type::I64 => {
                    let [low, high] = [0, 1].map(|k| {
                        let word = self.b.value(Type::I32, Op::Word(*slot, k));
                        f(self, word)
                    });
                    let words = self.b.value(Type::Words(2), Op::Join(vec![low, high]));
                    self.b.unary(Unary::Bitcast, words, Type::I64)
                }
                _ => f(self, *slot),
            };
        }
        Ok(slots)
    }
}
