//! Comparisons: a bit of a mask per lane. `v_cmpx` compares as `v_cmp` does, its mask is EXEC.

use gfx1100_isa::Op;

use super::lift::{compare, compare_not, hot, table};
use super::{Inputs, Outputs, Vector, half, ieee};

/// Whether one of them is a NaN.
#[inline(always)]
fn unordered<T: PartialOrd>(a: T, b: T) -> bool {
    a.partial_cmp(&b).is_none()
}

/// A comparison of f16, which f32 makes as well.
#[inline(always)]
fn halves(f: impl Fn(f32, f32) -> bool) -> impl Fn(u16, u16) -> bool {
    move |a, b| f(half::to_f32(a), half::to_f32(b))
}

hot! {
    V_CMP_LT_F32 | V_CMPX_LT_F32 => compare(|a: f32, b: f32| a < b);
    V_CMP_EQ_F32 | V_CMPX_EQ_F32 => compare(|a: f32, b: f32| a == b);
    V_CMP_LE_F32 | V_CMPX_LE_F32 => compare(|a: f32, b: f32| a <= b);
    V_CMP_GT_F32 | V_CMPX_GT_F32 => compare(|a: f32, b: f32| a > b);
    V_CMP_LG_F32 | V_CMPX_LG_F32 => compare(|a: f32, b| a != b && !unordered(a, b));
    V_CMP_GE_F32 | V_CMPX_GE_F32 => compare(|a: f32, b: f32| a >= b);
    V_CMP_O_F32 | V_CMPX_O_F32 => compare_not(unordered::<f32>);
    V_CMP_U_F32 | V_CMPX_U_F32 => compare(unordered::<f32>);
    V_CMP_NGE_F32 | V_CMPX_NGE_F32 => compare_not(|a: f32, b: f32| a >= b);
    V_CMP_NLG_F32 | V_CMPX_NLG_F32 => compare(|a: f32, b| a == b || unordered(a, b));
    V_CMP_NGT_F32 | V_CMPX_NGT_F32 => compare_not(|a: f32, b: f32| a > b);
    V_CMP_NLE_F32 | V_CMPX_NLE_F32 => compare_not(|a: f32, b: f32| a <= b);
    V_CMP_NEQ_F32 | V_CMPX_NEQ_F32 => compare(|a: f32, b: f32| a != b);
    V_CMP_NLT_F32 | V_CMPX_NLT_F32 => compare_not(|a: f32, b: f32| a < b);
    V_CMP_LT_I32 | V_CMPX_LT_I32 => compare(|a: i32, b: i32| a < b);
    V_CMP_EQ_I32 | V_CMPX_EQ_I32 | V_CMP_EQ_U32 | V_CMPX_EQ_U32 => compare(|a: u32, b: u32| a == b);
    V_CMP_LE_I32 | V_CMPX_LE_I32 => compare(|a: i32, b: i32| a <= b);
    V_CMP_GT_I32 | V_CMPX_GT_I32 => compare(|a: i32, b: i32| a > b);
    V_CMP_NE_I32 | V_CMPX_NE_I32 | V_CMP_NE_U32 | V_CMPX_NE_U32 => compare(|a: u32, b: u32| a != b);
    V_CMP_GE_I32 | V_CMPX_GE_I32 => compare(|a: i32, b: i32| a >= b);
    V_CMP_LT_U32 | V_CMPX_LT_U32 => compare(|a: u32, b: u32| a < b);
    V_CMP_LE_U32 | V_CMPX_LE_U32 => compare(|a: u32, b: u32| a <= b);
    V_CMP_GT_U32 | V_CMPX_GT_U32 => compare(|a: u32, b: u32| a > b);
    V_CMP_GE_U32 | V_CMPX_GE_U32 => compare(|a: u32, b: u32| a >= b);
}

