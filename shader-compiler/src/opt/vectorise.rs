//! Neighbouring accesses of one block become one of up to four dwords.
//!
//! Loads of the same memory, the same offset value and adjacent constants are joined at the place of the first, as long as
//! nothing between them could have changed what the later ones see. Stores likewise at the place of the last. Buffers need
//! dword alignment only; workgroup memory needs the access's own, so there the offset must be known to be a multiple of it.

use crate::ir::{Access, Binary, Function, Inst, Op, Space, Type, Value};

/// Dwords that one instruction moves at most.
const MOST: u32 = 4;

/// Joins in every block; true if something was joined.
pub(super) fn run(function: &mut Function) -> bool {
    let mut changed = false;
    for block in 0..function.blocks.len() {
        while let Some((first, second)) = neighbours(function, block) {
            join_loads(function, block, first, second);
            changed = true;
        }
        while let Some((first, second)) = store_neighbours(function, block) {
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
    words: u32,
}

fn load_place(op: &Op) -> Option<Place> {
    match op {
        Op::Load {
            space,
            offset,
            constant,
            access: Access::Words(words),
            volatile: false,
        } => Some(Place {
            space: *space,
            offset: *offset,
            constant: *constant,
            words: u32::from(*words),
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
            access: Access::Words(words),
            ..
        } => Some(Place {
            space: *space,
            offset: *offset,
            constant: *constant,
            words: u32::from(*words),
        }),
        _ => None,
    }
}

impl Place {
    /// One access in place of this and its upper neighbour, if the machine has it.
    fn with(self, upper: Self, alignment: impl Fn(Value) -> u32) -> bool {
        let adjacent = self.space == upper.space
            && self.offset == upper.offset
            && self.constant.checked_add(4 * self.words) == Some(upper.constant);
        let words = self.words + upper.words;
        let aligned = match self.space {
            Space::Shared => {
                let needed = words.next_power_of_two() * 4;
                self.constant.is_multiple_of(needed)
                    && alignment(self.offset).is_multiple_of(needed)
            }
            Space::Buffer(_) | Space::Arguments => true,
        };
        // Three dwords of workgroup memory need the alignment of four: leave those to a later fourth.
        adjacent && words <= MOST && aligned && !(self.space == Space::Shared && words == 3)
    }
}

/// Whether an operation may change what a load of `space` sees.
fn changes(op: &Op, space: Space) -> bool {
    match op {
        Op::Store { space: other, .. }
        | Op::Atomic { space: other, .. }
        | Op::AtomicCompare { space: other, .. }
        | Op::TileStore { space: other, .. } => *other == space,
        Op::Barrier { .. } => true,
        _ => false,
    }
}

/// Whether an operation sees what a store to `space` wrote.
fn observes(op: &Op, space: Space) -> bool {
    match op {
        Op::Load { space: other, .. } | Op::TileLoad { space: other, .. } => *other == space,
        _ => changes(op, space),
    }
}

/// Two loads that may become one: their places in the block, the earlier in the block first.
fn neighbours(function: &Function, block: usize) -> Option<(usize, usize)> {
    let insts = &function.blocks[block].insts;
    let known = function.definitions();
    let align = |value| alignment(&known, value);
    for (first, inst) in insts.iter().enumerate() {
        let Some(place) = load_place(&inst.op) else {
            continue;
        };
        if place.words == MOST {
            continue;
        }
        for (second, other) in insts.iter().enumerate().skip(first + 1) {
            if changes(&other.op, place.space) && !function.is_read_only(place.space) {
                break;
            }
            let Some(upper) = load_place(&other.op) else {
                continue;
            };
            if place.with(upper, align) || upper.with(place, align) {
                return Some((first, second));
            }
        }
    }
    None
}

/// A multiple of this is what the value is: as far as shifts, masks and sums tell.
fn alignment(known: &[Option<&Inst>], value: Value) -> u32 {
    1 << trailing(known, value, 8).min(16)
}

fn trailing(known: &[Option<&Inst>], value: Value, depth: u32) -> u32 {
    let Some(inst) = known[value.0 as usize] else {
        return 0;
    };
    let Some(deeper) = depth.checked_sub(1) else {
        return 0;
    };
    let of = |value: &Value| trailing(known, *value, deeper);
    match &inst.op {
        Op::Const(bits) => (*bits as u32).trailing_zeros(),
        Op::Binary(Binary::IAdd | Binary::Or | Binary::ISub | Binary::Xor, [a, b]) => {
            of(a).min(of(b))
        }
        Op::Binary(Binary::IMul, [a, b]) => (of(a) + of(b)).min(32),
        Op::Binary(Binary::And, [a, b]) => of(a).max(of(b)),
        Op::Binary(Binary::Shl, [a, b]) => match known[b.0 as usize].map(|inst| &inst.op) {
            Some(Op::Const(count)) => (of(a) + (*count as u32 & 31)).min(32),
            _ => of(a),
        },
        Op::Select([_, a, b]) => of(a).min(of(b)),
        _ => 0,
    }
}

const fn words_type(words: u32, one: Type) -> Type {
    match words {
        1 => one,
        n => Type::Words(n as u8),
    }
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
    let whole = function.new_value(Type::Words((lower.words + upper.words) as u8));
    let mut joined = vec![Inst {
        op: Op::Load {
            space: lower.space,
            offset: lower.offset,
            constant: lower.constant,
            access: Access::Words((lower.words + upper.words) as u8),
            volatile: false,
        },
        result: Some(whole),
        source: a.source,
    }];
    for (inst, place) in [(&a, pa), (&b, pb)] {
        let Some(result) = inst.result else { continue };
        let start = (place.constant - lower.constant) / 4;
        split(function, whole, start, place.words, result, &mut joined);
    }
    let insts = &mut function.blocks[block].insts;
    insts.remove(second);
    insts.splice(first..=first, joined);
}

/// Defines `result` as `words` dwords of `whole` from `start` on.
fn split(
    function: &mut Function,
    whole: Value,
    start: u32,
    words: u32,
    result: Value,
    out: &mut Vec<Inst>,
) {
    let mut push = |op, result| {
        out.push(Inst {
            op,
            result: Some(result),
            source: u32::MAX,
        });
    };
    if words == 1 {
        push(Op::Word(whole, start as u8), result);
        return;
    }
    let parts: Vec<Value> = (0..words)
        .map(|k| {
            let part = function.new_value(Type::I32);
            push(Op::Word(whole, (start + k) as u8), part);
            part
        })
        .collect();
    push(Op::Join(parts), result);
}

fn store_neighbours(function: &Function, block: usize) -> Option<(usize, usize)> {
    let insts = &function.blocks[block].insts;
    let known = function.definitions();
    let align = |value| alignment(&known, value);
    for (first, inst) in insts.iter().enumerate() {
        let Some(place) = store_place(&inst.op) else {
            continue;
        };
        if place.words == MOST {
            continue;
        }
        for (second, other) in insts.iter().enumerate().skip(first + 1) {
            if let Some(upper) = store_place(&other.op)
                && (place.with(upper, align) || upper.with(place, align))
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
    for (inst, place) in [(lower, lower_place), (upper, upper_place)] {
        let Op::Store { value, .. } = inst.op else {
            return;
        };
        if place.words == 1 {
            parts.push(value);
            continue;
        }
        for k in 0..place.words {
            let part = function.new_value(words_type(1, Type::I32));
            joined.push(Inst {
                op: Op::Word(value, k as u8),
                result: Some(part),
                source: u32::MAX,
            });
            parts.push(part);
        }
    }
    let words = parts.len() as u8;
    let whole = function.new_value(Type::Words(words));
    joined.push(Inst {
        op: Op::Join(parts),
        result: Some(whole),
        source: u32::MAX,
    });
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
