//! The machine that the card is plugged into, as the card reaches it: memory by bus address.

use std::fmt;
use std::sync::{Arc, PoisonError};

use crate::fabric::Fabric;
use crate::pci::BUS_MASTER;
use crate::rule::{Violation, rules};
use crate::shared_bytes::SharedBytes;

rules! { Pci:
    DMA_MEMORY, "dma-memory", "the card is given bus addresses of memory that exists",
        "the machine answers other addresses with Unsupported Request, which no driver of this card handles";
    DMA_WIDTH, "dma-width", "bus addresses have at most 44 bits",
        "Linux gmc_v11_0_sw_init sets a DMA mask of 44 bits; tinygrad AM_GMC.address_space_mask";
}

/// Bits of a bus address.
const BUS_BITS: u32 = 44;

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

impl Fabric {
    fn dma_may(&mut self, address: u64, bytes: usize) -> Result<(), Violation> {
        self.require(
            self.bus_master,
            BUS_MASTER,
            format_args!("DMA of {bytes} bytes at {address:#x}, Bus Master is off"),
        )?;
        let end = address.checked_add(bytes as u64);
        self.require(
            end.is_some_and(|end| end <= 1 << BUS_BITS),
            DMA_WIDTH,
            format_args!("DMA of {bytes} bytes at {address:#x}"),
        )
    }

    /// The card reads host memory by its bus address.
    pub(crate) fn dma_read(&mut self, address: u64, out: &mut [u8]) -> Result<(), Violation> {
        self.dma_may(address, out.len())?;
        match self.host.read(address, out) {
            Ok(()) => Ok(()),
            Err(error) => {
                out.fill(0xff);
                self.broken(DMA_MEMORY, format_args!("{error}"))
            }
        }
    }

    /// The card writes host memory by its bus address.
    pub(crate) fn dma_write(&mut self, address: u64, data: &[u8]) -> Result<(), Violation> {
        self.dma_may(address, data.len())?;
        match self.host.write(address, data) {
            Ok(()) => Ok(()),
            Err(error) => self.broken(DMA_MEMORY, format_args!("{error}")),
        }
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::rig::Case;

    pub(crate) const CASES: &[Case] = &[
        Case {
            rule: DMA_MEMORY,
            breaks: |rig| {
                rig.memory(0x1000);
                rig.card.config_write(4, 2, 6);
                rig.engine(|fabric| fabric.dma_read(0xffe, &mut [0; 4]));
            },
            keeps: |rig| {
                rig.memory(0x1000);
                rig.card.config_write(4, 2, 6);
                rig.engine(|fabric| fabric.dma_read(0xffc, &mut [0; 4]));
            },
        },
        Case {
            rule: DMA_WIDTH,
            breaks: |rig| {
                rig.card.config_write(4, 2, 6);
                rig.engine(|fabric| fabric.dma_write((1 << 44) - 2, &[0; 4]));
            },
            keeps: |rig| {
                rig.memory(0x1000);
                rig.card.config_write(4, 2, 6);
                rig.engine(|fabric| fabric.dma_write(0, &[0; 4]));
            },
        },
    ];
}
