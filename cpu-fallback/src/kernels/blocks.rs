//! Rows of blocks of 32 small integers with a common scale: Q8_0 and Q4_0.
//!
//! The activations are quantised in the same way (see [`quantise`]), so that a block's products are integers and their
//! sums exact. A block's 32 products give eight sums of four neighbours each; block `b` adds them, times both scales, to
//! lanes `8 * (b % 2) ..`: `lane[8 (b % 2) + j] = fma(d_w * d_x, sum_j, lane[..])`, then the tree of [`super::lanes`]. So an
//! AVX-512 register takes two blocks at a time.
//!
//! Error bound against the exact product of the quantised numbers: the product of the scales is rounded once, a lane
//! once per second block, the tree 4 times, thus `(ceil(n / 64) + 5) * 2^-24 * sum |d_w d_x sum_j|`. An activation is off by
//! at most half its block's scale, `max |x| / 254`, before that, and by 2^-11 of itself for rounding the scale to F16.

use core::arch::x86_64::*;

use super::lanes::{LANES, lanes_avx512, maximum, tree, tree_avx2, tree_avx512};
use super::{Panel, RowKernel, Sums, prefetch};
use crate::elementwise::round_to_f16;

/// Elements of a block.
pub(super) const BLOCK: usize = 32;

/// Sums that a block's products make, each of four neighbours: what one 32-bit element of `vpdpbusd` adds.
const BLOCK_SUMS: usize = 8;

/// How a block type is read. A block starts with its scale in F16.
pub(super) trait BlockRow {
    /// Bytes of a block.
    const BYTES: usize;
    /// What [`Self::biased`] adds to each quant, as a byte.
    const BIAS: i8;

    /// The quants of a block, in the order of the elements.
    fn quants(block: &[u8]) -> [i8; BLOCK];

    /// The quants of the block at `block`.
    ///
    /// # Safety
    /// The processor must execute the named features, and a whole block must be readable.
    unsafe fn signed(block: *const u8) -> __m256i;

    /// The quants of two blocks, made unsigned by adding [`Self::BIAS`] to each.
    ///
    /// # Safety
    /// The processor must execute the named features, and two whole blocks must be readable.
    unsafe fn biased(first: *const u8, second: *const u8) -> __m512i;
}

pub(super) const fn scalar_kernel<B: BlockRow>() -> RowKernel {
    RowKernel {
        rows: 1,
        tokens: 1,
        full: scalar::<B>,
        one_token: scalar::<B>,
        one: scalar::<B>,
    }
}

/// Four products of two registers each; the rest for the block at hand.
pub(super) const fn avx2_kernel<B: BlockRow>() -> RowKernel {
    RowKernel {
        rows: 2,
        tokens: 2,
        full: avx2::<B, 2, 2>,
        one_token: avx2::<B, 2, 1>,
        one: avx2::<B, 1, 1>,
    }
}

/// Sixteen products, quants and scales of four rows, and one token at a time: 27 of 32 registers.
pub(super) const fn avx512_kernel<B: BlockRow>() -> RowKernel {
    RowKernel {
        rows: 4,
        tokens: 4,
        full: avx512::<B, 4, 4>,
        one_token: avx512::<B, 4, 1>,
        one: avx512::<B, 1, 1>,
    }
}

fn scale(block: &[u8]) -> f32 {
    half::f16::from_le_bytes([block[0], block[1]]).to_f32()
}

/// Writes a row as f32.
pub(super) fn dequantise<B: BlockRow>(row: &[u8], out: &mut [f32]) {
    for (block, out) in row.chunks_exact(B::BYTES).zip(out.chunks_exact_mut(BLOCK)) {
        let scale = scale(block);
        for (out, quant) in out.iter_mut().zip(B::quants(block)) {
            *out = scale * f32::from(quant);
        }
    }
}

/// Quantises activations in blocks of 32: `scale = max |x| / 127`, `quant = x / scale` rounded to the nearest, ties to even;
/// then the scale is rounded to F16, as it is in a Q8_0 block, so that llama.cpp computes with the same numbers.
/// `quants` is as long as `x`, `scales` one for each block.
pub(crate) fn quantise(x: &[f32], quants: &mut [i8], scales: &mut [f32]) {
    /// Added and subtracted, it rounds a small f32 to an integer, and leaves that integer in the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    /// Below this the reciprocal of the scale could overflow; such a block counts as zero.
    const SMALLEST: f32 = 1e-30;

    let blocks = x.chunks_exact(BLOCK).zip(quants.chunks_exact_mut(BLOCK));
    for ((x, quants), scale) in blocks.zip(scales) {
        let mut magnitudes = [0.0; BLOCK];
        for (magnitude, x) in magnitudes.iter_mut().zip(x) {
            *magnitude = x.abs();
        }
        let largest = maximum(&magnitudes);
        let (forward, inverse) = if largest < SMALLEST {
            (0.0, 0.0)
        } else {
            (largest / 127.0, 127.0 / largest)
        };
        *scale = round_to_f16(forward);
        for (quant, x) in quants.iter_mut().zip(x) {
            *quant = (x * inverse + ROUND).to_bits() as i8;
        }
    }
}

