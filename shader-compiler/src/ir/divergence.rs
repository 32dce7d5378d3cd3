//! Which values are the same in all lanes of a wave, and where lanes of a wave part and meet.
//!
//! Problem: a wave executes one program for 32 lanes. What is equal in all active lanes can be computed once by the scalar
//! unit; a branch on such a value moves the program counter, any other branch masks lanes off.
//!
//! Idea: start from "everything is uniform" and take it back until nothing changes. A value is divergent if an operand is,
//! if it tells lanes apart by itself (a lane id, the result of an atomic), or if it is a parameter of a block where lanes
//! meet that came different ways (the merge of a divergent branch) or at different times (the merge of a loop that lanes
//! leave in different iterations).
//!
//! Invariant: "uniform" means equal in all lanes that are active where the value is defined. A use sees a subset of those
//! lanes, unless it lies behind a loop that the definition is in; such values count as divergent if lanes leave that loop
//! separately.
//!
//! Trap: whether a `break` under a uniform condition leaves with all lanes depends on what came before: after a divergent
//! `continue` the other lanes wait at the latch. So divergence of exits is part of the same fixed point.

use super::{BlockId, Builtin, Function, Graph, Loop, Op, Scan, Shuffle, Space, Terminator, Value};

/// How control leaves a region other than by its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exits {
    /// To the merge block of the loop around it.
    pub breaks: bool,
    /// To the latch of the loop around it.
    pub continues: bool,
    /// Out of the kernel.
    pub returns: bool,
}

impl Exits {
    /// Whether there is one of any kind.
    #[must_use]
    pub const fn any(self) -> bool {
        self.breaks || self.continues || self.returns
    }

    const fn or(self, other: Self) -> Self {
        Self {
            breaks: self.breaks || other.breaks,
            continues: self.continues || other.continues,
            returns: self.returns || other.returns,
        }
    }
}

/// How lanes leave a loop, for the loop's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoopFacts {
    /// Lanes leave it to its merge in different iterations or from different places.
    pub divergent_break: bool,
    /// Some lanes wait at the latch while others are still in the body.
    pub divergent_continue: bool,
    /// Some lanes return from the kernel in it while others live on.
    pub divergent_return: bool,
    /// All lanes of the wave enter it.
    pub entered_by_all: bool,
}

/// The result of the analysis.
#[derive(Clone, Debug)]
pub struct Divergence {
    uniform: Vec<bool>,
    loops: Vec<LoopFacts>,
    exits: Vec<Exits>,
    all_lanes: Vec<bool>,
}

impl Divergence {
    /// Analyses a function.
    #[must_use]
    pub fn of(function: &Function, graph: &Graph) -> Self {
        let blocks = function.blocks.len();
        let mut this = Self {
            uniform: vec![true; function.values.len()],
            loops: vec![LoopFacts::default(); blocks],
            exits: vec![Exits::default(); blocks],
            all_lanes: vec![false; blocks],
        };
        let homes = homes(function);
        loop {
            let before = (this.uniform.clone(), this.loops.clone());
            let meets = this.walk(function, graph);
            this.propagate(function, graph, &homes, &meets);
            if before == (this.uniform.clone(), this.loops.clone()) {
                return this;
            }
        }
    }

    /// Whether the value is the same in all lanes that are active where it is defined.
    #[must_use]
    pub fn uniform(&self, value: Value) -> bool {
        self.uniform[value.0 as usize]
    }

    /// Whether the block ends in a branch that parts lanes.
    #[must_use]
    pub fn parts(&self, function: &Function, block: BlockId) -> bool {
        match function.blocks[block.index()].terminator {
            Terminator::Branch { condition, .. } => !self.uniform(condition),
            _ => false,
        }
    }

    /// How the loop with this header is left.
    #[must_use]
    pub fn loop_facts(&self, header: BlockId) -> LoopFacts {
        self.loops[header.index()]
    }

    /// How the two sides of the branch that ends this block are left other than to its merge.
    #[must_use]
    pub fn exits(&self, block: BlockId) -> Exits {
        self.exits[block.index()]
    }

    /// Whether all 32 lanes are active in this block, whatever the data.
    #[must_use]
    pub fn all_lanes(&self, block: BlockId) -> bool {
        self.all_lanes[block.index()]
    }

    /// Follows the structure once; returns the blocks where lanes meet that came different ways.
    fn walk(&mut self, function: &Function, graph: &Graph) -> Vec<bool> {
        let mut walk = Walk {
            function,
            graph,
            meets: vec![false; function.blocks.len()],
            facts: self,
        };
        let lanes: u32 = function.workgroup_size.iter().product();
        let mut place = Place::entry(lanes.is_multiple_of(32));
        walk.region(BlockId(0), &mut place, true);
        walk.meets
    }

