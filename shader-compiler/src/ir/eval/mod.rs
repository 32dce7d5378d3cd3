//! A slow, obvious evaluator.
pub mod scalar;
