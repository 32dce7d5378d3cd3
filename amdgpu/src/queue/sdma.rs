//! An SDMA queue: queue 0 of an engine. It copies while processor and kernels do other things.
//!
//! No packet goes on from the end of the ring at its beginning: the rest is filled with NOPs. Addresses are walked as those of
//! kernels are, so host and video memory are copied alike, in both directions.
//!
//! Sources: `sdma_v6_0_gfx_resume_instance` and `sdma_v6_0_ring_insert_nop` in Linux; `AM_SDMA.setup_ring` and
//! `AMDCopyQueue._submit` in tinygrad.

use core::time::Duration;

use amdgpu_registers::{Register, sdma};

use super::fence::{Fence, Progress};
use super::ring::{Kind, Ring, Unit};
use super::sdma_packets::{self as packets, MOST_BYTES, NOP};
use crate::{Device, Error, GpuVa, Memory};

/// Dwords from a register of engine 0 to that of engine 1.
const ENGINE: u32 = 0x600;
/// What a report of a hang has, of engine 0.
const REPORT: &[Register] = &[
    sdma::SDMA0_STATUS_REG,
    sdma::SDMA0_QUEUE_CONTEXT_STATUS,
    sdma::SDMA0_QUEUE_RB_CNTL,
    sdma::SDMA0_QUEUE_RB_RPTR,
    sdma::SDMA0_QUEUE_RB_WPTR,
    sdma::SDMA0_INT_STATUS,
];

/// The queue of an engine.
const fn kind(engine: u32, name: &'static str) -> Kind {
    Kind {
        name,
        unit: Unit::Bytes,
        registers: REPORT,
        shift: engine * ENGINE,
        decode: packets::decode,
    }
}
const KINDS: [Kind; 2] = [kind(0, "SDMA0 queue"), kind(1, "SDMA1 queue")];

/// A queue of an SDMA engine.
pub struct SdmaQueue {
    ring: Ring,
    /// There are packets that the engine was not told of.
    is_waiting: bool,
}

impl SdmaQueue {
    /// Queue 0 of engine 0 or 1, which runs. Its ring is a power of two long.
    ///
    /// # Errors
    /// If there is no such engine, or no memory.
    pub fn create(
        device: &mut Device,
        memory: &mut Memory,
        engine: u32,
        ring_bytes: u64,
        doorbell: u32,
    ) -> Result<Self, Error> {
        let kind = KINDS.get(engine as usize).ok_or(Error::Unexpected {
            what: "SDMA engine",
            found: engine.into(),
            expected: "0 or 1",
        })?;
        let mut queue = Self {
            ring: Ring::new(device, memory, *kind, ring_bytes, doorbell)?,
            is_waiting: false,
        };
        match queue.enable(device) {
            Ok(()) => Ok(queue),
            Err(error) => {
                queue.destroy(device, memory)?;
                Err(error)
            }
        }
    }

    fn register(&self, of_engine_0: Register) -> Register {
        of_engine_0.plus(self.ring.kind().shift)
    }

