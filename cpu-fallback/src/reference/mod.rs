//! What the GPU's kernels compute, said as plainly as possible: the definition that they are compared with.
//!
//! Everything is a sum or a formula in f64 in the obvious order, so that the difference to a kernel's result is that kernel's
//! rounding alone, which its test bounds. Nothing here is fast, and nothing is used while serving.
//!
//! Shapes stand with each function, `[outer][inner]`, in elements.

mod attention;
mod elementwise;
pub mod sampling;
mod weights;

pub use attention::{Part, attend};
pub use elementwise::{Quantised, quantise, rms_norm, rope, silu_times_up};
pub use weights::{f16, f32, q4_0, q4_k, q6_k, q8_0};

use alloc::vec::Vec;

/// `y[t][r] = sum over k of w[r][k] * x[t][k]`: `weights` is `[rows][columns]`, `x` `[tokens][columns]`.
#[must_use]
pub fn product(weights: &[f64], x: &[f64], columns: usize) -> Vec<f64> {
    let tokens = x.chunks_exact(columns);
    tokens
        .flat_map(|x| weights.chunks_exact(columns).map(move |row| dot(row, x)))
        .collect()
}

/// `sum over i of a[i] * b[i]`.
#[must_use]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
