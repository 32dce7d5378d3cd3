//! What the loop passes need to know of a loop: its one entry, its exit test, how its parameters go on.

use super::hoist::preheader;
use crate::ir::{BlockId, Function, Graph, Target, Terminator, Value};

/// A loop whose header (`top`) or latch decides whether it goes on.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) header: BlockId,
    pub(super) latch: BlockId,
    pub(super) merge: BlockId,
    /// The block before it.
    pub(super) before: BlockId,
    /// The construct's blocks, header first.
    pub(super) body: Vec<BlockId>,
    /// Arguments of the header's parameters at entry.
    pub(super) initial: Vec<Value>,
    /// Arguments at the back edge.
    pub(super) next: Vec<Value>,
}

/// A test at the loop's top that leaves the loop or stays.
#[derive(Clone, Debug)]
pub(super) struct Exit {
    pub(super) condition: Value,
    /// The loop goes on if the condition is this.
    pub(super) stay_if: bool,
    /// Where it goes on.
    pub(super) stay: Target,
    /// Arguments for the loop's merge.
    pub(super) leave: Vec<Value>,
    /// The empty block on the way to the merge, if there is one.
    pub(super) through: Option<BlockId>,
}

impl Shape {
    /// The shape of the loop with this header, if it has one entry and its latch jumps back without a test.
    pub(super) fn of(function: &Function, graph: &Graph, header: BlockId) -> Option<Self> {
        let loop_ = function.blocks[header.index()].loop_?;
        let body = graph.loop_body(function, header);
        let before = preheader(graph, header, &body)?;
        let Terminator::Jump(entry) = &function.blocks[before.index()].terminator else {
            return None;
        };
        let Terminator::Jump(back) = &function.blocks[loop_.latch.index()].terminator else {
            return None;
        };
        if back.block != header || !body.contains(&loop_.latch) {
            return None;
        }
        Some(Self {
            header,
            latch: loop_.latch,
            merge: loop_.merge,
            before,
            body,
            initial: entry.arguments.clone(),
            next: back.arguments.clone(),
        })
    }

    /// The header's exit test, if it ends in one.
    pub(super) fn exit(&self, function: &Function, graph: &Graph) -> Option<Exit> {
        let Terminator::Branch {
            condition,
            then,
            otherwise,
            ..
        } = &function.blocks[self.header.index()].terminator
        else {
            return None;
        };
        let leaves = |target: &Target| {
            if target.block == self.merge {
                return Some((target.arguments.clone(), None));
            }
            let side = &function.blocks[target.block.index()];
            let empty = side.insts.is_empty()
                && side.parameters.is_empty()
                && graph.predecessors[target.block.index()].len() == 1;
            match &side.terminator {
                Terminator::Jump(end) if empty && end.block == self.merge => {
                    Some((end.arguments.clone(), Some(target.block)))
                }
                _ => None,
            }
        };
        let (stay_if, stay, (leave, through)) = match (leaves(then), leaves(otherwise)) {
            (None, Some(way)) => (true, then.clone(), way),
            (Some(way), None) => (false, otherwise.clone(), way),
            _ => return None,
        };
        Some(Exit {
            condition: *condition,
            stay_if,
            stay,
            leave,
            through,
        })
    }
}
