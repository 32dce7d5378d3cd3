//! Short branches become selects: both sides are computed, and the merge's parameters chosen by the condition.
//!
//! A branch costs a compare, a mask and a jump, and it ends the block that the scheduler sees. Where both sides hold a few
//! cheap operations without memory or cross-lane effects, choosing is cheaper.

use crate::ir::{
    Binary, BlockId, Function, Graph, Inst, Op, Target, Terminator, Type, Unary, Value,
};

/// Operations, both sides together, up to which choosing is taken to be cheaper.
const LIMIT: u32 = 10;

/// Flattens every branch that qualifies, inner ones first.
pub(super) fn run(function: &mut Function) -> bool {
    let mut changed = false;
    loop {
        let graph = Graph::new(function);
        let candidate = graph.order.iter().rev().find_map(|&block| {
            let sides = sides(function, &graph, block)?;
            Some((block, sides))
        });
        let Some((block, sides)) = candidate else {
            return changed;
        };
        flatten(function, block, sides);
        changed = true;
    }
}

/// Both ways from a branch to its merge: the block on the way, if there is one, and the arguments given at its end.
struct Sides {
    condition: Value,
    merge: BlockId,
    ways: [(Option<BlockId>, Vec<Value>); 2],
}

fn sides(function: &Function, graph: &Graph, block: BlockId) -> Option<Sides> {
    let Terminator::Branch {
        condition,
        then,
        otherwise,
        merge,
    } = &function.blocks[block.index()].terminator
    else {
        return None;
    };
    // A loop's own exit test is not a choice between values.
    if graph.loop_of[block.index()] != graph.loop_of[merge.index()] || !graph.reachable(*merge) {
        return None;
    }
    let way = |target: &Target| {
        if target.block == *merge {
            return Some((None, target.arguments.clone()));
        }
        let side = &function.blocks[target.block.index()];
        let alone =
            graph.predecessors[target.block.index()].len() == 1 && side.parameters.is_empty();
        match &side.terminator {
            Terminator::Jump(end) if alone && end.block == *merge && side.loop_.is_none() => {
                Some((Some(target.block), end.arguments.clone()))
            }
            _ => None,
        }
    };
    let ways = [way(then)?, way(otherwise)?];
    let wide = |value: &Value| matches!(function.ty(*value), Type::Words(_) | Type::Tile(..));
    if graph.predecessors[merge.index()].len() != 2 || ways[0].1.iter().any(wide) {
        return None;
    }
    let insts = ways.iter().filter_map(|(side, _)| *side);
    let costs = insts.flat_map(|side| &function.blocks[side.index()].insts);
    let mut total = 0;
    for inst in costs {
        total += cost(&inst.op)?;
    }
    (total <= LIMIT).then_some(Sides {
        condition: *condition,
        merge: *merge,
        ways,
    })
}

/// Instructions that an operation takes, about; none if it may not run for lanes that did not choose it.
const fn cost(op: &Op) -> Option<u32> {
    Some(match op {
        Op::Const(_) | Op::Undef | Op::Unary(Unary::Bitcast, _) | Op::Word(..) => 0,
        Op::Binary(
            Binary::UDiv | Binary::URem | Binary::SDiv | Binary::SRem | Binary::FDiv | Binary::FRem,
            _,
        ) => 12,
        Op::Binary(Binary::IMul | Binary::UMulHi | Binary::SMulHi, _) => 4,
        Op::Unary(
            Unary::Sqrt
            | Unary::Rsqrt
            | Unary::Rcp
            | Unary::Exp2
            | Unary::Log2
            | Unary::Sin
            | Unary::Cos,
            _,
        ) => 4,
        Op::Unary(..)
        | Op::Binary(..)
        | Op::Ternary(..)
        | Op::Compare(..)
        | Op::Select(_)
        | Op::Pack(_)
        | Op::PackFromF32(_) => 1,
        _ => return None,
    })
}

fn flatten(function: &mut Function, block: BlockId, sides: Sides) {
    let [(then, yes), (otherwise, no)] = sides.ways;
    for side in [then, otherwise].into_iter().flatten() {
        let insts = std::mem::take(&mut function.blocks[side.index()].insts);
        function.blocks[block.index()].insts.extend(insts);
        function.blocks[side.index()].terminator = Terminator::Unreachable;
    }
    let mut arguments = Vec::with_capacity(yes.len());
    for (yes, no) in yes.into_iter().zip(no) {
        if yes == no {
            arguments.push(yes);
            continue;
        }
        let ty = function.ty(yes);
        let result = function.new_value(ty);
        function.blocks[block.index()].insts.push(Inst {
            op: Op::Select([sides.condition, yes, no]),
            result: Some(result),
            source: u32::MAX,
        });
        arguments.push(result);
    }
    function.blocks[block.index()].terminator = Terminator::Jump(Target {
        block: sides.merge,
        arguments,
    });
}
