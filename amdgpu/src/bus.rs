//! What the driver stands on: a card in a slot, memory that it can reach, and time.

use alloc::vec::Vec;
use core::time::Duration;

use crate::BusAddr;

/// The apertures of a card, by their BAR (Linux `amdgpu_device.c`: 0 video memory, 2 doorbells, 5 registers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bar {
    /// Video memory, or the first part of it.
    Vram = 0,
    /// Doorbells.
    Doorbells = 2,
    /// Registers.
    Registers = 5,
}

/// A run of host memory that is contiguous on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostRange {
    /// First byte, as the card addresses it. A multiple of 4096.
    pub address: BusAddr,
    /// Length, a multiple of 4096.
    pub bytes: u64,
}

/// Host memory that processor and card share, until the bus gets it back.
#[derive(Debug, PartialEq, Eq)]
pub struct HostBuffer {
    /// The bus's own name for it.
    pub id: u32,
    /// Length, a multiple of 4096.
    pub bytes: u64,
    /// Where the card finds it, in order.
    pub ranges: Vec<HostRange>,
}

/// A card on its bus.
///
/// Nothing here fails: a card that is gone reads as ones, as PCIe has it, and so does one behind a connection that broke;
/// [`Bus::lost`] then says why. Offsets are the driver's, which has checked them against [`Bus::aperture_bytes`] and the
/// length of the buffer: an implementation may panic on others.
pub trait Bus {
    /// Reads an aligned dword of configuration space (4096 bytes; where a bus reaches only the first 256, the rest reads as
    /// ones).
    fn config_read(&mut self, offset: u16) -> u32;

    /// Writes an aligned dword of configuration space.
    fn config_write(&mut self, offset: u16, value: u32);

    /// Bytes of an aperture.
    fn aperture_bytes(&self, bar: Bar) -> u64;

    /// Makes as much of video memory visible through BAR0 as the slot allows, up to `bytes`: how much is visible then.
    /// Called before anything else touches the apertures.
    fn resize_vram_aperture(&mut self, bytes: u64) -> u64;

    /// Reads a register: the dword at byte `offset` of BAR5.
    fn register_read(&mut self, offset: u32) -> u32;

    /// Writes a register.
    fn register_write(&mut self, offset: u32, value: u32);

    /// Writes a doorbell: one store of 64 bits at byte `offset` of BAR2. All that was stored to host memory and BAR0 before
    /// arrives before it.
    fn doorbell(&mut self, offset: u32, value: u64);

    /// Reads video memory through BAR0.
    fn vram_read(&mut self, offset: u64, out: &mut [u8]);

    /// Writes video memory through BAR0. The card sees it after a flush of its host data path, not before; whether all of
    /// it has left the processor then is the bus's concern: a register write after it comes after it.
    fn vram_write(&mut self, offset: u64, data: &[u8]);

    /// Host memory for the card, zeroed; `None` if there is none. `bytes` is a multiple of 4096.
    fn allocate(&mut self, bytes: u64) -> Option<HostBuffer>;

    /// Takes host memory back. The card does not use it any more.
    fn free(&mut self, buffer: HostBuffer);

    /// Reads host memory as it is now, dword by dword in rising order where offset and length are multiples of 4.
    fn host_read(&mut self, buffer: &HostBuffer, offset: u64, out: &mut [u8]);

    /// Writes host memory, in rising order.
    fn host_write(&mut self, buffer: &HostBuffer, offset: u64, data: &[u8]);

    /// Time since some fixed moment.
    fn now(&self) -> Duration;

    /// Lets time pass: at least so much.
    fn pause(&mut self, time: Duration);

    /// Why the card can no longer be reached, where the bus knows.
    fn lost(&self) -> Option<&str> {
        None
    }
}