    fn enable(&mut self, device: &mut Device) -> Result<(), Error> {
        use sdma::SDMA0_QUEUE_DOORBELL::ENABLE;
        use sdma::SDMA0_QUEUE_DOORBELL_OFFSET::OFFSET;
        use sdma::SDMA0_QUEUE_RB_CNTL as ring;
        let base = self.ring.base().0 >> 8;
        let (read, written) = (
            self.ring.read_pointer_place(),
            self.ring.write_pointer_place(),
        );
        let control = ring::RB_ENABLE.is(1)
            | ring::RB_SIZE.is(self.ring.log_dwords())
            | ring::F32_WPTR_POLL_ENABLE.is(1)
            | ring::RPTR_WRITEBACK_ENABLE.is(1)
            | ring::RPTR_WRITEBACK_TIMER.is(4)
            | ring::RB_PRIV.is(1);
        let writes = [
            (sdma::SDMA0_QUEUE_MINOR_PTR_UPDATE, 1),
            (sdma::SDMA0_QUEUE_RB_RPTR, 0),
            (sdma::SDMA0_QUEUE_RB_RPTR_HI, 0),
            (sdma::SDMA0_QUEUE_RB_WPTR, 0),
            (sdma::SDMA0_QUEUE_RB_WPTR_HI, 0),
            (sdma::SDMA0_QUEUE_RB_BASE, base as u32),
            (sdma::SDMA0_QUEUE_RB_BASE_HI, (base >> 32) as u32),
            (sdma::SDMA0_QUEUE_RB_RPTR_ADDR_HI, read.high()),
            (sdma::SDMA0_QUEUE_RB_RPTR_ADDR_LO, read.low()),
            (sdma::SDMA0_QUEUE_RB_WPTR_POLL_ADDR_HI, written.high()),
            (sdma::SDMA0_QUEUE_RB_WPTR_POLL_ADDR_LO, written.low()),
            // In dwords; a doorbell has two.
            (
                sdma::SDMA0_QUEUE_DOORBELL_OFFSET,
                OFFSET.is(self.ring.doorbell() / 4),
            ),
            (sdma::SDMA0_QUEUE_DOORBELL, ENABLE.is(1)),
            (sdma::SDMA0_QUEUE_MINOR_PTR_UPDATE, 0),
            (sdma::SDMA0_QUEUE_RB_CNTL, control),
        ];
        for (register, value) in writes {
            device.write(self.register(register), value)?;
        }
        let buffers = self.register(sdma::SDMA0_QUEUE_IB_CNTL);
        device.update(buffers, &[(sdma::SDMA0_QUEUE_IB_CNTL::IB_ENABLE, 1)])
    }

    /// Switches the queue off (`sdma_v6_0_gfx_stop`). The engine may be in the middle of a packet: what hangs is ended by a
    /// reset of the engine, after which [`SdmaQueue::recreate`] goes on.
    ///
    /// # Errors
    /// If the card has no such engine.
    pub fn disable(&mut self, device: &mut Device) -> Result<(), Error> {
        let ring = self.register(sdma::SDMA0_QUEUE_RB_CNTL);
        device.update(ring, &[(sdma::SDMA0_QUEUE_RB_CNTL::RB_ENABLE, 0)])?;
        let buffers = self.register(sdma::SDMA0_QUEUE_IB_CNTL);
        device.update(buffers, &[(sdma::SDMA0_QUEUE_IB_CNTL::IB_ENABLE, 0)])?;
        device.write(self.register(sdma::SDMA0_QUEUE_DOORBELL), 0)?;
        device.write(self.register(sdma::SDMA0_QUEUE_DOORBELL_OFFSET), 0)
    }

    /// Makes a disabled queue anew, empty; fences that have not come are lost, others go on where they were.
    ///
    /// # Errors
    /// If the card has no such engine.
    pub fn recreate(&mut self, device: &mut Device) -> Result<(), Error> {
        self.ring.reset(device);
        self.is_waiting = false;
        self.enable(device)
    }

    /// Takes the queue away and gives its memory back.
    ///
    /// # Errors
    /// If the card has no such engine, or TLBs cannot be flushed.
    pub fn destroy(mut self, device: &mut Device, memory: &mut Memory) -> Result<(), Error> {
        self.disable(device)?;
        self.ring.free(device, memory)
    }

    /// Gives host memory back to the bus, from a card that does no DMA any more: it was reset, or is off bus mastering.
    pub fn abandon(self, device: &mut Device) {
        self.ring.abandon(device);
    }

    /// Puts a packet into the ring, where it does not go over the end.
    fn push(&mut self, device: &mut Device, packet: &[u32]) -> Result<(), Error> {
        let length = packet.len() as u64;
        let left = self.ring.straight();
        let filler = if left < length { left } else { 0 };
        let needed = length + filler;
        if !self.ring.has_room(device, needed) {
            self.tell(device);
            self.ring.wait_for_room(device, needed)?;
        }
        if !self.is_waiting {
            self.ring.begin_batch();
        }
        // A packet has at most seven dwords.
        self.ring.write(device, &[NOP; 8][..filler as usize]);
        self.ring.write(device, packet);
        self.is_waiting = true;
        Ok(())
    }

