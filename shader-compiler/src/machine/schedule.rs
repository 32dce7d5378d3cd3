//! Orders the instructions of each block so that waiting overlaps with work.
//!
//! # Problem
//! A load takes hundreds of cycles and its wave stands still if the next instruction needs it. Issuing loads early hides
//! that, but each result waits in registers, and registers decide how many waves a SIMD holds, which hide latency too.
//!
//! # Idea
//! List scheduling on the dependence graph ([`super::dependence`]), top down: of the instructions that wait for nothing
//! more, take the one that stalls least and then the one on the longest path to the end of the block. Loads have the longest
//! paths, so they rise to the top, together, as clauses want them. An instruction that would push the live registers beyond
//! a limit is put off as long as anything else can be taken. Taking what stalls least can fill the registers with loads that
//! are not urgent while the urgent ones wait for their addresses; so there are orders too that put off what takes registers
//! and has time. Each block is ordered under several limits; the fastest order by the model ([`super::latency`]) that keeps
//! within the function's target stands, the given order among them.
//!
//! Targets are the steps of the occupancy table. More registers let a wave wait less but a SIMD hold fewer waves; waves hide
//! each other's waiting until its units are busy. So of the steps from the least that is possible on, the one with the least
//! time per wave is taken: the busy cycles, or all cycles over the number of waves, whichever is more.
//!
//! # Invariant
//! Every dependence is kept, so any order is right; the models only decide which is fast. Copies, pseudo instructions and
//! branches are nodes like all others.

use super::dependence::{Graph, scc_arrives};
use super::latency::{UNITS, clause, cost};
use super::liveness::Liveness;
use super::operands::{file, reads, writes};
use super::pairs::{Half, half, possible};
use super::{File, Function, Inst};
use std::cmp::Reverse;

/// VGPRs per wave, the last but for room for runs of neighbours, and the waves that a SIMD then holds (LLVM's
/// `GCNSubtarget`).
const STEPS: [(u32, u32); 8] = [
    (96, 16),
    (120, 12),
    (144, 10),
    (168, 9),
    (192, 8),
    (216, 7),
    (240, 6),
    (252, 5),
];
/// Registers below a step that the scheduler leaves to the allocator.
const ROOM: u32 = 8;
/// Live SGPRs above which loads are put off.
const SCALARS: u32 = 80;
/// Loads in a row after which others have their turn.
const CLAUSE: u32 = 16;

/// Cycles before the latest time at which what takes registers is issued by an order that is patient.
const EARLY: u32 = 64;

/// Orders all blocks.
pub fn run(function: &mut Function) {
    let liveness = Liveness::new(function);
    let scc = scc_arrives(function);
    let blocks: Vec<Work> = (0..function.blocks.len())
        .map(|index| Work::new(function, &liveness, &scc, index))
        .collect();
    let least: Vec<Outcome> = blocks.iter().map(|work| work.order(0, false)).collect();
    let fullest = blocks.iter().zip(&least);
    let fullest = fullest.map(|(work, least)| least.most[0].min(work.given().most[0]));
    let fullest = fullest.max().unwrap_or(0);
    let held = waves_beside_shared(function);
    let mut best: Option<(u64, Vec<Outcome>)> = None;
    let reach = STEPS.partition_point(|(step, _)| *step < fullest + ROOM);
    for (step, waves) in &STEPS[reach.min(STEPS.len() - 1)..] {
        let all = blocks.iter().zip(&least);
        let orders: Vec<Outcome> = all.map(|(work, least)| work.best(*step, least)).collect();
        // While a wave waits the others issue: waves hide each other's waiting until the units are busy.
        let (mut issue, mut cycles) = (0, 0);
        for ((work, order), block) in blocks.iter().zip(&orders).zip(&function.blocks) {
            let often = 10u64.pow(block.depth.min(6));
            issue += often * u64::from(work.issue());
            cycles += often * u64::from(order.cycles);
        }
        let time = issue.max(cycles / u64::from(held.min(*waves)));
        if best.as_ref().is_none_or(|(least, _)| time < *least) {
            best = Some((time, orders));
        }
        if time == issue {
            break;
        }
    }
    let orders = best.map(|(_, orders)| orders).unwrap_or_default();
    for (block, order) in function.blocks.iter_mut().zip(orders) {
        let mut insts: Vec<Option<Inst>> = block.insts.drain(..).map(Some).collect();
        let ordered = order
            .order
            .iter()
            .filter_map(|index| insts[*index as usize].take());
        block.insts = ordered.collect();
    }
}

