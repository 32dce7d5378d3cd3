//! Rows of blocks of 32 small integers with a common scale: Q8_0 and Q4_0.
//!
//! The activations are quantised in the same way (see [`quantise`]), so that a block's products are integers and their
//! sums exact. A block's 32 products give eight sums of four neighbours each, one for each of eight lanes; a lane adds them
//! block after block, times both scales: `lane[j] = fma(d_w * d_x, sum[j], lane[j])`, then the tree of [`super::lanes`].
//! This is the order in which llama.cpp adds on processors with AVX2: both give the same bits. An AVX-512 register takes a
//! block each of two rows.
//!
//! Error bound against the exact product of the quantised numbers: the product of the scales is rounded once, a lane
//! once per block, the tree 3 times, thus `(n / 32 + 4) * 2^-24 * sum |d_w d_x sum_j|`. An activation is off by at most half
//! its block's scale, `max |x| / 254`, before that, and by 2^-11 of itself for rounding the scale to F16.

use core::arch::x86_64::*;

use super::lanes::{tree, tree_of_eight};
use super::{Panel, RowKernel, Sums, prefetch};
use crate::elementwise::round_to_f16;

/// Elements of a block.
pub(super) const BLOCK: usize = 32;

/// Sums that a block's products make, each of four neighbours: what one 32-bit element of `vpdpbusd` adds.
const LANES: usize = 8;

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

/// Eight products; the rest for the block at hand.
pub(super) const fn avx2_kernel<B: BlockRow>() -> RowKernel {
    RowKernel {
        rows: 4,
        tokens: 2,
        full: avx2::<B, 4, 2>,
        one_token: avx2::<B, 4, 1>,
        one: avx2::<B, 1, 1>,
    }
}

