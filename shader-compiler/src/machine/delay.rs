//! Inserts `s_delay_alu`, by which a wave tells the scheduler how long its next instruction would stall, so that another
//! wave goes first. A hint only: leaving it out costs time, never correctness.
//!
//! For each register the pass knows which ALU instruction of the block wrote it, counted back from here, and how many
//! cycles its result is still away. An instruction that would read it too early gets the hint. One hint holds two waits, the
//! second for an instruction up to five later (`instskip`), so two hints that stand close are merged.
//!
//! Latencies are those that ACO's `aco_insert_delay_alu.cpp` uses.

use gfx1100_isa::{Class, Inst, Op};

use super::code::{Code, Line, control};
use super::spans::{Span, UNITS, results, sources};

/// A result on its way: which instruction back of its kind made it, and the cycles until it is there.
#[derive(Clone, Copy, Default)]
struct Pending {
    valu: Option<(u8, i8)>,
    trans: Option<(u8, i8)>,
    salu: i8,
}

/// `VALU_DEP_1` to `VALU_DEP_4`.
const VALU_REACH: u8 = 4;
/// `TRANS32_DEP_1` to `TRANS32_DEP_3`.
const TRANS_REACH: u8 = 3;
/// `SALU_CYCLE_1` to `SALU_CYCLE_3`.
const SALU_REACH: i8 = 3;

const TRANS_ID: u8 = 5;
const VALU_ID: u8 = 1;
const SALU_ID: u8 = 9;

/// Cycles from issue to result, and cycles of issue.
fn cycles(class: Class) -> (i8, i8) {
    match class {
        Class::Salu => (2, 1),
        Class::Trans => (10, 1),
        Class::ValuSlow => (8, 4),
        Class::Wmma => (32, 16),
        _ => (5, 1),
    }
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.valu.is_none() && self.trans.is_none() && self.salu <= 0
    }

    /// Waiting for the nearer of two waits for both.
    fn join(&mut self, other: &Self) {
        let nearer = |a: Option<(u8, i8)>, b: Option<(u8, i8)>| match (a, b) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            _ => a.or(b),
        };
        self.valu = nearer(self.valu, other.valu);
        self.trans = nearer(self.trans, other.trans);
        self.salu = self.salu.max(other.salu);
    }

    /// After an instruction: one further back if it was of the same kind, and some cycles nearer.
    fn age(&mut self, valu: bool, trans: bool, cycles: i8) {
        let older = |entry: Option<(u8, i8)>, step: bool, reach: u8| {
            let (back, left) = entry?;
            let (back, left) = (back + u8::from(step), left - cycles);
            (back < reach && left > 0).then_some((back, left))
        };
        self.valu = older(self.valu, valu, VALU_REACH);
        self.trans = older(self.trans, trans, TRANS_REACH);
        self.salu = (self.salu - cycles).max(0);
    }

    fn longest(&self) -> i8 {
        let left = |entry: Option<(u8, i8)>| entry.map_or(0, |(_, left)| left);
        left(self.valu).max(left(self.trans)).max(self.salu)
    }

    /// What waiting for `waited` makes superfluous.
    fn fulfil(&mut self, waited: &Self) {
        let done = |mine: Option<(u8, i8)>, theirs: Option<(u8, i8)>| match (mine, theirs) {
            (Some(mine), Some(theirs)) if mine.0 >= theirs.0 => None,
            (mine, _) => mine,
        };
        self.valu = done(self.valu, waited.valu);
        self.trans = done(self.trans, waited.trans);
    }

    /// The ids of the waits, two at most: a scalar one is dropped where both vector kinds are waited for.
    fn ids(&self) -> [u8; 2] {
        let trans = self.trans.map(|(back, _)| TRANS_ID + back);
        let valu = self.valu.map(|(back, _)| VALU_ID + back);
        let salu = (self.salu > 0).then(|| SALU_ID + self.salu.min(SALU_REACH) as u8 - 1);
        let mut ids = [trans, valu, salu].into_iter().flatten();
        [ids.next().unwrap_or(0), ids.next().unwrap_or(0)]
    }
}

/// Inserts the hints, block by block: what is on its way at the start of a block is not known and not waited for.
pub fn run(code: &mut Code) {
    for block in &mut code.blocks {
        let lines = hinted(&block.lines);
        block.lines = merged(lines);
    }
}

