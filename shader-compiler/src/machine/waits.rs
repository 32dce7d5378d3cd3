//! Inserts `s_waitcnt` and `s_waitcnt_vscnt`: each instruction waits exactly for what it needs.
//!
//! Problem: a load delivers its registers some time after it was issued. Until a wait has proved that it did, nobody may
//! read or overwrite them. Counters count what is outstanding: loads and atomics that return in `vmcnt`, stores in `vscnt`,
//! local data share and scalar loads together in `lgkmcnt`.
//!
//! Idea: vector memory and the local data share answer in the order of issue. So "the load of this register is done" is
//! "at most n operations of its counter are outstanding", where n is how many were issued after it. A forward data flow
//! keeps that n per register; where paths meet, the smaller one holds. Scalar loads answer in any order: with one
//! outstanding, only `lgkmcnt(0)` proves anything.
//!
//! What needs no wait: registers that a store reads (the hardware tracks them), and a load into a register that an earlier
//! operation of the same in-order counter has yet to deliver, if it is not read in between.
//!
//! Termination: counts only fall from one visit of a block to the next, and are bounded.

use gfx1100_isa::{Class, Inst, Op, Operand};

use super::code::{Code, Line, control};
use super::spans::{Counter, UNITS, counters, results, source_operands, sources};

/// No operation outstanding.
const DONE: u8 = u8::MAX;
/// The counters have six bits, and all ones means "do not wait".
const MOST: u8 = 62;

/// What is outstanding at a point of the code.
#[derive(Clone, PartialEq, Eq)]
pub struct State {
    /// Per unit of register state: `vmcnt` at which a load of it is done, or [`DONE`].
    vm: [u8; UNITS],
    /// The same for the local data share.
    lds: [u8; UNITS],
    /// A scalar load of it is outstanding.
    smem: [bool; UNITS],
    /// Most operations that can be outstanding, by counter.
    outstanding: Outstanding,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Outstanding {
    vm: u8,
    vs: u8,
    lds: u8,
    smem: bool,
}

/// Counts down to which an instruction must wait; `None` waits for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    /// Loads.
    pub vm: Option<u8>,
    /// Stores.
    pub vs: Option<u8>,
    /// Local data share and scalar loads.
    pub lgkm: Option<u8>,
}

impl Wait {
    fn tighten(place: &mut Option<u8>, count: u8) {
        *place = Some(place.map_or(count, |old| old.min(count)));
    }

    /// As instructions, none if nothing is waited for. The fields of `s_waitcnt`: vmcnt 15:10, lgkmcnt 9:4, expcnt 2:0.
    fn instructions(self) -> impl Iterator<Item = Inst> {
        let field = |count: Option<u8>| i32::from(count.unwrap_or(63));
        let both = field(self.vm) << 10 | field(self.lgkm) << 4 | 7;
        let loads =
            (self.vm.is_some() || self.lgkm.is_some()).then(|| control(Op::S_WAITCNT, both));
        let stores = self.vs.map(|count| {
            let mut inst = control(Op::S_WAITCNT_VSCNT, i32::from(count));
            inst.src[0] = Operand::NULL;
            inst
        });
        loads.into_iter().chain(stores)
    }

    /// What a wait instruction that is in the code already asks for.
    fn of(inst: &Inst) -> Option<Self> {
        let field = |low: i32| Some((inst.imm >> low & 63) as u8).filter(|count| *count < 63);
        match inst.op {
            Op::S_WAITCNT => Some(Self {
                vm: field(10),
                vs: None,
                lgkm: field(4),
            }),
            Op::S_WAITCNT_VSCNT => Some(Self {
                vs: field(0),
                ..Self::default()
            }),
            _ => None,
        }
    }
}

impl State {
    fn nothing() -> Self {
        Self {
            vm: [DONE; UNITS],
            lds: [DONE; UNITS],
            smem: [false; UNITS],
            outstanding: Outstanding::default(),
        }
    }

