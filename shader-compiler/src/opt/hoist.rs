//! Loop-invariant operations move in front of their loop.
//!
//! Pure operations may always move: they have no effect, and one that would not have run costs an issue slot at most.
//! Loads of memory that nobody writes move too, but only where the loop's first iteration runs them for certain, because
//! an address of a loop that is not entered may lie anywhere. What is loaded waits in registers all through the loop: where
//! that is a lot, the loads stay.

use crate::ir::{Access, BlockId, Function, Graph, Inst, Op, Terminator, Value};

/// Dwords that loads which leave a loop deliver at most, all together.
const MOST_LOADED: u32 = 64;

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
    let mut marks = invariants(function, graph, header, &body, true);
    let all = body.iter().zip(&marks);
    let loaded = all.map(|(block, marks)| loaded(function, *block, marks));
    if loaded.sum::<u32>() > MOST_LOADED {
        marks = invariants(function, graph, header, &body, false);
    }
    let mut moved: Vec<Inst> = Vec::new();
    for (block, marks) in body.iter().zip(marks) {
        let insts = std::mem::take(&mut function.blocks[block.index()].insts);
        let stay = &mut function.blocks[block.index()].insts;
        for (inst, goes) in insts.into_iter().zip(marks) {
            if goes { &mut moved } else { &mut *stay }.push(inst);
        }
    }
    let changed = !moved.is_empty();
    function.blocks[before.index()].insts.extend(moved);
    changed
}

/// Dwords that loads which go deliver.
fn loaded(function: &Function, block: BlockId, marks: &[bool]) -> u32 {
    let insts = function.blocks[block.index()].insts.iter().zip(marks);
    let words = insts.map(|(inst, goes)| match inst.op {
        Op::Load { access, .. } if *goes => match access {
            Access::Words(count) => count.into(),
            Access::Half => 1,
        },
        _ => 0,
    });
    words.sum()
}

/// For each block of the loop and each of its instructions, whether it may go.
fn invariants(
    function: &Function,
    graph: &Graph,
    header: BlockId,
    body: &[BlockId],
    loads: bool,
) -> Vec<Vec<bool>> {
    let mut varies = vec![false; function.values.len()];
    for block in body {
        let data = &function.blocks[block.index()];
        let results = data.insts.iter().filter_map(|inst| inst.result);
        for value in data.parameters.iter().copied().chain(results) {
            varies[value.0 as usize] = true;
        }
    }
    let mut all = Vec::with_capacity(body.len());
    for block in body {
        let certain = loads
            && graph.dominates(*block, loop_latch(function, header))
            && runs_first(function, body, *block);
        let insts = function.blocks[block.index()].insts.iter();
        let marks = insts.map(|inst| {
            let goes = may_move(function, &inst.op, certain)
                && inst.op.uses().iter().all(|Value(v)| !varies[*v as usize]);
            if let (true, Some(result)) = (goes, inst.result) {
                varies[result.0 as usize] = false;
            }
            goes
        });
        all.push(marks.collect());
    }
    all
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

#[cfg(test)]
mod tests {
    use crate::ir::{Graph, Op, Space};
    use crate::{front, opt};

    /// Loads of the table that stay in the loop of a kernel that reads `vectors` of it in every iteration.
    fn in_loop(vectors: u32) -> usize {
        let source = format!(
            "@group(0) @binding(0) var<storage, read> table: array<vec4<f32>>;
             @group(0) @binding(1) var<storage, read_write> out: array<f32>;
             @compute @workgroup_size(32)
             fn main(@builtin(local_invocation_index) local: u32) {{
                 var sum = f32(local);
                 for (var i = 0u; i < arrayLength(&out); i++) {{
                     for (var k = 0u; k < {vectors}u; k++) {{
                         let v = table[k];
                         sum = fma(sum, v.x, fma(sum, v.y, fma(sum, v.z, v.w)));
                     }}
                 }}
                 out[local] = sum;
             }}"
        );
        let mut functions = front::compile(&source, &[]).expect("valid WGSL");
        let function = &mut functions[0];
        opt::run(function, &|_| false, &mut |_, _| ()).expect("it has no arrays");
        let graph = Graph::new(function);
        let inside = graph.order.iter().filter(|b| graph.depth[b.index()] > 0);
        let insts = inside.flat_map(|block| &function.blocks[block.index()].insts);
        let loads = insts.filter(|inst| {
            matches!(
                inst.op,
                Op::Load {
                    space: Space::Buffer(0),
                    ..
                }
            )
        });
        loads.count()
    }

    #[test]
    fn a_few_loads_leave_a_loop_and_many_stay() {
        assert_eq!(in_loop(15), 0);
        assert_eq!(in_loop(17), 17);
    }
}
