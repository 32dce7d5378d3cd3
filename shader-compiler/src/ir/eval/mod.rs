//! What operations compute.
pub mod scalar;
