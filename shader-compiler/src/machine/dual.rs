//! Joins two vector operations into one VOPD instruction, which issues both at once.
//!
//! Problem: the halves must be independent, and the encoding has less room than two instructions: destinations of unlike
//! parity, sources in unlike register banks, two scalars and one literal in all (RDNA3 manual, "Dual Issue VALU").
//!
//! Idea: take the operations of a block in order; for each, look a little ahead for a partner that can stand beside it, and
//! bring the two together where the first stands, or, if the second waits for a load, where the second stands. Nothing else
//! moves, so the order that scheduling found stays, and no load is waited for earlier than before.

use gfx1100_isa::{Class, Dual, Encoding, Inst, Mods, Op, Operand};

use super::code::{Code, Line};
use super::shrink::exchange;
use super::spans::{Span, UNITS, counters, results, sources};
use super::waits::{self, State, Wait};

/// How far ahead a partner is looked for.
const WINDOW: usize = 24;

/// Pairs up what can be paired in each block.
pub fn run(code: &mut Code) {
    let entry = waits::at_entry(code);
    for (block, state) in code.blocks.iter_mut().zip(entry) {
        if let Some(state) = state {
            pair_block(&mut block.lines, state);
        }
    }
}

fn pair_block(lines: &mut Vec<Line>, mut state: State) {
    for first in 0..lines.len() {
        let inst = lines[first].inst;
        if half(&inst).is_some()
            && let Some(found) = partner(lines, &state, first)
        {
            let (keep, drop) = if found.at_first {
                (first, found.second)
            } else {
                (found.second, first)
            };
            lines[keep].inst = found.both;
            // An empty line that no dependence check minds; it is taken out below.
            lines[drop].inst = super::code::control(Op::S_NOP, GONE);
        }
        state.step(&lines[first].inst);
    }
    lines.retain(|line| !is_gone(&line.inst));
}

fn is_gone(inst: &Inst) -> bool {
    inst.op == Op::S_NOP && inst.imm == GONE
}

/// Immediate that marks a line which moved into its partner's; no `s_nop` of the machine has it.
const GONE: i32 = -1;

struct Found {
    second: usize,
    both: Inst,
    at_first: bool,
}

/// Registers that the lines between the two read and write.
#[derive(Default)]
struct Between {
    read: Units,
    written: Units,
}

#[derive(Clone, Copy, Default)]
struct Units([u64; UNITS / 64]);

impl Units {
    fn add(&mut self, spans: &[Span]) {
        for unit in spans.iter().flat_map(|span| span.units()) {
            self.0[unit / 64] |= 1 << (unit % 64);
        }
    }

    fn meet(&self, spans: &[Span]) -> bool {
        let mut units = spans.iter().flat_map(|span| span.units());
        units.any(|unit| self.0[unit / 64] >> (unit % 64) & 1 != 0)
    }
}

impl Between {
    /// `inst` can be moved over all of them.
    fn lets_pass(&self, inst: &Inst) -> bool {
        let written = results(inst);
        !self.written.meet(&sources(inst))
            && !self.written.meet(&written)
            && !self.read.meet(&written)
    }
}

/// The nearest line that can be joined with line `first`, where `state` holds.
fn partner(lines: &[Line], state: &State, first: usize) -> Option<Found> {
    let inst = &lines[first].inst;
    let mut own_results = Units::default();
    own_results.add(&results(inst));
    let mut between = Between::default();
    let ahead = lines.iter().enumerate().skip(first + 1).take(WINDOW);
    for (second, line) in ahead {
        let other = &line.inst;
        if is_fence(other) {
            return None;
        }
        if half(other).is_some()
            && !own_results.meet(&sources(other))
            && let Some(both) = join(inst, other)
        {
            let waits_no_earlier = state.after_wait_of(inst).needed(other) == Wait::default();
            let at_first = between.lets_pass(other) && waits_no_earlier;
            if at_first || between.lets_pass(inst) {
                return Some(Found {
                    second,
                    both,
                    at_first,
                });
            }
        }
        between.read.add(&sources(other));
        between.written.add(&results(other));
    }
    None
}

