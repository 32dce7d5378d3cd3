//! Loop-invariant operations move in front of their loop.
//!
//! Pure operations may always move: they have no effect, and one that would not have run costs an issue slot at most.
//! Loads of memory that nobody writes move too, but only where the loop's first iteration runs them for certain, because
//! an address of a loop that is not entered may lie anywhere.

use crate::ir::{BlockId, Function, Graph, Inst, Op, Terminator, Value};

/// Hoists out of every loop, inner loops first, so that what leaves one may leave the next.
pub(super) fn run(function: &mut Function) -> bool {
    let graph = Graph::new(function);
    let headers = graph.order.iter().rev().copied();
    let headers: Vec<BlockId> = headers
        .filter(|block| function.blocks[block.index()].loop_.is_some())
        .collect();
    let mut changed = false;
    for header in headers {
        changed |= hoist(function, &graph, header);
    }
    changed
}

fn hoist(function: &mut Function, graph: &Graph, header: BlockId) -> bool {
    let body = graph.loop_body(function, header);
    let Some(before) = preheader(graph, header, &body) else {
        return false;
    };
    let mut varies = vec![false; function.values.len()];
    for block in &body {
        let data = &function.blocks[block.index()];
        let results = data.insts.iter().filter_map(|inst| inst.result);
        for value in data.parameters.iter().copied().chain(results) {
            varies[value.0 as usize] = true;
        }
    }
    let mut moved: Vec<Inst> = Vec::new();
    for block in &body {
        let certain = graph.dominates(*block, loop_latch(function, header))
            && runs_first(function, &body, *block);
        let insts = std::mem::take(&mut function.blocks[block.index()].insts);
        let (out, stay): (Vec<Inst>, Vec<Inst>) = insts.into_iter().partition(|inst| {
            let goes = may_move(function, &inst.op, certain)
                && inst.op.uses().iter().all(|Value(v)| !varies[*v as usize]);
            if let (true, Some(result)) = (goes, inst.result) {
                varies[result.0 as usize] = false;
            }
            goes
        });
        moved.extend(out);
        function.blocks[block.index()].insts = stay;
    }
    let changed = !moved.is_empty();
    function.blocks[before.index()].insts.extend(moved);
    changed
}

fn loop_latch(function: &Function, header: BlockId) -> BlockId {
    function.blocks[header.index()]
        .loop_
        .map_or(header, |l| l.latch)
}

/// The one block outside that leads to the header, and to nothing else.
pub(super) fn preheader(graph: &Graph, header: BlockId, body: &[BlockId]) -> Option<BlockId> {
    let mut outside = graph.predecessors[header.index()]
        .iter()
        .filter(|from| !body.contains(from) && graph.reachable(**from));
    match (outside.next(), outside.next()) {
        (Some(before), None) => Some(*before),
        _ => None,
    }
}

/// Whether nothing leaves the loop before this block, which dominates the latch: then whoever enters the loop runs it.
fn runs_first(function: &Function, body: &[BlockId], block: BlockId) -> bool {
    let before = body.iter().take_while(|earlier| **earlier != block);
    before.into_iter().all(|earlier| {
        let terminator = &function.blocks[earlier.index()].terminator;
        let mut targets = terminator.targets().into_iter();
        *terminator != Terminator::Return && targets.all(|target| body.contains(&target.block))
    })
}

fn may_move(function: &Function, op: &Op, certain: bool) -> bool {
    match op {
        Op::Load {
            space,
            volatile: false,
            ..
        } => certain && function.is_read_only(*space),
        _ => op.is_pure(),
    }
}
