//! What must come before what in a block.
//!
//! Edges: a value to its readers (with the producer's latency), readers of an old value to the next writer, writer to
//! writer. EXEC counts as a register that every vector instruction reads. Memory of the same kind keeps the order of its
//! accesses unless both only read; different buffers do not overlap (WGSL forbids writable aliases) and what nobody writes
//! is never ordered. Barriers and what else the sequencer executes keep all memory accesses on their side, and each other.
//! Branches stay last.
//!
//! SCC is left out: nearly every scalar instruction overwrites it and few results are read. Instead those that pass SCC on
//! form *groups*, and [`super::schedule`] lets no other writer of SCC between the members of one.
//!
//! A wish stands beside the rules: the instruction that makes a loop parameter's next value should follow the readers of
//! the old one, and of what the old one was copied to, so that all are one register and no copy is needed. It is left out
//! where it contradicts a rule.

use super::latency::cost;
use super::operands::{Units, reads, writes};
use super::{Function, Inst, Kind, Memory, Operand};
use gfx1100_isa as isa;
use isa::{Class, Format};

/// An instruction of the block among its neighbours.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// Those that wait for it, and how many cycles.
    pub(super) after: Vec<(u32, u32)>,
    /// How many it waits for.
    pub(super) waits_for: u32,
    /// Cycles from its issue to the end of the block on the longest path.
    pub(super) height: u32,
    /// When it may issue at the latest for the block to end as early as its longest path allows.
    pub(super) latest: u32,
    /// Group of those that pass SCC on.
    pub(super) group: Option<u32>,
    /// Writes SCC.
    pub(super) writes_scc: bool,
}

/// The dependences of a block.
#[derive(Clone, Debug)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    /// Per group: the nodes outside of it that must be done before its first is.
    pub(super) before_group: Vec<Vec<u32>>,
}

/// What has been seen of a register.
#[derive(Clone, Default)]
struct Seen {
    writer: Option<u32>,
    readers: Vec<u32>,
}

/// Unit numbers beyond the registers: EXEC.
fn exec_unit(units: &Units) -> usize {
    units.count()
}

pub(super) fn row(inst: &Inst) -> Option<&'static isa::Row> {
    match inst.kind {
        Kind::Isa(op) => Some(op.row()),
        _ => None,
    }
}

/// Obeys EXEC or depends on it.
fn is_vector(row: &isa::Row) -> bool {
    !matches!(
        row.format,
        Format::Sop1 | Format::Sop2 | Format::Sopc | Format::Sopk | Format::Sopp | Format::Smem
    )
}

impl Graph {
    /// The dependences of `insts`; `leaves` says that a later block reads what is in SCC at the end.
    pub(super) fn new(function: &Function, units: &Units, insts: &[Inst], leaves: bool) -> Self {
        let mut graph = Self {
            nodes: vec![Node::default(); insts.len()],
            before_group: Vec::new(),
        };
        graph.registers(function, units, insts);
        graph.memory(insts);
        graph.sequencer(insts);
        graph.parameters(units, function, insts);
        graph.condition_codes(insts, leaves);
        graph.measure(insts);
        graph
    }

    fn edge(&mut self, from: u32, to: u32, latency: u32) {
        if from != to {
            self.nodes[from as usize].after.push((to, latency));
        }
    }

    fn registers(&mut self, function: &Function, units: &Units, insts: &[Inst]) {
        let mut seen: Vec<Seen> = vec![Seen::default(); units.count() + 1];
        let exec = exec_unit(units);
        let is_exec = |operand: &Operand| *operand == Operand::Fixed(isa::Operand::EXEC);
        for (index, inst) in insts.iter().enumerate() {
            let index = index as u32;
            let (mut read, mut written) = (Vec::new(), Vec::new());
            reads(inst, |_, operand, dwords| {
                read.extend(units.of(operand, dwords))
            });
            writes(function, inst, |_, operand, dwords| {
                written.extend(units.of(operand, dwords));
            });
            let effects = row(inst).map_or(isa::Effects::NONE, |row| row.effects);
            // A copy to a vector register obeys EXEC; one more reader among scalar copies costs nothing.
            let obeys = row(inst).is_none_or(is_vector);
            if obeys || effects.reads_exec || inst.src.iter().any(is_exec) {
                read.push(exec);
            }
            if effects.reads_m0 {
                read.push(125);
            }
            if effects.writes_exec || inst.dst.iter().any(is_exec) {
                written.push(exec);
            }
            for unit in read {
                if let Some(writer) = seen[unit].writer {
                    self.edge(writer, index, cost(&insts[writer as usize]).latency);
                }
                seen[unit].readers.push(index);
            }
            for unit in written {
                let before = std::mem::take(&mut seen[unit]);
                for reader in before.readers {
                    self.edge(reader, index, 0);
                }
                if let Some(writer) = before.writer {
                    self.edge(writer, index, 1);
                }
                seen[unit].writer = Some(index);
            }
        }
    }

