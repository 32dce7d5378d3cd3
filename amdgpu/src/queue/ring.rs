//! The ring of a queue, and the page that queue and processor share beside it. Both lie in host memory, snooped: nothing of
//! what happens for each batch needs the host data path flushed, and fences are polled in the processor's own cache.
//!
//! Pointers count dwords since the queue was made and never wrap; what engines want is made of them. One dword stays free, so
//! that a full ring does not look like an empty one.

use core::time::Duration;

use amdgpu_registers::Register;

use super::fence::{Fence, Fences, Progress};
use super::hang::{Batches, hang};
use crate::memory::SharedBuffer;
use crate::{Bar, Device, Error, GpuVa, HostBuffer, Memory};

/// Bytes of the shared page before the ring.
const PAGE: u64 = 4096;
/// Where engines write what they have read, a line each, so that processor and card do not share one for two purposes.
const READ_POINTER: u64 = 0;
/// Where engines find what was written.
const WRITE_POINTER: u64 = 0x80;
/// Where fences are.
const FENCE: u64 = 0x100;
/// Where timestamps are.
const STAMPS: u64 = 0x800;
/// How many.
const STAMP_COUNT: u64 = 256;
/// Dwords that are written to host memory at once.
const CHUNK: usize = 256;
/// How long a packet waits for room.
const ROOM_LIMIT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_micros(1);
const LONGEST_PAUSE: Duration = Duration::from_micros(100);

/// What one is the unit of an engine's pointers in: a dword has so many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Compute queues.
    Dwords = 1,
    /// SDMA queues.
    Bytes = 4,
}

/// What is different between the queues of engines.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// Its name in reports.
    pub(super) name: &'static str,
    pub(super) unit: Unit,
    /// Registers that a report of a hang has, so many dwords further.
    pub(super) registers: &'static [Register],
    pub(super) shift: u32,
    /// Tells a packet's name and dwords from its first one.
    pub(super) decode: fn(u32) -> (Option<&'static str>, usize),
}

/// A ring, and the fences of its queue.
pub(super) struct Ring {
    kind: Kind,
    memory: SharedBuffer,
    /// A power of two.
    dwords: u64,
    /// Byte offset in BAR2.
    doorbell: u32,
    written: u64,
    /// What of it was read at least.
    read: u64,
    fences: Fences,
    batches: Batches,
}

impl Ring {
    /// A ring of that many bytes, and its doorbell by number.
    ///
    /// # Errors
    /// If the length is not a power of two from 4 KiB to 16 MiB, the doorbell does not exist, or there is no memory.
    pub(super) fn new(
        device: &mut Device,
        memory: &mut Memory,
        kind: Kind,
        bytes: u64,
        doorbell: u32,
    ) -> Result<Self, Error> {
        if !bytes.is_power_of_two() || !(PAGE..=16 << 20).contains(&bytes) {
            return Err(Error::Unexpected {
                what: "bytes of a ring",
                found: bytes,
                expected: "a power of two from 4 KiB to 16 MiB",
            });
        }
        let doorbells = device.bus().aperture_bytes(Bar::Doorbells) / 8;
        if u64::from(doorbell) >= doorbells {
            return Err(Error::Unexpected {
                what: "doorbell",
                found: doorbell.into(),
                expected: "one that BAR2 has",
            });
        }
        Ok(Self {
            memory: memory.allocate_host(device, PAGE + bytes)?,
            kind,
            dwords: bytes / 4,
            doorbell: doorbell * 8,
            written: 0,
            read: 0,
            fences: Fences::default(),
            batches: Batches::default(),
        })
    }

    pub(super) fn free(self, device: &mut Device, memory: &mut Memory) -> Result<(), Error> {
        memory.free_host(device, self.memory)
    }

    pub(super) fn abandon(self, device: &mut Device) {
        self.memory.abandon(device);
    }

    /// Starts again at 0, for a queue that is made anew; fences that have not come are lost, others go on where they were.
    pub(super) fn reset(&mut self, device: &mut Device) {
        self.see(device);
        let fence = self.fences.give_up();
        (self.written, self.read) = (0, 0);
        self.batches = Batches::default();
        for (place, value) in [(READ_POINTER, 0), (WRITE_POINTER, 0), (FENCE, fence)] {
            self.put(device, place, value);
        }
    }

    pub(super) const fn kind(&self) -> &Kind {
        &self.kind
    }

    pub(super) const fn batches(&self) -> &Batches {
        &self.batches
    }

    fn at(&self, offset: u64) -> GpuVa {
        self.memory.va().plus(offset)
    }

