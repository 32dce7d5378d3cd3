//! Statements to blocks: branches, loops, switches as chains of branches, and calls, which are inlined.

use rspirv::dr::Instruction;

use super::super::module::{result, result_type, word};
use super::super::structure;
use super::super::tree::{self, Condition, FUNCTION, Node, Scope};
use super::{Lower, Lowered};
use crate::ir::*;

/// The innermost loop being lowered.
#[derive(Clone, Copy)]
pub(super) struct Around {
    merge: BlockId,
    latch: BlockId,
}

/// Where an inlined function leaves its result: not at all, in variables, or as values.
#[derive(Clone, Debug)]
pub(super) enum Returned {
    Nothing,
    Locals(Vec<Local>),
    Values(Vec<Value>),
}

/// Functions that may call one another in a row.
const MAX_CALL_DEPTH: usize = 100;

/// Calls that may be inlined into one kernel.
const MAX_INLINED: u32 = 10_000;

impl<'a> Lower<'_, 'a> {
    /// Declares the scope flags that the function's statements ask.
    pub(super) fn declare_flags(&mut self, nodes: &[Node<'_>]) {
        self.flags.clear();
        for scope in structure::asked_scopes(nodes) {
            let flag = self.new_local("left early", Type::Bool, 1);
            self.flags.insert(scope, flag);
        }
        self.set_flag(FUNCTION, false);
    }

    fn set_flag(&mut self, scope: Scope, to: bool) {
        if let Some(flag) = self.flags.get(&scope).copied() {
            let (index, value) = (self.b.i32(0), self.b.bool(to));
            self.b.effect(Op::LocalStore(flag, index, value));
        }
    }

    pub(super) fn nodes(&mut self, nodes: &[Node<'a>]) -> Lowered<()> {
        for node in nodes {
            if !self.b.is_open() {
                return Ok(());
            }
            match node {
                Node::Inst(inst) => self.inst(inst)?,
                Node::If {
                    condition,
                    then,
                    otherwise,
                } => {
                    let condition = match condition {
                        Condition::Id(id) => self.scalar(*id)?,
                        Condition::Left(scope) => {
                            let flag = *self.flags.get(scope).ok_or("a scope has no flag")?;
                            let index = self.b.i32(0);
                            self.b.value(Type::Bool, Op::LocalLoad(flag, index))
                        }
                    };
                    self.branch(
                        condition,
                        |l| l.nodes(then),
                        |l| l.nodes(otherwise),
                        otherwise.is_empty(),
                    )?;
                }
                Node::Loop {
                    body,
                    continuing,
                    break_if,
                } => self.repeat(body, continuing, *break_if)?,
                Node::Switch {
                    scope,
                    selector,
                    cases,
                    default,
                } => {
                    self.set_flag(*scope, false);
                    self.cases(*selector, cases, default)?;
                }
                Node::Break => self
                    .b
                    .jump(self.around.last().ok_or("a break outside of a loop")?.merge),
                Node::Continue => self.b.jump(
                    self.around
                        .last()
                        .ok_or("a continue outside of a loop")?
                        .latch,
                ),
                Node::SetLeft(scope) => self.set_flag(*scope, true),
                Node::Leave(_) => return Err("a scope is left in no known way".into()),
                Node::Return(value) => self.give_back(*value)?,
                Node::Unreachable => self.b.terminate(Terminator::Unreachable),
            }
        }
        Ok(())
    }

    /// An `if`; its sides are lowered by the two functions.
    fn branch(
        &mut self,
        condition: Value,
        then: impl FnOnce(&mut Self) -> Lowered<()>,
        otherwise: impl FnOnce(&mut Self) -> Lowered<()>,
        no_otherwise: bool,
    ) -> Lowered<()> {
        if let Some(known) = self.b.known(condition) {
            return if known != 0 {
                then(self)
            } else {
                otherwise(self)
            };
        }
        let then_block = self.b.new_block();
        let merge = self.b.new_block();
        let other_block = if no_otherwise {
            merge
        } else {
            self.b.new_block()
        };
        let target = |block| Target {
            block,
            arguments: Vec::new(),
        };
        self.b.terminate(Terminator::Branch {
            condition,
            then: target(then_block),
            otherwise: target(other_block),
            merge,
        });
        self.b.begin(then_block);
        then(self)?;
        let mut meets = no_otherwise || self.b.is_open();
        self.b.jump(merge);
        if !no_otherwise {
            self.b.begin(other_block);
            otherwise(self)?;
            meets |= self.b.is_open();
            self.b.jump(merge);
        }
        self.b.begin(merge);
        if !meets {
            self.b.terminate(Terminator::Unreachable);
        }
        Ok(())
    }

    fn repeat(
        &mut self,
        body: &[Node<'a>],
        continuing: &[Node<'a>],
        break_if: Option<u32>,
    ) -> Lowered<()> {
        let [header, latch, merge] = [(); 3].map(|()| self.b.new_block());
        self.b.jump(header);
        self.b.begin(header);
        self.b.function.blocks[header.index()].loop_ = Some(Loop { merge, latch });
        self.around.push(Around { merge, latch });
        self.nodes(body)?;
        self.b.jump(latch);
        self.around.pop();
        self.b.begin(latch);
        self.nodes(continuing)?;
        // The parts of `continuing` may have opened blocks of their own: the last one is the latch.
        match break_if {
            None => self.b.jump(header),
            Some(condition) => {
                let condition = self.scalar(condition)?;
                let target = |block| Target {
                    block,
                    arguments: Vec::new(),
                };
                let (then, otherwise) = (target(merge), target(header));
                self.b.terminate(Terminator::Branch {
                    condition,
                    then,
                    otherwise,
                    merge,
                });
            }
        }
        self.b.begin(merge);
        let goes = |block: &Block| block.terminator.targets().iter().any(|t| t.block == merge);
        if !self.b.function.blocks.iter().any(goes) {
            self.b.terminate(Terminator::Unreachable);
        }
        Ok(())
    }

    /// A switch as a chain of branches.
    fn cases(
        &mut self,
        id: u32,
        cases: &[(Vec<u32>, Vec<Node<'a>>)],
        default: &[Node<'a>],
    ) -> Lowered<()> {
        let Some(((literals, nodes), rest)) = cases.split_first() else {
            return self.nodes(default);
        };
        let selector = self.scalar(id)?;
        let ty = self.b.ty(selector);
        let mut condition = None;
        for literal in literals {
            let literal = self.b.constant(ty, u64::from(*literal));
            let equal = self.b.compare(Pred::Eq, selector, literal);
            condition = Some(match condition {
                None => equal,
                Some(before) => self.b.binary(Binary::Or, before, equal),
            });
        }
        let condition = condition.ok_or("a case without a literal")?;
        let nothing = rest.is_empty() && default.is_empty();
        self.branch(
            condition,
            |l| l.nodes(nodes),
            |l| l.cases(id, rest, default),
            nothing,
        )
    }

    /// A `return`.
    fn give_back(&mut self, value: Option<u32>) -> Lowered<()> {
        if self.returned.is_empty() {
            self.b.terminate(Terminator::Return);
            return Ok(());
        }
        let Some(id) = value else { return Ok(()) };
        let slots = self.slots(id)?;
        match self.returned.last().cloned() {
            Some(Returned::Locals(locals)) => {
                let index = self.b.i32(0);
                for (local, slot) in locals.into_iter().zip(slots) {
                    self.b.effect(Op::LocalStore(local, index, slot));
                }
            }
            Some(last) => {
                debug_assert!(
                    !matches!(last, Returned::Values(_)),
                    "one return gives one value"
                );
                self.returned.pop();
                self.returned.push(Returned::Values(slots));
            }
            None => {}
        }
        Ok(())
    }

    /// Inlines a call.
    pub(super) fn call(&mut self, inst: &Instruction) -> Lowered<()> {
        let id = word(inst, 0)?;
        let callee = self.function(id)?;
        if self.module.name(id) == "naga_mod" {
            return self.signed_remainder(inst);
        }
        if self.returned.len() > MAX_CALL_DEPTH {
            return Err(format!("calls are nested more than {MAX_CALL_DEPTH} deep"));
        }
        self.inlined += 1;
        if self.inlined > MAX_INLINED {
            return Err(format!("more than {MAX_INLINED} calls to inline"));
        }
        for (index, parameter) in callee.parameters.iter().enumerate() {
            let argument = self.val(word(inst, index + 1)?)?;
            self.values.insert(result(parameter)?, argument);
            self.types
                .insert(result(parameter)?, result_type(parameter)?);
        }
        let nodes = structure::structure(tree::statements(callee)?, true);
        let ty = result_type(inst)?;
        let outer_flags = std::mem::take(&mut self.flags);
        let outer_loops = std::mem::take(&mut self.around);
        self.declare_flags(&nodes);
        // A single return at the end of the function needs no variable.
        let simple =
            structure::returns(&nodes) == 1 && nodes.iter().any(|n| matches!(n, Node::Return(_)));
        let types = self.slot_types(ty)?;
        let returned = if simple || types.is_empty() {
            Returned::Nothing
        } else {
            let name = format!("result of {}", self.module.name(id));
            Returned::Locals(
                types
                    .into_iter()
                    .map(|t| self.new_local(&name, t, 1))
                    .collect(),
            )
        };
        self.returned.push(returned);
        let source = self.b.source;
        self.nodes(&nodes)?;
        self.b.source = source;
        self.flags = outer_flags;
        self.around = outer_loops;
        let slots = match self.returned.pop() {
            Some(Returned::Locals(locals)) => {
                let index = self.b.i32(0);
                let load = |local: Local| {
                    let ty = self.b.function.locals[local.0 as usize].ty;
                    self.b.value(ty, Op::LocalLoad(local, index))
                };
                locals.into_iter().map(load).collect()
            }
            Some(Returned::Values(slots)) => slots,
            _ => Vec::new(),
        };
        self.define(inst, slots)
    }

    /// naga writes `%` of signed integers as a call to a helper that computes `a - b * (a / b)`.
    fn signed_remainder(&mut self, inst: &Instruction) -> Lowered<()> {
        let (a, b) = (self.slots(word(inst, 1)?)?, self.slots(word(inst, 2)?)?);
        let slots = a
            .into_iter()
            .zip(b)
            .map(|(a, b)| self.b.binary(Binary::SRem, a, b))
            .collect();
        self.define(inst, slots)
    }
}
