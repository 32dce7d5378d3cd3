//! Lays the selected blocks out in the order of the structure, and narrows and restores EXEC around them.
//!
//! Problem: lanes of a wave take different ways through one program counter.
//!
//! Idea: a branch on a uniform condition is a branch. A branch that parts lanes runs one side after the other, each with
//! the lanes in EXEC that take it. Lanes that leave a construct early are taken out of the masks from which EXEC would be
//! restored on the way to where they go:
//! - an `if` keeps `saved`, EXEC before it, which its end restores (where all lanes are known to be on, all ones do);
//! - a loop keeps `saved` likewise if lanes leave it separately, and `live`, the lanes of the iteration, if some wait at its
//!   latch;
//! - `break` takes its lanes out of `saved` of the `if`s inside the loop and out of `live`; `continue` out of the former
//!   alone; `return` out of all masks that there are.
//!
//! Invariant: EXEC is not empty where a block is entered, except inside short sides without memory access, branches or
//! exits, which are not worth a branch around them. So scalar loads run for somebody, and loops end.
//!
//! Logical edges are added where lanes go; linear ones follow from the branches in the end.

use gfx1100_isa::{Op as Isa, Operand as Reg};

use super::compare::{into_mask, negated};
use super::{Condition, EdgeCode, Selector};
use crate::ir::{BlockId, Loop, Op, Target, Terminator};
use crate::machine::{self, Inst, Kind, Operand};

/// More instructions than this are worth a branch around them where no lane may take them.
const SHORT: usize = 6;

const EXEC: Operand = Operand::Fixed(Reg::EXEC);

/// A place to jump to; block numbers are known in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Label(usize);

/// How lanes leave early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Break,
    Continue,
    Return,
}

enum Scope {
    If {
        saved: Option<Operand>,
        /// Where the program counter goes when this side is over.
        next: Label,
    },
    Loop {
        header: BlockId,
        loop_: Loop,
        in_latch: bool,
        divergent_break: bool,
        saved: Option<Operand>,
        live: Option<Operand>,
        latch: Label,
        exit: Label,
    },
}

struct Flow<'a> {
    selector: Selector<'a>,
    blocks: Vec<machine::Block>,
    /// Logical successors by label.
    logical: Vec<Vec<Label>>,
    labels: Vec<Option<usize>>,
    of_block: Vec<Label>,
    scopes: Vec<Scope>,
    /// The current block goes on into the next.
    open: bool,
    depth: u32,
    end: Label,
}

/// Puts the kernel together; `entry` are the instructions at its start.
pub(super) fn lay_out(selector: Selector<'_>, entry: Vec<Inst>) -> machine::Function {
    let mut flow = Flow {
        blocks: Vec::new(),
        logical: Vec::new(),
        labels: Vec::new(),
        of_block: Vec::new(),
        scopes: Vec::new(),
        open: false,
        depth: 0,
        end: Label(0),
        selector,
    };
    flow.end = flow.label();
    flow.of_block = (0..flow.selector.function.blocks.len())
        .map(|_| flow.label())
        .collect();
    let first = flow.of_block[0];
    flow.start(first);
    flow.append(entry);
    flow.region(BlockId(0), None, true);
    flow.finish()
}