    /// The first dword.
    pub(super) fn base(&self) -> GpuVa {
        self.at(PAGE)
    }

    pub(super) fn read_pointer_place(&self) -> GpuVa {
        self.at(READ_POINTER)
    }

    pub(super) fn write_pointer_place(&self) -> GpuVa {
        self.at(WRITE_POINTER)
    }

    pub(super) fn fence_place(&self) -> GpuVa {
        self.at(FENCE)
    }

    pub(super) fn stamp_place(&self, stamp: u64) -> GpuVa {
        self.at(STAMPS + 8 * (stamp % STAMP_COUNT))
    }

    /// Byte offset in BAR2.
    pub(super) const fn doorbell(&self) -> u32 {
        self.doorbell
    }

    /// Logarithm of the dwords.
    pub(super) const fn log_dwords(&self) -> u32 {
        self.dwords.ilog2()
    }

    /// Dwords from the end of what was written to the end of the ring.
    pub(super) const fn straight(&self) -> u64 {
        self.dwords - self.written % self.dwords
    }

    /// Dwords since the beginning.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// Dwords that can be written at most.
    pub(super) const fn capacity(&self) -> u64 {
        self.dwords - 1
    }

    fn put(&self, device: &mut Device, offset: u64, value: u64) {
        let buffer = self.memory.buffer();
        device
            .bus()
            .host_write(buffer, offset, &value.to_le_bytes());
    }

