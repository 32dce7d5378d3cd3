//! Comparisons, Bools, selections: lane masks in SGPRs, SCC for uniform conditions.

use gfx1100_isa::{Op as Isa, Operand as Reg};

use super::bank::Bank;
use super::{Condition, Selector, dwords, part};
use crate::ir::{Binary, Op, Pred, Type, Unary, Value};
use crate::machine::{File, Inst, Kind, Operand};

const EXEC: Operand = Operand::Fixed(Reg::EXEC);

/// `v_cmp`, its negation, `v_cmpx`, its negation.
type Compares = [Isa; 4];

macro_rules! compares {
    ($($cmp:ident $not:ident $cmpx:ident $notx:ident;)*) => {
        [$([Isa::$cmp, Isa::$not, Isa::$cmpx, Isa::$notx]),*]
    };
}

/// eq, ne, unsigned lt, le, signed lt, le.
const INT32: [Compares; 6] = compares! {
    V_CMP_EQ_U32 V_CMP_NE_U32 V_CMPX_EQ_U32 V_CMPX_NE_U32;
    V_CMP_NE_U32 V_CMP_EQ_U32 V_CMPX_NE_U32 V_CMPX_EQ_U32;
    V_CMP_LT_U32 V_CMP_GE_U32 V_CMPX_LT_U32 V_CMPX_GE_U32;
    V_CMP_LE_U32 V_CMP_GT_U32 V_CMPX_LE_U32 V_CMPX_GT_U32;
    V_CMP_LT_I32 V_CMP_GE_I32 V_CMPX_LT_I32 V_CMPX_GE_I32;
    V_CMP_LE_I32 V_CMP_GT_I32 V_CMPX_LE_I32 V_CMPX_GT_I32;
};
const INT64: [Compares; 6] = compares! {
    V_CMP_EQ_U64 V_CMP_NE_U64 V_CMPX_EQ_U64 V_CMPX_NE_U64;
    V_CMP_NE_U64 V_CMP_EQ_U64 V_CMPX_NE_U64 V_CMPX_EQ_U64;
    V_CMP_LT_U64 V_CMP_GE_U64 V_CMPX_LT_U64 V_CMPX_GE_U64;
    V_CMP_LE_U64 V_CMP_GT_U64 V_CMPX_LE_U64 V_CMPX_GT_U64;
    V_CMP_LT_I64 V_CMP_GE_I64 V_CMPX_LT_I64 V_CMPX_GE_I64;
    V_CMP_LE_I64 V_CMP_GT_I64 V_CMPX_LE_I64 V_CMPX_GT_I64;
};
const INT16: [Compares; 6] = compares! {
    V_CMP_EQ_U16 V_CMP_NE_U16 V_CMPX_EQ_U16 V_CMPX_NE_U16;
    V_CMP_NE_U16 V_CMP_EQ_U16 V_CMPX_NE_U16 V_CMPX_EQ_U16;
    V_CMP_LT_U16 V_CMP_GE_U16 V_CMPX_LT_U16 V_CMPX_GE_U16;
    V_CMP_LE_U16 V_CMP_GT_U16 V_CMPX_LE_U16 V_CMPX_GT_U16;
    V_CMP_LT_I16 V_CMP_GE_I16 V_CMPX_LT_I16 V_CMPX_GE_I16;
    V_CMP_LE_I16 V_CMP_GT_I16 V_CMPX_LE_I16 V_CMPX_GT_I16;
};
/// eq, ne, lt, le, unordered.
const F32: [Compares; 5] = compares! {
    V_CMP_EQ_F32 V_CMP_NEQ_F32 V_CMPX_EQ_F32 V_CMPX_NEQ_F32;
    V_CMP_NEQ_F32 V_CMP_EQ_F32 V_CMPX_NEQ_F32 V_CMPX_EQ_F32;
    V_CMP_LT_F32 V_CMP_NLT_F32 V_CMPX_LT_F32 V_CMPX_NLT_F32;
    V_CMP_LE_F32 V_CMP_NLE_F32 V_CMPX_LE_F32 V_CMPX_NLE_F32;
    V_CMP_U_F32 V_CMP_O_F32 V_CMPX_U_F32 V_CMPX_O_F32;
};
const F16: [Compares; 5] = compares! {
    V_CMP_EQ_F16 V_CMP_NEQ_F16 V_CMPX_EQ_F16 V_CMPX_NEQ_F16;
    V_CMP_NEQ_F16 V_CMP_EQ_F16 V_CMPX_NEQ_F16 V_CMPX_EQ_F16;
    V_CMP_LT_F16 V_CMP_NLT_F16 V_CMPX_LT_F16 V_CMPX_NLT_F16;
    V_CMP_LE_F16 V_CMP_NLE_F16 V_CMPX_LE_F16 V_CMPX_NLE_F16;
    V_CMP_U_F16 V_CMP_O_F16 V_CMPX_U_F16 V_CMPX_O_F16;
};

