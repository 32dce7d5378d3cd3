//! Neighbouring accesses of one block become one of up to four dwords.
//!
//! Loads of the same memory, the same offset value and adjacent constants are joined at the place of the first, as long as
//! nothing between them could have changed what the later ones see. Stores likewise at the place of the last. Two halves of
//! a dword join first, then dwords. Buffers need dword alignment only; workgroup memory needs the access's own. What is
//! needed beyond the alignment of the parts must be known of the offset.

use super::alignment::Alignment;
use crate::ir::{Access, Function, Inst, Op, Space, Type, Unary, Value};

/// Bytes that one instruction moves at most.
const MOST: u32 = 16;

/// Joins in every block; true if something was joined.
pub(super) fn run(function: &mut Function) -> bool {
    let mut changed = false;
    // Joining makes no new offsets.
    let alignment = Alignment::of(function);
    for block in 0..function.blocks.len() {
        while let Some((first, second)) = neighbours(function, &alignment, block) {
            join_loads(function, block, first, second);
            changed = true;
        }
        while let Some((first, second)) = store_neighbours(function, &alignment, block) {
            join_stores(function, block, first, second);
            changed = true;
        }
    }
    changed
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    space: Space,
    offset: Value,
    constant: u32,
    bytes: u32,
}

const fn bytes(access: Access) -> u32 {
    match access {
        Access::Words(words) => 4 * words as u32,
        Access::Half => 2,
    }
}

fn load_place(op: &Op) -> Option<Place> {
    match op {
        Op::Load {
            space,
            offset,
            constant,
            access,
            volatile: false,
        } => Some(Place {
            space: *space,
            offset: *offset,
            constant: *constant,
            bytes: bytes(*access),
        }),
        _ => None,
    }
}

fn store_place(op: &Op) -> Option<Place> {
    match op {
        Op::Store {
            space,
            offset,
            constant,
            access,
            ..
        } => Some(Place {
            space: *space,
            offset: *offset,
            constant: *constant,
            bytes: bytes(*access),
        }),
        _ => None,
    }
}

impl Place {
    /// One access in place of this and its upper neighbour, if the machine has it.
    fn with(self, upper: Self, alignment: &Alignment) -> bool {
        let adjacent = self.space == upper.space
            && self.offset == upper.offset
            && self.constant.checked_add(self.bytes) == Some(upper.constant);
        let bytes = self.bytes + upper.bytes;
        let halves = self.bytes == 2 || upper.bytes == 2;
        let shared = self.space == Space::Shared;
        if !adjacent || bytes > MOST || (halves && bytes != 4) {
            return false;
        }
        let needed = match (halves, shared) {
            (true, _) => 4,
            (false, true) => bytes.next_power_of_two(),
            (false, false) => return true,
        };
        // Three dwords of workgroup memory need the alignment of four: leave those to a later fourth.
        let aligned = self.constant.is_multiple_of(needed)
            && alignment.multiple(self.offset).is_multiple_of(needed);
        aligned && bytes != 12
    }
}

/// Whether an operation may change what a load of `space` sees.
fn changes(op: &Op, space: Space) -> bool {
    op.writes() == Some(space) || matches!(op, Op::Barrier { .. })
}

/// Whether an operation sees what a store to `space` wrote, or orders it.
fn observes(op: &Op, space: Space) -> bool {
    op.address().is_some_and(|at| at.space == space) || changes(op, space)
}

/// Two loads that may become one: their places in the block, the earlier in the block first.
fn neighbours(function: &Function, alignment: &Alignment, block: usize) -> Option<(usize, usize)> {
    let insts = &function.blocks[block].insts;
    for (first, inst) in insts.iter().enumerate() {
        let Some(place) = load_place(&inst.op) else {
            continue;
        };
        if place.bytes == MOST {
            continue;
        }
        for (second, other) in insts.iter().enumerate().skip(first + 1) {
            if changes(&other.op, place.space) && !function.is_read_only(place.space) {
                break;
            }
            let Some(upper) = load_place(&other.op) else {
                continue;
            };
            if place.with(upper, alignment) || upper.with(place, alignment) {
                return Some((first, second));
            }
        }
    }
    None
}

