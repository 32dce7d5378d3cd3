//! Branches, waits, modes, barriers and the end.

use gfx1100_isa::{Class, Op};

use super::{Context, EXEC, Flow, M0, Pause, VCC, Wave};
use crate::mode::Mode;
use crate::program::{Condition, Control, NO_REGISTER, ScalarSource, Target};
use crate::rule::Rule;
use crate::stop::Violation;

/// What the loop does next.
pub(crate) enum Then {
    /// The next step.
    Next,
    /// The step that [`Wave::pc`] names now.
    Jumped,
    /// The wave stands still; [`Wave::pc`] names the step to go on with.
    Pause(Pause),
}

/// Hardware registers that `s_getreg` and `s_setreg` reach.
const HW_MODE: u16 = 1;
const HW_STATUS: u16 = 2;
const HW_TRAPSTS: u16 = 3;
const HW_SHADER_CYCLES: u16 = 29;

impl Wave {
    #[inline(always)]
    pub(crate) fn condition(&self, condition: Condition) -> bool {
        match condition {
            Condition::Always => true,
            Condition::Scc(set) => self.scc == set,
            Condition::VccZero(zero) => (self.s[VCC] == 0) == zero,
            Condition::ExecZero(zero) => (self.s[EXEC] == 0) == zero,
        }
    }

    #[inline(always)]
    pub(crate) fn jump(&mut self, target: Target) -> Flow {
        match target {
            Target::Step(step) => {
                self.pc = step as usize;
                Ok(())
            }
            Target::Nowhere(offset) => Err(nowhere(offset)),
        }
    }

    pub(crate) fn control(&mut self, context: &mut Context<'_>, control: Control) -> Flow<Then> {
        match control {
            Control::Nothing => {
                let step = &context.program.steps[self.pc];
                match step.class {
                    Class::Valu => self.hazards.after_nop(step),
                    _ if is_vmem(context, self.pc) => self.hazards.after_memory(),
                    _ => {}
                }
            }
            Control::End => return Ok(Then::Pause(Pause::Ended)),
            Control::Barrier => return self.barrier(context),
            Control::Wait { vm, lgkm, vs } => self.wait(vm, lgkm, vs),
            Control::WaitVector => self.hazards.after_memory(),
            Control::SetMode { mask, bits } => self.mode = Mode(self.mode.0 & !mask | bits),
            Control::GetRegister { destination, imm } => {
                let value = self.hardware_register(imm & 63)?;
                let (shift, mask) = field(imm);
                self.set_sgpr(destination, value >> shift & mask);
            }
            Control::SetRegister { source, imm } => {
                let value = self.scalar_value(source) as u32;
                if imm & 63 != HW_MODE {
                    return Err(unsupported(format!("s_setreg of hwreg {}", imm & 63)));
                }
                let (shift, mask) = field(imm);
                let mask = mask << shift;
                self.mode = Mode(self.mode.0 & !mask | value << shift & mask);
            }
            Control::Dealloc => {
                if self.waits.scratch_outstanding() {
                    context.violate(Rule::DeallocScratch, None, || {
                        "scratch stores are outstanding; s_waitcnt_vscnt null, 0 must come first"
                            .to_owned()
                    })?;
                }
            }
            Control::MoveRelative {
                op,
                destination,
                source,
                wide,
            } => self.move_relative(context, op, destination, source, wide)?,
            Control::GetPc(_)
            | Control::SetPc(_)
            | Control::SwapPc { .. }
            | Control::Call { .. } => return self.program_counter(context, control),
        }
        Ok(Then::Next)
    }

    fn barrier(&mut self, context: &Context<'_>) -> Flow<Then> {
        if context.alone {
            return Ok(Then::Next);
        }
        if self.waits.lds_outstanding() {
            context.violate(Rule::BarrierOutstanding, None, || {
                "LDS accesses are outstanding; s_waitcnt lgkmcnt(0) must come first".to_owned()
            })?;
        }
        self.barrier = self.pc;
        self.pc += 1;
        Ok(Then::Pause(Pause::Barrier))
    }

