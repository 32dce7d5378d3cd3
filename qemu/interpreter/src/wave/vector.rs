//! Vector ALU instructions: the path of those whose operands need no preparation. The others go through [`super::shaped`].
//!
//! An instruction computes all 32 lanes into the scratchpad and then writes the active ones, so source and destination may
//! be the same register, and both halves of VOPD read before either writes.

use super::undefined::both;
use super::{Context, EXEC, Flow, NULL, Wave};
use crate::alu::{Inputs, Lanes};
use crate::program::{Destination, NO_REGISTER, Source, VectorStep};

pub(crate) static ZERO: Lanes = [0; 32];

/// Executes a vector ALU instruction.
#[inline(always)]
pub(crate) fn execute<const STRICT: bool>(
    wave: &mut Wave,
    context: &mut Context<'_>,
    step: &VectorStep,
) -> Flow {
    let lanes = compute::<STRICT>(wave, context, step, 0)?;
    write(wave, context, step, 0, lanes);
    Ok(())
}

/// Executes the halves of VOPD.
#[inline(never)]
pub(crate) fn execute_dual<const STRICT: bool>(
    wave: &mut Wave,
    context: &mut Context<'_>,
    [x, y]: &[VectorStep; 2],
) -> Flow {
    let x_lanes = compute::<STRICT>(wave, context, x, 0)?;
    let y_lanes = compute::<STRICT>(wave, context, y, 1)?;
    write(wave, context, x, 0, x_lanes);
    write(wave, context, y, 1, y_lanes);
    Ok(())
}

/// Computes into a result of the scratchpad; returns the lanes to be written.
#[inline(always)]
fn compute<const STRICT: bool>(
    wave: &Wave,
    context: &mut Context<'_>,
    step: &VectorStep,
    result: usize,
) -> Flow<u32> {
    if !(step.plain && (step.ignores_mode || wave.mode.keeps_denormals())) {
        return super::shaped::compute::<STRICT>(wave, context, step, result);
    }
    let exec = wave.s[EXEC];
    let mask = lane_mask(wave, step);
    if STRICT {
        for index in 0..3 {
            let lanes = if step.selects {
                exec & selected(mask, index)
            } else {
                exec
            };
            require(wave, context, step, index, both(lanes))?;
        }
    }
    let scratchpad = &mut *context.scratchpad;
    let [a, b, c, d, e, f] = &mut scratchpad.operands;
    let constants = &context.program.constants;
    let low = |index: usize, space| low_dwords(wave, constants, step.source[index], space);
    let high = |index: usize, space| {
        if step.wide >> index & 1 == 0 {
            return &ZERO;
        }
        high_dwords(wave, constants, step.source[index], space)
    };
    let inputs = Inputs {
        low: [low(0, a), low(1, b), low(2, c)],
        high: [high(0, d), high(1, e), high(2, f)],
        mask,
        neg: step.neg,
        clamp: step.clamp,
        mode: wave.mode,
    };
    // SAFETY: the function was chosen by `alu::vector` on this CPU.
    unsafe { (step.function)(&inputs, &mut scratchpad.results[result]) };
    Ok(exec)
}

/// The lanes for which `v_cndmask` reads source `index`.
#[inline(always)]
pub(crate) fn selected(mask: u32, index: usize) -> u32 {
    match index {
        0 => !mask,
        1 => mask,
        _ => u32::MAX,
    }
}

/// The lane mask that the instruction reads.
#[inline(always)]
pub(crate) fn lane_mask(wave: &Wave, step: &VectorStep) -> u32 {
    if step.mask_source == NO_REGISTER {
        0
    } else {
        wave.s[usize::from(step.mask_source & 127)]
    }
}