    /// Tells the engine of all packets.
    fn tell(&mut self, device: &mut Device) {
        if core::mem::take(&mut self.is_waiting) {
            self.ring.ring_doorbell(device);
        }
    }

    /// Copies, from the next [`SdmaQueue::submit`] on. The two do not overlap.
    ///
    /// # Errors
    /// If the ring stays full for long.
    pub fn copy(
        &mut self,
        device: &mut Device,
        from: GpuVa,
        to: GpuVa,
        bytes: u64,
    ) -> Result<(), Error> {
        pieces(bytes, |done, count| {
            let packet = packets::copy(from.plus(done), to.plus(done), count);
            self.push(device, &packet)
        })
    }

    /// Fills with a dword, from the next [`SdmaQueue::submit`] on.
    ///
    /// # Errors
    /// If address and length are not multiples of 4, or the ring stays full for long.
    pub fn fill(
        &mut self,
        device: &mut Device,
        to: GpuVa,
        value: u32,
        bytes: u64,
    ) -> Result<(), Error> {
        if !(to.0 | bytes).is_multiple_of(4) {
            return Err(Error::Unexpected {
                what: "address and length of a fill, together",
                found: to.0 | bytes,
                expected: "multiples of 4",
            });
        }
        pieces(bytes, |done, count| {
            self.push(device, &packets::fill(to.plus(done), value, count))
        })
    }

    /// Holds back what comes after it until the dword there is at least `value`: a fence of another queue.
    ///
    /// # Errors
    /// If the ring stays full for long.
    pub fn poll(&mut self, device: &mut Device, place: GpuVa, value: u32) -> Result<(), Error> {
        self.push(device, &packets::poll(place, value))
    }

    /// Writes the clock of 100 MHz, for [`SdmaQueue::stamp`].
    ///
    /// # Errors
    /// If the ring stays full for long.
    pub fn timestamp(&mut self, device: &mut Device, stamp: u64) -> Result<(), Error> {
        let place = self.ring.stamp_place(stamp);
        self.push(device, &packets::timestamp(place))
    }

    /// A timestamp in units of 10 ns.
    pub fn stamp(&self, device: &mut Device, stamp: u64) -> u64 {
        self.ring.stamp(device, stamp)
    }

    /// Lets the engine do all that was asked for, with one doorbell.
    ///
    /// # Errors
    /// If the ring stays full for long.
    pub fn submit(&mut self, device: &mut Device) -> Result<Fence, Error> {
        let fence = self.ring.next_fence();
        let packet = packets::fence(self.ring.fence_place(), fence.0 as u32);
        self.push(device, &packet)?;
        self.ring.end_batch();
        self.tell(device);
        Ok(fence)
    }

    /// How far it is.
    pub fn progress(&mut self, device: &mut Device) -> Progress {
        self.ring.progress(device)
    }

    /// Whether a batch is done.
    pub fn is_done(&mut self, device: &mut Device, fence: Fence) -> bool {
        self.ring.is_done(device, fence)
    }

    /// Waits until a batch is done.
    ///
    /// # Errors
    /// [`Error::Hung`] if it is not within `limit`; [`Error::Unexpected`] if it was lost when the queue was made anew.
    pub fn wait(
        &mut self,
        device: &mut Device,
        fence: Fence,
        limit: Duration,
    ) -> Result<(), Error> {
        self.ring.wait(device, fence, limit)
    }
}

/// Splits a length into what packets can move.
fn pieces(bytes: u64, mut each: impl FnMut(u64, u32) -> Result<(), Error>) -> Result<(), Error> {
    let mut done = 0;
    while done < bytes {
        let count = (bytes - done).min(MOST_BYTES);
        each(done, count as u32)?;
        done += count;
    }
    Ok(())
}
