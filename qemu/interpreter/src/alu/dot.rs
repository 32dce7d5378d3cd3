//! Dot products within a lane.

use gfx1100_isa::Op;

use super::integer::saturated;
use super::lift::{hot, table, three_in};
use super::soft::{BF16, F16, F32, Format};
use super::{Inputs, Outputs, Vector, half};
use crate::mode::Round;

hot! {
    V_DOT4_I32_IU8 => signed::<8>();
    V_DOT4_U32_U8 => three_in(|i, a: u32, b: u32, c: u32| unsigned(i, (0..4).map(|n| byte(a, n) * byte(b, n)).sum(), c));
    V_DOT8_I32_IU4 => signed::<4>();
    V_DOT8_U32_U4 => three_in(|i, a: u32, b: u32, c: u32| unsigned(i, (0..8).map(|n| nibble(a, n) * nibble(b, n)).sum(), c));
    V_DOT2_F32_F16 | V_DOT2ACC_F32_F16 => dot2_f32_f16();
}

table! {
    V_DOT2_F32_BF16 => three_in(dot2_f32_bf16);
    V_DOT2_F16_F16 => three_in(|i, a, b, c| short_dot2(F16, i.mode.round_f16_f64(), a, b, c));
    V_DOT2_BF16_BF16 => three_in(|i, a, b, c| short_dot2(BF16, i.mode.round_f16_f64(), a, b, c));
}

#[inline(always)]
fn byte(a: u32, n: u32) -> u32 {
    a >> (8 * n) & 0xff
}

#[inline(always)]
fn nibble(a: u32, n: u32) -> u32 {
    a >> (4 * n) & 15
}

/// The sum, or with clamp the largest u32 if it is larger.
#[inline(always)]
fn unsigned(i: &Inputs<'_>, products: u32, c: u32) -> u32 {
    if i.clamp {
        products.saturating_add(c)
    } else {
        products.wrapping_add(c)
    }
}

/// The sum of the products of the fields of `BITS` bits. Bit `n` of `neg` set: the fields of source `n` are signed.
#[inline(always)]
fn signed<const BITS: u32>(i: &Inputs<'_>, o: &mut Outputs) {
    match i.neg & 3 {
        0 => fields::<BITS, false, false>(i, o),
        1 => fields::<BITS, true, false>(i, o),
        2 => fields::<BITS, false, true>(i, o),
        _ => fields::<BITS, true, true>(i, o),
    }
}

/// Field by field rather than lane by lane, which makes plain vector loops.
#[inline(always)]
fn fields<const BITS: u32, const A: bool, const B: bool>(i: &Inputs<'_>, o: &mut Outputs) {
    let mut products = [0; 32];
    for n in 0..32 / BITS {
        for (lane, sum) in products.iter_mut().enumerate() {
            *sum += field::<BITS, A>(i.low[0][lane], n) * field::<BITS, B>(i.low[1][lane], n);
        }
    }
    for (lane, sum) in products.into_iter().enumerate() {
        o.low[lane] = saturated(i, i64::from(sum) + i64::from(i.low[2][lane] as i32)) as u32;
    }
}

#[inline(always)]
fn field<const BITS: u32, const SIGNED: bool>(value: u32, n: u32) -> i32 {
    let high = value << (32 - BITS - BITS * n);
    if SIGNED {
        high as i32 >> (32 - BITS)
    } else {
        (high >> (32 - BITS)) as i32
    }
}

/// The product of the low halves is added to the accumulator first, then that of the high halves, each sum rounded to f32
/// (products of f16 are exact). The manual writes it so; what order and precision cards use is not documented.
#[inline(always)]
fn dot2_f32_f16(i: &Inputs<'_>, o: &mut Outputs) {
    if i.mode.round_f32() != Round::NearestEven {
        three_in(i, o, exact_dot2_f32_f16);
        return;
    }
    let mut nan = false;
    for lane in 0..32 {
        let (a, b) = (i.low[0][lane], i.low[1][lane]);
        let low = half::to_f32(a as u16) * half::to_f32(b as u16);
        let high = half::to_f32((a >> 16) as u16) * half::to_f32((b >> 16) as u16);
        let sum = (f32::from_bits(i.low[2][lane]) + low) + high;
        nan |= sum.is_nan();
        o.low[lane] = sum.to_bits();
    }
    if nan {
        three_in(i, o, exact_dot2_f32_f16);
    }
}

fn exact_dot2_f32_f16(i: &Inputs<'_>, a: [u16; 2], b: [u16; 2], c: u32) -> u32 {
    let wide = |bits: u16| F16.convert(bits.into(), F32, Round::NearestEven);
    dot2(F32, i.mode.round_f32(), a.map(wide), b.map(wide), c.into()) as u32
}

/// As [`dot2_f32_f16`]; here a product can overflow or lose bits, and is rounded before it is added.
fn dot2_f32_bf16(i: &Inputs<'_>, a: [u16; 2], b: [u16; 2], c: u32) -> u32 {
    let wide = |bits: u16| u64::from(bits) << 16;
    dot2(F32, i.mode.round_f32(), a.map(wide), b.map(wide), c.into()) as u32
}

/// As above, all in one format of 16 bits.
fn short_dot2(format: Format, round: Round, a: [u16; 2], b: [u16; 2], c: u16) -> u16 {
    dot2(format, round, a.map(u64::from), b.map(u64::from), c.into()) as u16
}

/// Products and sums rounded to the format, low halves first.
fn dot2(format: Format, round: Round, a: [u64; 2], b: [u64; 2], c: u64) -> u64 {
    (0..2).fold(c, |sum, n| {
        format.add(sum, format.mul(a[n], b[n], round), round)
    })
}
