//! What the tests of the passes share.

/// Random numbers with a seed that is printed, so that a failure can be repeated (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    /// A sequence for the test `name`.
    pub(crate) fn new(name: &str, seed: u64) -> Self {
        println!("{name}: seed {seed:#x}");
        Self(seed)
    }

    /// The next number below `bound`.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (((z >> 32) * u64::from(bound)) >> 32) as u32
    }
}