table! {
    V_CMP_F_F16 | V_CMPX_F_F16 | V_CMP_F_F32 | V_CMPX_F_F32 | V_CMP_F_F64 | V_CMPX_F_F64 | V_CMP_F_I32 | V_CMPX_F_I32 | V_CMP_F_U32 | V_CMPX_F_U32 | V_CMP_F_I64 | V_CMPX_F_I64 | V_CMP_F_U64 | V_CMPX_F_U64 => compare(|_: u32, _: u32| false);
    V_CMP_T_F16 | V_CMPX_T_F16 | V_CMP_T_F32 | V_CMPX_T_F32 | V_CMP_T_F64 | V_CMPX_T_F64 | V_CMP_T_I32 | V_CMPX_T_I32 | V_CMP_T_U32 | V_CMPX_T_U32 | V_CMP_T_I64 | V_CMPX_T_I64 | V_CMP_T_U64 | V_CMPX_T_U64 => compare(|_: u32, _: u32| true);
    V_CMP_LT_F16 | V_CMPX_LT_F16 => compare(halves(|a, b| a < b));
    V_CMP_EQ_F16 | V_CMPX_EQ_F16 => compare(halves(|a, b| a == b));
    V_CMP_LE_F16 | V_CMPX_LE_F16 => compare(halves(|a, b| a <= b));
    V_CMP_GT_F16 | V_CMPX_GT_F16 => compare(halves(|a, b| a > b));
    V_CMP_LG_F16 | V_CMPX_LG_F16 => compare(halves(|a, b| a != b && !unordered(a, b)));
    V_CMP_GE_F16 | V_CMPX_GE_F16 => compare(halves(|a, b| a >= b));
    V_CMP_O_F16 | V_CMPX_O_F16 => compare_not(halves(unordered));
    V_CMP_U_F16 | V_CMPX_U_F16 => compare(halves(unordered));
    V_CMP_NGE_F16 | V_CMPX_NGE_F16 => compare_not(halves(|a, b| a >= b));
    V_CMP_NLG_F16 | V_CMPX_NLG_F16 => compare(halves(|a, b| a == b || unordered(a, b)));
    V_CMP_NGT_F16 | V_CMPX_NGT_F16 => compare_not(halves(|a, b| a > b));
    V_CMP_NLE_F16 | V_CMPX_NLE_F16 => compare_not(halves(|a, b| a <= b));
    V_CMP_NEQ_F16 | V_CMPX_NEQ_F16 => compare(halves(|a, b| a != b));
    V_CMP_NLT_F16 | V_CMPX_NLT_F16 => compare_not(halves(|a, b| a < b));
    V_CMP_LT_F64 | V_CMPX_LT_F64 => compare(|a: f64, b: f64| a < b);
    V_CMP_EQ_F64 | V_CMPX_EQ_F64 => compare(|a: f64, b: f64| a == b);
    V_CMP_LE_F64 | V_CMPX_LE_F64 => compare(|a: f64, b: f64| a <= b);
    V_CMP_GT_F64 | V_CMPX_GT_F64 => compare(|a: f64, b: f64| a > b);
    V_CMP_LG_F64 | V_CMPX_LG_F64 => compare(|a: f64, b| a != b && !unordered(a, b));
    V_CMP_GE_F64 | V_CMPX_GE_F64 => compare(|a: f64, b: f64| a >= b);
    V_CMP_O_F64 | V_CMPX_O_F64 => compare_not(unordered::<f64>);
    V_CMP_U_F64 | V_CMPX_U_F64 => compare(unordered::<f64>);
    V_CMP_NGE_F64 | V_CMPX_NGE_F64 => compare_not(|a: f64, b: f64| a >= b);
    V_CMP_NLG_F64 | V_CMPX_NLG_F64 => compare(|a: f64, b| a == b || unordered(a, b));
    V_CMP_NGT_F64 | V_CMPX_NGT_F64 => compare_not(|a: f64, b: f64| a > b);
    V_CMP_NLE_F64 | V_CMPX_NLE_F64 => compare_not(|a: f64, b: f64| a <= b);
    V_CMP_NEQ_F64 | V_CMPX_NEQ_F64 => compare(|a: f64, b: f64| a != b);
    V_CMP_NLT_F64 | V_CMPX_NLT_F64 => compare_not(|a: f64, b: f64| a < b);
    V_CMP_LT_I16 | V_CMPX_LT_I16 => compare(|a: i16, b: i16| a < b);
    V_CMP_LT_U16 | V_CMPX_LT_U16 => compare(|a: u16, b: u16| a < b);
    V_CMP_EQ_I16 | V_CMPX_EQ_I16 | V_CMP_EQ_U16 | V_CMPX_EQ_U16 => compare(|a: u16, b: u16| a == b);
    V_CMP_LE_I16 | V_CMPX_LE_I16 => compare(|a: i16, b: i16| a <= b);
    V_CMP_LE_U16 | V_CMPX_LE_U16 => compare(|a: u16, b: u16| a <= b);
    V_CMP_GT_I16 | V_CMPX_GT_I16 => compare(|a: i16, b: i16| a > b);
    V_CMP_GT_U16 | V_CMPX_GT_U16 => compare(|a: u16, b: u16| a > b);
    V_CMP_NE_I16 | V_CMPX_NE_I16 | V_CMP_NE_U16 | V_CMPX_NE_U16 => compare(|a: u16, b: u16| a != b);
    V_CMP_GE_I16 | V_CMPX_GE_I16 => compare(|a: i16, b: i16| a >= b);
    V_CMP_GE_U16 | V_CMPX_GE_U16 => compare(|a: u16, b: u16| a >= b);
    V_CMP_LT_I64 | V_CMPX_LT_I64 => compare(|a: i64, b: i64| a < b);
    V_CMP_LT_U64 | V_CMPX_LT_U64 => compare(|a: u64, b: u64| a < b);
    V_CMP_EQ_I64 | V_CMPX_EQ_I64 | V_CMP_EQ_U64 | V_CMPX_EQ_U64 => compare(|a: u64, b: u64| a == b);
    V_CMP_LE_I64 | V_CMPX_LE_I64 => compare(|a: i64, b: i64| a <= b);
    V_CMP_LE_U64 | V_CMPX_LE_U64 => compare(|a: u64, b: u64| a <= b);
    V_CMP_GT_I64 | V_CMPX_GT_I64 => compare(|a: i64, b: i64| a > b);
    V_CMP_GT_U64 | V_CMPX_GT_U64 => compare(|a: u64, b: u64| a > b);
    V_CMP_NE_I64 | V_CMPX_NE_I64 | V_CMP_NE_U64 | V_CMPX_NE_U64 => compare(|a: u64, b: u64| a != b);
    V_CMP_GE_I64 | V_CMPX_GE_I64 => compare(|a: i64, b: i64| a >= b);
    V_CMP_GE_U64 | V_CMPX_GE_U64 => compare(|a: u64, b: u64| a >= b);
    V_CMP_CLASS_F16 | V_CMPX_CLASS_F16 => compare(|a: u16, mask: u32| ieee::class(a, mask));
    V_CMP_CLASS_F32 | V_CMPX_CLASS_F32 => compare(|a: u32, mask: u32| ieee::class(a, mask));
    V_CMP_CLASS_F64 | V_CMPX_CLASS_F64 => compare(|a: u64, mask: u32| ieee::class(a, mask));
}
