//! From the control-flow graph of a SPIR-V function to nested statements.
//!
//! naga writes each statement of WGSL in one fixed shape, so the nesting is read off the merge instructions. Early exits
//! stay as they were written; [`super::structure`] makes them structural.

use std::collections::HashMap;

use rspirv::dr::{self, Instruction};
use rspirv::spirv::Op;

use super::module::word;

/// Something that is left early other than a loop: the function itself (0) or one of its switches.
pub(super) type Scope = u32;

/// The scope of the whole function.
pub(super) const FUNCTION: Scope = 0;

/// Cases of a switch: it becomes a chain of branches, each nested in the one before.
const MAX_CASES: usize = 250;

/// What a branch asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// A SPIR-V value.
    Id(u32),
    /// The scope has been left.
    Left(Scope),
}

/// A statement.
#[derive(Clone, Debug)]
pub(super) enum Node<'a> {
    Inst(&'a Instruction),
    If {
        condition: Condition,
        then: Vec<Node<'a>>,
        otherwise: Vec<Node<'a>>,
    },
    /// `break_if` is asked after `continuing`.
    Loop {
        body: Vec<Node<'a>>,
        continuing: Vec<Node<'a>>,
        break_if: Option<u32>,
    },
    /// Cases with their literals; the default has none. Without cases it is a plain scope.
    Switch {
        scope: Scope,
        selector: u32,
        cases: Vec<(Vec<u32>, Vec<Node<'a>>)>,
        default: Vec<Node<'a>>,
    },
    /// Leaves the innermost loop.
    Break,
    /// Goes to the innermost loop's `continuing`.
    Continue,
    /// Leaves a scope; not after [`super::structure`].
    Leave(Scope),
    /// Notes that a scope is left; only after [`super::structure`].
    SetLeft(Scope),
    /// Returns from the function (with a value). After [`super::structure`], in an inlined function: only notes the
    /// value.
    Return(Option<u32>),
    Unreachable,
}

/// Where a statement list ends and where its exits lead.
#[derive(Clone, Copy, Default)]
struct Exits {
    end: u32,
    loop_merge: Option<u32>,
    loop_continue: Option<u32>,
    switch: Option<(u32, Scope)>,
}

struct Builder<'a> {
    blocks: HashMap<u32, &'a dr::Block>,
    /// Blocks read; each is read once, so a strange graph ends in an error and not in an endless walk.
    budget: usize,
    scopes: Scope,
}

/// The statements of a function, early exits as they were written.
pub(super) fn statements(function: &dr::Function) -> Result<Vec<Node<'_>>, String> {
    let mut blocks = HashMap::new();
    for block in &function.blocks {
        blocks.insert(block.label_id().ok_or("a block has no label")?, block);
    }
    let first = function
        .blocks
        .first()
        .and_then(dr::Block::label_id)
        .ok_or("a function has no body")?;
    // Blocks of a `continuing` part are counted twice.
    let mut builder = Builder {
        budget: 2 * blocks.len(),
        blocks,
        scopes: FUNCTION,
    };
    builder.list(first, Exits::default())
}

