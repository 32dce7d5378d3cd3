//! A compute queue: queue 0 of pipe 0 of the first MEC, loaded by hand (HQD by MQD), without MES or a scheduler.
//!
//! Sources: `gfx_v11_0_compute_mqd_init`, `gfx_v11_0_kiq_init_register` in Linux `gfx_v11_0.c`, `hqd_load_v11` in
//! `amdgpu_amdkfd_gfx_v11.c`; `AM_GFX.setup_ring` in tinygrad's `ip.py`.

use core::time::Duration;

use amdgpu_registers::{Register, gc};

use super::dispatch::Commands;
use super::fence::{Fence, Progress};
use super::mqd::Mqd;
use super::pm4::{After, Caches, Pm4, Write, decode};
use super::ring::{Kind, Ring, Unit, put_words};
use super::{FROM_KERNELS, FROM_OUTSIDE, TO_OUTSIDE};
use crate::hub::video_memory_base;
use crate::memory::{Access, SharedBuffer, VramBuffer};
use crate::{Device, Error, GpuVa, Memory, VramAddr};

/// Logarithm of the dwords of the buffer for end-of-pipe events; RELEASE_MEM needs one (`AMDComputeQueue.signal` in tinygrad).
const LOG_EOP_DWORDS: u32 = 10;
/// Dwords before and after a batch, at most.
const FRAME: usize = 16;
/// Dwords that an INDIRECT_BUFFER can name.
const MOST_INDIRECT: usize = 0xf_ffff;
/// How long a queue may take to go (`gfx_v11_0_kiq_init_register` and `hqd_destroy_v11` in Linux wait for so long).
const DEQUEUE_LIMIT: Duration = Duration::from_millis(100);

pub(super) const KIND: Kind = Kind {
    name: "compute queue",
    unit: Unit::Dwords,
    registers: REPORT,
    shift: 0,
    decode,
};
/// What a report of a hang has.
const REPORT: &[Register] = &[
    gc::GRBM_STATUS,
    gc::GRBM_STATUS2,
    gc::CP_STAT,
    gc::CP_CPC_STATUS,
    gc::CP_CPC_BUSY_STAT,
    gc::CP_CPC_STALLED_STAT1,
    gc::CP_CPF_STATUS,
    gc::CP_CPF_BUSY_STAT,
    gc::CP_CPF_STALLED_STAT1,
    gc::CP_MEC_RS64_INSTR_PNTR,
    gc::CP_HQD_ACTIVE,
    gc::CP_HQD_PQ_RPTR,
    gc::CP_HQD_PQ_WPTR_LO,
    gc::CP_HQD_ERROR,
];

/// Where a queue has its things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Its MQD: 4 KiB that the processor sees.
    pub mqd: VramAddr,
    /// Its doorbell, by number.
    pub doorbell: u32,
    /// Length of its ring: a power of two.
    pub ring_bytes: u64,
}

/// Who is to see what a batch wrote, once its fence has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Later batches, and the processor in host memory.
    Host,
    /// Besides, SDMA and the processor in video memory.
    Memory,
}

/// Commands in memory of their own, written once, submitted any number of times.
#[derive(Debug)]
pub struct Prebuilt {
    memory: SharedBuffer,
    dwords: u32,
}

/// A compute queue.
pub struct ComputeQueue {
    ring: Ring,
    eop: VramBuffer,
    placement: Placement,
    /// What the next batch must do to caches before it begins.
    pending: Caches,
}

impl ComputeQueue {
    /// A queue that waits for batches. The MEC runs, both hubs are set up, doorbells reach it.
    ///
    /// # Errors
    /// If there is no memory for it, or it does not become active.
    pub fn create(
        device: &mut Device,
        memory: &mut Memory,
        placement: Placement,
    ) -> Result<Self, Error> {
        let Placement {
            doorbell,
            ring_bytes,
            ..
        } = placement;
        let ring = Ring::new(device, memory, KIND, ring_bytes, doorbell)?;
        let eop = memory.allocate_vram(device, 4 << LOG_EOP_DWORDS, 4096, Access::UNCACHED);
        let eop = match eop {
            Ok(eop) => eop,
            Err(error) => {
                ring.free(device, memory)?;
                return Err(error);
            }
        };
        let mut queue = Self {
            ring,
            eop,
            placement,
            pending: FROM_OUTSIDE.and(Caches::GLI_INV),
        };
        match queue.activate(device) {
            Ok(()) => Ok(queue),
            Err(error) => {
                queue.destroy(device, memory)?;
                Err(error)
            }
        }
    }

