//! The last accesses, for reports.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;

use amdgpu_registers::Register;

/// Accesses that are kept.
const KEPT: usize = 200;

/// What was accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A register that the model knows.
    Register(Register),
    /// A dword of BAR5 or of an indirect window that is no register.
    Unknown(u32),
    /// A doorbell, by byte offset.
    Doorbell(u32),
    /// Video memory through BAR0: first byte. The value is the number of bytes; accesses that follow each other are one entry.
    Memory(u64),
    /// Configuration space, by byte offset.
    Config(u32),
    /// A packet of a queue, by its opcode.
    Packet(&'static str),
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Towards the driver.
    Read,
    /// Towards the card.
    Write,
}

/// An access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Nanoseconds of the model's time.
    pub ns: u64,
    /// What.
    pub place: Place,
    /// Which way.
    pub access: Access,
    /// The value.
    pub value: u64,
    /// How often in a row, for polls.
    pub times: u32,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:>10.3} us] ", self.ns as f64 / 1e3)?;
        match self.place {
            Place::Register(register) => write!(f, "{register}")?,
            Place::Unknown(dword) => write!(f, "dword {dword:#x}")?,
            Place::Doorbell(byte) => write!(f, "doorbell {byte:#x}")?,
            Place::Memory(offset) => write!(f, "video memory {offset:#x}, bytes")?,
            Place::Config(byte) => write!(f, "config {byte:#x}")?,
            Place::Packet(name) => write!(f, "{name}")?,
        }
        let arrow = if self.access == Access::Read {
            "->"
        } else {
            "<-"
        };
        write!(f, " {arrow} {:#x}", self.value)?;
        if self.times > 1 {
            write!(f, " ({} times)", self.times)?;
        }
        Ok(())
    }
}

/// The last accesses, the oldest first. A poll that reads the same value again is one entry.
#[derive(Default)]
pub struct Journal {
    entries: VecDeque<Entry>,
    /// Where every access is written, one a line.
    trace: Option<Box<dyn Write + Send + Sync>>,
}

impl Journal {
    /// Writes every access from now on to `trace`.
    pub(crate) fn trace(&mut self, trace: Box<dyn Write + Send + Sync>) {
        self.trace = Some(trace);
    }

    /// Hands on what the trace's writer holds back.
    pub(crate) fn flush(&mut self) {
        if let Some(trace) = &mut self.trace
            && trace.flush().is_err()
        {
            self.trace = None;
        }
    }

    fn trace_entry(&mut self, entry: &Entry) {
        // A full disk ends the trace, not the card.
        if let Some(trace) = &mut self.trace
            && writeln!(trace, "{entry}").is_err()
        {
            self.trace = None;
        }
    }

    pub(crate) fn note(&mut self, ns: u64, place: Place, access: Access, value: u64) {
        let entry = Entry {
            ns,
            place,
            access,
            value,
            times: 1,
        };
        self.trace_entry(&entry);
        if let Some(last) = self.entries.back_mut()
            && last.place == place
            && last.access == access
            && last.value == value
            && access == Access::Read
        {
            last.times = last.times.saturating_add(1);
            last.ns = ns;
            return;
        }
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// Notes an access of video memory; one that goes on where the last one ended extends it.
    pub(crate) fn note_memory(&mut self, ns: u64, access: Access, offset: u64, bytes: u64) {
        if let Some(last) = self.entries.back_mut()
            && last.access == access
            && let Place::Memory(start) = last.place
            && start + last.value == offset
        {
            last.value += bytes;
            last.ns = ns;
            last.times = last.times.saturating_add(1);
            let entry = Entry {
                ns,
                place: Place::Memory(offset),
                access,
                value: bytes,
                times: 1,
            };
            self.trace_entry(&entry);
            return;
        }
        self.note(ns, Place::Memory(offset), access, bytes);
    }

    /// The entries.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }
}
