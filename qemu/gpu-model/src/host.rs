//! The machine that the card is plugged into, as the card reaches it: memory by bus address.

use std::fmt;

/// A DMA access that the machine refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusError {
    /// First byte of the access.
    pub address: u64,
    /// Its bytes.
    pub bytes: usize,
}

impl fmt::Display for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no host memory at {:#x}, {} bytes",
            self.address, self.bytes
        )
    }
}

/// Host memory, which the card reads and writes by DMA. The guest may touch the same memory at the same time.
pub trait HostMemory: Send + Sync {
    /// Reads bytes.
    ///
    /// # Errors
    /// If not all of them are memory.
    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), BusError>;

    /// Writes bytes.
    ///
    /// # Errors
    /// If not all of them are memory; then none is written.
    fn write(&self, address: u64, data: &[u8]) -> Result<(), BusError>;
}

/// A machine without memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

impl HostMemory for NoHost {
    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), BusError> {
        Err(BusError {
            address,
            bytes: out.len(),
        })
    }

    fn write(&self, address: u64, data: &[u8]) -> Result<(), BusError> {
        Err(BusError {
            address,
            bytes: data.len(),
        })
    }
}
