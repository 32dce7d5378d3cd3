//! Tidying up: what is not used, not reached, or not needed as a block of its own.

use crate::ir::{Block, BlockId, Function, Graph, Loop, Op, Target, Terminator, Value};

/// Drops operations whose results nobody uses. Uses are counted from what has an effect, so that a value which only feeds
/// itself around a loop goes too, with its parameter.
pub(super) fn unused(function: &mut Function) -> bool {
    let live = live_values(function);
    let mut changed = false;
    let dead = |value: &Value| !live[value.0 as usize];
    // Parameters and their arguments.
    let doomed: Vec<Vec<bool>> = function
        .blocks
        .iter()
        .map(|block| block.parameters.iter().map(dead).collect())
        .collect();
    for block in &mut function.blocks {
        block.insts.retain(|inst| {
            let keep = !inst.op.is_removable() || inst.result.is_some_and(|value| !dead(&value));
            changed |= !keep;
            keep
        });
        for target in block.terminator.targets_mut() {
            drop_marked(&mut target.arguments, &doomed[target.block.index()]);
        }
    }
    for (block, doomed) in function.blocks.iter_mut().zip(&doomed) {
        changed |= doomed.contains(&true);
        drop_marked(&mut block.parameters, doomed);
    }
    changed
}

fn drop_marked(values: &mut Vec<Value>, marks: &[bool]) {
    let mut mark = marks.iter();
    values.retain(|_| mark.next() != Some(&true));
}

fn live_values(function: &Function) -> Vec<bool> {
    let mut live = vec![false; function.values.len()];
    let mut work = Vec::new();
    // Where a parameter gets its values from.
    let mut sources: Vec<Vec<Value>> = vec![Vec::new(); function.values.len()];
    for block in &function.blocks {
        for inst in &block.insts {
            match inst.result {
                Some(result) if inst.op.is_removable() => {
                    sources[result.0 as usize] = inst.op.uses();
                }
                result => {
                    work.extend(result);
                    work.extend(inst.op.uses());
                }
            }
        }
        if let Terminator::Branch { condition, .. } = block.terminator {
            work.push(condition);
        }
        for target in block.terminator.targets() {
            let parameters = &function.blocks[target.block.index()].parameters;
            for (parameter, argument) in parameters.iter().zip(&target.arguments) {
                sources[parameter.0 as usize].push(*argument);
            }
        }
    }
    while let Some(value) = work.pop() {
        if !std::mem::replace(&mut live[value.0 as usize], true) {
            work.extend(&sources[value.0 as usize]);
        }
    }
    live
}

/// Replaces parameters that are always given the same value (or themselves).
pub(super) fn parameters(function: &mut Function) -> bool {
    let graph = Graph::new(function);
    let homes = homes(function);
    let mut replacement = vec![None; function.values.len()];
    let mut changed = false;
    for index in 0..function.blocks.len() {
        let block = BlockId(index as u32);
        if !graph.reachable(block) || index == 0 {
            continue;
        }
        // A loop's merge parameter is what carries a value out of the loop: it stays unless the value is from outside.
        let mut place = 0;
        while place < function.blocks[index].parameters.len() {
            let parameter = function.blocks[index].parameters[place];
            match only_argument(function, &graph, block, place, &replacement) {
                Some(value) if graph.sees(homes[value.0 as usize], block) => {
                    replacement[parameter.0 as usize] = Some(value);
                    remove_parameter(function, &graph, block, place);
                    changed = true;
                }
                _ => place += 1,
            }
        }
    }
    if changed {
        function.replace_uses(&replacement);
    }
    changed
}

fn only_argument(
    function: &Function,
    graph: &Graph,
    block: BlockId,
    place: usize,
    replacement: &[Option<Value>],
) -> Option<Value> {
    let parameter = function.blocks[block.index()].parameters[place];
    let mut only = None;
    for from in &graph.predecessors[block.index()] {
        if !graph.reachable(*from) {
            continue;
        }
        let targets = function.blocks[from.index()].terminator.targets();
        for target in targets.iter().filter(|target| target.block == block) {
            let mut value = target.arguments[place];
            while let Some(Some(next)) = replacement.get(value.0 as usize) {
                value = *next;
            }
            if value != parameter && only.replace(value).is_some_and(|other| other != value) {
                return None;
            }
        }
    }
    only
}

