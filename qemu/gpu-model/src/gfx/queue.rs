//! A compute queue: what it needs to be activated, its doorbell, and where it reads packets.

use std::fmt;

use amdgpu_registers::{Register, gc};

use super::registers::{self, COMPUTE, MQD_COMPUTE, SH_COUNT};
use super::rules::*;
use super::{Gfx, HQD};
use crate::fabric::Fabric;
use crate::gmc::{Client, Hub};
use crate::rule::Violation;
use crate::run::State;
use crate::vram::Vram;

/// Client id of the compute front end in page faults (CPC).
const CPC: u8 = 5;
/// Bytes of an MQD.
const MQD_BYTES: usize = 2048;

/// The place of CP_HQD_ACTIVE among the registers of a queue.
pub(super) const ACTIVE: usize = 2;

/// A queue's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) me: u8,
    pub(super) pipe: u8,
    pub(super) queue: u8,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "me {} pipe {} queue {}", self.me, self.pipe, self.queue)
    }
}

/// An indirect buffer that is being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buffer {
    pub(super) va: u64,
    pub(super) dwords: u32,
    pub(super) at: u32,
}

/// An active queue.
pub(super) struct Queue {
    pub(super) hqd: [u32; HQD as usize],
    /// Registers of SET_SH_REG.
    pub(super) sh: Box<[u32; SH_COUNT as usize]>,
    /// User data registers that were written.
    pub(super) user_data: u32,
    pub(super) vmid: u8,
    ring: u64,
    ring_dwords: u64,
    /// Dwords read and written since activation.
    pub(super) read: u64,
    pub(super) written: u64,
    /// Indirect buffers, the innermost last.
    pub(super) buffers: Vec<Buffer>,
    pub(super) state: State,
    /// The packet that waits has asked for its flush already.
    pub(super) flush_asked: bool,
    mqd_checked: bool,
}

/// A register of a queue.
fn of(hqd: &[u32; HQD as usize], register: Register) -> u32 {
    hqd[(register.offset - gc::CP_MQD_BASE_ADDR.offset) as usize]
}

fn pair(hqd: &[u32; HQD as usize], low: Register) -> u64 {
    u64::from(of(hqd, low.plus(1))) << 32 | u64::from(of(hqd, low))
}

impl Queue {
    pub(super) fn waits(&self) -> bool {
        matches!(self.state, State::Waits(_))
    }

    pub(super) fn is_busy(&self) -> bool {
        self.state != State::Idle
    }

    /// What CP_HQD_PQ_RPTR shows.
    pub(super) fn read_pointer(&self) -> u32 {
        (self.read % self.ring_dwords) as u32
    }

    /// Waves of the queue are gone; what waited for them goes no further.
    pub(super) fn kill_waves(&mut self) {
        self.state = State::Hung;
    }

    /// Who the command processor is when it works for this queue.
    pub(super) fn client(&self) -> Client {
        Client {
            hub: Hub::Gc,
            vmid: self.vmid,
            id: CPC,
            gl2: true,
        }
    }

    fn doorbell(&self) -> Option<u32> {
        let control = of(&self.hqd, gc::CP_HQD_PQ_DOORBELL_CONTROL);
        let enabled = gc::CP_HQD_PQ_DOORBELL_CONTROL::DOORBELL_EN.of(control) == 1;
        enabled.then_some(control & gc::CP_HQD_PQ_DOORBELL_CONTROL::DOORBELL_OFFSET.mask())
    }

    /// Dwords that are there to be read where packets come from now.
    pub(super) fn available(&self) -> u64 {
        match self.buffers.last() {
            Some(buffer) => u64::from(buffer.dwords.saturating_sub(buffer.at)),
            None => self.written.saturating_sub(self.read),
        }
    }

    /// Reads dwords ahead, `skip` dwords from the next one, without taking them.
    pub(super) fn peek(
        &self,
        skip: u64,
        dwords: usize,
        fabric: &mut Fabric,
    ) -> Result<Vec<u32>, Violation> {
        let mut bytes = vec![0; dwords * 4];
        match self.buffers.last() {
            Some(buffer) => {
                let va = buffer.va.wrapping_add(4 * (u64::from(buffer.at) + skip));
                fabric.load(self.client(), va, &mut bytes)?;
            }
            None => {
                let at = (self.read + skip) % self.ring_dwords;
                let here = bytes.len().min(((self.ring_dwords - at) * 4) as usize);
                let (first, second) = bytes.split_at_mut(here);
                fabric.load(self.client(), self.ring.wrapping_add(4 * at), first)?;
                fabric.load(self.client(), self.ring, second)?;
            }
        }
        let (dwords, _) = bytes.as_chunks();
        Ok(dwords
            .iter()
            .map(|dword| u32::from_le_bytes(*dword))
            .collect())
    }

