//! Where each dword of a virtual register is live, as ranges over a linear numbering of the instructions.
//!
//! # Problem
//! Two registers may share a place if no lane needs both at once. In a wave, lanes that took the other side of a branch are
//! off, but their registers remain; and the program counter passes places that some lanes never see.
//!
//! # Idea
//! Liveness along two kinds of edges, by what a path means for the register file:
//!
//! - A *scalar* register is one for the whole wave: whoever executes, writes it. Its values flow along the paths of the
//!   program counter, the **linear** edges.
//! - A *vector* register is 32 registers, one per lane, and an instruction writes those of the lanes that are on. Fix a
//!   lane. The instructions that touch its copy of the register are those that run while it is on, and the blocks in which
//!   it is on form a path of **logical** edges. So for this lane the program *is* that logical path, and an assignment in
//!   which no two values that are live together along logical paths share a register is right for it; this holds for
//!   every lane, and lanes have nothing else in common. In particular values of the two sides of a divergent branch may
//!   share a register, though the program counter goes through both.
//!
//! The second argument needs that a write touches only lanes that are on *because they belong to the block*. Exceptions are
//! **whole-wave** registers: destinations that ignore EXEC (WMMA, `v_writelane`), registers that are marked because EXEC is
//! opened around them, and sources that are read from lanes that are off (`v_readlane`, fetch-inactive). A write to such a
//! register hits lanes that wait elsewhere. A lane waits on a logical edge from X to Y, and needs what is live on that edge;
//! meanwhile the program counter is in the blocks that [`super::parked`] names. So each value also has *parked* ranges: its
//! own and those blocks, for each edge on which it is live. (Liveness along linear edges would not do: the other side's write
//! to the same block parameter ends a life there, but not in the lane that waits.) A whole-wave register and any other have
//! different places if their parked ranges meet.
//!
//! # Invariants
//! - Instruction n (from 1, over all blocks in order) reads at position 2n and writes at 2n + 1; a range is half open. A
//!   value that dies where another is born shares its register with it. Values at entry are written at 1.
//! - A write nobody needs has the range of its own position: it still overwrites what is there.
//! - A source that the destination must not overlap ([`destination_avoids`]) is read until 2n + 2.
//! - A range covers only positions that a write may have reached: a register written on one side of a branch and read
//!   behind it is not live on the other side, nor before the branch.
//! - A write that leaves a part of the register as it was ends no life and so counts as a read, but only if the dword has
//!   a second writer: otherwise there is nothing to keep.

use super::operands::{
    FIXED_UNITS, READ_DST, Units, destination_avoids, reads, reads_whole_wave, writes,
    writes_whole_wave,
};
use super::parked::parked;
use super::{BlockId, File, Function, Inst, Operand, Register};

/// Half-open ranges of positions, ascending, not touching.
pub(super) type Ranges = Vec<(u32, u32)>;

/// Ranges of all dwords of a function.
#[derive(Clone, Debug)]
pub(super) struct Liveness {
    pub(super) units: Units,
    /// Number of the first instruction of each block, and one more than the last of all.
    pub(super) first: Vec<u32>,
    /// By unit, along linear edges for scalar and logical ones for vector registers.
    pub(super) own: Vec<Ranges>,
    /// By unit: `own` and where a lane that waits needs it. The same as `own` if no register is whole-wave.
    pub(super) parked: Vec<Ranges>,
    /// By virtual register.
    pub(super) whole_wave: Vec<bool>,
}

impl Liveness {
    pub(super) fn new(function: &Function) -> Self {
        let units = Units::new(function);
        let mut first = vec![1];
        for block in &function.blocks {
            first.push(first[first.len() - 1] + block.insts.len() as u32);
        }
        let flow = Flow {
            function,
            units: &units,
            writers: writers(function, &units),
            first: &first,
        };
        let linear = flow.ranges(&|block| &function.blocks[block].linear).0;
        let (mut own, crossings) = flow.ranges(&|block| &function.blocks[block].logical);
        own[..128].clone_from_slice(&linear[..128]);
        for (register, data) in function.registers.iter().enumerate() {
            if data.file == File::Scalar {
                let start = units.first(Register(register as u32));
                let end = start + usize::from(data.dwords);
                own[start..end].clone_from_slice(&linear[start..end]);
            }
        }
        let whole_wave = whole_wave(function);
        let mut parked = own.clone();
        if whole_wave.contains(&true) {
            park(function, &first, &crossings, &mut parked);
        }
        Self {
            units,
            first,
            own,
            parked,
            whole_wave,
        }
    }

    /// Dwords of a file live at the fullest position, and that position: no allocation needs fewer registers.
    pub(super) fn pressure(&self, function: &Function, file: File) -> (u32, u32) {
        let mut steps = Vec::new();
        for (register, data) in function.registers.iter().enumerate() {
            let start = self.units.first(Register(register as u32));
            if data.file == file {
                for ranges in &self.own[start..start + usize::from(data.dwords)] {
                    steps.extend(ranges.iter().flat_map(|(s, e)| [(*s, 1), (*e, -1)]));
                }
            }
        }
        steps.sort_unstable();
        let (mut now, mut most) = (0, (0, 0));
        for (position, step) in steps {
            now += step;
            if now > most.0 {
                most = (now, position);
            }
        }
        (most.0 as u32, most.1)
    }
}