    fn memory(&mut self, insts: &[Inst]) {
        let access = |inst: &Inst| {
            let class = row(inst)?.class;
            let writes = match class {
                Class::LdsStore | Class::LdsAtomic | Class::VmemStore | Class::VmemAtomic => true,
                Class::LdsLoad | Class::VmemLoad | Class::Smem => false,
                _ => return None,
            };
            (inst.memory != Some(Memory::ReadOnly)).then_some((inst.memory, writes))
        };
        let mut all: Vec<(u32, Option<Memory>, bool)> = Vec::new();
        for (index, inst) in insts.iter().enumerate() {
            let Some((memory, writes)) = access(inst) else {
                continue;
            };
            for (other, place, wrote) in &all {
                let same = memory.is_none() || place.is_none() || memory == *place;
                if same && (writes || *wrote) {
                    self.nodes[*other as usize].after.push((index as u32, 1));
                }
            }
            all.push((index as u32, memory, writes));
        }
    }

    /// Barriers, waits and hints are fences for memory; branches come last.
    fn sequencer(&mut self, insts: &[Inst]) {
        let class = |inst: &Inst| row(inst).map(|row| row.class);
        let mut fence = None;
        let mut accesses = Vec::new();
        for (index, inst) in insts.iter().enumerate() {
            let index = index as u32;
            match class(inst) {
                Some(Class::Barrier | Class::Control) => {
                    for access in accesses.drain(..).chain(fence) {
                        self.edge(access, index, 0);
                    }
                    fence = Some(index);
                }
                Some(Class::Branch | Class::End) => {
                    for other in 0..index {
                        self.edge(other, index, 0);
                    }
                    fence = Some(index);
                }
                Some(
                    Class::LdsLoad
                    | Class::LdsStore
                    | Class::LdsAtomic
                    | Class::VmemLoad
                    | Class::VmemStore
                    | Class::VmemAtomic
                    | Class::Smem,
                ) if inst.memory != Some(Memory::ReadOnly) => {
                    if let Some(fence) = fence {
                        self.edge(fence, index, 0);
                    }
                    accesses.push(index);
                }
                _ => {}
            }
            // What follows a branch in the block stays behind it.
            if let Some(fence) = fence.filter(|f| is_end(&insts[*f as usize]) && *f != index) {
                self.edge(fence, index, 0);
            }
        }
    }

    /// Groups of those that pass SCC on; `leaves` says that a later block reads what is in SCC at the end.
    fn condition_codes(&mut self, insts: &[Inst], leaves: bool) {
        let effects = |inst: &Inst| row(inst).map_or(isa::Effects::NONE, |row| row.effects);
        let touches: Vec<(bool, bool)> = insts
            .iter()
            .map(|inst| {
                let effects = effects(inst);
                let named = inst.src.contains(&Operand::Fixed(isa::Operand::SCC));
                (effects.reads_scc || named, effects.writes_scc)
            })
            .collect();
        let writers: Vec<u32> = (0..insts.len() as u32)
            .filter(|i| touches[*i as usize].1)
            .collect();
        let mut members: Vec<Vec<u32>> = Vec::new();
        let (mut last, mut readers): (Option<u32>, Vec<u32>) = (None, Vec::new());
        for (index, (reads, writes)) in touches.iter().enumerate() {
            let index = index as u32;
            self.nodes[index as usize].writes_scc = *writes;
            match last {
                Some(writer) if *reads => {
                    let group = self.nodes[writer as usize].group.unwrap_or_else(|| {
                        members.push(vec![writer]);
                        members.len() as u32 - 1
                    });
                    self.nodes[writer as usize].group = Some(group);
                    self.nodes[index as usize].group = Some(group);
                    members[group as usize].push(index);
                    self.edge(writer, index, 2);
                    if *writes {
                        readers
                            .iter()
                            .for_each(|reader| self.edge(*reader, index, 0));
                    }
                    readers.push(index);
                }
                // What is in SCC when the block begins is read before anything writes it.
                None if *reads => writers
                    .iter()
                    .for_each(|writer| self.edge(index, *writer, 0)),
                _ => {}
            }
            if *writes {
                (last, readers) = (Some(index), Vec::new());
            }
        }
        if let Some(last) = last.filter(|_| leaves) {
            let before = (0..last).filter(|i| touches[*i as usize] != (false, false));
            before.for_each(|other| self.edge(other, last, 0));
        }
        self.group_conditions(insts, &members);
    }

    /// What must be done before each group begins, so that it can be finished without another writer of SCC.
    fn group_conditions(&mut self, insts: &[Inst], members: &[Vec<u32>]) {
        let mut waits_for: Vec<Vec<u32>> = vec![Vec::new(); insts.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for (next, _) in &node.after {
                waits_for[*next as usize].push(index as u32);
            }
        }
        for members in members {
            let mut before: Vec<u32> = Vec::new();
            for member in members {
                let end = is_end(&insts[*member as usize]);
                // Others may run while SCC waits for the branch, but none that writes it.
                let all = waits_for[*member as usize].iter();
                before.extend(all.filter(|p| !end || self.nodes[**p as usize].writes_scc));
            }
            // What needs a member comes between them.
            let later = self.reachable(members[0]);
            before.retain(|other| !later[*other as usize]);
            before.sort_unstable();
            before.dedup();
            self.before_group.push(before);
        }
    }

