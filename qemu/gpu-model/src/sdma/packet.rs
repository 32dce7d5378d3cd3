//! Packets of an SDMA queue (`sdma_v6_0_0_pkt_open.h` in Linux).

use amdgpu_registers::sdma;

use super::rules::*;
use super::{Buffer, Key, Queue, Sdma};
use crate::caches::Actions;
use crate::fabric::{Event, Fabric, Vector};
use crate::fault::FaultKind;
use crate::gfx::pm4::{compares, read_register, write_register};
use crate::gfx::{GCR_WHOLE, PARTS};
use crate::gmc::Hub;
use crate::journal::{Access, Place};
use crate::rule::Violation;
use crate::run::{self, Outcome, State, Work};

/// Nanoseconds that an engine takes for a packet.
const PACKET_NS: u64 = 200;
/// Bytes that it moves in a nanosecond: a PCIe 4.0 link of 16 lanes.
const BYTES_PER_NS: u64 = 25;
/// Nanoseconds after which a wait is given up in strict level.
const LONGEST_WAIT: u64 = 10_000_000_000;
/// Bytes that are moved at once.
const CHUNK: usize = 1 << 16;

/// Opcode, name, dwords without data of variable length.
const NAMES: &[(u32, &str, u64)] = &[
    (0, "SDMA NOP", 1),
    (1, "SDMA COPY", 7),
    (2, "SDMA WRITE", 4),
    (4, "SDMA INDIRECT", 6),
    (5, "SDMA FENCE", 4),
    (6, "SDMA TRAP", 2),
    (8, "SDMA POLL_REGMEM", 6),
    (9, "SDMA COND_EXE", 5),
    (10, "SDMA ATOMIC", 8),
    (11, "SDMA CONST_FILL", 5),
    (12, "SDMA PTEPDE", 10),
    (13, "SDMA TIMESTAMP", 3),
    (14, "SDMA SRBM_WRITE", 3),
    (15, "SDMA PRE_EXE", 2),
    (16, "SDMA GPUVM_INV", 4),
    (17, "SDMA GCR_REQ", 5),
    (32, "SDMA DUMMY_TRAP", 2),
];

/// Low and high dword at `at` as an address.
fn wide(data: &[u32], at: usize) -> u64 {
    u64::from(data[at + 1]) << 32 | u64::from(data[at])
}

impl Sdma {
    /// Lets a queue work until it has nothing to do or waits. Whether it did anything.
    pub(super) fn run(&mut self, key: Key, fabric: &mut Fabric) -> Result<bool, Violation> {
        let Some(mut queue) = self.queues.remove(&key) else {
            return Ok(false);
        };
        let mut working = Working {
            key,
            queue: &mut queue,
        };
        let result = run::run(&mut working, (LONGEST_WAIT, FOREVER), fabric);
        self.queues.insert(key, queue);
        result
    }
}

/// A queue that works.
struct Working<'a> {
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
        packet(self.key, self.queue, fabric)
    }

    fn report(&self, fabric: &mut Fabric) -> Result<(), Violation> {
        report(self.key, self.queue, fabric)
    }
}

/// Writes the read pointer to memory.
fn report(key: Key, queue: &Queue, fabric: &mut Fabric) -> Result<(), Violation> {
    let control = key.get(sdma::SDMA0_QUEUE_RB_CNTL, fabric);
    if sdma::SDMA0_QUEUE_RB_CNTL::RPTR_WRITEBACK_ENABLE.of(control) == 1 {
        let place = key.pair(
            sdma::SDMA0_QUEUE_RB_RPTR_ADDR_LO,
            sdma::SDMA0_QUEUE_RB_RPTR_ADDR_HI,
            fabric,
        );
        fabric.store(
            queue.client(key, false),
            place & !3,
            &queue.read.to_le_bytes(),
        )?;
    }
    Ok(())
}

fn load(key: Key, queue: &Queue, dwords: u64, fabric: &mut Fabric) -> Result<Vec<u32>, Violation> {
    let mut bytes = vec![0; 4 * dwords as usize];
    fabric.load(queue.client(key, false), queue.next(), &mut bytes)?;
    let (dwords, _) = bytes.as_chunks();
    Ok(dwords
        .iter()
        .map(|dword| u32::from_le_bytes(*dword))
        .collect())
}

