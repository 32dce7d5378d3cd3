//! Q8_0 rows: blocks of 32, one binary16 scale, then 32 signed bytes.

use core::arch::x86_64::*;

use super::blocks::{BLOCK, BlockRow};

pub(super) struct Q8_0;

impl BlockRow for Q8_0 {
    const BYTES: usize = 2 + BLOCK;
    /// -128 is the smallest quant, so 128 more makes each unsigned.
    const BIAS: i8 = -128;

    fn quants(block: &[u8]) -> [i8; BLOCK] {
        let mut quants = [0; BLOCK];
        for (quant, &byte) in quants.iter_mut().zip(&block[2..]) {
            *quant = byte.cast_signed();
        }
        quants
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn signed(block: *const u8) -> __m256i {
        // SAFETY: the caller vouches for 34 bytes; the load needs no alignment.
        unsafe { _mm256_loadu_si256(block.add(2).cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
    unsafe fn biased(first: *const u8, second: *const u8) -> __m512i {
        // SAFETY: the caller vouches for 34 bytes at each; the loads need no alignment.
        let (first, second) = unsafe { (Self::signed(first), Self::signed(second)) };
        let both = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(first), second);
        _mm512_xor_si512(both, _mm512_set1_epi8(Self::BIAS))
    }
}
