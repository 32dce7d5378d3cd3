//! Constant folding, algebraic identities and common subexpressions, in one walk.
//!
//! Idea: walk the blocks in an order in which definitions come before uses. Each operation gets its operands' leaders
//! (the values that stand for equal ones), is rewritten by [`rules`] until no rule applies, and is then looked up among
//! the operations seen: an equal one whose block dominates is taken instead. Constants live in the entry block, once each;
//! selection turns them into operand fields.
//!
//! Loads of memory that nobody writes during the dispatch count as pure. Other loads are merged within a block as long as
//! no store, atomic or barrier that could touch their memory stands between.

use std::collections::HashMap;

use super::rules::{self, Rewrite};
use crate::ir::{BlockId, Function, Graph, Inst, Op, Space, Type, Value, range, scalar};

/// Runs to the end of one walk; true if anything became something else.
pub(super) fn run(function: &mut Function) -> bool {
    let graph = Graph::new(function);
    let mut walk = Walk {
        known: vec![None; function.values.len()],
        leader: vec![None; function.values.len()],
        constants: HashMap::new(),
        seen: HashMap::new(),
        out: Vec::new(),
        entry_constants: Vec::new(),
        block: BlockId(0),
        epochs: HashMap::new(),
        source: u32::MAX,
        changed: false,
        graph,
        function,
    };
    walk.all();
    walk.changed
}

/// State of the walk, and what the rules may ask and make.
pub(super) struct Walk<'a> {
    pub(super) function: &'a mut Function,
    graph: Graph,
    /// Simplified operation behind each value; none for parameters and values not yet met.
    known: Vec<Option<Op>>,
    leader: Vec<Option<Value>>,
    constants: HashMap<(Type, u64), Value>,
    /// Pure operations and loads met, by their text (an `Op` holds floats only as bits), with the block of each.
    seen: HashMap<Key, Vec<(BlockId, Value)>>,
    out: Vec<Inst>,
    entry_constants: Vec<Inst>,
    block: BlockId,
    /// Stores met in this block, by memory: loads before and after one are different.
    epochs: HashMap<Space, u32>,
    source: u32,
    changed: bool,
}

/// What makes two operations the same: operation, result type, and for loads of changing memory, block and epoch.
type Key = (Op, Type, Option<(BlockId, u32)>);

impl Walk<'_> {
    fn all(&mut self) {
        for block in self.graph.order.clone() {
            self.block = block;
            self.epochs.clear();
            let insts = std::mem::take(&mut self.function.blocks[block.index()].insts);
            for inst in insts {
                self.inst(inst);
            }
            self.function.blocks[block.index()].insts = std::mem::take(&mut self.out);
        }
        let constants = std::mem::take(&mut self.entry_constants);
        self.function.blocks[0].insts.splice(0..0, constants);
        // Uses on back edges were met before the definitions they name had leaders.
        let leader = std::mem::take(&mut self.leader);
        self.function.replace_uses(&leader);
    }

    fn inst(&mut self, mut inst: Inst) {
        self.source = inst.source;
        let leader = &self.leader;
        inst.op
            .visit_uses(&mut |value| *value = lead(leader, *value));
        let Some(result) = inst.result else {
            self.note_effect(&inst.op);
            self.out.push(inst);
            return;
        };
        let ty = self.function.ty(result);
        let found = self.value_of(inst.op, ty, Some(result));
        if found != result {
            self.leader[result.0 as usize] = Some(found);
            self.changed = true;
        }
    }

    /// The value of an operation: an existing one, or a new instruction (which defines `result` if it is given).
    fn value_of(&mut self, mut op: Op, ty: Type, result: Option<Value>) -> Value {
        // Each rule makes the operation simpler or more canonical; the bound is a guard against two that disagree.
        for _ in 0..32 {
            match rules::rewrite(self, &op, ty) {
                Some(Rewrite::Value(value)) => return value,
                Some(Rewrite::Op(new)) => {
                    op = new;
                    self.changed = true;
                }
                None => break,
            }
        }
        if let Op::Const(bits) = op {
            return self.constant_as(bits, ty, result);
        }
        let key = self.key(&op, ty);
        if let Some(key) = &key {
            let candidates = self.seen.get(key).into_iter().flatten();
            for &(block, value) in candidates {
                if self.graph.sees(block, self.block) {
                    return value;
                }
            }
        }
        let value = result.unwrap_or_else(|| self.fresh(ty));
        if let Some(key) = key {
            self.seen.entry(key).or_default().push((self.block, value));
        }
        self.note_effect(&op);
        self.known[value.0 as usize] = Some(op.clone());
        self.out.push(Inst {
            op,
            result: Some(value),
            source: self.source,
        });
        value
    }

    fn fresh(&mut self, ty: Type) -> Value {
        self.known.push(None);
        self.leader.push(None);
        self.function.new_value(ty)
    }

    /// None where no other operation can stand for this one.
    fn key(&self, op: &Op, ty: Type) -> Option<Key> {
        if op.is_pure() {
            return Some((op.clone(), ty, None));
        }
        let Op::Load {
            space, volatile, ..
        } = op
        else {
            return None;
        };
        if self.function.is_read_only(*space) {
            return Some((op.clone(), ty, None));
        }
        let epoch = self.epochs.get(space).copied().unwrap_or(0);
        (!volatile).then(|| (op.clone(), ty, Some((self.block, epoch))))
    }

    fn note_effect(&mut self, op: &Op) {
        if let Some(space) = op.writes() {
            *self.epochs.entry(space).or_default() += 1;
        }
        if let Op::Barrier { .. } = op {
            let buffers = (0..self.function.bindings.len() as u32).map(Space::Buffer);
            for space in buffers.chain([Space::Shared]) {
                *self.epochs.entry(space).or_default() += 1;
            }
        }
    }

    // What the rules use.

    /// A constant.
    pub(super) fn constant(&mut self, bits: u64, ty: Type) -> Value {
        self.constant_as(bits, ty, None)
    }

    fn constant_as(&mut self, bits: u64, ty: Type, result: Option<Value>) -> Value {
        let bits = scalar::truncate(bits, ty);
        if let Some(value) = self.constants.get(&(ty, bits)) {
            return *value;
        }
        let value = result.unwrap_or_else(|| self.fresh(ty));
        self.known[value.0 as usize] = Some(Op::Const(bits));
        self.entry_constants.push(Inst {
            op: Op::Const(bits),
            result: Some(value),
            source: u32::MAX,
        });
        self.constants.insert((ty, bits), value);
        value
    }

    /// An operation, simplified in its turn.
    pub(super) fn make(&mut self, op: Op, ty: Type) -> Value {
        self.value_of(op, ty, None)
    }

    /// What defines a value, if it is not a parameter.
    pub(super) fn definition(&self, value: Value) -> Option<&Op> {
        self.known[value.0 as usize].as_ref()
    }

    /// The bits of a value, if it is a constant.
    pub(super) fn bits(&self, value: Value) -> Option<u64> {
        match self.definition(value) {
            Some(Op::Const(bits)) => Some(*bits),
            _ => None,
        }
    }

    /// The largest number that an I32, read as unsigned, can be.
    pub(super) fn upper_bound(&self, value: Value) -> u32 {
        range::upper_bound(self.function, &|value| self.definition(value), value)
    }

    pub(super) fn ty(&self, value: Value) -> Type {
        self.function.ty(value)
    }
}

fn lead(leader: &[Option<Value>], mut value: Value) -> Value {
    while let Some(Some(next)) = leader.get(value.0 as usize) {
        value = *next;
    }
    value
}
