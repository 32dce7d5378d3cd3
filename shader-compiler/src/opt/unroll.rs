//! Loops of a known, small number of iterations are written out.
//!
//! That gives constant indices to local arrays (which then become values), constants to addresses, and long blocks to the
//! scheduler. The number of iterations is found by running the exit test on constants.

use std::collections::HashMap;

use super::duplicate::Renaming;
use super::loops::{Exit, Shape};
use crate::ir::{BlockId, Function, Graph, Op, Target, Terminator, Value, scalar};

/// Iterations that are written out at most.
const MOST_ITERATIONS: usize = 128;
/// Operations that a loop may grow to.
const MOST_OPERATIONS: usize = 700;
/// The same for a loop that indexes a local array by something that varies: it must be written out to compile at all.
const MOST_OPERATIONS_NEEDED: usize = 6000;

/// Writes out one loop, an inner one first; true if there was one.
pub(super) fn run(function: &mut Function) -> bool {
    let graph = Graph::new(function);
    for &header in graph.order.iter().rev() {
        let Some(shape) = Shape::of(function, &graph, header) else {
            continue;
        };
        let Some(exit) = shape.exit(function, &graph) else {
            continue;
        };
        if let Some(iterations) = worth_it(function, &graph, &shape, &exit) {
            unroll(function, &shape, &exit, iterations);
            return true;
        }
    }
    false
}

fn worth_it(function: &Function, graph: &Graph, shape: &Shape, exit: &Exit) -> Option<usize> {
    // One way out, and one way into the latch: else breaks and continues would lose their loop.
    let leaves = |block: &BlockId| {
        let block_data = &function.blocks[block.index()];
        let targets = block_data.terminator.targets();
        let out = targets
            .iter()
            .any(|target| !shape.body.contains(&target.block));
        let ours = *block == shape.header || Some(*block) == exit.through;
        (out && !ours) || block_data.terminator == Terminator::Return
    };
    if shape.body.iter().any(leaves)
        || graph.predecessors[shape.latch.index()].len() > 1 && shape.latch != shape.header
    {
        return None;
    }
    // An inner loop that is left would be multiplied with its branches; written out it would be gone already.
    let inner = shape.body[1..]
        .iter()
        .any(|block| function.blocks[block.index()].loop_.is_some());
    let iterations = iterations(function, shape, exit)?;
    let insts = || {
        shape
            .body
            .iter()
            .flat_map(|block| &function.blocks[block.index()].insts)
    };
    let size = insts().count() * iterations;
    let indexed = insts().any(|inst| matches!(inst.op, Op::LocalLoad(..) | Op::LocalStore(..)));
    let limit = match (inner, indexed) {
        (_, true) => MOST_OPERATIONS_NEEDED,
        (true, false) => 0,
        (false, false) => MOST_OPERATIONS,
    };
    (size <= limit).then_some(iterations)
}

/// Runs the exit test until it leaves.
fn iterations(function: &Function, shape: &Shape, exit: &Exit) -> Option<usize> {
    let known: HashMap<Value, &Op> = function
        .blocks
        .iter()
        .flat_map(|block| &block.insts)
        .filter_map(|inst| Some((inst.result?, &inst.op)))
        .collect();
    let evaluate = |values: &[Value], given: &HashMap<Value, u64>| -> Vec<Option<u64>> {
        let mut memo = given.clone();
        let one = |value: &Value| constant(function, &known, *value, &mut memo, 16);
        values.iter().map(one).collect()
    };
    let parameters = &function.blocks[shape.header.index()].parameters;
    let mut state: Vec<Option<u64>> = evaluate(&shape.initial, &HashMap::new());
    for iteration in 0..=MOST_ITERATIONS {
        let pairs = parameters.iter().zip(&state);
        let given = pairs.filter_map(|(p, bits)| Some((*p, (*bits)?))).collect();
        let condition = evaluate(&[exit.condition], &given)[0]?;
        if (condition != 0) != exit.stay_if {
            return Some(iteration);
        }
        state = evaluate(&shape.next, &given);
    }
    None
}

/// The bits of a value where the parameters are what `memo` says.
fn constant(
    function: &Function,
    known: &HashMap<Value, &Op>,
    value: Value,
    memo: &mut HashMap<Value, u64>,
    depth: u32,
) -> Option<u64> {
    if let Some(bits) = memo.get(&value) {
        return Some(*bits);
    }
    let mut of = |value: Value| constant(function, known, value, memo, depth.checked_sub(1)?);
    let ty = function.ty(value);
    let bits = match *known.get(&value)? {
        Op::Const(bits) => *bits,
        Op::Unary(op, a) => scalar::fold_unary(*op, function.ty(*a), ty, of(*a)?)?,
        Op::Binary(op, [a, b]) => scalar::fold_binary(*op, ty, of(*a)?, of(*b)?)?,
        Op::Compare(pred, [a, b]) => {
            scalar::compare(*pred, function.ty(*a), of(*a)?, of(*b)?).into()
        }
        Op::Select([c, a, b]) => match of(*c)? {
            0 => of(*b)?,
            _ => of(*a)?,
        },
        _ => return None,
    };
    memo.insert(value, bits);
    Some(bits)
}

fn unroll(function: &mut Function, shape: &Shape, exit: &Exit, iterations: usize) {
    let parameters = function.blocks[shape.header.index()].parameters.clone();
    let mut arguments = shape.initial.clone();
    let mut from = shape.before;
    for iteration in 0..=iterations {
        let last = iteration == iterations;
        let mut names = Renaming::default();
        names
            .values
            .extend(parameters.iter().copied().zip(arguments.iter().copied()));
        // Of the last time round only the header runs.
        let body = if last {
            &shape.body[..1]
        } else {
            &shape.body[..]
        };
        names.blocks(function, body);
        let header = names.blocks[&shape.header];
        function.blocks[header.index()].loop_ = None;
        function.blocks[from.index()].terminator = Terminator::Jump(Target {
            block: header,
            arguments: Vec::new(),
        });
        let target = if last {
            Target {
                block: shape.merge,
                arguments: names.all(&exit.leave),
            }
        } else {
            Target {
                block: names.blocks[&exit.stay.block],
                arguments: names.all(&exit.stay.arguments),
            }
        };
        function.blocks[header.index()].terminator = Terminator::Jump(target);
        if !last {
            arguments = names.all(&shape.next);
            from = names.blocks[&shape.latch];
        }
    }
}
