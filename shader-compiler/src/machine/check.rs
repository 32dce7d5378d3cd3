//! Proves an allocation: every instruction finds in its machine registers the values that its virtual ones had.
//!
//! In the manner of regalloc2's checker (`src/checker.rs` there): not a second allocator but an abstract execution of the
//! result beside the original, which knows nothing of live ranges, groups or places. The state says of each machine register
//! which virtual dwords' *current* values and which constants it holds. An instruction must find the value of each virtual
//! operand in the register that took its place; then what it wrote is in its destinations and, having a new value, nowhere
//! else. Moves carry the state along; after those of a parallel copy each destination dword names what its source named
//! before. Where paths meet, only what all of them agree on remains, and all is repeated until nothing changes.
//!
//! Scalar registers are followed along linear edges and vector ones along logical edges (the argument is in
//! [`super::liveness`]): the state has both halves, each of which takes its own edges. For whole-wave writes the argument does
//! not hold, so they are followed apart: what is written whole-wave in blocks during which lanes may wait on a logical edge
//! ([`super::parked`]) is lost on that edge.
//!
//! Not proved here: that sources read from parked lanes (fetch-inactive) are still there, which WGSL leaves undefined, and
//! what [`super::operands`] says of each instruction, which both sides share.

use super::allocate::Allocated;
use super::coalesce::accumulating;
use super::holdings::{Place, State, Value, place, value};
use super::operands::{
    READ_DST, READ_VCC, destination_avoids, file, reads, writes, writes_whole_wave,
};
use super::parked::parked;
use super::{BlockId, File, Function, Inst, Kind, Operand, Register};
use gfx1100_isa as isa;
use isa::Op;
use std::collections::{BTreeMap, BTreeSet};

/// Proves `allocated`.
///
/// # Errors
/// The first thing that does not hold: block, instruction and what is missing where.
pub(super) fn check(allocated: &Allocated) -> Result<(), String> {
    let function = &allocated.before;
    let proof = Proof {
        allocated,
        writers: writers(function),
    };
    // What nobody has written is anything.
    let mut entry = State {
        arbitrary: all_dwords(function).collect(),
        ..State::default()
    };
    for (register, arrives) in &function.live_in {
        for dword in 0..function.registers[register.0 as usize].dwords {
            entry.arbitrary.remove(&Value::Dword(*register, dword));
            if let Some(place) = place(Operand::Fixed(*arrives), dword) {
                let set = entry.holds.entry(place).or_default();
                set.insert(Value::Dword(*register, dword));
            }
        }
    }
    for place in named(function) {
        entry
            .holds
            .entry(place)
            .or_default()
            .insert(Value::Machine(place));
    }
    let lost = lost_on_edges(allocated);
    let mut states: Vec<Option<State>> = vec![None; function.blocks.len()];
    let (mut scalar, mut vector) = (states.clone(), states.clone());
    if let (Some(first), Some(s), Some(v)) =
        (states.first_mut(), scalar.first_mut(), vector.first_mut())
    {
        *first = Some(entry.clone());
        *s = Some(entry.half(function, false));
        *v = Some(entry.half(function, true));
    }
    let mut open = vec![true; function.blocks.len()];
    while open.contains(&true) {
        for index in 0..function.blocks.len() {
            if !std::mem::replace(&mut open[index], false) {
                continue;
            }
            // A block that lanes reach along logical edges is also reached by the program counter; one that only the
            // program counter reaches has no lanes, and vector instructions in it nothing to find.
            let Some(from) = scalar[index].clone() else {
                continue;
            };
            let lanes = vector[index].clone();
            let mut state = from.unite(lanes.clone().unwrap_or_default());
            run_block(&proof, index, &mut state, None)?;
            let block = &function.blocks[index];
            let out = state.half(function, false);
            for next in &block.linear {
                open[next.0 as usize] |= arrive(&mut scalar[next.0 as usize], out.clone());
            }
            if lanes.is_some() {
                for next in &block.logical {
                    let mut out = state.half(function, true);
                    for place in lost.get(&(index as u32, next.0)).into_iter().flatten() {
                        out.holds.remove(place);
                    }
                    open[next.0 as usize] |= arrive(&mut vector[next.0 as usize], out);
                }
            }
        }
    }
    for index in 0..function.blocks.len() {
        if let Some(from) = scalar[index].clone() {
            let lanes = vector[index].clone();
            let reached = lanes.is_some();
            let mut state = from.unite(lanes.unwrap_or_default());
            run_block(&proof, index, &mut state, Some(reached))?;
        }
    }
    Ok(())
}