    /// The wish about parameters.
    fn parameters(&mut self, units: &Units, function: &Function, insts: &[Inst]) {
        let Some((at, pairs)) = insts.iter().enumerate().rev().find_map(|(i, inst)| {
            let Kind::Copies(pairs) = &inst.kind else {
                return None;
            };
            Some((i, pairs))
        }) else {
            return;
        };
        for (old, new) in pairs {
            let (Some(old), Some(new)) = (units.of(*old, 1).next(), units.of(*new, 1).next())
            else {
                continue;
            };
            let mut maker = None;
            let mut users = Vec::new();
            let mut places = vec![old];
            for (index, inst) in insts[..at].iter().enumerate() {
                reads(inst, |number, operand, dwords| {
                    let read = units.of(operand, dwords);
                    if !places.iter().any(|place| read.contains(place)) {
                        return;
                    }
                    users.push(index as u32);
                    if let Kind::Copies(copies) = &inst.kind {
                        places.extend(units.of(copies[number].0, 1));
                    }
                });
                writes(function, inst, |_, operand, dwords| {
                    if units.of(operand, dwords).contains(&new) {
                        maker = Some(index as u32);
                    }
                });
            }
            let Some(maker) = maker else {
                continue;
            };
            if old == new {
                continue;
            }
            let later = self.reachable(maker);
            for user in users {
                if user != maker && !later[user as usize] {
                    self.edge(user, maker, 0);
                }
            }
        }
    }

    fn reachable(&self, from: u32) -> Vec<bool> {
        let mut seen = vec![false; self.nodes.len()];
        let mut open = vec![from];
        while let Some(node) = open.pop() {
            if !std::mem::replace(&mut seen[node as usize], true) {
                open.extend(
                    self.nodes[node as usize]
                        .after
                        .iter()
                        .map(|(next, _)| *next),
                );
            }
        }
        seen
    }

    /// Counts what each waits for, and the heights from the end.
    fn measure(&mut self, insts: &[Inst]) {
        for node in &mut self.nodes {
            node.after.sort_unstable();
            node.after.reverse();
            node.after.dedup_by_key(|(next, _)| *next);
        }
        let mut order: Vec<u32> = Vec::with_capacity(insts.len());
        for index in 0..self.nodes.len() {
            for place in 0..self.nodes[index].after.len() {
                let next = self.nodes[index].after[place].0;
                self.nodes[next as usize].waits_for += 1;
            }
        }
        let mut left: Vec<u32> = self.nodes.iter().map(|node| node.waits_for).collect();
        order.extend((0..left.len() as u32).filter(|index| left[*index as usize] == 0));
        let mut at = 0;
        while at < order.len() {
            for (next, _) in &self.nodes[order[at] as usize].after {
                left[*next as usize] -= 1;
                if left[*next as usize] == 0 {
                    order.push(*next);
                }
            }
            at += 1;
        }
        for index in order.iter().rev().map(|index| *index as usize) {
            let below = self.nodes[index].after.iter();
            let below = below.map(|(next, latency)| latency + self.nodes[*next as usize].height);
            let own = cost(&insts[index]).occupies;
            self.nodes[index].height = below.max().unwrap_or(0).max(own);
        }
        let mut earliest = vec![0; self.nodes.len()];
        for index in order.iter().map(|index| *index as usize) {
            let start = earliest[index];
            for (next, latency) in &self.nodes[index].after {
                let next = &mut earliest[*next as usize];
                *next = (start + latency).max(*next);
            }
        }
        let ends = self.nodes.iter().zip(&earliest);
        let end = ends.map(|(node, start)| start + node.height).max();
        let end = end.unwrap_or(0).max(insts.len() as u32);
        for node in &mut self.nodes {
            node.latest = end - node.height;
        }
    }
}

/// Ends the block.
pub(super) fn is_end(inst: &Inst) -> bool {
    row(inst).is_some_and(|row| matches!(row.class, Class::Branch | Class::End))
}

/// By block: what is in SCC when it begins is read there or later.
pub(super) fn scc_arrives(function: &Function) -> Vec<bool> {
    let mut arrives = vec![false; function.blocks.len()];
    let mut again = true;
    while again {
        again = false;
        for (index, block) in function.blocks.iter().enumerate().rev() {
            let first = block.insts.iter().find_map(|inst| {
                let effects = row(inst)?.effects;
                let named = inst.src.contains(&Operand::Fixed(isa::Operand::SCC));
                let reads = effects.reads_scc || named;
                (reads || effects.writes_scc).then_some(reads)
            });
            let later = block.linear.iter().any(|next| arrives[next.0 as usize]);
            let now = first.unwrap_or(later);
            again |= now != arrives[index];
            arrives[index] = now;
        }
    }
    arrives
}
