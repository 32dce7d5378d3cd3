//! One workgroup from given registers to its final ones: for experiments, and for tests of single instructions.

use std::collections::BTreeMap;

use crate::dispatch::Options;
use crate::group::Worker;
use crate::memory::Memory;
use crate::mode::Mode;
use crate::program::{Program, SCC};
use crate::report::Report;
use crate::stop::Stop;
use crate::wave::{EXEC, M0, VCC, Wave};

/// Registers of a wave; what is not there is undefined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaveState {
    /// s0 to s105, by number.
    pub sgprs: BTreeMap<u8, u32>,
    /// VGPRs by number, a value for each lane that is defined.
    pub vgprs: BTreeMap<u8, [Option<u32>; 32]>,
    /// Active lanes.
    pub exec: u32,
    /// VCC, of which wave32 uses the low half as a mask.
    pub vcc: [Option<u32>; 2],
    /// M0.
    pub m0: Option<u32>,
    /// SCC.
    pub scc: Option<bool>,
    /// MODE.
    pub mode: Mode,
    /// Byte offset of the next instruction.
    pub pc: u32,
}

impl Default for WaveState {
    fn default() -> Self {
        Self {
            sgprs: BTreeMap::new(),
            vgprs: BTreeMap::new(),
            exec: u32::MAX,
            vcc: [None; 2],
            m0: None,
            scc: None,
            mode: Mode::DEFAULT,
            pc: 0,
        }
    }
}

/// A workgroup before it runs.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Its waves.
    pub waves: Vec<WaveState>,
    /// Contents of workgroup memory.
    pub lds: Vec<u8>,
    /// Further bytes of workgroup memory, which nobody wrote yet.
    pub lds_undefined: usize,
    /// Bytes of scratch for each thread.
    pub scratch_bytes: usize,
}

/// A workgroup after it ran.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its waves.
    pub waves: Vec<WaveState>,
    /// Workgroup memory.
    pub lds: Vec<u8>,
    /// What was done.
    pub report: Report,
    /// Why it stopped, if not at the end.
    pub stop: Option<Box<Stop>>,
}

/// Runs a workgroup.
#[must_use]
pub fn execute(
    program: &Program,
    machine: &Machine,
    memory: &dyn Memory,
    options: &Options,
) -> Outcome {
    let mut worker = Worker::new(program, memory, options.strictness);
    worker.lds.reset(machine.lds.len() + machine.lds_undefined);
    worker.lds.bytes[..machine.lds.len()].copy_from_slice(&machine.lds);
    worker.lds.define(0, machine.lds.len());
    let mut waves: Vec<Wave> = machine
        .waves
        .iter()
        .zip(0..)
        .map(|(state, index)| state.wave(index, machine.scratch_bytes, program))
        .collect();
    let stop = worker.run(&mut waves, [0; 3], options.max_steps).err();
    Outcome {
        waves: waves
            .iter()
            .map(|wave| WaveState::of(wave, program))
            .collect(),
        report: Report::of(program, &[worker.tally]),
        lds: worker.lds.bytes,
        stop,
    }
}

impl WaveState {
    fn wave(&self, index: u32, scratch_bytes: usize, program: &Program) -> Wave {
        let mut wave = Wave::new(index, scratch_bytes);
        for (register, value) in &self.sgprs {
            wave.set_sgpr(*register, *value);
        }
        for (register, lanes) in &self.vgprs {
            let register = usize::from(*register);
            for (lane, value) in lanes.iter().enumerate() {
                if let Some(value) = value {
                    wave.v[register][lane] = *value;
                    wave.v_defined[register] |= 0x1_0000_0001 << lane;
                }
            }
        }
        wave.s[EXEC] = self.exec;
        let named = [(VCC, self.vcc[0]), (VCC + 1, self.vcc[1]), (M0, self.m0)];
        for (code, value) in named {
            if let Some(value) = value {
                wave.set_sgpr(code as u8, value);
            }
        }
        if let Some(scc) = self.scc {
            wave.scc = scc;
            wave.s_defined |= 1 << SCC;
        }
        wave.mode = self.mode;
        // An offset that begins no instruction runs off the end at once.
        wave.pc = program
            .step_at(u64::from(self.pc))
            .map_or(program.len(), |step| step as usize);
        wave
    }

    fn of(wave: &Wave, program: &Program) -> Self {
        let defined = |code: usize| wave.s_defined >> code & 1 == 1;
        let scalar = |code: usize| defined(code).then(|| wave.s[code]);
        let sgprs = (0..VCC).filter(|code| defined(*code));
        let vgprs = (0..=255u8).filter(|register| wave.v_defined[usize::from(*register)] != 0);
        Self {
            sgprs: sgprs.map(|code| (code as u8, wave.s[code])).collect(),
            vgprs: vgprs
                .map(|register| (register, lanes(wave, usize::from(register))))
                .collect(),
            exec: wave.s[EXEC],
            vcc: [scalar(VCC), scalar(VCC + 1)],
            m0: scalar(M0),
            scc: defined(SCC as usize).then_some(wave.scc),
            mode: wave.mode,
            pc: program.offset(wave.pc),
        }
    }
}

/// The lanes of a VGPR that are defined, if only in one half.
fn lanes(wave: &Wave, register: usize) -> [Option<u32>; 32] {
    let defined = wave.v_defined[register] as u32 | (wave.v_defined[register] >> 32) as u32;
    std::array::from_fn(|lane| (defined >> lane & 1 == 1).then(|| wave.v[register][lane]))
}
