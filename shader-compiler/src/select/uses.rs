//! How often each value is used by what will be emitted.
//!
//! Offsets that were taken apart are not used themselves, their parts are; what only dead operations use is not used.

use super::Selector;
use super::address::{Kind, Parts};
use super::bank::Bank;
use crate::ir::{Inst, Op, Space, Type, Value};

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
        match &inst.op {
            Op::Load {
                space,
                offset,
                constant,
                ..
            }
            | Op::Store {
                space,
                offset,
                constant,
                ..
            }
            | Op::Atomic {
                space,
                offset,
                constant,
                ..
            }
            | Op::AtomicCompare {
                space,
                offset,
                constant,
                ..
            } => {
                let scalar = matches!(inst.op, Op::Load { .. })
                    && inst.result.is_some_and(|v| self.bank(v) == Bank::Scalar);
                let kind = match space {
                    _ if scalar => Kind::Scalar,
                    Space::Shared => Kind::Shared,
                    _ => Kind::Buffer,
                };
                let parts = self.split.parts(*offset, *constant, kind);
                uses.remove(0);
                uses.extend(parts_of(&parts));
            }
            Op::TileLoad {
                space,
                offset,
                constant,
                stride,
                row_major,
            }
            | Op::TileStore {
                space,
                offset,
                constant,
                stride,
                row_major,
                ..
            } => {
                let ty = match (&inst.op, inst.result) {
                    (Op::TileStore { value, .. }, _) => self.ty(*value),
                    (_, Some(result)) => self.ty(result),
                    _ => return uses,
                };
                let Type::Tile(role, elem) = ty else {
                    return uses;
                };
                let shared = *space == Space::Shared;
                let key = (*offset, *constant, *stride, *row_major, role, elem, shared);
                uses.drain(..2);
                if let Some(tile) = self.split.tile(&key) {
                    uses.extend(tile.pieces.iter().flat_map(parts_of));
                }
            }
            _ => {}
        }
        uses
    }
}