/// Waves per SIMD that workgroup memory admits: 128 KiB for the four SIMDs of a workgroup processor.
fn waves_beside_shared(function: &Function) -> u32 {
    let threads: u32 = function.workgroup_size.iter().product();
    let bytes = function.shared_bytes.next_multiple_of(1024).max(1024);
    (128 * 1024 / bytes * threads.div_ceil(32) / 4).clamp(1, 16)
}

/// A value within a block: a dword from its write to the next.
#[derive(Clone, Debug)]
struct Value {
    vector: bool,
    readers: u32,
    /// It is needed after the block.
    leaves: bool,
}

/// A block to be ordered.
struct Work {
    graph: Graph,
    insts: Vec<Inst>,
    values: Vec<Value>,
    /// Values that each instruction reads, each once, and writes.
    reads: Vec<Vec<u32>>,
    writes: Vec<Vec<u32>>,
    /// What could be half of a VOPD.
    halves: Vec<Option<Half>>,
    /// Live at the start: vector and scalar dwords.
    live: [u32; 2],
}

/// An order and what the model says of it.
#[derive(Clone, Debug)]
struct Outcome {
    order: Vec<u32>,
    cycles: u32,
    /// Vector and scalar dwords at their fullest points.
    most: [u32; 2],
}

impl Work {
    fn new(function: &Function, liveness: &Liveness, scc: &[bool], index: usize) -> Self {
        let insts = function.blocks[index].insts.clone();
        let units = &liveness.units;
        let (start, end) = (2 * liveness.first[index], 2 * liveness.first[index + 1]);
        let live_at =
            |unit: usize, at: u32| liveness.own[unit].iter().any(|(s, e)| *s <= at && at < *e);
        let vector_unit: Vec<bool> = {
            let mut vector = vec![false; units.count()];
            vector[128..384].fill(true);
            for (register, data) in function.registers.iter().enumerate() {
                let first = units.first(super::Register(register as u32));
                vector[first..first + usize::from(data.dwords)].fill(data.file == File::Vector);
            }
            vector
        };
        let mut later = function.blocks[index].linear.iter();
        let scc_leaves = later.any(|next| scc[next.0 as usize]);
        let mut work = Self {
            graph: Graph::new(function, units, &insts, scc_leaves),
            insts,
            values: Vec::new(),
            reads: Vec::new(),
            writes: Vec::new(),
            halves: Vec::new(),
            live: [0, 0],
        };
        let mut current: Vec<Option<u32>> = vec![None; units.count()];
        let value = |unit: usize, values: &mut Vec<Value>| {
            values.push(Value {
                vector: vector_unit[unit],
                readers: 0,
                leaves: false,
            });
            values.len() as u32 - 1
        };
        // Machine registers that instructions name are not counted: nobody chooses them here.
        for unit in 384..units.count() {
            if start < end && live_at(unit, start) {
                current[unit] = Some(value(unit, &mut work.values));
                work.live[usize::from(!vector_unit[unit])] += 1;
            }
        }
        for inst in &work.insts {
            let (mut read, mut written) = (Vec::new(), Vec::new());
            reads(inst, |_, operand, dwords| {
                if file(function, operand).is_some() {
                    read.extend(units.of(operand, dwords).filter_map(|unit| current[unit]));
                }
            });
            read.sort_unstable();
            read.dedup();
            for value in &read {
                work.values[*value as usize].readers += 1;
            }
            writes(function, inst, |_, operand, dwords| {
                for unit in units.of(operand, dwords).filter(|unit| *unit >= 384) {
                    current[unit] = Some(value(unit, &mut work.values));
                    written.extend(current[unit]);
                }
            });
            work.halves.push(half(function, inst));
            work.reads.push(read);
            work.writes.push(written);
        }
        for (unit, value) in current.iter().enumerate() {
            if let Some(value) = value {
                work.values[*value as usize].leaves = start < end && live_at(unit, end - 1);
            }
        }
        work
    }

    /// The order as it is.
    fn given(&self) -> Outcome {
        let mut state = State::new(self);
        for index in 0..self.insts.len() as u32 {
            state.take(index);
        }
        state.outcome()
    }