/// Adds to each unit that is live on a logical edge the blocks during which a lane may wait there.
fn park(function: &Function, first: &[u32], crossings: &[Crossing], ranges: &mut [Ranges]) {
    let mut scalar = vec![true; ranges.len()];
    scalar[128..FIXED_UNITS as usize].fill(false);
    let mut unit = FIXED_UNITS as usize;
    for data in &function.registers {
        let end = unit + usize::from(data.dwords);
        scalar[unit..end].fill(data.file == File::Scalar);
        unit = end;
    }
    for crossing in crossings {
        let blocks = parked(function, crossing.from, crossing.to);
        let blocks = blocks.iter().map(|b| (2 * first[*b], 2 * first[*b + 1]));
        let blocks: Ranges = blocks.filter(|(start, end)| start < end).collect();
        if blocks.is_empty() {
            continue;
        }
        for unit in crossing.live.iter().filter(|unit| !scalar[*unit]) {
            ranges[unit] = union(&ranges[unit], &blocks);
        }
    }
}

/// How many instructions write each unit, arrival at entry counted; 2 stands for more.
fn writers(function: &Function, units: &Units) -> Vec<u8> {
    let mut count = vec![0u8; units.count()];
    let mut add = |operand, dwords| {
        for unit in units.of(operand, dwords) {
            count[unit] = (count[unit] + 1).min(2);
        }
    };
    for (register, _) in &function.live_in {
        let dwords = function.registers[register.0 as usize].dwords;
        add(Operand::Virtual(*register, 0), dwords);
    }
    for inst in function.blocks.iter().flat_map(|block| &block.insts) {
        writes(function, inst, |_, operand, dwords| add(operand, dwords));
    }
    count
}

fn whole_wave(function: &Function) -> Vec<bool> {
    let mut whole: Vec<bool> = function.registers.iter().map(|r| r.whole_wave).collect();
    let mut mark = |operand| {
        if let Operand::Virtual(register, _) = operand {
            let data = function.registers[register.0 as usize];
            whole[register.0 as usize] |= data.file == File::Vector;
        }
    };
    for inst in function.blocks.iter().flat_map(|block| &block.insts) {
        if writes_whole_wave(inst) {
            writes(function, inst, |_, operand, _| mark(operand));
        }
        if reads_whole_wave(inst) {
            reads(inst, |_, operand, _| mark(operand));
        }
    }
    whole
}

/// A set of units.
#[derive(Clone, PartialEq, Eq)]
struct Set(Vec<u64>);

impl Set {
    fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn put(&mut self, unit: usize) {
        self.0[unit / 64] |= 1 << (unit % 64);
    }

    fn take(&mut self, unit: usize) {
        self.0[unit / 64] &= !(1 << (unit % 64));
    }

    fn join(&mut self, other: &Self) -> bool {
        let mut grew = false;
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            grew |= more & !*word != 0;
            *word |= more;
        }
        grew
    }

    fn meet(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word &= other;
        }
    }

    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    index * 64 + bit
                })
            })
        })
    }
}

/// The successors of a block.
type Edges<'a, 'f> = &'a dyn Fn(usize) -> &'f Vec<BlockId>;

/// What is live on an edge.
struct Crossing {
    from: BlockId,
    to: BlockId,
    live: Set,
}

/// Data flow over one kind of edges.
struct Flow<'a> {
    function: &'a Function,
    units: &'a Units,
    writers: Vec<u8>,
    first: &'a [u32],
}

