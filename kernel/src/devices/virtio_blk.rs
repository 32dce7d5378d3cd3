//! A virtio disk, by the `virtio-drivers` crate.

use alloc::boxed::Box;

use virtio_drivers::device::blk::{BlkReq, BlkResp, SECTOR_SIZE, VirtIOBlk};
use virtio_drivers::transport::pci::PciTransport;

use super::block::{Controller, DEPTH, DiskError, REQUEST_BYTES, Shape, Status};
use super::ecam::Ecam;
use super::virtio::{self, KernelHal};
use crate::pci::scan::Function;

/// A started virtio disk.
pub struct VirtioBlk {
    driver: VirtIOBlk<KernelHal, PciTransport>,
    headers: [Headers; DEPTH],
}

/// The parts of a request besides the data, which must lie in the heap while the device has them.
#[derive(Default)]
struct Headers {
    request: BlkReq,
    response: BlkResp,
}

impl VirtioBlk {
    /// Starts the disk.
    ///
    /// # Errors
    /// [`DiskError`] if it is no usable virtio disk.
    pub fn start(ecam: &Ecam, function: &Function) -> Result<Box<Self>, DiskError> {
        let transport = virtio::transport(ecam, function).map_err(DiskError::Transport)?;
        Ok(Box::new(Self {
            driver: VirtIOBlk::new(transport).map_err(DiskError::Driver)?,
            headers: Default::default(),
        }))
    }
}

impl Controller for VirtioBlk {
    fn shape(&self) -> Shape {
        Shape {
            kind: "virtio",
            sectors: self.driver.capacity(),
            block_bytes: SECTOR_SIZE,
            request_bytes: REQUEST_BYTES,
        }
    }

    unsafe fn submit(
        &mut self,
        slot: usize,
        sector: u64,
        chunk: &mut [u8],
    ) -> Result<u16, DiskError> {
        let Headers { request, response } = &mut self.headers[slot];
        // SAFETY: the headers are this slot's and lie in the box that `start` made; the caller promises both for the chunk
        // and that the slot is free.
        let token = unsafe {
            self.driver
                .read_blocks_nb(sector as usize, request, chunk, response)
        };
        token.map_err(DiskError::Driver)
    }

    fn finished(&mut self) -> Option<Result<u16, DiskError>> {
        self.driver.peek_used().map(Ok)
    }

    unsafe fn complete(&mut self, slot: usize, token: u16, chunk: &mut [u8]) -> Result<(), Status> {
        let Headers { request, response } = &mut self.headers[slot];
        // SAFETY: the caller passes what this token was submitted with.
        let completed = unsafe {
            self.driver
                .complete_read_blocks(token, request, chunk, response)
        };
        completed.map_err(|_| Status::Virtio(response.status()))
    }
}
