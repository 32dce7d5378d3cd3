//! A workgroup: its waves take turns on one host thread, and meet at barriers.

use crate::lds::Lds;
use crate::memory::Memory;
use crate::program::Program;
use crate::report::Tally;
use crate::rule::{Rule, Strictness};
use crate::stop::{Stop, Violation};
use crate::wave::{Context, Flow, Pause, Scratchpad, Wave};

/// Steps that a wave takes before the next one has its turn, so that one may wait for another in a loop.
const QUANTUM: u64 = 1 << 14;

/// What a host thread needs to run workgroups, kept from one to the next.
pub(crate) struct Worker<'a> {
    pub(crate) program: &'a Program,
    pub(crate) memory: &'a dyn Memory,
    pub(crate) strictness: Strictness,
    pub(crate) lds: Lds,
    pub(crate) tally: Tally,
    scratchpad: Box<Scratchpad>,
}

/// Where a wave of a workgroup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    AtBarrier,
    Ended,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(
        program: &'a Program,
        memory: &'a dyn Memory,
        strictness: Strictness,
    ) -> Self {
        Self {
            program,
            memory,
            strictness,
            lds: Lds::default(),
            tally: Tally::new(program),
            scratchpad: Scratchpad::new(),
        }
    }

    /// Runs the waves of a workgroup to their end, each for at most `max_steps` steps.
    pub(crate) fn run(
        &mut self,
        waves: &mut [Wave],
        workgroup: [u32; 3],
        max_steps: u64,
    ) -> Result<(), Box<Stop>> {
        let mut states = vec![State::Ready; waves.len()];
        let mut budgets = vec![max_steps; waves.len()];
        loop {
            for index in 0..waves.len() {
                if states[index] != State::Ready {
                    continue;
                }
                let mut turn = budgets[index].min(QUANTUM);
                budgets[index] -= turn;
                let pause = self.turn(&mut waves[index], &mut turn, states.len() == 1);
                budgets[index] += turn;
                let stop = |violation| self.stop(&waves[index], workgroup, violation);
                match pause.map_err(stop)? {
                    Pause::Barrier => states[index] = State::AtBarrier,
                    Pause::Ended => states[index] = State::Ended,
                    Pause::Budget if budgets[index] == 0 => {
                        let violation = out_of_steps(max_steps);
                        return Err(self.stop(&waves[index], workgroup, violation));
                    }
                    Pause::Budget => {}
                }
            }
            if states.iter().all(|state| *state == State::Ended) {
                break;
            }
            if !states.contains(&State::Ready) {
                let (index, checked) = self.meet(waves, &states);
                checked.map_err(|violation| {
                    let wave = &mut waves[index];
                    wave.pc = wave.barrier;
                    self.stop(wave, workgroup, violation)
                })?;
                release(waves, &mut states);
                self.lds.next_epoch();
            }
        }
        let longest = waves.iter().map(|wave| wave.clock).max();
        let tally = &mut self.tally;
        tally.longest_wave = tally.longest_wave.max(longest.unwrap_or(0));
        Ok(())
    }

    fn turn(&mut self, wave: &mut Wave, budget: &mut u64, alone: bool) -> Flow<Pause> {
        let mut context = Context {
            program: self.program,
            memory: self.memory,
            strictness: self.strictness,
            lds: &mut self.lds,
            profile: &mut self.tally.profile,
            traffic: &mut self.tally.traffic,
            scratchpad: &mut self.scratchpad,
            alone,
        };
        wave.run(&mut context, budget)
    }

    /// All waves that have not ended wait: whether they may go on, and the wave to blame.
    fn meet(&self, waves: &[Wave], states: &[State]) -> (usize, Flow) {
        let mut waiting = (0..waves.len()).filter(|index| states[*index] == State::AtBarrier);
        let first = waiting.next().unwrap_or(0);
        let ended = states.iter().position(|state| *state == State::Ended);
        if let Some(ended) = ended
            && self.strictness.has(Rule::BarrierExited)
        {
            let message = format!("wave {ended} has ended and will never come to this barrier");
            return (
                first,
                Err(Violation::new(Rule::BarrierExited, None, message)),
            );
        }
        let elsewhere = waiting.find(|index| waves[*index].barrier != waves[first].barrier);
        if let Some(other) = elsewhere
            && self.strictness.has(Rule::BarrierDiverged)
        {
            let message = format!(
                "wave {first} waits here, wave {other} at 0x{:x}",
                self.program.offset(waves[other].barrier)
            );
            return (
                first,
                Err(Violation::new(Rule::BarrierDiverged, None, message)),
            );
        }
        (first, Ok(()))
    }

    #[expect(clippy::boxed_local, reason = "it comes boxed from the loop")]
    fn stop(&self, wave: &Wave, workgroup: [u32; 3], violation: Box<Violation>) -> Box<Stop> {
        let Violation {
            rule,
            lane,
            message,
        } = *violation;
        let complaint = self.program.complaint(wave.pc);
        Box::new(Stop {
            rule,
            pc: self.program.offset(wave.pc),
            instruction: self.program.text(wave.pc),
            lane,
            wave: wave.index,
            workgroup,
            message: complaint.unwrap_or(message),
        })
    }
}

/// The barrier opens: everybody goes on at the clock of the last.
fn release(waves: &mut [Wave], states: &mut [State]) {
    let waiting = |states: &[State], index: usize| states[index] == State::AtBarrier;
    let clock = (0..waves.len())
        .filter(|index| waiting(states, *index))
        .map(|index| waves[index].clock)
        .max();
    for index in 0..waves.len() {
        if waiting(states, index) {
            states[index] = State::Ready;
            waves[index].clock = clock.unwrap_or(0);
        }
    }
}

fn out_of_steps(max_steps: u64) -> Box<Violation> {
    let message = format!("the wave did not end within {max_steps} steps");
    Violation::new(Rule::StepLimit, None, message)
}
