//! The checker that runs between passes: every rule of the form is checked here, none is trusted.
//!
//! The rules are those at the head of [`super`]. The message names the block and the instruction, so that a pass that
//! broke one is found from it.

mod types;

use super::*;
use types::check_inst;

type Checked = Result<(), String>;

/// Checks everything that the head of [`super`] demands of a function.
///
/// # Errors
/// The first rule that is broken, and where.
pub fn verify(function: &Function) -> Result<(), String> {
    check_ids(function)?;
    let graph = Graph::new(function);
    check_order(function, &graph)?;
    let definitions = check_definitions(function)?;
    for (index, block) in function.blocks.iter().enumerate() {
        let id = BlockId(index as u32);
        for inst in &block.insts {
            check_inst(function, inst).map_err(|e| format!("{id}: {}: {e}", text(inst)))?;
        }
        check_terminator(function, &block.terminator).map_err(|e| format!("{id}: {e}"))?;
    }
    check_dominance(function, &graph, &definitions)?;
    check_loops(function, &graph)?;
    check_branches(function, &graph)
}

fn text(inst: &Inst) -> String {
    match inst.result {
        Some(v) => format!("{v} = {}", inst.op),
        None => inst.op.to_string(),
    }
}

fn uses_of(terminator: &Terminator) -> Vec<Value> {
    let mut used = Vec::new();
    terminator.clone().visit_uses(&mut |v| used.push(*v));
    used
}

/// Reports `message` unless `condition` holds.
fn ensure(condition: bool, message: impl FnOnce() -> String) -> Checked {
    if condition { Ok(()) } else { Err(message()) }
}

/// Every value, block, buffer and local that is named exists.
fn check_ids(function: &Function) -> Checked {
    ensure(!function.blocks.is_empty(), || "there is no block".into())?;
    let value = |v: Value| {
        ensure((v.0 as usize) < function.values.len(), || {
            format!("{v} does not exist")
        })
    };
    let block = |b: BlockId| {
        ensure((b.0 as usize) < function.blocks.len(), || {
            format!("{b} does not exist")
        })
    };
    for b in &function.blocks {
        b.parameters.iter().try_for_each(|&v| value(v))?;
        for inst in &b.insts {
            inst.op
                .uses()
                .into_iter()
                .chain(inst.result)
                .try_for_each(value)?;
            check_names(function, &inst.op)?;
        }
        uses_of(&b.terminator).into_iter().try_for_each(value)?;
        b.terminator
            .targets()
            .iter()
            .try_for_each(|t| block(t.block))?;
        if let Terminator::Branch { merge, .. } = b.terminator {
            block(merge)?;
        }
        if let Some(Loop { merge, latch }) = b.loop_ {
            block(merge)?;
            block(latch)?;
        }
    }
    Ok(())
}

fn check_names(function: &Function, op: &Op) -> Checked {
    let space = match op {
        Op::BufferSize(n) => Some(Space::Buffer(*n)),
        _ => op.address().map(|at| at.space),
    };
    if let Some(Space::Buffer(n)) = space {
        ensure((n as usize) < function.bindings.len(), || {
            format!("buffer{n} does not exist")
        })?;
    }
    if let Op::LocalLoad(l, _) | Op::LocalStore(l, ..) = op {
        ensure((l.0 as usize) < function.locals.len(), || {
            format!("local{} does not exist", l.0)
        })?;
    }
    Ok(())
}

/// Only a latch goes back, and only to its header.
fn check_order(function: &Function, graph: &Graph) -> Checked {
    ensure(graph.predecessors[0].is_empty(), || {
        "the entry block has a predecessor".into()
    })?;
    ensure(function.blocks[0].parameters.is_empty(), || {
        "the entry block has parameters".into()
    })?;
    let mut position = vec![0; function.blocks.len()];
    for (index, block) in graph.order.iter().enumerate() {
        position[block.index()] = index;
    }
    for &id in &graph.order {
        for target in function.blocks[id.index()].terminator.targets() {
            let to = target.block;
            let back = function.blocks[to.index()]
                .loop_
                .is_some_and(|l| l.latch == id);
            ensure(position[to.index()] > position[id.index()] || back, || {
                format!("{id} goes back to {to} and is not its latch")
            })?;
        }
    }
    Ok(())
}

/// Where a value is defined: the block, and the place in it (0 for parameters, which precede instruction 1).
type Definition = (BlockId, usize);

fn check_definitions(function: &Function) -> Result<Vec<Option<Definition>>, String> {
    let mut definitions = vec![None; function.values.len()];
    for (index, block) in function.blocks.iter().enumerate() {
        let results = block
            .insts
            .iter()
            .enumerate()
            .filter_map(|(at, i)| Some((at + 1, i.result?)));
        for (at, v) in block.parameters.iter().map(|v| (0, *v)).chain(results) {
            let before = definitions[v.0 as usize].replace((BlockId(index as u32), at));
            ensure(before.is_none(), || format!("{v} is defined twice"))?;
        }
    }
    Ok(definitions)
}

