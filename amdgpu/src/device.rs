//! A card whose register blocks have been found: registers by name, waits with deadlines, and the last accesses for reports.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::time::Duration;

use amdgpu_registers::{Bases, Field, Register, nbif};

use crate::{Bar, Bus, Error, VramAddr};

/// Accesses that are kept for reports.
const HISTORY: usize = 64;
/// How long a wait pauses between two reads at first; the pause doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_micros(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

/// An access to a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// When.
    pub at: Duration,
    /// Which register.
    pub register: Register,
    /// What was read or written.
    pub value: u32,
    /// It was written.
    pub write: bool,
}

/// A card, its bus, and where its blocks are.
pub struct Device {
    bus: Box<dyn Bus + Send>,
    bases: Box<dyn Bases + Send>,
    history: VecDeque<Access>,
}

impl Device {
    /// A card with these base addresses.
    #[must_use]
    pub fn new(bus: Box<dyn Bus + Send>, bases: Box<dyn Bases + Send>) -> Self {
        Self {
            bus,
            bases,
            history: VecDeque::with_capacity(HISTORY),
        }
    }

    /// The blocks are there from now on.
    pub fn set_bases(&mut self, bases: Box<dyn Bases + Send>) {
        self.bases = bases;
    }

    /// The bus alone.
    #[must_use]
    pub fn into_bus(self) -> Box<dyn Bus + Send> {
        self.bus
    }

    /// The bus, for memory, doorbells and time.
    pub fn bus(&mut self) -> &mut (dyn Bus + Send) {
        &mut *self.bus
    }

    /// The last accesses to registers, oldest first. A wait counts as one, with what it read last.
    pub fn history(&self) -> impl Iterator<Item = &Access> {
        self.history.iter()
    }

    /// Reads a register.
    ///
    /// # Errors
    /// If the card has no such register.
    pub fn read(&mut self, register: Register) -> Result<u32, Error> {
        let value = self.fetch(register)?;
        self.note(register, value, false);
        Ok(value)
    }

    /// Writes a register.
    ///
    /// # Errors
    /// If the card has no such register.
    pub fn write(&mut self, register: Register, value: u32) -> Result<(), Error> {
        self.note(register, value, true);
        let offset = self.offset(register)?;
        if self.is_direct(offset) {
            self.bus.register_write(offset as u32, value);
        } else {
            let data = self.select(offset)?;
            self.bus.register_write(data, value);
        }
        Ok(())
    }

    /// Writes registers, in order.
    ///
    /// # Errors
    /// If the card has no such register.
    pub fn write_all(&mut self, writes: &[(Register, u32)]) -> Result<(), Error> {
        writes
            .iter()
            .try_for_each(|(register, value)| self.write(*register, *value))
    }

    /// Reads a register, replaces the fields, and writes it back.
    ///
    /// # Errors
    /// If the card has no such register.
    pub fn update(&mut self, register: Register, fields: &[(Field, u32)]) -> Result<(), Error> {
        let old = self.read(register)?;
        let new = fields
            .iter()
            .fold(old, |value, (field, content)| field.set(value, *content));
        self.write(register, new)
    }

    /// Waits until the bits `mask` of a register are `value`: what the register then is.
    ///
    /// # Errors
    /// If they are not within `limit`; [`Error::Gone`] if the register then reads as ones.
    pub fn wait(
        &mut self,
        what: &'static str,
        register: Register,
        (mask, value): (u32, u32),
        limit: Duration,
    ) -> Result<u32, Error> {
        let wanted = Some((mask, value));
        self.poll((what, register, wanted), limit, |found| {
            found & mask == value
        })
    }

    /// Waits until a register holds what `right` accepts, for conditions that are not about fixed bits: what it then is.
    ///
    /// # Errors
    /// As [`Device::wait`].
    pub fn wait_until(
        &mut self,
        what: &'static str,
        register: Register,
        limit: Duration,
        right: impl Fn(u32) -> bool,
    ) -> Result<u32, Error> {
        self.poll((what, register, None), limit, right)
    }