    /// Takes dwords.
    pub(super) fn take(&mut self, dwords: u64) {
        match self.buffers.last_mut() {
            Some(buffer) => buffer.at += dwords as u32,
            None => self.read += dwords,
        }
        while self
            .buffers
            .last()
            .is_some_and(|buffer| buffer.at >= buffer.dwords)
        {
            self.buffers.pop();
        }
    }

    /// Writes the read pointer to memory.
    pub(super) fn report(&self, fabric: &mut Fabric) -> Result<(), Violation> {
        let place = pair(&self.hqd, gc::CP_HQD_PQ_RPTR_REPORT_ADDR) & 0xffff_ffff_fffc;
        let control = of(&self.hqd, gc::CP_HQD_PQ_CONTROL);
        if place != 0 && gc::CP_HQD_PQ_CONTROL::NO_UPDATE_RPTR.of(control) == 0 {
            fabric.store(self.client(), place, &self.read_pointer().to_le_bytes())?;
        }
        Ok(())
    }

    /// The MQD in memory says what registers say. Registers of compute come from there.
    fn check_mqd(&mut self, key: Key, fabric: &mut Fabric) -> Result<(), Violation> {
        self.mqd_checked = true;
        let address = pair(&self.hqd, gc::CP_MQD_BASE_ADDR);
        let mut bytes = [0; MQD_BYTES];
        let client = Client {
            vmid: 0,
            ..self.client()
        };
        fabric.load(client, address, &mut bytes)?;
        let (dwords, _) = bytes.as_chunks::<4>();
        let mqd: Vec<u32> = dwords
            .iter()
            .map(|dword| u32::from_le_bytes(*dword))
            .collect();
        fabric.require(
            mqd[0] == 0xc031_0800,
            MQD_HEADER,
            format_args!("{:#x} at {address:#x}", mqd[0]),
        )?;
        let differs = (0..HQD as usize).find(|at| *at != ACTIVE && mqd[0x80 + at] != self.hqd[*at]);
        if let Some(at) = differs {
            let register = gc::CP_MQD_BASE_ADDR.plus(at as u32);
            fabric.broken(
                MQD_MATCHES,
                format_args!(
                    "{key}: {register} is {:#x}, in memory {:#x}",
                    self.hqd[at],
                    mqd[0x80 + at]
                ),
            )?;
        }
        for dword in MQD_COMPUTE {
            self.sh[COMPUTE.0 + dword - 1] = mqd[dword];
        }
        Ok(())
    }
}