    fn program_counter(&mut self, context: &Context<'_>, control: Control) -> Flow<Then> {
        let program = context.program;
        let next = program.address + u64::from(program.offset(self.pc + 1));
        let go = |wave: &mut Self, address: u64| match program.at_address(address) {
            Target::Step(step) => {
                wave.pc = step as usize;
                Ok(Then::Jumped)
            }
            Target::Nowhere(offset) => Err(nowhere(offset)),
        };
        match control {
            Control::GetPc(destination) => {
                self.set_pair(destination, next);
                Ok(Then::Next)
            }
            Control::SetPc(source) => {
                let address = self.pair(source);
                go(self, address)
            }
            Control::SwapPc {
                destination,
                source,
            } => {
                let address = self.pair(source);
                self.set_pair(destination, next);
                go(self, address)
            }
            Control::Call {
                destination,
                target,
            } => {
                self.set_pair(destination, next);
                self.jump(target)?;
                Ok(Then::Jumped)
            }
            _ => unreachable!("only these reach the program counter"),
        }
    }

    fn hardware_register(&self, id: u16) -> Flow<u32> {
        match id {
            HW_MODE => Ok(self.mode.0),
            // Of STATUS what can be known: SCC 0, execz 9, vccz 10.
            HW_STATUS => Ok(u32::from(self.scc)
                | u32::from(self.s[EXEC] == 0) << 9
                | u32::from(self.s[VCC] == 0) << 10),
            HW_TRAPSTS => Ok(0),
            HW_SHADER_CYCLES => Ok(self.clock as u32 & 0xf_ffff),
            _ => Err(unsupported(format!("s_getreg of hwreg {id}"))),
        }
    }

    fn move_relative(
        &mut self,
        context: &Context<'_>,
        op: Op,
        destination: u8,
        source: ScalarSource,
        wide: bool,
    ) -> Flow {
        let m0 = self.s[M0];
        let count = 1 + u32::from(wide);
        let [source_offset, offset] = match op {
            Op::S_MOVRELS_B32 | Op::S_MOVRELS_B64 => [m0, 0],
            Op::S_MOVRELSD_2_B32 => [m0 & 0x3ff, m0 >> 16 & 0x3ff],
            _ => [0, m0],
        };
        let value = match source {
            ScalarSource::S(code) | ScalarSource::Pair(code) => {
                let first = indexed(code, source_offset, count)?;
                for register in first..first + count as u8 {
                    if self.s_defined >> register & 1 == 0 {
                        context.violate(Rule::UndefinedSgpr, None, || {
                            format!("s{register} was never written")
                        })?;
                    }
                }
                self.pair(first)
            }
            constant => self.scalar_value(constant),
        };
        let first = indexed(destination, offset, count)?;
        self.set_sgpr(first, value as u32);
        if wide {
            self.set_sgpr(first + 1, (value >> 32) as u32);
        }
        Ok(())
    }

    /// Two SGPRs as one value.
    pub(crate) fn pair(&self, code: u8) -> u64 {
        let code = usize::from(code) & 127;
        u64::from(self.s[code]) | u64::from(self.s[(code + 1) & 127]) << 32
    }

    /// Writes two SGPRs.
    pub(crate) fn set_pair(&mut self, code: u8, value: u64) {
        if code != NO_REGISTER {
            self.set_sgpr(code, value as u32);
            if usize::from(code) != super::NULL {
                self.set_sgpr(code + 1, (value >> 32) as u32);
            }
        }
    }
}

/// The first of `count` SGPRs at an offset that was not known when the code was checked.
fn indexed(register: u8, offset: u32, count: u32) -> Flow<u8> {
    let first = u32::from(register).wrapping_add(offset);
    if first >= VCC as u32 || first + count > VCC as u32 {
        let message = format!("M0 makes the register s{first}; the last is s105");
        return Err(Violation::new(Rule::RegisterRange, None, message));
    }
    Ok(first as u8)
}

/// Cache control in the encoding of buffer instructions: it waits for the VALU as they do.
fn is_vmem(context: &Context<'_>, pc: usize) -> bool {
    let op = context.program.inst(pc).map(|inst| inst.op);
    matches!(op, Some(Op::BUFFER_GL0_INV | Op::BUFFER_GL1_INV))
}

/// Shift and mask of the field that the immediate of `s_getreg` names: offset 10:6, size less one 15:11.
fn field(imm: u16) -> (u32, u32) {
    let size = u32::from(imm >> 11) + 1;
    (u32::from(imm >> 6 & 31), u32::MAX >> (32 - size))
}

#[cold]
fn nowhere(offset: i64) -> Box<Violation> {
    let message = format!("no instruction begins at byte offset {offset:#x} of the code");
    Violation::new(Rule::BranchTarget, None, message)
}

#[cold]
fn unsupported(what: String) -> Box<Violation> {
    Violation::new(Rule::Unsupported, None, what)
}