    /// A store may be on its way.
    #[must_use]
    pub fn stores_outstanding(&self) -> bool {
        self.outstanding.vs > 0
    }

    /// Where paths meet, what is outstanding on either is. True if that changed this state.
    fn join(&mut self, other: &Self) -> bool {
        let before = self.clone();
        for unit in 0..UNITS {
            self.vm[unit] = self.vm[unit].min(other.vm[unit]);
            self.lds[unit] = self.lds[unit].min(other.lds[unit]);
            self.smem[unit] |= other.smem[unit];
        }
        let (mine, theirs) = (&mut self.outstanding, &other.outstanding);
        mine.vm = mine.vm.max(theirs.vm);
        mine.vs = mine.vs.max(theirs.vs);
        mine.lds = mine.lds.max(theirs.lds);
        mine.smem |= theirs.smem;
        *self != before
    }

    /// The wait that `inst` needs here.
    #[must_use]
    pub fn needed(&self, inst: &Inst) -> Wait {
        let mut wait = Wait::default();
        let own = counters(inst);
        // A load of one half of a register keeps the other half, but arrives in order like any other load.
        let read = if own.is_empty() {
            sources(inst)
        } else {
            source_operands(inst)
        };
        for span in read.iter() {
            self.wait_for(span.units(), &[], &mut wait);
        }
        let in_order = if own.len() == 1 { own } else { &[] };
        for span in results(inst).iter() {
            self.wait_for(span.units(), in_order, &mut wait);
        }
        if inst.op == Op::S_BARRIER {
            self.wait_at_barrier(inst.imm, &mut wait);
        }
        if let Some(asked) = Wait::of(inst) {
            self.wait_as_asked(asked, &mut wait);
        }
        wait
    }

    fn wait_for(
        &self,
        units: impl Iterator<Item = usize>,
        in_order_with: &[Counter],
        wait: &mut Wait,
    ) {
        for unit in units {
            if self.vm[unit] != DONE && !in_order_with.contains(&Counter::Vm) {
                Wait::tighten(&mut wait.vm, self.vm[unit]);
            }
            if self.lds[unit] != DONE && !in_order_with.contains(&Counter::Lds) {
                let count = if self.outstanding.smem {
                    0
                } else {
                    self.lds[unit]
                };
                Wait::tighten(&mut wait.lgkm, count);
            }
            if self.smem[unit] {
                Wait::tighten(&mut wait.lgkm, 0);
            }
        }
    }

    /// The other waves see what this one wrote only once it is done; and must not overwrite what it still reads.
    fn wait_at_barrier(&self, orders: i32, wait: &mut Wait) {
        let (shared, buffers) = (orders & 1 != 0, orders & 2 != 0);
        if shared && self.outstanding.lds > 0 {
            Wait::tighten(&mut wait.lgkm, 0);
        }
        if buffers && self.outstanding.vm > 0 {
            Wait::tighten(&mut wait.vm, 0);
        }
        if buffers && self.outstanding.vs > 0 {
            Wait::tighten(&mut wait.vs, 0);
        }
    }

    fn wait_as_asked(&self, asked: Wait, wait: &mut Wait) {
        let lgkm = self
            .outstanding
            .lds
            .max(if self.outstanding.smem { MOST } else { 0 });
        let fields = [
            (&mut wait.vm, asked.vm, self.outstanding.vm),
            (&mut wait.vs, asked.vs, self.outstanding.vs),
            (&mut wait.lgkm, asked.lgkm, lgkm),
        ];
        for (place, asked, outstanding) in fields {
            if let Some(count) = asked.filter(|count| *count < outstanding) {
                Wait::tighten(place, count);
            }
        }
    }

