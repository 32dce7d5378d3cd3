//! The driver's [`Bus`] over PCI Express: configuration space by ECAM, three mapped apertures, frames for DMA.
//!
//! How each part is mapped, and why: registers uncached, so that accesses keep their order. Video memory write-combining,
//! so that stores go out in bursts; it ends each write with a fence. Doorbells uncached: a doorbell is one store that must
//! leave at once and in order, and there is nothing to combine it with. Host memory is what it always is, cached: a PC's
//! DMA is coherent.

use alloc::vec::Vec;
use core::arch::x86_64::_mm_sfence;
use core::fmt;
use core::time::Duration;

use amdgpu::{Bus, HostBuffer};
use x86_64::PhysAddr;

use super::found::Found;
use super::host_memory::HostMemory;
use super::region::Region;
use crate::devices::ecam::Ecam;
use crate::memory::{Caching, MapError, map_device};
use crate::pci::bars::{Bar, BarKind};
use crate::pci::resizable::{self, Choice};
use crate::pci::scan::Function;
use crate::pci::{Config, command, offset};
use crate::time;

/// Command register: the function raises no interrupt by its pin.
const INTERRUPT_DISABLE: u32 = 1 << 10;

/// Why a card cannot be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusError {
    /// An aperture is missing, or is no memory.
    NoAperture(amdgpu::Bar),
    /// An aperture cannot be mapped.
    Map(amdgpu::Bar, MapError),
}

impl fmt::Display for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAperture(bar) => {
                let slot = *bar as u8;
                write!(
                    f,
                    "BAR {slot} is no memory, expected its aperture for {bar:?}"
                )
            }
            Self::Map(bar, error) => write!(f, "its aperture for {bar:?}: {error}"),
        }
    }
}

/// A card in its slot. Dropped, the card has lost its DMA, and the memory that it had is free.
pub struct PciBus {
    config: Config<'static, Ecam>,
    vram_bar: Bar,
    choices: Vec<Choice>,
    vram: Region,
    doorbells: Region,
    registers: Region,
    memory: HostMemory,
}

impl PciBus {
    /// Maps the card's apertures and lets it decode them. It has no DMA and raises no interrupt; to give it DMA is the
    /// driver's, when the card is known not to be at work for somebody before us.
    ///
    /// # Errors
    /// [`BusError`]; the card then is as it was.
    pub fn new(found: &Found) -> Result<Self, BusError> {
        let config = Config::new(found.ecam, found.function.address);
        let vram_bar = memory_bar(&found.function, amdgpu::Bar::Vram)?;
        let map = |bar| map(&memory_bar(&found.function, bar)?, bar);
        let bus = Self {
            vram_bar,
            choices: found.choices.clone(),
            vram: map(amdgpu::Bar::Vram)?,
            doorbells: map(amdgpu::Bar::Doorbells)?,
            registers: map(amdgpu::Bar::Registers)?,
            memory: HostMemory::default(),
            config,
        };
        let config = &bus.config;
        let kept = config.read(offset::COMMAND) & !command::BUS_MASTER;
        config.set_command(kept | command::MEMORY | INTERRUPT_DISABLE);
        Ok(bus)
    }
}

/// The memory BAR with the number of an aperture.
pub(super) fn memory_bar(function: &Function, bar: amdgpu::Bar) -> Result<Bar, BusError> {
    let mut bars = function.bars.iter();
    let found = bars.find(|found| found.slot == bar as u8 && found.kind != BarKind::Io);
    found.copied().ok_or(BusError::NoAperture(bar))
}

fn map(bar: &Bar, which: amdgpu::Bar) -> Result<Region, BusError> {
    let caching = match which {
        amdgpu::Bar::Vram => Caching::WriteCombining,
        amdgpu::Bar::Doorbells | amdgpu::Bar::Registers => Caching::Uncached,
    };
    let start = PhysAddr::new_truncate(bar.address);
    let base = map_device(start, bar.size, caching).map_err(|error| BusError::Map(which, error))?;
    // SAFETY: 1: the whole window was mapped just now, and no mapping of a device is taken back. 2: no reference is made of
    // a device's mapping, and each call has one of its own. 3: a BAR's address is a multiple of its size, which is 16 or more.
    Ok(unsafe { Region::new(base, bar.size) })
}

/// Sends stores on their way that wait for others to be combined with, before any store that follows.
fn store_fence() {
    // SAFETY: SFENCE is SSE, which every x86-64 processor has, and orders stores only.
    unsafe { _mm_sfence() }
}

impl Bus for PciBus {
    fn config_read(&mut self, offset: u16) -> u32 {
        self.config.read(offset)
    }

    fn config_write(&mut self, offset: u16, value: u32) {
        self.config.write(offset, value);
    }

    fn aperture_bytes(&self, bar: amdgpu::Bar) -> u64 {
        match bar {
            amdgpu::Bar::Vram => self.vram.bytes(),
            amdgpu::Bar::Doorbells => self.doorbells.bytes(),
            amdgpu::Bar::Registers => self.registers.bytes(),
        }
    }

    fn resize_vram_aperture(&mut self, bytes: u64) -> u64 {
        // The smallest that shows everything, else the largest.
        let enough = self.choices.iter().find(|choice| choice.size >= bytes);
        let choice = enough.or(self.choices.last()).copied();
        let larger = choice.filter(|choice| choice.size > self.vram_bar.size);
        if let Some(choice) = larger {
            let mut bar = self.vram_bar;
            let before = resizable::resize(&self.config, &mut bar, choice);
            match map(&bar, amdgpu::Bar::Vram) {
                Ok(region) => (self.vram, self.vram_bar) = (region, bar),
                Err(error) => {
                    log::warn!("gpu: {} MiB of video memory: {error}", choice.size >> 20);
                    resizable::resize(&self.config, &mut bar, before);
                }
            }
        }
        self.vram.bytes()
    }

    fn register_read(&mut self, offset: u32) -> u32 {
        self.registers.read_u32(offset.into())
    }

    fn register_write(&mut self, offset: u32, value: u32) {
        self.registers.write_u32(offset.into(), value);
    }

    fn doorbell(&mut self, offset: u32, value: u64) {
        store_fence();
        self.doorbells.write_u64(offset.into(), value);
    }

    fn vram_read(&mut self, offset: u64, out: &mut [u8]) {
        self.vram.read(offset, out);
    }

    fn vram_write(&mut self, offset: u64, data: &[u8]) {
        self.vram.write(offset, data);
        store_fence();
    }

    fn allocate(&mut self, bytes: u64) -> Option<HostBuffer> {
        self.memory.allocate(bytes)
    }

    fn free(&mut self, buffer: HostBuffer) {
        self.memory.free(&buffer);
    }

    fn host_read(&mut self, buffer: &HostBuffer, offset: u64, out: &mut [u8]) {
        self.memory.region(buffer).read(offset, out);
    }

    fn host_write(&mut self, buffer: &HostBuffer, offset: u64, data: &[u8]) {
        self.memory.region(buffer).write(offset, data);
    }

    fn now(&self) -> Duration {
        time::now()
    }

    fn pause(&mut self, time: Duration) {
        time::delay(time);
    }

    fn lost(&self) -> Option<&str> {
        let answers = self.config.read(0) != u32::MAX;
        (!answers).then_some("its configuration space reads as ones, too: it left the bus")
    }
}

impl Drop for PciBus {
    fn drop(&mut self) {
        // Before the fields are dropped, and with them the memory that the card could still write to.
        self.config.disable_dma();
    }
}
