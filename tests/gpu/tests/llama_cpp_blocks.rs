//! The scalar definition of each quantised weight type gives the very numbers that llama.cpp gives: random bytes as blocks,
//! every number compared by its bits.

use anyhow::{Result, ensure};
use cpu_fallback::reference;
use tests::oracles::llama_cpp_numbers;
use tests::random::Random;

/// Blocks of each type.
const BLOCKS: usize = 4000;
const SEED: u64 = 20_261_120;

/// ggml's name, bytes of a block, where in it the binary16 numbers stand, our definition.
type Row = (&'static str, usize, &'static [usize], fn(&[u8]) -> Vec<f64>);

const TYPES: &[Row] = &[
    ("q8_0", 34, &[0], reference::q8_0),
    ("q4_0", 18, &[0], reference::q4_0),
    ("q4_K", 144, &[0, 2], reference::q4_k),
    ("q6_K", 210, &[208], reference::q6_k),
];

/// Random bytes; factors that are infinite or no numbers become finite ones, as no quantiser writes those.
fn random_blocks(random: &mut Random, bytes: usize, halves: &[usize]) -> Vec<u8> {
    let mut blocks: Vec<u8> = (0..BLOCKS * bytes).map(|_| random.number() as u8).collect();
    for block in blocks.chunks_exact_mut(bytes) {
        for high in halves.iter().map(|at| at + 1) {
            if block[high] & 0x7c == 0x7c {
                block[high] ^= 0x40;
            }
        }
    }
    blocks
}

#[test]
fn weights_are_the_numbers_that_llama_cpp_gives() -> Result<()> {
    let mut random = Random::new(SEED);
    for (name, bytes, halves, ours) in TYPES {
        let blocks = random_blocks(&mut random, *bytes, halves);
        let theirs = llama_cpp_numbers(name, &blocks)?;
        // Ours are exact. Each of ggml's is rounded once: its factors fit binary32.
        let ours: Vec<f32> = ours(&blocks).iter().map(|number| *number as f32).collect();
        let found = (ours.len(), theirs.len());
        ensure!(found.0 == found.1, "{name}: lengths {found:?}");
        let per_block = ours.len() / BLOCKS;
        for (at, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            ensure!(
                ours.to_bits() == theirs.to_bits(),
                "{name}, seed {SEED}, block {} element {}: {ours:e}, llama.cpp {theirs:e}",
                at / per_block,
                at % per_block
            );
        }
    }
    Ok(())
}
