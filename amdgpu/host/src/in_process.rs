//! The device model as a bus.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amdgpu::{Bar, Bus, BusAddr, HostBuffer, HostRange};
use gpu_model::{BusError, Card, HostMemory, Level};

/// Where host memory begins on the bus, so that 0 is never an address.
const FIRST_ADDRESS: u64 = 1 << 32;
/// What an access takes, so that polls come to their deadlines: about what a read over PCIe takes.
const ACCESS: Duration = Duration::from_micros(1);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Host memory in pieces, by bus address.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<u64, Vec<u8>>>);

impl Memory {
    fn with<T>(
        &self,
        address: u64,
        bytes: usize,
        act: impl FnOnce(&mut [u8]) -> T,
    ) -> Result<T, BusError> {
        let error = BusError { address, bytes };
        let mut pieces = lock(&self.0);
        let (start, piece) = pieces.range_mut(..=address).next_back().ok_or(error)?;
        let offset = usize::try_from(address - start).map_err(|_| error)?;
        let end = offset.checked_add(bytes).ok_or(error)?;
        Ok(act(piece.get_mut(offset..end).ok_or(error)?))
    }
}

impl HostMemory for Memory {
    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), BusError> {
        self.with(address, out.len(), |bytes| out.copy_from_slice(bytes))
    }

    fn write(&self, address: u64, data: &[u8]) -> Result<(), BusError> {
        self.with(address, data.len(), |bytes| bytes.copy_from_slice(data))
    }
}

/// The device model on a bus whose time passes by accesses and pauses, so that a run repeats exactly.
pub struct InProcess {
    card: Arc<Mutex<Card>>,
    memory: Arc<Memory>,
    /// Bus address of the next piece of host memory.
    next: u64,
    now: Duration,
    resizes: bool,
}

impl InProcess {
    /// A posted card with the small aperture (256 MiB) or, once it is asked for, all of video memory.
    ///
    /// # Errors
    /// If the process may not have the address space for video memory.
    pub fn new(level: Level) -> io::Result<Self> {
        let memory = Arc::new(Memory::default());
        let mut card = Card::new(level, Arc::clone(&memory) as Arc<dyn HostMemory>)?;
        card.post(false);
        Ok(Self {
            card: Arc::new(Mutex::new(card)),
            memory,
            next: FIRST_ADDRESS,
            now: Duration::ZERO,
            resizes: true,
        })
    }

    /// The same in a slot that cannot enlarge the aperture of video memory.
    #[must_use]
    pub fn without_resizing(self) -> Self {
        Self {
            resizes: false,
            ..self
        }
    }

    /// The card, to look at it and to do it harm beside the driver. Not to be held while the driver works.
    #[must_use]
    pub fn card(&self) -> Arc<Mutex<Card>> {
        Arc::clone(&self.card)
    }

    fn access(&mut self) -> MutexGuard<'_, Card> {
        self.now += ACCESS;
        lock(&self.card)
    }
}

impl Bus for InProcess {
    fn config_read(&mut self, offset: u16) -> u32 {
        self.access().config_read(offset.into(), 4)
    }

    fn config_write(&mut self, offset: u16, value: u32) {
        self.access().config_write(offset.into(), 4, value);
    }

    fn aperture_bytes(&self, bar: Bar) -> u64 {
        lock(&self.card).aperture(bar as u8).1
    }

    fn resize_vram_aperture(&mut self, _bytes: u64) -> u64 {
        let resizes = self.resizes;
        let mut card = self.access();
        if resizes {
            card.post(true);
        }
        card.aperture(Bar::Vram as u8).1
    }

    fn register_read(&mut self, offset: u32) -> u32 {
        let mut value = [0; 4];
        self.access()
            .bar_read(Bar::Registers as u8, offset.into(), &mut value);
        u32::from_le_bytes(value)
    }

    fn register_write(&mut self, offset: u32, value: u32) {
        self.access()
            .bar_write(Bar::Registers as u8, offset.into(), &value.to_le_bytes());
    }

    fn doorbell(&mut self, offset: u32, value: u64) {
        self.access()
            .bar_write(Bar::Doorbells as u8, offset.into(), &value.to_le_bytes());
    }

    fn vram_read(&mut self, offset: u64, out: &mut [u8]) {
        self.access().bar_read(Bar::Vram as u8, offset, out);
    }

    fn vram_write(&mut self, offset: u64, data: &[u8]) {
        self.access().bar_write(Bar::Vram as u8, offset, data);
    }

    fn allocate(&mut self, bytes: u64) -> Option<HostBuffer> {
        let address = self.next;
        let id = u32::try_from((address - FIRST_ADDRESS) >> 12).ok()?;
        // A page between two pieces belongs to neither, so that an access past the end of one is refused.
        self.next = address.checked_add(bytes)?.checked_add(4096)?;
        let piece = vec![0; usize::try_from(bytes).ok()?];
        lock(&self.memory.0).insert(address, piece);
        let range = HostRange {
            address: BusAddr(address),
            bytes,
        };
        Some(HostBuffer {
            id,
            bytes,
            ranges: vec![range],
        })
    }

    fn free(&mut self, buffer: HostBuffer) {
        for range in &buffer.ranges {
            lock(&self.memory.0).remove(&range.address.0);
        }
    }

    fn host_read(&mut self, buffer: &HostBuffer, offset: u64, out: &mut [u8]) {
        let address = buffer.ranges.first().map_or(0, |range| range.address.0) + offset;
        let read = self.memory.read(address, out);
        read.unwrap_or_else(|error| panic!("the driver read beyond its buffer: {error}"));
    }

    fn host_write(&mut self, buffer: &HostBuffer, offset: u64, data: &[u8]) {
        let address = buffer.ranges.first().map_or(0, |range| range.address.0) + offset;
        let written = self.memory.write(address, data);
        written.unwrap_or_else(|error| panic!("the driver wrote beyond its buffer: {error}"));
    }

    fn now(&self) -> Duration {
        self.now
    }

    fn pause(&mut self, time: Duration) {
        self.now += time;
        lock(&self.card).poll();
    }
}

#[cfg(test)]
mod tests {
    use amdgpu::Device;
    use amdgpu_registers::nbif;
    use gpu_model::NAVI31;

    use super::*;

    #[test]
    fn registers_are_reached_directly_and_through_the_window() {
        let bus = InProcess::new(Level::Strict).expect("address space");
        let card = bus.card();
        let mut device = Device::new(Box::new(bus), Box::new(NAVI31));
        let mib = device.read(nbif::RCC_DEV0_EPF0_RCC_CONFIG_MEMSIZE);
        assert_eq!(mib, Ok(24_560));
        let strap = device.read(nbif::RCC_DEV0_EPF2_STRAP2);
        assert!(strap.is_ok_and(|value| value != u32::MAX));
        assert_eq!(lock(&card).stopped(), None);
        assert_eq!(device.history().count(), 2);
    }
}
