//! Packets of a compute queue (PM4), one after the other (`nvd.h`, `gfx_v11_0.c` in Linux).

use amdgpu_registers::{Ip, gc, nbif};

use super::queue::{Buffer, Key, Queue};
use super::registers::{COMPUTE, SH, SH_COUNT, UCONFIG, sh};
use super::rules::*;
use super::{Gfx, slot};
use crate::fabric::Fabric;
use crate::gmc::is_hubs;
use crate::journal::{Access, Place};
use crate::rule::{Level, Rule, Violation};
use crate::run::{self, Outcome, State, Work};

/// Nanoseconds that the command processor takes for a packet.
const PACKET_NS: u64 = 40;
/// Nanoseconds after which a wait is given up in strict level.
const LONGEST_WAIT: u64 = 60_000_000_000;

/// Opcodes, by their numbers in `nvd.h`.
const NAMES: &[(u8, &str, usize)] = &[
    (0x10, "NOP", 0),
    (0x15, "DISPATCH_DIRECT", 4),
    (0x16, "DISPATCH_INDIRECT", 3),
    (0x1e, "ATOMIC_MEM", 8),
    (0x22, "COND_EXEC", 4),
    (0x23, "PRED_EXEC", 1),
    (0x37, "WRITE_DATA", 4),
    (0x3c, "WAIT_REG_MEM", 6),
    (0x3f, "INDIRECT_BUFFER", 3),
    (0x40, "COPY_DATA", 5),
    (0x46, "EVENT_WRITE", 1),
    (0x49, "RELEASE_MEM", 7),
    (0x50, "DMA_DATA", 6),
    (0x58, "ACQUIRE_MEM", 7),
    (0x76, "SET_SH_REG", 2),
    (0x79, "SET_UCONFIG_REG", 2),
    (0x98, "INVALIDATE_TLBS", 1),
];