    fn propagate(
        &mut self,
        function: &Function,
        graph: &Graph,
        homes: &[Option<BlockId>],
        meets: &[bool],
    ) {
        let mut changed = true;
        while changed {
            changed = false;
            for &block in &graph.order {
                changed |= self.propagate_parameters(function, graph, homes, block, meets);
                for inst in &function.blocks[block.index()].insts {
                    let Some(result) = inst.result else { continue };
                    // Uses behind a loop that lanes leave separately go through a parameter: the loop-closed form.
                    changed |= self.set(result, self.op_uniform(function, &inst.op));
                }
            }
        }
    }

    fn set(&mut self, value: Value, uniform: bool) -> bool {
        let slot = &mut self.uniform[value.0 as usize];
        let changed = *slot && !uniform;
        *slot &= uniform;
        changed
    }

    fn propagate_parameters(
        &mut self,
        function: &Function,
        graph: &Graph,
        homes: &[Option<BlockId>],
        block: BlockId,
        meets: &[bool],
    ) -> bool {
        let mut changed = false;
        for (index, &parameter) in function.blocks[block.index()].parameters.iter().enumerate() {
            let arguments = arguments(function, graph, block, index);
            let first = arguments.first().copied();
            let same = arguments.iter().all(|a| Some(*a) == first);
            // The same value on all ways: nothing is chosen here, unless time passed since it was defined.
            let settled = same
                && first.is_some_and(|value| match homes[value.0 as usize] {
                    Some(home) => !graph.leaves_loop(home, block),
                    None => true,
                });
            let now = arguments.iter().all(|value| self.uniform(*value))
                && (settled || !meets[block.index()]);
            changed |= self.set(parameter, now);
        }
        changed
    }

    fn op_uniform(&self, function: &Function, op: &Op) -> bool {
        let size = function.workgroup_size;
        match op {
            Op::Builtin(Builtin::LocalInvocationId(k)) => {
                // A wave takes 32 neighbours in the order x, y, z.
                let before: u32 = size[..usize::from(*k)].iter().product();
                size[usize::from(*k)] == 1 || before.is_multiple_of(32)
            }
            Op::Builtin(Builtin::SubgroupInvocationId) => size.iter().product::<u32>() == 1,
            Op::Atomic { .. }
            | Op::AtomicCompare { .. }
            | Op::LocalLoad(..)
            | Op::Load { volatile: true, .. } => false,
            Op::Load {
                space: Space::Arguments,
                offset,
                ..
            } => self.uniform(*offset),
            Op::Subgroup(_, scan, _) => *scan == Scan::Reduce,
            Op::Ballot(_) | Op::Any(_) | Op::All(_) | Op::BroadcastFirst(_) => true,
            // Every lane reads the same one.
            Op::Shuffle(Shuffle::Index, _, lane) => self.uniform(*lane),
            Op::Shuffle(_, value, _) => self.uniform(*value),
            Op::TileLoad { .. }
            | Op::TileMulAdd(_)
            | Op::TileSplat(_)
            | Op::TileBinary(..)
            | Op::TileScale(..) => false,
            _ => op.uses().into_iter().all(|value| self.uniform(value)),
        }
    }
}

/// Where each value is defined.
fn homes(function: &Function) -> Vec<Option<BlockId>> {
    let mut homes = vec![None; function.values.len()];
    for (index, block) in function.blocks.iter().enumerate() {
        let id = BlockId(index as u32);
        for value in &block.parameters {
            homes[value.0 as usize] = Some(id);
        }
        for inst in &block.insts {
            if let Some(value) = inst.result {
                homes[value.0 as usize] = Some(id);
            }
        }
    }
    homes
}

/// What parameter `index` of `block` is given by each edge that leads to it.
#[must_use]
pub(crate) fn arguments(
    function: &Function,
    graph: &Graph,
    block: BlockId,
    index: usize,
) -> Vec<Value> {
    let mut found = Vec::new();
    let mut from = graph.predecessors[block.index()].clone();
    from.dedup();
    for predecessor in from {
        if !graph.reachable(predecessor) {
            continue;
        }
        for target in function.blocks[predecessor.index()].terminator.targets() {
            if target.block == block {
                found.push(target.arguments[index]);
            }
        }
    }
    found
}

/// Where in the structure the walk is.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Where the region ends.
    end: Option<BlockId>,
    /// The innermost loop around it.
    loop_: Option<(BlockId, Loop)>,
    /// It is the latch of that loop.
    in_latch: bool,
    /// Lanes of that loop's iteration (without a loop: of the kernel) may be elsewhere.
    parted: bool,
    /// Lanes of the kernel may be elsewhere.
    apart: bool,
    /// All lanes are active.
    all: bool,
}

impl Place {
    const fn entry(all: bool) -> Self {
        Self {
            end: None,
            loop_: None,
            in_latch: false,
            parted: false,
            apart: false,
            all,
        }
    }
}

