//! A wave: its registers, and the loop that steps it through a program.

mod access;
mod atomic;
mod control;
mod dpp;
mod hazards;
mod lanes;
mod ports;
mod scalar;
mod shaped;
mod transfer;
mod undefined;
mod vector;
mod waits;
mod wmma;

use crate::alu::{Lanes, Outputs};
use crate::lds::Lds;
use crate::memory::Memory;
use crate::mode::Mode;
use crate::program::{Kind, Program, Step};
use crate::report::Traffic;
use crate::rule::{Rule, Strictness};
use crate::stop::Violation;

pub(crate) use undefined::Origin;

use hazards::Hazards;
use waits::Waits;

/// Result of everything that may stop a wave.
pub(crate) type Flow<T = ()> = Result<T, Box<Violation>>;

/// Codes of scalar registers.
pub(crate) const VCC: usize = 106;
pub(crate) const NULL: usize = 124;
pub(crate) const M0: usize = 125;
pub(crate) const EXEC: usize = 126;

/// Why [`Wave::run`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// It waits at the barrier that it just passed over.
    Barrier,
    /// It ended.
    Ended,
    /// It used up its budget.
    Budget,
}

/// State of a wave.
pub(crate) struct Wave {
    pub(crate) v: Box<[Lanes; 256]>,
    /// For each VGPR the lanes that are defined: bits 31:0 low halves, 63:32 high halves.
    pub(crate) v_defined: Box<[u64; 256]>,
    /// Where what is undefined comes from.
    pub(crate) v_origin: Box<[Origin; 256]>,
    /// By operand code; VCC, M0 and EXEC are among them, and NULL is 0.
    pub(crate) s: [u32; 128],
    /// By operand code, SCC among them ([`crate::program::SCC`]).
    pub(crate) s_defined: u128,
    pub(crate) s_origin: Box<[Origin; 128]>,
    pub(crate) scc: bool,
    /// Index of the next step.
    pub(crate) pc: usize,
    pub(crate) mode: Mode,
    pub(crate) waits: Waits,
    pub(crate) hazards: Hazards,
    /// Clocks since its start by the model of [`crate::cycles`].
    pub(crate) clock: u64,
    /// Scratch memory, lane after lane.
    pub(crate) scratch: Vec<u8>,
    /// For each byte of scratch whether it was written.
    pub(crate) scratch_defined: Vec<bool>,
    /// Number within the workgroup.
    pub(crate) index: u32,
    /// The barrier that it waits at.
    pub(crate) barrier: usize,
}

/// What waves of one thread share while they run.
pub(crate) struct Context<'a> {
    pub(crate) program: &'a Program,
    pub(crate) memory: &'a dyn Memory,
    pub(crate) strictness: Strictness,
    pub(crate) lds: &'a mut Lds,
    /// Executions of each step.
    pub(crate) profile: &'a mut [u64],
    pub(crate) traffic: &'a mut Traffic,
    pub(crate) scratchpad: &'a mut Scratchpad,
    /// The workgroup has one wave, so that barriers do nothing.
    pub(crate) alone: bool,
}

/// Space for operands and results, so that no step allocates or clears any.
pub(crate) struct Scratchpad {
    pub(crate) results: [Outputs; 2],
    pub(crate) operands: [Lanes; 6],
}

impl Scratchpad {
    pub(crate) fn new() -> Box<Self> {
        let outputs = || Outputs {
            low: [0; 32],
            high: [0; 32],
            mask: 0,
        };
        Box::new(Self {
            results: [outputs(), outputs()],
            operands: [[0; 32]; 6],
        })
    }
}

impl Context<'_> {
    /// Stops if the rule is enforced.
    #[cold]
    pub(crate) fn violate(
        &self,
        rule: Rule,
        lane: Option<u32>,
        message: impl FnOnce() -> String,
    ) -> Flow {
        if self.strictness.has(rule) {
            Err(Violation::new(rule, lane, message()))
        } else {
            Ok(())
        }
    }
}

impl Wave {
    /// A wave with nothing but EXEC and MODE defined, at the first step.
    pub(crate) fn new(index: u32, scratch_bytes: usize) -> Self {
        let mut s_defined = 0;
        for code in [NULL, EXEC, EXEC + 1] {
            s_defined |= 1 << code;
        }
        Self {
            v: Box::new([[0; 32]; 256]),
            v_defined: Box::new([0; 256]),
            v_origin: Box::new([Origin::Never; 256]),
            s: [0; 128],
            s_defined,
            s_origin: Box::new([Origin::Never; 128]),
            scc: false,
            pc: 0,
            mode: Mode::DEFAULT,
            waits: Waits::default(),
            hazards: Hazards::default(),
            clock: 0,
            scratch: vec![0; scratch_bytes * 32],
            scratch_defined: vec![false; scratch_bytes * 32],
            index,
            barrier: 0,
        }
    }

    /// Active lanes.
    #[inline]
    pub(crate) fn exec(&self) -> u32 {
        self.s[EXEC]
    }

