//! Loops: entry, latch, exit.

use gfx1100_isa::{Op as Isa, Operand as Reg};

use super::super::Condition;
use super::super::compare::negated;
use super::{EXEC, Exit, Flow, Label, Scope};
use crate::ir::{BlockId, Loop, Terminator};
use crate::machine::{self, Operand};

impl Flow<'_> {
    pub(super) fn loop_(&mut self, header: BlockId, loop_: Loop) {
        let facts = self.selector.divergence.loop_facts(header);
        let single = loop_.latch == header;
        // Lanes that wait behind the loop come back by this mask; all ones do if all came in and none returned.
        let all = facts.entered_by_all && !facts.divergent_return;
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

    pub(super) fn refers_to(&self, label: Label) -> bool {
        let id = Some(machine::BlockId(label.0 as u32));
        let mut insts = self.blocks.iter().flat_map(|block| &block.insts);
        insts.any(|inst| inst.target == id)
    }

    pub(super) fn latch(
        &mut self,
        block: BlockId,
        label: Label,
        live: Option<Operand>,
        returns: bool,
    ) {
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
    pub(super) fn close_loop(&mut self, block: BlockId) {
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

    pub(super) fn close_with_branch(
        &mut self,
        block: BlockId,
        _loop: Loop,
        head: Label,
        back: usize,
    ) {
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
                let (early, mut late): (Vec<_>, Vec<_>) = self
                    .copies(&edges[out])
                    .into_iter()
                    .partition(|(_, from)| written.contains(from));
                // What both edges pass on is then in the parameter: so the value and the parameter may share a register.
                for (_, from) in &mut late {
                    if let Some((parameter, _)) = before.iter().find(|(_, passed)| passed == from) {
                        *from = *parameter;
                    }
                }
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
}
