//! What a driver engineer would ask for when a queue does not come to its fence.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use amdgpu_registers::Register;

use super::compute::with_compute_queue;
use super::fence::{Fence, Progress};
use super::ring::{Kind, Ring};
use crate::hub::{Hub, PageFault, look_at_fault};
use crate::{Device, Error};

/// Packets that a report has at most.
const MOST_PACKETS: usize = 24;
/// Beginnings of batches that are remembered.
const BATCHES: usize = 32;

/// What a register held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Which.
    pub register: Register,
    /// What.
    pub value: u32,
}

/// A queue that did not do what it was told in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hang {
    /// Which queue.
    pub queue: &'static str,
    /// The fence that was waited for; `None` for room in the ring.
    pub fence: Option<u64>,
    /// The last fence that it came to.
    pub reached: u64,
    /// How long was waited.
    pub after: Duration,
    /// Dwords that it has read.
    pub read: u64,
    /// Dwords that it was told of.
    pub written: u64,
    /// Status registers.
    pub registers: Vec<Reading>,
    /// Packets around the place where it reads: how many dwords were before each, and its name, if it is one of ours.
    pub packets: Vec<(u64, Option<&'static str>)>,
    /// The page fault that the GC hub has latched.
    pub fault: Option<PageFault>,
}

/// Where batches began, so that packets can be told from their data.
#[derive(Default)]
pub(super) struct Batches {
    starts: [u64; BATCHES],
    count: usize,
}

impl Batches {
    pub(super) fn begin(&mut self, at: u64) {
        self.starts[self.count % BATCHES] = at;
        self.count += 1;
    }

    /// The beginning of the last batch that begins at or before `at`.
    fn before(&self, at: u64) -> Option<u64> {
        let known = &self.starts[..self.count.min(BATCHES)];
        known.iter().copied().filter(|start| *start <= at).max()
    }
}

/// The error of a queue that hangs, or of a card that is gone. Banked registers are those of the compute queue.
pub(super) fn hang(
    device: &mut Device,
    ring: &mut Ring,
    fence: Option<Fence>,
    after: Duration,
) -> Error {
    let registers = match with_compute_queue(device, |device| readings(device, ring.kind())) {
        Ok(registers) => registers,
        Err(error) => return error,
    };
    if registers.iter().all(|reading| reading.value == u32::MAX) {
        return device.gone();
    }
    let Progress {
        read,
        written,
        reached,
        ..
    } = ring.progress(device);
    Error::Hung(Box::new(Hang {
        queue: ring.kind().name,
        fence: fence.map(|fence| fence.0),
        reached,
        after,
        read,
        written,
        registers,
        packets: packets(device, ring, read),
        fault: look_at_fault(device, Hub::Gc).ok().flatten(),
    }))
}

fn readings(device: &mut Device, kind: &Kind) -> Result<Vec<Reading>, Error> {
    let registers = kind.registers.iter();
    let read = |register: &Register| {
        let register = register.plus(kind.shift);
        let value = device.read(register)?;
        Ok(Reading { register, value })
    };
    registers.map(read).collect()
}

/// The packets from a little before `read` on. A read pointer that the engine tells only now and then may be behind what it
/// really does.
fn packets(device: &mut Device, ring: &Ring, read: u64) -> Vec<(u64, Option<&'static str>)> {
    let mut found = Vec::new();
    // What began longer ago than the ring is long has been written over.
    let oldest = ring.written().saturating_sub(ring.capacity());
    let start = ring.batches().before(read);
    let Some(mut at) = start.filter(|start| *start >= oldest) else {
        return found;
    };
    while at < ring.written() && found.len() < MOST_PACKETS {
        let (name, dwords) = (ring.kind().decode)(ring.look(device, at));
        let next = at + dwords as u64;
        // Of those that were read only the last few.
        if next + 64 > read {
            found.push((at, name));
        }
        at = next;
    }
    found
}

impl fmt::Display for Hang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (queue, after, reached) = (self.queue, self.after, self.reached);
        match self.fence {
            Some(fence) => write!(
                f,
                "{queue} is at fence {reached} of {fence} after {after:?}"
            )?,
            None => write!(f, "{queue} makes no room in its ring after {after:?}")?,
        }
        write!(f, ": read {} of {} dwords", self.read, self.written)?;
        for Reading { register, value } in &self.registers {
            write!(f, ", {register} {value:#x}")?;
        }
        for (at, name) in &self.packets {
            let mark = if *at == self.read { ">" } else { "" };
            write!(f, ", {mark}{at}: {}", name.unwrap_or("unknown packet"))?;
        }
        match &self.fault {
            Some(fault) => write!(f, "; {fault}"),
            None => Ok(()),
        }
    }
}
