//! Graphics and compute: what autoload leaves, the MEC, its queues, their packets and dispatches.
//!
//! A queue runs when its doorbell rings, within the access that rang it, until it is empty, waits ([`pm4`]), or hangs; one
//! that waits is looked at again after every access that could have changed something. Packets read and write memory as the
//! command processor (`CPC`), dispatches as shaders ([`waves`]).

mod dispatch;
mod launch_rules;
pub(crate) mod pm4;
mod queue;
mod registers;
mod rules;
mod sync;
#[cfg(test)]
pub(crate) mod tests;
mod waves;

use std::collections::{BTreeMap, HashMap};

use amdgpu_registers::{Ip, Register, gc};

use crate::fabric::{Block, Event, Fabric, Port, Scope, Vector};
use crate::register_file::At;
use crate::rule::{Rule, Violation};
use queue::{Key, Queue};
use rules::*;

pub(crate) use rules::{GCR_WHOLE, RULES};
pub(crate) use sync::PARTS;

/// The rules of dispatches.
pub(crate) const LAUNCH_RULES: &[Rule] = launch_rules::RULES;

/// Registers of a queue: CP_MQD_BASE_ADDR to CP_HQD_PQ_WPTR_HI.
const HQD: u32 = 0x1fe0 - 0x1fa9 + 1;

/// The block's state beyond its registers.
#[derive(Default)]
pub(crate) struct Gfx {
    /// Where the MEC's program starts, once autoload is done.
    mec_start: Option<u64>,
    /// Where the driver says that it starts, by pipe.
    starts: [u64; 4],
    /// Registers of queues, by what GRBM_GFX_CNTL selects.
    hqd: HashMap<Key, [u32; HQD as usize]>,
    /// SH_MEM_CONFIG and SH_MEM_BASES by VMID.
    sh_mem: [[u32; 2]; 16],
    /// Active queues.
    queues: BTreeMap<Key, Queue>,
    programs: dispatch::Programs,
}

/// The place of a register among those of a queue.
fn slot(register: Register) -> Option<usize> {
    let first = gc::CP_MQD_BASE_ADDR;
    let at = register.offset.checked_sub(first.offset)?;
    (register.ip == Ip::Gc && register.segment == 0 && at < HQD).then_some(at as usize)
}

impl Gfx {
    /// Autoload is done: registers of GC may be written.
    pub(crate) fn is_up(&self) -> bool {
        self.mec_start.is_some()
    }

    /// The rule that registers of GC are written only after autoload.
    pub(crate) fn check_up(
        &self,
        register: Register,
        fabric: &mut Fabric,
    ) -> Result<(), Violation> {
        fabric.require(self.is_up(), GC_DOWN, format_args!("write of {register}"))
    }

    fn autoload(&mut self, mec_start: u64, fabric: &mut Fabric) {
        self.mec_start = Some(mec_start);
        let registers = &mut fabric.registers;
        registers.set(gc::RLC_RLCS_BOOTLOAD_STATUS, 0x8000_0019);
        registers.set(gc::CP_STAT, 0);
        registers.set(gc::CP_MEC_RS64_CNTL, 0x400f_0010);
        registers.set(gc::CP_MEC_ISA_CNTL, 1);
        registers.set(gc::RLC_CNTL, 1);
    }

    fn reset_mec(&mut self) {
        self.queues.clear();
        self.hqd.clear();
        self.programs.forget();
    }

    /// The queue that GRBM_GFX_CNTL selects.
    fn selected(fabric: &Fabric) -> Key {
        use gc::GRBM_GFX_CNTL as fields;
        let select = fabric.registers.get(gc::GRBM_GFX_CNTL);
        Key {
            me: fields::MEID.of(select) as u8,
            pipe: fields::PIPEID.of(select) as u8,
            queue: fields::QUEUEID.of(select) as u8,
        }
    }