fn check_terminator(function: &Function, terminator: &Terminator) -> Checked {
    if let Terminator::Branch { condition, .. } = terminator {
        ensure(function.ty(*condition) == Type::Bool, || {
            format!("branches on {condition}, not a Bool")
        })?;
    }
    for target in terminator.targets() {
        let parameters = &function.blocks[target.block.index()].parameters;
        let same = parameters.len() == target.arguments.len()
            && parameters
                .iter()
                .zip(&target.arguments)
                .all(|(&p, &a)| function.ty(p) == function.ty(a));
        ensure(same, || {
            format!("{target} does not match the parameters of {}", target.block)
        })?;
    }
    Ok(())
}

/// Uses come after definitions on every path, and leave a loop only as parameters.
fn check_dominance(
    function: &Function,
    graph: &Graph,
    definitions: &[Option<Definition>],
) -> Checked {
    for &id in &graph.order {
        let block = &function.blocks[id.index()];
        let check = |v: Value, position: usize| {
            let Some((from, at)) = definitions[v.0 as usize] else {
                return Err(format!("{id}: {v} is used and nowhere defined"));
            };
            let before = if from == id {
                at < position
            } else {
                graph.dominates(from, id)
            };
            ensure(before, || format!("{id}: {v} is used before it is defined"))?;
            match graph.loop_of[from.index()] {
                Some(header) if graph.leaves_loop(from, id) => Err(format!(
                    "{id}: {v} is defined in the loop of {header} and used outside of it"
                )),
                _ => Ok(()),
            }
        };
        for (at, inst) in block.insts.iter().enumerate() {
            inst.op
                .uses()
                .into_iter()
                .try_for_each(|v| check(v, at + 1))?;
        }
        uses_of(&block.terminator)
            .into_iter()
            .try_for_each(|v| check(v, usize::MAX))?;
    }
    Ok(())
}

/// Blocks that lead to `block`, without those that are never reached.
fn sources(graph: &Graph, block: BlockId) -> impl Iterator<Item = BlockId> {
    graph.predecessors[block.index()]
        .iter()
        .copied()
        .filter(|p| graph.reachable(*p))
}

/// A loop is entered at its header from one block, repeats from its latch, and is left to its merge block.
fn check_loops(function: &Function, graph: &Graph) -> Checked {
    for &header in &graph.order {
        let Some(Loop { merge, latch }) = function.blocks[header.index()].loop_ else {
            continue;
        };
        let body = graph.loop_body(function, header);
        let outside = sources(graph, header).filter(|p| !body.contains(p)).count();
        ensure(outside == 1, || {
            format!("the loop of {header} has {outside} entries")
        })?;
        let back = sources(graph, header).count() - outside;
        ensure(back <= 1, || {
            format!("the loop of {header} has several back edges")
        })?;
        let form = match &function.blocks[latch.index()].terminator {
            Terminator::Jump(t) => t.block == header,
            Terminator::Branch {
                then,
                otherwise,
                merge: m,
                ..
            } => {
                let (a, b) = (then.block, otherwise.block);
                *m == merge && ((a, b) == (header, merge) || (a, b) == (merge, header))
            }
            _ => !graph.reachable(latch),
        };
        ensure(form, || {
            format!("latch {latch} does not end as a latch of {header} does")
        })?;
        for id in &body {
            for target in function.blocks[id.index()].terminator.targets() {
                let good = target.block == merge || body.contains(&target.block);
                ensure(good, || {
                    format!("{id} leaves the loop of {header} to {}", target.block)
                })?;
            }
        }
        // A block beyond the merge that the loop goes to past it is dominated by the header only.
        for &id in &body[1..] {
            let from = sources(graph, id).find(|p| !body.contains(p));
            ensure(from.is_none(), || {
                format!("{id} is entered from the loop of {header} and from outside of it")
            })?;
        }
        let entered = sources(graph, merge).find(|p| !body.contains(p));
        ensure(entered.is_none(), || {
            format!("{merge} ends the loop of {header} and is entered from outside")
        })?;
    }
    Ok(())
}