impl Flow<'_> {
    /// Calls `f` with each unit that the instruction reads and whether the destination must avoid it.
    fn reads(&self, inst: &Inst, mut f: impl FnMut(usize, bool)) {
        reads(inst, |place, operand, dwords| {
            let avoid = destination_avoids(inst, place);
            for unit in self.units.of(operand, dwords) {
                if place != READ_DST || self.writers[unit] > 1 {
                    f(unit, avoid);
                }
            }
        });
    }

    fn writes(&self, inst: &Inst, mut f: impl FnMut(usize)) {
        writes(self.function, inst, |_, operand, dwords| {
            self.units.of(operand, dwords).for_each(&mut f);
        });
    }

    fn ranges<'f>(&self, edges: Edges<'_, 'f>) -> (Vec<Ranges>, Vec<Crossing>) {
        let reached = self.reached(edges);
        let (live_out, crossings) = self.live_out(edges, &reached);
        let mut ranges = vec![Ranges::new(); self.units.count()];
        let mut end = vec![0u32; self.units.count()];
        for (index, block) in self.function.blocks.iter().enumerate().rev() {
            let last = 2 * self.first[index + 1];
            live_out[index].iter().for_each(|unit| end[unit] = last);
            for (offset, inst) in block.insts.iter().enumerate().rev() {
                let at = 2 * (self.first[index] + offset as u32);
                self.writes(inst, |unit| {
                    push(&mut ranges[unit], at + 1, end[unit].max(at + 2));
                    end[unit] = 0;
                });
                self.reads(inst, |unit, avoid| {
                    end[unit] = end[unit].max(at + 1 + u32::from(avoid));
                });
            }
            let start = 2 * self.first[index];
            for (unit, end) in end.iter_mut().enumerate() {
                if *end > start {
                    push(&mut ranges[unit], start, *end);
                }
                *end = 0;
            }
        }
        for (register, _) in &self.function.live_in {
            let data = self.function.registers[register.0 as usize];
            for unit in self.units.of(Operand::Virtual(*register, 0), data.dwords) {
                push(&mut ranges[unit], 1, 2);
            }
        }
        ranges.iter_mut().for_each(|r| r.reverse());
        (ranges, crossings)
    }

    /// Units that some write may have reached at the start of each block.
    fn reached<'f>(&self, edges: Edges<'_, 'f>) -> Vec<Set> {
        let blocks = &self.function.blocks;
        let mut reached = vec![Set::new(self.units.count()); blocks.len()];
        if let Some(entry) = reached.first_mut() {
            (0..FIXED_UNITS as usize).for_each(|unit| entry.put(unit));
            for (register, _) in &self.function.live_in {
                let data = self.function.registers[register.0 as usize];
                let units = self.units.of(Operand::Virtual(*register, 0), data.dwords);
                units.for_each(|unit| entry.put(unit));
            }
        }
        let written: Vec<Set> = blocks
            .iter()
            .map(|block| {
                let mut set = Set::new(self.units.count());
                let insts = block.insts.iter();
                insts.for_each(|inst| self.writes(inst, |unit| set.put(unit)));
                set
            })
            .collect();
        let mut again = true;
        while again {
            again = false;
            for index in 0..blocks.len() {
                let mut out = reached[index].clone();
                out.join(&written[index]);
                for next in edges(index) {
                    again |= reached[next.0 as usize].join(&out);
                }
            }
        }
        reached
    }

    fn live_out<'f>(&self, edges: Edges<'_, 'f>, reached: &[Set]) -> (Vec<Set>, Vec<Crossing>) {
        let blocks = &self.function.blocks;
        let empty = Set::new(self.units.count());
        let (mut read, mut killed) = (vec![empty.clone(); blocks.len()], vec![empty; blocks.len()]);
        for (index, block) in blocks.iter().enumerate() {
            for inst in block.insts.iter().rev() {
                self.writes(inst, |unit| {
                    killed[index].put(unit);
                    read[index].take(unit);
                });
                self.reads(inst, |unit, _| read[index].put(unit));
            }
        }
        let mut live_in = read;
        for (live, reached) in live_in.iter_mut().zip(reached) {
            live.meet(reached);
        }
        let mut live_out = vec![Set::new(self.units.count()); blocks.len()];
        let mut again = true;
        while again {
            again = false;
            for index in (0..blocks.len()).rev() {
                for next in edges(index) {
                    live_out[index].join(&live_in[next.0 as usize]);
                }
                let words = live_out[index].0.iter().zip(&killed[index].0);
                let through: Vec<u64> = words
                    .zip(&reached[index].0)
                    .map(|((out, killed), reached)| out & !killed & reached)
                    .collect();
                again |= live_in[index].join(&Set(through));
            }
        }
        let mut crossings = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            let mut left = reached[index].clone();
            for inst in &block.insts {
                self.writes(inst, |unit| left.put(unit));
            }
            for next in edges(index) {
                let mut live = live_in[next.0 as usize].clone();
                live.meet(&left);
                crossings.push(Crossing {
                    from: BlockId(index as u32),
                    to: *next,
                    live,
                });
            }
        }
        (live_out, crossings)
    }
}

/// Adds a range that begins no later than all that are there (they are kept latest first until all are known).
fn push(ranges: &mut Ranges, start: u32, end: u32) {
    match ranges.last_mut() {
        Some(last) if last.0 <= end => {
            last.0 = last.0.min(start);
            last.1 = last.1.max(end);
        }
        _ => ranges.push((start, end)),
    }
}

/// Whether two lists of ranges have a position in common.
pub(super) fn intersect(a: &Ranges, b: &Ranges) -> bool {
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        if a[i].1 <= b[j].0 {
            i += 1;
        } else if b[j].1 <= a[i].0 {
            j += 1;
        } else {
            return true;
        }
    }
    false
}

/// All positions of both.
pub(super) fn union(a: &Ranges, b: &Ranges) -> Ranges {
    let mut all: Vec<(u32, u32)> = a.iter().chain(b).copied().collect();
    all.sort_unstable();
    let mut ranges = Ranges::new();
    for (start, end) in all {
        match ranges.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => ranges.push((start, end)),
        }
    }
    ranges
}
