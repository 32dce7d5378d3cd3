//! Rows of GGUF's weight types as numbers, exactly: each function takes whole blocks and gives their elements in order.
//!
//! The formats are those of ggml (`ggml-common.h`, and `dequantize_row_*` in `ggml-quants.c`), numbers little-endian.

use alloc::vec::Vec;

fn half(bytes: &[u8]) -> f64 {
    half::f16::from_le_bytes([bytes[0], bytes[1]]).to_f64()
}

/// Binary32.
#[must_use]
pub fn f32(row: &[u8]) -> Vec<f64> {
    let values = row.as_chunks::<4>().0.iter();
    values
        .map(|bytes| f64::from(f32::from_le_bytes(*bytes)))
        .collect()
}

/// Binary16.
#[must_use]
pub fn f16(row: &[u8]) -> Vec<f64> {
    row.chunks_exact(2).map(half).collect()
}

/// Blocks of 32: `d` in binary16, 32 signed bytes `q`; an element is `d * q`.
#[must_use]
pub fn q8_0(row: &[u8]) -> Vec<f64> {
    let blocks = row.chunks_exact(34);
    blocks
        .flat_map(|block| {
            let d = half(block);
            let quants = block[2..].iter();
            quants.map(move |q| d * f64::from(q.cast_signed()))
        })
        .collect()
}

/// Blocks of 32: `d` in binary16, 16 bytes of nibbles; element `i` is `d * (low nibble i - 8)`, element `16 + i` the same of
/// the high nibble.
#[must_use]
pub fn q4_0(row: &[u8]) -> Vec<f64> {
    let blocks = row.chunks_exact(18);
    blocks
        .flat_map(|block| {
            let d = half(block);
            let low = block[2..].iter().map(|byte| byte & 15);
            let high = block[2..].iter().map(|byte| byte >> 4);
            low.chain(high)
                .map(move |nibble| d * (f64::from(nibble) - 8.0))
        })
        .collect()
}

/// Blocks of 256: `d` and `d_min` in binary16; 12 bytes with scales and minima of six bits for each 32 elements; 128 bytes
/// of nibbles. An element is `d * scale * nibble - d_min * minimum`.
#[must_use]
pub fn q4_k(row: &[u8]) -> Vec<f64> {
    let mut values = Vec::new();
    for block in row.chunks_exact(144) {
        let (d, d_min) = (half(block), half(&block[2..]));
        let (factors, nibbles) = block[4..].split_at(12);
        for j in 0..8 {
            let (scale, minimum) = if j < 4 {
                (factors[j] & 63, factors[j + 4] & 63)
            } else {
                (
                    factors[j + 4] & 15 | factors[j - 4] >> 6 << 4,
                    factors[j + 4] >> 4 | factors[j] >> 6 << 4,
                )
            };
            for byte in &nibbles[j / 2 * 32..][..32] {
                let nibble = byte >> (j % 2 * 4) & 15;
                let scaled = d * f64::from(scale) * f64::from(nibble);
                values.push(scaled - d_min * f64::from(minimum));
            }
        }
    }
    values
}

/// Blocks of 256: 128 bytes with the low four bits of the quants, 64 with the high two, 16 signed scales, `d` in binary16.
/// An element is `d * scale * (quant - 32)`, with a scale for each 16 elements.
#[must_use]
pub fn q6_k(row: &[u8]) -> Vec<f64> {
    let mut values = Vec::new();
    for block in row.chunks_exact(210) {
        let (lows, rest) = block.split_at(128);
        let (highs, rest) = rest.split_at(64);
        let (scales, d) = rest.split_at(16);
        let d = half(d);
        for element in 0..256 {
            // Of each 128 elements, quarter `c` has its low bits in nibble `c / 2` of 32 bytes, its high bits at bit `2 c`.
            let (part, c, l) = (element / 128, element % 128 / 32, element % 32);
            let low = lows[part * 64 + c % 2 * 32 + l] >> (c / 2 * 4) & 15;
            let high = highs[part * 32 + l] >> (c * 2) & 3;
            let scale = scales[element / 16].cast_signed();
            let quant = f64::from(low | high << 4) - 32.0;
            values.push(d * f64::from(scale) * quant);
        }
    }
    values
}