    /// Writes a VGPR whole and defined.
    pub(crate) fn set_vgpr(&mut self, register: u8, lanes: Lanes) {
        self.v[usize::from(register)] = lanes;
        self.v_defined[usize::from(register)] = u64::MAX;
    }

    /// Writes an SGPR.
    #[inline]
    pub(crate) fn set_sgpr(&mut self, code: u8, value: u32) {
        let code = usize::from(code & 127);
        if code != NULL {
            self.s[code] = value;
            self.s_defined |= 1 << code;
        }
    }

    /// Runs until the wave ends, waits at a barrier or has taken `budget` steps; takes the steps off the budget.
    pub(crate) fn run(&mut self, context: &mut Context<'_>, budget: &mut u64) -> Flow<Pause> {
        #[cfg(target_arch = "x86_64")]
        if crate::alu::has_avx2() {
            // SAFETY: the CPU has the features that the functions are compiled for.
            return unsafe {
                if context.strictness.checks_anything() {
                    self.run_avx2::<true>(context, budget)
                } else {
                    self.run_avx2::<false>(context, budget)
                }
            };
        }
        if context.strictness.checks_anything() {
            self.run_steps::<true>(context, budget)
        } else {
            self.run_steps::<false>(context, budget)
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c")]
    fn run_avx2<const STRICT: bool>(
        &mut self,
        context: &mut Context<'_>,
        budget: &mut u64,
    ) -> Flow<Pause> {
        self.run_steps::<STRICT>(context, budget)
    }

    /// Inlined into its callers, so that it is compiled for each set of CPU features.
    #[inline(always)]
    fn run_steps<const STRICT: bool>(
        &mut self,
        context: &mut Context<'_>,
        budget: &mut u64,
    ) -> Flow<Pause> {
        let program = context.program;
        while *budget > 0 {
            *budget -= 1;
            let Some(step) = program.steps.get(self.pc) else {
                return Err(self.fell_off());
            };
            context.profile[self.pc] += 1;
            self.clock += u64::from(step.cost);
            if STRICT {
                self.check(context, step)?;
            }
            match &step.kind {
                Kind::Vector(vector) => {
                    vector::execute::<STRICT>(self, context, vector)?;
                    if STRICT {
                        self.hazards.after_vector(step);
                    }
                }
                Kind::Scalar(scalar) => self.scalar(scalar),
                Kind::Branch(condition, target) => {
                    if self.condition(*condition) {
                        self.jump(*target)?;
                        continue;
                    }
                }
                kind => match self.other::<STRICT>(context, kind, step)? {
                    control::Then::Next => {}
                    control::Then::Jumped => continue,
                    control::Then::Pause(pause) => return Ok(pause),
                },
            }
            self.pc += 1;
        }
        Ok(Pause::Budget)
    }

    /// Kinds that are not worth inlining.
    fn other<const STRICT: bool>(
        &mut self,
        context: &mut Context<'_>,
        kind: &Kind,
        step: &Step,
    ) -> Flow<control::Then> {
        match kind {
            Kind::Dual(halves) => {
                vector::execute_dual::<STRICT>(self, context, halves)?;
                self.hazards.after_vector(step);
            }
            Kind::Lane(lane) => {
                self.lane_operation::<STRICT>(context, lane)?;
                self.hazards.after_vector(step);
            }
            Kind::Wmma(product) => {
                self.wmma::<STRICT>(context, product)?;
                self.hazards.after_wmma(product);
            }
            Kind::ScalarLoad(load) => self.scalar_load(context, load)?,
            Kind::Access(access) => {
                self.access::<STRICT>(context, access)?;
                self.hazards.after_memory();
            }
            Kind::Control(control) => return self.control(context, *control),
            Kind::Refused(rule) => {
                return Err(Violation::new(*rule, None, rule.text().to_owned()));
            }
            Kind::Vector(_) | Kind::Scalar(_) | Kind::Branch(..) => {
                unreachable!("the loop executes these itself")
            }
        }
        Ok(control::Then::Next)
    }

    /// What is checked before any instruction in strict runs.
    #[inline(always)]
    fn check(&mut self, context: &Context<'_>, step: &Step) -> Flow {
        if step.broken != 0 {
            self.broken(context, step)?;
        }
        if step.scalar_reads & !self.s_defined != 0 {
            self.undefined_scalar(context, step)?;
        }
        if self.waits.pending {
            self.check_waits(context, step)?;
        }
        if self.hazards.live() {
            self.check_hazards(context, step)?;
        }
        Ok(())
    }

    #[cold]
    fn broken(&self, context: &Context<'_>, step: &Step) -> Flow {
        for rule in Rule::ALL {
            if step.broken >> *rule as u8 & 1 == 1 {
                context.violate(*rule, None, || rule.text().to_owned())?;
            }
        }
        Ok(())
    }

    #[cold]
    fn fell_off(&self) -> Box<Violation> {
        let message = "the wave ran past the last instruction; s_endpgm was expected";
        Violation::new(Rule::FallOffEnd, None, message.to_owned())
    }
}