impl<'a> Builder<'a> {
    /// The statements from block `label` up to (not including) `exits.end`.
    fn list(&mut self, mut label: u32, exits: Exits) -> Result<Vec<Node<'a>>, String> {
        let mut nodes = Vec::new();
        while label != exits.end {
            if let Some(node) = exit(label, exits) {
                nodes.push(node);
                break;
            }
            self.budget = self
                .budget
                .checked_sub(1)
                .ok_or("control flow is not structured as WGSL's is")?;
            let block = *self
                .blocks
                .get(&label)
                .ok_or_else(|| format!("block {label} does not exist"))?;
            let Some((last, mut insts)) = block.instructions.split_last() else {
                return Err(format!("block {label} is empty"));
            };
            let merge = insts
                .iter()
                .position(|i| matches!(i.class.opcode, Op::SelectionMerge | Op::LoopMerge));
            let merge = merge.map(|at| {
                let merge = &insts[at];
                insts = &insts[..at];
                merge
            });
            nodes.extend(insts.iter().map(Node::Inst));
            match (merge, last.class.opcode) {
                (Some(merge), _) => {
                    nodes.push(self.construct(merge, last, label, exits)?);
                    label = word(merge, 0)?;
                }
                (None, Op::Branch) => label = word(last, 0)?,
                (None, Op::Return) => {
                    nodes.push(Node::Return(None));
                    break;
                }
                (None, Op::ReturnValue) => {
                    nodes.push(Node::Return(Some(word(last, 0)?)));
                    break;
                }
                (None, Op::Unreachable) => {
                    nodes.push(Node::Unreachable);
                    break;
                }
                (None, _) => return Err(format!("Op{} is not supported", last.class.opname)),
            }
        }
        Ok(nodes)
    }

    /// The statement that `merge` and the terminator `last` of block `label` begin.
    fn construct(
        &mut self,
        merge: &'a Instruction,
        last: &'a Instruction,
        label: u32,
        exits: Exits,
    ) -> Result<Node<'a>, String> {
        let end = word(merge, 0)?;
        match (merge.class.opcode, last.class.opcode) {
            (Op::SelectionMerge, Op::BranchConditional) => {
                let inner = Exits { end, ..exits };
                Ok(Node::If {
                    condition: Condition::Id(word(last, 0)?),
                    then: self.list(word(last, 1)?, inner)?,
                    otherwise: self.list(word(last, 2)?, inner)?,
                })
            }
            (Op::SelectionMerge, Op::Switch) => self.switch(last, end, exits),
            (Op::LoopMerge, Op::Branch) => {
                let next = word(merge, 1)?;
                let body = Exits {
                    end: next,
                    loop_merge: Some(end),
                    loop_continue: Some(next),
                    switch: None,
                };
                let mut body = self.list(word(last, 0)?, body)?;
                let (mut continuing, break_if) = self.continuing(next, label, end)?;
                if !continuing.iter().all(is_plain) {
                    // `continue` may go to the latch only, which is one block. So it leaves a scope instead, and what
                    // `continuing` does stands at the end of the body.
                    self.scopes += 1;
                    let scope = self.scopes;
                    leave_for_continue(&mut body, scope);
                    let body_scope = Node::Switch {
                        scope,
                        selector: 0,
                        cases: Vec::new(),
                        default: body,
                    };
                    body = std::iter::once(body_scope)
                        .chain(continuing.drain(..))
                        .collect();
                }
                Ok(Node::Loop {
                    body,
                    continuing,
                    break_if,
                })
            }
            _ => Err(format!(
                "Op{} after a merge is not supported",
                last.class.opname
            )),
        }
    }

    fn switch(
        &mut self,
        last: &'a Instruction,
        end: u32,
        exits: Exits,
    ) -> Result<Node<'a>, String> {
        self.scopes += 1;
        let scope = self.scopes;
        let inner = Exits {
            end,
            switch: Some((end, scope)),
            ..exits
        };
        let default_label = word(last, 1)?;
        let mut labels: Vec<(u32, Vec<u32>)> = Vec::new();
        for index in (2..last.operands.len()).step_by(2) {
            let (literal, label) = (word(last, index)?, word(last, index + 1)?);
            match labels.iter_mut().find(|(l, _)| *l == label) {
                Some((_, literals)) => literals.push(literal),
                None => labels.push((label, vec![literal])),
            }
        }
        if labels.len() > MAX_CASES {
            return Err(format!("a switch of more than {MAX_CASES} cases"));
        }
        let mut cases = Vec::new();
        for (label, literals) in labels {
            if label != default_label {
                cases.push((literals, self.list(label, inner)?));
            }
        }
        Ok(Node::Switch {
            scope,
            selector: word(last, 0)?,
            cases,
            default: self.list(default_label, inner)?,
        })
    }

    /// The `continuing` part of a loop: everything up to the back edge.
    fn continuing(
        &mut self,
        first: u32,
        header: u32,
        merge: u32,
    ) -> Result<(Vec<Node<'a>>, Option<u32>), String> {
        let mut nodes = Vec::new();
        let mut label = first;
        loop {
            let block = *self
                .blocks
                .get(&label)
                .ok_or_else(|| format!("block {label} does not exist"))?;
            self.budget = self
                .budget
                .checked_sub(1)
                .ok_or("control flow is not structured as WGSL's is")?;
            match block.instructions.split_last() {
                Some((last, insts)) if last.class.opcode == Op::BranchConditional => {
                    let has_merge = insts
                        .last()
                        .is_some_and(|i| i.class.opcode == Op::SelectionMerge);
                    if !has_merge && word(last, 1)? == merge && word(last, 2)? == header {
                        nodes.extend(insts.iter().map(Node::Inst));
                        return Ok((nodes, Some(word(last, 0)?)));
                    }
                }
                _ => {}
            }
            // Up to the next point where control flow comes together again: one block and what its merge opens.
            let end = next_join(block)?;
            let exits = Exits {
                end,
                ..Exits::default()
            };
            nodes.extend(self.list(label, exits)?);
            if end == header {
                return Ok((nodes, None));
            }
            label = end;
        }
    }
}

/// Where control flow comes together after `block` and what it opens.
fn next_join(block: &dr::Block) -> Result<u32, String> {
    let merge = block
        .instructions
        .iter()
        .find(|i| matches!(i.class.opcode, Op::SelectionMerge | Op::LoopMerge));
    match (merge, block.instructions.last()) {
        (Some(merge), _) => word(merge, 0),
        (None, Some(last)) if last.class.opcode == Op::Branch => word(last, 0),
        _ => Err("a continuing block leaves the loop".into()),
    }
}

/// The statement that going to `label` means, if it is one of the exits.
fn exit<'a>(label: u32, exits: Exits) -> Option<Node<'a>> {
    if exits.loop_merge == Some(label) {
        return Some(Node::Break);
    }
    if exits.loop_continue == Some(label) {
        return Some(Node::Continue);
    }
    exits
        .switch
        .filter(|(merge, _)| *merge == label)
        .map(|(_, scope)| Node::Leave(scope))
}

/// It stays within one block.
fn is_plain(node: &Node<'_>) -> bool {
    matches!(node, Node::Inst(inst) if inst.class.opcode != Op::FunctionCall)
}

/// Replaces every `continue` of the loop with this body.
fn leave_for_continue(nodes: &mut [Node<'_>], scope: Scope) {
    for node in nodes {
        match node {
            Node::Continue => *node = Node::Leave(scope),
            Node::If {
                then, otherwise, ..
            } => {
                leave_for_continue(then, scope);
                leave_for_continue(otherwise, scope);
            }
            Node::Switch { cases, default, .. } => {
                cases
                    .iter_mut()
                    .for_each(|(_, nodes)| leave_for_continue(nodes, scope));
                leave_for_continue(default, scope);
            }
            _ => {}
        }
    }
}