impl Gfx {
    /// CP_HQD_ACTIVE is set.
    pub(super) fn activate(
        &mut self,
        key: Key,
        hqd: &[u32; HQD as usize],
        fabric: &mut Fabric,
    ) -> Result<(), Violation> {
        check_mec(key, fabric)?;
        let vmid = gc::CP_HQD_VMID::VMID.of(of(hqd, gc::CP_HQD_VMID)) as u8;
        let context = fabric
            .registers
            .get(gc::GCVM_CONTEXT_CNTL.plus(u32::from(vmid)));
        fabric.require(
            context & 1 == 1,
            HQD_VMID,
            format_args!("{key}: context {vmid} has CNTL {context:#x}"),
        )?;
        let mqd = pair(hqd, gc::CP_MQD_BASE_ADDR);
        let first = u64::from(fabric.registers.get(gc::GCMC_VM_FB_LOCATION_BASE)) << 24;
        let inside = mqd
            .checked_sub(first)
            .is_some_and(|offset| Vram::holds(offset, MQD_BYTES));
        fabric.require(
            inside && mqd.is_multiple_of(256),
            MQD_PLACE,
            format_args!("{key}: {mqd:#x}"),
        )?;
        let ring = pair(hqd, gc::CP_HQD_PQ_BASE) << 8;
        let size = gc::CP_HQD_PQ_CONTROL::QUEUE_SIZE.of(of(hqd, gc::CP_HQD_PQ_CONTROL));
        fabric.require(
            ring != 0 && (7..27).contains(&size),
            HQD_RING,
            format_args!("{key}: base {ring:#x}, QUEUE_SIZE {size}"),
        )?;
        let pointers = [
            gc::CP_HQD_PQ_RPTR,
            gc::CP_HQD_PQ_WPTR_LO,
            gc::CP_HQD_PQ_WPTR_HI,
        ]
        .map(|register| of(hqd, register));
        fabric.require(
            pointers == [0; 3],
            HQD_POINTERS,
            format_args!("{key}: {pointers:x?}"),
        )?;
        let report = pair(hqd, gc::CP_HQD_PQ_RPTR_REPORT_ADDR);
        let poll = pair(hqd, gc::CP_HQD_PQ_WPTR_POLL_ADDR);
        fabric.require(
            report != 0 && report.is_multiple_of(4) && poll != 0 && poll.is_multiple_of(8),
            HQD_REPORT,
            format_args!("{key}: read pointer at {report:#x}, write pointer at {poll:#x}"),
        )?;
        let events = pair(hqd, gc::CP_HQD_EOP_BASE_ADDR) << 8;
        fabric.require(events != 0, HQD_EOP, format_args!("{key}: base 0"))?;
        let queue = Queue {
            hqd: *hqd,
            sh: Box::new([0; SH_COUNT as usize]),
            user_data: 0,
            vmid,
            ring,
            ring_dwords: 2 << size,
            read: 0,
            written: 0,
            buffers: Vec::new(),
            state: State::Idle,
            flush_asked: false,
            mqd_checked: false,
        };
        let doorbell = queue.doorbell();
        let (low, high) = doorbell_range(fabric);
        let inside = doorbell.is_some_and(|offset| (low..=high).contains(&offset));
        fabric.require(
            inside,
            HQD_DOORBELL,
            format_args!("{key}: {doorbell:x?} of {low:#x} to {high:#x}"),
        )?;
        self.queues.insert(key, queue);
        Ok(())
    }

    /// A doorbell rings.
    pub(super) fn doorbell(
        &mut self,
        offset: u32,
        value: u64,
        bytes: usize,
        fabric: &mut Fabric,
    ) -> Result<(), Violation> {
        let rung = |queue: &Queue| queue.doorbell() == Some(offset & !7);
        let Some((key, queue)) = self.queues.iter_mut().find(|(_, queue)| rung(queue)) else {
            return Ok(());
        };
        let key = *key;
        if bytes != 8 {
            fabric.broken(DOORBELL_WIDTH, format_args!("{key}: {bytes} bytes"))?;
        }
        let (read, written) = (queue.read, queue.written);
        fabric.require(
            value >= written,
            WPTR_BACKWARDS,
            format_args!("{key}: {written:#x} to {value:#x}"),
        )?;
        fabric.require(
            value - read.min(value) <= queue.ring_dwords,
            RING_OVERFLOW,
            format_args!(
                "{key}: {value:#x} written, {read:#x} read, {:#x} dwords",
                queue.ring_dwords
            ),
        )?;
        let mut known = [0; 8];
        let poll = pair(&queue.hqd, gc::CP_HQD_PQ_WPTR_POLL_ADDR);
        fabric.load(queue.client(), poll, &mut known)?;
        let known = u64::from_le_bytes(known);
        fabric.require(
            known == value,
            WPTR_MEMORY,
            format_args!("{key}: {value:#x}, in memory {known:#x}"),
        )?;
        if !queue.mqd_checked {
            queue.check_mqd(key, fabric)?;
        }
        queue.written = value;
        if !queue.is_busy() {
            self.run(key, fabric)?;
        }
        Ok(())
    }
}

fn check_mec(key: Key, fabric: &mut Fabric) -> Result<(), Violation> {
    use gc::CP_MEC_RS64_CNTL as fields;
    let control = fabric.registers.get(gc::CP_MEC_RS64_CNTL);
    let pipe = u32::from(key.pipe & 3);
    let active = control >> (26 + pipe) & 1 == 1;
    let reset = control >> (16 + pipe) & 1 == 1;
    fabric.require(
        active && !reset && fields::MEC_HALT.of(control) == 0,
        MEC_RUNS,
        format_args!("{key}: CP_MEC_RS64_CNTL {control:#x}"),
    )
}

fn doorbell_range(fabric: &Fabric) -> (u32, u32) {
    let bound = |register| fabric.registers.get(register) & 0xffc;
    (
        bound(gc::CP_MEC_DOORBELL_RANGE_LOWER),
        bound(gc::CP_MEC_DOORBELL_RANGE_UPPER),
    )
}

pub(super) use registers::sh;
