//! Rows of floats: F32 and F16. `lane[i % 16] = fma(w[i], x[i], lane[i % 16])`, then the tree of [`super::lanes`].

use core::arch::x86_64::*;

use super::lanes::{LANES, lanes_avx2, lanes_avx512, tree, tree_avx2, tree_avx512};
use super::prefetch;
use super::{Panel, RowKernel, Sums};

/// How an element type is read.
pub(super) trait FloatRow {
    /// Bytes of an element.
    const BYTES: usize;

    /// The element in the first [`Self::BYTES`] of `bytes`.
    fn element(bytes: &[u8]) -> f32;

    /// Eight consecutive elements.
    ///
    /// # Safety
    /// The processor must execute the named features, and `bytes` must point to eight readable elements.
    unsafe fn eight(bytes: *const u8) -> __m256;

    /// Sixteen consecutive elements.
    ///
    /// # Safety
    /// The processor must execute the named features, and `bytes` must point to sixteen readable elements.
    unsafe fn sixteen(bytes: *const u8) -> __m512;
}

pub(super) const fn scalar_kernel<F: FloatRow>() -> RowKernel {
    RowKernel {
        rows: 1,
        tokens: 1,
        full: scalar::<F>,
        one_token: scalar::<F>,
        one: scalar::<F>,
    }
}

/// Four products of two registers each, two weights and two activations: 12 of 16 registers.
pub(super) const fn avx2_kernel<F: FloatRow>() -> RowKernel {
    RowKernel {
        rows: 2,
        tokens: 2,
        full: avx2::<F, 2, 2>,
        one_token: avx2::<F, 2, 1>,
        one: avx2::<F, 1, 1>,
    }
}

/// Sixteen products, four weights and one activation at a time: 21 of 32 registers.
pub(super) const fn avx512_kernel<F: FloatRow>() -> RowKernel {
    RowKernel {
        rows: 4,
        tokens: 4,
        full: avx512::<F, 4, 4>,
        one_token: avx512::<F, 4, 1>,
        one: avx512::<F, 1, 1>,
    }
}

/// Writes a row as f32.
pub(super) fn dequantise<F: FloatRow>(row: &[u8], out: &mut [f32]) {
    for (bytes, out) in row.chunks_exact(F::BYTES).zip(out) {
        *out = F::element(bytes);
    }
}

/// At most sixteen elements, each added to its lane.
fn step<F: FloatRow>(lanes: &mut [f32; LANES], weights: &[u8], x: &[f32]) {
    for ((lane, bytes), &x) in lanes.iter_mut().zip(weights.chunks_exact(F::BYTES)).zip(x) {
        *lane = libm::fmaf(F::element(bytes), x, *lane);
    }
}

/// The definition.
fn scalar<F: FloatRow>(weights: &[u8], panel: &Panel<'_>, token: usize, sums: &mut Sums) {
    let x = &panel.values[token * panel.columns..][..panel.columns];
    let mut lanes = [0.0; LANES];
    for (weights, x) in weights.chunks(LANES * F::BYTES).zip(x.chunks(LANES)) {
        step::<F>(&mut lanes, weights, x);
    }
    sums[0] = tree(lanes);
}

/// Panics unless `R` rows and `T` tokens from `token` on are there, which is what the pointers below rely on.
fn check<F: FloatRow, const R: usize, const T: usize>(
    weights: &[u8],
    panel: &Panel<'_>,
    token: usize,
) {
    assert!(weights.len() == R * panel.columns * F::BYTES);
    assert!(panel.values.len() >= (token + T) * panel.columns);
}

#[target_feature(enable = "avx2,fma,f16c")]
fn avx2<F: FloatRow, const R: usize, const T: usize>(
    weights: &[u8],
    panel: &Panel<'_>,
    token: usize,
    sums: &mut Sums,
) {
    check::<F, R, T>(weights, panel, token);
    let columns = panel.columns;
    let x = &panel.values[token * columns..];
    let whole = columns / LANES * LANES;
    let mut low = [[_mm256_setzero_ps(); R]; T];
    let mut high = [[_mm256_setzero_ps(); R]; T];
    for i in (0..whole).step_by(LANES) {
        for r in 0..R {
            // SAFETY: `check` counted the bytes of `R` rows; `i + 16 <= columns`.
            let (w_low, w_high) = unsafe {
                let row = weights.as_ptr().add((r * columns + i) * F::BYTES);
                if T == 1 {
                    prefetch(row, weights.len());
                }
                (F::eight(row), F::eight(row.add(8 * F::BYTES)))
            };
            for t in 0..T {
                // SAFETY: `check` counted the activations of `T` tokens; `i + 16 <= columns`.
                let (x_low, x_high) = unsafe {
                    let x = x.as_ptr().add(t * columns + i);
                    (_mm256_loadu_ps(x), _mm256_loadu_ps(x.add(8)))
                };
                low[t][r] = _mm256_fmadd_ps(w_low, x_low, low[t][r]);
                high[t][r] = _mm256_fmadd_ps(w_high, x_high, high[t][r]);
            }
        }
    }
    for t in 0..T {
        for r in 0..R {
            sums[t * R + r] = if whole == columns {
                tree_avx2(low[t][r], high[t][r])
            } else {
                let row = &weights[r * columns * F::BYTES..][whole * F::BYTES..columns * F::BYTES];
                let mut lanes = lanes_avx2(low[t][r], high[t][r]);
                step::<F>(&mut lanes, row, &x[t * columns..][whole..columns]);
                tree(lanes)
            };
        }
    }
}

#[expect(
    clippy::needless_range_loop,
    reason = "row and token index several arrays in step, as in the formula"
)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
fn avx512<F: FloatRow, const R: usize, const T: usize>(
    weights: &[u8],
    panel: &Panel<'_>,
    token: usize,
    sums: &mut Sums,
) {
    check::<F, R, T>(weights, panel, token);
    let columns = panel.columns;
    let x = &panel.values[token * columns..];
    let whole = columns / LANES * LANES;
    let mut lanes = [[_mm512_setzero_ps(); R]; T];
    for i in (0..whole).step_by(LANES) {
        let mut w = [_mm512_setzero_ps(); R];
        for r in 0..R {
            // SAFETY: `check` counted the bytes of `R` rows; `i + 16 <= columns`.
            w[r] = unsafe {
                let row = weights.as_ptr().add((r * columns + i) * F::BYTES);
                if T == 1 {
                    prefetch(row, weights.len());
                }
                F::sixteen(row)
            };
        }
        for t in 0..T {
            // SAFETY: `check` counted the activations of `T` tokens; `i + 16 <= columns`.
            let x = unsafe { _mm512_loadu_ps(x.as_ptr().add(t * columns + i)) };
            for r in 0..R {
                lanes[t][r] = _mm512_fmadd_ps(w[r], x, lanes[t][r]);
            }
        }
    }
    for t in 0..T {
        for r in 0..R {
            sums[t * R + r] = if whole == columns {
                tree_avx512(lanes[t][r])
            } else {
                let row = &weights[r * columns * F::BYTES..][whole * F::BYTES..columns * F::BYTES];
                let mut lanes = lanes_avx512(lanes[t][r]);
                step::<F>(&mut lanes, row, &x[t * columns..][whole..columns]);
                tree(lanes)
            };
        }
    }
}