/// Takes the next packet and does what it says.
fn packet(key: Key, queue: &mut Queue, fabric: &mut Fabric) -> Result<Outcome, Violation> {
    let header = load(key, queue, 1, fabric)?[0];
    let (opcode, sub) = (header & 0xff, header >> 8 & 0xff);
    // Kinds of a packet: only TIMESTAMP has ones that are modelled, to set and to get (2: the global counter).
    let kinds = if opcode == 13 { 0..=2 } else { 0..=0 };
    let found = NAMES.iter().find(|(known, ..)| *known == opcode);
    let Some((_, name, fixed)) = found.filter(|_| kinds.contains(&sub)) else {
        fabric.broken(OPCODE, format_args!("{key}: header {header:#x}"))?;
        return Ok(Outcome::Waits);
    };
    let mut dwords = match opcode {
        0 => 1 + u64::from(header >> 16 & 0x3fff),
        1 if header >> 27 & 1 == 1 => 9,
        _ => *fixed,
    };
    check_length(key, queue, dwords, header, fabric)?;
    let mut data = load(key, queue, dwords, fabric)?;
    if opcode == 2 {
        dwords = 4 + u64::from(data[3] & 0xf_ffff) + 1;
        check_length(key, queue, dwords, header, fabric)?;
        data = load(key, queue, dwords, fabric)?;
    }
    if !queue.waits() {
        let now = fabric.clock.ns();
        fabric
            .journal
            .note(now, Place::Packet(name), Access::Write, u64::from(header));
        fabric.clock.pass(PACKET_NS);
    }
    let mut skips = 0;
    let mut enters = None;
    match opcode {
        1 => copy(key, queue, &data, fabric)?,
        2 => write(key, queue, &data, fabric)?,
        4 => enters = Some(indirect(key, queue, &data, fabric)?),
        5 => fence(key, queue, &data, fabric)?,
        6 => trap(key, queue, data[1], fabric),
        8 if !poll(key, queue, &data, fabric)? => return Ok(Outcome::Waits),
        9 => {
            let mut bytes = [0; 4];
            fabric.load(queue.client(key, false), wide(&data, 1), &mut bytes)?;
            if u32::from_le_bytes(bytes) != data[3] {
                skips = u64::from(data[4] & 0x3fff).min(queue.available() - dwords);
            }
        }
        10 => atomic(key, queue, &data, fabric)?,
        11 => fill(key, queue, &data, fabric)?,
        12 => page_entries(key, queue, &data, fabric)?,
        13 => stamp(key, queue, sub, &data, fabric)?,
        14 => {
            fabric.require(
                header >> 28 == 0xf,
                SRBM,
                format_args!("{key}: header {header:#x}"),
            )?;
            write_register(data[1] & 0x3_ffff, data[2], fabric)?;
        }
        16 => {
            fabric.forget_translations(Hub::Gc);
            fabric.forget_translations(Hub::Mm);
        }
        17 => {
            let control = data[2] >> 16 | (data[3] & 7) << 16;
            fabric.require(
                control & PARTS == 0 && control & 3 < 2,
                GCR_WHOLE,
                format_args!("{key}: GCR_REQ, GCR_CNTL {control:#x}"),
            )?;
            let bit = |at: u32| control >> at & 1 == 1;
            fabric.cache_control(Actions {
                k: bit(7),
                l0: bit(8),
                l1: bit(9),
                l2_invalidate: bit(14),
                l2_write_back: bit(15),
            })?;
        }
        _ => {}
    }
    queue.take(dwords + skips);
    if enters.is_some() {
        queue.buffer = enters;
    }
    Ok(Outcome::Done)
}

fn check_length(
    key: Key,
    queue: &Queue,
    dwords: u64,
    header: u32,
    fabric: &mut Fabric,
) -> Result<(), Violation> {
    fabric.require(
        dwords <= queue.available(),
        LENGTH,
        format_args!("{key}: header {header:#x}, {dwords} dwords"),
    )?;
    fabric.require(
        dwords <= queue.straight(),
        STRADDLE,
        format_args!("{key}: header {header:#x}, {dwords} dwords"),
    )
}

