//! Vector ALU instructions whose operands or results need preparation: modifiers, halves, DPP, denormals that MODE flushes.

use gfx1100_isa::Ty;
use half::f16;

use super::dpp::Moves;
use super::undefined::both;
use super::vector::{high_dwords, lane_mask, low_dwords, require, selected};
use super::{Context, Flow, Wave};
use crate::alu::{Inputs, Lanes, Outputs};
use crate::mode::Mode;
use crate::program::{Prepare, Shape, VectorStep};

/// Computes into a result of the scratchpad; returns the lanes to be written.
#[inline(never)]
pub(crate) fn compute<const STRICT: bool>(
    wave: &Wave,
    context: &mut Context<'_>,
    step: &VectorStep,
    result: usize,
) -> Flow<u32> {
    #[cfg(target_arch = "x86_64")]
    if crate::alu::has_avx2() {
        // SAFETY: the CPU has the features that the function is compiled for.
        return unsafe { compute_avx2::<STRICT>(wave, context, step, result) };
    }
    compute_anywhere::<STRICT>(wave, context, step, result)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn compute_avx2<const STRICT: bool>(
    wave: &Wave,
    context: &mut Context<'_>,
    step: &VectorStep,
    result: usize,
) -> Flow<u32> {
    compute_anywhere::<STRICT>(wave, context, step, result)
}

/// Inlined, with what it calls for each lane, so that it is compiled for each set of CPU features.
#[inline(always)]
fn compute_anywhere<const STRICT: bool>(
    wave: &Wave,
    context: &mut Context<'_>,
    step: &VectorStep,
    result: usize,
) -> Flow<u32> {
    let shape = &context.program.shapes[step.shape as usize];
    let exec = wave.exec();
    let mask = lane_mask(wave, step);
    let moves = shape.dpp.map(|dpp| Moves::of(dpp, exec));
    let lanes = moves.as_ref().map_or(exec, |moves| moves.written);
    if STRICT {
        for index in 0..3 {
            let mut needed = lanes;
            if step.selects {
                needed &= selected(mask, index);
            }
            if index == 0
                && let Some(moves) = &moves
            {
                needed = moves.read();
            }
            require(wave, context, step, index, both(needed))?;
        }
    }
    let scratchpad = &mut *context.scratchpad;
    let constants = &context.program.constants;
    let [low, high] = {
        let [a, b, c, d, e, f] = &mut scratchpad.operands;
        [[a, b, c], [d, e, f]]
    };
    for (index, (low, high)) in low.into_iter().zip(high).enumerate() {
        let source = step.source[index];
        let mut space = [0; 32];
        *low = *low_dwords(wave, constants, source, &mut space);
        *high = if step.wide >> index & 1 == 1 {
            *high_dwords(wave, constants, source, &mut space)
        } else {
            [0; 32]
        };
        if index == 0
            && let Some(moves) = &moves
        {
            exchange(moves, low);
            exchange(moves, high);
        }
        prepare(shape.prepare[index], low, high, wave.mode, shape.flushes);
    }
    let [a, b, c, d, e, f] = &scratchpad.operands;
    let inputs = Inputs {
        low: [a, b, c],
        high: [d, e, f],
        mask,
        neg: step.neg,
        clamp: step.clamp,
        mode: wave.mode,
    };
    let output = &mut scratchpad.results[result];
    // SAFETY: the function was chosen by `alu::vector` on this CPU.
    unsafe { (step.function)(&inputs, output) };
    finish(shape, output, wave.mode);
    Ok(lanes)
}

#[inline(always)]
fn exchange(moves: &Moves, lanes: &mut Lanes) {
    let old = *lanes;
    for (lane, to) in lanes.iter_mut().enumerate() {
        let valid = moves.valid >> lane & 1 == 1;
        *to = if valid {
            old[usize::from(moves.from[lane])]
        } else {
            0
        };
    }
}

#[inline(always)]
fn prepare(prepare: Prepare, low: &mut Lanes, high: &mut Lanes, mode: Mode, flushes: bool) {
    match prepare {
        Prepare::Keep => {}
        Prepare::Float { ty, abs, neg } => {
            let flush = flushes && flushes_source(ty, mode);
            if ty == Ty::F64 {
                for (low, high) in low.iter_mut().zip(high) {
                    if flush && *high & 0x7ff0_0000 == 0 {
                        (*low, *high) = (0, *high & 0x8000_0000);
                    }
                    *high = signed(*high, 31, abs, neg);
                }
                return;
            }
            for value in low {
                if flush {
                    *value = flush_f32(*value);
                }
                *value = signed(*value, 31, abs, neg);
            }
        }
        Prepare::Half { ty, high, abs, neg } => {
            let flush = flushes && flushes_source(ty, mode);
            for value in low {
                *value = if high { *value >> 16 } else { *value & 0xffff };
                if flush {
                    *value = flush_f16(*value);
                }
                *value = signed(*value, 15, abs, neg);
            }
        }
        Prepare::Packed {
            ty,
            low: from_low,
            high: from_high,
            neg_low,
            neg_high,
        } => {
            let flush = flushes && flushes_source(ty, mode);
            for value in low {
                let half = |high: bool, neg: bool| {
                    let half = if high { *value >> 16 } else { *value & 0xffff };
                    let half = if flush { flush_f16(half) } else { half };
                    signed(half, 15, false, neg)
                };
                *value = half(from_low, neg_low) | half(from_high, neg_high) << 16;
            }
        }
        Prepare::Widen { high, abs, neg } => {
            let flush = flushes && flushes_source(Ty::F16, mode);
            for value in low {
                let half = if high { *value >> 16 } else { *value & 0xffff };
                let half = if flush { flush_f16(half) } else { half };
                let wide = f16::from_bits(half as u16).to_f32().to_bits();
                *value = signed(wide, 31, abs, neg);
            }
        }
    }
}

/// Absolute value, then negation, of a float whose sign is at `bit`.
#[inline(always)]
fn signed(value: u32, bit: u32, abs: bool, neg: bool) -> u32 {
    let positive = value & !(u32::from(abs) << bit);
    positive ^ u32::from(neg) << bit
}

fn flushes_source(ty: Ty, mode: Mode) -> bool {
    match ty {
        Ty::F32 => mode.flushes_f32_sources(),
        Ty::F16 | Ty::F16x2 | Ty::F64 => mode.flushes_f16_f64_sources(),
        _ => false,
    }
}

/// Denormals are flushed only on the way in by MODE bit 0 of a pair, and on the way out by bit 1.
fn flushes_result(ty: Ty, mode: Mode) -> bool {
    match ty {
        Ty::F32 => mode.flushes_f32_results(),
        Ty::F16 | Ty::F16x2 | Ty::F64 => mode.flushes_f16_f64_results(),
        _ => false,
    }
}

#[inline(always)]
fn flush_f32(value: u32) -> u32 {
    if value & 0x7f80_0000 == 0 {
        value & 0x8000_0000
    } else {
        value
    }
}

#[inline(always)]
fn flush_f16(value: u32) -> u32 {
    if value & 0x7c00 == 0 {
        value & 0x8000
    } else {
        value
    }
}

/// Output modifier, clamp and flush of a float result. The output modifier works only where denormal results are flushed and
/// MODE.ieee is 0; it and the clamp make -0 a +0.
fn finish(shape: &Shape, output: &mut Outputs, mode: Mode) {
    let flush = flushes_result(shape.result, mode);
    let scale = match shape.omod {
        1 if flush && !mode.ieee() => 2.0,
        2 if flush && !mode.ieee() => 4.0,
        3 if flush && !mode.ieee() => 0.5,
        _ => 1.0,
    };
    if scale == 1.0 && !shape.clamp && !flush {
        return;
    }
    let clamp = |value: f64| {
        let value = if value == 0.0 && (shape.clamp || scale != 1.0) {
            0.0
        } else {
            value
        };
        if !shape.clamp {
            value
        } else if value.is_nan() {
            if mode.dx10_clamp() { 0.0 } else { value }
        } else {
            value.clamp(0.0, 1.0)
        }
    };
    let single = |bits: u32| {
        let bits = if flush { flush_f32(bits) } else { bits };
        // Scaling by a power of two and clamping are exact, but for overflow, which rounds to infinity either way.
        let value = (clamp(f64::from(f32::from_bits(bits)) * scale) as f32).to_bits();
        if flush { flush_f32(value) } else { value }
    };
    let half = |bits: u32| {
        let bits = if flush { flush_f16(bits) } else { bits };
        let value = f16::from_bits(bits as u16).to_f64() * scale;
        let value = u32::from(f16::from_f64(clamp(value)).to_bits());
        if flush { flush_f16(value) } else { value }
    };
    match shape.result {
        Ty::F32 => output.low.iter_mut().for_each(|bits| *bits = single(*bits)),
        Ty::F16 => output
            .low
            .iter_mut()
            .for_each(|bits| *bits = half(*bits & 0xffff)),
        Ty::F16x2 => output
            .low
            .iter_mut()
            .for_each(|bits| *bits = half(*bits & 0xffff) | half(*bits >> 16) << 16),
        Ty::F64 => {
            for (low, high) in output.low.iter_mut().zip(&mut output.high) {
                if flush && *high & 0x7ff0_0000 == 0 {
                    (*low, *high) = (0, *high & 0x8000_0000);
                }
                let value = f64::from_bits(u64::from(*low) | u64::from(*high) << 32);
                let bits = clamp(value * scale).to_bits();
                (*low, *high) = (bits as u32, (bits >> 32) as u32);
            }
        }
        _ => {}
    }
}