fn join_loads(function: &mut Function, block: usize, first: usize, second: usize) {
    let insts = &function.blocks[block].insts;
    let (a, b) = (insts[first].clone(), insts[second].clone());
    let (Some(pa), Some(pb)) = (load_place(&a.op), load_place(&b.op)) else {
        return;
    };
    let (lower, upper) = if pa.constant < pb.constant {
        (pa, pb)
    } else {
        (pb, pa)
    };
    let words = ((lower.bytes + upper.bytes) / 4) as u8;
    let whole = function.new_value(match words {
        1 => Type::F16x2,
        n => Type::Words(n),
    });
    let mut joined = vec![Inst {
        op: Op::Load {
            space: lower.space,
            offset: lower.offset,
            constant: lower.constant,
            access: Access::Words(words),
            volatile: false,
        },
        result: Some(whole),
        source: a.source,
    }];
    for (inst, place) in [(&a, pa), (&b, pb)] {
        let Some(result) = inst.result else { continue };
        let start = (place.constant - lower.constant) as u8;
        if place.bytes == 2 {
            half_of(function, whole, start / 2, result, &mut joined);
        } else {
            split(
                function,
                whole,
                start / 4,
                place.bytes / 4,
                result,
                &mut joined,
            );
        }
    }
    let insts = &mut function.blocks[block].insts;
    insts.remove(second);
    insts.splice(first..=first, joined);
}

/// An operation made by this pass.
const fn inst(op: Op, result: Value) -> Inst {
    Inst {
        op,
        result: Some(result),
        source: u32::MAX,
    }
}

/// Defines `result` as element `k` of the pair `whole`.
fn half_of(function: &mut Function, whole: Value, k: u8, result: Value, out: &mut Vec<Inst>) {
    if function.ty(result) == Type::F16 {
        out.push(inst(Op::Unary(Unary::Half(k), whole), result));
        return;
    }
    let half = function.new_value(Type::F16);
    out.push(inst(Op::Unary(Unary::Half(k), whole), half));
    out.push(inst(Op::Unary(Unary::Bitcast, half), result));
}

/// Defines `result` as `words` dwords of `whole` from `start` on.
fn split(
    function: &mut Function,
    whole: Value,
    start: u8,
    words: u32,
    result: Value,
    out: &mut Vec<Inst>,
) {
    if words == 1 {
        out.push(inst(Op::Word(whole, start), result));
        return;
    }
    let parts: Vec<Value> = (0..words as u8)
        .map(|k| {
            let part = function.new_value(Type::I32);
            out.push(inst(Op::Word(whole, start + k), part));
            part
        })
        .collect();
    out.push(inst(Op::Join(parts), result));
}

fn store_neighbours(
    function: &Function,
    alignment: &Alignment,
    block: usize,
) -> Option<(usize, usize)> {
    let insts = &function.blocks[block].insts;
    for (first, inst) in insts.iter().enumerate() {
        let Some(place) = store_place(&inst.op) else {
            continue;
        };
        if place.bytes == MOST {
            continue;
        }
        for (second, other) in insts.iter().enumerate().skip(first + 1) {
            if let Some(upper) = store_place(&other.op)
                && (place.with(upper, alignment) || upper.with(place, alignment))
            {
                return Some((first, second));
            }
            if observes(&other.op, place.space) {
                break;
            }
        }
    }
    None
}

fn join_stores(function: &mut Function, block: usize, first: usize, second: usize) {
    let insts = &function.blocks[block].insts;
    let (a, b) = (insts[first].clone(), insts[second].clone());
    let (Some(pa), Some(pb)) = (store_place(&a.op), store_place(&b.op)) else {
        return;
    };
    let in_order = pa.constant < pb.constant;
    let (lower, upper) = if in_order { (&a, &b) } else { (&b, &a) };
    let (lower_place, upper_place) = if in_order { (pa, pb) } else { (pb, pa) };
    let mut joined = Vec::new();
    let mut parts = Vec::new();
    for (store, place) in [(lower, lower_place), (upper, upper_place)] {
        let Op::Store { value, .. } = store.op else {
            return;
        };
        match place.bytes {
            2 if function.ty(value) != Type::F16 => {
                let half = function.new_value(Type::F16);
                joined.push(inst(Op::Unary(Unary::Bitcast, value), half));
                parts.push(half);
            }
            2 | 4 => parts.push(value),
            bytes => {
                for k in 0..bytes / 4 {
                    let part = function.new_value(Type::I32);
                    joined.push(inst(Op::Word(value, k as u8), part));
                    parts.push(part);
                }
            }
        }
    }
    let words = ((lower_place.bytes + upper_place.bytes) / 4) as u8;
    let (ty, op) = match (words, parts.as_slice()) {
        (1, &[low, high]) => (Type::F16x2, Op::Pack([low, high])),
        _ => (Type::Words(words), Op::Join(parts)),
    };
    let whole = function.new_value(ty);
    joined.push(inst(op, whole));
    joined.push(Inst {
        op: Op::Store {
            space: lower_place.space,
            offset: lower_place.offset,
            constant: lower_place.constant,
            access: Access::Words(words),
            value: whole,
        },
        result: None,
        source: b.source,
    });
    let insts = &mut function.blocks[block].insts;
    insts.splice(second..=second, joined);
    insts.remove(first);
}