/// Whether reads and writes go through GL2, by the policies of UTCL1_PAGE: 2 and 3 leave GL2 alone.
fn through_gl2(key: Key, fabric: &Fabric) -> (bool, bool) {
    use sdma::SDMA0_UTCL1_PAGE as fields;
    let page = fabric.registers.get(key.of_engine(sdma::SDMA0_UTCL1_PAGE));
    (
        fields::RD_L2_POLICY.of(page) < 2,
        fields::WR_L2_POLICY.of(page) < 2,
    )
}

fn moved(bytes: u64, fabric: &mut Fabric) {
    fabric.counters.sdma_bytes += bytes;
    fabric.clock.pass(bytes / BYTES_PER_NS);
}

/// Linear copy, to one or two places.
fn copy(key: Key, queue: &Queue, data: &[u32], fabric: &mut Fabric) -> Result<(), Violation> {
    let bytes = u64::from(data[1] & 0x3fff_ffff) + 1;
    let (reads, writes) = through_gl2(key, fabric);
    let (reader, writer) = (queue.client(key, reads), queue.client(key, writes));
    let mut buffer = vec![0; CHUNK.min(bytes as usize)];
    let mut done = 0;
    while done < bytes {
        let count = (bytes - done).min(CHUNK as u64) as usize;
        let chunk = &mut buffer[..count];
        fabric.load(reader, wide(data, 3).wrapping_add(done), chunk)?;
        fabric.store(writer, wide(data, 5).wrapping_add(done), chunk)?;
        if data.len() == 9 {
            fabric.store(writer, wide(data, 7).wrapping_add(done), chunk)?;
        }
        done += count as u64;
    }
    moved(bytes, fabric);
    Ok(())
}

fn dword_aligned(key: Key, va: u64, fabric: &mut Fabric) -> Result<(), Violation> {
    fabric.require(va.is_multiple_of(4), DWORDS, format_args!("{key}: {va:#x}"))
}

fn write(key: Key, queue: &Queue, data: &[u32], fabric: &mut Fabric) -> Result<(), Violation> {
    let va = wide(data, 1);
    dword_aligned(key, va, fabric)?;
    let bytes: Vec<u8> = data[4..]
        .iter()
        .flat_map(|dword| dword.to_le_bytes())
        .collect();
    let (_, writes) = through_gl2(key, fabric);
    fabric.store(queue.client(key, writes), va, &bytes)?;
    moved(bytes.len() as u64, fabric);
    Ok(())
}

fn fill(key: Key, queue: &Queue, data: &[u32], fabric: &mut Fabric) -> Result<(), Violation> {
    let va = wide(data, 1);
    let bytes = u64::from(data[4] & 0x3fff_ffff) + 1;
    let dwords = data[0] >> 30 == 2;
    if dwords {
        dword_aligned(key, va, fabric)?;
    }
    let pattern = data[3].to_le_bytes();
    let mut buffer = vec![pattern[0]; CHUNK.min(bytes as usize + 3)];
    if dwords || data[0] >> 30 == 0 && pattern != [pattern[0]; 4] {
        for (at, byte) in buffer.iter_mut().enumerate() {
            *byte = pattern[at % 4];
        }
    }
    let (_, writes) = through_gl2(key, fabric);
    let mut done = 0;
    while done < bytes {
        let count = (bytes - done).min(CHUNK as u64 & !3) as usize;
        let client = queue.client(key, writes);
        fabric.store(
            client,
            va.wrapping_add(done),
            &buffer[..count.min(buffer.len())],
        )?;
        done += count as u64;
    }
    moved(bytes, fabric);
    Ok(())
}

fn fence(key: Key, queue: &Queue, data: &[u32], fabric: &mut Fabric) -> Result<(), Violation> {
    let va = wide(data, 1);
    dword_aligned(key, va, fabric)?;
    if fabric.faults.happens(FaultKind::FenceLost) {
        return Ok(());
    }
    fabric.store(queue.client(key, false), va, &data[3].to_le_bytes())
}

fn trap(key: Key, queue: &Queue, context: u32, fabric: &mut Fabric) {
    let control = fabric.registers.get(key.of_engine(sdma::SDMA0_CNTL));
    if sdma::SDMA0_CNTL::TRAP_ENABLE.of(control) == 1 {
        fabric.events.push(Event::Interrupt(Vector {
            client: 0xa,
            source: 49,
            ring: (key.queue | key.engine << 4) as u8,
            vmid: queue.vmid,
            data: [context & 0xfff_ffff, 0, 0, 0],
            ..Vector::default()
        }));
    }
}

