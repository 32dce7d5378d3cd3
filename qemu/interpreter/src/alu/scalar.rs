//! The scalar ALU: results and SCC.
//!
//! Values of 32 bits stand in the low half of an operand, the high half is 0. A line's function is one of a few shapes: of
//! one source or two, of 32 or 64 bits, with SCC set to "the result is not zero" ([`logic`]) or untouched ([`plain`]).

use gfx1100_isa::Op;

use super::bits::leading_signs;
use super::{Scalar, ScalarArgs};

/// A result; SCC is untouched.
fn plain(x: &mut ScalarArgs, f: impl Fn(u64, u64) -> u64) {
    x.d = f(x.a, x.b);
}

/// A result of 32 bits; SCC is untouched.
fn plain32(x: &mut ScalarArgs, f: impl Fn(u32, u32) -> u32) {
    x.d = f(x.a as u32, x.b as u32).into();
}

/// A result of 64 bits; SCC says that it is not zero.
fn logic64(x: &mut ScalarArgs, f: impl Fn(u64, u64) -> u64) {
    x.d = f(x.a, x.b);
    x.scc = x.d != 0;
}

/// A result of 32 bits; SCC says that it is not zero.
fn logic(x: &mut ScalarArgs, f: impl Fn(u32, u32) -> u32) {
    logic64(x, |a, b| f(a as u32, b as u32).into());
}

/// A result of 32 bits and SCC.
fn with_scc<T: Into<u64>>(x: &mut ScalarArgs, f: impl Fn(&ScalarArgs, u32, u32) -> (T, bool)) {
    let (d, scc) = f(x, x.a as u32, x.b as u32);
    x.d = d.into();
    x.scc = scc;
}

/// A comparison of 32 bits.
fn compare(x: &mut ScalarArgs, f: impl Fn(u32, u32) -> bool) {
    x.scc = f(x.a as u32, x.b as u32);
}

/// A comparison of signed numbers.
fn compare_signed(x: &mut ScalarArgs, f: impl Fn(i32, i32) -> bool) {
    compare(x, |a, b| f(a as i32, b as i32));
}

/// A comparison of 64 bits.
fn compare64(x: &mut ScalarArgs, f: impl Fn(u64, u64) -> bool) {
    x.scc = f(x.a, x.b);
}

/// A comparison of an unsigned number with the immediate, which is not sign-extended here.
fn compare_immediate(x: &mut ScalarArgs, f: impl Fn(u32, u32) -> bool) {
    compare(x, |a, b| f(a, b & 0xffff));
}

/// The chosen one; SCC says whether it is the first.
fn choose<T>(x: &mut ScalarArgs, part: impl Fn(u64) -> T, first: impl Fn(&T, &T) -> bool) {
    x.scc = first(&part(x.a), &part(x.b));
    x.d = if x.scc { x.a } else { x.b };
}

/// The result is the old EXEC, all of it; SCC says that the new one is not zero.
fn save_exec64(x: &mut ScalarArgs, f: impl Fn(u64, u64) -> u64) {
    x.d = x.exec;
    x.exec = f(x.a, x.exec);
    x.scc = x.exec != 0;
}

/// As [`save_exec64`], of `exec_lo`; `exec_hi` is untouched.
fn save_exec(x: &mut ScalarArgs, f: impl Fn(u32, u32) -> u32) {
    let (old, high) = (x.exec as u32, x.exec & !0xffff_ffff);
    let new = f(x.a as u32, old);
    x.d = old.into();
    x.exec = high | u64::from(new);
    x.scc = new != 0;
}

/// The result is the new EXEC.
fn write_exec64(x: &mut ScalarArgs, f: impl Fn(u64, u64) -> u64) {
    save_exec64(x, f);
    x.d = x.exec;
}

/// The result is the new `exec_lo`.
fn write_exec(x: &mut ScalarArgs, f: impl Fn(u32, u32) -> u32) {
    save_exec(x, f);
    x.d = x.exec & 0xffff_ffff;
}

macro_rules! table {
    ($($($op:ident)|+ => $shape:ident($($argument:tt)*);)*) => {
        /// The function of a scalar ALU instruction.
        pub(super) fn scalar(op: Op) -> Option<Scalar> {
            Some(match op {
                $($(Op::$op)|+ => |x: &mut ScalarArgs| $shape(x, $($argument)*),)*
                _ => return None,
            })
        }
    };
}

