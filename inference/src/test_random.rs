//! Random numbers for tests; a printed seed replays a run.

use crate::random::split_mix_64;

pub(crate) struct Random {
    seed: u64,
    index: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, index: 0 }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.index += 1;
        split_mix_64(self.seed, self.index)
    }

    /// A number under `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
