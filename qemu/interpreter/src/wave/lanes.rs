//! Vector instructions that move data between lanes, or between registers that M0 names.

use gfx1100_isa::Op;

use super::undefined::both;
use super::vector::{blend, low_dwords};
use super::{Context, Flow, M0, Wave};
use crate::alu;
use crate::program::{LaneStep, Source};
use crate::rule::Rule;
use crate::stop::Violation;

impl Wave {
    pub(crate) fn lane_operation<const STRICT: bool>(
        &mut self,
        context: &mut Context<'_>,
        step: &LaneStep,
    ) -> Flow {
        match step.op {
            Op::V_READFIRSTLANE_B32 => {
                let lane = self.exec().trailing_zeros() % 32;
                self.read_lane::<STRICT>(context, step, lane)
            }
            Op::V_READLANE_B32 => {
                let lane = self.scalar_value(step.scalars[0]) as u32 % 32;
                self.read_lane::<STRICT>(context, step, lane)
            }
            Op::V_WRITELANE_B32 => {
                let [value, lane] = step.scalars.map(|source| self.scalar_value(source));
                let register = usize::from(step.destination);
                let lane = lane as usize % 32;
                self.v[register][lane] = value as u32;
                self.v_defined[register] |= both(1 << lane);
                Ok(())
            }
            Op::V_PERMLANE16_B32 => self.permute_rows::<STRICT>(context, step, 0),
            Op::V_PERMLANEX16_B32 => self.permute_rows::<STRICT>(context, step, 16),
            // It exchanges the halves of a wave of 64.
            Op::V_PERMLANE64_B32 => Ok(()),
            Op::V_MQSAD_U32_U8 => self.masked_differences::<STRICT>(context, step),
            _ => self.relative::<STRICT>(context, step),
        }
    }

    fn vgpr_source(&self, step: &LaneStep) -> Flow<u8> {
        match step.source {
            Source::V(register) => Ok(register),
            _ => Err(Violation::new(
                Rule::ReservedEncoding,
                None,
                "source 0 must be a VGPR".to_owned(),
            )),
        }
    }

    fn read_lane<const STRICT: bool>(
        &mut self,
        context: &Context<'_>,
        step: &LaneStep,
        lane: u32,
    ) -> Flow {
        let register = self.vgpr_source(step)?;
        if STRICT {
            self.require(context, register, both(1 << lane))?;
        }
        let value = self.v[usize::from(register)][lane as usize];
        self.set_sgpr(step.destination, value);
        Ok(())
    }

    /// `v_permlane16` and, with `other` = 16, `v_permlanex16`: 16 nibbles say from where in its row, or the other row of
    /// the pair, each lane of a row reads. A lane whose source is inactive keeps its value, or gets 0 with bound control.
    fn permute_rows<const STRICT: bool>(
        &mut self,
        context: &Context<'_>,
        step: &LaneStep,
        other: usize,
    ) -> Flow {
        let register = self.vgpr_source(step)?;
        let [low, high] = step.scalars.map(|source| self.scalar_value(source));
        let nibbles = low | high << 32;
        let exec = self.exec();
        let source = self.v[usize::from(register)];
        let mut result = [0; 32];
        let [mut read, mut written] = [0, 0];
        for (lane, result) in result.iter_mut().enumerate() {
            let from = (lane & 16 ^ other) | (nibbles >> (4 * (lane % 16)) & 15) as usize;
            let delivers = step.fetch_inactive || exec >> from & 1 == 1;
            let active = exec >> lane & 1 == 1;
            if active && delivers {
                *result = source[from];
                read |= 1 << from;
                written |= 1 << lane;
            } else if active && step.bound_control {
                written |= 1 << lane;
            }
        }
        if STRICT {
            self.require(context, register, both(read))?;
        }
        self.write_lanes(step.destination, &result, written);
        Ok(())
    }