fn hinted(lines: &[Line]) -> Vec<Line> {
    let mut pending = vec![Pending::default(); UNITS];
    let mut out = Vec::with_capacity(lines.len());
    for line in lines {
        let class = line.inst.op.row().class;
        let (valu, trans, salu) = (
            line.inst.op.row().is_valu() && class != Class::Trans,
            class == Class::Trans,
            class == Class::Salu,
        );
        let mut wait = Pending::default();
        if valu || trans || salu {
            let read = sources(&line.inst);
            let units = read.iter().filter(|span| **span != Span::EXEC);
            for unit in units.flat_map(|span| span.units()) {
                wait.join(&pending[unit]);
            }
        } else if !matches!(class, Class::Control) {
            // Memory instructions wait for the ALU by themselves, and where a branch goes nothing is known.
            pending.fill(Pending::default());
        }
        if !wait.is_empty() {
            let [first, second] = wait.ids();
            let hint = control(Op::S_DELAY_ALU, i32::from(second) << 7 | i32::from(first));
            out.push(Line::added(hint, line.source));
            let stall = wait.longest();
            for entry in &mut pending {
                entry.fulfil(&wait);
                entry.age(false, false, stall);
            }
        }
        out.push(*line);
        let (latency, issue) = cycles(class);
        for entry in &mut pending {
            entry.age(valu, trans, issue);
        }
        let left = latency - issue;
        let result = Pending {
            valu: valu.then_some((0, left)),
            trans: trans.then_some((0, left)),
            salu: if salu { left } else { 0 },
        };
        if valu || trans || salu {
            for unit in results(&line.inst).iter().flat_map(|span| span.units()) {
                pending[unit] = result;
            }
        }
    }
    out
}

/// Moves a hint of one wait into the free half of the one before it, if that stands at most five instructions earlier.
fn merged(lines: Vec<Line>) -> Vec<Line> {
    const FARTHEST: usize = 5;
    let mut out: Vec<Line> = Vec::with_capacity(lines.len());
    let mut open: Option<usize> = None;
    for line in lines {
        if line.inst.op == Op::S_DELAY_ALU {
            let imm = line.inst.imm;
            let single = imm >> 7 == 0;
            // The hint at `at` stands before the instruction at `at + 1`.
            let skipped = |at: usize| out.len() - (at + 1);
            match open.filter(|at| single && skipped(*at) <= FARTHEST) {
                Some(at) => {
                    let skip = skipped(at) as i32;
                    let first: &mut Inst = &mut out[at].inst;
                    first.imm |= imm << 7 | skip << 4;
                    open = None;
                    continue;
                }
                None => open = single.then_some(out.len()),
            }
        }
        out.push(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::run;
    use crate::machine::testing::{check, unchanged};

    #[test]
    fn the_hint_counts_back_to_what_is_read() {
        check(
            run,
            "v_mul_f32 v0, v1, v2
             v_add_f32 v3, v0, v4",
            "v_mul_f32 v0, v1, v2
             s_delay_alu instid0(VALU_DEP_1)
             v_add_f32 v3, v0, v4",
        );
        check(
            run,
            "v_mul_f32 v0, v1, v2
             v_mul_f32 v5, v1, v2
             v_mul_f32 v6, v1, v2
             v_add_f32 v3, v0, v4",
            "v_mul_f32 v0, v1, v2
             v_mul_f32 v5, v1, v2
             v_mul_f32 v6, v1, v2
             s_delay_alu instid0(VALU_DEP_3)
             v_add_f32 v3, v0, v4",
        );
        // Five cycles later it is there.
        unchanged(
            run,
            "v_mul_f32 v0, v1, v2
             v_mul_f32 v5, v1, v2
             v_mul_f32 v6, v1, v2
             v_mul_f32 v7, v1, v2
             v_mul_f32 v8, v1, v2
             v_add_f32 v3, v0, v4",
        );
        unchanged(
            run,
            "v_mul_f32 v0, v1, v2
             buffer_store_b32 v0, v9, s[4:7], 0 offen",
        );
    }

    #[test]
    fn kinds_have_ids_of_their_own() {
        check(
            run,
            "v_exp_f32 v0, v1
             v_add_f32 v3, v0, v4",
            "v_exp_f32 v0, v1
             s_delay_alu instid0(TRANS32_DEP_1)
             v_add_f32 v3, v0, v4",
        );
        check(
            run,
            "s_add_u32 s0, s1, s2
             v_add_f32 v3, s0, v4",
            "s_add_u32 s0, s1, s2
             s_delay_alu instid0(SALU_CYCLE_1)
             v_add_f32 v3, s0, v4",
        );
        check(
            run,
            "v_exp_f32 v0, v1
             v_mul_f32 v5, v1, v2
             v_add_f32 v3, v0, v5",
            "v_exp_f32 v0, v1
             v_mul_f32 v5, v1, v2
             s_delay_alu instid0(TRANS32_DEP_1) | instskip(SAME) | instid1(VALU_DEP_1)
             v_add_f32 v3, v0, v5",
        );
    }

    #[test]
    fn hints_that_stand_close_share_an_instruction() {
        check(
            run,
            "v_mul_f32 v0, v1, v2
             v_add_f32 v3, v0, v4
             v_add_f32 v5, v3, v4",
            "v_mul_f32 v0, v1, v2
             s_delay_alu instid0(VALU_DEP_1) | instskip(NEXT) | instid1(VALU_DEP_1)
             v_add_f32 v3, v0, v4
             v_add_f32 v5, v3, v4",
        );
    }
}
