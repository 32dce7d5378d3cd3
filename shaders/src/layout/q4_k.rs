//! Q4_K: in GGUF super-blocks of 256 elements, of `d` and `d_min` in f16, 12 bytes with eight scales and eight minima of six
//! bits, and 128 bytes of nibbles: of every 64 elements, the low nibbles of 32 bytes are the first 32, the high ones the rest.
//!
//! Quants: bytes `16 * block ..` for each block of 32, in the order of [`super::nibbles`]. Super-blocks, 16 bytes each:
//! dword 0 is `d` and above it `d_min`; nibble `j` of dword 1 has the low four bits of scale `j`, of dword 2 those of minimum
//! `j`; dword 3 has the high two bits of scale `j` from bit `2 * j` on, of minimum `j` from bit `16 + 2 * j` on.

use super::nibbles::{self, BLOCK};

/// Bytes of a super-block in GGUF.
const BYTES: usize = 144;
/// Blocks of a super-block.
const BLOCKS: usize = 8;

/// Six-bit scales and minima of a super-block.
#[derive(Default)]
struct Factors {
    scales: [u8; BLOCKS],
    minima: [u8; BLOCKS],
}

impl Factors {
    /// From GGUF's 12 bytes: the first four of each are the low six bits of bytes 0 to 3 and 4 to 7; of the others the low
    /// four bits are the nibbles of bytes 8 to 11, and the high two bits lie above the first four.
    fn from_gguf(bytes: &[u8]) -> Self {
        let mut factors = Self::default();
        for j in 0..4 {
            factors.scales[j] = bytes[j] & 63;
            factors.minima[j] = bytes[j + 4] & 63;
            factors.scales[j + 4] = bytes[j + 8] & 15 | bytes[j] >> 6 << 4;
            factors.minima[j + 4] = bytes[j + 8] >> 4 | bytes[j + 4] >> 6 << 4;
        }
        factors
    }

    fn to_gguf(&self, bytes: &mut [u8]) {
        for j in 0..4 {
            bytes[j] = self.scales[j] | self.scales[j + 4] >> 4 << 6;
            bytes[j + 4] = self.minima[j] | self.minima[j + 4] >> 4 << 6;
            bytes[j + 8] = self.scales[j + 4] & 15 | self.minima[j + 4] << 4;
        }
    }

    fn to_dwords(&self) -> [u32; 3] {
        let mut dwords = [0; 3];
        for j in 0..BLOCKS {
            let (scale, minimum) = (u32::from(self.scales[j]), u32::from(self.minima[j]));
            dwords[0] |= (scale & 15) << (4 * j);
            dwords[1] |= (minimum & 15) << (4 * j);
            dwords[2] |= scale >> 4 << (2 * j) | minimum >> 4 << (16 + 2 * j);
        }
        dwords
    }

    fn from_dwords(dwords: [u32; 3]) -> Self {
        let mut factors = Self::default();
        for j in 0..BLOCKS {
            let scale = dwords[0] >> (4 * j) & 15 | (dwords[2] >> (2 * j) & 3) << 4;
            let minimum = dwords[1] >> (4 * j) & 15 | (dwords[2] >> (16 + 2 * j) & 3) << 4;
            factors.scales[j] = scale as u8;
            factors.minima[j] = minimum as u8;
        }
        factors
    }
}

pub(super) fn pack(row: &[u8], quants: &mut [u8], supers: &mut [u8]) {
    let planes = quants.chunks_exact_mut(BLOCKS * 16);
    let planes = planes.zip(supers.chunks_exact_mut(16));
    for (block, (quants, dwords)) in row.chunks_exact(BYTES).zip(planes) {
        dwords[..4].copy_from_slice(&block[..4]);
        let factors = Factors::from_gguf(&block[4..16]).to_dwords();
        for (bytes, dword) in dwords[4..].chunks_exact_mut(4).zip(factors) {
            bytes.copy_from_slice(&dword.to_le_bytes());
        }
        let pairs = block[16..].chunks_exact(BLOCK);
        for (pair, out) in pairs.zip(quants.chunks_exact_mut(2 * 16)) {
            let pair: [u8; BLOCK] = core::array::from_fn(|i| pair[i]);
            let (first, second) = out.split_at_mut(16);
            nibbles::join(&pair.map(|byte| byte & 15), first);
            nibbles::join(&pair.map(|byte| byte >> 4), second);
        }
    }
}

pub(super) fn unpack(quants: &[u8], supers: &[u8], row: &mut [u8]) {
    let planes = quants
        .chunks_exact(BLOCKS * 16)
        .zip(supers.chunks_exact(16));
    for (block, (quants, dwords)) in row.chunks_exact_mut(BYTES).zip(planes) {
        block[..4].copy_from_slice(&dwords[..4]);
        let dword = |i: usize| core::array::from_fn(|byte| dwords[4 * i + byte]);
        let factors = [1usize, 2, 3].map(|i| u32::from_le_bytes(dword(i)));
        Factors::from_dwords(factors).to_gguf(&mut block[4..16]);
        let pairs = block[16..].chunks_exact_mut(BLOCK);
        for (pair, both) in pairs.zip(quants.chunks_exact(2 * 16)) {
            let (first, second) = both.split_at(16);
            let elements = nibbles::split(first)
                .into_iter()
                .zip(nibbles::split(second));
            for (byte, (low, high)) in pair.iter_mut().zip(elements) {
                *byte = low | high << 4;
            }
        }
    }
}