    fn after_wait(&mut self, wait: Wait) {
        let arrived = |counts: &mut [u8; UNITS], limit: u8| {
            for count in counts.iter_mut().filter(|count| **count >= limit) {
                *count = DONE;
            }
        };
        let left = &mut self.outstanding;
        if let Some(count) = wait.vm {
            arrived(&mut self.vm, count);
            left.vm = left.vm.min(count);
        }
        if let Some(count) = wait.vs {
            left.vs = left.vs.min(count);
        }
        if let Some(count) = wait.lgkm {
            if count == 0 {
                self.smem = [false; UNITS];
                left.smem = false;
            }
            if !left.smem {
                arrived(&mut self.lds, count);
                left.lds = left.lds.min(count);
            }
        }
    }

    fn issue(&mut self, inst: &Inst) {
        let older = |counts: &mut [u8; UNITS]| {
            for count in counts.iter_mut().filter(|count| **count < MOST) {
                *count += 1;
            }
        };
        let delivered = results(inst);
        let delivers = inst.op.row().class != Class::Smem;
        let units = || delivered.iter().flat_map(|span| span.units());
        for counter in counters(inst) {
            match counter {
                Counter::Vm => {
                    older(&mut self.vm);
                    units().for_each(|unit| self.vm[unit] = 0);
                    self.outstanding.vm = (self.outstanding.vm + 1).min(63);
                }
                Counter::Vs => self.outstanding.vs = (self.outstanding.vs + 1).min(63),
                Counter::Lds => {
                    older(&mut self.lds);
                    units()
                        .filter(|_| delivers)
                        .for_each(|unit| self.lds[unit] = 0);
                    self.outstanding.lds = (self.outstanding.lds + 1).min(63);
                }
                Counter::Smem => {
                    units().for_each(|unit| self.smem[unit] = true);
                    self.outstanding.smem = true;
                }
            }
        }
    }

    /// The state in which `inst` issues: what it waits for has arrived.
    #[must_use]
    pub fn after_wait_of(&self, inst: &Inst) -> Self {
        let mut state = self.clone();
        state.after_wait(self.needed(inst));
        state
    }

    /// Past `inst`, after the wait that it needed.
    pub fn step(&mut self, inst: &Inst) {
        let wait = self.needed(inst);
        self.after_wait(wait);
        self.issue(inst);
    }
}

/// What is outstanding at the start of each block; `None` where control never comes.
#[must_use]
pub fn at_entry(code: &Code) -> Vec<Option<State>> {
    let mut entry = vec![None; code.blocks.len()];
    let mut work = Vec::new();
    if let Some(first) = entry.first_mut() {
        *first = Some(State::nothing());
        work.push(0);
    }
    while let Some(block) = work.pop() {
        let Some(mut state) = entry[block].clone() else {
            continue;
        };
        for line in &code.blocks[block].lines {
            state.step(&line.inst);
        }
        for next in code.successors(block) {
            let changed = match &mut entry[next] {
                Some(old) => old.join(&state),
                none => {
                    *none = Some(state.clone());
                    true
                }
            };
            if changed && !work.contains(&next) {
                work.push(next);
            }
        }
    }
    entry
}

/// Inserts the waits; those that the code asks for already are merged with them.
pub fn run(code: &mut Code) {
    let entry = at_entry(code);
    for (block, state) in code.blocks.iter_mut().zip(entry) {
        // What control never reaches is made well formed all the same.
        let mut state = state.unwrap_or_else(State::nothing);
        let mut lines = Vec::with_capacity(block.lines.len() + 8);
        for mut line in block.lines.drain(..) {
            let wait = state.needed(&line.inst);
            lines.extend(
                wait.instructions()
                    .map(|inst| Line::added(inst, line.source)),
            );
            state.step(&line.inst);
            if Wait::of(&line.inst).is_some() {
                continue;
            }
            if line.inst.op == Op::S_BARRIER {
                line.inst.imm = 0;
            }
            lines.push(line);
        }
        block.lines = lines;
    }
}

#[cfg(test)]
mod tests {
    //! Against a model that was written without looking at the pass: a list of what is outstanding, and a memory that
    //! answers as late and as inconveniently as the rules allow.

    use gfx1100_isa::Operand::{S, V};

    use super::*;
    use crate::machine::BlockId;
    use crate::machine::code::Block;
    use crate::machine::testing::{Random, check};