/// Adds the blocks of `weights`, the first of which is the row's block number `first`, to their lanes.
fn steps<B: BlockRow>(lanes: &mut [f32; LANES], weights: &[u8], x: &[i8], scales: &[f32]) {
    let blocks = weights.chunks_exact(B::BYTES).zip(x.chunks_exact(BLOCK));
    for (b, ((block, x), x_scale)) in blocks.zip(scales).enumerate() {
        let both = scale(block) * x_scale;
        let quants = B::quants(block);
        let lanes = &mut lanes[b % 2 * BLOCK_SUMS..][..BLOCK_SUMS];
        for ((lane, w), x) in lanes.iter_mut().zip(quants.chunks(4)).zip(x.chunks(4)) {
            let mut sum = 0;
            for (&w, &x) in w.iter().zip(x) {
                sum += i32::from(w) * i32::from(x);
            }
            *lane = libm::fmaf(both, sum as f32, *lane);
        }
    }
}

/// The definition.
fn scalar<B: BlockRow>(weights: &[u8], panel: &Panel<'_>, token: usize, sums: &mut Sums) {
    let x = &panel.quants[token * panel.columns..][..panel.columns];
    let blocks = panel.columns / BLOCK;
    let mut lanes = [0.0; LANES];
    steps::<B>(
        &mut lanes,
        weights,
        x,
        &panel.scales[token * blocks..][..blocks],
    );
    sums[0] = tree(lanes);
}

/// Panics unless `R` rows and `T` tokens from `token` on are there, which is what the pointers below rely on.
fn check<B: BlockRow, const R: usize, const T: usize>(
    weights: &[u8],
    panel: &Panel<'_>,
    token: usize,
) {
    let blocks = panel.columns / BLOCK;
    assert!(weights.len() == R * blocks * B::BYTES);
    assert!(panel.quants.len() >= (token + T) * panel.columns);
    assert!(panel.scales.len() >= (token + T) * blocks);
}

#[target_feature(enable = "avx2,fma,f16c")]
fn avx2<B: BlockRow, const R: usize, const T: usize>(
    weights: &[u8],
    panel: &Panel<'_>,
    token: usize,
    sums: &mut Sums,
) {
    check::<B, R, T>(weights, panel, token);
    let blocks = panel.columns / BLOCK;
    let quants = &panel.quants[token * panel.columns..];
    let scales = &panel.scales[token * blocks..];
    // Even blocks in the low lanes, odd ones in the high.
    let mut lanes = [[[_mm256_setzero_ps(); R]; T]; 2];
    for b in 0..blocks {
        for r in 0..R {
            // SAFETY: `check` counted the bytes of `R` rows; `b < blocks`.
            let (w, w_scale) = unsafe {
                let block = weights.as_ptr().add((r * blocks + b) * B::BYTES);
                if T == 1 {
                    prefetch(block, weights.len());
                }
                (B::signed(block), scale_at(block))
            };
            // |w| is at most 128, so it fits in the unsigned operand, and pairs of its products with |x| <= 127 in 16 bits.
            let magnitude = _mm256_abs_epi8(w);
            for t in 0..T {
                // SAFETY: `check` counted quants and scales of `T` tokens; `b < blocks`.
                let (x, x_scale) = unsafe {
                    let x = quants.as_ptr().add((t * blocks + b) * BLOCK);
                    (
                        _mm256_loadu_si256(x.cast()),
                        *scales.as_ptr().add(t * blocks + b),
                    )
                };
                let pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(x, w));
                let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
                let lanes = &mut lanes[b % 2][t][r];
                let both = _mm256_set1_ps(w_scale * x_scale);
                *lanes = _mm256_fmadd_ps(both, _mm256_cvtepi32_ps(fours), *lanes);
            }
        }
    }
    for t in 0..T {
        for r in 0..R {
            sums[t * R + r] = tree_avx2(lanes[0][t][r], lanes[1][t][r]);
        }
    }
}

