//! What a run did: instructions by class, bytes by kind, clocks by the model.

use std::collections::BTreeMap;

use gfx1100_isa::Class;

use crate::cycles::Clocks;
use crate::program::Program;

/// Bytes moved, lane by lane as instructions ask for them; nothing is cached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From memory, by global, flat and buffer instructions.
    pub loaded: u64,
    /// To memory.
    pub stored: u64,
    /// From memory, by scalar loads: once for the whole wave.
    pub scalar: u64,
    /// From LDS.
    pub lds_loaded: u64,
    /// To LDS.
    pub lds_stored: u64,
    /// From scratch.
    pub scratch_loaded: u64,
    /// To scratch.
    pub scratch_stored: u64,
}

impl Traffic {
    fn add(&mut self, other: &Self) {
        let Self {
            loaded,
            stored,
            scalar,
            lds_loaded,
            lds_stored,
            scratch_loaded,
            scratch_stored,
        } = other;
        self.loaded += loaded;
        self.stored += stored;
        self.scalar += scalar;
        self.lds_loaded += lds_loaded;
        self.lds_stored += lds_stored;
        self.scratch_loaded += scratch_loaded;
        self.scratch_stored += scratch_stored;
    }
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Instructions executed, by waves.
    pub instructions: u64,
    /// The same by class; those that did not occur are left out.
    pub by_class: BTreeMap<Class, u64>,
    /// Executions of each instruction, in the order of the code.
    pub profile: Vec<u64>,
    /// Bytes moved.
    pub traffic: Traffic,
    /// Clocks by the model of [`crate::cycles`].
    pub clocks: Clocks,
}

/// What a host thread counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) profile: Vec<u64>,
    pub(crate) traffic: Traffic,
    pub(crate) longest_wave: u64,
}

impl Tally {
    pub(crate) fn new(program: &Program) -> Self {
        Self {
            profile: vec![0; program.len()],
            ..Self::default()
        }
    }
}

impl Report {
    /// The sum of what several threads counted.
    pub(crate) fn of(program: &Program, tallies: &[Tally]) -> Self {
        let mut report = Self {
            profile: vec![0; program.len()],
            ..Self::default()
        };
        for tally in tallies {
            for (sum, count) in report.profile.iter_mut().zip(&tally.profile) {
                *sum += count;
            }
            report.traffic.add(&tally.traffic);
            report.clocks.longest_wave = report.clocks.longest_wave.max(tally.longest_wave);
        }
        for (step, count) in program.steps.iter().zip(&report.profile) {
            if *count > 0 {
                report.instructions += count;
                *report.by_class.entry(step.class).or_default() += count;
                report.clocks.add(step.class, count * u64::from(step.cost));
            }
        }
        report
    }

    /// The least number of clocks in which the card could do it.
    #[must_use]
    pub fn card_clocks(&self) -> u64 {
        self.clocks.card(&self.traffic)
    }
}
