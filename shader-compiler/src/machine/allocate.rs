//! Register allocation: from virtual registers to those of the machine, without spilling.
//!
//! Steps: tie what an encoding ties, find live ranges ([`super::liveness`]), join copies ([`super::coalesce`]), place groups
//! ([`super::place`]), rewrite the instructions and turn parallel copies into moves ([`super::copies`]). What comes out is
//! proved by [`super::check`], which knows none of these.

use super::coalesce::{Groups, accumulating};
use super::copies::{Move, sequence};
use super::liveness::Liveness;
use super::operands::{reads, writes};
use super::pairs::{improve, pairs};
use super::place::{Board, place};
use super::{Block, File, Function, Inst, Kind, Operand, Register, RegisterData};
use crate::{Fault, Reason};
use gfx1100_isa as isa;
use isa::{Format, Op};

/// VGPRs that an instruction can name.
const VGPRS: usize = 256;
/// SGPRs that are ours: `s0` to `s105`.
const SGPRS: usize = 106;
/// `vcc_lo`.
const VCC: usize = 106;
/// VGPRs per wave at which a SIMD holds one wave less (LLVM's `GCNSubtarget`: 1536 registers, 16 waves, granule 24).
const STEPS: [usize; 8] = [96, 120, 144, 168, 192, 216, 240, 256];

/// An allocated function and how it came about.
#[derive(Clone, Debug)]
pub(super) struct Allocated {
    /// The function that was allocated: the given one with tied operands made equal.
    pub(super) before: Function,
    /// Without virtual registers and pseudo instructions.
    pub(super) after: Function,
    /// By block and instruction of `before`: how many instructions of `after` it became.
    pub(super) became: Vec<Vec<u32>>,
}

/// Gives every virtual register its place.
///
/// # Errors
/// The kernel needs more registers than there are.
pub fn allocate(function: Function) -> Result<Function, Fault> {
    let allocated = run(function)?;
    if cfg!(debug_assertions) {
        super::check::check(&allocated)
            .map_err(|what| Fault::broken("register allocation", what))?;
    }
    Ok(allocated.after)
}

/// As [`allocate`], and proves the result with [`super::check`] in release builds too.
///
/// # Errors
/// The kernel needs more registers than there are, or the proof fails, which is a defect of the allocator.
#[cfg(test)]
pub(super) fn allocate_checked(function: Function) -> Result<Function, Fault> {
    let allocated = run(function)?;
    super::check::check(&allocated).map_err(|what| Fault::broken("register allocation", what))?;
    Ok(allocated.after)
}

pub(super) fn run(mut function: Function) -> Result<Allocated, Fault> {
    tie(&mut function);
    let liveness = Liveness::new(&function);
    let groups = Groups::new(&function, &liveness);
    let files = Files::place(&function, &liveness, &groups)?;
    let (after, became) = files.rewrite(&function, &liveness)?;
    Ok(Allocated {
        before: function,
        after,
        became,
    })
}

/// A buffer atomic that returns has one field for its data and its result: both become one register of their own, filled
/// and read by copies.
fn tie(function: &mut Function) {
    let Function {
        registers, blocks, ..
    } = function;
    for block in blocks {
        let mut insts = Vec::with_capacity(block.insts.len());
        for mut inst in block.insts.drain(..) {
            let Kind::Isa(op) = inst.kind else {
                insts.push(inst);
                continue;
            };
            let tied = op.row().format == Format::Mubuf
                && inst.dst[0] != Operand::None
                && inst.src[1] != Operand::None
                && inst.dst[0] != inst.src[1];
            if !tied {
                insts.push(inst);
                continue;
            }
            let (result, data) = (op.row().dst[0].ty.dwords(), op.row().src[1].ty.dwords());
            let both = Register(registers.len() as u32);
            registers.push(RegisterData {
                file: File::Vector,
                dwords: result.max(data),
                mask: false,
                whole_wave: false,
            });
            let part = |operand, dword| match operand {
                Operand::Virtual(register, first) => Operand::Virtual(register, first + dword),
                Operand::Fixed(isa::Operand::V(first)) => {
                    Operand::Fixed(isa::Operand::V(first + dword))
                }
                other => other,
            };
            let copies = |pairs, source| Inst {
                source,
                ..Inst::new(Kind::Copies(pairs))
            };
            let filled = (0..data).map(|d| (Operand::Virtual(both, d), part(inst.src[1], d)));
            insts.push(copies(filled.collect(), inst.source));
            let read = (0..result).map(|d| (part(inst.dst[0], d), Operand::Virtual(both, d)));
            let read = copies(read.collect(), inst.source);
            inst.dst[0] = Operand::Virtual(both, 0);
            inst.src[1] = Operand::Virtual(both, 0);
            insts.push(inst);
            insts.push(read);
        }
        block.insts = insts;
    }
}

