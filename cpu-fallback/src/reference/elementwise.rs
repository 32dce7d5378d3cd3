//! Vectors between the products.

use alloc::vec;
use alloc::vec::Vec;

use crate::kernels;

/// Elements of a block of [`Quantised`].
const BLOCK: usize = 32;

/// `x / sqrt(mean(x^2) + epsilon) * weight`, for one token.
#[must_use]
pub fn rms_norm(x: &[f64], weight: &[f64], epsilon: f64) -> Vec<f64> {
    let mean = super::dot(x, x) / x.len() as f64;
    let scale = 1.0 / libm::sqrt(mean + epsilon);
    let pairs = x.iter().zip(weight);
    pairs.map(|(x, weight)| x * scale * weight).collect()
}

/// `silu(gate) * up`, with `silu(x) = x / (1 + exp(-x))`.
#[must_use]
pub fn silu_times_up(gate: &[f64], up: &[f64]) -> Vec<f64> {
    let pairs = gate.iter().zip(up);
    pairs
        .map(|(gate, up)| gate / (1.0 + libm::exp(-gate)) * up)
        .collect()
}

/// Turns a head: each pair of elements, as a complex number, times its turn (cosine and sine). A pair is two neighbours, or
/// with `halves` element `i` and element `i + turns.len()`. Elements after the pairs stay.
#[must_use]
pub fn rope(head: &[f64], turns: &[(f64, f64)], halves: bool) -> Vec<f64> {
    let mut turned = head.to_vec();
    for (i, (cosine, sine)) in turns.iter().enumerate() {
        let (re, im) = if halves {
            (i, i + turns.len())
        } else {
            (2 * i, 2 * i + 1)
        };
        turned[re] = head[re] * cosine - head[im] * sine;
        turned[im] = head[re] * sine + head[im] * cosine;
    }
    turned
}

/// Activations in 8 bits.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantised {
    /// One for each element.
    pub quants: Vec<i8>,
    /// One for each 32 elements, each exactly a binary16.
    pub scales: Vec<f32>,
}

impl Quantised {
    /// `quant * scale`, exact.
    #[must_use]
    pub fn values(&self) -> Vec<f64> {
        let quants = self.quants.iter().enumerate();
        quants
            .map(|(i, quant)| f64::from(*quant) * f64::from(self.scales[i / BLOCK]))
            .collect()
    }
}

/// Quantises blocks of 32: the scale is `max |x| / 127`, rounded to binary16 after the quants were made with it.
#[must_use]
pub fn quantise(x: &[f32]) -> Quantised {
    let mut quants = vec![0; x.len()];
    let mut scales = vec![0.0; x.len() / BLOCK];
    kernels::quantise(x, &mut quants, &mut scales);
    Quantised { quants, scales }
}