/// The scale of the block at `block`.
///
/// # Safety
/// Two bytes must be readable.
#[inline]
#[target_feature(enable = "avx2,f16c")]
unsafe fn scale_at(block: *const u8) -> f32 {
    // SAFETY: the caller vouches for two bytes.
    let bits = unsafe { block.cast::<u16>().read_unaligned() };
    _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(bits))))
}

#[expect(
    clippy::needless_range_loop,
    reason = "row and token index several arrays in step, as in the formula"
)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
fn avx512<B: BlockRow, const R: usize, const T: usize>(
    weights: &[u8],
    panel: &Panel<'_>,
    token: usize,
    sums: &mut Sums,
) {
    check::<B, R, T>(weights, panel, token);
    let blocks = panel.columns / BLOCK;
    let pairs = blocks / 2;
    let quants = &panel.quants[token * panel.columns..];
    let scales = &panel.scales[token * blocks..];
    let zero = _mm512_setzero_si512();
    let bias = _mm512_set1_epi8(B::BIAS);
    let mut lanes = [[_mm512_setzero_ps(); R]; T];
    for b in (0..2 * pairs).step_by(2) {
        let mut w = [zero; R];
        let mut w_scale = [_mm512_setzero_ps(); R];
        for r in 0..R {
            // SAFETY: `check` counted the bytes of `R` rows; `b + 1 < blocks`.
            unsafe {
                let first = weights.as_ptr().add((r * blocks + b) * B::BYTES);
                let second = first.add(B::BYTES);
                if T == 1 {
                    prefetch(first, weights.len());
                }
                w[r] = B::biased(first, second);
                w_scale[r] = scales_at(first, second);
            }
        }
        for t in 0..T {
            // SAFETY: `check` counted quants and scales of `T` tokens; `b + 1 < blocks`.
            let (x, x_scale) = unsafe {
                let x = quants.as_ptr().add((t * blocks + b) * BLOCK);
                let scales = scales.as_ptr().add(t * blocks + b);
                (_mm512_loadu_si512(x.cast()), spread(scales))
            };
            // The bias's share of each sum: bias times the sum of four activations.
            let excess = _mm512_dpbusd_epi32(zero, bias, x);
            let start = _mm512_sub_epi32(zero, excess);
            for r in 0..R {
                let fours = _mm512_cvtepi32_ps(_mm512_dpbusd_epi32(start, w[r], x));
                let both = _mm512_mul_ps(w_scale[r], x_scale);
                lanes[t][r] = _mm512_fmadd_ps(both, fours, lanes[t][r]);
            }
        }
    }
    for t in 0..T {
        for r in 0..R {
            sums[t * R + r] = if 2 * pairs == blocks {
                tree_avx512(lanes[t][r])
            } else {
                let mut lanes = lanes_avx512(lanes[t][r]);
                // The last block of an odd number stands alone; it belongs to the low lanes.
                let row = &weights[((r + 1) * blocks - 1) * B::BYTES..][..B::BYTES];
                let x = &quants[((t + 1) * blocks - 1) * BLOCK..][..BLOCK];
                steps::<B>(&mut lanes, row, x, &scales[(t + 1) * blocks - 1..]);
                tree(lanes)
            };
        }
    }
}

/// Two neighbouring scales, the first in the low and the second in the high eight lanes.
///
/// # Safety
/// Two f32 must be readable.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn spread(scales: *const f32) -> __m512 {
    // SAFETY: the caller vouches for two f32.
    let both = unsafe { scales.cast::<f64>().read_unaligned() };
    let both = _mm512_castpd_ps(_mm512_set1_pd(both));
    _mm512_permutevar_ps(both, halves())
}

/// 0 in the low eight lanes, 1 in the high.
#[inline]
#[target_feature(enable = "avx512f")]
fn halves() -> __m512i {
    _mm512_set_epi32(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0)
}

/// The scales of two blocks, the first in the low and the second in the high eight lanes.
///
/// # Safety
/// Two bytes must be readable at each.
#[inline]
#[target_feature(enable = "avx512f,f16c")]
unsafe fn scales_at(first: *const u8, second: *const u8) -> __m512 {
    // SAFETY: the caller vouches for two bytes at each.
    let (first, second) = unsafe {
        (
            first.cast::<u16>().read_unaligned(),
            second.cast::<u16>().read_unaligned(),
        )
    };
    let bits = i32::from(first) | i32::from(second) << 16;
    let both = _mm_cvtph_ps(_mm_cvtsi32_si128(bits));
    _mm512_permutexvar_ps(halves(), _mm512_castps128_ps512(both))
}
