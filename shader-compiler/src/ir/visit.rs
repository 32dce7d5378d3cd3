//! What an operation uses, and what may be done with it.

use super::{Address, BlockId, Function, Inst, Op, Space, Target, Terminator, Type, Value};

impl Op {
    /// Calls `visit` on every value that the operation uses, in order; `visit` may replace it.
    pub fn visit_uses(&mut self, visit: &mut dyn FnMut(&mut Value)) {
        match self {
            Self::Const(_) | Self::Undef | Self::Builtin(_) | Self::BufferSize(_) => {}
            Self::Unary(_, a)
            | Self::Word(a, _)
            | Self::LocalLoad(_, a)
            | Self::Subgroup(_, _, a)
            | Self::BroadcastFirst(a)
            | Self::Ballot(a)
            | Self::Any(a)
            | Self::All(a)
            | Self::TileSplat(a)
            | Self::Load { offset: a, .. } => visit(a),
            Self::Binary(_, values)
            | Self::Compare(_, values)
            | Self::Pack(values)
            | Self::PackFromF32(values)
            | Self::TileBinary(_, values) => values.iter_mut().for_each(visit),
            Self::Ternary(_, values) | Self::Select(values) | Self::TileMulAdd(values) => {
                values.iter_mut().for_each(visit);
            }
            Self::Join(values) => values.iter_mut().for_each(visit),
            Self::Store { offset, value, .. } | Self::Atomic { offset, value, .. } => {
                visit(offset);
                visit(value);
            }
            Self::AtomicCompare {
                offset,
                new,
                expected,
                ..
            } => {
                visit(offset);
                visit(new);
                visit(expected);
            }
            Self::LocalStore(_, a, b) | Self::Shuffle(_, a, b) | Self::TileScale(a, b) => {
                visit(a);
                visit(b);
            }
            Self::TileLoad { offset, stride, .. } => {
                visit(offset);
                visit(stride);
            }
            Self::TileStore {
                offset,
                stride,
                value,
                ..
            } => {
                visit(offset);
                visit(stride);
                visit(value);
            }
            Self::Barrier { .. } => {}
        }
    }

    /// The values that the operation uses, in order.
    #[must_use]
    pub fn uses(&self) -> Vec<Value> {
        let mut found = Vec::new();
        self.clone().visit_uses(&mut |value| found.push(*value));
        found
    }

    /// Where the operation accesses memory, if it does.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        match *self {
            Self::Load {
                space,
                offset,
                constant,
                ..
            }
            | Self::Store {
                space,
                offset,
                constant,
                ..
            }
            | Self::Atomic {
                space,
                offset,
                constant,
                ..
            }
            | Self::AtomicCompare {
                space,
                offset,
                constant,
                ..
            }
            | Self::TileLoad {
                space,
                offset,
                constant,
                ..
            }
            | Self::TileStore {
                space,
                offset,
                constant,
                ..
            } => Some(Address {
                space,
                offset,
                constant,
            }),
            _ => None,
        }
    }

    /// Moves an access of memory to another place.
    pub fn set_address(&mut self, to: Address) {
        if let Self::Load {
            space,
            offset,
            constant,
            ..
        }
        | Self::Store {
            space,
            offset,
            constant,
            ..
        }
        | Self::Atomic {
            space,
            offset,
            constant,
            ..
        }
        | Self::AtomicCompare {
            space,
            offset,
            constant,
            ..
        }
        | Self::TileLoad {
            space,
            offset,
            constant,
            ..
        }
        | Self::TileStore {
            space,
            offset,
            constant,
            ..
        } = self
        {
            (*space, *offset, *constant) = (to.space, to.offset, to.constant);
        }
    }

    /// The memory that the operation may change, if it may change one.
    #[must_use]
    pub fn writes(&self) -> Option<Space> {
        match self {
            Self::Load { .. } | Self::TileLoad { .. } => None,
            _ => Some(self.address()?.space),
        }
    }

    /// The result depends on the operands alone: not on memory, not on which lanes are active. Such an operation may be
    /// computed once for all equal ones, at any place that its operands dominate.
    #[must_use]
    pub const fn is_pure(&self) -> bool {
        matches!(
            self,
            Self::Const(_)
                | Self::Undef
                | Self::Builtin(_)
                | Self::BufferSize(_)
                | Self::Unary(..)
                | Self::Binary(..)
                | Self::Ternary(..)
                | Self::Compare(..)
                | Self::Select(_)
                | Self::Pack(_)
                | Self::PackFromF32(_)
                | Self::Join(_)
                | Self::Word(..)
                | Self::TileSplat(_)
                | Self::TileBinary(..)
                | Self::TileScale(..)
        )
    }

    /// The operation may be dropped if nobody uses its result.
    #[must_use]
    pub const fn is_removable(&self) -> bool {
        !matches!(
            self,
            Self::Store { .. }
                | Self::Atomic { .. }
                | Self::AtomicCompare { .. }
                | Self::LocalStore(..)
                | Self::Barrier { .. }
                | Self::TileStore { .. }
                | Self::Load { volatile: true, .. }
        )
    }
}