/// POLL_REGMEM: whether it is true now.
fn poll(key: Key, queue: &Queue, data: &[u32], fabric: &mut Fabric) -> Result<bool, Violation> {
    let function = data[0] >> 28 & 7;
    fabric.require(
        function < 7,
        POLL,
        format_args!("{key}: header {:#x}", data[0]),
    )?;
    if data[0] >> 26 & 1 == 1 {
        fabric.hdp_flush();
        return Ok(true);
    }
    let value = if data[0] >> 31 == 1 {
        dword_aligned(key, wide(data, 1), fabric)?;
        let mut bytes = [0; 4];
        fabric.load(queue.client(key, false), wide(data, 1), &mut bytes)?;
        u32::from_le_bytes(bytes)
    } else {
        read_register(data[1] >> 2, fabric)?
    };
    Ok(compares(function, value & data[4], data[3]).unwrap_or(true))
}

fn indirect(
    key: Key,
    queue: &Queue,
    data: &[u32],
    fabric: &mut Fabric,
) -> Result<Buffer, Violation> {
    let end = queue.read / 4 + 6;
    fabric.require(
        queue.buffer.is_none() && end.is_multiple_of(8),
        INDIRECT_END,
        format_args!("{key}: ends at dword {end:#x}"),
    )?;
    let (va, dwords) = (wide(data, 1), u64::from(data[3] & 0xf_ffff));
    let enabled = key.get(sdma::SDMA0_QUEUE_IB_CNTL, fabric) & 1 == 1;
    fabric.require(
        enabled && va.is_multiple_of(32) && dwords > 0 && dwords.is_multiple_of(8),
        INDIRECT_FORM,
        format_args!("{key}: {dwords} dwords at {va:#x}"),
    )?;
    Ok(Buffer { va, dwords, at: 0 })
}

fn stamp(
    key: Key,
    queue: &Queue,
    sub: u32,
    data: &[u32],
    fabric: &mut Fabric,
) -> Result<(), Violation> {
    if sub == 0 {
        return Ok(());
    }
    let va = wide(data, 1);
    fabric.require(va.is_multiple_of(8), STAMP, format_args!("{key}: {va:#x}"))?;
    let now = fabric.clock.reference();
    fabric.store(queue.client(key, false), va, &now.to_le_bytes())
}

/// PTEPDE: writes entries of page tables that count up.
fn page_entries(
    key: Key,
    queue: &Queue,
    data: &[u32],
    fabric: &mut Fabric,
) -> Result<(), Violation> {
    let (va, flags, increment) = (wide(data, 1), wide(data, 3), wide(data, 7));
    let mut address = wide(data, 5);
    let count = u64::from(data[9] & 0x7_ffff) + 1;
    for at in 0..count {
        let entry = address | flags;
        fabric.store(
            queue.client(key, false),
            va.wrapping_add(8 * at),
            &entry.to_le_bytes(),
        )?;
        address = address.wrapping_add(increment);
    }
    Ok(())
}

/// ATOMIC: swap, compare and swap, add, of 32 and 64 bits (TC_OP numbers).
fn atomic(key: Key, queue: &Queue, data: &[u32], fabric: &mut Fabric) -> Result<(), Violation> {
    let operation = data[0] >> 25 & 0x7f;
    let bytes = if operation >> 5 & 1 == 1 { 8 } else { 4 };
    let va = wide(data, 1);
    dword_aligned(key, va, fabric)?;
    let mut old = [0; 8];
    fabric.load(queue.client(key, false), va, &mut old[..bytes])?;
    let old = u64::from_le_bytes(old);
    let source = wide(data, 3);
    let new = match operation & 0x1f {
        0x07 => source,
        0x08 if old == wide(data, 5) => source,
        0x08 => old,
        0x0f => old.wrapping_add(source),
        _ => {
            return fabric.broken(
                OPCODE,
                format_args!("{key}: atomic operation {operation:#x}"),
            );
        }
    };
    fabric.store(queue.client(key, false), va, &new.to_le_bytes()[..bytes])
}