    fn vmid(fabric: &Fabric) -> usize {
        gc::GRBM_GFX_CNTL::VMID.of(fabric.registers.get(gc::GRBM_GFX_CNTL)) as usize
    }

    /// Lets queues that wait look again. Whether any went on.
    pub(crate) fn resume(&mut self, fabric: &mut Fabric) -> Result<bool, Violation> {
        let waiting: Vec<Key> = self
            .queues
            .iter()
            .filter(|(_, queue)| queue.waits())
            .map(|(key, _)| *key)
            .collect();
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

    fn write_hqd(
        &mut self,
        at: usize,
        register: Register,
        value: u32,
        fabric: &mut Fabric,
    ) -> Result<(), Violation> {
        let key = Self::selected(fabric);
        let compute = matches!(key.me, 1 | 2);
        fabric.require(
            compute,
            HQD_SELECT,
            format_args!("{register} with {key} selected"),
        )?;
        let bank = self
            .hqd
            .entry(key)
            .or_insert_with(|| registers::reset_values(fabric));
        match register {
            gc::CP_HQD_ACTIVE if value & 1 == 1 => {
                bank[at] = value;
                let bank = *bank;
                self.activate(key, &bank, fabric)
            }
            gc::CP_HQD_ACTIVE => {
                bank[at] = value;
                self.queues.remove(&key);
                Ok(())
            }
            gc::CP_HQD_DEQUEUE_REQUEST => self.dequeue(key, value, fabric),
            _ => {
                bank[at] = value;
                Ok(())
            }
        }
    }

    fn dequeue(&mut self, key: Key, value: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        if value & 0xf == 0 {
            return Ok(());
        }
        let found = self.queues.contains_key(&key);
        fabric.require(
            found,
            DEQUEUE_ACTIVE,
            format_args!("request {value} to {key}"),
        )?;
        let drains = value & 0xf == 1;
        let busy = self.queues.get(&key).is_some_and(Queue::is_busy);
        // A drain of a queue that waits or hangs does not end; resets of waves do.
        if !(drains && busy) {
            self.queues.remove(&key);
            if let Some(bank) = self.hqd.get_mut(&key) {
                bank[queue::ACTIVE] = 0;
            }
        }
        Ok(())
    }

    fn soft_reset(&mut self, value: u32, fabric: &mut Fabric) {
        use gc::GRBM_SOFT_RESET as fields;
        let engines = fields::SOFT_RESET_CP.mask()
            | fields::SOFT_RESET_CPC.mask()
            | fields::SOFT_RESET_GFX.mask();
        if value & engines != 0 {
            fabric.events.push(Event::Reset(Scope::Mec));
        }
        for (engine, bit) in [fields::SOFT_RESET_SDMA0, fields::SOFT_RESET_SDMA1]
            .into_iter()
            .enumerate()
        {
            if bit.of(value) == 1 {
                fabric.events.push(Event::Reset(Scope::Sdma(engine)));
            }
        }
    }

    /// The MEC starts where its firmware says.
    fn check_start(&self, value: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        use gc::CP_MEC_RS64_CNTL as fields;
        let active =
            fields::MEC_PIPE0_ACTIVE.of(value) == 1 && fields::MEC_PIPE0_RESET.of(value) == 0;
        let expected = self.mec_start.unwrap_or(0) >> 2;
        let wrong = active && fields::MEC_HALT.of(value) == 0 && self.starts[0] != expected;
        fabric.require(
            !wrong,
            MEC_START,
            format_args!("{:#x}, the firmware says {expected:#x}", self.starts[0]),
        )
    }

    /// An interrupt of the command processor, if a pipe has it enabled.
    fn interrupt(
        key: Key,
        source: u8,
        enable: amdgpu_registers::Field,
        data: u32,
        vmid: u8,
        fabric: &mut Fabric,
    ) {
        let pipe = fabric
            .registers
            .get(gc::CP_ME1_PIPE_INT_CNTL.plus(u32::from(key.pipe & 3)));
        let all = fabric.registers.get(gc::CPC_INT_CNTL);
        if enable.of(pipe | all) == 1 {
            fabric.events.push(Event::Interrupt(Vector {
                client: 0x14,
                source,
                ring: key.pipe & 3 | (key.me & 3) << 2 | (key.queue & 7) << 4,
                vmid,
                data: [data, 0, 0, 0],
                ..Vector::default()
            }));
        }
    }
}

impl Block for Gfx {
    fn read(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<u32, Violation> {
        if let Some(slot) = slot(at.register) {
            let key = Self::selected(fabric);
            if at.register == gc::CP_HQD_PQ_RPTR
                && let Some(queue) = self.queues.get(&key)
            {
                return Ok(queue.read_pointer());
            }
            return Ok(self.hqd.get(&key).map_or(value, |bank| bank[slot]));
        }
        Ok(match at.register {
            gc::SH_MEM_CONFIG => self.sh_mem[Self::vmid(fabric)][0],
            gc::SH_MEM_BASES => self.sh_mem[Self::vmid(fabric)][1],
            gc::CP_STAT => u32::from(self.queues.values().any(Queue::is_busy)) << 31,
            gc::GRBM_STATUS => u32::from(self.queues.values().any(Queue::is_busy)) * 0xa000_0000,
            gc::CP_MEC_RS64_INSTR_PNTR => {
                // It moves while the engine runs.
                fabric.clock.ns() as u32 >> 4
            }
            gc::RLC_GPU_CLOCK_COUNT_LSB => fabric.clock.reference() as u32,
            gc::RLC_GPU_CLOCK_COUNT_MSB => (fabric.clock.reference() >> 32) as u32,
            _ => value,
        })
    }

    fn write(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        if let Some(slot) = slot(at.register) {
            return self.write_hqd(slot, at.register, value, fabric);
        }
        let pipe = usize::from(Self::selected(fabric).pipe & 3);
        match at.register {
            gc::RLC_RLCS_BOOTLOAD_STATUS | gc::CP_STAT | gc::GRBM_STATUS => return Ok(()),
            gc::SH_MEM_CONFIG => self.sh_mem[Self::vmid(fabric)][0] = value,
            gc::SH_MEM_BASES => self.sh_mem[Self::vmid(fabric)][1] = value,
            gc::CP_MEC_RS64_PRGRM_CNTR_START => {
                self.starts[pipe] = self.starts[pipe] >> 32 << 32 | u64::from(value);
            }
            gc::CP_MEC_RS64_PRGRM_CNTR_START_HI => {
                self.starts[pipe] = self.starts[pipe] & 0xffff_ffff | u64::from(value) << 32;
            }
            gc::CP_MEC_RS64_CNTL => self.check_start(value, fabric)?,
            gc::GRBM_SOFT_RESET => self.soft_reset(value, fabric),
            gc::SPI_COMPUTE_QUEUE_RESET if value & 1 == 1 => {
                let key = Self::selected(fabric);
                if let Some(queue) = self.queues.get_mut(&key) {
                    queue.kill_waves();
                }
            }
            gc::RLC_SAFE_MODE => {
                // The RLC takes the command at once.
                fabric.registers.store(at, value & !1);
                return Ok(());
            }
            _ => {}
        }
        fabric.registers.store(at, value);
        Ok(())
    }

    fn event(&mut self, event: Event, fabric: &mut Fabric) -> Result<(), Violation> {
        match event {
            Event::Reset(Scope::Card) => {
                *self = Self::default();
                self.sh_mem = [[0xc000, 0]; 16];
            }
            Event::Reset(Scope::Mec) => self.reset_mec(),
            Event::Autoload { mec_start } => self.autoload(mec_start, fabric),
            Event::Doorbell {
                to: Port::Gc,
                offset,
                value,
                bytes,
            } => {
                return self.doorbell(offset, value, bytes, fabric);
            }
            _ => {}
        }
        Ok(())
    }
}
