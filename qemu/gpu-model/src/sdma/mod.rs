//! SDMA: two engines that copy, with eight queues each.
//!
//! A queue runs within the access that rings its doorbell, until it is empty or a poll waits; then it is looked at again after
//! every access that could have changed something. Pointers are counts of bytes that never wrap.

mod packet;
mod rules;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;

use amdgpu_registers::{Register, gc, sdma};

use crate::fabric::{Block, Event, Fabric, Port, Scope};
use crate::gmc::{Client, Hub};
use crate::register_file::At;
use crate::rule::Violation;
use crate::run::State;
use rules::*;

pub(crate) use rules::RULES;

/// Dwords from a register of engine 0 to that of engine 1.
const ENGINE: u32 = 0x600;
/// Dwords from a register of a queue to that of the next.
const QUEUE: u32 = 88;
/// Client id of engine 0 in page faults.
const CLIENT: u8 = 13;

/// A queue's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    engine: u32,
    queue: u32,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SDMA{} queue {}", self.engine, self.queue)
    }
}

impl Key {
    /// A register of the queue, by that of queue 0 of engine 0.
    const fn register(self, first: Register) -> Register {
        first.plus(self.engine * ENGINE + self.queue * QUEUE)
    }

    /// A register of the engine, by that of engine 0.
    const fn of_engine(self, first: Register) -> Register {
        first.plus(self.engine * ENGINE)
    }

    fn get(self, first: Register, fabric: &Fabric) -> u32 {
        fabric.registers.get(self.register(first))
    }

    fn pair(self, low: Register, high: Register, fabric: &Fabric) -> u64 {
        fabric
            .registers
            .pair(self.register(low), self.register(high))
    }
}

/// An indirect buffer that is being read.
#[derive(Clone, Copy, Debug)]
struct Buffer {
    va: u64,
    dwords: u64,
    at: u64,
}

/// An enabled queue.
struct Queue {
    vmid: u8,
    ring: u64,
    ring_bytes: u64,
    /// Bytes read and written.
    read: u64,
    written: u64,
    buffer: Option<Buffer>,
    state: State,
}

impl Queue {
    fn waits(&self) -> bool {
        matches!(self.state, State::Waits(_))
    }

    /// Dwords that are there to be read where packets come from now.
    fn available(&self) -> u64 {
        match &self.buffer {
            Some(buffer) => buffer.dwords - buffer.at,
            None => (self.written - self.read) / 4,
        }
    }

    /// Dwords until the end of the ring, or of the buffer.
    fn straight(&self) -> u64 {
        match &self.buffer {
            Some(buffer) => buffer.dwords - buffer.at,
            None => (self.ring_bytes - self.read % self.ring_bytes) / 4,
        }
    }

    fn next(&self) -> u64 {
        match &self.buffer {
            Some(buffer) => buffer.va.wrapping_add(4 * buffer.at),
            None => self.ring.wrapping_add(self.read % self.ring_bytes),
        }
    }

    fn take(&mut self, dwords: u64) {
        match &mut self.buffer {
            Some(buffer) => {
                buffer.at += dwords;
                if buffer.at >= buffer.dwords {
                    self.buffer = None;
                }
            }
            None => self.read += 4 * dwords,
        }
    }

    /// Who the engine is when it works for this queue; `gl2` is false for what goes past GL2.
    fn client(&self, key: Key, gl2: bool) -> Client {
        Client {
            hub: Hub::Gc,
            vmid: self.vmid,
            id: CLIENT + key.engine as u8,
            gl2,
        }
    }
}

/// The block's state beyond its registers.
#[derive(Default)]
pub(crate) struct Sdma {
    queues: BTreeMap<Key, Queue>,
}

/// Which queue's register this is, if it is one of a queue.
fn queue_of(at: At) -> Option<(Key, Register)> {
    let engine = at.register.offset / ENGINE;
    let first = at.register.offset - engine * ENGINE;
    let queues = 0x80..0x80 + QUEUE;
    (at.register.segment == 0 && queues.contains(&first)).then(|| {
        let key = Key {
            engine,
            queue: at.index,
        };
        let register = Register {
            offset: first,
            ..at.register
        };
        (key, register)
    })
}

impl Sdma {
    /// Lets queues that wait look again. Whether any went on.
    pub(crate) fn resume(&mut self, fabric: &mut Fabric) -> Result<bool, Violation> {
        let waiting = self.queues.iter().filter(|(_, queue)| queue.waits());
        let waiting: Vec<Key> = waiting.map(|(key, _)| *key).collect();
        let mut progress = false;
        for key in waiting {
            progress |= self.run(key, fabric)?;
        }
        Ok(progress)
    }

    /// Whether any queue waits.
    pub(crate) fn waits(&self) -> bool {
        self.queues.values().any(Queue::waits)
    }