table! {
    S_ADD_U32 => with_scc(|_, a, b| a.overflowing_add(b));
    S_SUB_U32 => with_scc(|_, a, b| a.overflowing_sub(b));
    S_ADD_I32 => with_scc(|_, a, b| signed((a as i32).overflowing_add(b as i32)));
    S_SUB_I32 => with_scc(|_, a, b| signed((a as i32).overflowing_sub(b as i32)));
    S_ADDK_I32 => add_immediate();
    S_ADDC_U32 => with_scc(|x, a, b| carried(i64::from(a) + i64::from(b) + i64::from(x.scc)));
    S_SUBB_U32 => with_scc(|x, a, b| carried(i64::from(a) - i64::from(b) - i64::from(x.scc)));
    S_LSHL1_ADD_U32 => with_scc(|_, a, b| carried((i64::from(a) << 1) + i64::from(b)));
    S_LSHL2_ADD_U32 => with_scc(|_, a, b| carried((i64::from(a) << 2) + i64::from(b)));
    S_LSHL3_ADD_U32 => with_scc(|_, a, b| carried((i64::from(a) << 3) + i64::from(b)));
    S_LSHL4_ADD_U32 => with_scc(|_, a, b| carried((i64::from(a) << 4) + i64::from(b)));
    S_ABSDIFF_I32 => logic(|a, b| (a.wrapping_sub(b) as i32).unsigned_abs());
    S_MIN_I32 => choose(|a| a as i32, |a, b| a < b);
    S_MIN_U32 => choose(|a| a as u32, |a, b| a < b);
    S_MAX_I32 => choose(|a| a as i32, |a, b| a >= b);
    S_MAX_U32 => choose(|a| a as u32, |a, b| a >= b);
    S_LSHL_B32 => logic(|a, b| a << (b & 31));
    S_LSHL_B64 => logic64(|a, b| a << (b & 63));
    S_LSHR_B32 => logic(|a, b| a >> (b & 31));
    S_LSHR_B64 => logic64(|a, b| a >> (b & 63));
    S_ASHR_I32 => logic(|a, b| (a as i32 >> (b & 31)) as u32);
    S_ASHR_I64 => logic64(|a, b| (a as i64 >> (b & 63)) as u64);
    S_AND_B32 | S_AND_B64 => logic64(|a, b| a & b);
    S_OR_B32 | S_OR_B64 => logic64(|a, b| a | b);
    S_XOR_B32 | S_XOR_B64 => logic64(|a, b| a ^ b);
    S_NAND_B32 => logic(|a, b| !(a & b));
    S_NAND_B64 => logic64(|a, b| !(a & b));
    S_NOR_B32 => logic(|a, b| !(a | b));
    S_NOR_B64 => logic64(|a, b| !(a | b));
    S_XNOR_B32 => logic(|a, b| !(a ^ b));
    S_XNOR_B64 => logic64(|a, b| !(a ^ b));
    S_AND_NOT1_B32 | S_AND_NOT1_B64 => logic64(|a, b| a & !b);
    S_OR_NOT1_B32 => logic(|a, b| a | !b);
    S_OR_NOT1_B64 => logic64(|a, b| a | !b);
    S_NOT_B32 => logic(|a, _| !a);
    S_NOT_B64 => logic64(|a, _| !a);
    S_BFE_U32 => logic(|a, b| bfe(u64::from(a >> (b & 31)), b) as u32);
    S_BFE_I32 => logic(|a, b| bfe_signed(i64::from(a as i32 >> (b & 31)), b, 32) as u32);
    S_BFE_U64 => logic64(|a, b| bfe(a >> (b & 63), b as u32));
    S_BFE_I64 => logic64(|a, b| bfe_signed(a as i64 >> (b & 63), b as u32, 64) as u64);
    S_BFM_B32 => plain32(|a, b| ((1 << (a & 31)) - 1) << (b & 31));
    S_BFM_B64 => plain(|a, b| ((1 << (a & 63)) - 1) << (b & 63));
    S_MUL_I32 => plain32(u32::wrapping_mul);
    S_MULK_I32 => multiply_immediate();
    S_MUL_HI_U32 => plain(|a, b| (a * b) >> 32);
    S_MUL_HI_I32 => plain32(|a, b| ((i64::from(a as i32) * i64::from(b as i32)) >> 32) as u32);
    S_CSELECT_B32 | S_CSELECT_B64 => select();
    S_PACK_LL_B32_B16 => plain32(|a, b| a & 0xffff | b << 16);
    S_PACK_LH_B32_B16 => plain32(|a, b| a & 0xffff | b & 0xffff_0000);
    S_PACK_HH_B32_B16 => plain32(|a, b| a >> 16 | b & 0xffff_0000);
    S_PACK_HL_B32_B16 => plain32(|a, b| a >> 16 | b << 16);
    S_MOV_B32 | S_MOV_B64 => plain(|a, _| a);
    S_MOVK_I32 => plain(|_, b| b & 0xffff_ffff);
    S_CMOV_B32 | S_CMOV_B64 => move_if(|x| x.a);
    S_CMOVK_I32 => move_if(|x| x.b & 0xffff_ffff);
    S_BREV_B32 => plain32(|a, _| a.reverse_bits());
    S_BREV_B64 => plain(|a, _| a.reverse_bits());
    S_CTZ_I32_B32 => plain32(|a, _| if a == 0 { u32::MAX } else { a.trailing_zeros() });
    S_CTZ_I32_B64 => plain(|a, _| if a == 0 { 0xffff_ffff } else { a.trailing_zeros().into() });
    S_CLZ_I32_U32 => plain32(|a, _| if a == 0 { u32::MAX } else { a.leading_zeros() });
    S_CLZ_I32_U64 => plain(|a, _| if a == 0 { 0xffff_ffff } else { a.leading_zeros().into() });
    S_CLS_I32 => plain32(|a, _| leading_signs(i64::from(a as i32), 32));
    S_CLS_I32_I64 => plain(|a, _| leading_signs(a as i64, 64).into());
    S_SEXT_I32_I8 => plain32(|a, _| a as u8 as i8 as u32);
    S_SEXT_I32_I16 => plain32(|a, _| a as u16 as i16 as u32);
    S_BITSET0_B32 => set_bit(31, false);
    S_BITSET0_B64 => set_bit(63, false);
    S_BITSET1_B32 => set_bit(31, true);
    S_BITSET1_B64 => set_bit(63, true);
    S_BITREPLICATE_B64_B32 => plain(|a, _| (0..32).fold(0, |bits, n| bits | ((a >> n & 1) * 3) << (2 * n)));
    S_ABS_I32 => logic(|a, _| (a as i32).unsigned_abs());
    S_BCNT0_I32_B32 => logic(|a, _| a.count_zeros());
    S_BCNT0_I32_B64 => logic64(|a, _| a.count_zeros().into());
    S_BCNT1_I32_B32 => logic(|a, _| a.count_ones());
    S_BCNT1_I32_B64 => logic64(|a, _| a.count_ones().into());
    S_QUADMASK_B32 | S_QUADMASK_B64 => logic64(|a, _| quads(a, |quad| 1 << quad));
    S_WQM_B32 | S_WQM_B64 => logic64(|a, _| quads(a, |quad| 15 << (4 * quad)));
    S_AND_SAVEEXEC_B32 => save_exec(|a, exec| a & exec);
    S_AND_SAVEEXEC_B64 => save_exec64(|a, exec| a & exec);
    S_OR_SAVEEXEC_B32 => save_exec(|a, exec| a | exec);
    S_OR_SAVEEXEC_B64 => save_exec64(|a, exec| a | exec);
    S_XOR_SAVEEXEC_B32 => save_exec(|a, exec| a ^ exec);
    S_XOR_SAVEEXEC_B64 => save_exec64(|a, exec| a ^ exec);
    S_NAND_SAVEEXEC_B32 => save_exec(|a, exec| !(a & exec));
    S_NAND_SAVEEXEC_B64 => save_exec64(|a, exec| !(a & exec));
    S_NOR_SAVEEXEC_B32 => save_exec(|a, exec| !(a | exec));
    S_NOR_SAVEEXEC_B64 => save_exec64(|a, exec| !(a | exec));
    S_XNOR_SAVEEXEC_B32 => save_exec(|a, exec| !(a ^ exec));
    S_XNOR_SAVEEXEC_B64 => save_exec64(|a, exec| !(a ^ exec));
    S_AND_NOT0_SAVEEXEC_B32 => save_exec(|a, exec| !a & exec);
    S_AND_NOT0_SAVEEXEC_B64 => save_exec64(|a, exec| !a & exec);
    S_OR_NOT0_SAVEEXEC_B32 => save_exec(|a, exec| !a | exec);
    S_OR_NOT0_SAVEEXEC_B64 => save_exec64(|a, exec| !a | exec);
    S_AND_NOT1_SAVEEXEC_B32 => save_exec(|a, exec| a & !exec);
    S_AND_NOT1_SAVEEXEC_B64 => save_exec64(|a, exec| a & !exec);
    S_OR_NOT1_SAVEEXEC_B32 => save_exec(|a, exec| a | !exec);
    S_OR_NOT1_SAVEEXEC_B64 => save_exec64(|a, exec| a | !exec);
    S_AND_NOT0_WREXEC_B32 => write_exec(|a, exec| !a & exec);
    S_AND_NOT0_WREXEC_B64 => write_exec64(|a, exec| !a & exec);
    S_AND_NOT1_WREXEC_B32 => write_exec(|a, exec| a & !exec);
    S_AND_NOT1_WREXEC_B64 => write_exec64(|a, exec| a & !exec);
    S_CMP_EQ_I32 | S_CMP_EQ_U32 | S_CMPK_EQ_I32 => compare(|a, b| a == b);
    S_CMP_LG_I32 | S_CMP_LG_U32 | S_CMPK_LG_I32 => compare(|a, b| a != b);
    S_CMP_GT_I32 | S_CMPK_GT_I32 => compare_signed(|a, b| a > b);
    S_CMP_GE_I32 | S_CMPK_GE_I32 => compare_signed(|a, b| a >= b);
    S_CMP_LT_I32 | S_CMPK_LT_I32 => compare_signed(|a, b| a < b);
    S_CMP_LE_I32 | S_CMPK_LE_I32 => compare_signed(|a, b| a <= b);
    S_CMP_GT_U32 => compare(|a, b| a > b);
    S_CMP_GE_U32 => compare(|a, b| a >= b);
    S_CMP_LT_U32 => compare(|a, b| a < b);
    S_CMP_LE_U32 => compare(|a, b| a <= b);
    S_CMPK_EQ_U32 => compare_immediate(|a, b| a == b);
    S_CMPK_LG_U32 => compare_immediate(|a, b| a != b);
    S_CMPK_GT_U32 => compare_immediate(|a, b| a > b);
    S_CMPK_GE_U32 => compare_immediate(|a, b| a >= b);
    S_CMPK_LT_U32 => compare_immediate(|a, b| a < b);
    S_CMPK_LE_U32 => compare_immediate(|a, b| a <= b);
    S_CMP_EQ_U64 => compare64(|a, b| a == b);
    S_CMP_LG_U64 => compare64(|a, b| a != b);
    S_BITCMP0_B32 => compare64(|a, b| a >> (b & 31) & 1 == 0);
    S_BITCMP1_B32 => compare64(|a, b| a >> (b & 31) & 1 == 1);
    S_BITCMP0_B64 => compare64(|a, b| a >> (b & 63) & 1 == 0);
    S_BITCMP1_B64 => compare64(|a, b| a >> (b & 63) & 1 == 1);
}