    /// An order that puts off what would make more than `limit` vector dwords live; if `patient`, also what makes more of
    /// them live before it is time.
    fn order(&self, limit: u32, patient: bool) -> Outcome {
        let mut state = State::new(self);
        let nodes = &self.graph.nodes;
        let mut ready: Vec<u32> = (0..nodes.len() as u32)
            .filter(|index| nodes[*index as usize].waits_for == 0)
            .collect();
        let mut left: Vec<u32> = nodes.iter().map(|node| node.waits_for).collect();
        while !ready.is_empty() {
            let allowed = ready.iter().filter(|index| state.allowed(**index));
            let Some(&best) = allowed.min_by_key(|index| state.rank(**index, limit, patient))
            else {
                // Two groups wait for each other, which wishes can bring about.
                return self.given();
            };
            ready.retain(|index| *index != best);
            state.take(best);
            for (next, _) in &nodes[best as usize].after {
                left[*next as usize] -= 1;
                if left[*next as usize] == 0 {
                    ready.push(*next);
                }
            }
        }
        state.outcome()
    }

    /// Cycles for which the busiest unit is busy, at least one per instruction.
    fn issue(&self) -> u32 {
        let mut busy = [0; UNITS];
        let mut count = 0;
        for cost in self.insts.iter().map(cost) {
            busy[cost.unit] += cost.occupies;
            count += cost.occupies.min(1);
        }
        busy.into_iter().fold(count, u32::max)
    }

    /// The fastest order that keeps below a target, if any does.
    fn best(&self, target: u32, least: &Outcome) -> Outcome {
        let limit = target - ROOM;
        let mut all = vec![self.given()];
        for part in [4, 3, 2] {
            all.push(self.order(limit * part / 4, false));
            all.push(self.order(limit * part / 4, true));
        }
        all.push(least.clone());
        let rank = |outcome: &&Outcome| {
            let [vector, scalar] = outcome.most;
            let over = vector.saturating_sub(limit) + scalar.saturating_sub(SCALARS + ROOM);
            (over, outcome.cycles, vector)
        };
        let best = all.iter().min_by_key(rank);
        best.unwrap_or(&all[0]).clone()
    }
}

/// A block while it is ordered.
struct State<'a> {
    work: &'a Work,
    order: Vec<u32>,
    done: Vec<bool>,
    /// When the operands of each instruction have arrived.
    arrives: Vec<u32>,
    now: u32,
    unit_free: [u32; UNITS],
    /// Readers to come, by value.
    readers: Vec<u32>,
    live: [u32; 2],
    most: [u32; 2],
    /// Loads in a row so far.
    clause: u32,
    /// The last instruction, if it could be half of a VOPD and has no partner.
    single: Option<Half>,
    /// The group that SCC belongs to, and how many of its members are to come.
    group: Option<(u32, u32)>,
}

impl<'a> State<'a> {
    fn new(work: &'a Work) -> Self {
        Self {
            work,
            order: Vec::with_capacity(work.insts.len()),
            done: vec![false; work.insts.len()],
            arrives: vec![0; work.insts.len()],
            now: 0,
            unit_free: [0; UNITS],
            readers: work.values.iter().map(|value| value.readers).collect(),
            live: work.live,
            most: work.live,
            clause: 0,
            single: None,
            group: None,
        }
    }

    /// SCC permits it: it does not write SCC while a group that it is not of is under way, and a group begins only when
    /// nothing that its members wait for is to come, so that a group under way can always be finished.
    fn allowed(&self, index: u32) -> bool {
        let node = &self.work.graph.nodes[index as usize];
        match (node.group, self.group) {
            (Some(own), Some((current, _))) if own == current => true,
            (Some(_), Some(_)) => false,
            (Some(own), None) => {
                let before = self.work.graph.before_group[own as usize].iter();
                before.into_iter().all(|before| self.done[*before as usize])
            }
            (None, Some(_)) => !node.writes_scc,
            (None, None) => true,
        }
    }

    /// Dwords more live after it, vector and scalar.
    fn growth(&self, index: u32) -> [i32; 2] {
        let mut growth = [0, 0];
        for value in &self.work.writes[index as usize] {
            let value = &self.work.values[*value as usize];
            growth[usize::from(!value.vector)] += i32::from(value.readers > 0 || value.leaves);
        }
        for value in &self.work.reads[index as usize] {
            let (number, value) = (*value as usize, &self.work.values[*value as usize]);
            if self.readers[number] == 1 && !value.leaves {
                growth[usize::from(!value.vector)] -= 1;
            }
        }
        growth
    }

    fn starts(&self, index: u32) -> u32 {
        let unit = cost(&self.work.insts[index as usize]).unit;
        self.now
            .max(self.arrives[index as usize])
            .max(self.unit_free[unit])
    }

