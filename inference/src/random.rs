//! SplitMix64 as a function of a seed and an index: nothing to carry along, so the n-th number of a seed is the same
//! however a request was scheduled, preempted or repeated.

/// The `index`-th number of `seed`.
pub(crate) fn split_mix_64(seed: u64, index: u64) -> u64 {
    const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut z = seed.wrapping_add(GAMMA.wrapping_mul(index.wrapping_add(1)));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The `index`-th number of `seed` as a fraction from 0 up to but not including 1.
pub(crate) fn uniform(seed: u64, index: u64) -> f64 {
    const STEPS: f64 = (1u64 << 53) as f64;
    (split_mix_64(seed, index) >> 11) as f64 / STEPS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_published_generator() {
        // First outputs for seed 1234567, as given with the reference implementation in C.
        let numbers: [u64; 3] = core::array::from_fn(|index| split_mix_64(1_234_567, index as u64));
        let expected = [
            6457827717110365317,
            3203168211198807973,
            9817491932198370423,
        ];
        assert_eq!(numbers, expected);
    }
}