/// The block that defines each value.
fn homes(function: &Function) -> Vec<BlockId> {
    let mut homes = vec![BlockId(0); function.values.len()];
    for (index, block) in function.blocks.iter().enumerate() {
        let results = block.insts.iter().filter_map(|inst| inst.result);
        for value in block.parameters.iter().copied().chain(results) {
            homes[value.0 as usize] = BlockId(index as u32);
        }
    }
    homes
}

fn remove_parameter(function: &mut Function, graph: &Graph, block: BlockId, place: usize) {
    function.blocks[block.index()].parameters.remove(place);
    let mut done = Vec::new();
    for from in &graph.predecessors[block.index()] {
        if done.contains(from) {
            continue;
        }
        done.push(*from);
        let targets = function.blocks[from.index()].terminator.targets_mut();
        for target in targets.into_iter().filter(|target| target.block == block) {
            target.arguments.remove(place);
        }
    }
}

/// Branches on constants become jumps; loops that never go round lose their annotation; a block that is the only
/// successor of its only predecessor joins it; unreachable blocks go; the rest is put in order.
///
/// A latch stays apart from the merge of a branch before it, so that it can be told whether something continues from within
/// the branch; [`blocks_at_last`] gives that up.
pub(super) fn blocks(function: &mut Function) -> bool {
    tidy_blocks(function, true)
}

/// [`blocks`], joining latches too.
pub(super) fn blocks_at_last(function: &mut Function) -> bool {
    tidy_blocks(function, false)
}

fn tidy_blocks(function: &mut Function, keep_latches: bool) -> bool {
    let mut changed = constant_branches(function);
    changed |= loops_without_back_edge(function);
    changed |= join_chains(function, keep_latches);
    changed |= reorder(function);
    changed
}

/// The branch of a latch to which lanes continue from nested branches stays, though no lane goes round: without a loop around
/// them these would leave their structure.
fn constant_branches(function: &mut Function) -> bool {
    let graph = Graph::new(function);
    let several = |latch: BlockId| graph.predecessors[latch.index()].len() > 1;
    let loops = function.blocks.iter().filter_map(|block| block.loop_);
    let kept: Vec<Loop> = loops.filter(|loop_| several(loop_.latch)).collect();
    let mut truth = vec![None; function.values.len()];
    for inst in function.blocks.iter().flat_map(|block| &block.insts) {
        if let (Op::Const(bits), Some(result)) = (&inst.op, inst.result) {
            truth[result.0 as usize] = Some(*bits != 0);
        }
    }
    let mut changed = false;
    for (index, block) in function.blocks.iter_mut().enumerate() {
        let Terminator::Branch {
            condition,
            then,
            otherwise,
            ..
        } = &block.terminator
        else {
            continue;
        };
        let target = match truth[condition.0 as usize] {
            Some(true) => then,
            Some(false) => otherwise,
            None if then == otherwise => then,
            None => continue,
        };
        let leaves = |l: &Loop| l.latch.index() == index && l.merge == target.block;
        if kept.iter().any(leaves) {
            continue;
        }
        block.terminator = Terminator::Jump(target.clone());
        changed = true;
    }
    changed
}

fn loops_without_back_edge(function: &mut Function) -> bool {
    let graph = Graph::new(function);
    let mut changed = false;
    for index in 0..function.blocks.len() {
        let header = BlockId(index as u32);
        let Some(loop_) = function.blocks[index].loop_ else {
            continue;
        };
        let goes_round = graph.reachable(loop_.latch)
            && graph.predecessors[index].contains(&loop_.latch)
            && graph.reachable(header);
        // Breaks from nested branches would have no structure without the loop around them.
        let exits = &graph.predecessors[loop_.merge.index()];
        let plain = exits.iter().filter(|from| graph.reachable(**from)).count() <= 1;
        if goes_round || !graph.reachable(header) {
            continue;
        }
        if plain {
            function.blocks[index].loop_ = None;
            changed = true;
        } else if graph.reachable(loop_.latch) {
            // What was the latch leaves like the other exits; a block that nothing reaches stands in for it.
            let latch = BlockId(function.blocks.len() as u32);
            function.blocks.push(Block {
                parameters: Vec::new(),
                insts: Vec::new(),
                terminator: Terminator::Unreachable,
                loop_: None,
            });
            function.blocks[index].loop_ = Some(Loop { latch, ..loop_ });
            changed = true;
        }
    }
    changed
}