/// What a branch opens ends at its merge block, but for early exits to the loop around it and returns.
fn check_branches(function: &Function, graph: &Graph) -> Checked {
    let mut heads = vec![None; function.blocks.len()];
    for &head in &graph.order {
        let Terminator::Branch { merge, .. } = function.blocks[head.index()].terminator else {
            continue;
        };
        let header = graph.loop_of[head.index()];
        let around = header.and_then(|header| function.blocks[header.index()].loop_);
        if around.is_some_and(|l| l.latch == head) {
            continue;
        }
        let early = |b: BlockId| around.is_some_and(|l| b == l.merge || b == l.latch);
        // Branches that meet in one block are nested: the first is around the others.
        let first = *heads[merge.index()].get_or_insert(head);
        ensure(early(merge) || graph.dominates(first, head), || {
            format!("the branches in {first} and {head} meet in {merge} and are not nested")
        })?;
        let outside = |b: BlockId| {
            graph.dominates(merge, b)
                || around
                    .is_some_and(|l| graph.dominates(l.latch, b) || graph.dominates(l.merge, b))
        };
        let inside = |b: BlockId| b == head || (graph.dominates(head, b) && !outside(b));
        for &id in graph.order.iter().filter(|b| inside(**b)) {
            for target in function.blocks[id.index()].terminator.targets() {
                let to = target.block;
                ensure(inside(to) || to == merge || early(to), || {
                    format!("{id}, opened by the branch in {head}, goes to {to} past {merge}")
                })?;
            }
        }
        let strange = sources(graph, merge).find(|p| !inside(*p));
        ensure(strange.is_none() || early(merge) || first != head, || {
            format!("{merge} is where the branch in {head} meets, and is entered from elsewhere")
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel with a loop, a branch in it that breaks, and a value that leaves the loop.
    fn kernel() -> Function {
        let source = "@group(0) @binding(0) var<storage, read_write> o: array<i32>;
             @compute @workgroup_size(32)
             fn main(@builtin(local_invocation_index) i: u32) {
                 var sum = o[i];
                 for (var k = 0; k < o[1]; k++) {
                     if o[k] == 7 { break; }
                     if o[k] == 9 { sum *= 2; } else { sum += o[k]; }
                 }
                 o[i] = sum;
             }";
        let mut function = crate::front::compile(source, &[])
            .expect("it is valid")
            .swap_remove(0);
        let off = |pass: &str| !matches!(pass, "locals" | "unused");
        crate::opt::run(&mut function, &off, &mut |_, _| {}).expect("no variable remains");
        assert_eq!(verify(&function), Ok(()));
        function
    }

    fn header(f: &Function) -> usize {
        f.blocks
            .iter()
            .position(|b| b.loop_.is_some())
            .expect("there is a loop")
    }

    /// Makes one change, which the verifier must find.
    fn breaks(rule: &str, change: impl FnOnce(&mut Function)) {
        let mut function = kernel();
        change(&mut function);
        let found = verify(&function).expect_err(rule);
        assert!(found.contains(rule), "{found}\n does not say: {rule}");
    }

    #[test]
    fn each_broken_rule_is_named() {
        breaks("does not take", |f| {
            let inst = f.blocks[0]
                .insts
                .iter()
                .find(|i| matches!(i.op, Op::Load { .. }));
            let value = inst.and_then(|i| i.result).expect("there is a load");
            f.values[value.0 as usize] = Type::F16;
        });
        breaks("defines no value", |f| {
            f.blocks[0].insts[0].result = None;
        });
        breaks("is defined twice", |f| {
            let again = f.blocks[0].insts[0].clone();
            f.blocks[0].insts.push(again);
        });
        breaks("is used before it is defined", |f| {
            let last = f.blocks[0].insts.pop().expect("the entry has instructions");
            f.blocks[0].insts.insert(0, last);
        });
        breaks("is used and nowhere defined", |f| {
            f.blocks[0].insts.remove(0);
        });
        breaks("does not match the parameters", |f| {
            let header = header(f);
            f.blocks[header].parameters.pop();
        });
        breaks("does not exist", |f| f.bindings.clear());
        breaks("does not end as a latch", |f| {
            let latch = f.blocks[header(f)].loop_.expect("it is a header").latch;
            f.blocks[latch.index()].terminator = Terminator::Return;
        });
        breaks("is not its latch", |f| {
            let header = header(f);
            f.blocks[header].loop_ = None;
        });
        breaks("and used outside of it", |f| {
            let header = header(f);
            let inside = f.blocks[header].parameters[0];
            for inst in &mut f.blocks.last_mut().expect("there are blocks").insts {
                if let Op::Store { value, .. } = &mut inst.op {
                    *value = inside;
                }
            }
        });
        breaks("and from outside of it", |f| {
            let merge = f.blocks[header(f)].loop_.expect("it is a header").merge;
            let beyond = BlockId(f.blocks.len() as u32);
            let mut end = f.blocks[merge.index()].clone();
            (end.parameters, end.insts, end.terminator) =
                (Vec::new(), Vec::new(), Terminator::Return);
            f.blocks.push(end);
            let jump = Target {
                block: beyond,
                arguments: Vec::new(),
            };
            f.blocks[merge.index()].terminator = Terminator::Jump(jump.clone());
            let breaks = |b: &&mut Block| b.terminator.targets().iter().any(|t| t.block == merge);
            let block = f.blocks.iter_mut().find(breaks).expect("the loop ends");
            for target in block.terminator.targets_mut() {
                if target.block == merge {
                    *target = jump.clone();
                }
            }
        });
    }
}
