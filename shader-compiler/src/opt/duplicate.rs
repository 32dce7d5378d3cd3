//! Copies of blocks with their values renamed, for the passes that change loops.

use std::collections::HashMap;

use crate::ir::{Block, BlockId, Function, Inst, Value};

/// From old values and blocks to new ones; what is not in it stays as it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Renaming {
    pub(super) values: HashMap<Value, Value>,
    pub(super) blocks: HashMap<BlockId, BlockId>,
}

impl Renaming {
    /// The new name of a value.
    pub(super) fn value(&self, value: Value) -> Value {
        self.values.get(&value).copied().unwrap_or(value)
    }

    /// The new names of some values.
    pub(super) fn all(&self, values: &[Value]) -> Vec<Value> {
        values.iter().map(|value| self.value(*value)).collect()
    }

    /// An instruction under new names, defining a new value.
    pub(super) fn inst(&mut self, function: &mut Function, inst: &Inst) -> Inst {
        let mut copy = inst.clone();
        copy.op.visit_uses(&mut |value| *value = self.value(*value));
        copy.result = inst.result.map(|result| {
            let new = function.new_value(function.ty(result));
            self.values.insert(result, new);
            new
        });
        copy
    }

    /// Adds copies of `body` (in an order with definitions first) to the function. Parameters that the renaming knows
    /// already are bound: they are left out of the copy, and edges to it pass no argument for them.
    pub(super) fn blocks(&mut self, function: &mut Function, body: &[BlockId]) {
        let bound: HashMap<BlockId, Vec<bool>> = body
            .iter()
            .map(|block| {
                let parameters = &function.blocks[block.index()].parameters;
                let known = parameters.iter().map(|p| self.values.contains_key(p));
                (*block, known.collect())
            })
            .collect();
        for block in body {
            let new =
                BlockId(u32::try_from(function.blocks.len()).expect("fewer than 2^32 blocks"));
            self.blocks.insert(*block, new);
            let original = &function.blocks[block.index()];
            let place_holder = Block {
                insts: Vec::new(),
                ..original.clone()
            };
            function.blocks.push(place_holder);
        }
        for block in body {
            let original = function.blocks[block.index()].clone();
            let mut parameters = Vec::new();
            for (parameter, bound) in original.parameters.iter().zip(&bound[block]) {
                if !bound {
                    let new = function.new_value(function.ty(*parameter));
                    self.values.insert(*parameter, new);
                    parameters.push(new);
                }
            }
            let insts = original.insts.iter().map(|inst| self.inst(function, inst));
            let insts: Vec<Inst> = insts.collect();
            let copy = &mut function.blocks[self.blocks[block].index()];
            copy.parameters = parameters;
            copy.insts = insts;
        }
        // Terminators last: they name values of blocks that come later in the order only on back edges.
        for block in body {
            let mut terminator = function.blocks[block.index()].terminator.clone();
            terminator.visit_uses(&mut |value| *value = self.value(*value));
            for target in terminator.targets_mut() {
                if let Some(bound) = bound.get(&target.block) {
                    let mut mark = bound.iter();
                    target.arguments.retain(|_| mark.next() != Some(&true));
                }
            }
            let blocks = &self.blocks;
            let rename = |name: BlockId| blocks.get(&name).copied().unwrap_or(name);
            terminator.visit_blocks(&mut |name| *name = rename(*name));
            let copy = &mut function.blocks[blocks[block].index()];
            copy.terminator = terminator;
            if let Some(loop_) = &mut copy.loop_ {
                loop_.merge = rename(loop_.merge);
                loop_.latch = rename(loop_.latch);
            }
        }
    }
}