/// Nothing moves over these.
fn is_fence(inst: &Inst) -> bool {
    let row = inst.op.row();
    let plain = row.is_valu() || !counters(inst).is_empty() || row.class == Class::Salu;
    let mode = matches!(
        inst.op,
        Op::S_SETREG_B32 | Op::S_SETREG_IMM32_B32 | Op::S_GETREG_B32
    );
    (!plain && !is_gone(inst)) || mode
}

/// One half of a VOPD: a VALU instruction whose operands fit.
#[derive(Clone, Copy)]
struct Half {
    op: Op,
    dst: u8,
    src0: Operand,
    src1: Option<u8>,
    /// Third source: the accumulator of fmac, the addend of fmamk.
    src2: Option<u8>,
    /// K of fmaak and fmamk.
    k: Option<u32>,
    /// The literal of the half: K, or a constant as source 0.
    literal: Option<u32>,
}

fn half(inst: &Inst) -> Option<Half> {
    let row = inst.op.row();
    let [a, b, c, _] = inst.src;
    let (Operand::V(dst), true) = (inst.dst[0], row.effects.dual_y) else {
        return None;
    };
    if inst.encoding != Encoding::Native || inst.mods != Mods::default() {
        return None;
    }
    let vgpr = |operand| match operand {
        Operand::V(n) => Some(n),
        _ => None,
    };
    let value = |operand| match operand {
        Operand::Literal(bits) => Some(bits),
        _ => None,
    };
    let accumulator = row.effects.reads_dst.then_some(dst);
    let (src1, src2, k) = match inst.op {
        Op::V_MOV_B32 => (None, None, None),
        Op::V_FMAMK_F32 => (Some(vgpr(c)?), Some(vgpr(c)?), value(b)),
        Op::V_FMAAK_F32 => (Some(vgpr(b)?), None, value(c)),
        Op::V_CNDMASK_B32 if c != Operand::VCC => return None,
        _ => (Some(vgpr(b)?), accumulator, None),
    };
    let plain = !matches!(a, Operand::None | Operand::Inline(235..=238 | 251..));
    plain.then_some(Half {
        op: inst.op,
        dst,
        src0: a,
        src1,
        src2,
        k,
        literal: k.or(value(a)),
    })
}

/// Both in one instruction, in whichever order and with whichever sources exchanged the rules allow.
fn join(first: &Inst, second: &Inst) -> Option<Inst> {
    let forms = |inst: &Inst| [half(inst), exchange(inst).as_ref().and_then(half)];
    let (first, second) = (forms(first), forms(second));
    for a in first.iter().flatten() {
        for b in second.iter().flatten() {
            for (x, y) in [(a, b), (b, a)] {
                if allowed(x, y) {
                    return Some(encode(x, y));
                }
            }
        }
    }
    None
}

/// The pairing rules; that neither reads what the other writes first is the caller's.
fn allowed(x: &Half, y: &Half) -> bool {
    let bank = |operand| match operand {
        Operand::V(n) => Some(n % 4),
        _ => None,
    };
    let unlike = |a: Option<u8>, b: Option<u8>| a.is_none() || b.is_none() || a != b;
    x.op.row().effects.dual_x
        && x.dst % 2 != y.dst % 2
        && unlike(bank(x.src0), bank(y.src0))
        && unlike(second_port(x), second_port(y))
        && unlike(x.src2.map(|n| n % 2), y.src2.map(|n| n % 2))
        && unlike_literals(x, y)
        && scalars(x, y) <= 2
}

/// Bank of the second source; the addend of fmamk stands in its field but is read as a third source.
fn second_port(half: &Half) -> Option<u8> {
    let second = half.src1.filter(|_| half.op != Op::V_FMAMK_F32);
    second.map(|n| n % 4)
}

fn unlike_literals(x: &Half, y: &Half) -> bool {
    x.literal.is_none() || y.literal.is_none() || x.literal == y.literal
}