struct Walk<'a> {
    function: &'a Function,
    graph: &'a Graph,
    facts: &'a mut Divergence,
    meets: Vec<bool>,
}

/// What a region does beside what it computes.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    exits: Exits,
    /// Lanes return while others live on.
    divergent_return: bool,
}

impl Outcome {
    fn add(&mut self, other: Self) {
        self.exits = self.exits.or(other.exits);
        self.divergent_return |= other.divergent_return;
    }
}

impl Walk<'_> {
    /// Follows a region from `block` to its end, where lanes then are as `place` says. `enter`: `block` is the loop's own
    /// header or latch.
    fn region(&mut self, mut block: BlockId, place: &mut Place, mut enter: bool) -> Outcome {
        let mut outcome = Outcome::default();
        loop {
            if !std::mem::take(&mut enter) {
                if Some(block) == place.end {
                    return outcome;
                }
                if let Some((header, loop_)) = place.loop_ {
                    if block == header {
                        return outcome;
                    }
                    if block == loop_.merge {
                        self.facts.loops[header.index()].divergent_break |= place.parted;
                        outcome.exits.breaks = true;
                        return outcome;
                    }
                    if block == loop_.latch && !place.in_latch {
                        self.facts.loops[header.index()].divergent_continue |= place.parted;
                        outcome.exits.continues = true;
                        return outcome;
                    }
                }
            }
            if let Some(loop_) = self.function.blocks[block.index()].loop_
                && place.loop_.is_none_or(|(header, _)| header != block)
            {
                outcome.add(self.loop_(block, loop_, place));
                if !self.graph.reachable(loop_.merge) {
                    return outcome;
                }
                block = loop_.merge;
                continue;
            }
            self.facts.all_lanes[block.index()] = place.all;
            match self.function.blocks[block.index()].terminator.clone() {
                Terminator::Jump(target) => block = target.block,
                Terminator::Return | Terminator::Unreachable => {
                    outcome.exits.returns = true;
                    outcome.divergent_return |= place.parted || place.apart;
                    return outcome;
                }
                Terminator::Branch { merge, .. } => {
                    outcome.add(self.branch(block, place));
                    if !self.graph.reachable(merge) {
                        return outcome;
                    }
                    block = merge;
                }
            }
        }
    }

    fn branch(&mut self, block: BlockId, place: &mut Place) -> Outcome {
        let Terminator::Branch {
            condition,
            then,
            otherwise,
            merge,
        } = &self.function.blocks[block.index()].terminator
        else {
            return Outcome::default();
        };
        let divergent = !self.facts.uniform(*condition);
        let is_loop_merge = place.loop_.is_some_and(|(_, loop_)| loop_.merge == *merge);
        let arm = Place {
            end: (!is_loop_merge).then_some(*merge),
            parted: place.parted || divergent,
            all: place.all && !divergent,
            ..*place
        };
        let (mut first, mut second) = (arm, arm);
        let mut outcome = self.region(then.block, &mut first, false);
        outcome.add(self.region(otherwise.block, &mut second, false));
        self.facts.exits[block.index()] = outcome.exits;
        if !divergent {
            place.all &= first.all && second.all;
            place.parted |= first.parted || second.parted;
            place.apart |= first.apart || second.apart;
        } else {
            self.meets[merge.index()] = true;
            place.all &= !outcome.exits.any();
            // Whoever continued waits at the latch while the rest goes on; whoever left for good does not matter.
            place.parted |= outcome.exits.continues;
            if place.loop_.is_some() {
                place.apart |= outcome.exits.breaks;
            }
        }
        outcome
    }

    fn loop_(&mut self, header: BlockId, loop_: Loop, place: &mut Place) -> Outcome {
        let known = self.facts.loops[header.index()];
        let single = loop_.latch == header;
        let mut inside = Place {
            end: None,
            loop_: Some((header, loop_)),
            in_latch: single,
            parted: false,
            apart: place.apart || place.parted || known.divergent_break,
            all: place.all && !known.divergent_break && !known.divergent_return,
        };
        self.facts.loops[header.index()].entered_by_all = place.all;
        let mut latch = Place {
            in_latch: true,
            ..inside
        };
        let mut outcome = self.region(header, &mut inside, true);
        if !single && self.graph.reachable(loop_.latch) {
            outcome.add(self.region(loop_.latch, &mut latch, true));
        }
        let facts = &mut self.facts.loops[header.index()];
        facts.divergent_return |= outcome.divergent_return;
        self.meets[loop_.merge.index()] |= facts.divergent_break;
        self.meets[loop_.latch.index()] |= facts.divergent_continue;
        place.all &= !facts.divergent_return;
        outcome.exits = Exits {
            returns: outcome.exits.returns,
            ..Exits::default()
        };
        outcome
    }
}