impl Flow<'_> {
    fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Begins the block of a label; the current one goes on into it if it is open.
    fn start(&mut self, label: Label) {
        if self.labels[label.0].is_some() {
            return;
        }
        let fresh = self.open
            && self
                .blocks
                .last()
                .is_some_and(|block| block.insts.is_empty())
            && self.logical.last().is_some_and(Vec::is_empty)
            && self
                .blocks
                .last()
                .is_some_and(|block| block.depth == self.depth);
        if fresh {
            self.labels[label.0] = Some(self.blocks.len() - 1);
            return;
        }
        if self.open {
            self.go(label);
        }
        self.labels[label.0] = Some(self.blocks.len());
        self.blocks.push(machine::Block {
            depth: self.depth,
            ..machine::Block::default()
        });
        self.logical.push(Vec::new());
        self.open = true;
    }

    /// Lanes go from the current block to a label.
    fn go(&mut self, label: Label) {
        let edges = self.logical.last_mut().expect("a block is begun");
        if !edges.contains(&label) {
            edges.push(label);
        }
    }

    /// Begins a block that lanes come to from block `from` only.
    fn start_from(&mut self, from: usize, label: Label) {
        self.open = false;
        if !self.logical[from].contains(&label) {
            self.logical[from].push(label);
        }
        self.start(label);
    }

    fn here(&self) -> usize {
        self.blocks.len() - 1
    }

    fn append(&mut self, insts: Vec<Inst>) {
        let block = self.blocks.last_mut().expect("a block is begun");
        block.insts.extend(insts);
    }

    fn emit(&mut self, op: Isa, dst: Operand, sources: &[Operand]) {
        let mut inst = self.selector.blank(op);
        inst.dst[0] = dst;
        inst.src[..sources.len()].copy_from_slice(sources);
        self.append(vec![inst]);
    }

    fn jump(&mut self, op: Isa, to: Label) {
        let mut inst = self.selector.blank(op);
        inst.target = Some(machine::BlockId(to.0 as u32));
        self.append(vec![inst]);
    }

    fn mask(&mut self) -> Operand {
        self.selector.mask_temporary()
    }

    fn innermost_loop(&self) -> Option<(BlockId, Loop, bool)> {
        self.scopes.iter().rev().find_map(|scope| match scope {
            Scope::Loop {
                header,
                loop_,
                in_latch,
                ..
            } => Some((*header, *loop_, *in_latch)),
            Scope::If { .. } => None,
        })
    }

    /// Whether reaching this block means to leave the region that ends at `end`, and how.
    fn exit_to(&self, block: BlockId, end: Option<BlockId>) -> Option<Exit> {
        if Some(block) == end {
            return None;
        }
        if let Some((_, loop_, in_latch)) = self.innermost_loop() {
            if block == loop_.merge {
                return Some(Exit::Break);
            }
            if block == loop_.latch && !in_latch {
                return Some(Exit::Continue);
            }
        }
        let data = &self.selector.function.blocks[block.index()];
        let code = &self.selector.code[block.index()];
        let returns = matches!(
            data.terminator,
            Terminator::Return | Terminator::Unreachable
        );
        (returns && code.insts.is_empty()).then_some(Exit::Return)
    }

    /// Lays out a region from `block` on; whether its end is reached.
    fn region(&mut self, mut block: BlockId, end: Option<BlockId>, mut enter: bool) -> bool {
        loop {
            if !std::mem::take(&mut enter) {
                if Some(block) == end {
                    return true;
                }
                if let Some(exit) = self.exit_to(block, end) {
                    self.leave(exit);
                    return false;
                }
            }
            let loop_ = self.selector.function.blocks[block.index()].loop_;
            let entered = self
                .innermost_loop()
                .is_some_and(|(header, ..)| header == block);
            if let Some(loop_) = loop_.filter(|_| !entered) {
                self.loop_(block, loop_);
                if !self.open {
                    return false;
                }
                block = loop_.merge;
                continue;
            }
            let label = self.of_block[block.index()];
            self.start(label);
            let insts = std::mem::take(&mut self.selector.code[block.index()].insts);
            self.append(insts);
            if let Some((_, loop_, true)) = self.innermost_loop()
                && loop_.latch == block
            {
                self.close_loop(block);
                return false;
            }
            match self.selector.function.blocks[block.index()]
                .terminator
                .clone()
            {
                Terminator::Jump(target) => {
                    self.edge(block, 0);
                    block = target.block;
                }
                Terminator::Return | Terminator::Unreachable => {
                    self.leave(Exit::Return);
                    return false;
                }
                Terminator::Branch {
                    then,
                    otherwise,
                    merge,
                    ..
                } => {
                    if !self.branch(block, &then, &otherwise, merge) {
                        return false;
                    }
                    block = merge;
                }
            }
        }
    }

    /// What happens on edge `index` out of `block`.
    fn edge(&mut self, block: BlockId, index: usize) {
        let Some(code) = self.selector.code[block.index()].edges.get_mut(index) else {
            return;
        };
        let code = std::mem::take(code);
        let copies = self.copies(&code);
        self.append(code.insts);
        self.copy(copies);
    }

    /// The copies of an edge whose targets somebody reads.
    fn copies(&self, code: &EdgeCode) -> Vec<(Operand, Operand)> {
        let wanted = code.copies.iter().filter(|(parameter, to, from)| {
            self.selector.registers[parameter.0 as usize].is_some() && to != from
        });
        wanted.map(|(_, to, from)| (*to, *from)).collect()
    }

    fn copy(&mut self, copies: Vec<(Operand, Operand)>) {
        if !copies.is_empty() {
            let mut inst = self.selector.blank(Isa::S_NOP);
            inst.kind = Kind::Copies(copies);
            self.append(vec![inst]);
        }
    }

    fn has_code(&self, block: BlockId, index: usize) -> bool {
        let edge = &self.selector.code[block.index()].edges[index];
        !edge.insts.is_empty() || !self.copies(edge).is_empty()
    }

    fn branch(
        &mut self,
        block: BlockId,
        then: &Target,
        otherwise: &Target,
        merge: BlockId,
    ) -> bool {
        let is_loop_merge = self
            .innermost_loop()
            .is_some_and(|(_, l, _)| l.merge == merge);
        let end = (!is_loop_merge).then_some(merge);
        match self.selector.code[block.index()].condition.take() {
            Some(Condition::Scalar(insts, taken)) => {
                self.uniform_branch(block, [then, otherwise], end, insts, taken)
            }
            Some(condition) => self.divergent_branch(block, [then, otherwise], end, condition),
            None => false,
        }
    }

    fn uniform_branch(
        &mut self,
        block: BlockId,
        targets: [&Target; 2],
        end: Option<BlockId>,
        condition: Vec<Inst>,
        taken: bool,
    ) -> bool {
        let branch = |if_true: bool| {
            if if_true == taken {
                Isa::S_CBRANCH_SCC1
            } else {
                Isa::S_CBRANCH_SCC0
            }
        };
        let join = self.label();
        // A side that is but an edge to the end needs no block: its copies may run for both.
        let trivial = targets.map(|target| Some(target.block) == end);
        for side in [0, 1] {
            if trivial[side] && !trivial[1 - side] {
                self.edge(block, side);
                self.append(condition);
                self.go(join);
                self.jump(branch(side == 0), join);
                self.arm(block, 1 - side, targets[1 - side], end, join);
                self.start(join);
                return true;
            }
        }
        // So is a jump out of a loop.
        for side in [0, 1] {
            let exit = self.exit_to(targets[side].block, end);
            if let Some((landing, to)) = exit.and_then(|exit| self.plain_exit(exit))
                && !self.has_code(block, side)
            {
                self.append(condition);
                self.go(landing);
                self.jump(branch(side == 0), to);
                return self.last_arm(block, 1 - side, targets[1 - side], end);
            }
        }
        self.append(condition);
        let from = self.here();
        let other = self.label();
        self.jump(branch(false), other);
        let mut reached = self.arm(block, 0, targets[0], end, join);
        if reached {
            self.jump(Isa::S_BRANCH, join);
        }
        self.start_from(from, other);
        reached |= self.arm_here(block, 1, targets[1], end, join);
        if reached {
            self.start(join);
        }
        reached
    }

    /// A side in a block of its own behind the current one. Lanes go on to `join` if it ends.
    fn arm(
        &mut self,
        block: BlockId,
        side: usize,
        target: &Target,
        end: Option<BlockId>,
        join: Label,
    ) -> bool {
        let label = self.label();
        self.start_from(self.here(), label);
        self.arm_here(block, side, target, end, join)
    }

    fn arm_here(
        &mut self,
        block: BlockId,
        side: usize,
        target: &Target,
        end: Option<BlockId>,
        join: Label,
    ) -> bool {
        let reached = self.last_arm_here(block, side, target, end);
        if reached {
            self.go(join);
        }
        self.open = false;
        reached
    }

    /// A side after which nothing joins: the code behind it simply goes on.
    fn last_arm(
        &mut self,
        block: BlockId,
        side: usize,
        target: &Target,
        end: Option<BlockId>,
    ) -> bool {
        let label = self.label();
        self.start_from(self.here(), label);
        self.last_arm_here(block, side, target, end)
    }

    fn last_arm_here(
        &mut self,
        block: BlockId,
        side: usize,
        target: &Target,
        end: Option<BlockId>,
    ) -> bool {
        self.edge(block, side);
        self.region(target.block, end, false)
    }

    fn divergent_branch(
        &mut self,
        block: BlockId,
        targets: [&Target; 2],
        end: Option<BlockId>,
        condition: Condition,
    ) -> bool {
        for side in [0, 1] {
            if let Some(exit) = self.exit_to(targets[side].block, end) {
                return self.divergent_exit(block, targets, end, condition, side, exit);
            }
        }
        let trivial = targets.map(|target| Some(target.block) == end);
        for side in [0, 1] {
            if trivial[side] && !trivial[1 - side] {
                self.one_sided(block, 1 - side, targets[1 - side], end, condition);
                return true;
            }
        }
        self.two_sided(block, targets, end, condition)
    }

    /// The lanes of one side leave at once: the others go on, and nothing has to be restored.
    fn divergent_exit(
        &mut self,
        block: BlockId,
        targets: [&Target; 2],
        end: Option<BlockId>,
        condition: Condition,
        side: usize,
        exit: Exit,
    ) -> bool {
        // Whoever stays gives the parameters there their values when it leaves; until then they are nobody's.
        self.edge(block, side);
        let masks = self.masks_of(exit);
        // Lanes where the condition holds leave by side 0.
        let leave_if = side == 0;
        match condition {
            Condition::Compare(insts, keep) if masks.is_empty() => {
                self.append(insts);
                let inst = if leave_if { negated(&keep) } else { *keep };
                self.append(vec![inst]);
            }
            Condition::Mask(insts, mask) if masks.is_empty() => {
                self.append(insts);
                let op = if leave_if {
                    Isa::S_AND_NOT1_B32
                } else {
                    Isa::S_AND_B32
                };
                self.emit(op, EXEC, &[EXEC, mask]);
            }
            condition => {
                let leaving = self.mask();
                match condition {
                    Condition::Compare(insts, keep) => {
                        self.append(insts);
                        let compare = if leave_if { *keep } else { negated(&keep) };
                        self.append(vec![into_mask(&compare, leaving)]);
                    }
                    Condition::Mask(insts, mask) => {
                        self.append(insts);
                        let op = if leave_if {
                            Isa::S_AND_B32
                        } else {
                            Isa::S_AND_NOT1_B32
                        };
                        self.emit(op, leaving, &[EXEC, mask]);
                    }
                    Condition::None | Condition::Scalar(..) => return false,
                }
                for mask in masks {
                    self.emit(Isa::S_AND_NOT1_B32, mask, &[mask, leaving]);
                }
                self.emit(Isa::S_AND_NOT1_B32, EXEC, &[EXEC, leaving]);
            }
        }
        if let Some(landing) = self.landing(exit) {
            self.go(landing);
        }
        let next = self.next_part();
        self.jump(Isa::S_CBRANCH_EXECZ, next);
        self.last_arm(block, 1 - side, targets[1 - side], end)
    }

    /// EXEC before a branch, if it takes a register to know it.
    fn save_needed(&self, block: BlockId) -> bool {
        !self.selector.divergence.all_lanes(block) || self.selector.divergence.exits(block).any()
    }

    fn one_sided(
        &mut self,
        block: BlockId,
        side: usize,
        target: &Target,
        end: Option<BlockId>,
        condition: Condition,
    ) {
        self.edge(block, 1 - side);
        let saved = self.save_needed(block).then(|| self.mask());
        match condition {
            Condition::Compare(insts, keep) => {
                self.append(insts);
                if let Some(saved) = saved {
                    self.emit(Isa::S_MOV_B32, saved, &[EXEC]);
                }
                let inst = if side == 0 { *keep } else { negated(&keep) };
                self.append(vec![inst]);
            }
            Condition::Mask(insts, mask) => {
                self.append(insts);
                let op = match (saved.is_some(), side) {
                    (true, 0) => Isa::S_AND_SAVEEXEC_B32,
                    (true, _) => Isa::S_AND_NOT0_SAVEEXEC_B32,
                    (false, 0) => Isa::S_MOV_B32,
                    (false, _) => Isa::S_NOT_B32,
                };
                self.emit(op, saved.unwrap_or(EXEC), &[mask]);
            }
            Condition::None | Condition::Scalar(..) => {}
        }
        let join = self.label();
        self.go(join);
        if self.worth_skipping(target, end) {
            self.jump(Isa::S_CBRANCH_EXECZ, join);
        }
        self.scopes.push(Scope::If { saved, next: join });
        self.arm(block, side, target, end, join);
        self.scopes.pop();
        self.start(join);
        self.restore(block, saved);
    }

    fn two_sided(
        &mut self,
        block: BlockId,
        targets: [&Target; 2],
        end: Option<BlockId>,
        condition: Condition,
    ) -> bool {
        let mask = match condition {
            Condition::Compare(insts, keep) => {
                self.append(insts);
                let mask = self.mask();
                self.append(vec![into_mask(&keep, mask)]);
                mask
            }
            Condition::Mask(insts, mask) => {
                self.append(insts);
                mask
            }
            Condition::None | Condition::Scalar(..) => return false,
        };
        let saved = self.save_needed(block).then(|| self.mask());
        match saved {
            Some(saved) => self.emit(Isa::S_AND_SAVEEXEC_B32, saved, &[mask]),
            None => self.emit(Isa::S_MOV_B32, EXEC, &[mask]),
        }
        let from = self.here();
        let (other, join) = (self.label(), self.label());
        if self.worth_skipping(targets[0], end) {
            self.jump(Isa::S_CBRANCH_EXECZ, other);
        }
        self.scopes.push(Scope::If { saved, next: other });
        let mut reached = self.arm(block, 0, targets[0], end, join);
        self.scopes.pop();
        self.start_from(from, other);
        match saved {
            Some(saved) => self.emit(Isa::S_AND_NOT1_B32, EXEC, &[saved, mask]),
            None => self.emit(Isa::S_NOT_B32, EXEC, &[mask]),
        }
        if self.worth_skipping(targets[1], end) {
            self.jump(Isa::S_CBRANCH_EXECZ, join);
            let label = self.label();
            self.start_from(self.here(), label);
        }
        self.scopes.push(Scope::If { saved, next: join });
        reached |= self.arm_here(block, 1, targets[1], end, join);
        self.scopes.pop();
        self.start(join);
        self.restore(block, saved);
        if !reached {
            // Both sides left: whoever waits elsewhere is next.
            self.open = false;
        }
        reached
    }

    /// Turns on again, at the end of a branch, whoever was on before and is still there.
    fn restore(&mut self, block: BlockId, saved: Option<Operand>) {
        let all = Operand::Fixed(Reg::Inline(193));
        self.emit(Isa::S_MOV_B32, EXEC, &[saved.unwrap_or(all)]);
        if self.selector.divergence.exits(block).any() {
            let next = self.next_part();
            self.jump(Isa::S_CBRANCH_EXECZ, next);
            let label = self.label();
            self.start(label);
        }
    }

    /// Whether a side is long, or must not run without lanes.
    fn worth_skipping(&self, target: &Target, end: Option<BlockId>) -> bool {
        let data = &self.selector.function.blocks[target.block.index()];
        let simple = matches!(&data.terminator, Terminator::Jump(to) if Some(to.block) == end);
        let code = &self.selector.code[target.block.index()];
        let harmless = |op: &Op| {
            !matches!(
                op,
                Op::Load { .. }
                    | Op::Store { .. }
                    | Op::Atomic { .. }
                    | Op::AtomicCompare { .. }
                    | Op::Barrier { .. }
                    | Op::TileLoad { .. }
                    | Op::TileStore { .. }
                    | Op::TileMulAdd(_)
                    | Op::Subgroup(..)
            )
        };
        let harmless = data.insts.iter().all(|inst| harmless(&inst.op));
        !(simple && harmless && data.loop_.is_none() && code.insts.len() <= SHORT)
    }

    /// The masks out of which lanes are taken that leave, innermost first.
    fn masks_of(&self, exit: Exit) -> Vec<Operand> {
        let mut masks = Vec::new();
        for scope in self.scopes.iter().rev() {
            match scope {
                Scope::If { saved, .. } => masks.extend(*saved),
                Scope::Loop { live, .. } if exit == Exit::Break => {
                    masks.extend(*live);
                    break;
                }
                Scope::Loop { .. } if exit == Exit::Continue => break,
                Scope::Loop { live, saved, .. } => {
                    masks.extend(*live);
                    masks.extend(*saved);
                }
            }
        }
        masks
    }

    /// Where lanes go that leave; those that return go nowhere.
    fn landing(&self, exit: Exit) -> Option<Label> {
        self.scopes
            .iter()
            .rev()
            .find_map(|scope| match (scope, exit) {
                (Scope::Loop { exit, .. }, Exit::Break) => Some(*exit),
                (Scope::Loop { latch, .. }, Exit::Continue) => Some(*latch),
                _ => None,
            })
    }

    /// Where the program counter goes when no lane is on: to the next place where lanes may wait.
    fn next_part(&self) -> Label {
        self.waiting(self.scopes.len())
    }

    fn waiting(&self, scopes: usize) -> Label {
        for scope in self.scopes[..scopes].iter().rev() {
            match scope {
                Scope::If { next, .. } => return *next,
                Scope::Loop {
                    live: Some(_),
                    latch,
                    in_latch: false,
                    ..
                } => return *latch,
                Scope::Loop {
                    divergent_break: true,
                    exit,
                    ..
                } => return *exit,
                Scope::Loop { .. } => {}
            }
        }
        self.end
    }

    /// If all lanes that are on leave by nothing but a jump: where they go, and where the program counter goes.
    fn plain_exit(&self, exit: Exit) -> Option<(Label, Label)> {
        if !self.masks_of(exit).is_empty() || matches!(self.scopes.last(), Some(Scope::If { .. })) {
            return None;
        }
        let landing = self.landing(exit)?;
        Some((landing, landing))
    }

    /// All lanes that are on leave.
    fn leave(&mut self, exit: Exit) {
        for mask in self.masks_of(exit) {
            self.emit(Isa::S_AND_NOT1_B32, mask, &[mask, EXEC]);
        }
        let landing = self.landing(exit);
        if let Some(landing) = landing {
            self.go(landing);
        }
        let in_if = matches!(self.scopes.last(), Some(Scope::If { .. }));
        let others_live = matches!(self.scopes.last(), Some(Scope::Loop { live: Some(_), .. }));
        let to = match exit {
            Exit::Return => self.next_part(),
            Exit::Break if in_if || others_live => self.next_part(),
            Exit::Continue if in_if => self.next_part(),
            Exit::Break | Exit::Continue => landing.unwrap_or(self.end),
        };
        if to == self.end {
            self.emit(Isa::S_ENDPGM, Operand::None, &[]);
        } else {
            self.jump(Isa::S_BRANCH, to);
        }
        self.open = false;
    }

    fn loop_(&mut self, header: BlockId, loop_: Loop) {
        let facts = self.selector.divergence.loop_facts(header);
        let single = loop_.latch == header;
        // Lanes that wait behind the loop come back by this mask; all ones do if all came in and none returned.
        let all = self.entered_with_all(header) && !facts.divergent_return;
        let saved = (facts.divergent_break && !all).then(|| self.mask());
        if let Some(saved) = saved {
            self.emit(Isa::S_MOV_B32, saved, &[EXEC]);
        }
        let live = (facts.divergent_continue && !single).then(|| self.mask());
        let exit = self.label();
        let latch = self.of_block[loop_.latch.index()];
        self.scopes.push(Scope::Loop {
            header,
            loop_,
            in_latch: single,
            divergent_break: facts.divergent_break,
            saved,
            live,
            latch,
            exit,
        });
        self.depth += 1;
        let label = self.of_block[header.index()];
        self.start(label);
        let here = self.here();
        self.blocks[here].loop_header = true;
        if let Some(live) = live {
            self.emit(Isa::S_MOV_B32, live, &[EXEC]);
        }
        self.region(header, None, true);
        if !single && self.selector.graph.reachable(loop_.latch) {
            self.latch(loop_.latch, latch, live, facts.divergent_return);
        }
        self.depth -= 1;
        self.scopes.pop();
        self.open = false;
        let merge = self.selector.graph.reachable(loop_.merge);
        if !merge && !self.refers_to(exit) {
            return;
        }
        self.start(exit);
        if facts.divergent_break {
            let all = Operand::Fixed(Reg::Inline(193));
            self.emit(Isa::S_MOV_B32, EXEC, &[saved.unwrap_or(all)]);
            if facts.divergent_return || !merge {
                let next = self.next_part();
                let op = if merge {
                    Isa::S_CBRANCH_EXECZ
                } else {
                    Isa::S_BRANCH
                };
                self.jump(op, next);
                let label = self.label();
                if merge {
                    self.start(label);
                }
            }
        }
        self.open = merge;
    }

    fn refers_to(&self, label: Label) -> bool {
        let id = Some(machine::BlockId(label.0 as u32));
        let mut insts = self.blocks.iter().flat_map(|block| &block.insts);
        insts.any(|inst| inst.target == id)
    }

    fn entered_with_all(&self, header: BlockId) -> bool {
        let predecessors = &self.selector.graph.predecessors[header.index()];
        predecessors.iter().any(|from| {
            !self.selector.graph.dominates(header, *from)
                && self.selector.divergence.all_lanes(*from)
        })
    }

    fn latch(&mut self, block: BlockId, label: Label, live: Option<Operand>, returns: bool) {
        self.open = false;
        self.start(label);
        if let Some(Scope::Loop { in_latch, .. }) = self.scopes.last_mut() {
            *in_latch = true;
        }
        if let Some(live) = live {
            self.emit(Isa::S_MOV_B32, EXEC, &[live]);
            let breaks = matches!(
                self.scopes.last(),
                Some(Scope::Loop {
                    divergent_break: true,
                    ..
                })
            );
            if breaks || returns {
                let next = self.next_part();
                self.jump(Isa::S_CBRANCH_EXECZ, next);
            }
            let label = self.label();
            self.start_from(self.here(), label);
        }
        self.region(block, None, true);
    }

    /// The end of a latch: back to the header, or out.
    fn close_loop(&mut self, block: BlockId) {
        let Some((header, loop_, _)) = self.innermost_loop() else {
            return;
        };
        let head = self.of_block[header.index()];
        match self.selector.function.blocks[block.index()]
            .terminator
            .clone()
        {
            Terminator::Jump(_) => {
                self.edge(block, 0);
                self.go(head);
                self.jump(Isa::S_BRANCH, head);
            }
            Terminator::Branch { then, .. } => {
                let back = usize::from(then.block != header);
                self.close_with_branch(block, loop_, head, back);
            }
            Terminator::Return | Terminator::Unreachable => self.leave(Exit::Return),
        }
        self.open = false;
    }

    fn close_with_branch(&mut self, block: BlockId, _loop: Loop, head: Label, back: usize) {
        let out = 1 - back;
        let landing = self.landing(Exit::Break).unwrap_or(self.end);
        let code = &mut self.selector.code[block.index()];
        let condition = code.condition.take();
        match condition {
            Some(Condition::Scalar(insts, taken)) => {
                let edges = std::mem::take(&mut code.edges);
                let mut before = self.copies(&edges[back]);
                let written: Vec<Operand> = before.iter().map(|(to, _)| *to).collect();
                // What the back edge overwrites must be saved before; the rest can wait until the loop is left.
                let (early, late): (Vec<_>, Vec<_>) = self
                    .copies(&edges[out])
                    .into_iter()
                    .partition(|(_, from)| written.contains(from));
                before.extend(early);
                self.append(insts);
                for edge in edges {
                    self.append(edge.insts);
                }
                self.copy(before);
                let op = if (back == 0) == taken {
                    Isa::S_CBRANCH_SCC1
                } else {
                    Isa::S_CBRANCH_SCC0
                };
                self.go(head);
                self.jump(op, head);
                if late.is_empty() {
                    self.go(landing);
                } else {
                    let label = self.label();
                    self.start_from(self.here(), label);
                    self.copy(late);
                    self.go(landing);
                }
            }
            Some(condition) => {
                self.edge(block, out);
                match condition {
                    Condition::Compare(insts, keep) => {
                        self.append(insts);
                        let inst = if back == 0 { *keep } else { negated(&keep) };
                        self.append(vec![inst]);
                    }
                    Condition::Mask(insts, mask) => {
                        self.append(insts);
                        let op = if back == 0 {
                            Isa::S_AND_B32
                        } else {
                            Isa::S_AND_NOT1_B32
                        };
                        self.emit(op, EXEC, &[EXEC, mask]);
                    }
                    Condition::None | Condition::Scalar(..) => {}
                }
                self.go(landing);
                if self.has_code(block, back) {
                    // The parameters of the lanes that leave stay as they are: the copies stand apart.
                    let label = self.label();
                    self.start_from(self.here(), label);
                    self.edge(block, back);
                }
                self.go(head);
                self.jump(Isa::S_CBRANCH_EXECNZ, head);
            }
            None => {}
        }
    }

    /// Numbers the blocks, drops jumps to what comes next, and derives the linear edges.
    fn finish(mut self) -> machine::Function {
        if self.refers_to(self.end) || self.open {
            self.open = false;
            let end = self.end;
            self.start(end);
            self.emit(Isa::S_ENDPGM, Operand::None, &[]);
        }
        let labels = std::mem::take(&mut self.labels);
        let place = |label: usize| machine::BlockId(labels[label].unwrap_or(0) as u32);
        let count = self.blocks.len();
        for index in 0..count {
            for inst in &mut self.blocks[index].insts {
                inst.target = inst.target.map(|label| place(label.0 as usize));
            }
            let next = Some(machine::BlockId(index as u32 + 1));
            let insts = &mut self.blocks[index].insts;
            while insts
                .last()
                .is_some_and(|inst| inst.target.is_some() && inst.target == next)
            {
                insts.pop();
            }
            let logical = &self.logical[index];
            self.blocks[index].logical = logical.iter().map(|label| place(label.0)).collect();
            self.blocks[index].linear = linear(&self.blocks[index], index, count);
        }
        let mut out = self.selector.out;
        out.blocks = self.blocks;
        out
    }
}

/// Where the program counter goes from a block.
fn linear(block: &machine::Block, index: usize, count: usize) -> Vec<machine::BlockId> {
    let mut linear: Vec<machine::BlockId> = Vec::new();
    for inst in &block.insts {
        if let Some(target) = inst.target
            && !linear.contains(&target)
        {
            linear.push(target);
        }
    }
    let ends = block
        .insts
        .last()
        .is_some_and(|inst| matches!(inst.kind, Kind::Isa(Isa::S_BRANCH | Isa::S_ENDPGM)));
    let next = machine::BlockId(index as u32 + 1);
    if !ends && index + 1 < count && !linear.contains(&next) {
        linear.push(next);
    }
    linear
}
