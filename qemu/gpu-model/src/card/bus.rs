//! The card as the bus reaches it: apertures, configuration space, resets by the slot.

use super::{Card, REGISTER_WIDTH};
use crate::clock::ACCESS_NS;
use crate::fabric::{Event, Scope};
use crate::journal::{Access, Place};
use crate::nbio::Nbio;
use crate::pci::{Pci, Slot};
use crate::rule::Violation;

impl Card {
    /// Reads from a BAR: 0 video memory, 2 doorbells, 5 registers. A card that is off the bus reads as ones.
    pub fn bar_read(&mut self, bar: u8, offset: u64, out: &mut [u8]) {
        out.fill(0xff);
        if self.off_the_bus() {
            return;
        }
        let decodes = self.pci.decodes(bar, offset, out.len(), &mut self.fabric);
        let result = decodes.and_then(|()| match bar {
            0 => self.memory_read(offset, out),
            5 if out.len() == 4 && offset.is_multiple_of(4) => {
                out.copy_from_slice(&self.register_read((offset / 4) as u32).to_le_bytes());
                Ok(())
            }
            5 => {
                let bytes = out.len();
                self.fabric.broken(
                    REGISTER_WIDTH,
                    format_args!("read of {bytes} bytes at {offset:#x} of BAR5"),
                )
            }
            2 => {
                // Doorbells read as zeros.
                out.fill(0);
                Ok(())
            }
            _ => Ok(()),
        });
        if let Err(violation) = result {
            out.fill(0xff);
            self.stop(violation);
        }
    }

    fn memory_read(&mut self, offset: u64, out: &mut [u8]) -> Result<(), Violation> {
        self.fabric.clock.pass(ACCESS_NS);
        let (ns, bytes) = (self.fabric.clock.ns(), out.len() as u64);
        self.fabric
            .journal
            .note_memory(ns, Access::Read, offset, bytes);
        Nbio::memory_open(&mut self.fabric)?;
        self.fabric.cpu_read(offset, out)
    }

    fn memory_write(&mut self, offset: u64, data: &[u8]) -> Result<(), Violation> {
        let (ns, bytes) = (self.fabric.clock.ns(), data.len() as u64);
        self.fabric
            .journal
            .note_memory(ns, Access::Write, offset, bytes);
        Nbio::memory_open(&mut self.fabric)?;
        self.fabric.cpu_write(offset, data)
    }

    /// Writes to a BAR.
    pub fn bar_write(&mut self, bar: u8, offset: u64, data: &[u8]) {
        if self.off_the_bus() {
            return;
        }
        let decodes = self.pci.decodes(bar, offset, data.len(), &mut self.fabric);
        let result = decodes.and_then(|()| match bar {
            0 => self.memory_write(offset, data),
            2 => self.doorbell(offset, data),
            5 => match <[u8; 4]>::try_from(data) {
                Ok(value) if offset.is_multiple_of(4) => {
                    self.register_write((offset / 4) as u32, u32::from_le_bytes(value));
                    Ok(())
                }
                _ => {
                    let bytes = data.len();
                    self.fabric.broken(
                        REGISTER_WIDTH,
                        format_args!("write of {bytes} bytes at {offset:#x} of BAR5"),
                    )
                }
            },
            _ => Ok(()),
        });
        if let Err(violation) = result {
            self.stop(violation);
        } else if bar == 0 && self.waits() {
            self.after();
        }
    }

    fn doorbell(&mut self, offset: u64, data: &[u8]) -> Result<(), Violation> {
        self.fabric.clock.pass(ACCESS_NS);
        let mut value = [0; 8];
        for (slot, byte) in value.iter_mut().zip(data) {
            *slot = *byte;
        }
        self.fabric.journal.note(
            self.fabric.clock.ns(),
            Place::Doorbell(offset as u32),
            Access::Write,
            u64::from_le_bytes(value),
        );
        self.nbio.doorbell(offset, data, &mut self.fabric)?;
        self.after();
        Ok(())
    }

    /// Reads 1, 2 or 4 bytes of configuration space.
    pub fn config_read(&mut self, offset: u32, bytes: u32) -> u32 {
        if self.off_the_bus() {
            return u32::MAX;
        }
        let result = self.pci.read(offset, bytes, &mut self.fabric);
        let value = result.unwrap_or_else(|violation| {
            self.stop(violation);
            u32::MAX
        });
        self.note_config(offset, Access::Read, value);
        value
    }

    /// Writes 1, 2 or 4 bytes of configuration space.
    pub fn config_write(&mut self, offset: u32, bytes: u32, value: u32) {
        if self.off_the_bus() {
            return;
        }
        self.note_config(offset, Access::Write, value);
        let result = self.pci.write(offset, bytes, value, &mut self.fabric);
        if let Err(violation) = result {
            self.stop(violation);
        }
    }

    fn note_config(&mut self, offset: u32, access: Access, value: u32) {
        let ns = self.fabric.clock.ns();
        self.fabric
            .journal
            .note(ns, Place::Config(offset), access, value.into());
    }

    /// Whether a queue waits for memory or for a register.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.gfx.waits() || self.sdma.waits()
    }

    /// Lets the card go on with what waits for memory that others write. Doors call it when nothing else happens.
    pub fn poll(&mut self) {
        if self.waits() && !self.gone() {
            self.fabric.clock.pass(ACCESS_NS);
            self.after();
        }
    }

    /// Puts the card into a slot, as before power-on: nothing is assigned, nothing decodes.
    pub fn plug(&mut self, slot: Slot) {
        self.pci = Pci::new(slot, false);
        self.bus_reset();
    }

    /// The slot's reset line: the whole card begins anew, and its configuration space is unassigned.
    pub fn bus_reset(&mut self) {
        self.pci = Pci::new(self.pci.slot(), false);
        self.fabric.bus_master = false;
        self.fabric.events.push(Event::Reset(Scope::Card));
        self.after();
    }

    /// Resizes an aperture to the largest size that it offers, and assigns and switches on what a PC's firmware would.
    pub fn post(&mut self, resize: bool) {
        self.pci.post(resize);
        self.fabric.bus_master = self.pci.bus_master();
    }

    /// Address and bytes of an aperture; no bytes if there is none.
    #[must_use]
    pub fn aperture(&self, bar: u8) -> (u64, u64) {
        match self.pci.bytes_of(bar) {
            0 => (0, 0),
            bytes => (self.pci.base(bar), bytes),
        }
    }
}
