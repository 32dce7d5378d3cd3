//! F32 rows: IEEE binary32, little-endian.

use core::arch::x86_64::*;

use super::floats::FloatRow;

pub(super) struct F32;

impl FloatRow for F32 {
    const BYTES: usize = 4;

    fn element(bytes: &[u8]) -> f32 {
        f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn eight(bytes: *const u8) -> __m256 {
        // SAFETY: the caller vouches for 32 bytes; the load needs no alignment.
        unsafe { _mm256_loadu_ps(bytes.cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
    unsafe fn sixteen(bytes: *const u8) -> __m512 {
        // SAFETY: the caller vouches for 64 bytes; the load needs no alignment.
        unsafe { _mm512_loadu_ps(bytes.cast()) }
    }
}