    /// Writes the MQD, loads the registers of the queue from it, and switches it on.
    fn activate(&mut self, device: &mut Device) -> Result<(), Error> {
        let place = video_memory_base(device)?.plus(self.placement.mqd.0);
        let mqd = Mqd::new(place, &self.ring, self.eop.va(), LOG_EOP_DWORDS);
        device.bus().vram_write(self.placement.mqd.0, &mqd.bytes());
        device.flush_hdp()?;
        // Write pointers come by doorbell, none is polled (`gfx_v11_0_kiq_init_register`).
        device.update(
            gc::CP_PQ_WPTR_POLL_CNTL,
            &[(gc::CP_PQ_WPTR_POLL_CNTL::EN, 0)],
        )?;
        device.update(gc::CP_PQ_STATUS, &[(gc::CP_PQ_STATUS::DOORBELL_ENABLE, 1)])?;
        with_compute_queue(device, |device| {
            for (register, value) in mqd.registers() {
                device.write(register, value)?;
            }
            device.write(gc::CP_HQD_ACTIVE, 1)?;
            let what = "compute queue to become active";
            let active = gc::CP_HQD_ACTIVE::ACTIVE.mask();
            device.wait(what, gc::CP_HQD_ACTIVE, (active, active), DEQUEUE_LIMIT)?;
            Ok(())
        })
    }

    /// SDMA or the processor wrote video memory that kernels of the next batch read.
    pub const fn memory_changed(&mut self) {
        self.pending = self.pending.and(FROM_OUTSIDE);
    }

    /// The same, and programs are among it.
    pub const fn code_changed(&mut self) {
        self.pending = self.pending.and(FROM_OUTSIDE).and(Caches::GLI_INV);
    }

    /// Submits a batch with one doorbell.
    ///
    /// # Errors
    /// If it is longer than the ring, or the ring stays full for long.
    pub fn submit(
        &mut self,
        device: &mut Device,
        commands: &Commands,
        release: Release,
    ) -> Result<Fence, Error> {
        self.send(device, commands.words()?, release)
    }

    /// Submits prebuilt commands with one doorbell.
    ///
    /// # Errors
    /// If the ring stays full for long.
    pub fn replay(
        &mut self,
        device: &mut Device,
        prebuilt: &Prebuilt,
        release: Release,
    ) -> Result<Fence, Error> {
        let (mut packet, mut used) = ([0; 4], 0);
        Pm4::new(&mut packet, &mut used).indirect_buffer(prebuilt.memory.va(), prebuilt.dwords);
        self.send(device, &packet[..used], release)
    }

