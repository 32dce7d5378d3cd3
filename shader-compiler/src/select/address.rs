//! Takes byte offsets apart: offset = uniform + divergent + constant, each where the memory instructions have a field.
//!
//! A buffer access adds a scalar register, a vector register and 12 bits; an LDS access a vector register and 16 bits. The
//! uniform part is summed up once by the scalar unit, as early as its terms are there, so that what does not change in a
//! loop is computed before it.
//!
//! The dialect's rule that index arithmetic does not wrap permits the regrouping: every partial sum is a part of the offset.
//! A negative constant would make a part negative, so it stays with the part it belongs to.

use std::collections::HashMap;

use super::bank::{self, Bank};
use crate::ir::{
    Address, Binary, BlockId, Divergence, Elem, Function, Graph, Inst, Op, Role, Space, Type,
    Unary, Value,
};

/// Largest constant in a buffer instruction.
const BUFFER_LIMIT: i64 = 4095;
/// Largest constant in an LDS instruction.
const SHARED_LIMIT: i64 = 65535;
/// Largest constant in a scalar load that is surely in its signed field.
const SCALAR_LIMIT: i64 = (1 << 20) - 1;

/// Operations that are looked at for an offset: one that is used twice counts each time, so there may be any number.
const MOST_LOOKS: u32 = 200;

/// An address in its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) uniform: Option<Value>,
    pub(super) divergent: Option<Value>,
    /// Fits the instruction's field.
    pub(super) constant: u32,
}

/// Where a tile's pieces are: the lane's own offset, and for each piece the rest.
#[derive(Clone, Debug, Default)]
pub(super) struct TileParts {
    /// A piece per register (f32), or per pair of 128-bit loads, or per half.
    pub(super) pieces: Vec<Parts>,
    /// Elements of a lane are contiguous: two pieces of 16 bytes hold them all.
    pub(super) contiguous: bool,
}

/// How a tile access is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TileKey {
    pub(super) offset: Value,
    pub(super) constant: u32,
    pub(super) stride: Value,
    pub(super) row_major: bool,
    pub(super) role: Role,
    pub(super) elem: Elem,
    /// In LDS.
    pub(super) shared: bool,
}

impl TileKey {
    /// The key of an operation, if it loads or stores a tile.
    pub(super) fn of(function: &Function, op: &Op, result: Option<Value>) -> Option<Self> {
        let (stride, row_major, tile) = match *op {
            Op::TileLoad {
                stride, row_major, ..
            } => (stride, row_major, result?),
            Op::TileStore {
                stride,
                row_major,
                value,
                ..
            } => (stride, row_major, value),
            _ => return None,
        };
        let Type::Tile(role, elem) = function.ty(tile) else {
            return None;
        };
        let at = op.address()?;
        Some(Self {
            offset: at.offset,
            constant: at.constant,
            stride,
            row_major,
            role,
            elem,
            shared: at.space == Space::Shared,
        })
    }
}

/// A function whose offsets have been taken apart, with the parts of each.
pub(super) struct Split {
    pub(super) function: Function,
    parts: HashMap<(Value, u32, Kind), Parts>,
    tiles: HashMap<TileKey, TileParts>,
}

/// Which instruction's fields the parts must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// MUBUF.
    Buffer,
    /// DS.
    Shared,
    /// SMEM: all is uniform.
    Scalar,
}

impl Kind {
    /// The fields that an access of `space` has, by the bank of what it loads.
    pub(super) fn of(inst: &Inst, space: Space, bank: impl Fn(Value) -> Bank) -> Self {
        let load = matches!(inst.op, Op::Load { .. });
        match space {
            _ if load && inst.result.is_some_and(|v| bank(v) == Bank::Scalar) => Self::Scalar,
            Space::Shared => Self::Shared,
            _ => Self::Buffer,
        }
    }
}

impl Split {
    pub(super) fn parts(&self, offset: Value, constant: u32, kind: Kind) -> Parts {
        let found = self.parts.get(&(offset, constant, kind)).copied();
        found.unwrap_or_default()
    }

    pub(super) fn tile(&self, key: &TileKey) -> Option<&TileParts> {
        self.tiles.get(key)
    }
}

/// Takes the offsets of all accesses of a function apart.
pub(super) fn split(function: &Function) -> Split {
    let graph = Graph::new(function);
    let divergence = Divergence::of(function, &graph);
    let banks = bank::assign(function, &graph, &divergence);
    let mut splitter = Splitter::new(function, &graph, banks);
    let mut parts = HashMap::new();
    let mut tiles = HashMap::new();
    for &block in &graph.order {
        for inst in &function.blocks[block.index()].insts {
            if let Some((key, found)) = splitter.tile(inst) {
                tiles.insert(key, found);
                continue;
            }
            let Some(Address {
                space,
                offset,
                constant,
            }) = inst.op.address()
            else {
                continue;
            };
            let kind = Kind::of(inst, space, |value| splitter.bank(value));
            parts
                .entry((offset, constant, kind))
                .or_insert_with(|| splitter.parts(offset, constant, kind));
        }
    }
    Split {
        function: splitter.finish(),
        parts,
        tiles,
    }
}