fn arrive(at: &mut Option<State>, from: State) -> bool {
    match at {
        None => {
            *at = Some(from);
            true
        }
        Some(state) => {
            let before = state.clone();
            state.meet(&from);
            *state != before
        }
    }
}

/// What is proved, and what the proof needs to know of it.
struct Proof<'a> {
    allocated: &'a Allocated,
    /// How many instructions write each dword: the one that alone writes it keeps nothing of what was there.
    writers: BTreeMap<Value, u32>,
}

fn all_dwords(function: &Function) -> impl Iterator<Item = Value> + '_ {
    let registers = function.registers.iter().enumerate();
    registers.flat_map(|(index, data)| {
        (0..data.dwords).map(move |dword| Value::Dword(Register(index as u32), dword))
    })
}

fn writers(function: &Function) -> BTreeMap<Value, u32> {
    let mut count = BTreeMap::new();
    for (register, _) in &function.live_in {
        for dword in 0..function.registers[register.0 as usize].dwords {
            *count.entry(Value::Dword(*register, dword)).or_default() += 1;
        }
    }
    for inst in function.blocks.iter().flat_map(|block| &block.insts) {
        writes(function, inst, |_, operand, dwords| {
            for value in (0..dwords).filter_map(|d| value(operand, d)) {
                *count.entry(value).or_default() += 1;
            }
        });
    }
    count
}

/// Machine registers that the original names itself.
fn named(function: &Function) -> BTreeSet<Place> {
    let mut places = BTreeSet::new();
    let mut name = |operand, dwords| {
        if matches!(operand, Operand::Fixed(_)) {
            places.extend((0..dwords).filter_map(|dword| place(operand, dword)));
        }
    };
    for inst in function.blocks.iter().flat_map(|block| &block.insts) {
        reads(inst, |_, operand, dwords| name(operand, dwords));
        writes(function, inst, |_, operand, dwords| name(operand, dwords));
    }
    places
}

/// Registers that whole-wave instructions write where lanes may be parked on a logical edge.
fn lost_on_edges(allocated: &Allocated) -> BTreeMap<(u32, u32), BTreeSet<Place>> {
    let function = &allocated.before;
    let mut written: Vec<BTreeSet<Place>> = vec![BTreeSet::new(); function.blocks.len()];
    for (index, block) in function.blocks.iter().enumerate() {
        let mut at = 0;
        for (inst, &count) in block.insts.iter().zip(&allocated.became[index]) {
            let after = &allocated.after.blocks[index].insts[at..at + count as usize];
            at += count as usize;
            writes(function, inst, |number, operand, dwords| {
                let Operand::Virtual(register, _) = operand else {
                    return;
                };
                let data = function.registers[register.0 as usize];
                let everywhere = data.whole_wave || writes_whole_wave(inst);
                if data.file != File::Vector || !everywhere {
                    return;
                }
                // A copy to a whole-wave register runs with the lanes of its block.
                if let (Kind::Isa(_), [after]) = (&inst.kind, after) {
                    let places = (0..dwords).filter_map(|d| place(after.dst[number], d));
                    written[index].extend(places);
                }
            });
        }
    }
    let mut lost = BTreeMap::new();
    if written.iter().any(|places| !places.is_empty()) {
        for (x, block) in function.blocks.iter().enumerate() {
            for y in &block.logical {
                let between = parked(function, BlockId(x as u32), *y);
                let places = between.iter().flat_map(|b| written[*b].iter().copied());
                lost.insert((x as u32, y.0), places.collect());
            }
        }
    }
    lost
}