/// Low and high dword as one.
pub(super) fn wide(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// Whether two values compare as `function` (0 always, then <, <=, ==, !=, >=, >) asks; `None` for one that does not exist.
pub(crate) fn compares(function: u32, value: u32, reference: u32) -> Option<bool> {
    Some(match function {
        0 => true,
        1 => value < reference,
        2 => value <= reference,
        3 => value == reference,
        4 => value != reference,
        5 => value >= reference,
        6 => value > reference,
        _ => return None,
    })
}

impl Gfx {
    /// Lets a queue work until it has nothing to do, waits or hangs. Whether it did anything.
    pub(super) fn run(&mut self, key: Key, fabric: &mut Fabric) -> Result<bool, Violation> {
        let Some(mut queue) = self.queues.remove(&key) else {
            return Ok(false);
        };
        let mut working = Working {
            gfx: self,
            key,
            queue: &mut queue,
        };
        let result = run::run(&mut working, (LONGEST_WAIT, WAIT_FOREVER), fabric);
        self.queues.insert(key, queue);
        result
    }

    /// Takes the next packet and does what it says.
    fn packet(
        &mut self,
        key: Key,
        queue: &mut Queue,
        fabric: &mut Fabric,
    ) -> Result<Outcome, Violation> {
        let header = queue.peek(0, 1, fabric)?[0];
        let refuse = |rule: Rule, fabric: &mut Fabric| -> Result<Outcome, Violation> {
            fabric.broken(rule, format_args!("{key}: header {header:#x}"))?;
            let enable = gc::CPC_INT_CNTL::OPCODE_ERROR_INT_ENABLE;
            Self::interrupt(key, 183, enable, 0, 0, fabric);
            Ok(Outcome::Hangs)
        };
        match header >> 30 {
            2 => {
                queue.take(1);
                return Ok(Outcome::Done);
            }
            3 => {}
            _ => return refuse(PACKET_TYPE, fabric),
        }
        let opcode = (header >> 8) as u8;
        let count = header >> 16 & 0x3fff;
        // A NOP with the largest count is a header alone.
        let payload = if opcode == 0x10 && count == 0x3fff {
            0
        } else {
            count as usize + 1
        };
        if payload as u64 + 1 > queue.available() {
            fabric.broken(PACKET_LENGTH, format_args!("{key}: header {header:#x}"))?;
            return Ok(Outcome::Waits);
        }
        let Some((_, name, needed)) = NAMES.iter().find(|(known, ..)| *known == opcode) else {
            return refuse(PACKET_OPCODE, fabric);
        };
        fabric.require(
            payload >= *needed,
            PACKET_SIZE,
            format_args!("{key}: {name} with {payload} dwords, {needed} are needed"),
        )?;
        let data = if opcode == 0x10 {
            Vec::new()
        } else {
            queue.peek(1, payload, fabric)?
        };
        if !queue.waits() {
            let now = fabric.clock.ns();
            fabric
                .journal
                .note(now, Place::Packet(name), Access::Write, u64::from(header));
            fabric.clock.pass(PACKET_NS);
        }
        let depth = queue.buffers.len();
        let outcome = self.execute(key, queue, opcode, &data, fabric)?;
        if outcome == Outcome::Done {
            queue.flush_asked = false;
            let entered = (queue.buffers.len() > depth)
                .then(|| queue.buffers.pop())
                .flatten();
            queue.take(payload as u64 + 1);
            queue.buffers.extend(entered);
        }
        Ok(outcome)
    }

    fn execute(
        &mut self,
        key: Key,
        queue: &mut Queue,
        opcode: u8,
        data: &[u32],
        fabric: &mut Fabric,
    ) -> Result<Outcome, Violation> {
        match opcode {
            0x15 => return self.dispatch(key, queue, [data[0], data[1], data[2]], data[3], fabric),
            0x16 => {
                let mut bytes = [0; 12];
                fabric.load(queue.client(), wide(data[0], data[1]), &mut bytes)?;
                let (groups, _) = bytes.as_chunks::<4>();
                let groups = [0, 1, 2].map(|at| u32::from_le_bytes(groups[at]));
                return self.dispatch(key, queue, groups, data[2], fabric);
            }
            0x1e => atomic(queue, data, fabric)?,
            0x22 => cond_exec(queue, data, fabric)?,
            0x37 => write_data(queue, data, fabric)?,
            0x3c => return self.wait(key, queue, data, fabric),
            0x3f => indirect(key, queue, data, fabric)?,
            0x40 => copy_data(queue, data, fabric)?,
            0x46 => {
                let (event, index) = (data[0] & 0x3f, data[0] >> 8 & 0xf);
                fabric.require(
                    event != 7 || index == 4,
                    EVENT_INDEX,
                    format_args!("{key}: event {event:#x}, index {index}"),
                )?;
            }
            0x49 => self.release(key, queue, data, fabric)?,
            0x50 => dma_data(queue, data, fabric)?,
            0x58 => self.acquire(key, data, fabric)?,
            0x76 => set_sh(key, queue, data, fabric)?,
            0x79 => set_uconfig(data, fabric)?,
            0x98 => {
                fabric.forget_translations(crate::gmc::Hub::Gc);
                if data[0] >> 4 & 1 == 1 {
                    fabric.forget_translations(crate::gmc::Hub::Mm);
                }
            }
            _ => {}
        }
        Ok(Outcome::Done)
    }

    /// WAIT_REG_MEM.
    fn wait(
        &mut self,
        key: Key,
        queue: &mut Queue,
        data: &[u32],
        fabric: &mut Fabric,
    ) -> Result<Outcome, Violation> {
        let function = data[0] & 7;
        let (in_memory, operation) = (data[0] >> 4 & 3 == 1, data[0] >> 6 & 3);
        let [low, high, reference, mask] = [data[1], data[2], data[3], data[4]];
        let aligned = !in_memory || low.is_multiple_of(4);
        fabric.require(
            aligned && function < 7,
            WAIT_FORM,
            format_args!("{key}: {:#x}, address {low:#x}", data[0]),
        )?;
        let value = if in_memory {
            let mut bytes = [0; 4];
            fabric.load(queue.client(), wide(low, high), &mut bytes)?;
            u32::from_le_bytes(bytes)
        } else if operation == 1 {
            if !queue.flush_asked {
                queue.flush_asked = true;
                write_register(low, reference, fabric)?;
                return Ok(Outcome::Waits);
            }
            read_register(high, fabric)?
        } else {
            read_register(low, fabric)?
        };
        let true_now = compares(function, value & mask, reference).unwrap_or(true);
        Ok(if true_now {
            Outcome::Done
        } else {
            Outcome::Waits
        })
    }
}

/// A queue that works, and the engine that it is of.
struct Working<'a> {
    gfx: &'a mut Gfx,
    key: Key,
    queue: &'a mut Queue,
}

impl std::fmt::Display for Working<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.key.fmt(f)
    }
}

