//! Buffers whose size is known beforehand, and what can go wrong when a backend is made.

use alloc::vec::Vec;
use core::fmt;

use crate::kernels::KernelSet;

/// Why a backend could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuError {
    /// This processor does not execute the kernels that were asked for.
    KernelsUnsupported(KernelSet),
    /// A field of the configuration is zero.
    Zero(&'static str),
    /// The configured sizes multiply to more bytes than an address space has.
    TooLarge,
    /// The heap has no room for a buffer.
    OutOfMemory {
        /// What the buffer is for.
        buffer: &'static str,
        /// Its size.
        bytes: usize,
    },
}

impl fmt::Display for CpuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KernelsUnsupported(set) => {
                let best = KernelSet::detect();
                write!(
                    f,
                    "kernels {set} need instructions that this processor lacks; the best it has is {best}"
                )
            }
            Self::Zero(field) => write!(f, "configuration field {field} is 0, at least 1 expected"),
            Self::TooLarge => {
                f.write_str("KV cache or buffers of the configured sizes exceed any memory")
            }
            Self::OutOfMemory { buffer, bytes } => {
                write!(
                    f,
                    "no memory for {buffer}: {bytes} bytes were not available"
                )
            }
        }
    }
}

impl core::error::Error for CpuError {}

/// A vector of `length` defaults, or an error where the heap has no room.
pub(crate) fn zeroed<T: Clone + Default>(
    buffer: &'static str,
    length: usize,
) -> Result<Vec<T>, CpuError> {
    let mut values = Vec::new();
    values
        .try_reserve_exact(length)
        .map_err(|_| CpuError::OutOfMemory {
            buffer,
            bytes: length.saturating_mul(size_of::<T>()),
        })?;
    values.resize(length, T::default());
    Ok(values)
}

/// Product of sizes.
pub(crate) fn product(factors: &[usize]) -> Result<usize, CpuError> {
    factors
        .iter()
        .try_fold(1usize, |product, &factor| product.checked_mul(factor))
        .ok_or(CpuError::TooLarge)
}
