//! Q4_0 rows: blocks of 32, one binary16 scale, then 16 bytes; byte `i` holds element `i` in its low and element `i + 16`
//! in its high nibble, each plus 8.

use core::arch::x86_64::*;

use super::blocks::{BLOCK, BlockRow};

pub(super) struct Q4_0;

impl BlockRow for Q4_0 {
    const BYTES: usize = 2 + BLOCK / 2;
    /// A nibble is its element plus 8.
    const BIAS: i8 = 8;

    fn quants(block: &[u8]) -> [i8; BLOCK] {
        let mut quants = [0; BLOCK];
        let (low, high) = quants.split_at_mut(BLOCK / 2);
        for ((low, high), byte) in low.iter_mut().zip(high).zip(&block[2..]) {
            *low = (byte & 15).cast_signed() - Self::BIAS;
            *high = (byte >> 4).cast_signed() - Self::BIAS;
        }
        quants
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn signed(block: *const u8) -> __m256i {
        // SAFETY: the caller vouches for 18 bytes; the load needs no alignment.
        let bytes = unsafe { _mm_loadu_si128(block.add(2).cast()) };
        let nibbles = _mm256_set_m128i(_mm_srli_epi16::<4>(bytes), bytes);
        let nibbles = _mm256_and_si256(nibbles, _mm256_set1_epi8(15));
        _mm256_sub_epi8(nibbles, _mm256_set1_epi8(Self::BIAS))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
    unsafe fn biased(first: *const u8, second: *const u8) -> __m512i {
        // SAFETY: the caller vouches for 18 bytes at each; the loads need no alignment.
        let (first, second) = unsafe {
            (
                _mm_loadu_si128(first.add(2).cast()),
                _mm_loadu_si128(second.add(2).cast()),
            )
        };
        // Bytes of the first block twice, then of the second twice; the odd quarters give their high nibbles.
        let first = _mm256_set_m128i(_mm_srli_epi16::<4>(first), first);
        let second = _mm256_set_m128i(_mm_srli_epi16::<4>(second), second);
        let both = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(first), second);
        _mm512_and_si512(both, _mm512_set1_epi8(15))
    }
}