    #[derive(Clone, Debug, PartialEq)]
    struct Flight {
        counter: Counter,
        delivers: Vec<Operand>,
        shared: bool,
    }

    /// The last `left` of a kind stay outstanding.
    fn keep_newest(flights: &mut Vec<Flight>, left: usize, of: impl Fn(&Flight) -> bool) {
        let mut drop = flights
            .iter()
            .filter(|f| of(f))
            .count()
            .saturating_sub(left);
        flights.retain(|flight| {
            let gone = of(flight) && drop > 0;
            drop -= usize::from(gone);
            !gone
        });
    }

    /// Runs the lines of one path; an error names the line that touched what was not there.
    fn run_path<'a>(lines: impl Iterator<Item = &'a Line>) -> Result<(), String> {
        let mut flights: Vec<Flight> = Vec::new();
        for Line {
            inst,
            memory: order,
            ..
        } in lines
        {
            let registers = |slots: &[gfx1100_isa::Slot], operands: &[Operand]| {
                let mut all = Vec::new();
                for (slot, operand) in slots.iter().zip(operands) {
                    for k in 0..slot.ty.dwords() {
                        match *operand {
                            V(n) => all.push(V(n + k)),
                            S(n) if n < 106 => all.push(S(n + k)),
                            _ => {}
                        }
                    }
                }
                all
            };
            let row = inst.op.row();
            let reads = registers(row.src, &inst.src);
            let writes = registers(row.dst, &inst.dst);
            let counter = match inst.op {
                Op::BUFFER_LOAD_B32 | Op::BUFFER_LOAD_B64 => Some(Counter::Vm),
                Op::BUFFER_STORE_B32 => Some(Counter::Vs),
                Op::DS_LOAD_B32 | Op::DS_STORE_B32 => Some(Counter::Lds),
                Op::S_LOAD_B32 => Some(Counter::Smem),
                _ => None,
            };
            for flight in &flights {
                let meets =
                    |touched: &[Operand]| touched.iter().any(|r| flight.delivers.contains(r));
                let in_order = counter == Some(flight.counter) && flight.counter != Counter::Smem;
                if meets(&reads) || (meets(&writes) && !in_order) {
                    return Err(format!("{inst:?} touches {flight:?}"));
                }
                let (shared, buffers) = match order {
                    _ if inst.op != Op::S_BARRIER => (false, false),
                    Some(crate::machine::Memory::Shared) => (true, false),
                    Some(_) => (false, true),
                    None => (false, false),
                };
                let hidden = if flight.shared { shared } else { buffers };
                if hidden && flight.counter != Counter::Smem {
                    return Err(format!("the barrier passes {flight:?}"));
                }
            }
            match inst.op {
                Op::S_WAITCNT => {
                    let (vm, lgkm) = (
                        (inst.imm >> 10 & 63) as usize,
                        (inst.imm >> 4 & 63) as usize,
                    );
                    keep_newest(&mut flights, vm, |f| f.counter == Counter::Vm);
                    keep_newest(&mut flights, lgkm, |f| f.counter == Counter::Lds);
                    if lgkm == 0 {
                        flights.retain(|f| f.counter != Counter::Smem);
                    }
                }
                Op::S_WAITCNT_VSCNT => {
                    keep_newest(&mut flights, inst.imm as usize, |f| {
                        f.counter == Counter::Vs
                    });
                }
                _ => {}
            }
            if let Some(counter) = counter {
                flights.push(Flight {
                    counter,
                    delivers: writes,
                    shared: counter == Counter::Lds,
                });
            }
        }
        Ok(())
    }

    /// All paths from the entry of at most `most` blocks.
    fn run_all(code: &Code, most: usize) -> Result<(), String> {
        let mut paths = vec![vec![0]];
        for _ in 0..most {
            let mut longer = Vec::new();
            for path in &paths {
                let last = *path.last().expect("paths are not empty");
                for next in code.successors(last) {
                    longer.push([path.as_slice(), &[next]].concat());
                }
                if code.successors(last).is_empty() {
                    run_path(path.iter().flat_map(|&b| &code.blocks[b].lines))?;
                }
            }
            paths = longer;
        }
        for path in &paths {
            run_path(path.iter().flat_map(|&b| &code.blocks[b].lines))?;
        }
        Ok(())
    }

    fn inst(op: Op, dst: Operand, src: &[Operand]) -> Inst {
        let mut inst = control(op, 0);
        inst.dst[0] = dst;
        inst.src[..src.len()].copy_from_slice(src);
        inst.mods.offen = op.row().format == gfx1100_isa::Format::Mubuf;
        inst
    }

    fn random_line(random: &mut Random) -> Line {
        let v = |random: &mut Random| V(random.below(5) as u8);
        let s = |random: &mut Random| S(20 + random.below(4) as u8);
        let (a, b) = (v(random), v(random));
        let (desc, none) = (S(8), Operand::None);
        let made = match random.below(10) {
            0 => inst(Op::BUFFER_LOAD_B32, a, &[b, none, desc, Operand::NULL]),
            1 => inst(Op::BUFFER_LOAD_B64, a, &[b, none, desc, Operand::NULL]),
            2 => inst(Op::BUFFER_STORE_B32, none, &[a, b, desc, Operand::NULL]),
            3 => inst(Op::DS_LOAD_B32, a, &[b]),
            4 => inst(Op::DS_STORE_B32, none, &[a, b]),
            5 => inst(Op::S_LOAD_B32, s(random), &[S(0), Operand::NULL]),
            6 => inst(Op::S_ADD_U32, s(random), &[s(random), s(random)]),
            7 => inst(Op::S_BARRIER, none, &[]),
            _ => inst(Op::V_ADD_F32, v(random), &[a, b]),
        };
        let mut line = Line::added(made, 0);
        if made.op == Op::S_BARRIER {
            // The pass clears the immediate; the model reads what the barrier orders from `memory`.
            let shared = random.below(2) == 0;
            line.inst.imm = if shared { 1 } else { 2 };
            line.memory = Some(if shared {
                crate::machine::Memory::Shared
            } else {
                crate::machine::Memory::Buffer(0)
            });
        }
        line
    }

    fn random_code(random: &mut Random, blocks: u32) -> Code {
        let mut code = Code::default();
        for n in 0..blocks {
            let mut block = Block::default();
            for _ in 0..random.below(7) {
                block.lines.push(random_line(random));
            }
            if n + 1 == blocks {
                block.lines.push(Line::added(control(Op::S_ENDPGM, 0), 0));
            } else if random.below(2) == 0 {
                let mut branch = Line::added(control(Op::S_CBRANCH_SCC1, 0), 0);
                branch.target = Some(BlockId(random.below(blocks)));
                block.lines.push(branch);
            }
            code.blocks.push(block);
        }
        code
    }

    #[test]
    fn each_counter_counts_its_own() {
        check(
            super::run,
            "buffer_load_b32 v0, v9, s[4:7], 0 offen
             buffer_load_b32 v1, v9, s[4:7], 0 offen
             ds_load_b32 v2, v9
             ds_load_b32 v3, v9
             v_add_f32 v4, v0, v2
             v_add_f32 v5, v1, v3
             buffer_store_b32 v9, v4, s[4:7], 0 offen
             v_mov_b32 v4, 0          ; what a store reads may be overwritten
             s_load_b32 s0, s[2:3], null
             s_load_b32 s1, s[2:3], null
             s_add_u32 s8, s0, s0",
            "buffer_load_b32 v0, v9, s[4:7], 0 offen
             buffer_load_b32 v1, v9, s[4:7], 0 offen
             ds_load_b32 v2, v9
             ds_load_b32 v3, v9
             s_waitcnt vmcnt(1) lgkmcnt(1)
             v_add_f32 v4, v0, v2
             s_waitcnt vmcnt(0) lgkmcnt(0)
             v_add_f32 v5, v1, v3
             buffer_store_b32 v9, v4, s[4:7], 0 offen
             v_mov_b32 v4, 0
             s_load_b32 s0, s[2:3], null
             s_load_b32 s1, s[2:3], null
             s_waitcnt lgkmcnt(0)     ; scalar loads come in any order
             s_add_u32 s8, s0, s0",
        );
    }

    #[test]
    fn loads_of_one_kind_may_overwrite_each_other() {
        check(
            super::run,
            "buffer_load_d16_b16 v0, v9, s[4:7], 0 offen
             buffer_load_d16_hi_b16 v0, v9, s[4:7], 0 offen offset:2
             ds_load_b32 v0, v9       ; of the other kind: not
             v_mov_b32 v1, v0",
            "buffer_load_d16_b16 v0, v9, s[4:7], 0 offen
             buffer_load_d16_hi_b16 v0, v9, s[4:7], 0 offen offset:2
             s_waitcnt vmcnt(0)
             ds_load_b32 v0, v9
             s_waitcnt lgkmcnt(0)
             v_mov_b32 v1, v0",
        );
    }

    #[test]
    fn a_wait_that_is_asked_for_is_kept_where_it_waits_for_something() {
        check(
            super::run,
            "s_waitcnt vmcnt(0)
             buffer_load_b32 v0, v9, s[4:7], 0 offen
             s_waitcnt vmcnt(0) lgkmcnt(0)
             s_waitcnt_vscnt null, 0x0
             buffer_store_b32 v9, v0, s[4:7], 0 offen
             s_waitcnt_vscnt null, 0x0",
            "buffer_load_b32 v0, v9, s[4:7], 0 offen
             s_waitcnt vmcnt(0)
             buffer_store_b32 v9, v0, s[4:7], 0 offen
             s_waitcnt_vscnt null, 0x0",
        );
    }

    #[test]
    fn nothing_is_touched_before_it_is_there_on_any_path() {
        let mut random = Random::new("waits", 0x5eed_0001);
        for _ in 0..2000 {
            let blocks = 1 + random.below(5);
            let mut code = random_code(&mut random, blocks);
            let before = code.clone();
            run(&mut code);
            assert_eq!(run_all(&code, 9), Ok(()), "{before:?}");
        }
    }

    /// No count of a wait can be one higher without some path going wrong.
    #[test]
    fn no_wait_is_longer_than_needed() {
        let mut random = Random::new("waits", 0x5eed_0002);
        let mut looser = 0;
        for _ in 0..600 {
            let blocks = 1 + random.below(4);
            let mut code = random_code(&mut random, blocks);
            run(&mut code);
            for block in 0..code.blocks.len() {
                for line in 0..code.blocks[block].lines.len() {
                    looser += try_looser(&code, block, line);
                }
            }
        }
        assert!(looser > 500, "only {looser} waits were tried");
    }

    /// Tries each field of a wait one higher; how many were tried.
    fn try_looser(code: &Code, block: usize, line: usize) -> u32 {
        let inst = code.blocks[block].lines[line].inst;
        let steps: &[i32] = match inst.op {
            Op::S_WAITCNT => &[10, 4],
            Op::S_WAITCNT_VSCNT => &[0],
            _ => &[],
        };
        let mut tried = 0;
        for step in steps {
            let count = inst.imm >> step & 63;
            // Beside a scalar load, a wait for LDS is longer than the model needs.
            let scalar = |line: &Line| line.inst.op == Op::S_LOAD_B32;
            let scalar = code.blocks.iter().any(|b| b.lines.iter().any(scalar));
            if count == 63 || (*step == 4 && count == 0 && scalar) {
                continue;
            }
            let mut code = code.clone();
            code.blocks[block].lines[line].inst.imm += 1 << step;
            assert!(
                run_all(&code, 9).is_err(),
                "{count} at {line} of {block} in {code:?}"
            );
            tried += 1;
        }
        tried
    }
}
