//! How often each value is used by what will be emitted.
//!
//! Offsets that were taken apart are not used themselves, their parts are; what only dead operations use is not used.

use super::Selector;
use super::address::{Kind, Parts, TileKey};
use crate::ir::{Inst, Value};

impl Selector<'_> {
    /// Counts, starting from stores, barriers and branches.
    pub(super) fn count_uses(&self) -> Vec<u32> {
        let mut counts = vec![0u32; self.function.values.len()];
        let mut work: Vec<Value> = Vec::new();
        let mut used = |value: Value, work: &mut Vec<Value>| {
            let count = &mut counts[value.0 as usize];
            *count += 1;
            if *count == 1 {
                work.push(value);
            }
        };
        for &block in &self.graph.order {
            let data = &self.function.blocks[block.index()];
            for inst in data.insts.iter().filter(|inst| !inst.op.is_removable()) {
                for value in self.emitted_uses(inst) {
                    used(value, &mut work);
                }
            }
            if let crate::ir::Terminator::Branch { condition, .. } = data.terminator {
                used(condition, &mut work);
            }
        }
        while let Some(value) = work.pop() {
            let Some((home, place)) = self.homes[value.0 as usize] else {
                continue;
            };
            let data = &self.function.blocks[home.index()];
            if let Some(inst) = data.insts.get(place) {
                if inst.op.is_removable() {
                    for value in self.emitted_uses(inst) {
                        used(value, &mut work);
                    }
                }
                continue;
            }
            if let Some(index) = data.parameters.iter().position(|p| *p == value) {
                let given =
                    crate::ir::divergence::arguments(self.function, &self.graph, home, index);
                for value in given {
                    used(value, &mut work);
                }
            }
        }
        counts
    }

    fn emitted_uses(&self, inst: &Inst) -> Vec<Value> {
        let mut uses = inst.op.uses();
        let parts_of = |parts: &Parts| parts.uniform.into_iter().chain(parts.divergent);
        if let Some(key) = TileKey::of(self.function, &inst.op, inst.result) {
            uses.drain(..2);
            let pieces = self.split.tile(&key).map(|tile| tile.pieces.iter());
            uses.extend(pieces.into_iter().flatten().flat_map(parts_of));
        } else if let Some(at) = inst.op.address() {
            let kind = Kind::of(inst, at.space, |value| self.bank(value));
            let parts = self.split.parts(at.offset, at.constant, kind);
            uses.remove(0);
            uses.extend(parts_of(&parts));
        }
        uses
    }
}