    fn send(
        &mut self,
        device: &mut Device,
        words: &[u32],
        release: Release,
    ) -> Result<Fence, Error> {
        let total = (words.len() + 2 * FRAME) as u64;
        if total > self.ring.capacity() {
            return Err(Error::NoRoom {
                what: "batch in the ring of a compute queue",
                bytes: 4 * total,
            });
        }
        self.ring.wait_for_room(device, total)?;
        let fence = self.ring.next_fence();
        let (mut frame, mut used) = ([0; FRAME], 0);
        // The end of the batch before is only told when it comes, not waited for.
        let mut begin = Pm4::new(&mut frame, &mut used);
        begin.cs_partial_flush();
        begin.acquire_mem(FROM_KERNELS.and(self.pending));
        self.ring.begin_batch();
        self.ring.write(device, &frame[..used]);
        self.ring.write(device, words);
        let caches = match release {
            Release::Host => Caches::NONE,
            Release::Memory => TO_OUTSIDE,
        };
        let write = Write::Wide(self.ring.fence_place(), fence.0);
        used = 0;
        Pm4::new(&mut frame, &mut used).release_mem(caches, write, After::Confirmation);
        self.ring.write(device, &frame[..used]);
        self.ring.end_batch();
        self.ring.ring_doorbell(device);
        self.pending = Caches::NONE;
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

    /// Where [`Commands::timestamp`] may write so that [`ComputeQueue::stamp`] finds it. There are 256 places.
    #[must_use]
    pub fn stamp_place(&self, stamp: u64) -> GpuVa {
        self.ring.stamp_place(stamp)
    }

    /// A timestamp in units of 10 ns.
    pub fn stamp(&self, device: &mut Device, stamp: u64) -> u64 {
        self.ring.stamp(device, stamp)
    }

    /// Puts commands into memory of their own.
    ///
    /// # Errors
    /// If they are too many, or there is no memory.
    pub fn prebuild(
        &self,
        device: &mut Device,
        memory: &mut Memory,
        commands: &Commands,
    ) -> Result<Prebuilt, Error> {
        let words = commands.words()?;
        let bytes = 4 * words.len() as u64;
        if words.is_empty() || words.len() > MOST_INDIRECT {
            return Err(Error::Unexpected {
                what: "bytes of an indirect buffer",
                found: bytes,
                expected: "1 to 2^20 - 1 dwords",
            });
        }
        let memory = memory.allocate_host(device, bytes)?;
        put_words(device, memory.buffer(), 0, words);
        let dwords = words.len() as u32;
        Ok(Prebuilt { memory, dwords })
    }

    /// Takes the queue off the pipe; what it was doing is given up, its waves are killed (`hqd_destroy_v11` in Linux with
    /// RESET_WAVES; tinygrad's `AM_GFX.reset_mec`). The first level of recovery; [`ComputeQueue::recreate`] comes after it, or
    /// after a reset of the MEC if this fails.
    ///
    /// # Errors
    /// If it stays active.
    pub fn dequeue(&mut self, device: &mut Device) -> Result<(), Error> {
        const RESET_WAVES: u32 = 2;
        with_compute_queue(device, |device| {
            let active = gc::CP_HQD_ACTIVE::ACTIVE.mask();
            if device.read(gc::CP_HQD_ACTIVE)? & active == 0 {
                return Ok(());
            }
            let request = gc::CP_HQD_DEQUEUE_REQUEST::DEQUEUE_REQ.is(RESET_WAVES);
            device.write(gc::CP_HQD_DEQUEUE_REQUEST, request)?;
            device.write(gc::SPI_COMPUTE_QUEUE_RESET, 1)?;
            let what = "compute queue to be dequeued";
            device.wait(what, gc::CP_HQD_ACTIVE, (active, 0), DEQUEUE_LIMIT)?;
            Ok(())
        })
    }

    /// Makes a queue anew that was dequeued, or lost by a reset of the MEC: empty, with the fences of batches that were not
    /// done marked as lost. Fences go on where they were.
    ///
    /// # Errors
    /// If it does not become active.
    pub fn recreate(&mut self, device: &mut Device) -> Result<(), Error> {
        self.ring.reset(device);
        self.code_changed();
        self.activate(device)
    }

    /// Takes the queue away and gives its memory back.
    ///
    /// # Errors
    /// If it stays active; its memory stays with the card then.
    pub fn destroy(mut self, device: &mut Device, memory: &mut Memory) -> Result<(), Error> {
        self.dequeue(device)?;
        memory.free(device, self.eop)?;
        self.ring.free(device, memory)
    }

    /// Gives host memory back to the bus, from a card that does no DMA any more: it was reset, or is off bus mastering.
    pub fn abandon(self, device: &mut Device) {
        self.ring.abandon(device);
    }
}

impl Prebuilt {
    /// Gives its memory back. No batch with it is under way.
    ///
    /// # Errors
    /// As [`Memory::free_host`].
    pub fn free(self, device: &mut Device, memory: &mut Memory) -> Result<(), Error> {
        memory.free_host(device, self.memory)
    }

    /// Gives its memory back to the bus, from a card that does no DMA any more.
    pub fn abandon(self, device: &mut Device) {
        self.memory.abandon(device);
    }
}

/// Lets banked registers mean those of the queue: me 1, pipe 0, queue 0.
pub(super) fn with_compute_queue<T>(
    device: &mut Device,
    act: impl FnOnce(&mut Device) -> Result<T, Error>,
) -> Result<T, Error> {
    device.write(gc::GRBM_GFX_CNTL, gc::GRBM_GFX_CNTL::MEID.is(1))?;
    let result = act(device);
    device.write(gc::GRBM_GFX_CNTL, 0)?;
    result
}
