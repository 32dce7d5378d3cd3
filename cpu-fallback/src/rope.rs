//! Rotary position embedding: neighbouring elements `2 i` and `2 i + 1` of a head, taken as a complex number, are turned by
//! `position * base^(-2 i / dimensions)` (the order in which GGUF stores Llama's heads).
//!
//! The angles of a step's positions are computed once per step, in f64: at position 100,000 an f32 angle would be off by
//! up to 0.004.

use alloc::vec::Vec;

use inference::model::Hyperparameters;

use crate::memory::{CpuError, zeroed};

pub(crate) struct Rope {
    /// Radians per position, one for each pair.
    frequencies: Vec<f64>,
    /// `[tokens][pairs]`: cosine and sine.
    turns: Vec<(f32, f32)>,
}

impl Rope {
    /// `factors` divide the frequencies, one for each pair.
    pub(crate) fn new(
        shape: &Hyperparameters,
        factors: Option<&[f32]>,
        batch_tokens: usize,
    ) -> Result<Self, CpuError> {
        let pairs = shape.rope_dimensions / 2;
        let mut frequencies = zeroed("rotation frequencies", pairs)?;
        for (i, frequency) in frequencies.iter_mut().enumerate() {
            let exponent = -2.0 * i as f64 / shape.rope_dimensions as f64;
            *frequency = libm::pow(f64::from(shape.rope_base), exponent)
                * f64::from(shape.rope_frequency_scale)
                / factors.map_or(1.0, |factors| f64::from(factors[i]));
        }
        Ok(Self {
            frequencies,
            turns: zeroed("rotations", batch_tokens * pairs)?,
        })
    }

    /// Makes ready for the tokens of a step, which stand at these positions.
    pub(crate) fn prepare(&mut self, positions: impl Iterator<Item = usize>) {
        let pairs = self.frequencies.len();
        if pairs == 0 {
            return;
        }
        for (turns, position) in self.turns.chunks_exact_mut(pairs).zip(positions) {
            for (turn, frequency) in turns.iter_mut().zip(&self.frequencies) {
                let angle = position as f64 * frequency;
                *turn = (libm::cos(angle) as f32, libm::sin(angle) as f32);
            }
        }
    }

    /// Turns one head of the step's token number `token`.
    pub(crate) fn rotate(&self, token: usize, head: &mut [f32]) {
        let pairs = self.frequencies.len();
        let turns = &self.turns[token * pairs..][..pairs];
        for (pair, (cos, sin)) in head.chunks_exact_mut(2).zip(turns) {
            let (re, im) = (pair[0], pair[1]);
            pair[0] = re * cos - im * sin;
            pair[1] = re * sin + im * cos;
        }
    }
}
