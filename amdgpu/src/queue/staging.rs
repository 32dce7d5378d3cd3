//! Data on its way between host memory and video memory: a few pieces of host memory that are filled while others are copied.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::fence::Fence;
use super::sdma::SdmaQueue;
use crate::memory::SharedBuffer;
use crate::{Device, Error, GpuVa, Memory};

/// How long a copy of a piece may take, with all those before it.
const LIMIT: Duration = Duration::from_secs(10);

/// A piece of the staging memory that nobody uses.
#[derive(Debug, PartialEq, Eq)]
pub struct Slot(usize);

/// Staging memory in pieces of equal length, each with the fence of the copy that uses it.
pub struct Staging {
    memory: SharedBuffer,
    slot_bytes: u64,
    fences: Vec<Option<Fence>>,
    next: usize,
}

impl Staging {
    /// So many pieces of so many bytes, a multiple of 4096.
    ///
    /// # Errors
    /// If there is no such memory.
    pub fn new(
        device: &mut Device,
        memory: &mut Memory,
        slots: usize,
        slot_bytes: u64,
    ) -> Result<Self, Error> {
        let bytes = slot_bytes.checked_mul(slots as u64);
        let bytes = bytes.filter(|bytes| *bytes > 0 && slot_bytes.is_multiple_of(4096));
        let bytes = bytes.ok_or(Error::Unexpected {
            what: "bytes of a piece of staging memory",
            found: slot_bytes,
            expected: "a multiple of 4096, and some pieces",
        })?;
        Ok(Self {
            memory: memory.allocate_host(device, bytes)?,
            slot_bytes,
            fences: vec![None; slots],
            next: 0,
        })
    }

    /// Gives the memory back. All copies are done.
    ///
    /// # Errors
    /// As [`Memory::free_host`].
    pub fn free(self, device: &mut Device, memory: &mut Memory) -> Result<(), Error> {
        memory.free_host(device, self.memory)
    }

    /// The memory itself, so that a disk can write into a slot.
    #[must_use]
    pub const fn memory(&self) -> &SharedBuffer {
        &self.memory
    }

    /// Bytes of a slot.
    #[must_use]
    pub const fn slot_bytes(&self) -> u64 {
        self.slot_bytes
    }

    /// Where a slot begins in the memory.
    #[must_use]
    pub const fn offset(&self, slot: &Slot) -> u64 {
        slot.0 as u64 * self.slot_bytes
    }

    /// The slot whose copy began first, once it is done.
    ///
    /// # Errors
    /// [`Error::Hung`] if it is not done in time.
    pub fn slot(&mut self, device: &mut Device, sdma: &mut SdmaQueue) -> Result<Slot, Error> {
        let at = self.next;
        if let Some(fence) = self.fences[at] {
            sdma.wait(device, fence, LIMIT)?;
        }
        self.fences[at] = None;
        self.next = (at + 1) % self.fences.len();
        Ok(Slot(at))
    }

    /// Copies the first bytes of a slot to video memory, while the caller goes on.
    ///
    /// # Errors
    /// If the slot has fewer bytes, or the queue stays full for long.
    pub fn send(
        &mut self,
        device: &mut Device,
        sdma: &mut SdmaQueue,
        slot: Slot,
        bytes: u64,
        to: GpuVa,
    ) -> Result<Fence, Error> {
        if bytes > self.slot_bytes {
            return Err(Error::Unexpected {
                what: "bytes to be sent from a piece of staging memory",
                found: bytes,
                expected: "no more than it has",
            });
        }
        let from = self.memory.va().plus(self.offset(&slot));
        sdma.copy(device, from, to, bytes)?;
        let fence = sdma.submit(device)?;
        self.fences[slot.0] = Some(fence);
        Ok(fence)
    }

    /// Writes to video memory. When this returns the last pieces may still be on their way.
    ///
    /// # Errors
    /// If a copy hangs.
    pub fn write(
        &mut self,
        device: &mut Device,
        sdma: &mut SdmaQueue,
        to: GpuVa,
        data: &[u8],
    ) -> Result<(), Error> {
        let mut to = to;
        for piece in data.chunks(self.slot_bytes as usize) {
            let slot = self.slot(device, sdma)?;
            self.memory.write(device, self.offset(&slot), piece)?;
            self.send(device, sdma, slot, piece.len() as u64, to)?;
            to = to.plus(piece.len() as u64);
        }
        Ok(())
    }

    /// Waits until all that was sent has arrived.
    ///
    /// # Errors
    /// If a copy hangs.
    pub fn finish(&mut self, device: &mut Device, sdma: &mut SdmaQueue) -> Result<(), Error> {
        for fence in self.fences.iter_mut().filter_map(Option::take) {
            sdma.wait(device, fence, LIMIT)?;
        }
        Ok(())
    }

    /// Reads video memory, after all that was sent has arrived.
    ///
    /// # Errors
    /// If a copy hangs.
    pub fn read(
        &mut self,
        device: &mut Device,
        sdma: &mut SdmaQueue,
        from: GpuVa,
        out: &mut [u8],
    ) -> Result<(), Error> {
        let mut from = from;
        for piece in out.chunks_mut(self.slot_bytes as usize) {
            let slot = self.slot(device, sdma)?;
            let offset = self.offset(&slot);
            let bytes = piece.len() as u64;
            sdma.copy(device, from, self.memory.va().plus(offset), bytes)?;
            let fence = sdma.submit(device)?;
            sdma.wait(device, fence, LIMIT)?;
            self.memory.read(device, offset, piece)?;
            from = from.plus(bytes);
        }
        Ok(())
    }
}
