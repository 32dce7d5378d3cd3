//! Integer arithmetic: 16, 24, 32 and 64 bits, carries, saturation.

use gfx1100_isa::Op;

use super::lift::{carry, either, flagged, hot, table, three, three_in, two};
use super::{Inputs, Outputs, Vector};

hot! {
    V_ADD_NC_U32 => either(u32::wrapping_add, u32::saturating_add);
    V_SUB_NC_U32 => either(u32::wrapping_sub, u32::saturating_sub);
    V_SUBREV_NC_U32 => either(|a: u32, b| b.wrapping_sub(a), |a, b| b.saturating_sub(a));
    V_MIN_I32 => two(|a: i32, b: i32| a.min(b));
    V_MAX_I32 => two(|a: i32, b: i32| a.max(b));
    V_MIN_U32 => two(|a: u32, b: u32| a.min(b));
    V_MAX_U32 => two(|a: u32, b: u32| a.max(b));
    V_MUL_LO_U32 => two(u32::wrapping_mul);
    V_MUL_HI_U32 => two(|a: u32, b: u32| ((u64::from(a) * u64::from(b)) >> 32) as u32);
    V_MUL_U32_U24 => two(|a, b| low_24(a).wrapping_mul(low_24(b)));
    V_MUL_I32_I24 => two(|a, b| signed_24(a).wrapping_mul(signed_24(b)));
    V_MAD_U32_U24 => three_in(|i, a, b, c: u32| {
        let wide = u64::from(low_24(a)) * u64::from(low_24(b)) + u64::from(c);
        if i.clamp { wide.min(u64::from(u32::MAX)) as u32 } else { wide as u32 }
    });
    V_MAD_I32_I24 => three_in(|i, a, b, c: i32| saturated(i, i64::from(signed_24(a)) * i64::from(signed_24(b)) + i64::from(c)));
    V_ADD3_U32 => three(|a: u32, b: u32, c| a.wrapping_add(b).wrapping_add(c));
    V_LSHL_ADD_U32 => three(|a: u32, b: u32, c| (a << (b & 31)).wrapping_add(c));
    V_ADD_LSHL_U32 => three(|a: u32, b: u32, c: u32| a.wrapping_add(b) << (c & 31));
    V_XAD_U32 => three(|a: u32, b: u32, c: u32| (a ^ b).wrapping_add(c));
    V_ADD_CO_U32 => carry(|a, b, _| a.overflowing_add(b), u32::MAX);
    V_ADD_CO_CI_U32 => carry(|a, b, carry| a.carrying(b, carry), u32::MAX);
    V_MED3_I32 => three(|a: i32, b, c| median(a, b, c));
    V_MED3_U32 => three(|a: u32, b, c| median(a, b, c));
    V_MIN3_I32 => three(|a: i32, b, c| a.min(b).min(c));
    V_MIN3_U32 => three(|a: u32, b, c| a.min(b).min(c));
    V_MAX3_I32 => three(|a: i32, b, c| a.max(b).max(c));
    V_MAX3_U32 => three(|a: u32, b, c| a.max(b).max(c));
}