/// Executes block `index`. With `prove` its operands are proved, those of vector registers if lanes reach the block.
fn run_block(
    proof: &Proof<'_>,
    index: usize,
    state: &mut State,
    prove: Option<bool>,
) -> Result<(), String> {
    let allocated = proof.allocated;
    let function = &allocated.before;
    let after = &allocated.after.blocks[index].insts;
    let mut at = 0;
    for (number, inst) in function.blocks[index].insts.iter().enumerate() {
        let count = allocated.became[index].get(number).copied().unwrap_or(0) as usize;
        let Some(now) = after.get(at..at + count) else {
            return Err(format!(
                "block {index}: instructions are missing from {number} on"
            ));
        };
        at += count;
        let told = |what: String| {
            format!(
                "block {index}, instruction {number} ({:?}): {what}",
                inst.kind
            )
        };
        match &inst.kind {
            Kind::Isa(op) => {
                let [now] = now else {
                    return Err(told(format!("became {count} instructions")));
                };
                let forms = same(inst, *op, now).map_err(told)?;
                if let Some(lanes) = prove {
                    let mut proofs = forms.iter().map(|f| operands(proof, state, inst, f, lanes));
                    let first = proofs.next().unwrap_or(Ok(()));
                    let proved = first.is_ok() || proofs.any(|p| p.is_ok());
                    first.or_else(|what| if proved { Ok(()) } else { Err(told(what)) })?;
                }
                step(function, state, inst, &forms[0]);
            }
            Kind::Undefined => writes(function, inst, |_, operand, dwords| {
                for value in (0..dwords).filter_map(|d| value(operand, d)) {
                    state.forget(value);
                    state.arbitrary.insert(value);
                }
            }),
            Kind::Copies(pairs) => {
                now.iter()
                    .try_for_each(|inst| moved(state, inst))
                    .map_err(told)?;
                copied(state, pairs);
            }
        }
    }
    if at != after.len() {
        return Err(format!(
            "block {index}: {} instructions too many",
            after.len() - at
        ));
    }
    Ok(())
}

/// What `now` is in the form of the original: an accumulating multiply-add is expanded again, and as its factors may have
/// changed places it is one of two.
fn same(inst: &Inst, op: Op, now: &Inst) -> Result<Vec<Inst>, String> {
    let mut forms = vec![now.clone()];
    if now.kind != inst.kind {
        if accumulating(op).map(Kind::Isa).as_ref() != Some(&now.kind) {
            return Err(format!("became {:?}", now.kind));
        }
        forms[0].kind = inst.kind.clone();
        forms[0].mods = inst.mods;
        forms[0].src[2] = now.dst[0];
        let mut swapped = forms[0].clone();
        swapped.src.swap(0, 1);
        forms.push(swapped);
    }
    forms.retain(|form| {
        let was = inst.dst.iter().chain(&inst.src);
        let operands = was.zip(form.dst.iter().chain(&form.src));
        let rest = Inst {
            dst: inst.dst,
            src: inst.src,
            ..form.clone()
        };
        let named = |(was, is): (&Operand, &Operand)| match was {
            Operand::Virtual(..) => place(*is, 0).is_some(),
            other => other == is,
        };
        rest == *inst && operands.into_iter().all(named)
    });
    match forms.is_empty() {
        true => Err(format!("became {now:?}")),
        false => Ok(forms),
    }
}

/// The operand of `now` that stands where a read of the original was found.
fn read_from(now: &Inst, number: usize) -> Operand {
    match number {
        READ_DST => now.dst[0],
        READ_VCC => Operand::Fixed(isa::Operand::VCC),
        _ => now.src[number],
    }
}