/// Stops if source `index` is undefined in any of these lanes and halves.
#[inline(always)]
pub(crate) fn require(
    wave: &Wave,
    context: &Context<'_>,
    step: &VectorStep,
    index: usize,
    lanes: u64,
) -> Flow {
    if let Source::V(register) = step.source[index] {
        let need = lanes & step.needs[index];
        wave.require(context, register, need)?;
        if step.wide >> index & 1 == 1 {
            wave.require(context, register.wrapping_add(1), need)?;
        }
    }
    Ok(())
}

/// The low dwords of a source, in place or broadcast into `space`.
#[inline(always)]
pub(crate) fn low_dwords<'a>(
    wave: &'a Wave,
    constants: &'a crate::program::Constants,
    source: Source,
    space: &'a mut Lanes,
) -> &'a Lanes {
    match source {
        Source::V(register) => &wave.v[usize::from(register)],
        Source::K(index) => constants.get(index),
        Source::S(code) => {
            *space = [wave.s[usize::from(code & 127)]; 32];
            space
        }
        Source::None => &ZERO,
        Source::Special(code) => {
            *space = [wave.special(code) as u32; 32];
            space
        }
    }
}

/// The high dwords of a 64-bit source.
#[inline(always)]
pub(crate) fn high_dwords<'a>(
    wave: &'a Wave,
    constants: &'a crate::program::Constants,
    source: Source,
    space: &'a mut Lanes,
) -> &'a Lanes {
    match source {
        Source::V(register) => &wave.v[usize::from(register.wrapping_add(1))],
        Source::K(index) => constants.get(index + 1),
        Source::S(code) if usize::from(code) == NULL => &ZERO,
        Source::S(code) => {
            *space = [wave.s[usize::from((code + 1) & 127)]; 32];
            space
        }
        Source::None => &ZERO,
        Source::Special(code) => {
            *space = [(wave.special(code) >> 32) as u32; 32];
            space
        }
    }
}

/// Writes the result in the lanes given, and the mask.
#[inline(always)]
fn write(wave: &mut Wave, context: &Context<'_>, step: &VectorStep, result: usize, lanes: u32) {
    let result = &context.scratchpad.results[result];
    match step.destination {
        Destination::Word(register) => {
            let register = usize::from(register);
            blend(&mut wave.v[register], &result.low, lanes);
            wave.v_defined[register] |= both(lanes);
        }
        Destination::Wide(register) => {
            let next = usize::from(register.wrapping_add(1));
            let register = usize::from(register);
            blend(&mut wave.v[register], &result.low, lanes);
            blend(&mut wave.v[next], &result.high, lanes);
            wave.v_defined[register] |= both(lanes);
            wave.v_defined[next] |= both(lanes);
        }
        Destination::Half(register, high) => {
            let register = usize::from(register);
            blend_half(&mut wave.v[register], &result.low, lanes, high);
            wave.v_defined[register] |= u64::from(lanes) << if high { 32 } else { 0 };
        }
        Destination::None => {}
    }
    if step.mask_destination != NO_REGISTER {
        wave.set_sgpr(step.mask_destination, result.mask & lanes);
    }
}

/// Copies the lanes given.
#[inline(always)]
pub(crate) fn blend(to: &mut Lanes, from: &Lanes, lanes: u32) {
    if lanes == u32::MAX {
        *to = *from;
        return;
    }
    for (lane, (to, from)) in to.iter_mut().zip(from).enumerate() {
        let take = (lanes >> lane & 1).wrapping_neg();
        *to = *from & take | *to & !take;
    }
}

/// Copies the low 16 bits of the lanes given into one half.
#[inline(always)]
fn blend_half(to: &mut Lanes, from: &Lanes, lanes: u32, high: bool) {
    let (shift, keep) = if high { (16, 0xffff) } else { (0, 0xffff_0000) };
    for (lane, (to, from)) in to.iter_mut().zip(from).enumerate() {
        let take = (lanes >> lane & 1).wrapping_neg();
        let merged = *to & keep | (*from & 0xffff) << shift;
        *to = merged & take | *to & !take;
    }
}
