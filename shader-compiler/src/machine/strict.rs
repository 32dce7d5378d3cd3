//! Test of the passes together, on random code with loops, memory and transcendentals, by the strict interpreter: with waits
//! and hazards alone it must run without breaking a rule, and with all other passes it must compute the same.

use std::collections::BTreeMap;

use gfx1100_interpreter as interpreter;
use gfx1100_isa::{Class, Inst, Op, Operand};
use interpreter::{Machine, Outcome, Program, Regions, WaveState};

use super::code::{Code, validate};
use super::testing::{Random, arithmetic, inst, random_code};
use super::{branches, clauses, delay, dual, emit, hazards, release, shrink, waits};

type Pass = fn(&mut Code);

/// Without these, no code is right.
const NEEDED: &[Pass] = &[waits::run, hazards::run];
/// What compilation does.
const ALL: &[Pass] = &[
    shrink::run,
    branches::run,
    dual::run,
    release::run,
    waits::run,
    hazards::run,
    delay::run,
    clauses::run,
];

/// Address of the buffer.
const BUFFER: u64 = 0x10_0000;
/// Its bytes, and those of workgroup memory: a dword for each lane, four times.
const BYTES: usize = 512;
/// Holds 4 times the lane, and nothing writes it.
const ADDRESS: Operand = Operand::V(12);
const DESCRIPTOR: Operand = Operand::S(8);

fn line(random: &mut Random) -> Inst {
    let v = |random: &mut Random| Operand::V(random.below(10) as u8);
    let s = |random: &mut Random| Operand::S(20 + random.below(3) as u8);
    let (a, b) = (v(random), v(random));
    let none = Operand::None;
    let mut made = match random.below(24) {
        0 | 1 => inst(
            Op::BUFFER_LOAD_B32,
            &[a],
            &[ADDRESS, none, DESCRIPTOR, Operand::NULL],
        ),
        2 => inst(
            Op::BUFFER_LOAD_D16_HI_B16,
            &[a],
            &[ADDRESS, none, DESCRIPTOR, Operand::NULL],
        ),
        3 => inst(
            Op::BUFFER_STORE_B32,
            &[],
            &[ADDRESS, a, DESCRIPTOR, Operand::NULL],
        ),
        4 => inst(Op::DS_LOAD_B32, &[a], &[ADDRESS]),
        5 => inst(Op::DS_STORE_B32, &[], &[ADDRESS, a]),
        6 => inst(
            Op::S_LOAD_B32,
            &[s(random)],
            &[Operand::S(0), Operand::NULL],
        ),
        7 => inst(
            Op::S_BUFFER_LOAD_B32,
            &[s(random)],
            &[DESCRIPTOR, Operand::NULL],
        ),
        8 => inst(Op::V_EXP_F32, &[a], &[b]),
        9 => inst(Op::V_RCP_F32, &[a], &[b]),
        10 => inst(Op::V_CMP_LT_F32, &[Operand::VCC], &[a, b]),
        11 => inst(Op::V_READFIRSTLANE_B32, &[s(random)], &[a]),
        12 => inst(Op::S_BARRIER, &[], &[]),
        _ => loop {
            let made = arithmetic(random);
            let memory = matches!(made.op.row().class, Class::VmemLoad | Class::VmemStore);
            if !memory {
                break made;
            }
        },
    };
    if made.op == Op::S_BARRIER {
        made.imm = 1 + random.below(3) as i32;
    } else if made.op.row().bytes > 0 {
        made.imm = 128 * random.below(3) as i32;
    }
    made
}

/// Final registers, workgroup memory and buffer.
type Seen = (
    BTreeMap<u8, u32>,
    BTreeMap<u8, [Option<u32>; 32]>,
    Vec<u8>,
    Vec<u8>,
);

fn execute(code: &Code) -> (Outcome, Seen) {
    let emitted = emit::run(code).expect("random code is valid");
    let program = Program::new(&emitted.code, 0x8000_0000, 64).expect("it is code");
    let mut memory = Regions::new();
    let bytes: Vec<u8> = (0..BYTES)
        .map(|n| if n % 4 == 3 { 0x3f } else { n as u8 })
        .collect();
    memory.add(BUFFER, &bytes).expect("one range");
    let mut wave = WaveState::default();
    let descriptor = shaders::descriptor(BUFFER, BYTES as u32);
    for n in 0..40 {
        wave.sgprs.insert(n, 0x3f80_0000 + 7777 * u32::from(n));
    }
    wave.sgprs.extend([(0, BUFFER as u32), (1, 0)]);
    wave.sgprs.extend((8..).zip(descriptor));
    for n in 0..12 {
        let value = |lane: usize| Some((1.0 + f32::from(n) + lane as f32 / 8.0).to_bits());
        wave.vgprs.insert(n, std::array::from_fn(value));
    }
    wave.vgprs
        .insert(12, std::array::from_fn(|lane| Some(4 * lane as u32)));
    wave.vcc[0] = Some(0x0f0f_3355);
    wave.scc = Some(true);
    let machine = Machine {
        waves: vec![wave],
        lds: bytes,
        ..Machine::default()
    };
    let options = interpreter::Options {
        max_steps: 3000,
        ..interpreter::Options::default()
    };
    let outcome = interpreter::execute(&program, &machine, &memory, &options);
    let last = outcome.waves[0].clone();
    let buffer = memory.bytes(BUFFER, BYTES).expect("the range");
    let seen = (last.sgprs, last.vgprs, outcome.lds.clone(), buffer);
    (outcome, seen)
}

fn passed(code: &Code, passes: &[Pass]) -> Code {
    let mut code = code.clone();
    for pass in passes {
        pass(&mut code);
        validate(&code, "a pass").expect("well formed");
    }
    code
}

#[test]
fn strict_execution_finds_no_fault_and_no_difference() {
    let mut random = Random::new("strict", 0x5eed_0006);
    let mut ended = 0;
    for _ in 0..3000 {
        let blocks = 1 + random.below(5);
        let code = random_code(&mut random, blocks, line);
        let (plain, expected) = execute(&passed(&code, NEEDED));
        if let Some(stop) = &plain.stop {
            // Random code may loop for ever; it must not break any other rule.
            assert_eq!(stop.rule.name(), "step-limit", "{stop}\n{code}");
            continue;
        }
        let all = passed(&code, ALL);
        let (outcome, seen) = execute(&all);
        assert_eq!(outcome.stop, None, "{code}\nbecame\n{all}");
        assert!(seen == expected, "{code}\nbecame\n{all}");
        ended += 1;
    }
    assert!(ended > 1000, "only {ended} programs ended");
}
