//! Q4_0: in GGUF a scale in f16, then 16 bytes of nibbles, each its quant plus 8.
//!
//! Quants: bytes `16 * block ..`, with the nibbles where GGUF has them, but in two's complement: the quant plus 8 with its
//! highest bit turned over. Scales: f16 number `block`.

/// Bytes of a block in GGUF.
const BYTES: usize = 18;
/// The highest bit of both nibbles.
const SIGNS: u8 = 0x88;

pub(super) fn pack(row: &[u8], quants: &mut [u8], scales: &mut [u8]) {
    let planes = quants.chunks_exact_mut(16).zip(scales.chunks_exact_mut(2));
    for (block, (quants, scale)) in row.chunks_exact(BYTES).zip(planes) {
        scale.copy_from_slice(&block[..2]);
        for (quant, byte) in quants.iter_mut().zip(&block[2..]) {
            *quant = byte ^ SIGNS;
        }
    }
}

pub(super) fn unpack(quants: &[u8], scales: &[u8], row: &mut [u8]) {
    let planes = quants.chunks_exact(16).zip(scales.chunks_exact(2));
    for (block, (quants, scale)) in row.chunks_exact_mut(BYTES).zip(planes) {
        block[..2].copy_from_slice(scale);
        for (byte, quant) in block[2..].iter_mut().zip(quants) {
            *byte = quant ^ SIGNS;
        }
    }
}
