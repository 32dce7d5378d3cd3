//! Nothing is lost or padded, and the formulas are what is done.

use std::vec;
use std::vec::Vec;

use super::*;

/// SplitMix64.
fn random_bytes(seed: &mut u64, count: usize) -> Vec<u8> {
    let mut byte = || {
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as u8
    };
    (0..count).map(|_| byte()).collect()
}

fn packed(weights: Weights, columns: usize, row: &[u8]) -> [Vec<u8>; PLANES] {
    let mut planes = weights.plane_bytes(columns).map(|bytes| vec![0xa5; bytes]);
    let [a, b, c, d] = &mut planes;
    weights.pack(row, [a, b, c, d]);
    planes
}

#[test]
fn packing_loses_and_pads_nothing() {
    let mut seed = 1;
    std::println!("seed {seed}");
    for weights in Weights::ALL {
        let (elements, bytes) = weights.block();
        for columns in [256, 512, 1024, 1280, 2048, 2816] {
            let row = random_bytes(&mut seed, columns / elements * bytes);
            let planes = packed(weights, columns, &row);
            let total: usize = planes.iter().map(Vec::len).sum();
            assert_eq!(total, row.len(), "{weights:?}");
            let mut back = vec![0x5a; row.len()];
            weights.unpack(planes.each_ref().map(Vec::as_slice), &mut back);
            assert_eq!(back, row, "{weights:?}, {columns} columns");
        }
    }
}

#[test]
fn tiles_of_q8_0_follow_the_formula_to_the_end_of_the_row() {
    // 40 blocks: a whole tile and one of eight.
    let row = random_bytes(&mut 2, 40 * 34);
    let [quants, scales, ..] = packed(Weights::Q8_0, 1280, &row);
    for block in 0..40 {
        assert_eq!(scales[2 * block..][..2], row[34 * block..][..2]);
        let in_tile = if block < 32 { 32 } else { 8 };
        for element in 0..32 {
            let at =
                block / 32 * 1024 + element / 16 * 16 * in_tile + block % 32 * 16 + element % 16;
            assert_eq!(quants[at], row[34 * block + 2 + element]);
        }
    }
}

#[test]
#[should_panic(expected = "bytes of planes")]
fn a_plane_that_is_too_short_is_refused() {
    Weights::Q4_0.pack(&[0; 18], [&mut [0; 15], &mut [0; 2], &mut [], &mut []]);
}
