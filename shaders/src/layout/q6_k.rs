//! Q6_K: in GGUF super-blocks of 256 elements, of 128 bytes with the low four bits of the quants, 64 bytes with the high two,
//! a signed scale for each 16 elements, and `d` in f16. A quant is stored plus 32. Of each 128 elements, block `c` of 32 has
//! its low bits in nibble `c / 2` of bytes `32 * (c % 2) ..`, and its high bits from bit `2 * c` on of 32 other bytes.
//!
//! On the card quants are in two's complement: the stored ones with the highest bit turned over. Quants: bytes
//! `16 * block ..` for each block of 32, the low four bits in the order of [`super::nibbles`]. Highs: dword
//! `2 * block + half` has the high two bits of element `16 * half + 4 * i + j` from bit `8 * j + 2 * i` on. Scales: bytes
//! `2 * block ..`. Supers: `d` of each super-block.

use super::nibbles::{self, BLOCK};

/// Bytes of a super-block in GGUF.
const BYTES: usize = 210;
/// Blocks of a super-block.
const BLOCKS: usize = 8;
/// The sign of a quant.
const SIGN: u8 = 0x20;

/// Where block `j` has its low and its high bits: first byte and shift of each.
const fn places(j: usize) -> ((usize, usize), (usize, usize)) {
    let (half, c) = (j / 4, j % 4);
    let low = (64 * half + 32 * (c % 2), c / 2 * 4);
    let high = (128 + 32 * half, c * 2);
    (low, high)
}

/// Where element `l` of a block has its high bits: byte and shift.
const fn place_of_highs(l: usize) -> (usize, usize) {
    (l / 16 * 4 + l % 4, l % 16 / 4 * 2)
}

pub(super) fn pack(
    row: &[u8],
    quants: &mut [u8],
    highs: &mut [u8],
    scales: &mut [u8],
    supers: &mut [u8],
) {
    for (n, super_block) in row.chunks_exact(BYTES).enumerate() {
        scales[16 * n..][..16].copy_from_slice(&super_block[192..208]);
        supers[2 * n..][..2].copy_from_slice(&super_block[208..]);
        for j in 0..BLOCKS {
            let ((low, low_shift), (high, high_shift)) = places(j);
            let stored: [u8; BLOCK] = core::array::from_fn(|l| {
                let low = super_block[low + l] >> low_shift & 15;
                (low | (super_block[high + l] >> high_shift & 3) << 4) ^ SIGN
            });
            let block = BLOCKS * n + j;
            nibbles::join(
                &stored.map(|quant| quant & 15),
                &mut quants[16 * block..][..16],
            );
            let highs = &mut highs[8 * block..][..8];
            highs.fill(0);
            for (l, quant) in stored.into_iter().enumerate() {
                let (byte, shift) = place_of_highs(l);
                highs[byte] |= quant >> 4 << shift;
            }
        }
    }
}

pub(super) fn unpack(quants: &[u8], highs: &[u8], scales: &[u8], supers: &[u8], row: &mut [u8]) {
    for (n, super_block) in row.chunks_exact_mut(BYTES).enumerate() {
        super_block[..192].fill(0);
        super_block[192..208].copy_from_slice(&scales[16 * n..][..16]);
        super_block[208..].copy_from_slice(&supers[2 * n..][..2]);
        for j in 0..BLOCKS {
            let ((low, low_shift), (high, high_shift)) = places(j);
            let block = BLOCKS * n + j;
            let lows = nibbles::split(&quants[16 * block..][..16]);
            for (l, nibble) in lows.into_iter().enumerate() {
                let (byte, shift) = place_of_highs(l);
                let stored = (nibble | (highs[8 * block + byte] >> shift & 3) << 4) ^ SIGN;
                super_block[low + l] |= (stored & 15) << low_shift;
                super_block[high + l] |= stored >> 4 << high_shift;
            }
        }
    }
}
