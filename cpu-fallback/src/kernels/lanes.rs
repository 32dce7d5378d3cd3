//! The order of every reduction in this room, defined once.
//!
//! Floating-point addition is not associative, so whoever wants the same bits from scalar, AVX2 and AVX-512 code must fix
//! one order and write all three to it. Ours, for floats: element `i` of a row belongs to lane `i % 16`; a lane adds its
//! elements in ascending order, each with one fused multiply-add; at the end the sixteen lanes are added as a tree, lane
//! `l` with lane `l + 8`, then `l + 4`, `l + 2`, `l + 1`. One AVX-512 register, two AVX2 registers and `[f32; 16]` all hold
//! it. For blocks of integers see [`super::blocks`]: eight lanes, and the same tree without its first step.
//!
//! Error bound: an element passes at most `ceil(n / 16)` roundings in its lane and 4 in the tree, so a dot product over `n`
//! elements differs from the exact one by at most `(ceil(n / 16) + 4) * 2^-24 * sum |w x|` to first order: one sixteenth
//! of what a single running sum may lose.

use core::arch::x86_64::*;

/// Partial sums that a reduction keeps.
pub(crate) const LANES: usize = 16;

/// Adds the lanes in the order that the module describes.
pub(crate) fn tree<const N: usize>(mut lanes: [f32; N]) -> f32 {
    let mut half = N / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// [`tree`] of lanes in two registers.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn tree_avx2(low: __m256, high: __m256) -> f32 {
    tree_of_eight(_mm256_add_ps(low, high))
}

/// [`tree`] of eight lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn tree_of_eight(eight: __m256) -> f32 {
    let four = _mm_add_ps(
        _mm256_castps256_ps128(eight),
        _mm256_extractf128_ps::<1>(eight),
    );
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    let one = _mm_add_ss(two, _mm_movehdup_ps(two));
    _mm_cvtss_f32(one)
}

/// [`tree`] of lanes in one register.
#[inline]
#[target_feature(enable = "avx512f,avx2")]
pub(super) fn tree_avx512(lanes: __m512) -> f32 {
    let high = _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(lanes));
    tree_avx2(_mm512_castps512_ps256(lanes), _mm256_castpd_ps(high))
}

/// Two registers as the sixteen lanes that they are.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn lanes_avx2(low: __m256, high: __m256) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    // SAFETY: the array holds two registers' worth of f32; the stores need no alignment.
    unsafe {
        _mm256_storeu_ps(lanes.as_mut_ptr(), low);
        _mm256_storeu_ps(lanes.as_mut_ptr().add(8), high);
    }
    lanes
}

/// A register as the sixteen lanes that it is.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn lanes_avx512(register: __m512) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    // SAFETY: the array holds one register's worth of f32; the store needs no alignment.
    unsafe { _mm512_storeu_ps(lanes.as_mut_ptr(), register) };
    lanes
}

/// Sum of the squares, in lanes; multiplication and addition are rounded apart here.
pub(crate) fn sum_of_squares(values: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    for step in values.chunks(LANES) {
        for (lane, value) in lanes.iter_mut().zip(step) {
            *lane += value * value;
        }
    }
    tree(lanes)
}

/// Sum, in lanes.
pub(crate) fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    for step in values.chunks(LANES) {
        for (lane, value) in lanes.iter_mut().zip(step) {
            *lane += value;
        }
    }
    tree(lanes)
}

/// Largest of the values, `f32::NEG_INFINITY` if there is none.
pub(crate) fn maximum(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for step in values.chunks(LANES) {
        for (lane, &value) in lanes.iter_mut().zip(step) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}
