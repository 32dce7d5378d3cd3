//! Which registers an instruction reads and writes, from its row: the one place where implicit operands are known.

use std::ops::Deref;

use gfx1100_isa::{Class, Format, Inst, Op, Operand, Place, Row};

/// Dwords of register state, numbered: 0 to 127 scalar registers by their code (VCC 106, M0 125, EXEC 126), 128 SCC, 256
/// and up vector registers.
pub const UNITS: usize = 512;

/// Consecutive dwords of register state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First unit; see [`UNITS`].
    pub first: u16,
    /// How many.
    pub len: u8,
}

impl Span {
    /// The scalar condition code.
    pub const SCC: Self = Self { first: 128, len: 1 };
    /// `vcc_lo`.
    pub const VCC: Self = Self { first: 106, len: 1 };
    /// `exec_lo`.
    pub const EXEC: Self = Self { first: 126, len: 1 };
    const M0: Self = Self { first: 125, len: 1 };
    const NULL: u8 = 124;

    /// The registers that `operand` names if it is `len` dwords wide.
    #[must_use]
    pub fn of(operand: Operand, len: u8) -> Option<Self> {
        match operand {
            Operand::S(Self::NULL) => None,
            Operand::S(n) => Some(Self {
                first: u16::from(n),
                len,
            }),
            Operand::V(n) => Some(Self {
                first: 256 + u16::from(n),
                len,
            }),
            Operand::Inline(253) => Some(Self::SCC),
            Operand::Inline(251) => Some(Self::VCC),
            Operand::Inline(252) => Some(Self::EXEC),
            Operand::None | Operand::Inline(_) | Operand::Literal(_) => None,
        }
    }

    /// Its units as indices.
    pub fn units(self) -> impl Iterator<Item = usize> {
        let first = usize::from(self.first);
        (first..first + usize::from(self.len)).take_while(|unit| *unit < UNITS)
    }

    /// They have a unit in common.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let end = |span: Self| span.first + u16::from(span.len);
        self.first < end(other) && other.first < end(self)
    }

    /// Vector registers.
    #[must_use]
    pub const fn is_vector(self) -> bool {
        self.first >= 256
    }
}

/// At most as many spans as an instruction can have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spans {
    spans: [Span; 10],
    len: usize,
}

impl Spans {
    fn push(&mut self, span: Option<Span>) {
        if let Some(span) = span {
            self.spans[self.len] = span;
            self.len += 1;
        }
    }

    fn push_if(&mut self, there: bool, span: Span) {
        self.push(there.then_some(span));
    }

    /// The registers at `place`, as many as the instruction takes there.
    fn push_place(&mut self, inst: &Inst, place: Place) {
        let dwords = inst.dwords(place);
        if dwords > 0 {
            self.push(Span::of(inst.get(place), dwords));
        }
    }
}

impl Deref for Spans {
    type Target = [Span];

    fn deref(&self) -> &[Span] {
        &self.spans[..self.len]
    }
}

/// Runs in the lanes that `EXEC` has on.
#[must_use]
pub fn obeys_exec(row: &Row) -> bool {
    is_vector(row.class) && !row.effects.ignores_exec
}

fn is_vector(class: Class) -> bool {
    !matches!(
        class,
        Class::Salu | Class::Smem | Class::Branch | Class::Control | Class::Barrier | Class::End
    )
}

/// Everything that the instruction reads.
#[must_use]
pub fn sources(inst: &Inst) -> Spans {
    let mut spans = source_operands(inst);
    if inst.dual.is_none() && inst.op.row().effects.reads_dst {
        spans.push_place(inst, Place::Dst0);
    }
    spans
}

/// Everything that the instruction reads but a destination that it only completes.
#[must_use]
pub fn source_operands(inst: &Inst) -> Spans {
    let mut spans = Spans::default();
    for place in [Place::Src0, Place::Src1, Place::Src2, Place::Src3] {
        spans.push_place(inst, place);
    }
    if let Some(dual) = inst.dual {
        for (op, accumulator) in [(dual.x, Place::Dst0), (dual.y, Place::Dst1)] {
            if op.row().effects.reads_dst {
                spans.push_place(inst, accumulator);
            }
            spans.push_if(op == Op::V_CNDMASK_B32, Span::VCC);
        }
    }
    let row = inst.op.row();
    let effects = &row.effects;
    spans.push_if(effects.reads_scc, Span::SCC);
    spans.push_if(effects.reads_vcc, Span::VCC);
    spans.push_if(effects.reads_m0, Span::M0);
    spans.push_if(effects.reads_exec || obeys_exec(row), Span::EXEC);
    spans
}

/// Everything that the instruction writes.
#[must_use]
pub fn results(inst: &Inst) -> Spans {
    let mut spans = Spans::default();
    spans.push_place(inst, Place::Dst0);
    spans.push_place(inst, Place::Dst1);
    let effects = &inst.op.row().effects;
    if effects.writes_src0 {
        spans.push_place(inst, Place::Src0);
    }
    spans.push_if(effects.writes_scc, Span::SCC);
    spans.push_if(effects.writes_exec, Span::EXEC);
    spans
}

/// Which counter tells that the instruction is done, if one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// `vmcnt`: vector loads and atomics that return, in order.
    Vm,
    /// `vscnt`: vector stores and atomics that do not return, in order.
    Vs,
    /// `lgkmcnt`: local data share, in order.
    Lds,
    /// `lgkmcnt`: scalar loads, in any order.
    Smem,
}

/// Counters that the instruction increments; FLAT accesses both memories.
#[must_use]
pub fn counters(inst: &Inst) -> &'static [Counter] {
    use Counter::{Lds, Smem, Vm, Vs};
    let row = inst.op.row();
    let flat = row.format == Format::Flat;
    match row.class {
        Class::Smem if row.bytes > 0 => &[Smem],
        Class::LdsLoad | Class::LdsStore | Class::LdsAtomic | Class::LdsCross => &[Lds],
        Class::VmemStore if flat => &[Vs, Lds],
        Class::VmemStore => &[Vs],
        Class::VmemAtomic if !inst.mods.glc && flat => &[Vs, Lds],
        Class::VmemAtomic if !inst.mods.glc => &[Vs],
        Class::VmemLoad | Class::VmemAtomic if flat => &[Vm, Lds],
        Class::VmemLoad | Class::VmemAtomic => &[Vm],
        _ if matches!(inst.op, Op::S_SENDMSG_RTN_B32 | Op::S_SENDMSG_RTN_B64) => &[Smem],
        _ => &[],
    }
}