/// The scalar compares, in the order of [`INT32`].
const SCALAR: [Isa; 6] = [
    Isa::S_CMP_EQ_U32,
    Isa::S_CMP_LG_U32,
    Isa::S_CMP_LT_U32,
    Isa::S_CMP_LE_U32,
    Isa::S_CMP_LT_I32,
    Isa::S_CMP_LE_I32,
];

const fn row(pred: Pred) -> usize {
    match pred {
        Pred::Eq | Pred::FEq => 0,
        Pred::Ne | Pred::FNe => 1,
        Pred::ULt | Pred::FLt => 2,
        Pred::ULe | Pred::FLe => 3,
        Pred::SLt | Pred::FUnordered => 4,
        Pred::SLe => 5,
    }
}

/// The vector compares of a predicate on a type.
const fn vector_compares(pred: Pred, ty: Type) -> Option<Compares> {
    Some(match ty {
        Type::I32 => INT32[row(pred)],
        Type::I64 => INT64[row(pred)],
        Type::I16 => INT16[row(pred)],
        Type::F32 => F32[row(pred)],
        Type::F16 => F16[row(pred)],
        _ => return None,
    })
}

impl Selector<'_> {
    pub(super) fn compare(&mut self, pred: Pred, a: Value, b: Value, result: Value) {
        let dst = self.reg(result);
        if self.ty(a) == Type::Bool {
            let (a, b) = (self.mask_source(a), self.mask_source(b));
            let op = if pred == Pred::Eq {
                Isa::S_XNOR_B32
            } else {
                Isa::S_XOR_B32
            };
            self.emit(op, dst, &[a, b]);
        } else if self.bank(result) == Bank::Scalar {
            self.scalar_compare(pred, a, b);
            self.emit(Isa::S_CSELECT_B32, dst, &[(-1).into(), 0.into()]);
        } else {
            self.vector_compare(pred, a, b, 0, dst);
        }
    }

    fn vector_compare(&mut self, pred: Pred, a: Value, b: Value, which: usize, dst: Operand) {
        let Some(compares) = vector_compares(pred, self.ty(a)) else {
            return self.unsupported("a comparison of this type");
        };
        let (a, b) = (self.float(a), self.float(b));
        self.emit(compares[which], dst, &[a, b]);
        self.swap_compare();
    }

    /// The short form wants a vector register second: turns `a < s` into `s > a`.
    fn swap_compare(&mut self) {
        let Some(last) = self.sequence.last() else {
            return;
        };
        let Kind::Isa(op) = last.kind else { return };
        let vector = |operand: Operand| match operand {
            Operand::Virtual(register, _) => {
                self.out.registers[register.0 as usize].file == File::Vector
            }
            _ => false,
        };
        if last.mods != gfx1100_isa::Mods::default() || !vector(last.src[0]) || vector(last.src[1])
        {
            return;
        }
        let Some(swapped) = swapped(op) else { return };
        let last = self.sequence.last_mut().expect("it was there");
        last.kind = Kind::Isa(swapped);
        last.src.swap(0, 1);
    }

    fn scalar_compare(&mut self, pred: Pred, a: Value, b: Value) {
        let op = match self.ty(a) {
            Type::I64 if pred == Pred::Eq => Isa::S_CMP_EQ_U64,
            Type::I64 => Isa::S_CMP_LG_U64,
            _ => SCALAR[row(pred)],
        };
        self.emit(op, Operand::None, &[a.into(), b.into()]);
    }

    /// Sets SCC to a uniform condition; the result says which value of SCC means true.
    pub(super) fn scc(&mut self, condition: Value) -> bool {
        if let Some(bits) = self.constant(condition) {
            let bit = Operand::Fixed(Reg::Inline(128 + (bits & 1) as u8));
            self.emit(Isa::S_CMP_LG_U32, Operand::None, &[bit.into(), 0.into()]);
            return true;
        }
        let scalar = self.bank(condition) == Bank::Scalar;
        let near = self.here(condition) || self.absorbed(condition).is_some();
        match self.op(condition) {
            Some(Op::Unary(Unary::Not, inner)) => return !self.scc(*inner),
            Some(Op::Compare(pred, [a, b])) if scalar && near && self.ty(*a) != Type::Bool => {
                self.scalar_compare(*pred, *a, *b);
                return true;
            }
            Some(Op::Any(inner)) if self.here(condition) => {
                let mask = self.mask_source(*inner);
                let dead = self.scalar_temporary(1);
                self.emit(Isa::S_AND_B32, dead, &[mask, EXEC.into()]);
                return true;
            }
            Some(Op::All(inner)) if self.here(condition) => {
                let mask = self.mask_source(*inner);
                let dead = self.scalar_temporary(1);
                self.emit(Isa::S_AND_NOT1_B32, dead, &[EXEC.into(), mask]);
                return false;
            }
            Some(Op::Binary(binary @ (Binary::And | Binary::Or), [a, b]))
                if scalar && self.absorbed(condition).is_some() =>
            {
                let (a, b) = (self.mask_source(*a), self.mask_source(*b));
                let dead = self.scalar_temporary(1);
                let op = if *binary == Binary::And {
                    Isa::S_AND_B32
                } else {
                    Isa::S_OR_B32
                };
                self.emit(op, dead, &[a, b]);
                return true;
            }
            _ => {}
        }
        let mask = self.reg(condition);
        if scalar {
            self.emit(Isa::S_CMP_LG_U32, Operand::None, &[mask.into(), 0.into()]);
        } else {
            let dead = self.scalar_temporary(1);
            self.emit(Isa::S_AND_B32, dead, &[mask.into(), EXEC.into()]);
        }
        true
    }

    /// The condition of a branch that parts lanes.
    pub(super) fn lane_condition(&mut self, condition: Value) -> Condition {
        if let Some(Op::Compare(pred, [a, b])) = self.absorbed(condition)
            && self.here(condition)
            && vector_compares(*pred, self.ty(*a)).is_some()
        {
            const CMPX: usize = 2;
            self.vector_compare(*pred, *a, *b, CMPX, EXEC);
            if let Some(keep) = self.sequence.pop() {
                return Condition::Compare(std::mem::take(&mut self.sequence), Box::new(keep));
            }
        }
        let mask = self.mask(condition);
        Condition::Mask(std::mem::take(&mut self.sequence), mask)
    }

    pub(super) fn bool_binary(&mut self, binary: Binary, a: Value, b: Value, result: Value) {
        let op = match binary {
            Binary::And => Isa::S_AND_B32,
            Binary::Or => Isa::S_OR_B32,
            Binary::Xor => Isa::S_XOR_B32,
            _ => return self.unsupported("this operation on Bools"),
        };
        let dst = self.reg(result);
        if let Some(Op::Unary(Unary::Not, inner)) = self.absorbed(b)
            && binary != Binary::Xor
        {
            let (a, inner) = (self.mask_source(a), self.mask_source(*inner));
            let op = if binary == Binary::And {
                Isa::S_AND_NOT1_B32
            } else {
                Isa::S_OR_NOT1_B32
            };
            self.emit(op, dst, &[a, inner]);
            return;
        }
        let (a, b) = (self.mask_source(a), self.mask_source(b));
        self.emit(op, dst, &[a, b]);
    }

    pub(super) fn select_value(&mut self, [condition, a, b]: [Value; 3], result: Value) {
        let dst = self.reg(result);
        if self.ty(result) == Type::Bool && self.bank(result) == Bank::Mask {
            return self.select_mask(condition, a, b, dst);
        }
        let count = dwords(self.ty(result));
        if self.bank(result) == Bank::Scalar {
            let (a, b) = if self.ty(result) == Type::Bool {
                (self.mask_source(a), self.mask_source(b))
            } else {
                (a.into(), b.into())
            };
            let taken = self.scc(condition);
            let (a, b) = if taken { (a, b) } else { (b, a) };
            let op = if count == 2 {
                Isa::S_CSELECT_B64
            } else {
                Isa::S_CSELECT_B32
            };
            self.emit(op, dst, &[a, b]);
            return;
        }
        let mask = self.mask(condition);
        for k in 0..count {
            let (a, b) = (self.dword(a, k), self.dword(b, k));
            let sources = [b.into(), a.into(), mask.into()];
            self.emit(Isa::V_CNDMASK_B32, part(dst, k), &sources);
        }
    }

    fn select_mask(&mut self, condition: Value, a: Value, b: Value, dst: Operand) {
        let condition = self.mask_source(condition);
        let (a, b) = (self.mask_source(a), self.mask_source(b));
        let (yes, no) = (self.mask_temporary(), self.mask_temporary());
        self.emit(Isa::S_AND_B32, yes, &[a, condition]);
        self.emit(Isa::S_AND_NOT1_B32, no, &[b, condition]);
        self.emit(Isa::S_OR_B32, dst, &[yes.into(), no.into()]);
    }

    pub(super) fn ballot(&mut self, value: Value, result: Value) {
        let dst = self.reg(result);
        let mask = self.mask_source(value);
        self.emit(Isa::S_AND_B32, dst, &[mask, EXEC.into()]);
    }

    /// Any, All.
    pub(super) fn vote(&mut self, op: &Op, result: Value) {
        let dst = self.reg(result);
        let dead = self.scalar_temporary(1);
        let sources = match op {
            Op::All(value) => {
                let mask = self.mask_source(*value);
                self.emit(Isa::S_AND_NOT1_B32, dead, &[EXEC.into(), mask]);
                [0.into(), (-1).into()]
            }
            Op::Any(value) => {
                let mask = self.mask_source(*value);
                self.emit(Isa::S_AND_B32, dead, &[mask, EXEC.into()]);
                [(-1).into(), 0.into()]
            }
            _ => return self.broken("a vote of another kind"),
        };
        self.emit(Isa::S_CSELECT_B32, dst, &sources);
    }
}