/// Both register files with everything placed.
struct Files<'a> {
    groups: &'a Groups,
    places: Vec<Option<u8>>,
    scalar: Board,
}

impl<'a> Files<'a> {
    fn place(function: &Function, liveness: &Liveness, groups: &'a Groups) -> Result<Self, Fault> {
        let positions = 2 * liveness.first[liveness.first.len() - 1] + 2;
        let mut scalar = Board::new(128, positions);
        let mut vector = Board::new(VGPRS, positions);
        for unit in 0..128 {
            scalar.reserve(unit, &liveness.own[unit]);
        }
        for unit in 0..VGPRS {
            vector.reserve(unit, &liveness.parked[128 + unit]);
        }
        let mut places = vec![None; groups.all.len()];
        for (index, group) in groups.all.iter().enumerate() {
            if let (Some(start), false) = (group.pinned, group.dwords.is_empty()) {
                let board = match group.file {
                    File::Scalar => &mut scalar,
                    File::Vector => &mut vector,
                };
                board.take(group, usize::from(start));
                places[index] = Some(start);
            }
        }
        masks(function, groups, &mut scalar, &mut places);
        let of = |file| -> Vec<usize> {
            let all = groups.all.iter().enumerate();
            all.filter(|(_, group)| group.file == file && !group.dwords.is_empty())
                .map(|(index, _)| index)
                .collect()
        };
        let scalar = place(&groups.all, &of(File::Scalar), &scalar, &places, &[SGPRS])
            .ok_or_else(|| too_many(function, liveness, File::Scalar))?;
        let pressure = liveness.pressure(function, File::Vector).0 as usize;
        let reach = STEPS.partition_point(|step| *step < pressure);
        let limits = &STEPS[reach..];
        let mut vector = place(
            &groups.all,
            &of(File::Vector),
            &vector,
            &scalar.places,
            limits,
        )
        .ok_or_else(|| too_many(function, liveness, File::Vector))?;
        let pairs = pairs(function, groups);
        // A few registers more help to pair; many would make the kernel look bigger than it is.
        let reach = vector
            .reach(groups, File::Vector)
            .next_multiple_of(4)
            .min(VGPRS);
        improve(groups, &pairs, reach, &mut vector.board, &mut vector.places);
        Ok(Self {
            groups,
            places: vector.places,
            scalar: scalar.board,
        })
    }

    /// The machine register of a virtual dword.
    fn machine(&self, register: Register, dword: u8) -> isa::Operand {
        let (group, offset) = self.groups.of[register.0 as usize];
        // Every group with dwords has been placed, and a register without dwords is not named.
        let place = self.places[group].unwrap_or(0) + offset + dword;
        match self.groups.all[group].file {
            File::Scalar => isa::Operand::S(place),
            File::Vector => isa::Operand::V(place),
        }
    }

    fn fixed(&self, operand: Operand) -> Operand {
        match operand {
            Operand::Virtual(register, dword) => Operand::Fixed(self.machine(register, dword)),
            other => other,
        }
    }