/// Sixteen products of two rows each, quants and scales of eight rows, and one token at a time: 27 of 32 registers. A
/// processor with AVX-512 has AVX2, which does for single rows.
pub(super) const fn avx512_kernel<B: BlockRow>() -> RowKernel {
    RowKernel {
        rows: 8,
        tokens: 4,
        full: avx512::<B, 4, 4>,
        one_token: avx512::<B, 4, 1>,
        one: avx2::<B, 1, 1>,
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
/// `quants` is as long as `x`, `scales` one for each block. A block with NaN or infinity in it has the scale NaN, which
/// reaches every product with it, so that damage is seen in the logits.
pub(crate) fn quantise(x: &[f32], quants: &mut [i8], scales: &mut [f32]) {
    /// Added and subtracted, it rounds a small f32 to an integer, and leaves that integer in the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    /// Below this the reciprocal of the scale could overflow; such a block counts as zero.
    const SMALLEST: f32 = 1e-30;

    let blocks = x.chunks_exact(BLOCK).zip(quants.chunks_exact_mut(BLOCK));
    for ((x, quants), scale) in blocks.zip(scales) {
        // The bits of magnitudes are ordered as these are, with NaN above infinity.
        let largest = x
            .iter()
            .fold(0, |most: i32, x| most.max(x.abs().to_bits() as i32));
        let largest = f32::from_bits(largest as u32);
        let (forward, inverse) = if largest < SMALLEST {
            (0.0, 0.0)
        } else if largest.is_finite() {
            (largest / 127.0, 127.0 / largest)
        } else {
            (f32::NAN, 0.0)
        };
        *scale = round_to_f16(forward);
        for (quant, x) in quants.iter_mut().zip(x) {
            *quant = (x * inverse + ROUND).to_bits() as i8;
        }
    }
}

/// The definition.
fn scalar<B: BlockRow>(weights: &[u8], panel: &Panel<'_>, token: usize, sums: &mut Sums) {
    let x = &panel.quants[token * panel.columns..][..panel.columns];
    let scales = &panel.scales[token * (panel.columns / BLOCK)..];
    let mut lanes = [0.0; LANES];
    let blocks = weights.chunks_exact(B::BYTES).zip(x.chunks_exact(BLOCK));
    for ((block, x), x_scale) in blocks.zip(scales) {
        let both = scale(block) * x_scale;
        let quants = B::quants(block);
        for ((lane, w), x) in lanes.iter_mut().zip(quants.chunks(4)).zip(x.chunks(4)) {
            let mut sum = 0;
            for (&w, &x) in w.iter().zip(x) {
                sum += i32::from(w) * i32::from(x);
            }
            *lane = libm::fmaf(both, sum as f32, *lane);
        }
    }
    sums[0] = tree(lanes);
}

/// Panics unless so many rows and `T` tokens from `token` on are there, which is what the pointers below rely on.
fn check<B: BlockRow, const T: usize>(
    weights: &[u8],
    rows: usize,
    panel: &Panel<'_>,
    token: usize,
) {
    let blocks = panel.columns / BLOCK;
    assert!(weights.len() == rows * blocks * B::BYTES);
    assert!(panel.quants.len() >= (token + T) * panel.columns);
    assert!(panel.scales.len() >= (token + T) * blocks);
}

#[expect(
    clippy::needless_range_loop,
    reason = "row and token index several arrays in step, as in the formula"
)]
#[target_feature(enable = "avx2,fma,f16c")]
fn avx2<B: BlockRow, const R: usize, const T: usize>(
    weights: &[u8],
    panel: &Panel<'_>,
    token: usize,
    sums: &mut Sums,
) {
    check::<B, T>(weights, R, panel, token);
    let blocks = panel.columns / BLOCK;
    let quants = &panel.quants[token * panel.columns..];
    let scales = &panel.scales[token * blocks..];
    let mut lanes = [[_mm256_setzero_ps(); R]; T];
    for b in 0..blocks {
        for r in 0..R {
            // SAFETY: `check` counted the bytes of `R` rows; `b < blocks`.
            let (w, w_scale) = unsafe {
                let block = weights.as_ptr().add((r * blocks + b) * B::BYTES);
                if T == 1 && b % 2 == 0 {
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
                let both = _mm256_set1_ps(w_scale * x_scale);
                lanes[t][r] = _mm256_fmadd_ps(both, _mm256_cvtepi32_ps(fours), lanes[t][r]);
            }
        }
    }
    for t in 0..T {
        for r in 0..R {
            sums[t * R + r] = tree_of_eight(lanes[t][r]);
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
fn avx512<B: BlockRow, const PAIRS: usize, const T: usize>(
    weights: &[u8],
    panel: &Panel<'_>,
    token: usize,
    sums: &mut Sums,
) {
    check::<B, T>(weights, 2 * PAIRS, panel, token);
    let blocks = panel.columns / BLOCK;
    let quants = &panel.quants[token * panel.columns..];
    let scales = &panel.scales[token * blocks..];
    let zero = _mm512_setzero_si512();
    let bias = _mm512_set1_epi8(B::BIAS);
    // An even row in the low half, the row after it in the high half.
    let mut lanes = [[_mm512_setzero_ps(); PAIRS]; T];
    for b in 0..blocks {
        let mut w = [zero; PAIRS];
        let mut w_scale = [_mm512_setzero_ps(); PAIRS];
        for r in 0..PAIRS {
            // SAFETY: `check` counted the bytes of `2 * PAIRS` rows; `b < blocks`.
            unsafe {
                let even = weights.as_ptr().add((2 * r * blocks + b) * B::BYTES);
                let odd = even.add(blocks * B::BYTES);
                if T == 1 && b % 2 == 0 {
                    prefetch(even, weights.len());
                    prefetch(odd, weights.len());
                }
                w[r] = B::biased(even, odd);
                w_scale[r] = scales_at(even, odd);
            }
        }
        for t in 0..T {
            // SAFETY: `check` counted quants and scales of `T` tokens; `b < blocks`.
            let (x, x_scale) = unsafe {
                let x = quants.as_ptr().add((t * blocks + b) * BLOCK);
                let x = _mm256_loadu_si256(x.cast());
                (x, *scales.as_ptr().add(t * blocks + b))
            };
            let x = _mm512_broadcast_i64x4(x);
            // The bias's share of each sum: bias times the sum of four activations.
            let excess = _mm512_dpbusd_epi32(zero, bias, x);
            let start = _mm512_sub_epi32(zero, excess);
            for r in 0..PAIRS {
                let fours = _mm512_cvtepi32_ps(_mm512_dpbusd_epi32(start, w[r], x));
                let both = _mm512_mul_ps(w_scale[r], _mm512_set1_ps(x_scale));
                lanes[t][r] = _mm512_fmadd_ps(both, fours, lanes[t][r]);
            }
        }
    }
    for t in 0..T {
        for r in 0..PAIRS {
            let odd = _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(lanes[t][r]));
            let sums = &mut sums[(t * PAIRS + r) * 2..][..2];
            sums[0] = tree_of_eight(_mm512_castps512_ps256(lanes[t][r]));
            sums[1] = tree_of_eight(_mm256_castpd_ps(odd));
        }
    }
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