impl Work for Working<'_> {
    fn state(&mut self) -> &mut State {
        &mut self.queue.state
    }

    fn available(&self) -> u64 {
        self.queue.available()
    }

    fn packet(&mut self, fabric: &mut Fabric) -> Result<Outcome, Violation> {
        self.gfx.packet(self.key, self.queue, fabric)
    }

    fn report(&self, fabric: &mut Fabric) -> Result<(), Violation> {
        self.queue.report(fabric)
    }
}

/// Reads a register by its dword address.
pub(crate) fn read_register(dword: u32, fabric: &mut Fabric) -> Result<u32, Violation> {
    let Some((at, info)) = fabric.registers.find(dword) else {
        fabric.broken(PACKET_REGISTER, format_args!("read of dword {dword:#x}"))?;
        return Ok(0);
    };
    let value = fabric
        .registers
        .get(info.register.plus(at.index * info.stride));
    Ok(if is_hubs(info) {
        fabric.hub_read(at, value)
    } else {
        value
    })
}

/// Writes a register by its dword address.
pub(crate) fn write_register(dword: u32, value: u32, fabric: &mut Fabric) -> Result<(), Violation> {
    let found = fabric.registers.find(dword);
    match found {
        Some((at, info)) if is_hubs(info) => return fabric.hub_write(at, value),
        Some((at, _)) if at.register == nbif::BIF_BX_PF0_GPU_HDP_FLUSH_REQ => {
            fabric.hdp_flush_request(value);
        }
        // What only holds its value: of other blocks, no driver is known to write them by packets.
        Some((at, info)) if info.register.ip == Ip::Gc && slot(at.register).is_none() => {
            fabric.registers.store(at, value);
        }
        _ => {
            let what = found.map_or("", |(_, info)| info.name);
            return fabric.broken(
                PACKET_REGISTER,
                format_args!("write of {value:#x} to dword {dword:#x} {what}"),
            );
        }
    }
    Ok(())
}

fn set_sh(key: Key, queue: &mut Queue, data: &[u32], fabric: &mut Fabric) -> Result<(), Violation> {
    let first = (data[0] & 0xffff) as usize;
    let values = &data[1..];
    let inside = first >= COMPUTE.0 && first + values.len() <= COMPUTE.1 + 1;
    if !inside || first + values.len() > SH_COUNT as usize {
        let dword = SH + first as u32;
        return fabric.broken(
            SH_REGISTER,
            format_args!("{key}: {} registers from dword {dword:#x}", values.len()),
        );
    }
    queue.sh[first..first + values.len()].copy_from_slice(values);
    let user = sh(gc::COMPUTE_USER_DATA);
    for at in (first..first + values.len()).filter(|at| (user..user + 16).contains(at)) {
        queue.user_data |= 1 << (at - user);
    }
    Ok(())
}

fn set_uconfig(data: &[u32], fabric: &mut Fabric) -> Result<(), Violation> {
    for (at, value) in data[1..].iter().enumerate() {
        write_register(UCONFIG + (data[0] & 0xffff) + at as u32, *value, fabric)?;
    }
    Ok(())
}

fn indirect(
    key: Key,
    queue: &mut Queue,
    data: &[u32],
    fabric: &mut Fabric,
) -> Result<(), Violation> {
    let (va, dwords) = (wide(data[0] & !3, data[1]), data[2] & 0xf_ffff);
    let chained = data[2] >> 20 & 1 == 1;
    let valid = data[2] >> 23 & 1 == 1 && dwords > 0 && data[0].is_multiple_of(4);
    let depth = queue.buffers.len();
    fabric.require(
        valid && (depth < 2 || chained),
        IB_VALID,
        format_args!("{key}: {va:#x}, {:#x}, depth {depth}", data[2]),
    )?;
    if chained {
        // The rest of this buffer is not read.
        if let Some(buffer) = queue.buffers.last_mut() {
            buffer.dwords = buffer.at + 4;
        }
    }
    if dwords > 0 && depth < 8 {
        queue.buffers.push(Buffer { va, dwords, at: 0 });
    }
    Ok(())
}

fn write_data(queue: &Queue, data: &[u32], fabric: &mut Fabric) -> Result<(), Violation> {
    let destination = data[0] >> 8 & 0xf;
    let one_address = data[0] >> 16 & 1 == 1;
    let memory = matches!(destination, 1 | 2 | 5);
    fabric.require(
        (memory && data[1].is_multiple_of(4)) || destination == 0,
        WRITE_DATA_FORM,
        format_args!("destination {destination}, address {:#x}", data[1]),
    )?;
    for (at, value) in data[3..].iter().enumerate() {
        let step = if one_address { 0 } else { at as u32 };
        if memory {
            let va = wide(data[1], data[2]).wrapping_add(4 * u64::from(step));
            fabric.store(queue.client(), va, &value.to_le_bytes())?;
        } else {
            write_register(data[1].wrapping_add(step), *value, fabric)?;
        }
    }
    Ok(())
}

