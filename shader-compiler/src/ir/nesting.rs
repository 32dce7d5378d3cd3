//! The control-flow graph of a function: predecessors, dominators, loop nesting, and putting blocks into order.

use super::types::*;

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
    /// 1 for an outermost loop.
    pub depth: u32,
}

/// Facts about a function's control flow; valid until its blocks or edges change.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Predecessors of each block; a block that branches twice to another stands twice.
    pub predecessors: Vec<Vec<BlockId>>,
    /// Immediate dominator of each block; of the entry itself; `None` for a block that is never reached.
    pub dominator: Vec<Option<BlockId>>,
    /// Loops, outer ones before inner ones.
    pub loops: Vec<LoopInfo>,
    /// The innermost loop that each block belongs to. A block that leaves a loop (a `break` with what precedes it)
    /// belongs to it; the merge block does not.
    pub innermost: Vec<Option<usize>>,
}

impl Graph {
    /// Analyses `function`, whose blocks must be in topological order but for back edges.
    pub fn new(function: &Function) -> Self {
        let count = function.blocks.len();
        let mut predecessors = vec![Vec::new(); count];
        let mut reached = vec![false; count];
        let mut work = vec![BlockId(0)];
        while let Some(block) = work.pop() {
            if std::mem::replace(&mut reached[block.0 as usize], true) {
                continue;
            }
            for target in function.block(block).terminator.targets() {
                predecessors[target.block.0 as usize].push(block);
                work.push(target.block);
            }
        }
        for list in &mut predecessors {
            list.sort_unstable();
        }
        let dominator = dominators(&predecessors, &reached);
        let mut graph = Self { predecessors, dominator, loops: Vec::new(), innermost: vec![None; count] };
        graph.find_loops(function);
        graph
    }

    /// The block can be reached from the entry.
    pub fn reachable(&self, block: BlockId) -> bool {
        self.dominator[block.0 as usize].is_some()
    }

    /// Every path to `b` goes through `a` (or they are the same). False if either is never reached.
    pub fn dominates(&self, a: BlockId, b: BlockId) -> bool {
        if !self.reachable(a) {
            return false;
        }
        let mut at = b;
        while let Some(up) = self.dominator[at.0 as usize] {
            if at == a {
                return true;
            }
            if up == at || at < a {
                return false;
            }
            at = up;
        }
        false
    }

    /// The block is in the loop `index` or in one inside of it.
    pub fn in_loop(&self, block: BlockId, index: usize) -> bool {
        self.loops_around(block).any(|l| l == index)
    }

    /// Loops around a block, from the innermost outwards.
    pub fn loops_around(&self, block: BlockId) -> impl Iterator<Item = usize> {
        std::iter::successors(self.innermost[block.0 as usize], |&l| self.loops[l].parent)
    }

    /// The innermost loop that a block belongs to.
    pub fn loop_of(&self, block: BlockId) -> Option<&LoopInfo> {
        self.innermost[block.0 as usize].map(|index| &self.loops[index])
    }

    fn find_loops(&mut self, function: &Function) {
        for header in function.block_ids() {
            let Some(Loop { merge, latch }) = function.block(header).loop_ else { continue };
            if !self.reachable(header) {
                continue;
            }
            let parent = self.innermost[header.0 as usize];
            let depth = parent.map_or(0, |p| self.loops[p].depth) + 1;
            let index = self.loops.len();
            self.loops.push(LoopInfo { header, merge, latch, parent, depth });
            for block in function.block_ids() {
                if self.dominates(header, block) && !self.dominates(merge, block) {
                    self.innermost[block.0 as usize] = Some(index);
                }
            }
        }
    }
}

/// Immediate dominators by the method of Cooper, Harvey and Kennedy; block numbers serve as reverse postorder.
fn dominators(predecessors: &[Vec<BlockId>], reached: &[bool]) -> Vec<Option<BlockId>> {
    let mut dominator = vec![None; predecessors.len()];
    if let Some(entry) = dominator.first_mut() {
        *entry = Some(BlockId(0));
    }
    let mut changed = true;
    while changed {
        changed = false;
        for block in (1..predecessors.len()).filter(|&b| reached[b]) {
            let mut meet: Option<BlockId> = None;
            for &p in predecessors[block].iter().filter(|p| dominator[p.0 as usize].is_some()) {
                meet = Some(meet.map_or(p, |m| common(&dominator, m, p)));
            }
            if dominator[block] != meet {
                dominator[block] = meet;
                changed = true;
            }
        }
    }
    dominator
}

fn common(dominator: &[Option<BlockId>], mut a: BlockId, mut b: BlockId) -> BlockId {
    while a != b {
        let higher = if a > b { &mut a } else { &mut b };
        // PANIC: only blocks that already have a dominator are compared, and the walk ends at the entry at the latest.
        *higher = dominator[higher.0 as usize].expect("a processed block has a dominator");
    }
    a
}

impl Function {
    /// Keeps only the blocks in `order`, in that order, and renumbers all mentions of blocks.
    ///
    /// # Panics
    /// If a kept block mentions one that is not kept.
    pub fn reorder_blocks(&mut self, order: &[BlockId]) {
        let mut new_id = vec![None; self.blocks.len()];
        for (index, old) in order.iter().enumerate() {
            new_id[old.0 as usize] = Some(BlockId(index as u32));
        }
        let rename = |id: &mut BlockId| {
            // PANIC: documented; a caller that drops a block drops all mentions of it.
            *id = new_id[id.0 as usize].expect("a kept block mentions only kept blocks");
        };
        let mut old: Vec<Option<Block>> = std::mem::take(&mut self.blocks).into_iter().map(Some).collect();
        for id in order {
            // PANIC: `order` names each block at most once.
            let mut block = old[id.0 as usize].take().expect("a block stands once in the order");
            if let Some(l) = &mut block.loop_ {
                rename(&mut l.merge);
                rename(&mut l.latch);
            }
            if let Terminator::Branch { merge, .. } = &mut block.terminator {
                rename(merge);
            }
            for target in block.terminator.targets_mut() {
                rename(&mut target.block);
            }
            self.blocks.push(block);
        }
    }
}
