//! The control-flow graph: edges, order, dominators, loops.
//!
//! A block belongs to a loop if the header dominates it and the loop's merge does not. These are more blocks than those
//! from which the latch can be reached: a block that ends in a `break` counts, because the lanes in it meet the others
//! only at the merge. Loop-closed form, and who may see a value, are about that.

use std::ops::Range;

use super::{BlockId, Function};

impl BlockId {
    /// As an index into [`Function::blocks`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Facts about the graph of a function; stale as soon as a block or an edge changes.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Predecessors of each block, one entry per edge.
    pub predecessors: Vec<Vec<BlockId>>,
    /// Reachable blocks, each before its successors but for back edges.
    pub order: Vec<BlockId>,
    /// Immediate dominator of each block; none for the entry and for unreachable ones.
    pub dominator: Vec<Option<BlockId>>,
    /// Header of the innermost loop that each block is in; a header is in its own loop.
    pub loop_of: Vec<Option<BlockId>>,
    /// Loops around each block, itself counted.
    pub depth: Vec<u32>,
    /// The numbers of the blocks that each block dominates, in an order in which they follow each other, its own first;
    /// empty for unreachable ones.
    dominated: Vec<Range<usize>>,
}

impl Graph {
    /// Computes the facts.
    #[must_use]
    pub fn new(function: &Function) -> Self {
        let count = function.blocks.len();
        let mut predecessors = vec![Vec::new(); count];
        for (index, block) in function.blocks.iter().enumerate() {
            let from = BlockId(u32::try_from(index).expect("fewer than 2^32 blocks"));
            for target in block.terminator.targets() {
                predecessors[target.block.index()].push(from);
            }
        }
        let order = reverse_postorder(function);
        let mut position = vec![usize::MAX; count];
        for (place, block) in order.iter().enumerate() {
            position[block.index()] = place;
        }
        let dominator = dominators(&order, &position, &predecessors);
        let mut graph = Self {
            predecessors,
            order,
            dominator,
            loop_of: vec![None; count],
            depth: vec![0; count],
            dominated: Vec::new(),
        };
        graph.dominated = graph.dominated_ranges();
        graph.find_loops(function);
        graph
    }

    /// Whether every path from the entry to `b` passes `a`.
    #[must_use]
    pub fn dominates(&self, a: BlockId, b: BlockId) -> bool {
        a == b || self.dominated[a.index()].contains(&self.dominated[b.index()].start)
    }

    fn dominated_ranges(&self) -> Vec<Range<usize>> {
        // How many blocks each dominates; a block comes after its dominator.
        let mut sizes = vec![1; self.dominator.len()];
        for block in self.order.iter().rev() {
            if let Some(from) = self.dominator[block.index()] {
                sizes[from.index()] += sizes[block.index()];
            }
        }
        let mut ranges = vec![usize::MAX..usize::MAX; sizes.len()];
        // The first number that is free in the range of each block.
        let mut free = vec![0; sizes.len()];
        for block in self.order.iter().map(|block| block.index()) {
            let start = match self.dominator[block] {
                Some(from) => {
                    let start = free[from.index()];
                    free[from.index()] += sizes[block];
                    start
                }
                None => 0,
            };
            ranges[block] = start..start + sizes[block];
            free[block] = start + 1;
        }
        ranges
    }

    /// Whether a value of block `a` may be used in block `b` directly: it dominates, and no loop was left between.
    #[must_use]
    pub fn sees(&self, a: BlockId, b: BlockId) -> bool {
        !self.leaves_loop(a, b) && self.dominates(a, b)
    }

    /// Whether the way from block `a` to block `b` leaves a loop.
    #[must_use]
    pub fn leaves_loop(&self, a: BlockId, b: BlockId) -> bool {
        self.loop_of[a.index()].is_some_and(|header| !self.contains(header, b))
    }

    /// Whether a block belongs to the loop with this header, or to one inside of it.
    #[must_use]
    pub fn contains(&self, header: BlockId, block: BlockId) -> bool {
        self.loops(block).any(|around| around == header)
    }

    /// Headers of the loops around a block, innermost first.
    pub fn loops(&self, block: BlockId) -> impl Iterator<Item = BlockId> {
        let outer = |header: &BlockId| {
            let before = self.dominator[header.index()]?;
            self.loop_of[before.index()]
        };
        std::iter::successors(self.loop_of[block.index()], outer)
    }

    /// The header of the loop whose latch this block is.
    #[must_use]
    pub fn header_of(&self, function: &Function, latch: BlockId) -> Option<BlockId> {
        let header = self.loop_of[latch.index()]?;
        let loop_ = function.blocks[header.index()].loop_?;
        (loop_.latch == latch).then_some(header)
    }

    /// Whether a block can be reached.
    #[must_use]
    pub fn reachable(&self, block: BlockId) -> bool {
        !self.dominated[block.index()].is_empty()
    }

