//! The machine that the card is plugged into, as the card reaches it: memory by bus address.

use std::fmt;
use std::sync::{Arc, PoisonError};

use crate::shared_bytes::SharedBytes;

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

/// Host memory in pieces, each at a bus address: what a door maps or lends.
#[derive(Default)]
pub(crate) struct Regions {
    regions: std::sync::RwLock<Vec<(u64, Arc<SharedBytes>)>>,
}

impl Regions {
    /// The pieces are these from now on.
    pub(crate) fn replace(&self, regions: Vec<(u64, Arc<SharedBytes>)>) {
        *self.regions.write().unwrap_or_else(PoisonError::into_inner) = regions;
    }

    /// One more piece.
    pub(crate) fn add(&self, address: u64, bytes: Arc<SharedBytes>) {
        self.regions
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push((address, bytes));
    }

    /// The piece that holds all these bytes, and where in it they begin.
    fn find(&self, address: u64, bytes: usize) -> Result<(Arc<SharedBytes>, u64), BusError> {
        let regions = self.regions.read().unwrap_or_else(PoisonError::into_inner);
        regions
            .iter()
            .find_map(|(start, region)| {
                let offset = address.checked_sub(*start)?;
                let end = offset.checked_add(bytes as u64)?;
                (end <= region.len()).then(|| (Arc::clone(region), offset))
            })
            .ok_or(BusError { address, bytes })
    }
}

impl HostMemory for Regions {
    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), BusError> {
        let (region, offset) = self.find(address, out.len())?;
        region.read(offset, out);
        Ok(())
    }

    fn write(&self, address: u64, data: &[u8]) -> Result<(), BusError> {
        let (region, offset) = self.find(address, data.len())?;
        region.write(offset, data);
        Ok(())
    }
}
