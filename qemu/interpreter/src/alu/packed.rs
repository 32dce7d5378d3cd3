//! Integers in both halves of a dword. (Packed f16 is in [`super::half`].)

use gfx1100_isa::Op;

use super::integer::{mad_i16, mad_u16};
use super::lift::{either, table, three_in, two};
use super::{Inputs, Outputs, Vector};

/// Two halves.
type Pair = [u16; 2];

fn each(f: impl Fn(u16, u16) -> u16, a: Pair, b: Pair) -> Pair {
    [f(a[0], b[0]), f(a[1], b[1])]
}

fn signed(f: impl Fn(i16, i16) -> i16, a: Pair, b: Pair) -> Pair {
    each(|a, b| f(a as i16, b as i16) as u16, a, b)
}

table! {
    V_PK_ADD_U16 => either(|a, b| each(u16::wrapping_add, a, b), |a, b| each(u16::saturating_add, a, b));
    V_PK_SUB_U16 => either(|a, b| each(u16::wrapping_sub, a, b), |a, b| each(u16::saturating_sub, a, b));
    V_PK_ADD_I16 => either(|a, b| signed(i16::wrapping_add, a, b), |a, b| signed(i16::saturating_add, a, b));
    V_PK_SUB_I16 => either(|a, b| signed(i16::wrapping_sub, a, b), |a, b| signed(i16::saturating_sub, a, b));
    V_PK_MUL_LO_U16 => two(|a, b| each(u16::wrapping_mul, a, b));
    V_PK_MIN_U16 => two(|a, b| each(u16::min, a, b));
    V_PK_MAX_U16 => two(|a, b| each(u16::max, a, b));
    V_PK_MIN_I16 => two(|a, b| signed(i16::min, a, b));
    V_PK_MAX_I16 => two(|a, b| signed(i16::max, a, b));
    V_PK_LSHLREV_B16 => two(|a, b| each(|a, b| b << (a & 15), a, b));
    V_PK_LSHRREV_B16 => two(|a, b| each(|a, b| b >> (a & 15), a, b));
    V_PK_ASHRREV_I16 => two(|a, b| signed(|a, b| b >> (a & 15), a, b));
    V_PK_MAD_U16 => three_in(|i, a: Pair, b: Pair, c: Pair| [mad_u16(i, a[0], b[0], c[0]), mad_u16(i, a[1], b[1], c[1])]);
    V_PK_MAD_I16 => three_in(|i, a: Pair, b: Pair, c: Pair| {
        let mad = |n: usize| mad_i16(i, a[n] as i16, b[n] as i16, c[n] as i16) as u16;
        [mad(0), mad(1)]
    });
}
