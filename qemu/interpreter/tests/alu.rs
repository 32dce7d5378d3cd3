//! The interpreter's ALU against AMD's manual: every instruction, on random and special operands.
//!
//! The manual's pseudo-code is evaluated with exact fractions by a program that shares nothing with the interpreter; where
//! the text is wrong or silent, the program says what it takes instead and why (`tests/src/oracles/amd_manual/corrections.py`).

use gfx1100_interpreter::Mode;
use gfx1100_interpreter::alu::{self, Inputs, Lanes, Outputs, ScalarArgs};
use gfx1100_isa::{Format, Op, Ty};
use tests::oracles::{ManualCase, ManualResult, amd_manual};

/// Every random number follows from it.
const SEED: u64 = 0x6766_7831_3130_3000;

/// Waves per vector instruction, each with a MODE of its own.
const WAVES: usize = 3;

/// Cases per scalar instruction.
const SCALAR_CASES: usize = 64;

/// Units in the last place by which results may differ, and why they may.
const TOLERANCES: &[(&[Op], u64, &str)] = &[(
    &[
        Op::V_EXP_F32,
        Op::V_LOG_F32,
        Op::V_SIN_F32,
        Op::V_COS_F32,
        Op::V_EXP_F16,
        Op::V_LOG_F16,
        Op::V_SIN_F16,
        Op::V_COS_F16,
        Op::V_RSQ_F64,
    ],
    1,
    "both round what a library computed in f64, where they may differ in the last bit; a card errs by as much",
)];

/// Splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, count: u64) -> u64 {
        self.next() % count
    }

    /// An integer: any, small, of small bytes, or at an end of a range.
    fn integer(&mut self) -> u64 {
        match self.below(8) {
            0 => self.below(70),
            1 => self.below(70).wrapping_neg(),
            2 => self.next() & 0x0f0f_0f0f_0f0f_0f0f,
            3 => 1 << self.below(64),
            4 => (1 << self.below(64)) - 1,
            5 => (1_u64 << self.below(64)).wrapping_neg(),
            _ => self.next(),
        }
    }

    /// A float of so many bits of fraction and exponent: any, of moderate size, or next to something special.
    fn float(&mut self, fraction: u32, exponent: u32) -> u64 {
        let sign = self.below(2) << (fraction + exponent);
        let infinity = ((1 << exponent) - 1) << fraction;
        let one = ((1 << (exponent - 1)) - 1) << fraction;
        let any = self.next() & ((1 << (fraction + exponent)) - 1);
        let few = self.below(5);
        let near_one = self.below(12) << fraction;
        sign | match self.below(12) {
            0 => 0,
            1 => infinity,
            2 => infinity | any >> self.below(8),
            3 => few,
            4 => infinity - 1 - few,
            5 => (1 << fraction) - 2 + few,
            6 => one + few,
            7 => one + near_one,
            8 | 9 => (one - (5 << fraction) + near_one) | (any & ((1 << fraction) - 1)),
            _ => any,
        }
    }

    /// The bits of an operand of the type.
    fn operand(&mut self, ty: Ty) -> u64 {
        match ty {
            Ty::F16 => self.float(10, 5),
            Ty::Bf16 => self.float(7, 8),
            Ty::F32 => self.float(23, 8),
            Ty::F64 => self.float(52, 11),
            Ty::F16x2 => self.float(10, 5) | self.float(10, 5) << 16,
            Ty::Bf16x2 => self.float(7, 8) | self.float(7, 8) << 16,
            _ => self.integer() & mask(ty),
        }
    }

    /// Sources of the types, now and then two that are equal.
    fn sources(&mut self, types: &[Ty]) -> [u64; 3] {
        let mut sources = [0; 3];
        for (index, &ty) in types.iter().enumerate() {
            sources[index] = match self.below(5) {
                0 if index > 0 && types[index - 1] == ty => sources[index - 1],
                1 if index > 1 && types[index - 2] == ty => sources[index - 2],
                _ => self.operand(ty),
            };
        }
        sources
    }
}

/// The bits of a type.
fn mask(ty: Ty) -> u64 {
    match ty {
        Ty::B8 => 0xff,
        Ty::B16 | Ty::I16 | Ty::U16 | Ty::F16 | Ty::Bf16 => 0xffff,
        _ if ty.dwords() == 2 => u64::MAX,
        _ => 0xffff_ffff,
    }
}

/// What a case of the interpreter's came to.
struct Ours {
    op: Op,
    destination: u64,
    mask: bool,
    scc: bool,
    exec: u64,
}