/// The compare that asks the same with its operands exchanged.
fn swapped(op: Isa) -> Option<Isa> {
    macro_rules! pairs {
        ($($a:ident $b:ident;)*) => {
            match op { $(Isa::$a => Isa::$b, Isa::$b => Isa::$a,)* other if symmetric(other) => other, _ => return None }
        };
    }
    Some(pairs! {
        V_CMP_LT_U32 V_CMP_GT_U32; V_CMP_LE_U32 V_CMP_GE_U32;
        V_CMP_LT_I32 V_CMP_GT_I32; V_CMP_LE_I32 V_CMP_GE_I32;
        V_CMP_LT_F32 V_CMP_GT_F32; V_CMP_LE_F32 V_CMP_GE_F32;
        V_CMP_NLT_F32 V_CMP_NGT_F32; V_CMP_NLE_F32 V_CMP_NGE_F32;
        V_CMP_LT_F16 V_CMP_GT_F16; V_CMP_LE_F16 V_CMP_GE_F16;
        V_CMP_NLT_F16 V_CMP_NGT_F16; V_CMP_NLE_F16 V_CMP_NGE_F16;
        V_CMPX_LT_U32 V_CMPX_GT_U32; V_CMPX_LE_U32 V_CMPX_GE_U32;
        V_CMPX_LT_I32 V_CMPX_GT_I32; V_CMPX_LE_I32 V_CMPX_GE_I32;
        V_CMPX_LT_F32 V_CMPX_GT_F32; V_CMPX_LE_F32 V_CMPX_GE_F32;
        V_CMPX_NLT_F32 V_CMPX_NGT_F32; V_CMPX_NLE_F32 V_CMPX_NGE_F32;
        V_CMPX_LT_F16 V_CMPX_GT_F16; V_CMPX_LE_F16 V_CMPX_GE_F16;
        V_CMPX_NLT_F16 V_CMPX_NGT_F16; V_CMPX_NLE_F16 V_CMPX_NGE_F16;
    })
}

