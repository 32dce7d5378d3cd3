//! Moves, selection, logic, shifts, bit fields, bytes, counting.

use gfx1100_isa::Op;

use super::lift::{hot, one, table, three, two, two_at, two_if};
use super::{Inputs, Outputs, Vector};

hot! {
    V_MOV_B32 => one(|a: u32| a);
    V_CNDMASK_B32 => two_if(|condition, a: u32, b| if condition { b } else { a });
    V_AND_B32 => two(|a: u32, b: u32| a & b);
    V_OR_B32 => two(|a: u32, b: u32| a | b);
    V_XOR_B32 => two(|a: u32, b: u32| a ^ b);
    V_NOT_B32 => one(|a: u32| !a);
    V_LSHLREV_B32 => two(|a: u32, b: u32| b << (a & 31));
    V_LSHRREV_B32 => two(|a: u32, b: u32| b >> (a & 31));
    V_ASHRREV_I32 => two(|a: u32, b: i32| b >> (a & 31));
    V_BFE_U32 => three(|a: u32, offset: u32, width: u32| a >> (offset & 31) & low_bits(width & 31));
    V_BFE_I32 => three(bfe_i32);
    V_BFI_B32 => three(|a: u32, b: u32, c: u32| a & b | !a & c);
    V_ALIGNBIT_B32 => three(|a, b, c: u32| (pair(a, b) >> (c & 31)) as u32);
    V_ALIGNBYTE_B32 => three(|a, b, c: u32| (pair(a, b) >> (8 * (c & 3))) as u32);
    V_LSHL_OR_B32 => three(|a: u32, b: u32, c: u32| a << (b & 31) | c);
    V_AND_OR_B32 => three(|a: u32, b: u32, c: u32| a & b | c);
    V_OR3_B32 => three(|a: u32, b: u32, c: u32| a | b | c);
    V_XOR3_B32 => three(|a: u32, b: u32, c: u32| a ^ b ^ c);
    V_LSHLREV_B64 => two(|a: u32, b: u64| b << (a & 63));
    V_LSHRREV_B64 => two(|a: u32, b: u64| b >> (a & 63));
    V_ASHRREV_I64 => two(|a: u32, b: i64| b >> (a & 63));
    V_PERM_B32 => perm();
    V_PACK_B32_F16 => two(|a: u16, b: u16| [a, b]);
}

table! {
    V_MOV_B16 => one(|a: u16| a);
    V_NOT_B16 => one(|a: u16| !a);
    V_CNDMASK_B16 => two_if(|condition, a: u16, b| if condition { b } else { a });
    V_AND_B16 => two(|a: u16, b: u16| a & b);
    V_OR_B16 => two(|a: u16, b: u16| a | b);
    V_XOR_B16 => two(|a: u16, b: u16| a ^ b);
    V_LSHLREV_B16 => two(|a: u16, b: u16| b << (a & 15));
    V_LSHRREV_B16 => two(|a: u16, b: u16| b >> (a & 15));
    V_ASHRREV_I16 => two(|a: u16, b: i16| b >> (a & 15));
    V_XNOR_B32 => two(|a: u32, b: u32| !(a ^ b));
    V_BFM_B32 => two(|width: u32, offset: u32| low_bits(width & 31) << (offset & 31));
    V_BFREV_B32 => one(u32::reverse_bits);
    V_CLZ_I32_U32 => one(|a: u32| if a == 0 { u32::MAX } else { a.leading_zeros() });
    V_CTZ_I32_B32 => one(|a: u32| if a == 0 { u32::MAX } else { a.trailing_zeros() });
    V_CLS_I32 => one(|a: i32| leading_signs(i64::from(a), 32));
    V_BCNT_U32_B32 => two(|a: u32, b: u32| a.count_ones().wrapping_add(b));
    V_MBCNT_LO_U32_B32 => two_at(|lane, a: u32, b: u32| (a & low_bits(lane as u32)).count_ones().wrapping_add(b));
    // Lanes 32 and up: a wave of 32 has none, so no bit of the mask counts.
    V_MBCNT_HI_U32_B32 => two(|_: u32, b: u32| b);
    V_CVT_I32_I16 => one(|a: i16| i32::from(a));
    V_CVT_U32_U16 => one(|a: u16| u32::from(a));
}

/// A mask of the low `count` bits, up to 31.
#[inline(always)]
fn low_bits(count: u32) -> u32 {
    (1 << count) - 1
}

#[inline(always)]
fn pair(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// The field, its highest bit extended; an empty field is 0.
#[inline(always)]
fn bfe_i32(a: i32, offset: u32, width: u32) -> i32 {
    let (offset, width) = (offset & 31, width & 31);
    let field = (a >> offset) as u32 & low_bits(width);
    let sign = (1 << width) >> 1;
    (field ^ sign).wrapping_sub(sign) as i32
}

/// How often the sign bit of the `width` bits is repeated, itself included; -1 if all are alike.
pub(super) fn leading_signs(a: i64, width: u32) -> u32 {
    let different = a ^ a >> 63;
    if different == 0 {
        u32::MAX
    } else {
        different.leading_zeros() - (64 - width)
    }
}

/// Each byte of the selector names a byte of the pair: 0 to 7 one of them (0 the lowest of the second source), 8 to 11 the
/// sign of byte 1, 3, 5 or 7, 12 zero, 13 and up 0xff. Byte by byte rather than lane by lane, which makes plain vector loops.
#[inline(always)]
fn perm(i: &Inputs<'_>, o: &mut Outputs) {
    let mut results = [0; 32];
    for byte in 0..4 {
        for (lane, result) in results.iter_mut().enumerate() {
            let (a, b) = (i.low[0][lane], i.low[1][lane]);
            let select = i.low[2][lane] >> (8 * byte) & 0xff;
            let plain = if select & 4 == 0 { b } else { a } >> (8 * (select & 3)) & 0xff;
            let word = if select & 2 == 0 { b } else { a };
            let sign = (word >> (16 * (select & 1) + 15) & 1) * 0xff;
            let constant = if select == 12 { 0 } else { 0xff };
            let special = if select < 12 { sign } else { constant };
            *result |= if select < 8 { plain } else { special } << (8 * byte);
        }
    }
    o.low = results;
}