fn signed((value, overflow): (i32, bool)) -> (u32, bool) {
    (value as u32, overflow)
}

/// The low 32 bits, and whether there is more.
fn carried(wide: i64) -> (u32, bool) {
    (wide as u32, wide >> 32 != 0)
}

fn add_immediate(x: &mut ScalarArgs) {
    let (sum, overflow) = (x.d as i32).overflowing_add(x.b as i32);
    x.d = (sum as u32).into();
    x.scc = overflow;
}

fn multiply_immediate(x: &mut ScalarArgs) {
    x.d = (x.d as u32).wrapping_mul(x.b as u32).into();
}

fn select(x: &mut ScalarArgs) {
    x.d = if x.scc { x.a } else { x.b };
}

fn move_if(x: &mut ScalarArgs, value: impl Fn(&ScalarArgs) -> u64) {
    if x.scc {
        x.d = value(x);
    }
}

fn set_bit(x: &mut ScalarArgs, last: u64, value: bool) {
    let bit = 1 << (x.a & last);
    x.d = if value { x.d | bit } else { x.d & !bit };
}

/// The width of a bit field: bits 22:16.
fn width(b: u32) -> u32 {
    b >> 16 & 0x7f
}

fn bfe(shifted: u64, b: u32) -> u64 {
    let mask = 1_u64.checked_shl(width(b)).map_or(u64::MAX, |bit| bit - 1);
    shifted & mask
}

/// The field, its highest bit extended; an empty field is 0.
fn bfe_signed(shifted: i64, b: u32, bits: u32) -> i64 {
    match width(b).min(bits) {
        0 => 0,
        width => shifted << (64 - width) >> (64 - width),
    }
}

/// What the groups of four bits that are not all zero contribute.
fn quads(a: u64, contribution: impl Fn(u32) -> u64) -> u64 {
    let quads = (0..16).filter(|quad| a >> (4 * quad) & 15 != 0);
    quads.fold(0, |bits, quad| bits | contribution(quad))
}
