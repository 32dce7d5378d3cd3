//! Conversions between formats.
//!
//! To an integer: toward zero, the nearest integer of the range if it lies outside, 0 for NaN. To a float: rounded by MODE,
//! whose field for f16 and f64 is the one of `v_cvt_f16_f32` and `v_cvt_f32_f64` (LLVM sets that field for both).

use gfx1100_isa::Op;

use super::lift::{hot, one, one_in, table, three_in, two};
use super::soft::{Exact, F16, F32, F64, Format};
use super::{Inputs, Outputs, Vector, half};
use crate::mode::Round;

/// Source 0 to an f32: `fast` if MODE rounds to nearest even, else `exact`.
#[inline(always)]
fn to_f32<A: super::lift::Lane>(
    i: &Inputs<'_>,
    o: &mut Outputs,
    fast: impl Fn(A) -> f32,
    exact: impl Fn(A, Round) -> u64,
) {
    let round = i.mode.round_f32();
    if round == Round::NearestEven {
        one(i, o, fast);
    } else {
        one(i, o, |a| exact(a, round) as u32);
    }
}

/// Source 0, an f32, to an f16.
#[inline(always)]
fn to_f16(i: &Inputs<'_>, o: &mut Outputs) {
    let round = i.mode.round_f16_f64();
    if round == Round::NearestEven {
        one(i, o, half::from_f32);
    } else {
        one(i, o, |a: u32| F32.convert(a.into(), F16, round) as u16);
    }
}

/// An exact integer to a float.
fn float(to: Format, value: i64, round: Round) -> u64 {
    to.round(Exact::integer(value), round)
}

#[inline(always)]
fn byte(a: u32, n: u32) -> f32 {
    (a >> (8 * n) & 0xff) as f32
}

hot! {
    V_CVT_F32_I32 => to_f32(|a: i32| a as f32, |a, round| float(F32, a.into(), round));
    V_CVT_F32_U32 => to_f32(|a: u32| a as f32, |a, round| float(F32, a.into(), round));
    V_CVT_U32_F32 => one(|a: f32| a as u32);
    V_CVT_I32_F32 => one(|a: f32| a as i32);
    V_CVT_F16_F32 => to_f16();
    V_CVT_F32_F16 => one(half::to_f32);
    V_CVT_PK_RTZ_F16_F32 => two(|a, b| [toward_zero(a), toward_zero(b)]);
    V_CVT_F32_UBYTE0 => one(|a| byte(a, 0));
    V_CVT_F32_UBYTE1 => one(|a| byte(a, 1));
    V_CVT_F32_UBYTE2 => one(|a| byte(a, 2));
    V_CVT_F32_UBYTE3 => one(|a| byte(a, 3));
    V_CVT_PK_I16_I32 => two(|a: i32, b: i32| [clamp_i16(a), clamp_i16(b)]);
    V_CVT_PK_U16_U32 => two(|a: u32, b: u32| [a.min(0xffff) as u16, b.min(0xffff) as u16]);
}

table! {
    V_CVT_OFF_F32_I4 => one(|a: u32| ((a << 28) as i32 >> 28) as f32 / 16.0);
    V_CVT_NEAREST_I32_F32 => one_in(|i, a: u32| {
        const HALF: u64 = 0x3f00_0000;
        f32::from_bits(F32.add(a.into(), HALF, i.mode.round_f32()) as u32).floor() as i32
    });
    V_CVT_FLOOR_I32_F32 => one(|a: f32| a.floor() as i32);
    V_CVT_F32_F64 => one_in(|i, a: u64| F64.convert(a, F32, i.mode.round_f16_f64()) as u32);
    V_CVT_F64_F32 => one(|a: u32| F32.convert(a.into(), F64, Round::NearestEven));
    V_CVT_F64_I32 => one(|a: i32| f64::from(a));
    V_CVT_F64_U32 => one(|a: u32| f64::from(a));
    V_CVT_I32_F64 => one(|a: f64| a as i32);
    V_CVT_U32_F64 => one(|a: f64| a as u32);
    V_CVT_F16_U16 => one_in(|i, a: u16| float(F16, a.into(), i.mode.round_f16_f64()) as u16);
    V_CVT_F16_I16 => one_in(|i, a: i16| float(F16, a.into(), i.mode.round_f16_f64()) as u16);
    V_CVT_U16_F16 => one(|a| half::to_f32(a) as u16);
    V_CVT_I16_F16 => one(|a| half::to_f32(a) as i16);
    V_CVT_PK_I16_F32 => two(|a: f32, b: f32| [a as i16 as u16, b as i16 as u16]);
    V_CVT_PK_U16_F32 => two(|a: f32, b: f32| [a as u16, b as u16]);
    V_CVT_PK_U8_F32 => three_in(pack_u8);
    V_CVT_NORM_I16_F16 => one(|a| snorm(half::to_f32(a)));
    V_CVT_NORM_U16_F16 => one(|a| unorm(half::to_f32(a)));
    V_CVT_PK_NORM_I16_F16 => two(|a, b| [snorm(half::to_f32(a)), snorm(half::to_f32(b))]);
    V_CVT_PK_NORM_U16_F16 => two(|a, b| [unorm(half::to_f32(a)), unorm(half::to_f32(b))]);
    V_CVT_PK_NORM_I16_F32 => two(|a: f32, b: f32| [snorm(a), snorm(b)]);
    V_CVT_PK_NORM_U16_F32 => two(|a: f32, b: f32| [unorm(a), unorm(b)]);
    V_SAT_PK_U8_I16 => one(|[low, high]: [u16; 2]| u16::from(clamp_u8(low)) | u16::from(clamp_u8(high)) << 8);
}

#[inline(always)]
fn clamp_i16(a: i32) -> u16 {
    a.clamp(i16::MIN.into(), i16::MAX.into()) as u16
}

fn clamp_u8(a: u16) -> u8 {
    (a as i16).clamp(0, 255) as u8
}

/// The nearest f16, or the one before it if that is larger.
#[inline(always)]
fn toward_zero(a: f32) -> u16 {
    let nearest = half::from_f32(a);
    nearest - u16::from(half::to_f32(nearest).abs() > a.abs())
}

/// A number of [-1, 1] as a fraction of 32767, to nearest even; outside the nearer end, 0 for NaN. The manual names the
/// conversion and does not define it; that the range is symmetric is what gfx1100 delivers.
fn snorm(a: f32) -> u16 {
    (f64::from(a) * 32767.0)
        .round_ties_even()
        .clamp(-32767.0, 32767.0) as i16 as u16
}

/// A number of [0, 1] as a fraction of 65535, likewise.
fn unorm(a: f32) -> u16 {
    (f64::from(a) * 65535.0).round_ties_even() as u16
}

/// Replaces byte `b & 3` of `c` by the number, rounded by MODE (so on RDNA 4 cards; the manual names no rounding), within 0
/// and 255, 0 for NaN.
fn pack_u8(i: &Inputs<'_>, a: f32, b: u32, c: u32) -> u32 {
    let rounded = match i.mode.round_f32() {
        Round::NearestEven => a.round_ties_even(),
        Round::Up => a.ceil(),
        Round::Down => a.floor(),
        Round::Zero => a.trunc(),
    };
    let shift = 8 * (b & 3);
    c & !(0xff << shift) | u32::from(rounded as u8) << shift
}
