//! Loops with their exit test at the top become loops with it at the bottom, behind a test whether to enter at all.
//!
//! One branch an iteration instead of two, and what the loop does first is then certain to run, so that loads may leave
//! it. The test is copied: once before the loop on the initial values, once into the latch on the next ones.

use super::duplicate::Renaming;
use super::loops::{Exit, Shape};
use crate::ir::{Block, BlockId, Function, Graph, Target, Terminator};

/// Operations of the test that are worth copying.
const LIMIT: usize = 24;

/// Turns every loop that qualifies.
pub(super) fn run(function: &mut Function) -> bool {
    let mut changed = false;
    loop {
        let graph = Graph::new(function);
        let candidate = graph.order.iter().find_map(|&header| {
            let shape = Shape::of(function, &graph, header)?;
            let exit = shape.exit(function, &graph)?;
            let top = &function.blocks[header.index()].insts;
            let copyable = top.len() <= LIMIT && top.iter().all(|inst| inst.op.is_pure());
            (copyable && shape.latch != header).then_some((shape, exit))
        });
        let Some((shape, exit)) = candidate else {
            return changed;
        };
        rotate(function, &shape, &exit);
        changed = true;
    }
}

fn rotate(function: &mut Function, shape: &Shape, exit: &Exit) {
    let new_block = |function: &mut Function, block: Block| {
        function.blocks.push(block);
        BlockId(function.blocks.len() as u32 - 1)
    };
    let plain = |target: Target| Block {
        parameters: Vec::new(),
        insts: Vec::new(),
        terminator: Terminator::Jump(target),
        loop_: None,
    };
    // The loop's own merge; the old merge becomes that of the test before the loop.
    let parameters = function.blocks[shape.merge.index()].parameters.clone();
    let renamed: Vec<_> = parameters
        .iter()
        .map(|parameter| function.new_value(function.ty(*parameter)))
        .collect();
    let mut landing = plain(Target {
        block: shape.merge,
        arguments: renamed.clone(),
    });
    landing.parameters = renamed;
    let landing = new_block(function, landing);
    for block in &shape.body {
        for target in function.blocks[block.index()].terminator.targets_mut() {
            if target.block == shape.merge {
                target.block = landing;
            }
        }
    }
    // The test on the initial values.
    let entry = new_block(
        function,
        plain(Target {
            block: shape.header,
            arguments: shape.initial.clone(),
        }),
    );
    let (condition, leave) = copy_test(function, shape, exit, shape.before, &shape.initial);
    let skip = new_block(
        function,
        plain(Target {
            block: shape.merge,
            arguments: leave,
        }),
    );
    let to = |block| Target {
        block,
        arguments: Vec::new(),
    };
    let sides = |stay: Target, leave: Target| match exit.stay_if {
        true => (stay, leave),
        false => (leave, stay),
    };
    let (then, otherwise) = sides(to(entry), to(skip));
    function.blocks[shape.before.index()].terminator = Terminator::Branch {
        condition,
        then,
        otherwise,
        merge: shape.merge,
    };
    // The test on the next values, at the end of the latch.
    let (condition, leave) = copy_test(function, shape, exit, shape.latch, &shape.next);
    let (then, otherwise) = sides(
        Target {
            block: shape.header,
            arguments: shape.next.clone(),
        },
        Target {
            block: landing,
            arguments: leave,
        },
    );
    function.blocks[shape.latch.index()].terminator = Terminator::Branch {
        condition,
        then,
        otherwise,
        merge: landing,
    };
    let header = &mut function.blocks[shape.header.index()];
    header.terminator = Terminator::Jump(exit.stay.clone());
    if let Some(loop_) = &mut header.loop_ {
        loop_.merge = landing;
    }
}

/// Appends the header's operations to a block, on other values of its parameters; the condition and the merge's arguments.
fn copy_test(
    function: &mut Function,
    shape: &Shape,
    exit: &Exit,
    into: BlockId,
    arguments: &[crate::ir::Value],
) -> (crate::ir::Value, Vec<crate::ir::Value>) {
    let mut names = Renaming::default();
    let header = function.blocks[shape.header.index()].clone();
    let pairs = header
        .parameters
        .iter()
        .copied()
        .zip(arguments.iter().copied());
    names.values.extend(pairs);
    let insts: Vec<_> = header
        .insts
        .iter()
        .map(|inst| names.inst(function, inst))
        .collect();
    function.blocks[into.index()].insts.extend(insts);
    (names.value(exit.condition), names.all(&exit.leave))
}
