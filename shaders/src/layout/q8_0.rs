//! Q8_0: in GGUF a scale in f16, then 32 signed bytes.
//!
//! Quants, in tiles of 32 blocks, the last of a row with the `n` that are left: byte `1024 * tile + half * 16 * n +
//! 16 * (block % 32) + i` is element `16 * half + i` of the block. A wave whose lanes have a block each loads the first
//! halves of all, then the second, each time without gaps. Scales: f16 number `block`.

/// Bytes of a block in GGUF.
const BYTES: usize = 34;
/// Blocks of a tile.
const TILE: usize = 32;

pub(super) fn pack(row: &[u8], quants: &mut [u8], scales: &mut [u8]) {
    let tiles = row.chunks(TILE * BYTES).zip(quants.chunks_mut(TILE * 32));
    for (blocks, quants) in tiles {
        let (first, second) = quants.split_at_mut(quants.len() / 2);
        let halves = first.chunks_exact_mut(16).zip(second.chunks_exact_mut(16));
        for (block, (first, second)) in blocks.chunks_exact(BYTES).zip(halves) {
            first.copy_from_slice(&block[2..18]);
            second.copy_from_slice(&block[18..]);
        }
    }
    for (block, scale) in row.chunks_exact(BYTES).zip(scales.chunks_exact_mut(2)) {
        scale.copy_from_slice(&block[..2]);
    }
}

pub(super) fn unpack(quants: &[u8], scales: &[u8], row: &mut [u8]) {
    let tiles = row.chunks_mut(TILE * BYTES).zip(quants.chunks(TILE * 32));
    for (blocks, quants) in tiles {
        let (first, second) = quants.split_at(quants.len() / 2);
        let halves = first.chunks_exact(16).zip(second.chunks_exact(16));
        for (block, (first, second)) in blocks.chunks_exact_mut(BYTES).zip(halves) {
            block[2..18].copy_from_slice(first);
            block[18..].copy_from_slice(second);
        }
    }
    for (block, scale) in row.chunks_exact_mut(BYTES).zip(scales.chunks_exact(2)) {
        block[..2].copy_from_slice(scale);
    }
}