/// value * factor, a term of an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Term {
    pub(super) value: Value,
    pub(super) factor: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    pub(super) uniform: Vec<Term>,
    pub(super) divergent: Vec<Term>,
    pub(super) constant: i64,
}

/// Place of a definition: block in order, instruction (0 for parameters), number of the new one behind it.
type Position = (usize, usize, usize);

pub(super) struct Splitter<'a> {
    pub(super) function: &'a Function,
    new: Function,
    banks: Vec<Bank>,
    positions: Vec<Option<Position>>,
    order: Vec<BlockId>,
    /// New instructions with their places.
    made: Vec<(Position, Inst)>,
    known: HashMap<(Binary, Value, Value), Value>,
    constants: HashMap<u32, Value>,
    pub(super) lane: Option<Value>,
}

impl<'a> Splitter<'a> {
    pub(super) fn new(function: &'a Function, graph: &Graph, banks: Vec<Bank>) -> Self {
        let mut positions = vec![None; function.values.len()];
        for (place, block) in graph.order.iter().enumerate() {
            let data = &function.blocks[block.index()];
            for value in &data.parameters {
                positions[value.0 as usize] = Some((place, 0, 0));
            }
            for (index, inst) in data.insts.iter().enumerate() {
                if let Some(value) = inst.result {
                    positions[value.0 as usize] = Some((place, index + 1, 0));
                }
            }
        }
        Self {
            function,
            new: function.clone(),
            banks,
            positions,
            order: graph.order.clone(),
            made: Vec::new(),
            known: HashMap::new(),
            constants: HashMap::new(),
            lane: None,
        }
    }

    pub(super) fn bank(&self, value: Value) -> Bank {
        self.banks[value.0 as usize]
    }