    /// The blocks of the loop with this header, the header first, in order.
    #[must_use]
    pub fn loop_body(&self, function: &Function, header: BlockId) -> Vec<BlockId> {
        let Some(loop_) = function.blocks[header.index()].loop_ else {
            return Vec::new();
        };
        let after = |block| self.reachable(loop_.merge) && self.dominates(loop_.merge, block);
        let mut body: Vec<BlockId> = Vec::new();
        let mut inside = vec![false; function.blocks.len()];
        for &block in &self.order {
            // In this order a block comes after its dominator, so membership is inherited from that.
            let from = self.dominator[block.index()];
            let inherited = from.is_some_and(|from| inside[from.index()]);
            if block == header || (inherited && !after(block)) {
                inside[block.index()] = true;
                body.push(block);
            }
        }
        body
    }

    fn find_loops(&mut self, function: &Function) {
        // Outer headers come first in the order, so inner loops overwrite what outer ones said.
        for header in self.order.clone() {
            for block in self.loop_body(function, header) {
                self.loop_of[block.index()] = Some(header);
                self.depth[block.index()] += 1;
            }
        }
    }
}

/// Postorder reversed. The `then` side is visited last, so that it comes first; blocks inside a loop come before those
/// after it, because a loop's merge is left to be found from its exits.
fn reverse_postorder(function: &Function) -> Vec<BlockId> {
    let mut seen = vec![false; function.blocks.len()];
    let mut postorder = Vec::new();
    let mut stack = vec![(BlockId(0), false)];
    while let Some((block, done)) = stack.pop() {
        if done {
            postorder.push(block);
            continue;
        }
        if std::mem::replace(&mut seen[block.index()], true) {
            continue;
        }
        stack.push((block, true));
        let data = &function.blocks[block.index()];
        let next: Vec<BlockId> = data.terminator.targets().iter().map(|t| t.block).collect();
        // The merge of a branch, and that of a loop, shall come after everything between: visit it first.
        let mut merges = Vec::new();
        if let super::Terminator::Branch { merge, .. } = data.terminator {
            merges.push(merge);
        }
        if let Some(loop_) = data.loop_ {
            merges.push(loop_.latch);
            merges.push(loop_.merge);
        }
        stack.extend(next.into_iter().map(|block| (block, false)));
        for merge in merges {
            stack.push((merge, false));
        }
    }
    postorder.reverse();
    keep_reachable(function, postorder)
}

/// Drops merge blocks that no edge leads to.
fn keep_reachable(function: &Function, order: Vec<BlockId>) -> Vec<BlockId> {
    let mut reached = vec![false; function.blocks.len()];
    let mut work = vec![BlockId(0)];
    while let Some(block) = work.pop() {
        if !std::mem::replace(&mut reached[block.index()], true) {
            let targets = function.blocks[block.index()].terminator.targets();
            work.extend(targets.iter().map(|target| target.block));
        }
    }
    order.into_iter().filter(|b| reached[b.index()]).collect()
}

/// Cooper, Harvey, Kennedy: "A Simple, Fast Dominance Algorithm".
fn dominators(
    order: &[BlockId],
    position: &[usize],
    predecessors: &[Vec<BlockId>],
) -> Vec<Option<BlockId>> {
    let mut dominator: Vec<Option<BlockId>> = vec![None; predecessors.len()];
    let meet = |dominator: &[Option<BlockId>], mut a: BlockId, mut b: BlockId| {
        while a != b {
            while position[a.index()] > position[b.index()] {
                a = dominator[a.index()].expect("a processed block has a dominator");
            }
            while position[b.index()] > position[a.index()] {
                b = dominator[b.index()].expect("a processed block has a dominator");
            }
        }
        a
    };
    let mut changed = true;
    while changed {
        changed = false;
        for &block in &order[1.min(order.len())..] {
            let mut new = None;
            for &from in &predecessors[block.index()] {
                if position[from.index()] == usize::MAX
                    || (from != order[0] && dominator[from.index()].is_none())
                {
                    continue;
                }
                new = Some(new.map_or(from, |other| meet(&dominator, from, other)));
            }
            if dominator[block.index()] != new {
                dominator[block.index()] = new;
                changed = true;
            }
        }
    }
    dominator
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dominance_is_what_removing_a_block_says() {
        let source = "@group(0) @binding(0) var<storage, read_write> o: array<u32>;
             @compute @workgroup_size(32)
             fn main(@builtin(local_invocation_index) i: u32) {
                 for (var k = 0u; k < o[1]; k++) {
                     if o[k] == 7 { break; }
                     if o[k] == 9 { if i == 3u { return; } o[i] *= 2; } else { o[i] += o[k]; }
                     loop { o[2]++; if o[2] > i { break; } }
                 }
                 switch o[i] { case 1u: { o[i] = 4u; } default: {} }
             }";
        let function = crate::front::compile(source, &[])
            .expect("it is valid")
            .swap_remove(0);
        let graph = Graph::new(&function);
        assert!(graph.order.len() > 12, "{function}");
        let reached_without = |removed: BlockId| {
            let mut reached = vec![false; function.blocks.len()];
            let mut work = vec![BlockId(0)];
            while let Some(block) = work.pop() {
                if block != removed && !std::mem::replace(&mut reached[block.index()], true) {
                    let targets = function.blocks[block.index()].terminator.targets();
                    work.extend(targets.iter().map(|target| target.block));
                }
            }
            reached
        };
        for &a in &graph.order {
            let reached = reached_without(a);
            for &b in &graph.order {
                assert_eq!(graph.dominates(a, b), !reached[b.index()], "{a} {b}");
            }
        }
    }
}
