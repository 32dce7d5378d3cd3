//! Branches: one program counter for lanes that go one way, EXEC for lanes that part.

use gfx1100_isa::{Class, Op as Isa, Operand as Reg};

use super::super::Condition;
use super::super::compare::{into_mask, negated};
use super::{EXEC, Exit, Flow, Label, Scope};
use crate::ir::{BlockId, Target, Terminator};
use crate::machine::{Inst, Kind, Operand};

/// More instructions than this are worth a branch around them where no lane may take them.
const SHORT: usize = 6;
/// More dwords than this are not copied for a side that does not need it: apart, the copies may vanish.
const FEW: usize = 4;

impl Flow<'_> {
    pub(super) fn branch(
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

    pub(super) fn uniform_branch(
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
        // A side that is but an edge to the end needs no block: its copies, if they are few, may run for both.
        let trivial = targets.map(|target| self.is_edge(target, end));
        for side in [0, 1] {
            let few = || self.copied(block, side, targets[side], end) <= FEW;
            if trivial[side] && !trivial[1 - side] && few() {
                self.through(block, side, targets[side], end);
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
    pub(super) fn arm(
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

    pub(super) fn arm_here(
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
    pub(super) fn last_arm(
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

    pub(super) fn last_arm_here(
        &mut self,
        block: BlockId,
        side: usize,
        target: &Target,
        end: Option<BlockId>,
    ) -> bool {
        self.edge(block, side);
        self.region(target.block, end, false)
    }

    /// Whether a side does nothing but give the parameters of the end their values.
    pub(super) fn is_edge(&self, target: &Target, end: Option<BlockId>) -> bool {
        if Some(target.block) == end {
            return true;
        }
        let data = &self.selector.function.blocks[target.block.index()];
        let ends = matches!(&data.terminator, Terminator::Jump(to) if Some(to.block) == end);
        let empty = self.selector.code[target.block.index()].insts.is_empty();
        ends && empty && data.parameters.is_empty() && data.loop_.is_none()
    }

    /// Dwords that are copied on a side that [`Self::is_edge`].
    fn copied(&self, block: BlockId, side: usize, target: &Target, end: Option<BlockId>) -> usize {
        let of = |block: BlockId, side: usize| {
            let edges = &self.selector.code[block.index()].edges;
            self.copies(&edges[side]).len()
        };
        let further = if Some(target.block) == end {
            0
        } else {
            of(target.block, 0)
        };
        of(block, side) + further
    }

    /// What happens on a side that [`Self::is_edge`].
    pub(super) fn through(
        &mut self,
        block: BlockId,
        side: usize,
        target: &Target,
        end: Option<BlockId>,
    ) {
        self.edge(block, side);
        if Some(target.block) != end {
            self.edge(target.block, 0);
        }
    }

    pub(super) fn divergent_branch(
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
        let trivial = targets.map(|target| self.is_edge(target, end));
        for side in [0, 1] {
            if trivial[side] && !trivial[1 - side] {
                self.through(block, side, targets[side], end);
                self.one_sided(block, 1 - side, targets[1 - side], end, condition);
                return true;
            }
        }
        self.two_sided(block, targets, end, condition)
    }

    /// The lanes of one side leave at once: the others go on, and nothing has to be restored.
    pub(super) fn divergent_exit(
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
    pub(super) fn save_needed(&self, block: BlockId) -> bool {
        !self.selector.divergence.all_lanes(block) || self.selector.divergence.exits(block).any()
    }

    pub(super) fn one_sided(
        &mut self,
        block: BlockId,
        side: usize,
        target: &Target,
        end: Option<BlockId>,
        condition: Condition,
    ) {
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

    pub(super) fn two_sided(
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
        if reached {
            self.restore(block, saved);
        } else {
            // Both sides left: whoever waits elsewhere is next.
            let next = self.next_part();
            self.jump(Isa::S_BRANCH, next);
            self.open = false;
        }
        reached
    }

    /// Turns on again, at the end of a branch, whoever was on before and is still there.
    pub(super) fn restore(&mut self, block: BlockId, saved: Option<Operand>) {
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
    pub(super) fn worth_skipping(&self, target: &Target, end: Option<BlockId>) -> bool {
        let data = &self.selector.function.blocks[target.block.index()];
        let simple = matches!(&data.terminator, Terminator::Jump(to) if Some(to.block) == end);
        let code = &self.selector.code[target.block.index()];
        let harmless = |inst: &Inst| match inst.kind {
            Kind::Isa(op) => matches!(
                op.row().class,
                Class::Salu | Class::Valu | Class::Dot | Class::Trans
            ),
            Kind::Copies(_) | Kind::Undefined => true,
        };
        let harmless = code.insts.iter().all(harmless);
        !(simple && harmless && data.loop_.is_none() && code.insts.len() <= SHORT)
    }
}