    fn rewrite(
        &self,
        function: &Function,
        liveness: &Liveness,
    ) -> Result<(Function, Vec<Vec<u32>>), Fault> {
        let mut became = Vec::with_capacity(function.blocks.len());
        let mut blocks = Vec::with_capacity(function.blocks.len());
        for (block, &first) in function.blocks.iter().zip(&liveness.first) {
            let mut insts = Vec::with_capacity(block.insts.len());
            let mut counts = Vec::with_capacity(block.insts.len());
            for (offset, inst) in block.insts.iter().enumerate() {
                let before = insts.len();
                match &inst.kind {
                    Kind::Isa(op) => insts.push(self.instruction(inst, *op)),
                    Kind::Undefined => {}
                    Kind::Copies(pairs) => {
                        let at = 2 * (first + offset as u32);
                        let steps = self.steps(pairs, at);
                        let steps =
                            steps.ok_or_else(|| too_many(function, liveness, File::Scalar))?;
                        insts.extend(steps.into_iter().map(|step| moved(step, inst.source)));
                    }
                }
                counts.push((insts.len() - before) as u32);
            }
            became.push(counts);
            blocks.push(Block {
                insts,
                ..block.clone()
            });
        }
        let mut after = Function {
            blocks,
            ..function.clone()
        };
        count(&mut after);
        Ok((after, became))
    }

    /// The moves of a parallel copy whose number is `at / 2`; `None` if a cycle of scalar registers finds no spare one.
    fn steps(&self, pairs: &[(Operand, Operand)], at: u32) -> Option<Vec<Move>> {
        let machine = |operand| match self.fixed(operand) {
            Operand::Fixed(fixed) => Some(fixed),
            _ => None,
        };
        let pairs: Option<Vec<_>> = pairs
            .iter()
            .map(|(d, s)| Some((machine(*d)?, machine(*s)?)))
            .collect();
        let spare = (0..SGPRS).find(|register| self.scalar.idle(*register, &vec![(at, at + 2)]));
        let spare = spare.map(|register| isa::Operand::S(register as u8));
        sequence(&pairs?, spare).ok()
    }

    fn instruction(&self, inst: &Inst, op: Op) -> Inst {
        let mut inst = inst.clone();
        inst.dst = inst.dst.map(|operand| self.fixed(operand));
        inst.src = inst.src.map(|operand| self.fixed(operand));
        accumulate(&mut inst, op);
        inst
    }
}

/// Puts lane masks into `vcc_lo`, the ones that are named most in the least time first.
fn masks(function: &Function, groups: &Groups, scalar: &mut Board, places: &mut [Option<u8>]) {
    let mut named = vec![0f64; groups.all.len()];
    for block in &function.blocks {
        let weight = 10f64.powi(block.depth.min(8) as i32);
        for inst in block.insts.iter().filter(|i| is_vector(i)) {
            let mut name = |operand| {
                if let Operand::Virtual(register, _) = operand {
                    named[groups.of[register.0 as usize].0] += weight;
                }
            };
            reads(inst, |_, operand, _| name(operand));
            writes(function, inst, |_, operand, _| name(operand));
        }
    }
    let length = |index: usize| -> f64 {
        let ranges = groups.all[index].dwords.iter().flat_map(|d| &d.own);
        ranges.map(|(start, end)| f64::from(end - start)).sum()
    };
    let mut candidates: Vec<usize> = (0..groups.all.len())
        .filter(|index| groups.all[*index].mask && places[*index].is_none() && named[*index] > 0.0)
        .collect();
    let rank = |index: &usize| named[*index] / length(*index).max(1.0);
    candidates.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
    for index in candidates {
        if scalar.fits(&groups.all[index], VCC) {
            scalar.take(&groups.all[index], VCC);
            places[index] = Some(VCC as u8);
        }
    }
}

fn is_vector(inst: &Inst) -> bool {
    matches!(inst.kind, Kind::Isa(op) if matches!(
        op.row().format,
        Format::Vop1 | Format::Vop2 | Format::Vopc | Format::Vop3 | Format::Vop3sd | Format::Vop3p
    ))
}

