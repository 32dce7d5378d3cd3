//! One query head and some positions.

use alloc::vec;
use alloc::vec::Vec;

/// What attention over a part of a context gives, before parts are added up and divided.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The scores: `query . key[p]`.
    pub scores: Vec<f64>,
    /// The largest of them, `m`.
    pub largest: f64,
    /// `sum over p of 2^(scores[p] - m)`.
    pub sum: f64,
    /// `[element]`: `sum over p of 2^(scores[p] - m) * value[p][element]`.
    pub weighted: Vec<f64>,
}

/// Attention of a query over positions: `keys` and `values` are `[position][element]`. Scores are exponents of two, thus the
/// query has been multiplied by `log2(e) / sqrt(elements)`.
#[must_use]
pub fn attend(query: &[f64], keys: &[f64], values: &[f64]) -> Part {
    let scores: Vec<_> = keys
        .chunks_exact(query.len())
        .map(|key| super::dot(query, key))
        .collect();
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    let mut weighted = vec![0.0; query.len()];
    for (score, value) in scores.iter().zip(values.chunks_exact(query.len())) {
        let weight = libm::exp2(score - largest);
        sum += weight;
        for (weighted, value) in weighted.iter_mut().zip(value) {
            *weighted += weight * value;
        }
    }
    Part {
        scores,
        largest,
        sum,
        weighted,
    }
}