    /// RB_ENABLE is set.
    fn enable(&mut self, key: Key, control: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        use sdma::SDMA0_QUEUE_RB_CNTL as fields;
        // F32_CNTL of engine 1 is 0x20 dwords further.
        let f32 = fabric
            .registers
            .get(sdma::SDMA0_F32_CNTL.plus(key.engine * 0x20));
        let runs =
            sdma::SDMA0_F32_CNTL::HALT.of(f32) == 0 && sdma::SDMA0_F32_CNTL::TH1_RESET.of(f32) == 0;
        fabric.require(runs, RUNS, format_args!("{key}: F32_CNTL {f32:#x}"))?;
        let utcl1 = fabric.registers.get(key.of_engine(sdma::SDMA0_UTCL1_CNTL));
        let right = sdma::SDMA0_UTCL1_CNTL::RESP_MODE.of(utcl1) == 3
            && sdma::SDMA0_UTCL1_CNTL::REDO_DELAY.of(utcl1) == 9;
        fabric.require(
            right,
            TRANSLATION,
            format_args!("{key}: UTCL1_CNTL {utcl1:#x}"),
        )?;
        let ring = key.pair(
            sdma::SDMA0_QUEUE_RB_BASE,
            sdma::SDMA0_QUEUE_RB_BASE_HI,
            fabric,
        ) << 8;
        let size = fields::RB_SIZE.of(control);
        fabric.require(
            ring != 0 && (6..=26).contains(&size),
            RING,
            format_args!("{key}: base {ring:#x}, RB_SIZE {size}"),
        )?;
        let read = key.pair(
            sdma::SDMA0_QUEUE_RB_RPTR,
            sdma::SDMA0_QUEUE_RB_RPTR_HI,
            fabric,
        );
        let written = key.pair(
            sdma::SDMA0_QUEUE_RB_WPTR,
            sdma::SDMA0_QUEUE_RB_WPTR_HI,
            fabric,
        );
        fabric.require(
            read == written && read.is_multiple_of(4),
            POINTERS,
            format_args!("{key}: read {read:#x}, written {written:#x}"),
        )?;
        let report = key.pair(
            sdma::SDMA0_QUEUE_RB_RPTR_ADDR_LO,
            sdma::SDMA0_QUEUE_RB_RPTR_ADDR_HI,
            fabric,
        );
        let poll = key.pair(
            sdma::SDMA0_QUEUE_RB_WPTR_POLL_ADDR_LO,
            sdma::SDMA0_QUEUE_RB_WPTR_POLL_ADDR_HI,
            fabric,
        );
        let reports = fields::RPTR_WRITEBACK_ENABLE.of(control) == 1;
        let polls = fields::F32_WPTR_POLL_ENABLE.of(control) == 1;
        let right = (!reports || report != 0 && report.is_multiple_of(4))
            && (!polls || poll != 0 && poll.is_multiple_of(4));
        fabric.require(
            right,
            REPORT,
            format_args!("{key}: read pointer at {report:#x}, write pointer at {poll:#x}"),
        )?;
        let vmid = fields::RB_VMID.of(control) as u8;
        let context = fabric
            .registers
            .get(gc::GCVM_CONTEXT_CNTL.plus(u32::from(vmid)));
        fabric.require(
            context & 1 == 1,
            VMID,
            format_args!("{key}: context {vmid} has CNTL {context:#x}"),
        )?;
        let doorbell = key.get(sdma::SDMA0_QUEUE_DOORBELL, fabric);
        fabric.require(
            sdma::SDMA0_QUEUE_DOORBELL::ENABLE.of(doorbell) == 1,
            DOORBELL,
            format_args!("{key}: DOORBELL {doorbell:#x}"),
        )?;
        self.queues.insert(
            key,
            Queue {
                vmid,
                ring,
                ring_bytes: 4 << size,
                read,
                written,
                buffer: None,
                state: State::Idle,
            },
        );
        Ok(())
    }

    fn doorbell(
        &mut self,
        offset: u32,
        value: u64,
        bytes: usize,
        fabric: &mut Fabric,
    ) -> Result<(), Violation> {
        let rung = |key: Key| {
            let place = key.get(sdma::SDMA0_QUEUE_DOORBELL_OFFSET, fabric);
            let enabled = key.get(sdma::SDMA0_QUEUE_DOORBELL, fabric);
            sdma::SDMA0_QUEUE_DOORBELL::ENABLE.of(enabled) == 1
                && place & sdma::SDMA0_QUEUE_DOORBELL_OFFSET::OFFSET.mask() == offset & !7
        };
        let Some(key) = self.queues.keys().copied().find(|key| rung(*key)) else {
            return Ok(());
        };
        fabric.require(bytes == 8, WIDTH, format_args!("{key}: {bytes} bytes"))?;
        let poll = key.pair(
            sdma::SDMA0_QUEUE_RB_WPTR_POLL_ADDR_LO,
            sdma::SDMA0_QUEUE_RB_WPTR_POLL_ADDR_HI,
            fabric,
        );
        let control = key.get(sdma::SDMA0_QUEUE_RB_CNTL, fabric);
        let polls = sdma::SDMA0_QUEUE_RB_CNTL::F32_WPTR_POLL_ENABLE.of(control) == 1;
        let Some(queue) = self.queues.get_mut(&key) else {
            return Ok(());
        };
        if polls {
            let mut known = [0; 8];
            fabric.load(queue.client(key, false), poll, &mut known)?;
            let known = u64::from_le_bytes(known);
            fabric.require(
                known == value,
                WPTR_MEMORY,
                format_args!("{key}: {value:#x}, in memory {known:#x}"),
            )?;
        }
        self.advance(key, value, fabric)
    }