    fn get(&self, device: &mut Device, offset: u64) -> u64 {
        let mut bytes = [0; 8];
        device
            .bus()
            .host_read(self.memory.buffer(), offset, &mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Looks for the last fence that came, of which the low half says all.
    fn see(&mut self, device: &mut Device) -> u64 {
        let found = self.get(device, FENCE);
        self.fences.see(found as u32)
    }

    /// The fence that the next batch ends with.
    pub(super) const fn next_fence(&self) -> Fence {
        self.fences.next()
    }

    pub(super) fn is_done(&mut self, device: &mut Device, fence: Fence) -> bool {
        if !self.fences.is_done(fence) {
            self.see(device);
        }
        self.fences.is_done(fence)
    }

    /// Waits for a fence.
    ///
    /// # Errors
    /// [`Error::Hung`] if it does not come within `limit`; [`Error::Unexpected`] if it was lost.
    pub(super) fn wait(
        &mut self,
        device: &mut Device,
        fence: Fence,
        limit: Duration,
    ) -> Result<(), Error> {
        self.fences.check(fence)?;
        wait(device, limit, |device| self.is_done(device, fence))
            .map_err(|after| hang(device, self, Some(fence), after))
    }

    /// Waits for room for so many dwords.
    ///
    /// # Errors
    /// [`Error::Hung`] if there is none for long.
    pub(super) fn wait_for_room(&mut self, device: &mut Device, dwords: u64) -> Result<(), Error> {
        wait(device, ROOM_LIMIT, |device| self.has_room(device, dwords))
            .map_err(|after| hang(device, self, None, after))
    }

    /// How far the queue is.
    pub(super) fn progress(&mut self, device: &mut Device) -> Progress {
        Progress {
            reached: self.see(device),
            issued: self.fences.last(),
            read: self.read(device),
            written: self.written,
        }
    }

    pub(super) fn stamp(&self, device: &mut Device, stamp: u64) -> u64 {
        self.get(device, STAMPS + 8 * (stamp % STAMP_COUNT))
    }

    /// Dwords that the engine has read since the beginning, by what it wrote last. Engines write the position in the ring or
    /// a count of it that wraps later; modulo the ring these are the same.
    fn read(&mut self, device: &mut Device) -> u64 {
        let told = self.get(device, READ_POINTER) as u32 / self.kind.unit as u32;
        let behind = self.written.wrapping_sub(told.into()) & (self.dwords - 1);
        // What it cannot have read yet is nothing that it has read.
        self.read = self.written.saturating_sub(behind);
        self.read
    }

    /// Whether there is room for so many dwords now.
    pub(super) fn has_room(&mut self, device: &mut Device, dwords: u64) -> bool {
        let fits = |read: u64| self.written + dwords - read < self.dwords;
        fits(self.read) || {
            let written = self.written;
            let limit = self.dwords;
            written + dwords - self.read(device) < limit
        }
    }

    /// What is written next begins a batch, up to the next fence.
    pub(super) fn begin_batch(&mut self) {
        self.batches.begin(self.written);
    }

    /// Writes dwords, for which there is room. The engine does not look at them before [`Ring::ring_doorbell`].
    pub(super) fn write(&mut self, device: &mut Device, mut words: &[u32]) {
        while !words.is_empty() {
            let (now, later) = words.split_at(words.len().min(self.straight() as usize));
            let offset = PAGE + 4 * (self.written % self.dwords);
            put_words(device, self.memory.buffer(), offset, now);
            self.written += now.len() as u64;
            words = later;
        }
    }

    /// Reads dwords back, for reports.
    pub(super) fn look(&self, device: &mut Device, at: u64) -> u32 {
        let mut bytes = [0; 4];
        let offset = PAGE + 4 * (at % self.dwords);
        device
            .bus()
            .host_read(self.memory.buffer(), offset, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// The batch that was written ends with [`Ring::next_fence`].
    pub(super) const fn end_batch(&mut self) {
        self.fences.issue(self.fences.next());
    }

    /// Tells the engine what was written. The pointer is in memory before: an engine that looks there finds the same.
    pub(super) fn ring_doorbell(&mut self, device: &mut Device) {
        let pointer = self.written * self.kind.unit as u64;
        self.put(device, WRITE_POINTER, pointer);
        device.bus().doorbell(self.doorbell, pointer);
    }
}

/// Writes dwords to host memory.
pub(super) fn put_words(device: &mut Device, buffer: &HostBuffer, offset: u64, words: &[u32]) {
    let mut bytes = [0; 4 * CHUNK];
    let mut offset = offset;
    for words in words.chunks(CHUNK) {
        let out = &mut bytes[..4 * words.len()];
        for (place, word) in out.as_chunks_mut().0.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        device.bus().host_write(buffer, offset, out);
        offset += out.len() as u64;
    }
}

/// Asks until it is so, or returns how long it asked in vain. Pauses are short: this is what work waits for.
fn wait(
    device: &mut Device,
    limit: Duration,
    mut is_so: impl FnMut(&mut Device) -> bool,
) -> Result<(), Duration> {
    let start = device.bus().now();
    let mut pause = FIRST_PAUSE;
    loop {
        let so = is_so(device);
        let after = device.bus().now().saturating_sub(start);
        if so {
            return Ok(());
        }
        if after >= limit {
            return Err(after);
        }
        device.bus().pause(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, memory};

    fn kind(unit: Unit) -> Kind {
        Kind {
            name: "a test",
            unit,
            registers: &[],
            shift: 0,
            decode: |_| (None, 1),
        }
    }

    /// Whatever an engine tells, as much room as there is or less, and never more than was written is read.
    #[test]
    fn an_engine_that_tells_nonsense_does_no_harm() {
        let (mut device, mut memory, _) = memory();
        for unit in [Unit::Dwords, Unit::Bytes] {
            let ring = Ring::new(&mut device, &mut memory, kind(unit), 4096, 3);
            let mut ring = ring.expect("there is memory");
            let mut random = Random(5);
            for _ in 0..5000 {
                ring.put(&mut device, READ_POINTER, random.next());
                let read = ring.read(&mut device);
                assert!(read <= ring.written() && ring.written() - read <= ring.capacity());
                let count = random.below(60);
                if ring.has_room(&mut device, count) {
                    ring.write(&mut device, &[0; 60][..count as usize]);
                }
            }
        }
    }

    #[test]
    fn what_is_written_over_the_end_is_read_from_the_beginning() {
        let (mut device, mut memory, seen) = memory();
        let ring = Ring::new(&mut device, &mut memory, kind(Unit::Bytes), 4096, 0x100);
        let mut ring = ring.expect("there is memory");
        let words: [u32; 700] = core::array::from_fn(|at| at as u32);
        for round in 1..4 {
            assert!(ring.has_room(&mut device, 700));
            ring.write(&mut device, &words);
            ring.ring_doorbell(&mut device);
            assert!(!ring.has_room(&mut device, 324), "one dword stays free");
            ring.put(&mut device, READ_POINTER, 4 * ring.written());
            for at in 0..700 {
                let place = ring.written() - 700 + at;
                assert_eq!(u64::from(ring.look(&mut device, place)), at);
            }
            let rung = seen.lock().expect("seen").doorbells.last().copied();
            assert_eq!(rung, Some((0x800, 2800 * round)));
        }
        let wrong = [(4095, 3), (2048, 3), (32 << 20, 3), (4096, u32::MAX)];
        for (bytes, doorbell) in wrong {
            let ring = Ring::new(&mut device, &mut memory, kind(Unit::Bytes), bytes, doorbell);
            assert!(ring.is_err(), "{bytes} {doorbell}");
        }
    }
}