impl Terminator {
    /// The targets, in order.
    #[must_use]
    pub fn targets(&self) -> Vec<&Target> {
        match self {
            Self::Jump(target) => vec![target],
            Self::Branch {
                then, otherwise, ..
            } => vec![then, otherwise],
            Self::Return | Self::Unreachable => Vec::new(),
        }
    }

    /// The targets, to be changed.
    pub fn targets_mut(&mut self) -> Vec<&mut Target> {
        match self {
            Self::Jump(target) => vec![target],
            Self::Branch {
                then, otherwise, ..
            } => vec![then, otherwise],
            Self::Return | Self::Unreachable => Vec::new(),
        }
    }

    /// Calls `visit` on every value that the terminator uses; `visit` may replace it.
    pub fn visit_uses(&mut self, visit: &mut dyn FnMut(&mut Value)) {
        if let Self::Branch { condition, .. } = self {
            visit(condition);
        }
        for target in self.targets_mut() {
            target.arguments.iter_mut().for_each(&mut *visit);
        }
    }

    /// Calls `visit` on every block that the terminator names, merge blocks too; `visit` may replace it.
    pub fn visit_blocks(&mut self, visit: &mut dyn FnMut(&mut BlockId)) {
        if let Self::Branch { merge, .. } = self {
            visit(merge);
        }
        for target in self.targets_mut() {
            visit(&mut target.block);
        }
    }
}

impl Function {
    /// A new value of a type.
    pub fn new_value(&mut self, ty: Type) -> Value {
        self.values.push(ty);
        Value(u32::try_from(self.values.len() - 1).expect("fewer than 2^32 values"))
    }

    /// The type of a value.
    #[must_use]
    pub fn ty(&self, value: Value) -> Type {
        self.values[value.0 as usize]
    }

    /// Calls `visit` on every use in the function; `visit` may replace it.
    pub fn visit_uses(&mut self, visit: &mut dyn FnMut(&mut Value)) {
        for block in &mut self.blocks {
            for inst in &mut block.insts {
                inst.op.visit_uses(visit);
            }
            block.terminator.visit_uses(visit);
        }
    }

    /// Nobody writes this memory during a dispatch.
    #[must_use]
    pub fn is_read_only(&self, space: Space) -> bool {
        match space {
            Space::Arguments => true,
            Space::Buffer(index) => !self.bindings[index as usize].written,
            Space::Shared => false,
        }
    }

    /// Replaces uses by a table indexed by value; chains are followed to their end.
    pub fn replace_uses(&mut self, replacement: &[Option<Value>]) {
        self.visit_uses(&mut |value| {
            while let Some(Some(new)) = replacement.get(value.0 as usize) {
                *value = *new;
            }
        });
    }

    /// How often each value is used.
    #[must_use]
    pub fn use_counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.values.len()];
        for block in &self.blocks {
            for inst in &block.insts {
                for value in inst.op.uses() {
                    counts[value.0 as usize] += 1;
                }
            }
            block
                .terminator
                .clone()
                .visit_uses(&mut |value| counts[value.0 as usize] += 1);
        }
        counts
    }

    /// The operation that defines each value; none for parameters.
    #[must_use]
    pub fn definitions(&self) -> Vec<Option<&Inst>> {
        let mut found = vec![None; self.values.len()];
        for inst in self.blocks.iter().flat_map(|block| &block.insts) {
            if let Some(result) = inst.result {
                found[result.0 as usize] = Some(inst);
            }
        }
        found
    }
}