    /// Ones are what a card reads as that is not there, and never what is waited for.
    fn poll(
        &mut self,
        (what, register, wanted): (&'static str, Register, Option<(u32, u32)>),
        limit: Duration,
        right: impl Fn(u32) -> bool,
    ) -> Result<u32, Error> {
        let start = self.bus.now();
        let mut pause = FIRST_PAUSE;
        loop {
            let found = self.fetch(register)?;
            let after = self.bus.now().saturating_sub(start);
            let is_right = found != u32::MAX && right(found);
            if is_right || after >= limit {
                self.note(register, found, false);
            }
            if is_right {
                return Ok(found);
            }
            if after >= limit && found == u32::MAX {
                return Err(self.gone());
            }
            if after >= limit {
                return Err(Error::Timeout {
                    what,
                    register,
                    wanted,
                    found,
                    after,
                });
            }
            self.bus.pause(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Waits until the dword at `address` of video memory, which the card writes, is `value`.
    ///
    /// # Errors
    /// If it is not within `limit`; [`Error::Gone`] if the card is off the bus then.
    pub fn wait_vram(
        &mut self,
        what: &'static str,
        address: VramAddr,
        value: u32,
        limit: Duration,
    ) -> Result<(), Error> {
        let start = self.bus.now();
        let mut pause = FIRST_PAUSE;
        loop {
            let mut found = [0; 4];
            self.bus.vram_read(address.0, &mut found);
            let found = u32::from_le_bytes(found);
            if found == value {
                return Ok(());
            }
            let after = self.bus.now().saturating_sub(start);
            if after >= limit {
                if self.is_gone() {
                    return Err(self.gone());
                }
                return Err(Error::Silent {
                    what,
                    expected: value.into(),
                    found: found.into(),
                    after,
                });
            }
            self.bus.pause(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The card is off the bus: its vendor reads as ones (PCI Express Base Specification 4.0, 2.3.2).
    pub fn is_gone(&mut self) -> bool {
        self.bus.config_read(0) == u32::MAX
    }

    /// What is behind an error: whatever a card that is off the bus seems to do wrong, it is that.
    pub fn explain(&mut self, error: Error) -> Error {
        if self.is_gone() { self.gone() } else { error }
    }

    /// The error of a card that is off the bus.
    #[must_use]
    pub fn gone(&self) -> Error {
        let why = self.bus.lost().map(Into::into);
        Error::Gone { why }
    }

    /// Makes what was written to video memory through BAR0 visible to the card, and waits until the write has arrived
    /// (`amdgpu_device_flush_hdp`, `hdp_v6_0`).
    ///
    /// # Errors
    /// If the card has no such register.
    pub fn flush_hdp(&mut self) -> Result<(), Error> {
        self.write(nbif::BIF_BX_PF0_HDP_MEM_COHERENCY_FLUSH_CNTL, 0)?;
        self.fetch(nbif::BIF_BX_PF0_HDP_MEM_COHERENCY_FLUSH_CNTL)?;
        Ok(())
    }

    fn fetch(&mut self, register: Register) -> Result<u32, Error> {
        let offset = self.offset(register)?;
        if self.is_direct(offset) {
            return Ok(self.bus.register_read(offset as u32));
        }
        let data = self.select(offset)?;
        Ok(self.bus.register_read(data))
    }

    /// Byte address of a register.
    fn offset(&self, register: Register) -> Result<u64, Error> {
        let address = self.bases.address(register);
        address
            .map(|dword| u64::from(dword) * 4)
            .ok_or(Error::NoSuchRegister(register))
    }

    fn is_direct(&self, offset: u64) -> bool {
        offset + 4 <= self.bus.aperture_bytes(Bar::Registers)
    }

    /// Points RSMU's window at a register beyond BAR5: the offset of its data port. The index is read back, so that it has
    /// arrived before the port is used (`amdgpu_device_indirect_rreg`).
    fn select(&mut self, offset: u64) -> Result<u32, Error> {
        let index = self.offset(nbif::BIF_BX_PF0_RSMU_INDEX)? as u32;
        let data = self.offset(nbif::BIF_BX_PF0_RSMU_DATA)? as u32;
        let address = u32::try_from(offset).map_err(|_| Error::Unexpected {
            what: "byte address of a register",
            found: offset,
            expected: "32 bits",
        })?;
        self.bus.register_write(index, address);
        self.bus.register_read(index);
        Ok(data)
    }

    fn note(&mut self, register: Register, value: u32, write: bool) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        let at = self.bus.now();
        self.history.push_back(Access {
            at,
            register,
            value,
            write,
        });
    }
}
