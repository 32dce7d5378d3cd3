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

mod branch;
mod exits;
mod loops;

use gfx1100_isa::{Op as Isa, Operand as Reg};

use super::{EdgeCode, Selector};
use crate::ir::{BlockId, Loop, Terminator};
use crate::machine::{self, Inst, Kind, Operand};

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
    pub(super) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Begins the block of a label; the current one goes on into it if it is open.
    pub(super) fn start(&mut self, label: Label) {
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
    pub(super) fn go(&mut self, label: Label) {
        let edges = self.logical.last_mut().expect("a block is begun");
        if !edges.contains(&label) {
            edges.push(label);
        }
    }

    /// Begins a block that lanes come to from block `from` only.
    pub(super) fn start_from(&mut self, from: usize, label: Label) {
        self.open = false;
        if !self.logical[from].contains(&label) {
            self.logical[from].push(label);
        }
        self.start(label);
    }

    pub(super) fn here(&self) -> usize {
        self.blocks.len() - 1
    }

    pub(super) fn append(&mut self, insts: Vec<Inst>) {
        let block = self.blocks.last_mut().expect("a block is begun");
        block.insts.extend(insts);
    }

    pub(super) fn emit(&mut self, op: Isa, dst: Operand, sources: &[Operand]) {
        let mut inst = self.selector.blank(op);
        inst.dst[0] = dst;
        inst.src[..sources.len()].copy_from_slice(sources);
        self.append(vec![inst]);
    }

    pub(super) fn jump(&mut self, op: Isa, to: Label) {
        let mut inst = self.selector.blank(op);
        inst.target = Some(machine::BlockId(to.0 as u32));
        self.append(vec![inst]);
    }

    pub(super) fn mask(&mut self) -> Operand {
        self.selector.mask_temporary()
    }

    pub(super) fn innermost_loop(&self) -> Option<(BlockId, Loop, bool)> {
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
    pub(super) fn exit_to(&self, block: BlockId, end: Option<BlockId>) -> Option<Exit> {
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
    pub(super) fn region(
        &mut self,
        mut block: BlockId,
        end: Option<BlockId>,
        mut enter: bool,
    ) -> bool {
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
    pub(super) fn edge(&mut self, block: BlockId, index: usize) {
        let Some(code) = self.selector.code[block.index()].edges.get_mut(index) else {
            return;
        };
        let code = std::mem::take(code);
        let copies = self.copies(&code);
        self.append(code.insts);
        self.copy(copies);
    }

    /// The copies of an edge whose targets somebody reads.
    pub(super) fn copies(&self, code: &EdgeCode) -> Vec<(Operand, Operand)> {
        let wanted = code.copies.iter().filter(|(parameter, to, from)| {
            self.selector.registers[parameter.0 as usize].is_some() && to != from
        });
        wanted.map(|(_, to, from)| (*to, *from)).collect()
    }

    pub(super) fn copy(&mut self, copies: Vec<(Operand, Operand)>) {
        if !copies.is_empty() {
            let mut inst = self.selector.blank(Isa::S_NOP);
            inst.kind = Kind::Copies(copies);
            self.append(vec![inst]);
        }
    }

    pub(super) fn has_code(&self, block: BlockId, index: usize) -> bool {
        let edge = &self.selector.code[block.index()].edges[index];
        !edge.insts.is_empty() || !self.copies(edge).is_empty()
    }

    /// A restored EXEC that the next block replaces at once need not be restored.
    pub(super) fn drop_overwritten_exec(&mut self, index: usize) {
        let sets = |inst: &Inst| {
            inst.kind == Kind::Isa(Isa::S_MOV_B32) && inst.dst[0] == EXEC && inst.src[0] != EXEC
        };
        let mut following = self.blocks[index + 1..].iter();
        let next = following.find_map(|block| block.insts.first());
        if next.is_some_and(sets) && self.blocks[index].insts.last().is_some_and(sets) {
            self.blocks[index].insts.pop();
        }
    }

    /// Numbers the blocks, drops jumps to what comes next, and derives the linear edges.
    pub(super) fn finish(mut self) -> machine::Function {
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
            self.drop_overwritten_exec(index);
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