    /// The write pointer moves.
    fn advance(&mut self, key: Key, value: u64, fabric: &mut Fabric) -> Result<(), Violation> {
        let Some(queue) = self.queues.get_mut(&key) else {
            return Ok(());
        };
        let (read, written) = (queue.read, queue.written);
        fabric.require(
            value.is_multiple_of(4),
            ALIGNED,
            format_args!("{key}: {value:#x}"),
        )?;
        fabric.require(
            value >= written,
            BACKWARDS,
            format_args!("{key}: {written:#x} to {value:#x}"),
        )?;
        fabric.require(
            value - read.min(value) <= queue.ring_bytes,
            OVERFLOW,
            format_args!(
                "{key}: {value:#x} written, {read:#x} read, {:#x} bytes",
                queue.ring_bytes
            ),
        )?;
        queue.written = value;
        let registers = &mut fabric.registers;
        registers.set(key.register(sdma::SDMA0_QUEUE_RB_WPTR), value as u32);
        registers.set(
            key.register(sdma::SDMA0_QUEUE_RB_WPTR_HI),
            (value >> 32) as u32,
        );
        if queue.state == State::Idle {
            self.run(key, fabric)?;
        }
        Ok(())
    }

    fn reset(&mut self, engine: u32, fabric: &mut Fabric) {
        self.queues.retain(|key, _| key.engine != engine);
        let f32 = sdma::SDMA0_F32_CNTL.plus(engine * 0x20);
        let own = move |register: Register| {
            let of_engine = register.segment == 0 && register.offset / ENGINE == engine;
            register.ip == amdgpu_registers::Ip::Gc && (of_engine || register == f32)
        };
        fabric.registers.reset(own);
    }
}

impl Block for Sdma {
    fn read(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<u32, Violation> {
        let _ = fabric;
        let Some((key, register)) = queue_of(at) else {
            return Ok(value);
        };
        let Some(queue) = self.queues.get(&key) else {
            return Ok(value);
        };
        Ok(match register {
            sdma::SDMA0_QUEUE_RB_RPTR => queue.read as u32,
            sdma::SDMA0_QUEUE_RB_RPTR_HI => (queue.read >> 32) as u32,
            sdma::SDMA0_QUEUE_CONTEXT_STATUS => {
                let idle = u32::from(queue.state == State::Idle);
                sdma::SDMA0_QUEUE_CONTEXT_STATUS::IDLE.set(value, idle)
            }
            _ => value,
        })
    }

    fn write(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        let Some((key, register)) = queue_of(at) else {
            fabric.registers.store(at, value);
            return Ok(());
        };
        if register == sdma::SDMA0_QUEUE_CONTEXT_STATUS {
            return Ok(());
        }
        fabric.registers.store(at, value);
        match register {
            sdma::SDMA0_QUEUE_RB_CNTL => {
                let enabled = sdma::SDMA0_QUEUE_RB_CNTL::RB_ENABLE.of(value) == 1;
                match (enabled, self.queues.contains_key(&key)) {
                    (true, false) => self.enable(key, value, fabric)?,
                    (false, true) => {
                        self.queues.remove(&key);
                    }
                    _ => {}
                }
            }
            sdma::SDMA0_QUEUE_RB_WPTR => {
                let update = key.get(sdma::SDMA0_QUEUE_MINOR_PTR_UPDATE, fabric) & 1 == 1;
                let high = key.get(sdma::SDMA0_QUEUE_RB_WPTR_HI, fabric);
                if !update && self.queues.contains_key(&key) {
                    self.advance(key, u64::from(high) << 32 | u64::from(value), fabric)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn event(&mut self, event: Event, fabric: &mut Fabric) -> Result<(), Violation> {
        match event {
            Event::Reset(Scope::Card) => self.queues.clear(),
            Event::Reset(Scope::Sdma(engine)) => self.reset(engine as u32, fabric),
            Event::Doorbell {
                to: Port::Sdma,
                offset,
                value,
                bytes,
            } => return self.doorbell(offset, value, bytes, fabric),
            _ => {}
        }
        Ok(())
    }
}
