//! Dot products within a lane.

use gfx1100_isa::Op;

use super::integer::saturated;
use super::lift::{hot, table, three_in};
use super::soft::{BF16, F16, F32, Format};
use super::{Inputs, Outputs, Vector, half};
use crate::mode::Round;

hot! {
    V_DOT4_I32_IU8 => dot4();
    V_DOT4_U32_U8 => three_in(|i, a: u32, b: u32, c: u32| unsigned(i, (0..4).map(|n| byte(a, n) * byte(b, n)).sum(), c));
    V_DOT8_I32_IU4 => dot8();
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

/// Bit `n` of `neg` set: source `n` is signed.
#[inline(always)]
fn dot4(i: &Inputs<'_>, o: &mut Outputs) {
    signed_dot(i, o, [0, 1, 2, 3], |value, n, signed| {
        let byte = byte(value, n);
        if signed {
            byte as u8 as i8 as i32
        } else {
            byte as i32
        }
    });
}

#[inline(always)]
fn dot8(i: &Inputs<'_>, o: &mut Outputs) {
    signed_dot(i, o, [0, 1, 2, 3, 4, 5, 6, 7], |value, n, signed| {
        let nibble = nibble(value, n) as i32;
        if signed { nibble << 28 >> 28 } else { nibble }
    });
}

#[inline(always)]
fn signed_dot<const N: usize>(
    i: &Inputs<'_>,
    o: &mut Outputs,
    parts: [u32; N],
    part: impl Fn(u32, u32, bool) -> i32,
) {
    let (signed_a, signed_b) = (i.neg & 1 != 0, i.neg & 2 != 0);
    three_in(i, o, |i, a: u32, b: u32, c: i32| {
        let product = |n| part(a, n, signed_a) * part(b, n, signed_b);
        let products: i32 = parts.into_iter().map(product).sum();
        if i.clamp {
            saturated(i, i64::from(products) + i64::from(c))
        } else {
            products.wrapping_add(c)
        }
    });
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
