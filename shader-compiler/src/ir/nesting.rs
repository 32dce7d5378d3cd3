//! Which loop a block belongs to by the structure of the source.
//!
//! [`Graph`] knows natural loops: the blocks from which the latch can be reached. A block that ends in a `break` is not
//! in one, yet the lanes in it have not met the others again, which they do at the loop's merge block. Loop-closed form
//! is about that, so it is asked here: a block belongs to a loop if the header dominates it and the merge does not.

use super::{BlockId, Function, Graph, Loop};

/// A loop of the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopInfo {
    /// The block with `loop_` set.
    pub header: BlockId,
    /// Where the loop is left to.
    pub merge: BlockId,
    /// The block with the back edge.
    pub latch: BlockId,
    /// Index of the loop around it.
    pub parent: Option<usize>,
}

/// The loops of a function; valid until its blocks or edges change.
#[derive(Clone, Debug)]
pub struct Nesting {
    /// Loops that are reached, outer ones before inner ones.
    pub loops: Vec<LoopInfo>,
    innermost: Vec<Option<usize>>,
}

impl Nesting {
    /// Finds the loops.
    #[must_use]
    pub fn new(function: &Function, graph: &Graph) -> Self {
        let mut nesting = Self {
            loops: Vec::new(),
            innermost: vec![None; function.blocks.len()],
        };
        for &header in &graph.order {
            let Some(Loop { merge, latch }) = function.blocks[header.index()].loop_ else {
                continue;
            };
            let index = nesting.loops.len();
            nesting.loops.push(LoopInfo {
                header,
                merge,
                latch,
                parent: nesting.innermost[header.index()],
            });
            for &block in &graph.order {
                if graph.dominates(header, block) && !graph.dominates(merge, block) {
                    nesting.innermost[block.index()] = Some(index);
                }
            }
        }
        nesting
    }

    /// The innermost loop that a block belongs to.
    #[must_use]
    pub fn innermost(&self, block: BlockId) -> Option<usize> {
        self.innermost[block.index()]
    }

    /// The block belongs to the loop `index` or to one inside of it.
    #[must_use]
    pub fn contains(&self, index: usize, block: BlockId) -> bool {
        self.around(block).any(|l| l == index)
    }

    /// The way from `from` to `to` leaves a loop.
    #[must_use]
    pub fn left(&self, from: BlockId, to: BlockId) -> bool {
        self.innermost(from).is_some_and(|l| !self.contains(l, to))
    }

    /// Loops around a block, from the innermost outwards.
    pub fn around(&self, block: BlockId) -> impl Iterator<Item = usize> {
        let parent = |l: &usize| self.loops[*l].parent;
        std::iter::successors(self.innermost(block), parent)
    }
}