fn copy_data(queue: &Queue, data: &[u32], fabric: &mut Fabric) -> Result<(), Violation> {
    let (source, destination) = (data[0] & 0xf, data[0] >> 8 & 0xf);
    let double = data[0] >> 16 & 1 == 1;
    let value = match source {
        1 | 2 => {
            let mut bytes = [0; 8];
            let count = if double { 8 } else { 4 };
            fabric.load(queue.client(), wide(data[1], data[2]), &mut bytes[..count])?;
            u64::from_le_bytes(bytes)
        }
        5 => wide(data[1], data[2]),
        9 | 10 => fabric.clock.reference(),
        _ => {
            let low = read_register(data[1], fabric)?;
            let high = if double {
                read_register(data[1].wrapping_add(1), fabric)?
            } else {
                0
            };
            wide(low, high)
        }
    };
    if matches!(destination, 1 | 2 | 5) {
        let bytes = value.to_le_bytes();
        let count = if double { 8 } else { 4 };
        return fabric.store(queue.client(), wide(data[3], data[4]), &bytes[..count]);
    }
    write_register(data[3], value as u32, fabric)?;
    if double {
        write_register(data[3].wrapping_add(1), (value >> 32) as u32, fabric)?;
    }
    Ok(())
}

/// DMA_DATA: a copy, or a fill with a dword.
fn dma_data(queue: &Queue, data: &[u32], fabric: &mut Fabric) -> Result<(), Violation> {
    let fills = data[0] >> 29 & 3 == 2;
    let mut left = u64::from(data[5] & 0x3ff_ffff);
    let (mut from, mut to) = (wide(data[1], data[2]), wide(data[3], data[4]));
    while left > 0 {
        let mut chunk = [0; 4096];
        let count = left.min(4096) as usize;
        if fills {
            for dword in chunk.as_chunks_mut::<4>().0 {
                *dword = data[1].to_le_bytes();
            }
        } else {
            fabric.load(queue.client(), from, &mut chunk[..count])?;
        }
        fabric.store(queue.client(), to, &chunk[..count])?;
        (from, to, left) = (
            from.wrapping_add(count as u64),
            to.wrapping_add(count as u64),
            left - count as u64,
        );
    }
    Ok(())
}

/// ATOMIC_MEM: add and swap of 32 and 64 bits (TC_OP numbers, `gc_11_0_0_enum` in Linux).
fn atomic(queue: &Queue, data: &[u32], fabric: &mut Fabric) -> Result<(), Violation> {
    let va = wide(data[1], data[2]);
    let operand = wide(data[3], data[4]);
    let operation = data[0] & 0x7f;
    let wide_operation = operation >> 5 & 1 == 1;
    let count = if wide_operation { 8 } else { 4 };
    let mut bytes = [0; 8];
    fabric.load(queue.client(), va, &mut bytes[..count])?;
    let old = u64::from_le_bytes(bytes);
    let new = match operation & 0x1f {
        0x07 => operand,
        0x0f => old.wrapping_add(operand),
        0x10 => old.wrapping_sub(operand),
        0x15 => old & operand,
        0x16 => old | operand,
        0x17 => old ^ operand,
        _ => {
            return fabric.broken(
                PACKET_OPCODE,
                format_args!("ATOMIC_MEM operation {operation:#x}"),
            );
        }
    };
    fabric.store(queue.client(), va, &new.to_le_bytes()[..count])
}

/// COND_EXEC: skips dwords if the one in memory is 0.
fn cond_exec(queue: &mut Queue, data: &[u32], fabric: &mut Fabric) -> Result<(), Violation> {
    let mut bytes = [0; 4];
    fabric.load(queue.client(), wide(data[0], data[1]), &mut bytes)?;
    if u32::from_le_bytes(bytes) == 0 {
        let skipped = u64::from(data[3] & 0x3fff);
        let left = queue.available().saturating_sub(5);
        if let Some(buffer) = queue.buffers.last_mut() {
            buffer.at += skipped.min(left) as u32;
        } else {
            queue.read += skipped.min(left);
        }
    }
    Ok(())
}

/// Whether the level is strict.
pub(super) fn strict(fabric: &Fabric) -> bool {
    fabric.level == Level::Strict
}