/// Proves that `now` finds the values that `inst` reads, and keeps the rules of the register file.
fn operands(
    proof: &Proof<'_>,
    state: &State,
    inst: &Inst,
    now: &Inst,
    lanes: bool,
) -> Result<(), String> {
    let function = &proof.allocated.before;
    let mut wrong = None;
    let mut written = BTreeSet::new();
    writes(function, inst, |number, was, dwords| {
        let is = now.dst[number];
        written.extend((0..dwords).filter_map(|d| place(is, d)));
        if !aligned(is, dwords) {
            wrong = Some(format!("{was:?} is unaligned or out of its file at {is:?}"));
        }
    });
    reads(inst, |number, was, dwords| {
        let is = read_from(now, number);
        let in_lanes = file(function, was) == Some(File::Vector);
        if !aligned(is, dwords) {
            wrong = Some(format!("{was:?} is unaligned or out of its file at {is:?}"));
        }
        for dword in 0..dwords {
            let (Some(value), Some(place)) = (value(was, dword), place(is, dword)) else {
                continue;
            };
            let kept_of_nothing = number == READ_DST && proof.writers.get(&value) == Some(&1);
            if (lanes || !in_lanes) && !kept_of_nothing && !state.has(place, value) {
                let held = state.holds.get(&place);
                wrong = Some(format!(
                    "{value:?} is not in {place:?}, which holds {held:?}"
                ));
            }
            if destination_avoids(inst, number) && written.contains(&place) {
                wrong = Some(format!("{place:?} is source and destination"));
            }
        }
        let tile = matches!(inst.kind, Kind::Isa(op) if op.row().class == isa::Class::Wmma);
        let overlaps = (0..dwords).any(|d| place(is, d).is_some_and(|p| written.contains(&p)));
        if tile && number == 2 && overlaps && is != now.dst[0] {
            wrong = Some(format!("{is:?} overlaps the result {:?}", now.dst[0]));
        }
    });
    wrong.map_or(Ok(()), Err)
}

/// Scalar tuples stand at multiples of 2 or 4 below `s106` (`vcc_lo` takes one dword), vector ones below `v256`.
fn aligned(operand: Operand, dwords: u8) -> bool {
    match operand {
        Operand::Fixed(isa::Operand::S(first)) if dwords > 1 && first < 124 => {
            first % if dwords == 2 { 2 } else { 4 } == 0 && first + dwords <= 108
        }
        Operand::Fixed(isa::Operand::V(first)) => u16::from(first) + u16::from(dwords) <= 256,
        _ => true,
    }
}

/// What `now` writes: new values, which are nowhere else.
fn step(function: &Function, state: &mut State, inst: &Inst, now: &Inst) {
    let mut written = Vec::new();
    writes(function, inst, |number, was, dwords| {
        for dword in 0..dwords {
            if let (Some(value), Some(place)) = (value(was, dword), place(now.dst[number], dword)) {
                written.push((place, value));
            }
        }
    });
    for (_, value) in &written {
        state.forget(*value);
    }
    for (place, value) in written {
        state.holds.insert(place, BTreeSet::from([value]));
    }
}

/// A move of the result.
fn moved(state: &mut State, inst: &Inst) -> Result<(), String> {
    let held = |state: &State, operand| match operand {
        Operand::Fixed(isa::Operand::Inline(_) | isa::Operand::Literal(_)) => {
            value(operand, 0).into_iter().collect()
        }
        _ => {
            let at = place(operand, 0);
            at.and_then(|at| state.holds.get(&at).cloned())
                .unwrap_or_default()
        }
    };
    let (Kind::Isa(op), Some(to)) = (&inst.kind, place(inst.dst[0], 0)) else {
        return Err(format!("a copy became {inst:?}"));
    };
    let (there, from) = (held(state, inst.dst[0]), held(state, inst.src[0]));
    let vector = matches!(inst.dst[0], Operand::Fixed(isa::Operand::V(_)));
    match op {
        Op::V_MOV_B32 if vector => {}
        Op::S_MOV_B32 if !vector => {}
        Op::V_SWAP_B32 => {
            let other = place(inst.src[0], 0).ok_or("a swap with a constant")?;
            state.holds.insert(other, there);
        }
        _ => return Err(format!("a copy became {inst:?}")),
    }
    state.holds.insert(to, from);
    Ok(())
}

