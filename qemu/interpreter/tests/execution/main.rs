//! What programs compute: dispatches, barriers, memory of every kind, lane exchange, modifiers, matrix products.
//! All run strictly, so each is also a program that the rules find nothing wrong with.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod dispatches;
mod matrices;
mod memories;
mod vectors;

use gfx1100_interpreter::{Machine, Options, Outcome, Program, Regions, WaveState, execute};
use gfx1100_isa::assemble_words;

const BUFFER: u64 = 0x10_0000;
const ARGUMENTS: u64 = 0x2000;

fn program(text: &str) -> Program {
    let words = assemble_words(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    Program::new(&code, 0x4000, 256).unwrap()
}

/// Arguments are the address of a buffer of zeros.
fn memory(bytes: usize) -> Regions {
    let mut memory = Regions::new();
    memory.add(ARGUMENTS, &BUFFER.to_le_bytes()).unwrap();
    memory.add(BUFFER, &vec![0; bytes]).unwrap();
    memory
}

fn dwords(memory: &Regions, count: usize) -> Vec<u32> {
    let bytes = memory.bytes(BUFFER, 4 * count).unwrap();
    bytes
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect()
}

/// One wave from given VGPRs, strictly; panics where it stops.
fn wave(text: &str, state: WaveState) -> Outcome {
    let machine = Machine {
        waves: vec![state],
        lds: vec![0; 1024],
        scratch_bytes: 32,
        ..Machine::default()
    };
    let outcome = execute(&program(text), &machine, &memory(1024), &Options::default());
    if let Some(stop) = &outcome.stop {
        panic!("{stop}\n{text}");
    }
    outcome
}

fn with_vgprs(values: &[(u8, &dyn Fn(u32) -> u32)]) -> WaveState {
    let mut state = WaveState::default();
    state.sgprs.insert(0, BUFFER as u32);
    state.sgprs.insert(1, 0);
    for (register, value) in values {
        let lanes = std::array::from_fn(|lane| Some(value(lane as u32)));
        state.vgprs.insert(*register, lanes);
    }
    state
}

fn vgpr(outcome: &Outcome, register: u8) -> [u32; 32] {
    outcome.waves[0].vgprs[&register].map(|lane| lane.expect("a defined lane"))
}