/// A multiply-add whose result took the place of its addend becomes the accumulating form, which is shorter and can be a
/// half of a VOPD. That form has no modifiers and wants a vector register as source 1.
fn accumulate(inst: &mut Inst, op: Op) {
    let Some(short) = accumulating(op) else {
        return;
    };
    let packed = op.row().format == Format::Vop3p;
    let plain = isa::Mods::default_of(op);
    let vector = |operand| matches!(operand, Operand::Fixed(isa::Operand::V(_)));
    let sources = match (vector(inst.src[0]), vector(inst.src[1])) {
        (_, true) => [inst.src[0], inst.src[1]],
        (true, false) => [inst.src[1], inst.src[0]],
        (false, false) => return,
    };
    // A constant means other bits in a packed operand than in a plain one.
    let constant = packed && !vector(sources[0]);
    if inst.dst[0] != inst.src[2] || inst.mods != plain || constant {
        return;
    }
    inst.kind = Kind::Isa(short);
    inst.mods = isa::Mods::default_of(short);
    inst.src = [sources[0], sources[1], Operand::None, Operand::None];
}

fn moved(step: Move, source: u32) -> Inst {
    let (op, to, from) = match step {
        Move::Copy(to @ isa::Operand::V(_), from) => (Op::V_MOV_B32, to, from),
        Move::Copy(to, from) => (Op::S_MOV_B32, to, from),
        Move::Swap(a, b) => (Op::V_SWAP_B32, a, b),
    };
    let mut inst = Inst::new(Kind::Isa(op));
    inst.dst[0] = Operand::Fixed(to);
    inst.src[0] = Operand::Fixed(from);
    inst.source = source;
    inst
}

/// Counts the registers that the instructions name, and those that arrive at entry.
fn count(function: &mut Function) {
    let (mut vgprs, mut sgprs) = (0, 0);
    let mut name = |operand, dwords: u8| match operand {
        Operand::Fixed(isa::Operand::V(first)) => {
            vgprs = vgprs.max(u32::from(first) + u32::from(dwords));
        }
        Operand::Fixed(isa::Operand::S(first)) if usize::from(first) < SGPRS => {
            sgprs = sgprs.max(u32::from(first) + u32::from(dwords));
        }
        _ => {}
    };
    for (register, place) in &function.live_in {
        let dwords = function.registers[register.0 as usize].dwords;
        name(Operand::Fixed(*place), dwords);
    }
    for inst in function.blocks.iter().flat_map(|block| &block.insts) {
        reads(inst, |_, operand, dwords| name(operand, dwords));
        writes(function, inst, |_, operand, dwords| name(operand, dwords));
    }
    (function.vgprs, function.sgprs) = (vgprs, sgprs);
}

fn too_many(function: &Function, liveness: &Liveness, file: File) -> Fault {
    let (what, available) = match file {
        File::Scalar => ("SGPRs", SGPRS as u32),
        File::Vector => ("VGPRs", VGPRS as u32),
    };
    // Runs of neighbours may need more than what is live at the fullest point, but at least one more than there are.
    let (pressure, position) = liveness.pressure(function, file);
    let mut insts = function.blocks.iter().flat_map(|block| &block.insts);
    let fullest = insts.nth((position / 2).saturating_sub(1) as usize);
    Fault {
        reason: Reason::TooMuch {
            what,
            needed: pressure.max(available + 1),
            available,
        },
        source: fullest.map_or(u32::MAX, |inst| inst.source),
    }
}

#[cfg(test)]
mod tests {
    use super::super::builder::{Builder, int, part};
    use super::super::check::check;
    use super::super::execute::{execute, first_difference};
    use super::super::random_functions::random_function;
    use super::super::testing::Random;
    use super::*;

    const SEED: u64 = 0xa110_c8ed;
    const STEPS: usize = 100_000;

    #[test]
    fn random_functions_are_proved_and_run_alike() {
        let mut rng = Random::new("allocate", SEED);
        let mut ran = 0;
        for number in 0..250 {
            let budget = 5 + rng.below(120);
            let function = random_function(&mut rng, budget as usize);
            let allocated = match run(function.clone()) {
                Ok(allocated) => allocated,
                Err(fault) => {
                    let much = matches!(fault.reason, Reason::TooMuch { .. });
                    assert!(much, "function {number}: {fault:?}");
                    continue;
                }
            };
            if let Err(what) = check(&allocated) {
                panic!(
                    "function {number}: {what}\n{}\n{}",
                    allocated.before, allocated.after
                );
            }
            let before = execute(&function, STEPS);
            let after = execute(&allocated.after, STEPS);
            assert!(
                before == after,
                "function {number}: {}\n{}\n{}",
                first_difference(&before, &after),
                allocated.before,
                allocated.after
            );
            ran += usize::from(before.is_some());
        }
        assert!(ran > 200, "only {ran} functions came to their end");
    }

