//! Operations that could be the halves of one VOPD: the scheduler puts them side by side, and placement gives them
//! registers that the encoding takes.
//!
//! The rules are those of the RDNA3 manual, "Dual Issue VALU": destinations of unlike parity, first sources in unlike banks (register
//! modulo 4), second sources likewise. Before registers are known a pair is possible if the opcodes and constants allow it.

use super::coalesce::{Groups, accumulating};
use super::operands::file;
use super::place::Board;
use super::{File, Function, Inst, Kind, Operand, Register};
use gfx1100_isa as isa;
use isa::Op;

/// A dword of a virtual register.
type At = (Register, u8);

/// An operation that fits one half.
#[derive(Clone, Copy, Debug)]
pub(super) struct Half {
    x: bool,
    dst: At,
    /// The vector registers among its first two sources.
    sources: [Option<At>; 2],
    /// Both sources are vector registers and may be exchanged.
    commutes: bool,
    /// The addend, whose place the result must have taken.
    addend: Option<At>,
    literal: Option<u32>,
}

/// The half that an instruction could be; masks are taken to be in VCC and addends in the destination.
pub(super) fn half(function: &Function, inst: &Inst) -> Option<Half> {
    let Kind::Isa(op) = inst.kind else {
        return None;
    };
    let short = accumulating(op);
    let row = short.unwrap_or(op).row();
    let Operand::Virtual(dst, dword) = inst.dst[0] else {
        return None;
    };
    if !row.effects.dual_y || inst.mods != isa::Mods::default_of(op) {
        return None;
    }
    let vector = |operand| match operand {
        Operand::Virtual(register, dword) if file(function, operand) == Some(File::Vector) => {
            Some((register, dword))
        }
        _ => None,
    };
    let [a, b, c, _] = inst.src;
    let (mut sources, needs_second) = match op {
        Op::V_MOV_B32 => ([vector(a), None], false),
        // The constant stands second; the addend is no second source.
        Op::V_FMAMK_F32 => ([vector(a), None], false),
        _ => ([vector(a), vector(b)], true),
    };
    let commutes = row.effects.commutes && op != Op::V_FMAMK_F32;
    if needs_second && sources[1].is_none() {
        if !commutes {
            return None;
        }
        sources.swap(0, 1);
        sources[1]?;
    }
    let literal = inst.src.iter().find_map(|source| match source {
        Operand::Fixed(isa::Operand::Literal(bits)) => Some(*bits),
        _ => None,
    });
    Some(Half {
        x: row.effects.dual_x,
        dst: (dst, dword),
        sources,
        commutes: commutes && sources[0].is_some() && sources[1].is_some(),
        addend: if short.is_some() {
            Some(vector(c)?)
        } else {
            None
        },
        literal,
    })
}

/// Both can be in one instruction as far as opcodes and constants say.
pub(super) fn possible(a: &Half, b: &Half) -> bool {
    (a.x || b.x) && (a.literal.is_none() || b.literal.is_none() || a.literal == b.literal)
}

/// Neighbours that should be joined, and how often they run.
pub(super) struct Pair {
    halves: [Half; 2],
    weight: u64,
}

/// The pairs of neighbours, each instruction in one at most.
pub(super) fn pairs(function: &Function, groups: &Groups) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for block in &function.blocks {
        let weight = 10u64.pow(block.depth.min(8));
        let mut open: Option<Half> = None;
        for inst in &block.insts {
            let fits = |half: &Half| half.addend.is_none_or(|a| groups.together(a, half.dst));
            let now = half(function, inst).filter(fits);
            if let (Some(first), Some(second)) = (open, now) {
                let needs = |at: &At| *at == first.dst;
                let mut reads = second.sources.iter().flatten().chain(&second.addend);
                if possible(&first, &second) && !reads.any(needs) {
                    pairs.push(Pair {
                        halves: [first, second],
                        weight,
                    });
                    open = None;
                    continue;
                }
            }
            open = now;
        }
    }
    pairs
}

impl Pair {
    fn registers(&self) -> impl Iterator<Item = At> + '_ {
        let halves = self.halves.iter();
        halves.flat_map(|half| half.sources.iter().flatten().chain([&half.dst]).copied())
    }

    /// The encoding takes these places.
    fn joins(&self, place: &dyn Fn(At) -> u8) -> bool {
        let forms = |half: &Half| {
            let [a, b] = half.sources.map(|source| source.map(|at| place(at) % 4));
            let exchanged = if half.commutes { [b, a] } else { [a, b] };
            [[a, b], exchanged]
        };
        let unlike = |a: Option<u8>, b: Option<u8>| a.is_none() || b.is_none() || a != b;
        let [first, second] = &self.halves;
        place(first.dst) % 2 != place(second.dst) % 2
            && forms(first).iter().any(|a| {
                let mut others = forms(second).into_iter();
                others.any(|b| unlike(a[0], b[0]) && unlike(a[1], b[1]))
            })
    }
}

/// Rounds over all groups; each can only make it better, and few rounds do most.
const ROUNDS: usize = 4;

/// Moves groups to other free places below `limit` where more pairs can be joined.
pub(super) fn improve(
    groups: &Groups,
    pairs: &[Pair],
    limit: usize,
    board: &mut Board,
    places: &mut [Option<u8>],
) {
    let mut of_group: Vec<Vec<usize>> = vec![Vec::new(); groups.all.len()];
    for (number, pair) in pairs.iter().enumerate() {
        for (register, _) in pair.registers() {
            let group = groups.of[register.0 as usize].0;
            if of_group[group].last() != Some(&number) {
                of_group[group].push(number);
            }
        }
    }
    let lost = |numbers: &[usize], places: &[Option<u8>]| -> u64 {
        let place = |(register, dword): At| {
            let (group, offset) = groups.of[register.0 as usize];
            places[group].unwrap_or(0) + offset + dword
        };
        let apart = numbers
            .iter()
            .filter(|number| !pairs[**number].joins(&place));
        apart.map(|number| pairs[*number].weight).sum()
    };
    for _ in 0..ROUNDS {
        let mut moved = false;
        for (index, numbers) in of_group.iter().enumerate() {
            let (group, now) = (&groups.all[index], lost(numbers, places));
            let Some(start) = places[index].filter(|_| now > 0 && group.pinned.is_none()) else {
                continue;
            };
            board.leave(&groups.all, places, index);
            let mut best = (now, start);
            for other in 0..=limit.saturating_sub(group.dwords.len()) {
                places[index] = Some(other as u8);
                let would = lost(numbers, places);
                if would < best.0 && board.fits(group, other) {
                    best = (would, other as u8);
                }
            }
            places[index] = Some(best.1);
            board.take(group, usize::from(best.1));
            moved |= best.1 != start;
        }
        if !moved {
            return;
        }
    }
}