/// Runs a wave of the instruction, each lane on operands of its own; appends the cases and what came out.
fn vector_wave(op: Op, random: &mut Random, cases: &mut Vec<ManualCase>, ours: &mut Vec<Ours>) {
    let function = alu::vector(op).expect("a vector instruction");
    let row = op.row();
    let accumulates = row.effects.reads_dst && row.format == Format::Vop2;
    let mut types: Vec<Ty> = row.src.iter().map(|slot| slot.ty).collect();
    types.retain(|ty| *ty != Ty::Mask);
    if accumulates {
        types.push(row.dst[0].ty);
    }
    let mode = Mode(Mode::DEFAULT.0 | random.next() as u32 & 0x20f);
    let neg = random.below(4) as u8;
    let read = random.next() as u32;
    let values: [[u64; 3]; 32] = std::array::from_fn(|_| random.sources(&types));
    let half = |index: usize, shift| -> Lanes {
        std::array::from_fn(|lane| (values[lane][index] >> shift) as u32)
    };
    let low: [Lanes; 3] = std::array::from_fn(|index| half(index, 0));
    let high: [Lanes; 3] = std::array::from_fn(|index| half(index, 32));
    let inputs = Inputs {
        low: low.each_ref(),
        high: high.each_ref(),
        mask: read,
        neg,
        clamp: false,
        mode,
    };
    let mut outputs = Outputs {
        low: [0; 32],
        high: [0; 32],
        mask: 0,
    };
    // SAFETY: the function was chosen for this CPU.
    unsafe { function(&inputs, &mut outputs) };
    for (lane, &[a, b, c]) in values.iter().enumerate() {
        // The manual has the literal of fmamk as a third thing beside S0 and S1.
        let (sources, destination) = match op {
            Op::V_FMAMK_F32 | Op::V_FMAMK_F16 => ([a, c, b], 0),
            _ if accumulates => ([a, b, 0], c),
            _ => ([a, b, c], 0),
        };
        cases.push(ManualCase {
            instruction: row.name.to_uppercase(),
            round_f32: mode.0 & 3,
            round_f16_f64: mode.0 >> 2 & 3,
            ieee: mode.ieee(),
            neg,
            lane,
            sources,
            destination,
            mask: read >> lane & 1 == 1,
            scc: false,
            exec: 0,
        });
        ours.push(Ours {
            op,
            destination: u64::from(outputs.low[lane]) | u64::from(outputs.high[lane]) << 32,
            mask: outputs.mask >> lane & 1 == 1,
            scc: false,
            exec: 0,
        });
    }
}

fn scalar_case(op: Op, random: &mut Random, cases: &mut Vec<ManualCase>, ours: &mut Vec<Ours>) {
    let function = alu::scalar(op).expect("a scalar instruction");
    let row = op.row();
    let mut types: Vec<Ty> = row.src.iter().map(|slot| slot.ty).collect();
    types.resize(2, Ty::B32);
    let [a, mut b, _] = random.sources(&types);
    if row.format == Format::Sopk {
        b = u64::from(b as u16 as i16 as u32);
    }
    let destination = row.dst.first().map_or(0, |slot| random.operand(slot.ty));
    let (scc, exec) = (random.below(2) == 1, random.integer());
    let mut args = ScalarArgs {
        a,
        b,
        d: destination,
        scc,
        exec,
    };
    function(&mut args);
    cases.push(ManualCase {
        instruction: row.name.to_uppercase(),
        round_f32: 0,
        round_f16_f64: 0,
        ieee: false,
        neg: 0,
        lane: 0,
        sources: [a, b, 0],
        destination,
        mask: false,
        scc,
        exec,
    });
    ours.push(Ours {
        op,
        destination: args.d,
        mask: false,
        scc: args.scc,
        exec: args.exec,
    });
}

/// Units in the last place between two floats of `width` bits; no NaN is close to a number.
fn distance(a: u64, b: u64, width: u32) -> u64 {
    let ordered = |bits: u64| {
        let magnitude = (bits & ((1 << (width - 1)) - 1)) as i64;
        if bits >> (width - 1) & 1 == 1 {
            -magnitude
        } else {
            magnitude
        }
    };
    ordered(a).abs_diff(ordered(b))
}

/// What is wrong with our result, if anything is.
fn difference(ours: &Ours, manual: &ManualResult) -> Option<String> {
    let row = ours.op.row();
    let mut wrong = Vec::new();
    for slot in row.dst {
        let bits = mask(slot.ty);
        let (actual, expected) = (ours.destination & bits, manual.destination & bits);
        let tolerance = TOLERANCES.iter().find(|(ops, ..)| ops.contains(&ours.op));
        if slot.ty == Ty::Mask {
            if ours.mask != manual.mask {
                wrong.push(format!("mask {}, manual {}", ours.mask, manual.mask));
            }
        } else if actual != expected {
            let ulps = distance(actual, expected, bits.count_ones());
            if tolerance.is_none_or(|(_, most, _)| ulps > *most) {
                wrong.push(format!("result {actual:#x}, manual {expected:#x}"));
            }
        }
    }
    if row.effects.writes_scc && ours.scc != manual.scc {
        wrong.push(format!("SCC {}, manual {}", ours.scc, manual.scc));
    }
    if row.effects.writes_exec && row.format == Format::Sop1 && ours.exec != manual.exec {
        wrong.push(format!("EXEC {:#x}, manual {:#x}", ours.exec, manual.exec));
    }
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

#[test]
fn every_alu_instruction_does_what_the_manual_says() {
    println!("seed {SEED:#x}");
    let mut random = Random(SEED);
    let (mut cases, mut ours) = (Vec::new(), Vec::new());
    for &op in Op::ALL {
        if alu::vector(op).is_some() {
            for _ in 0..WAVES {
                vector_wave(op, &mut random, &mut cases, &mut ours);
            }
        } else if alu::scalar(op).is_some() {
            for _ in 0..SCALAR_CASES {
                scalar_case(op, &mut random, &mut cases, &mut ours);
            }
        }
    }
    let manual = amd_manual(&cases).expect("the manual");
    let mut failures: Vec<(Op, String)> = Vec::new();
    for ((case, ours), manual) in cases.iter().zip(&ours).zip(&manual) {
        if let Some(what) = difference(ours, manual) {
            failures.push((ours.op, format!("{what}; of {case:x?}")));
        }
    }
    for (index, (op, failure)) in failures.iter().enumerate() {
        // Two of each instruction are enough to see what is wrong.
        if failures[..index]
            .iter()
            .filter(|(other, _)| other == op)
            .count()
            < 2
        {
            println!("{failure}");
        }
    }
    let instructions = cases.iter().map(|case| &case.instruction);
    let instructions: std::collections::BTreeSet<_> = instructions.collect();
    println!(
        "{} cases of {} instructions",
        cases.len(),
        instructions.len()
    );
    assert!(failures.is_empty(), "{} cases differ", failures.len());
}
