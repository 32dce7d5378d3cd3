//! What unit tests share: a bus to nothing but memory, and random numbers.

use alloc::boxed::Box;
use core::time::Duration;
use std::sync::{Arc, Mutex};
use std::vec::Vec;

use amdgpu_registers::{Bases, Ip};

use crate::{Bar, Bus, BusAddr, Device, HostBuffer, HostRange};

/// A generator of random numbers (xorshift): the same for the same seed, which is not 0.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }

    /// A number below 2 to the power of a number below `bits`: small ones come as often as large ones.
    pub(crate) fn of_any_size(&mut self, bits: u64) -> u64 {
        let bits = self.below(bits);
        self.below(1 << bits)
    }
}

/// What was done to a [`TestBus`], and what its memories hold.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) vram: Vec<u8>,
    /// Host memory by the names of the buffers.
    pub(crate) host: Vec<Vec<u8>>,
    /// Offset and length of each write to video memory.
    pub(crate) vram_writes: Vec<(u64, usize)>,
    /// Offset and value of each.
    pub(crate) doorbells: Vec<(u32, u64)>,
    /// Dword address and value of each.
    pub(crate) register_writes: Vec<(u32, u32)>,
}

/// A bus on which every register reads as 1, so that waits for a bit come to their end, and memory is memory.
pub(crate) struct TestBus {
    seen: Arc<Mutex<Seen>>,
    now: Duration,
}

/// Every block begins at 0.
struct NoBases;

impl Bases for NoBases {
    fn base(&self, _: Ip, _: u8) -> Option<u32> {
        Some(0)
    }
}

/// A device without a card, with video memory of that size.
pub(crate) fn device(vram_bytes: usize) -> (Device, Arc<Mutex<Seen>>) {
    let seen = Arc::new(Mutex::new(Seen {
        vram: std::vec![0; vram_bytes],
        ..Seen::default()
    }));
    let bus = TestBus {
        seen: Arc::clone(&seen),
        now: Duration::ZERO,
    };
    (Device::new(Box::new(bus), Box::new(NoBases)), seen)
}

impl TestBus {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().expect("no test panics with it")
    }
}

impl Bus for TestBus {
    fn config_read(&mut self, _: u16) -> u32 {
        u32::MAX
    }

    fn config_write(&mut self, _: u16, _: u32) {}

    fn aperture_bytes(&self, bar: Bar) -> u64 {
        match bar {
            Bar::Vram => self.seen().vram.len() as u64,
            _ => 1 << 30,
        }
    }

    fn resize_vram_aperture(&mut self, _: u64) -> u64 {
        self.aperture_bytes(Bar::Vram)
    }

    fn register_read(&mut self, _: u32) -> u32 {
        1
    }

    fn register_write(&mut self, offset: u32, value: u32) {
        self.seen().register_writes.push((offset / 4, value));
    }

    fn doorbell(&mut self, offset: u32, value: u64) {
        self.seen().doorbells.push((offset, value));
    }

    fn vram_read(&mut self, offset: u64, out: &mut [u8]) {
        out.copy_from_slice(&self.seen().vram[offset as usize..][..out.len()]);
    }

    fn vram_write(&mut self, offset: u64, data: &[u8]) {
        let mut seen = self.seen();
        seen.vram_writes.push((offset, data.len()));
        seen.vram[offset as usize..][..data.len()].copy_from_slice(data);
    }

    fn allocate(&mut self, bytes: u64) -> Option<HostBuffer> {
        let mut seen = self.seen();
        let id = seen.host.len() as u32;
        seen.host.push(std::vec![0; bytes as usize]);
        let address = BusAddr((u64::from(id) + 1) << 32);
        Some(HostBuffer {
            id,
            bytes,
            ranges: std::vec![HostRange { address, bytes }],
        })
    }

    fn free(&mut self, buffer: HostBuffer) {
        self.seen().host[buffer.id as usize].clear();
    }

    fn host_read(&mut self, buffer: &HostBuffer, offset: u64, out: &mut [u8]) {
        let seen = self.seen();
        out.copy_from_slice(&seen.host[buffer.id as usize][offset as usize..][..out.len()]);
    }

    fn host_write(&mut self, buffer: &HostBuffer, offset: u64, data: &[u8]) {
        let mut seen = self.seen();
        seen.host[buffer.id as usize][offset as usize..][..data.len()].copy_from_slice(data);
    }

    fn now(&self) -> Duration {
        self.now
    }

    fn pause(&mut self, time: Duration) {
        self.now += time;
    }
}

/// A device without a card, and memory of it.
pub(crate) fn memory() -> (Device, crate::Memory, Arc<Mutex<Seen>>) {
    use crate::VramAddr;
    let (mut device, seen) = device(0x80_0000);
    let (heap, tables) = (0x800_0000..24 << 30, 0x20_0000..0x80_0000);
    let range = |range: core::ops::Range<u64>| VramAddr(range.start)..VramAddr(range.end);
    let root = VramAddr(0x10_0000);
    let memory = crate::Memory::new(&mut device, range(heap), range(tables), root);
    (device, memory.expect("it fits"), seen)
}
