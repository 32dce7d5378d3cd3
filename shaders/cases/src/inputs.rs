//! Random inputs, and the distance at which a result still is right.

use alloc::vec::Vec;
use core::fmt;

use half::f16;

use crate::Result;
use crate::error::ensure;
use crate::random::Random;

/// Largest relative change of one rounding to f32: 2^-24.
pub(crate) const EPS: f64 = 1.0 / (1u64 << 24) as f64;
/// Largest relative change of one rounding to f16: 2^-11.
pub(crate) const EPS_F16: f64 = 1.0 / 2048.0;
/// Half the distance of f16s near zero.
pub(crate) const TINY_F16: f64 = 1.0 / (1u64 << 25) as f64;
/// The smallest normal f32, below which a device may flush to zero.
pub(crate) const TINY: f64 = f32::MIN_POSITIVE as f64;

/// A number that is right, and how far from it another may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Near {
    pub(crate) value: f64,
    pub(crate) bound: f64,
}

/// Compares a buffer with what it should hold.
pub(crate) fn compare<T: Copy + Into<f64>>(
    what: &str,
    found: &[T],
    expected: &[Near],
) -> Result<()> {
    ensure!(
        found.len() == expected.len(),
        "{what}: {} elements instead of {}",
        found.len(),
        expected.len()
    );
    for (i, (found, near)) in found.iter().zip(expected).enumerate() {
        let found: f64 = (*found).into();
        // Written so that NaN fails.
        let right = (found - near.value).abs() <= near.bound;
        ensure!(
            right,
            "{what}[{i}] is {found:e}, {:e} away from {:e}; the bound is {:e}",
            (found - near.value).abs(),
            near.value,
            near.bound
        );
    }
    Ok(())
}

/// Compares a buffer of which every element is rounded the same everywhere.
pub(crate) fn same<T: Copy + PartialEq + fmt::Debug>(
    what: &str,
    found: &[T],
    expected: &[T],
) -> Result<()> {
    ensure!(
        found.len() == expected.len(),
        "{what}: {} elements instead of {}",
        found.len(),
        expected.len()
    );
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        ensure!(
            found == expected,
            "{what}[{i}] is {found:?} instead of {expected:?}"
        );
    }
    Ok(())
}

/// Random inputs.
pub(crate) struct Inputs(pub(crate) Random);

impl Inputs {
    /// A number from -1 to 1, in steps of 2^-23.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.0.number() >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }

    /// Numbers from `-largest` to `largest`, some of them much smaller, as activations are.
    pub(crate) fn floats(&mut self, count: usize, largest: f32) -> Vec<f32> {
        (0..count)
            .map(|_| {
                let small = if self.0.below(4) == 0 { 0.05 } else { 1.0 };
                self.unit() * small * largest
            })
            .collect()
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.0.number() as u8).collect()
    }

    /// Two bytes: a binary16 from `-largest` to `largest`.
    pub(crate) fn half(&mut self, largest: f32) -> [u8; 2] {
        f16::from_f32(self.unit() * largest).to_le_bytes()
    }
}

pub(crate) fn exact(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}