table! {
    V_SUB_CO_U32 => carry(|a, b, _| a.overflowing_sub(b), 0);
    V_SUBREV_CO_U32 => carry(|a, b, _| b.overflowing_sub(a), 0);
    V_SUB_CO_CI_U32 => carry(|a, b, borrow| a.borrowing(b, borrow), 0);
    V_SUBREV_CO_CI_U32 => carry(|a, b, borrow| b.borrowing(a, borrow), 0);
    V_ADD_NC_I32 => either(i32::wrapping_add, i32::saturating_add);
    V_SUB_NC_I32 => either(i32::wrapping_sub, i32::saturating_sub);
    V_MUL_HI_I32 => two(|a: i32, b: i32| ((i64::from(a) * i64::from(b)) >> 32) as i32);
    V_MUL_HI_U32_U24 => two(|a, b| ((u64::from(low_24(a)) * u64::from(low_24(b))) >> 32) as u32);
    V_MUL_HI_I32_I24 => two(|a, b| ((i64::from(signed_24(a)) * i64::from(signed_24(b))) >> 32) as i32);
    V_MAD_U64_U32 => flagged(|i, a: u32, b: u32, c: u64| {
        let (sum, over) = (u64::from(a) * u64::from(b)).overflowing_add(c);
        (if over && i.clamp { u64::MAX } else { sum }, over)
    });
    V_MAD_I64_I32 => flagged(mad_i64);
    V_MAXMIN_U32 => three(|a: u32, b, c| a.max(b).min(c));
    V_MINMAX_U32 => three(|a: u32, b, c| a.min(b).max(c));
    V_MAXMIN_I32 => three(|a: i32, b, c| a.max(b).min(c));
    V_MINMAX_I32 => three(|a: i32, b, c| a.min(b).max(c));
    V_ADD_NC_U16 => either(u16::wrapping_add, u16::saturating_add);
    V_SUB_NC_U16 => either(u16::wrapping_sub, u16::saturating_sub);
    V_ADD_NC_I16 => either(i16::wrapping_add, i16::saturating_add);
    V_SUB_NC_I16 => either(i16::wrapping_sub, i16::saturating_sub);
    V_MUL_LO_U16 => two(u16::wrapping_mul);
    V_MAD_U16 => three_in(mad_u16);
    V_MAD_I16 => three_in(mad_i16);
    V_MAD_U32_U16 => three_in(|i, a: u16, b: u16, c: u32| {
        let product = u32::from(a) * u32::from(b);
        if i.clamp { product.saturating_add(c) } else { product.wrapping_add(c) }
    });
    V_MAD_I32_I16 => three_in(|i, a: i16, b: i16, c: i32| saturated(i, i64::from(a) * i64::from(b) + i64::from(c)));
    V_MIN_U16 => two(|a: u16, b: u16| a.min(b));
    V_MAX_U16 => two(|a: u16, b: u16| a.max(b));
    V_MIN_I16 => two(|a: i16, b: i16| a.min(b));
    V_MAX_I16 => two(|a: i16, b: i16| a.max(b));
    V_MIN3_U16 => three(|a: u16, b, c| a.min(b).min(c));
    V_MAX3_U16 => three(|a: u16, b, c| a.max(b).max(c));
    V_MED3_U16 => three(|a: u16, b, c| median(a, b, c));
    V_MIN3_I16 => three(|a: i16, b, c| a.min(b).min(c));
    V_MAX3_I16 => three(|a: i16, b, c| a.max(b).max(c));
    V_MED3_I16 => three(|a: i16, b, c| median(a, b, c));
    V_SAD_U8 => three_in(|i, a, b, c| accumulated(i, sad_u8(a, b), c));
    V_SAD_HI_U8 => three_in(|i, a, b, c| accumulated(i, sad_u8(a, b) << 16, c));
    V_SAD_U16 => three_in(|i, a: [u16; 2], b: [u16; 2], c| {
        accumulated(i, u32::from(a[0].abs_diff(b[0])) + u32::from(a[1].abs_diff(b[1])), c)
    });
    V_SAD_U32 => three_in(|i, a: u32, b: u32, c| accumulated(i, a.abs_diff(b), c));
    V_MSAD_U8 => three_in(|i, a, b, c| accumulated(i, masked_sad_u8(a, b), c));
    V_QSAD_PK_U16_U8 => three_in(|i, a, b, c| packed_sad(i, sad_u8, a, b, c));
    V_MQSAD_PK_U16_U8 => three_in(|i, a, b, c| packed_sad(i, masked_sad_u8, a, b, c));
    V_LERP_U8 => three(lerp_u8);
}

/// Sums with a carry, which the standard library does not have on all channels.
trait Carrying: Sized {
    fn carrying(self, other: Self, carry: bool) -> (Self, bool);
    fn borrowing(self, other: Self, borrow: bool) -> (Self, bool);
}

impl Carrying for u32 {
    #[inline(always)]
    fn carrying(self, other: Self, carry: bool) -> (Self, bool) {
        let wide = u64::from(self) + u64::from(other) + u64::from(carry);
        (wide as Self, wide >> 32 != 0)
    }

    #[inline(always)]
    fn borrowing(self, other: Self, borrow: bool) -> (Self, bool) {
        let wide = i64::from(self) - i64::from(other) - i64::from(borrow);
        (wide as Self, wide < 0)
    }
}

#[inline(always)]
fn low_24(a: u32) -> u32 {
    a & 0xff_ffff
}