const fn symmetric(op: Isa) -> bool {
    matches!(
        op,
        Isa::V_CMP_EQ_U32
            | Isa::V_CMP_NE_U32
            | Isa::V_CMPX_EQ_U32
            | Isa::V_CMPX_NE_U32
            | Isa::V_CMP_EQ_F32
            | Isa::V_CMP_NEQ_F32
            | Isa::V_CMPX_EQ_F32
            | Isa::V_CMPX_NEQ_F32
    )
}

/// Another form of a compare: of the `v_cmpx` kind or not, negated or not.
fn other_form(op: Isa, flip: usize) -> Isa {
    let all = INT32
        .iter()
        .chain(&INT64)
        .chain(&INT16)
        .chain(&F32)
        .chain(&F16);
    for forms in all {
        for (index, form) in forms.iter().enumerate() {
            let other = forms[index ^ flip];
            if *form == op {
                return other;
            }
            if swapped(*form) == Some(op) {
                return swapped(other).unwrap_or(op);
            }
        }
    }
    op
}

fn with_form(compare: &Inst, flip: usize, to: Operand) -> Inst {
    let mut inst = compare.clone();
    if let Kind::Isa(op) = inst.kind {
        inst.kind = Kind::Isa(other_form(op, flip));
    }
    inst.dst[0] = to;
    inst
}

/// The `v_cmpx` that keeps the other lanes on.
pub(super) fn negated(cmpx: &Inst) -> Inst {
    with_form(cmpx, 1, EXEC)
}

/// The `v_cmp` into a mask that asks what a `v_cmpx` asks.
pub(super) fn into_mask(cmpx: &Inst, mask: Operand) -> Inst {
    with_form(cmpx, 2, mask)
}
