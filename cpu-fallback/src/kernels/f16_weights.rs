//! F16 rows: IEEE binary16, little-endian. Each element is converted to f32, which is exact, and multiplied with an f32
//! activation: more precise than converting activations to F16, and no slower where memory sets the pace.
//!
//! The KV cache holds F16 too: keys go through the same row kernel as weights, values through `weighted_sum_*`.

use core::arch::x86_64::*;

use super::floats::FloatRow;

pub(super) struct F16;

impl FloatRow for F16 {
    const BYTES: usize = 2;

    fn element(bytes: &[u8]) -> f32 {
        half::f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn eight(bytes: *const u8) -> __m256 {
        // SAFETY: the caller vouches for 16 bytes; the load needs no alignment.
        _mm256_cvtph_ps(unsafe { _mm_loadu_si128(bytes.cast()) })
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
    unsafe fn sixteen(bytes: *const u8) -> __m512 {
        // SAFETY: the caller vouches for 32 bytes; the load needs no alignment.
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(bytes.cast()) })
    }
}

/// The definition: `sum[d] = fma(weights[p], rows[p][d], sum[d])`, `p` ascending.
pub(super) fn weighted_sum_scalar(rows: &[u8], weights: &[f32], sum: &mut [f32]) {
    columns_from(0, rows, weights, sum);
}

/// The definition, for the columns from `first` on: the ends of rows that fill no register.
fn columns_from(first: usize, rows: &[u8], weights: &[f32], sum: &mut [f32]) {
    let row_bytes = sum.len() * F16::BYTES;
    for (row, &weight) in rows.chunks_exact(row_bytes).zip(weights) {
        let elements = row.chunks_exact(F16::BYTES).zip(sum.iter_mut());
        for (element, sum) in elements.skip(first) {
            *sum = libm::fmaf(weight, F16::element(element), *sum);
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn weighted_sum_avx2(rows: &[u8], weights: &[f32], sum: &mut [f32]) {
    let columns = sum.len();
    assert!(rows.len() >= weights.len() * columns * F16::BYTES);
    let mut column = 0;
    while column + 16 <= columns {
        // SAFETY: columns `column .. column + 16` exist in `sum`, and in each of the `weights.len()` rows, whose bytes
        // were just counted.
        unsafe {
            let out = sum.as_mut_ptr().add(column);
            let mut low = _mm256_loadu_ps(out);
            let mut high = _mm256_loadu_ps(out.add(8));
            for (p, &weight) in weights.iter().enumerate() {
                let row = rows.as_ptr().add((p * columns + column) * F16::BYTES);
                let weight = _mm256_set1_ps(weight);
                low = _mm256_fmadd_ps(weight, F16::eight(row), low);
                high = _mm256_fmadd_ps(weight, F16::eight(row.add(16)), high);
            }
            _mm256_storeu_ps(out, low);
            _mm256_storeu_ps(out.add(8), high);
        }
        column += 16;
    }
    columns_from(column, rows, weights, sum);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
pub(super) fn weighted_sum_avx512(rows: &[u8], weights: &[f32], sum: &mut [f32]) {
    let columns = sum.len();
    assert!(rows.len() >= weights.len() * columns * F16::BYTES);
    let mut column = 0;
    while column + 16 <= columns {
        // SAFETY: columns `column .. column + 16` exist in `sum`, and in each of the `weights.len()` rows, whose bytes
        // were just counted.
        unsafe {
            let out = sum.as_mut_ptr().add(column);
            let mut lanes = _mm512_loadu_ps(out);
            for (p, &weight) in weights.iter().enumerate() {
                let row = rows.as_ptr().add((p * columns + column) * F16::BYTES);
                lanes = _mm512_fmadd_ps(_mm512_set1_ps(weight), F16::sixteen(row), lanes);
            }
            _mm512_storeu_ps(out, lanes);
        }
        column += 16;
    }
    columns_from(column, rows, weights, sum);
}