    /// `count` values that are all live at once.
    fn crowd(file: File, count: usize) -> Function {
        let mut b = Builder::new();
        let values: Vec<Operand> = (0..count).map(|_| b.register(file, 1)).collect();
        let op = match file {
            File::Vector => Op::V_MOV_B32,
            File::Scalar => Op::S_MOV_B32,
        };
        for value in &values {
            b.push(op, &[*value], &[int(1)]);
        }
        for value in &values {
            let sum = b.register(file, 1);
            b.push(op, &[sum], &[*value]).source = 7;
        }
        b.push(Op::S_ENDPGM, &[], &[]);
        b.function
    }

    #[test]
    fn all_registers_can_be_used_and_one_more_is_refused() {
        // (file, values live at once, registers used or the message)
        let cases = [
            (File::Vector, 256, Ok(256)),
            (
                File::Vector,
                257,
                Err("needs 257 VGPRs, the machine has 256"),
            ),
            (File::Vector, 96, Ok(96)),
            (File::Scalar, 106, Ok(106)),
            (
                File::Scalar,
                110,
                Err("needs 110 SGPRs, the machine has 106"),
            ),
        ];
        for (file, count, expected) in cases {
            let result = allocate_checked(crowd(file, count));
            let used = result.as_ref().map(|function| match file {
                File::Vector => function.vgprs,
                File::Scalar => function.sgprs,
            });
            let got = used.map_err(|fault| fault.reason.to_string());
            assert_eq!(got, expected.map_err(str::to_owned));
        }
    }

    #[test]
    fn places_are_what_the_encodings_want() {
        let mut b = Builder::new();
        let local = b.arrive(File::Vector, 1, isa::Operand::V(0));
        let arguments = b.arrive(File::Scalar, 2, isa::Operand::S(0));
        let descriptor = b.register(File::Scalar, 4);
        let null = Operand::Fixed(isa::Operand::NULL);
        b.push(Op::S_LOAD_B128, &[descriptor], &[arguments, null]);
        let data = b.register(File::Vector, 4);
        b.push(
            Op::BUFFER_LOAD_B128,
            &[data],
            &[local, Operand::None, descriptor, int(0)],
        );
        let (sum, mask) = (b.register(File::Vector, 1), b.register(File::Scalar, 1));
        b.data(mask).mask = true;
        b.push(
            Op::V_FMA_F32,
            &[sum],
            &[part(data, 0), part(data, 1), part(data, 2)],
        );
        b.push(Op::V_CMP_LT_F32, &[mask], &[sum, part(data, 3)]);
        let chosen = b.register(File::Vector, 1);
        b.push(Op::V_CNDMASK_B32, &[chosen], &[sum, part(data, 3), mask]);
        let result = b.register(File::Vector, 1);
        // The result of the atomic is in its data register.
        b.push(
            Op::BUFFER_ATOMIC_ADD_U32,
            &[result],
            &[local, chosen, descriptor, int(0)],
        );
        b.push(
            Op::BUFFER_STORE_B32,
            &[],
            &[local, result, descriptor, int(0)],
        );
        b.push(Op::S_ENDPGM, &[], &[]);
        let after = allocate_checked(b.function).expect("fits");
        assert_eq!(
            after.to_string(),
            "\
in %0 = v0
in $1.0 = s0
b0:
  s_load_b128 s0, s0, null
  buffer_load_b128 v1, v0, _, s0, 0 offen
  v_fmac_f32 v3, v1, v2
  v_cmp_lt_f32 vcc_lo, v3, v4
  v_cndmask_b32 v1, v3, v4, vcc_lo
  buffer_atomic_add_u32 v1, v0, v1, s0, 0 offen
  buffer_store_b32 v0, v1, s0, 0 offen
  s_endpgm
"
        );
        assert_eq!((after.vgprs, after.sgprs), (5, 4));
    }
}