    fn write_lanes(&mut self, register: u8, values: &[u32; 32], lanes: u32) {
        blend(&mut self.v[usize::from(register)], values, lanes);
        self.v_defined[usize::from(register)] |= both(lanes);
    }

    /// `v_swap` and the moves with M0.
    fn relative<const STRICT: bool>(&mut self, context: &Context<'_>, step: &LaneStep) -> Flow {
        let m0 = self.s[M0];
        let [low, high] = [m0 & 0x3ff, m0 >> 16 & 0x3ff];
        let [source_offset, offset] = match step.op {
            Op::V_MOVRELS_B32 => [m0, 0],
            Op::V_MOVRELD_B32 => [0, m0],
            Op::V_MOVRELSD_B32 => [m0, m0],
            Op::V_MOVRELSD_2_B32 | Op::V_SWAPREL_B32 => [low, high],
            _ => [0, 0],
        };
        let destination = self.indexed(context, step.destination, offset)?;
        let exec = self.exec();
        let values = match step.source {
            Source::V(register) => {
                let register = self.indexed(context, register, source_offset)?;
                if STRICT {
                    self.require(context, register, both(exec))?;
                }
                let values = self.v[usize::from(register)];
                if matches!(step.op, Op::V_SWAP_B32 | Op::V_SWAPREL_B32) {
                    if STRICT {
                        self.require(context, destination, both(exec))?;
                    }
                    let old = self.v[usize::from(destination)];
                    self.write_lanes(register, &old, exec);
                }
                values
            }
            source => {
                let mut space = [0; 32];
                *low_dwords(self, &context.program.constants, source, &mut space)
            }
        };
        self.write_lanes(destination, &values, exec);
        Ok(())
    }

    /// The VGPR at an offset that was not known when the code was checked.
    fn indexed(&self, context: &Context<'_>, register: u8, offset: u32) -> Flow<u8> {
        let index = u32::from(register).wrapping_add(offset);
        let register = u8::try_from(index).map_err(|_| {
            let message = format!("M0 makes the register v{index}; the last is v255");
            Violation::new(Rule::RegisterRange, None, message)
        })?;
        if let Some(rule) = self.waits.pending_rule(register) {
            context.violate(rule, None, || format!("v{register} is still to be loaded"))?;
        }
        Ok(register)
    }

    /// `v_mqsad_u32_u8`: four sums of absolute differences between a window sliding over 64 bits and a reference whose zero
    /// bytes do not count.
    fn masked_differences<const STRICT: bool>(
        &mut self,
        context: &Context<'_>,
        step: &LaneStep,
    ) -> Flow {
        let window = self.vgpr_source(step)?;
        let [Some(reference), Some(sums)] = step.more else {
            return Err(Violation::new(
                Rule::Unsupported,
                None,
                "v_mqsad_u32_u8 with scalar operands".to_owned(),
            ));
        };
        let exec = self.exec();
        if STRICT {
            for register in [window, window.wrapping_add(1), reference] {
                self.require(context, register, both(exec))?;
            }
            for index in 0..4 {
                self.require(context, sums.wrapping_add(index), both(exec))?;
            }
        }
        let register = |register: u8, offset: u8| usize::from(register.wrapping_add(offset));
        let mut results = [[0; 32]; 4];
        for lane in 0..32 {
            let bytes = u64::from(self.v[register(window, 0)][lane])
                | u64::from(self.v[register(window, 1)][lane]) << 32;
            let reference = self.v[register(reference, 0)][lane];
            let old = std::array::from_fn(|index| self.v[register(sums, index as u8)][lane]);
            let new = alu::mqsad_u32_u8(bytes, reference, old, step.clamp);
            for (result, new) in results.iter_mut().zip(new) {
                result[lane] = new;
            }
        }
        for (index, result) in results.iter().enumerate() {
            self.write_lanes(step.destination.wrapping_add(index as u8), result, exec);
        }
        Ok(())
    }
}