fn join_chains(function: &mut Function, keep_latches: bool) -> bool {
    let graph = Graph::new(function);
    let latches: Vec<BlockId> = function
        .blocks
        .iter()
        .filter_map(|b| Some(b.loop_?.latch))
        .collect();
    let mut replacement = vec![None; function.values.len()];
    let mut into: Vec<BlockId> = (0..function.blocks.len() as u32).map(BlockId).collect();
    let mut changed = false;
    for &block in &graph.order {
        let home = into[block.index()];
        // `home` may grow several times: go on until its end is no longer a lone edge.
        while let Terminator::Jump(Target { block: next, .. }) =
            function.blocks[home.index()].terminator
        {
            let alone = graph.predecessors[next.index()].len() == 1;
            // Across a loop's border values pass through parameters.
            let same_loop = graph.loop_of[home.index()] == graph.loop_of[next.index()];
            let kept = keep_latches
                && latches.contains(&next)
                && graph.predecessors[home.index()].len() > 1
                && function.blocks[home.index()].loop_.is_none();
            if !alone || !same_loop || next == home || kept {
                break;
            }
            let Terminator::Jump(target) = std::mem::replace(
                &mut function.blocks[home.index()].terminator,
                Terminator::Unreachable,
            ) else {
                break;
            };
            let next_block = &mut function.blocks[next.index()];
            let parameters = std::mem::take(&mut next_block.parameters);
            let insts = std::mem::take(&mut next_block.insts);
            let terminator = std::mem::replace(&mut next_block.terminator, Terminator::Unreachable);
            for (parameter, argument) in parameters.into_iter().zip(target.arguments) {
                replacement[parameter.0 as usize] = Some(argument);
            }
            let joined = &mut function.blocks[home.index()];
            joined.insts.extend(insts);
            joined.terminator = terminator;
            into[next.index()] = home;
            changed = true;
        }
    }
    if changed {
        function.replace_uses(&replacement);
        rename_blocks(function, &into);
    }
    changed
}

fn rename_blocks(function: &mut Function, into: &[BlockId]) {
    let home = |mut block: BlockId| {
        while into[block.index()] != block {
            block = into[block.index()];
        }
        block
    };
    for block in &mut function.blocks {
        block
            .terminator
            .visit_blocks(&mut |name| *name = home(*name));
        if let Some(loop_) = &mut block.loop_ {
            loop_.merge = home(loop_.merge);
            loop_.latch = home(loop_.latch);
        }
    }
}

/// Drops unreachable blocks that nothing names, empties those that only an annotation names, and puts the rest in order.
fn reorder(function: &mut Function) -> bool {
    let graph = Graph::new(function);
    let mut order = graph.order.clone();
    for &block in &graph.order {
        let data = &function.blocks[block.index()];
        let mut named: Vec<BlockId> = data
            .loop_
            .into_iter()
            .flat_map(|l| [l.latch, l.merge])
            .collect();
        if let Terminator::Branch { merge, .. } = data.terminator {
            named.push(merge);
        }
        for name in named {
            if !order.contains(&name) {
                order.push(name);
            }
        }
    }
    let same = order.len() == function.blocks.len()
        && order
            .iter()
            .enumerate()
            .all(|(place, block)| place == block.index());
    if same {
        return false;
    }
    let mut new = vec![BlockId(u32::MAX); function.blocks.len()];
    for (place, block) in order.iter().enumerate() {
        new[block.index()] = BlockId(place as u32);
    }
    let mut blocks = Vec::with_capacity(order.len());
    for block in &order {
        let mut data = function.blocks[block.index()].clone();
        if !graph.reachable(*block) {
            data.insts.clear();
            data.parameters.clear();
            data.terminator = Terminator::Unreachable;
            data.loop_ = None;
        }
        data.terminator
            .visit_blocks(&mut |name| *name = new[name.index()]);
        if let Some(loop_) = &mut data.loop_ {
            loop_.merge = new[loop_.merge.index()];
            loop_.latch = new[loop_.latch.index()];
        }
        blocks.push(data);
    }
    function.blocks = blocks;
    true
}