/// After the moves of a parallel copy: destinations name what their sources named.
fn copied(state: &mut State, pairs: &[(Operand, Operand)]) {
    let pairs: Vec<(Value, Value)> = pairs
        .iter()
        .filter_map(|(d, s)| Some((value(*d, 0)?, value(*s, 0)?)))
        .collect();
    let renamed = |old: &BTreeSet<Value>| -> BTreeSet<Value> {
        let rest = old.iter().filter(|v| pairs.iter().all(|(d, _)| d != *v));
        let new = pairs
            .iter()
            .filter(|(_, s)| old.contains(s))
            .map(|(d, _)| d);
        rest.chain(new).copied().collect()
    };
    for set in state.holds.values_mut() {
        *set = renamed(set);
    }
    state.arbitrary = renamed(&state.arbitrary);
}

#[cfg(test)]
mod tests {
    use super::super::allocate::run;
    use super::super::execute::execute;
    use super::super::random_functions::random_function;
    use super::super::testing::Random;
    use super::*;

    const SEED: u64 = 0xc4ec_4e12;
    const STEPS: usize = 50_000;

    /// Another register of the same file.
    fn shifted(operand: &mut Operand, by: u8) -> bool {
        match operand {
            Operand::Fixed(isa::Operand::V(n)) => {
                *n = n.wrapping_add(by);
                true
            }
            Operand::Fixed(isa::Operand::S(n)) if *n < 100 => {
                *n = (*n + by) % 100;
                true
            }
            _ => false,
        }
    }

    /// Plants one mistake in `after`; what it was, or `None` if there was no place for it.
    fn plant(allocated: &mut Allocated, rng: &mut Random) -> Option<String> {
        let block = rng.below(allocated.after.blocks.len() as u32) as usize;
        let count = allocated.after.blocks[block].insts.len();
        if count == 0 {
            return None;
        }
        let at = rng.below(count as u32) as usize;
        let insts = &mut allocated.after.blocks[block].insts;
        let place = format!("block {block}, instruction {at}");
        match rng.below(4) {
            0 => {
                let source = rng.below(3) as usize;
                let by = 1 + rng.below(7) as u8;
                shifted(&mut insts[at].src[source], by).then(|| format!("{place}: source {source}"))
            }
            1 => {
                let by = 1 + rng.below(7) as u8;
                shifted(&mut insts[at].dst[0], by).then(|| format!("{place}: destination"))
            }
            2 => {
                insts[at].src.swap(0, 1);
                Some(format!("{place}: sources swapped"))
            }
            _ => {
                // Drop a move of a copy.
                let mut first = 0;
                for (number, inst) in allocated.before.blocks[block].insts.iter().enumerate() {
                    let count = allocated.became[block][number];
                    if matches!(inst.kind, Kind::Copies(_)) && count > 0 && first >= at {
                        insts.remove(first);
                        allocated.became[block][number] -= 1;
                        return Some(format!("{place}: move dropped"));
                    }
                    first += count as usize;
                }
                None
            }
        }
    }

    #[test]
    fn planted_mistakes_are_found() {
        let mut rng = Random::new("check", SEED);
        let (mut differ, mut found) = (0, 0);
        for number in 0..60 {
            let budget = 5 + rng.below(60);
            let function = random_function(&mut rng, budget as usize);
            let Ok(allocated) = run(function) else {
                continue;
            };
            let good = execute(&allocated.after, STEPS);
            for _ in 0..20 {
                let mut wrong = allocated.clone();
                let Some(what) = plant(&mut wrong, &mut rng) else {
                    continue;
                };
                let complains = check(&wrong).is_err();
                found += usize::from(complains);
                // A mistake may do no harm; one that changes what is stored must be found.
                if execute(&wrong.after, STEPS) != good {
                    differ += 1;
                    assert!(complains, "function {number}, {what}: not found");
                }
            }
        }
        println!("{differ} mistakes changed a result, {found} were complained about");
        assert!(differ > 200 && found >= differ);
    }
}
