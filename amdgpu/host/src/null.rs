//! A bus to nothing: what the driver itself costs, without a card or a model of one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use amdgpu::{Bar, Bus, BusAddr, HostBuffer, HostRange};
use amdgpu_registers::{Bases, mmhub};
use gpu_model::NAVI31;

/// Bytes of video memory, which is not there.
const VRAM: u64 = 24 << 30;

/// A bus on which all registers read as 1, so that whoever waits for a bit finds it set, but for FB_OFFSET, which is 0 on
/// every card. Host memory is memory; nobody reads what is written anywhere else.
pub struct NullBus {
    host: Vec<Vec<u8>>,
    begin: Instant,
    fb_offset: u32,
    doorbells: Arc<AtomicU64>,
}

impl NullBus {
    /// A bus, and the count of its doorbells.
    #[must_use]
    pub fn new() -> (Self, Arc<AtomicU64>) {
        let doorbells = Arc::new(AtomicU64::new(0));
        let fb_offset = NAVI31.address(mmhub::MMMC_VM_FB_OFFSET);
        let bus = Self {
            host: Vec::new(),
            begin: Instant::now(),
            fb_offset: fb_offset.map_or(0, |dword| 4 * dword),
            doorbells: Arc::clone(&doorbells),
        };
        (bus, doorbells)
    }
}

impl Bus for NullBus {
    fn config_read(&mut self, _: u16) -> u32 {
        u32::MAX
    }

    fn config_write(&mut self, _: u16, _: u32) {}

    fn aperture_bytes(&self, bar: Bar) -> u64 {
        match bar {
            Bar::Vram => VRAM,
            Bar::Doorbells => 2 << 20,
            Bar::Registers => 1 << 20,
        }
    }

    fn resize_vram_aperture(&mut self, _: u64) -> u64 {
        VRAM
    }

    fn register_read(&mut self, offset: u32) -> u32 {
        u32::from(offset != self.fb_offset)
    }

    fn register_write(&mut self, _: u32, _: u32) {}

    fn doorbell(&mut self, _: u32, _: u64) {
        self.doorbells.fetch_add(1, Ordering::Relaxed);
    }

    fn vram_read(&mut self, _: u64, out: &mut [u8]) {
        out.fill(0);
    }

    fn vram_write(&mut self, _: u64, _: &[u8]) {}

    fn allocate(&mut self, bytes: u64) -> Option<HostBuffer> {
        let id = u32::try_from(self.host.len()).ok()?;
        self.host.push(vec![0; usize::try_from(bytes).ok()?]);
        let address = BusAddr((u64::from(id) + 1) << 32);
        let ranges = vec![HostRange { address, bytes }];
        Some(HostBuffer { id, bytes, ranges })
    }

    fn free(&mut self, buffer: HostBuffer) {
        self.host[buffer.id as usize] = Vec::new();
    }

    fn host_read(&mut self, buffer: &HostBuffer, offset: u64, out: &mut [u8]) {
        let bytes = &self.host[buffer.id as usize][offset as usize..];
        out.copy_from_slice(&bytes[..out.len()]);
    }

    fn host_write(&mut self, buffer: &HostBuffer, offset: u64, data: &[u8]) {
        let bytes = &mut self.host[buffer.id as usize][offset as usize..];
        bytes[..data.len()].copy_from_slice(data);
    }

    fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    fn pause(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}