#[inline(always)]
fn signed_24(a: i32) -> i32 {
    a << 8 >> 8
}

#[inline(always)]
fn median<T: Ord + Copy>(a: T, b: T, c: T) -> T {
    a.min(b).max(a.max(b).min(c))
}

/// The low 32 bits, or with clamp the nearest i32.
#[inline(always)]
pub(super) fn saturated(i: &Inputs<'_>, wide: i64) -> i32 {
    if i.clamp {
        wide.clamp(i32::MIN.into(), i32::MAX.into()) as i32
    } else {
        wide as i32
    }
}

/// The sum, or with clamp the largest u32 if it is larger.
#[inline(always)]
fn accumulated(i: &Inputs<'_>, a: u32, b: u32) -> u32 {
    if i.clamp {
        a.saturating_add(b)
    } else {
        a.wrapping_add(b)
    }
}

#[inline(always)]
pub(super) fn mad_u16(i: &Inputs<'_>, a: u16, b: u16, c: u16) -> u16 {
    // At most 0xffff * 0xffff + 0xffff: no overflow.
    let wide = u32::from(a) * u32::from(b) + u32::from(c);
    if i.clamp {
        wide.min(0xffff) as u16
    } else {
        wide as u16
    }
}

#[inline(always)]
pub(super) fn mad_i16(i: &Inputs<'_>, a: i16, b: i16, c: i16) -> i16 {
    let wide = i32::from(a) * i32::from(b) + i32::from(c);
    if i.clamp {
        wide.clamp(i16::MIN.into(), i16::MAX.into()) as i16
    } else {
        wide as i16
    }
}

/// The 65-bit sum: its low 64 bits and bit 64.
fn mad_i64(i: &Inputs<'_>, a: i32, b: i32, c: i64) -> (i64, bool) {
    let wide = i128::from(i64::from(a) * i64::from(b)) + i128::from(c);
    let result = if i.clamp {
        wide.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    } else {
        wide as i64
    };
    (result, wide >> 64 & 1 == 1)
}

/// Sum of the differences of four bytes.
fn sad_u8(a: u32, b: u32) -> u32 {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    (0..4)
        .map(|byte| u32::from(a[byte].abs_diff(b[byte])))
        .sum()
}

/// As [`sad_u8`], without the bytes where the second source, the reference, is zero.
fn masked_sad_u8(a: u32, b: u32) -> u32 {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    let difference = |byte: usize| match b[byte] {
        0 => 0,
        reference => u32::from(a[byte].abs_diff(reference)),
    };
    (0..4).map(difference).sum()
}

/// Sums of differences at four byte offsets of the first source.
fn offset_sads(sad: fn(u32, u32) -> u32, a: u64, b: u32) -> [u32; 4] {
    std::array::from_fn(|offset| sad((a >> (8 * offset)) as u32, b))
}

/// [`offset_sads`], each added to a word of 16 bits.
fn packed_sad(i: &Inputs<'_>, sad: fn(u32, u32) -> u32, a: u64, b: u32, c: u64) -> u64 {
    let sums = offset_sads(sad, a, b);
    (0..4).fold(0, |bits, word| {
        let sum = sums[word] + u32::from((c >> (16 * word)) as u16);
        let sum = if i.clamp {
            sum.min(0xffff)
        } else {
            sum & 0xffff
        };
        bits | u64::from(sum) << (16 * word)
    })
}

/// `v_mqsad_u32_u8`, the one instruction whose operands are wider than [`Inputs`] has room for: one lane of it.
#[must_use]
pub fn mqsad_u32_u8(a: u64, b: u32, c: [u32; 4], clamp: bool) -> [u32; 4] {
    let sums = offset_sads(masked_sad_u8, a, b);
    std::array::from_fn(|word| {
        if clamp {
            sums[word].saturating_add(c[word])
        } else {
            sums[word].wrapping_add(c[word])
        }
    })
}

/// The mean of two bytes, rounded up where bit 0 of the third source's byte says so.
fn lerp_u8(a: u32, b: u32, c: u32) -> u32 {
    let (a, b, c) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
    let mean = |byte: usize| {
        ((u16::from(a[byte]) + u16::from(b[byte]) + u16::from(c[byte] & 1)) >> 1) as u8
    };
    u32::from_le_bytes(std::array::from_fn(mean))
}