    /// Least is best.
    fn rank(
        &self,
        index: u32,
        limit: u32,
        patient: bool,
    ) -> (i32, bool, u32, bool, bool, Reverse<u32>, u32) {
        let growth = self.growth(index);
        let over = |file: usize, limit: u32| {
            let beyond = growth[file] > 0 && self.live[file] as i32 + growth[file] > limit as i32;
            if beyond { growth[file] } else { 0 }
        };
        let too_many = over(0, limit) + over(1, SCALARS);
        let inst = &self.work.insts[index as usize];
        let last = self
            .order
            .last()
            .map(|last| &self.work.insts[*last as usize]);
        let joins = last
            .and_then(clause)
            .is_some_and(|class| clause(inst) == Some(class));
        let stall = self.starts(index) - self.now;
        let node = &self.work.graph.nodes[index as usize];
        let height = node.height;
        (
            too_many,
            patient && growth[0] > 0 && node.latest > self.now + EARLY,
            stall,
            !(stall == 0 && self.pairs_with_last(index)),
            !(joins && self.clause < CLAUSE),
            Reverse(height),
            index,
        )
    }

    /// It could issue together with the last instruction, on whose result it does not wait.
    fn pairs_with_last(&self, index: u32) -> bool {
        let now = self.work.halves[index as usize].as_ref();
        let last = self.single.as_ref();
        last.zip(now).is_some_and(|(last, now)| possible(last, now))
    }

    fn take(&mut self, index: u32) {
        let work = self.work;
        let inst = &work.insts[index as usize];
        let at = self.starts(index);
        let cost = cost(inst);
        self.single = match self.pairs_with_last(index) && at == self.now {
            true => None,
            false => work.halves[index as usize],
        };
        self.unit_free[cost.unit] = at + cost.occupies;
        self.now = at + u32::from(cost.occupies > 0);
        for (next, latency) in &work.graph.nodes[index as usize].after {
            let arrives = &mut self.arrives[*next as usize];
            *arrives = (*arrives).max(at + latency);
        }
        let growth = self.growth(index);
        for (live, growth) in self.live.iter_mut().zip(growth) {
            *live = live.saturating_add_signed(growth);
        }
        // Results nobody reads take their place for a moment.
        let unread = work.writes[index as usize].iter().filter(|value| {
            let value = &work.values[**value as usize];
            value.vector && value.readers == 0 && !value.leaves
        });
        self.most[0] = self.most[0].max(self.live[0] + unread.count() as u32);
        self.most[1] = self.most[1].max(self.live[1]);
        for value in &work.reads[index as usize] {
            self.readers[*value as usize] -= 1;
        }
        self.clause = match clause(inst) {
            Some(_) => self.clause + 1,
            None => 0,
        };
        if let Some(group) = work.graph.nodes[index as usize].group {
            let members = || {
                let nodes = work.graph.nodes.iter();
                nodes.filter(|node| node.group == Some(group)).count() as u32
            };
            let left = self.group.map_or_else(members, |(_, left)| left) - 1;
            self.group = (left > 0).then_some((group, left));
        }
        self.done[index as usize] = true;
        self.order.push(index);
    }

    fn outcome(self) -> Outcome {
        Outcome {
            order: self.order,
            cycles: self.now,
            most: self.most,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::allocate::allocate_checked;
    use super::super::execute::{execute, first_difference};
    use super::super::random_functions::random_function;
    use super::super::testing::Random;
    use super::*;
    use crate::Reason;

    #[test]
    fn any_order_does_the_same() {
        let mut rng = Random::new("schedule", 0x5c4e_d01e);
        let (mut ran, mut moved) = (0, 0);
        for number in 0..150 {
            let budget = 5 + rng.below(120);
            let function = random_function(&mut rng, budget as usize);
            let mut ordered = function.clone();
            run(&mut ordered);
            moved += usize::from(ordered != function);
            let (before, after) = (execute(&function, 100_000), execute(&ordered, 100_000));
            assert!(
                before == after,
                "function {number}: {}\n{}\n{}",
                first_difference(&before, &after),
                function,
                ordered
            );
            ran += usize::from(before.is_some());
            match allocate_checked(ordered) {
                Ok(allocated) => assert!(execute(&allocated, 100_000) == before),
                Err(fault) => assert!(matches!(fault.reason, Reason::TooMuch { .. }), "{fault:?}"),
            }
        }
        assert!(ran > 120 && moved > 100, "{ran} ended, {moved} changed");
    }
}
