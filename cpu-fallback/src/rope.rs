//! Rotary position embedding: neighbouring elements `2 i` and `2 i + 1` of a head, taken as a complex number, are turned by
//! `position * base^(-2 i / dimensions)` (the order in which GGUF stores Llama's heads).
//!
//! The angles of a step's positions are computed once per step, in f32 and from one pair to the next, exactly as llama.cpp
//! does. More precise angles would agree less: where activations are quantised, a difference of 1e-5 moves some of them to
//! the next integer, and a few layers later two right answers differ by as much as quantising costs.

use alloc::vec::Vec;

use inference::model::Hyperparameters;

use crate::memory::{CpuError, zeroed};

pub(crate) struct Rope {
    /// Quotient of the angles of a pair and of the one before: `base^(-2 / dimensions)`.
    ratio: f32,
    /// Multiplies all angles.
    scale: f32,
    /// Divide the angles, one for each pair.
    factors: Vec<f32>,
    /// `[tokens][pairs]`: cosine and sine.
    turns: Vec<(f32, f32)>,
}

impl Rope {
    pub(crate) fn new(
        shape: &Hyperparameters,
        factors: Option<&[f32]>,
        batch_tokens: usize,
    ) -> Result<Self, CpuError> {
        let pairs = shape.rope_dimensions / 2;
        let mut own = zeroed("rotation factors", pairs)?;
        match factors {
            Some(factors) => own.copy_from_slice(factors),
            None => own.fill(1.0),
        }
        let exponent = f64::from(-2.0 / shape.rope_dimensions as f32);
        Ok(Self {
            ratio: libm::pow(f64::from(shape.rope_base), exponent) as f32,
            scale: shape.rope_frequency_scale,
            factors: own,
            turns: zeroed("rotations", batch_tokens * pairs)?,
        })
    }

    /// Makes ready for the tokens of a step, which stand at these positions.
    pub(crate) fn prepare(&mut self, positions: impl Iterator<Item = usize>) {
        let turns = self.turns.chunks_exact_mut(self.factors.len());
        for (turns, position) in turns.zip(positions) {
            let mut angle = position as f32;
            for (turn, factor) in turns.iter_mut().zip(&self.factors) {
                let scaled = self.scale * (angle / factor);
                *turn = (libm::cosf(scaled), libm::sinf(scaled));
                angle *= self.ratio;
            }
        }
    }

    /// Turns one head of the step's token number `token`.
    pub(crate) fn rotate(&self, token: usize, head: &mut [f32]) {
        let pairs = self.factors.len();
        let turns = &self.turns[token * pairs..][..pairs];
        for (pair, (cos, sin)) in head.chunks_exact_mut(2).zip(turns) {
            let (re, im) = (pair[0], pair[1]);
            pair[0] = re * cos - im * sin;
            pair[1] = re * sin + im * cos;
        }
    }
}
