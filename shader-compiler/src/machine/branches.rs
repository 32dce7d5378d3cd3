//! Branches after allocation: jumps to jumps go straight, jumps to the next instruction go away, and a conditional branch
//! over a jump is turned around. Blocks that nobody reaches any more are emptied, so that numbers stay.

use gfx1100_isa::Op;

use super::BlockId;
use super::code::{Code, control};

/// Applies the rules until none does. Each round shortens something; a circle of jumps, which would only turn, ends with
/// the rounds.
pub fn run(code: &mut Code) {
    for _ in 0..=code.blocks.len() {
        let mut changed = false;
        for block in 0..code.blocks.len() {
            changed |= thread(code, block) | invert(code, block) | drop_last(code, block);
        }
        changed |= empty_unreached(code);
        if !changed {
            return;
        }
    }
}

/// Where control that enters `block` first finds an instruction; past the last block there is none.
fn first_code(code: &Code, mut block: usize) -> usize {
    while code.blocks.get(block).is_some_and(|b| b.lines.is_empty()) {
        block += 1;
    }
    block
}

/// Follows jumps to blocks that only jump on. A circle of such blocks is left as it is.
fn thread(code: &mut Code, block: usize) -> bool {
    let mut changed = false;
    for line in 0..code.blocks[block].lines.len() {
        let Some(BlockId(target)) = code.blocks[block].lines[line].target else {
            continue;
        };
        let to = first_code(code, target as usize);
        let Some([jump]) = code.blocks.get(to).map(|b| b.lines.as_slice()) else {
            continue;
        };
        if jump.inst.op == Op::S_BRANCH
            && let Some(BlockId(on)) = jump.target
            && first_code(code, on as usize) != to
            && on != target
        {
            code.blocks[block].lines[line].target = Some(BlockId(on));
            changed = true;
        }
    }
    changed
}

/// `cbranch next; s_branch other` becomes `cbranch-if-not other`.
fn invert(code: &mut Code, block: usize) -> bool {
    let next = first_code(code, block + 1);
    let [.., condition, jump] = code.blocks[block].lines.as_slice() else {
        return false;
    };
    let (Some(BlockId(over)), Some(other)) = (condition.target, jump.target) else {
        return false;
    };
    if jump.inst.op != Op::S_BRANCH || first_code(code, over as usize) != next {
        return false;
    }
    let Some(opposite) = opposite(condition.inst.op) else {
        return false;
    };
    let lines = &mut code.blocks[block].lines;
    lines.pop();
    if let Some(condition) = lines.last_mut() {
        condition.inst = control(opposite, 0);
        condition.target = Some(other);
    }
    true
}

fn opposite(op: Op) -> Option<Op> {
    Some(match op {
        Op::S_CBRANCH_SCC0 => Op::S_CBRANCH_SCC1,
        Op::S_CBRANCH_SCC1 => Op::S_CBRANCH_SCC0,
        Op::S_CBRANCH_VCCZ => Op::S_CBRANCH_VCCNZ,
        Op::S_CBRANCH_VCCNZ => Op::S_CBRANCH_VCCZ,
        Op::S_CBRANCH_EXECZ => Op::S_CBRANCH_EXECNZ,
        Op::S_CBRANCH_EXECNZ => Op::S_CBRANCH_EXECZ,
        _ => return None,
    })
}

/// Drops a branch at the end of the block whose target comes next anyway.
fn drop_last(code: &mut Code, block: usize) -> bool {
    let next = first_code(code, block + 1);
    let target = code.blocks[block].lines.last().and_then(|line| line.target);
    let superfluous =
        target.is_some_and(|BlockId(t)| t as usize > block && first_code(code, t as usize) == next);
    if superfluous {
        code.blocks[block].lines.pop();
    }
    superfluous
}

fn empty_unreached(code: &mut Code) -> bool {
    let mut reached = vec![false; code.blocks.len()];
    let mut work = vec![0];
    while let Some(block) = work.pop() {
        if !std::mem::replace(&mut reached[block], true) {
            work.extend(code.successors(block));
        }
    }
    let mut changed = false;
    for (block, reached) in code.blocks.iter_mut().zip(reached) {
        if !reached && !block.lines.is_empty() {
            block.lines.clear();
            changed = true;
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use crate::machine::code::validate;
    use crate::machine::testing::{Random, arithmetic, random_code, run};

    #[test]
    fn the_same_instructions_run_in_the_same_order() {
        let mut random = Random::new("branches", 0x5eed_0005);
        let (mut before_lines, mut after_lines, mut ended) = (0, 0, 0);
        for _ in 0..3000 {
            let blocks = 2 + random.below(6);
            let mut code = random_code(&mut random, blocks, arithmetic);
            for block in &mut code.blocks {
                // Empty blocks and blocks of a lone jump are what the pass is about.
                if random.below(2) == 0 {
                    block.lines.retain(|line| {
                        line.target.is_some() || line.inst.op == gfx1100_isa::Op::S_ENDPGM
                    });
                }
            }
            let was = code.clone();
            super::run(&mut code);
            validate(&code, "branches").expect("well formed");
            // Fuel counts blocks, and fewer are passed through now: only runs that end are compared.
            let lines =
                |code: &super::Code| code.blocks.iter().map(|b| b.lines.len()).sum::<usize>();
            before_lines += lines(&was);
            after_lines += lines(&code);
            let before = run(&was, 1000);
            if before.0 {
                assert_eq!(run(&code, 1000), before, "{was:?}");
                ended += 1;
            }
        }
        assert!(after_lines * 10 < before_lines * 9);
        assert!(ended > 1000, "only {ended} runs ended");
    }
}
