//! Where the program counter may be while a lane waits on a logical edge.
//!
//! Control flow is structured, and its blocks are laid out in order, loops contiguous. A lane that goes from X to Y and is off
//! meanwhile waits for the program counter to come to Y. On the way it is
//!
//! - for an edge ahead (Y after X): in blocks before Y. They lie between X and Y, or in a loop around X that the edge
//!   leaves: a lane that has left waits for the last one;
//! - for an edge back (a lane that continues a loop): in the rest of the loop, after X.
//!
//! Nobody waits on an edge that the program counter takes itself for all lanes that go there: the only way on from X, or one
//! of a branch on SCC, which is the same for the whole wave. Other branches may be of lanes.

use super::{BlockId, Function, Kind};
use gfx1100_isa::{Class, Op};

/// Blocks through which the program counter may go from `x` to `y`, which is a logical successor, another way.
pub(super) fn parked(function: &Function, x: BlockId, y: BlockId) -> Vec<usize> {
    let block = &function.blocks[x.0 as usize];
    let by_wave = block.insts.iter().all(|inst| match inst.kind {
        Kind::Isa(op) => {
            op.row().class != Class::Branch
                || matches!(op, Op::S_BRANCH | Op::S_CBRANCH_SCC0 | Op::S_CBRANCH_SCC1)
        }
        _ => true,
    });
    if block.linear.contains(&y) && (by_wave || block.linear.len() == 1) {
        return Vec::new();
    }
    let (x, y) = (x.0 as usize, y.0 as usize);
    let sources = |to: usize| {
        let blocks = function.blocks.iter().enumerate();
        blocks.filter(move |(_, block)| block.linear.iter().any(|next| next.0 as usize == to))
    };
    let allowed = match x < y {
        true => 0..y,
        false => {
            let latch = sources(y).map(|(source, _)| source).max().unwrap_or(x);
            x + 1..latch.max(x) + 1
        }
    };
    let spread = |start: Vec<usize>, forward: bool| {
        let mut seen = vec![false; function.blocks.len()];
        let mut open = start;
        while let Some(block) = open.pop() {
            if block == y || !allowed.contains(&block) || std::mem::replace(&mut seen[block], true)
            {
                continue;
            }
            match forward {
                true => open.extend(function.blocks[block].linear.iter().map(|b| b.0 as usize)),
                false => open.extend(sources(block).map(|(source, _)| source)),
            }
        }
        seen
    };
    let ahead = spread(
        function.blocks[x]
            .linear
            .iter()
            .map(|b| b.0 as usize)
            .collect(),
        true,
    );
    let back = spread(sources(y).map(|(source, _)| source).collect(), false);
    (0..function.blocks.len())
        .filter(|b| ahead[*b] && back[*b])
        .collect()
}
