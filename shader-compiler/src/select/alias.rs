//! Parameters that need no register of their own, because a value that they can only have stands in one already.

use super::Selector;
use super::bank::Bank;
use crate::ir::{self, BlockId, Terminator, Value};

impl Selector<'_> {
    /// Parameters that are given the same value on all ways need no register of their own, unless lanes wait with it while
    /// others go on and the place where it stands changes under them.
    pub(super) fn find_aliases(&mut self) {
        for &block in &self.graph.order.clone() {
            let parameters = &self.function.blocks[block.index()].parameters;
            for (index, &parameter) in parameters.iter().enumerate() {
                let given = ir::divergence::arguments(self.function, &self.graph, block, index);
                let given: Vec<Value> = given.into_iter().map(|v| self.resolve(v)).collect();
                let Some(&first) = given.first() else {
                    continue;
                };
                if first == parameter || given.iter().any(|value| *value != first) {
                    continue;
                }
                let carried = self.carried(parameter, first, block);
                let own = carried.or_else(|| {
                    let may = self.may_alias(parameter, first, block);
                    may.then_some(first)
                });
                if let Some(own) = own {
                    self.alias[parameter.0 as usize] = Some(own);
                    self.uses[own.0 as usize] += self.uses[parameter.0 as usize];
                }
            }
        }
    }

    /// The loop parameter that has `value` when the loop is left to `block`: where the latch's branch is uniform, its copies
    /// for the next round stand before it. To name the parameter from there on lets it share its register with the value.
    fn carried(&self, parameter: Value, value: Value, block: BlockId) -> Option<Value> {
        let &[latch] = self.graph.predecessors[block.index()].as_slice() else {
            return None;
        };
        let header = self.graph.header_of(self.function, latch)?;
        let terminator = &self.function.blocks[latch.index()].terminator;
        let Terminator::Branch { condition, .. } = terminator else {
            return None;
        };
        if !self.divergence.uniform(*condition) {
            return None;
        }
        let back = terminator
            .targets()
            .into_iter()
            .find(|t| t.block == header)?;
        let pairs = self.function.blocks[header.index()]
            .parameters
            .iter()
            .zip(&back.arguments);
        let mut passed = pairs.filter(|(_, argument)| self.resolve(**argument) == value);
        let (&own, _) = passed.next()?;
        let bank = self.bank(parameter);
        let fits = bank != Bank::Mask && bank == self.bank(own) && bank == self.bank(value);
        (fits && self.alias[own.0 as usize].is_none()).then_some(own)
    }

    fn may_alias(&self, parameter: Value, value: Value, block: BlockId) -> bool {
        if self.constant(value).is_some() {
            return true;
        }
        let Some((home, _)) = self.homes[value.0 as usize] else {
            return false;
        };
        let bank = self.bank(value);
        if bank != self.bank(parameter) {
            return false;
        }
        if !self.graph.leaves_loop(home, block) {
            return true;
        }
        // A mask register is rewritten for all lanes by those that stay in the loop.
        if bank == Bank::Mask {
            return false;
        }
        // The back edge's copies stand before the branch that leaves from the latch: what they overwrite must be saved.
        let root = self.homes[self.root(value).0 as usize];
        let of_header = root.is_some_and(|(home, place)| {
            place == usize::MAX && self.function.blocks[home.index()].loop_.is_some()
        });
        let mut from = self.graph.predecessors[block.index()].iter();
        let latch_leaves = from.any(|from| self.graph.header_of(self.function, *from).is_some());
        !(of_header && latch_leaves)
    }
}