    pub(super) fn op(&self, value: Value) -> Option<&'a Op> {
        let (place, index, behind) = self.positions[value.0 as usize]?;
        if behind != 0 || value.0 as usize >= self.function.values.len() {
            return None;
        }
        let block = &self.function.blocks[self.order[place].index()];
        Some(&block.insts[index.checked_sub(1)?].op)
    }

    pub(super) fn constant_of(&self, value: Value) -> Option<u32> {
        match self.op(value)? {
            Op::Const(bits) => Some(*bits as u32),
            Op::Undef => Some(0),
            Op::Unary(Unary::Bitcast, inner) => self.constant_of(*inner),
            _ => None,
        }
    }

    /// The terms of value * factor. What has terms of one sort only, and no constant, stays as it is.
    pub(super) fn terms(&self, value: Value, factor: u32) -> Terms {
        self.terms_within(value, factor, &mut { MOST_LOOKS })
    }

    /// The same, looking at so many operations at most.
    fn terms_within(&self, value: Value, factor: u32, looks: &mut u32) -> Terms {
        if let Some(bits) = self.constant_of(value) {
            return Terms {
                constant: i64::from(bits as i32) * i64::from(factor),
                ..Terms::default()
            };
        }
        *looks = looks.saturating_sub(1);
        let op = self.op(value).filter(|_| *looks > 0);
        let inner = match op {
            Some(Op::Binary(Binary::IAdd, [a, b])) => {
                let (mut sum, other) = (
                    self.terms_within(*a, factor, looks),
                    self.terms_within(*b, factor, looks),
                );
                sum.uniform.extend(other.uniform);
                sum.divergent.extend(other.divergent);
                sum.constant = sum.constant.saturating_add(other.constant);
                Some(sum)
            }
            Some(Op::Binary(Binary::ISub, [a, b])) => self.constant_of(*b).map(|bits| {
                let mut sum = self.terms_within(*a, factor, looks);
                sum.constant -= i64::from(bits as i32) * i64::from(factor);
                sum
            }),
            Some(Op::Binary(Binary::Shl, [a, b])) => self
                .constant_of(*b)
                .and_then(|count| factor.checked_mul(1 << (count & 31)))
                .map(|factor| self.terms_within(*a, factor, looks)),
            Some(Op::Binary(Binary::IMul, [a, b])) => {
                match (self.constant_of(*a), self.constant_of(*b)) {
                    (_, Some(by)) => factor
                        .checked_mul(by)
                        .map(|factor| self.terms_within(*a, factor, looks)),
                    (Some(by), _) => factor
                        .checked_mul(by)
                        .map(|factor| self.terms_within(*b, factor, looks)),
                    _ => None,
                }
            }
            Some(Op::Unary(Unary::Bitcast, a)) if self.bank(*a) == self.bank(value) => {
                Some(self.terms_within(*a, factor, looks))
            }
            _ => None,
        };
        if let Some(terms) = inner {
            let mixed = !terms.uniform.is_empty() && !terms.divergent.is_empty();
            if mixed || terms.constant != 0 {
                return terms;
            }
        }
        let term = Term { value, factor };
        let (uniform, divergent) = match self.bank(value) {
            Bank::Scalar => (vec![term], Vec::new()),
            _ => (Vec::new(), vec![term]),
        };
        Terms {
            uniform,
            divergent,
            constant: 0,
        }
    }

    pub(super) fn parts(&mut self, offset: Value, constant: u32, kind: Kind) -> Parts {
        let mut terms = self.terms(offset, 1);
        terms.constant += i64::from(constant);
        self.join(terms, kind)
    }

    pub(super) fn join(&mut self, terms: Terms, kind: Kind) -> Parts {
        let mut uniform = self.sum(&terms.uniform);
        let mut divergent = self.sum(&terms.divergent);
        if kind == Kind::Shared
            && let (Some(u), Some(d)) = (uniform, divergent)
        {
            divergent = Some(self.binary(Binary::IAdd, d, u));
            uniform = None;
        }
        let limit = match kind {
            Kind::Buffer => BUFFER_LIMIT,
            Kind::Shared => SHARED_LIMIT,
            Kind::Scalar => SCALAR_LIMIT,
        };
        let field = terms.constant & limit;
        let rest = terms.constant - field;
        if terms.constant < 0 {
            // The part that is at least as large is not known: put all together.
            let whole = match (uniform, divergent) {
                (Some(u), Some(d)) => Some(self.binary(Binary::IAdd, d, u)),
                (u, d) => u.or(d),
            };
            let is_uniform = divergent.is_none();
            let sum = self.add_constant(whole, terms.constant);
            return Parts {
                uniform: is_uniform.then_some(sum),
                divergent: (!is_uniform).then_some(sum),
                constant: 0,
            };
        }
        if rest != 0 {
            if kind == Kind::Shared && divergent.is_some() {
                divergent = Some(self.add_constant(divergent, rest));
            } else {
                uniform = Some(self.add_constant(uniform, rest));
            }
        }
        Parts {
            uniform,
            divergent,
            constant: field as u32,
        }
    }

    pub(super) fn add_constant(&mut self, to: Option<Value>, constant: i64) -> Value {
        let constant = self.number(constant as u32);
        match to {
            Some(value) => self.binary(Binary::IAdd, value, constant),
            None => constant,
        }
    }

    /// The sum of terms, those that are known first added first, so that a loop adds only what changes in it.
    pub(super) fn sum(&mut self, terms: &[Term]) -> Option<Value> {
        let mut terms = terms.to_vec();
        terms.sort_by_key(|term| (self.positions[term.value.0 as usize], *term));
        let mut sum = None;
        for term in terms {
            let value = self.multiple(term);
            sum = Some(match sum {
                Some(sum) => self.binary(Binary::IAdd, sum, value),
                None => value,
            });
        }
        sum
    }

    pub(super) fn multiple(&mut self, term: Term) -> Value {
        if term.factor == 1 {
            return term.value;
        }
        let power = term.factor.is_power_of_two();
        let by = if power {
            term.factor.trailing_zeros()
        } else {
            term.factor
        };
        let by = self.number(by);
        let binary = if power { Binary::Shl } else { Binary::IMul };
        self.binary(binary, term.value, by)
    }

    pub(super) fn number(&mut self, bits: u32) -> Value {
        if let Some(value) = self.constants.get(&bits) {
            return *value;
        }
        let value = self.insert((0, 0, 0), Op::Const(u64::from(bits)), Bank::Scalar);
        self.constants.insert(bits, value);
        value
    }

    pub(super) fn binary(&mut self, binary: Binary, a: Value, b: Value) -> Value {
        if let Some(value) = self.known.get(&(binary, a, b)) {
            return *value;
        }
        let after = self.position(a).max(self.position(b));
        let bank = if self.bank(a) == Bank::Scalar && self.bank(b) == Bank::Scalar {
            Bank::Scalar
        } else {
            Bank::Vector
        };
        let value = self.insert(after, Op::Binary(binary, [a, b]), bank);
        self.known.insert((binary, a, b), value);
        value
    }

    pub(super) fn position(&self, value: Value) -> Position {
        // Constants may stand anywhere; their own place must not hold back what uses them.
        self.positions[value.0 as usize].unwrap_or((0, 0, 0))
    }

    pub(super) fn insert(&mut self, after: Position, op: Op, bank: Bank) -> Value {
        let value = self.new.new_value(Type::I32);
        let position = (after.0, after.1, self.made.len() + 1);
        self.banks.push(bank);
        self.positions.push(Some(position));
        let inst = Inst {
            op,
            result: Some(value),
            source: u32::MAX,
        };
        self.made.push((position, inst));
        value
    }

    pub(super) fn finish(mut self) -> Function {
        self.made.sort_by_key(|(position, _)| *position);
        for (position, inst) in self.made.into_iter().rev() {
            let block = self.order[position.0];
            self.new.blocks[block.index()]
                .insts
                .insert(position.1, inst);
        }
        self.new
    }
}
