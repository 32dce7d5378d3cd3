//! Strength reduction: a multiple of a loop counter becomes a counter of its own.
//!
//! In a loop whose parameter `i` goes on as `i + s` with `s` fixed, every value made from `i` by additions of fixed values
//! and multiplications by fixed values goes on by a fixed step too. Such a value that something else uses (an address, say)
//! becomes a parameter: computed once before the loop, then one addition per iteration. Modulo 2^32 this is exact.

use std::collections::HashMap;

use super::hoist::preheader;
use crate::ir::{Binary, BlockId, Divergence, Function, Graph, Inst, Op, Terminator, Type, Value};

/// Reduces in every loop; true if a counter was made.
pub(super) fn run(function: &mut Function) -> bool {
    let graph = Graph::new(function);
    let headers = graph.order.iter().copied();
    let headers: Vec<BlockId> = headers
        .filter(|block| function.blocks[block.index()].loop_.is_some())
        .collect();
    let mut changed = false;
    for header in headers {
        changed |= reduce(function, &graph, header);
    }
    changed
}

/// A value that goes on by a fixed step: the operations that make it from the loop counter, counter first.
#[derive(Clone, Debug)]
struct Affine {
    counter: usize,
    chain: Vec<(Binary, Value)>,
}

fn reduce(function: &mut Function, graph: &Graph, header: BlockId) -> bool {
    let body = graph.loop_body(function, header);
    let Some(before) = preheader(graph, header, &body) else {
        return false;
    };
    let Some(latch) = function.blocks[header.index()].loop_.map(|l| l.latch) else {
        return false;
    };
    let outside = fixed_values(function, &body);
    let fixed = |value: &Value| outside[value.0 as usize];
    let steps = counters(function, header, latch, &fixed);
    let divergence = Divergence::of(function, graph);
    // A counter that is the same in all lanes stays so: a lane's part is added to it at its use, where it costs nothing.
    let joins = |counter: &Value, by: &Value| {
        fixed(by) && (divergence.uniform(*by) || !divergence.uniform(*counter))
    };
    let affine = affine_values(function, header, &body, &steps, &joins);
    let roots = roots(function, &body, &affine);
    for (root, affine) in &roots {
        make_counter(function, header, before, latch, *root, affine, &steps);
    }
    !roots.is_empty()
}

/// True for values that are defined outside the loop.
fn fixed_values(function: &Function, body: &[BlockId]) -> Vec<bool> {
    let mut fixed = vec![true; function.values.len()];
    for block in body {
        let data = &function.blocks[block.index()];
        let results = data.insts.iter().filter_map(|inst| inst.result);
        for value in data.parameters.iter().copied().chain(results) {
            fixed[value.0 as usize] = false;
        }
    }
    fixed
}

/// The step of each header parameter that goes on by a fixed addition.
fn counters(
    function: &Function,
    header: BlockId,
    latch: BlockId,
    fixed: &impl Fn(&Value) -> bool,
) -> Vec<Option<Value>> {
    let known = function.definitions();
    let targets = function.blocks[latch.index()].terminator.targets();
    let Some(back) = targets.into_iter().find(|target| target.block == header) else {
        return Vec::new();
    };
    let parameters = &function.blocks[header.index()].parameters;
    let step = |(parameter, next): (&Value, &Value)| {
        if function.ty(*parameter) != Type::I32 {
            return None;
        }
        match known[next.0 as usize].map(|inst| &inst.op) {
            Some(Op::Binary(Binary::IAdd, [a, b])) if a == parameter && fixed(b) => Some(*b),
            Some(Op::Binary(Binary::IAdd, [a, b])) if b == parameter && fixed(a) => Some(*a),
            _ => None,
        }
    };
    parameters.iter().zip(&back.arguments).map(step).collect()
}

fn affine_values(
    function: &Function,
    header: BlockId,
    body: &[BlockId],
    steps: &[Option<Value>],
    joins: &impl Fn(&Value, &Value) -> bool,
) -> HashMap<Value, Affine> {
    let mut found = HashMap::new();
    let parameters = &function.blocks[header.index()].parameters;
    for (counter, (parameter, step)) in parameters.iter().zip(steps).enumerate() {
        if step.is_some() {
            let chain = Vec::new();
            found.insert(*parameter, Affine { counter, chain });
        }
    }
    for block in body {
        for inst in &function.blocks[block.index()].insts {
            let (Op::Binary(op, [a, b]), Some(result)) = (&inst.op, inst.result) else {
                continue;
            };
            let (from, by) = match op {
                Binary::IAdd | Binary::IMul if found.contains_key(b) && joins(b, a) => (b, a),
                Binary::IAdd | Binary::IMul | Binary::Shl if joins(a, b) => (a, b),
                _ => continue,
            };
            if let Some(Affine { counter, chain }) = found.get(from) {
                let mut chain = chain.clone();
                chain.push((*op, *by));
                let counter = *counter;
                found.insert(result, Affine { counter, chain });
            }
        }
    }
    found
}

/// Affine values with a multiplication in them that are used by something that is not affine.
fn roots(
    function: &Function,
    body: &[BlockId],
    affine: &HashMap<Value, Affine>,
) -> Vec<(Value, Affine)> {
    let mut roots: Vec<(Value, Affine)> = Vec::new();
    let mut consider = |value: Value| {
        let Some(found) = affine.get(&value) else {
            return;
        };
        let scaled = found.chain.iter().any(|(op, _)| *op != Binary::IAdd);
        if scaled && roots.iter().all(|(root, _)| *root != value) {
            roots.push((value, found.clone()));
        }
    };
    for block in body {
        let data = &function.blocks[block.index()];
        for inst in &data.insts {
            if inst
                .result
                .is_some_and(|result| affine.contains_key(&result))
            {
                continue;
            }
            inst.op.uses().into_iter().for_each(&mut consider);
        }
        let mut terminator: Terminator = data.terminator.clone();
        terminator.visit_uses(&mut |value| consider(*value));
    }
    roots
}

fn make_counter(
    function: &mut Function,
    header: BlockId,
    before: BlockId,
    latch: BlockId,
    root: Value,
    affine: &Affine,
    steps: &[Option<Value>],
) {
    let Some(step) = steps[affine.counter] else {
        return;
    };
    let Terminator::Jump(entry) = &function.blocks[before.index()].terminator else {
        return;
    };
    let initial = entry.arguments[affine.counter];
    let mut make = |block: BlockId, op: Binary, a: Value, b: Value| {
        let result = function.new_value(Type::I32);
        function.blocks[block.index()].insts.push(Inst {
            op: Op::Binary(op, [a, b]),
            result: Some(result),
            source: u32::MAX,
        });
        result
    };
    let mut start = initial;
    let mut stride = step;
    for (op, by) in &affine.chain {
        start = make(before, *op, start, *by);
        if *op != Binary::IAdd {
            stride = make(before, *op, stride, *by);
        }
    }
    let parameter = function.new_value(Type::I32);
    let next = function.new_value(Type::I32);
    let mut replacement = vec![None; function.values.len()];
    replacement[root.0 as usize] = Some(parameter);
    function.replace_uses(&replacement);
    function.blocks[header.index()].parameters.push(parameter);
    function.blocks[latch.index()].insts.push(Inst {
        op: Op::Binary(Binary::IAdd, [parameter, stride]),
        result: Some(next),
        source: u32::MAX,
    });
    for (block, argument) in [(before, start), (latch, next)] {
        let targets = function.blocks[block.index()].terminator.targets_mut();
        for target in targets.into_iter().filter(|target| target.block == header) {
            target.arguments.push(argument);
        }
    }
}