/// Scalar values that the pair reads: registers, VCC of cndmask, the literal.
fn scalars(x: &Half, y: &Half) -> usize {
    let register = |half: &Half| match half.src0 {
        Operand::S(n) => Some(n),
        _ => None,
    };
    let mask = |half: &Half| (half.op == Op::V_CNDMASK_B32).then_some(106);
    let read = [register(x), register(y), mask(x), mask(y)];
    let mut read: Vec<u8> = read.into_iter().flatten().collect();
    read.sort_unstable();
    read.dedup();
    read.len() + usize::from(x.literal.or(y.literal).is_some())
}

fn encode(x: &Half, y: &Half) -> Inst {
    let vgpr = |n: Option<u8>| n.map_or(Operand::None, Operand::V);
    Inst {
        dst: [Operand::V(x.dst), Operand::V(y.dst)],
        src: [x.src0, vgpr(x.src1), y.src0, vgpr(y.src1)],
        dual: Some(Dual {
            x: x.op,
            y: y.op,
            literal: x.k.or(y.k),
        }),
        ..super::code::control(Op::V_DUAL, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::{Random, arithmetic, inst, random_code, run};

    #[test]
    fn pairs_compute_what_their_halves_did() {
        let mut random = Random::new("dual", 0x5eed_0003);
        let mut pairs = 0;
        for _ in 0..3000 {
            let blocks = 1 + random.below(3);
            let mut code = random_code(&mut random, blocks, arithmetic);
            super::super::shrink::run(&mut code);
            let before = run(&code, 12);
            let was = code.clone();
            super::run(&mut code);
            assert_eq!(run(&code, 12), before, "{was:?}");
            let lines = code.blocks.iter().flat_map(|block| &block.lines);
            for line in lines.filter(|line| line.inst.dual.is_some()) {
                gfx1100_isa::encode(&line.inst).expect("a pair that the rules allow");
                pairs += 1;
            }
        }
        assert!(pairs > 2000, "only {pairs} pairs were made");
    }

    /// Every pair of two operations on four registers each: what the pass joins and what the rules of the instruction set
    /// allow, in either order and with sources exchanged, is the same set.
    #[test]
    fn what_the_rules_allow_is_found() {
        let operations = |dst: u8, regs: [u8; 2]| {
            let [a, b] = regs.map(Operand::V);
            let d = Operand::V(dst);
            [
                inst(Op::V_ADD_F32, &[d], &[a, b]),
                inst(Op::V_FMAC_F32, &[d], &[a, b]),
                inst(Op::V_SUB_F32, &[d], &[Operand::S(3), b]),
                inst(Op::V_FMAMK_F32, &[d], &[a, Operand::Literal(7), b]),
                inst(Op::V_MOV_B32, &[d], &[a]),
                inst(Op::V_AND_B32, &[d], &[Operand::Literal(9), b]),
                inst(Op::V_CNDMASK_B32, &[d], &[Operand::S(4), b, Operand::VCC]),
            ]
        };
        let mut joined = 0;
        for regs in 0..256_u32 {
            let reg = |k: u32| (regs >> (2 * k) & 3) as u8;
            for a in operations(8 + reg(0), [reg(1), reg(2)]) {
                for b in operations(9 + reg(3) % 2, [reg(3), reg(0)]) {
                    let found = join(&a, &b);
                    let forms = |i: &Inst| [Some(*i), exchange(i)].into_iter().flatten();
                    let mut legal = false;
                    for a in forms(&a) {
                        for b in forms(&b) {
                            let halves = half(&a).zip(half(&b));
                            let [ab, ba] = [
                                halves.map(|(a, b)| encode(&a, &b)),
                                halves.map(|(a, b)| encode(&b, &a)),
                            ];
                            let ok = |pair: Option<Inst>| {
                                pair.is_some_and(|p| gfx1100_isa::encode(&p).is_ok())
                            };
                            let literals = halves.is_some_and(|(a, b)| unlike_literals(&a, &b));
                            legal |= literals && (ok(ab) || ok(ba));
                        }
                    }
                    assert_eq!(found.is_some(), legal, "{a:?} {b:?}");
                    joined += u32::from(legal);
                }
            }
        }
        assert!(joined > 1000, "only {joined} pairs are legal");
    }
}
