//! Tests of the SDMA engines, and what breaks and keeps their rules.

use amdgpu_registers::{gc, sdma};

use super::*;
use crate::fault::FaultKind;
use crate::gfx::tests::up;
use crate::gmc::tests::{HOST, PAGE, VA, enter};
use crate::rig::{Case, Rig};
use crate::rule::Level;

/// Where the bench of the GC hub has things in video memory; see `gfx::tests`.
const BASE: u64 = 0x40_0000;
const RING: u64 = 0;
const POINTERS: u64 = 0x1000;
const DATA: u64 = 0x8000;
const BUFFER: u64 = 0xc000;
const FENCE: u64 = VA + POINTERS + 0x100;
const DOORBELL: u32 = 0x800;
/// 1024 dwords, read pointer written, write pointer polled, privileged, as tinygrad has it.
const CONTROL: u32 = 10 << 1 | 1 | 1 << 11 | 1 << 12 | 4 << 16 | 1 << 23;

fn engine(rig: &mut Rig) {
    up(rig, Level::Strict);
    rig.write(sdma::SDMA0_UTCL1_CNTL, 0x2c00_0669);
    rig.write(sdma::SDMA0_F32_CNTL, 0x0808_4000);
    rig.write(sdma::SDMA0_CNTL, 0x2441);
}

fn queue(rig: &mut Rig) {
    rig.card.fabric.vram.write(BASE + POINTERS, &[0; 4096]);
    let ring = (VA + RING) >> 8;
    rig.write(sdma::SDMA0_QUEUE_RB_BASE, ring as u32);
    rig.write(sdma::SDMA0_QUEUE_RB_BASE_HI, (ring >> 32) as u32);
    let (report, poll) = (VA + POINTERS, VA + POINTERS + 8);
    rig.write(sdma::SDMA0_QUEUE_RB_RPTR_ADDR_LO, report as u32);
    rig.write(sdma::SDMA0_QUEUE_RB_RPTR_ADDR_HI, (report >> 32) as u32);
    rig.write(sdma::SDMA0_QUEUE_RB_WPTR_POLL_ADDR_LO, poll as u32);
    rig.write(sdma::SDMA0_QUEUE_RB_WPTR_POLL_ADDR_HI, (poll >> 32) as u32);
    rig.write(sdma::SDMA0_QUEUE_DOORBELL_OFFSET, DOORBELL);
    rig.write(sdma::SDMA0_QUEUE_DOORBELL, 1 << 28);
}

fn start(rig: &mut Rig) {
    rig.write(sdma::SDMA0_QUEUE_RB_CNTL, CONTROL);
    rig.write(sdma::SDMA0_QUEUE_IB_CNTL, 0x101);
}

fn ready(rig: &mut Rig) {
    engine(rig);
    queue(rig);
    start(rig);
}

/// A queue with a register changed before it is enabled.
fn with(rig: &mut Rig, register: Register, value: u32) {
    engine(rig);
    queue(rig);
    rig.write(register, value);
    start(rig);
}

fn ring_doorbell(rig: &mut Rig, value: u64, bytes: usize) {
    rig.card
        .fabric
        .vram
        .write(BASE + POINTERS + 8, &value.to_le_bytes());
    rig.card.fabric.events.push(Event::Doorbell {
        to: Port::Sdma,
        offset: DOORBELL,
        value,
        bytes,
    });
    rig.read(gc::GRBM_STATUS);
}

fn memory(rig: &Rig, offset: u64) -> u32 {
    let mut bytes = [0; 4];
    rig.card.fabric.vram.read(BASE + offset, &mut bytes);
    u32::from_le_bytes(bytes)
}

fn submit(rig: &mut Rig, packets: &[u32]) {
    let wptr = u64::from(memory(rig, POINTERS + 8));
    for (at, dword) in packets.iter().enumerate() {
        let slot = (wptr + 4 * at as u64) % 4096;
        rig.card
            .fabric
            .vram
            .write(BASE + RING + slot, &dword.to_le_bytes());
    }
    ring_doorbell(rig, wptr + 4 * packets.len() as u64, 8);
}

fn sent(rig: &mut Rig, packets: &[u32]) {
    ready(rig);
    submit(rig, packets);
}

fn lo(value: u64) -> u32 {
    value as u32
}

fn hi(value: u64) -> u32 {
    (value >> 32) as u32
}

fn fence(va: u64, value: u32) -> [u32; 4] {
    [0x3_0005, lo(va), hi(va), value]
}

fn copy(from: u64, to: u64, bytes: u32) -> [u32; 7] {
    [1, bytes - 1, 0, lo(from), hi(from), lo(to), hi(to)]
}

fn indirect(rig: &mut Rig, nops: usize, dwords: u32) {
    ready(rig);
    let buffer = [fence(FENCE, 5).to_vec(), vec![0; 4]].concat();
    let bytes: Vec<u8> = buffer
        .iter()
        .flat_map(|dword| dword.to_le_bytes())
        .collect();
    rig.card.fabric.vram.write(BASE + BUFFER, &bytes);
    let packet = [4, lo(VA + BUFFER), hi(VA + BUFFER), dwords, 0, 0];
    submit(rig, &[&vec![0; nops], &packet[..]].concat());
}

fn poll(value: u32) -> [u32; 6] {
    [
        0xd000_0008,
        lo(FENCE + 8),
        hi(FENCE),
        value,
        u32::MAX,
        0x0fff_0004,
    ]
}

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: RUNS,
        breaks: |rig| with(rig, sdma::SDMA0_F32_CNTL, 0x0808_4001),
        keeps: ready,
    },
    Case {
        rule: TRANSLATION,
        breaks: |rig| with(rig, sdma::SDMA0_UTCL1_CNTL, 0x2c00_0288),
        keeps: ready,
    },
    Case {
        rule: super::RING,
        breaks: |rig| {
            engine(rig);
            queue(rig);
            rig.write(sdma::SDMA0_QUEUE_RB_CNTL, 1);
        },
        keeps: ready,
    },
    Case {
        rule: super::POINTERS,
        breaks: |rig| with(rig, sdma::SDMA0_QUEUE_RB_RPTR, 64),
        keeps: ready,
    },
    Case {
        rule: REPORT,
        breaks: |rig| with(rig, sdma::SDMA0_QUEUE_RB_RPTR_ADDR_LO, 2),
        keeps: ready,
    },
    Case {
        rule: VMID,
        breaks: |rig| {
            engine(rig);
            queue(rig);
            rig.write(sdma::SDMA0_QUEUE_RB_CNTL, CONTROL | 3 << 24);
        },
        keeps: ready,
    },
    Case {
        rule: super::DOORBELL,
        breaks: |rig| with(rig, sdma::SDMA0_QUEUE_DOORBELL, 0),
        keeps: ready,
    },
    Case {
        rule: WIDTH,
        breaks: |rig| {
            ready(rig);
            ring_doorbell(rig, 0, 4);
        },
        keeps: |rig| {
            ready(rig);
            ring_doorbell(rig, 0, 8);
        },
    },
    Case {
        rule: ALIGNED,
        breaks: |rig| {
            ready(rig);
            ring_doorbell(rig, 2, 8);
        },
        keeps: |rig| sent(rig, &[0]),
    },
    Case {
        rule: BACKWARDS,
        breaks: |rig| {
            sent(rig, &[0; 8]);
            ring_doorbell(rig, 16, 8);
        },
        keeps: |rig| {
            sent(rig, &[0; 8]);
            submit(rig, &[0; 8]);
        },
    },
    Case {
        rule: OVERFLOW,
        breaks: |rig| {
            ready(rig);
            ring_doorbell(rig, 4100, 8);
        },
        keeps: |rig| sent(rig, &[0; 1024]),
    },
    Case {
        rule: WPTR_MEMORY,
        breaks: |rig| {
            ready(rig);
            rig.card.fabric.events.push(Event::Doorbell {
                to: Port::Sdma,
                offset: DOORBELL,
                value: 4,
                bytes: 8,
            });
            rig.read(gc::GRBM_STATUS);
        },
        keeps: |rig| sent(rig, &[0]),
    },
    Case {
        rule: STRADDLE,
        breaks: |rig| {
            sent(rig, &[0; 1022]);
            submit(rig, &fence(FENCE, 1));
        },
        keeps: |rig| {
            sent(rig, &[0; 1020]);
            submit(rig, &fence(FENCE, 1));
            assert_eq!(memory(rig, POINTERS + 0x100), 1);
        },
    },
    Case {
        rule: LENGTH,
        breaks: |rig| sent(rig, &fence(FENCE, 1)[..3]),
        keeps: |rig| sent(rig, &fence(FENCE, 1)),
    },
    Case {
        rule: OPCODE,
        breaks: |rig| sent(rig, &[0x55]),
        keeps: |rig| sent(rig, &[6, 1]),
    },
    Case {
        rule: DWORDS,
        breaks: |rig| sent(rig, &fence(FENCE + 2, 1)),
        keeps: |rig| sent(rig, &[2, lo(FENCE), hi(FENCE), 0, 7]),
    },
    Case {
        rule: OPCODE,
        // A copy of a window (kind 4).
        breaks: |rig| sent(rig, &[0x401, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        keeps: |rig| sent(rig, &copy(VA + DATA, VA + DATA + 64, 64)),
    },
    Case {
        rule: STAMP,
        breaks: |rig| sent(rig, &[0x20d, lo(FENCE) + 4, hi(FENCE)]),
        keeps: |rig| {
            sent(rig, &[0x20d, lo(FENCE), hi(FENCE)]);
            assert!(memory(rig, POINTERS + 0x100) > 0);
        },
    },
    Case {
        rule: INDIRECT_END,
        breaks: |rig| indirect(rig, 0, 8),
        keeps: |rig| {
            indirect(rig, 2, 8);
            assert_eq!(memory(rig, POINTERS + 0x100), 5);
        },
    },
    Case {
        rule: INDIRECT_FORM,
        breaks: |rig| indirect(rig, 2, 4),
        keeps: |rig| indirect(rig, 2, 8),
    },
    Case {
        rule: SRBM,
        breaks: |rig| sent(rig, &[0x1000_000e, 0xc040, 1]),
        keeps: |rig| {
            sent(rig, &[0xf000_000e, 0xc040, 1]);
            assert_eq!(rig.read(gc::SCRATCH_REG), 1);
        },
    },
    Case {
        rule: POLL,
        breaks: |rig| sent(rig, &[0xf000_0008, lo(FENCE), hi(FENCE), 0, 0, 0]),
        keeps: |rig| sent(rig, &[0x8000_0008, lo(FENCE), hi(FENCE), 0, 0, 0]),
    },
    Case {
        rule: FOREVER,
        breaks: |rig| {
            sent(rig, &poll(1));
            rig.card.fabric.clock.pass(11_000_000_000);
            rig.read(gc::GRBM_STATUS);
        },
        keeps: |rig| {
            sent(rig, &poll(1));
            rig.card.fabric.clock.pass(9_000_000_000);
            rig.read(gc::GRBM_STATUS);
        },
    },
];

#[test]
fn a_queue_copies_fills_waits_and_tells() {
    let mut rig = Rig::new();
    ready(&mut rig);
    for page in 0..64 {
        enter(
            &mut rig,
            VA + 0x10_0000 + page * 4096,
            12,
            HOST | (0x10_0000 + page * 4096),
        );
    }
    let host = rig.card.fabric.host.clone();
    host.write(0x10_0ff0, &[7; 64]).expect("host memory");
    submit(&mut rig, &copy(VA + 0x10_0ff1, VA + DATA + 3, 60));
    assert_eq!(
        (memory(&rig, DATA), memory(&rig, DATA + 60)),
        (0x0700_0000, 0x0007_0707)
    );
    submit(
        &mut rig,
        &[0x8000_000b, lo(VA + DATA), hi(VA + DATA), 0x1234_5678, 4095],
    );
    assert_eq!(memory(&rig, DATA + 4092), 0x1234_5678);
    submit(
        &mut rig,
        &[
            &poll(2)[..],
            &copy(VA + DATA, VA + 0x10_0000, 4096),
            &fence(FENCE, 9),
        ]
        .concat(),
    );
    assert_eq!(memory(&rig, POINTERS + 0x100), 0, "it waits");
    rig.card.fabric.vram.write(BASE + POINTERS + 0x108, &[2]);
    rig.card.poll();
    assert_eq!(memory(&rig, POINTERS + 0x100), 9);
    let mut out = [0; 4];
    host.read(0x10_0ffc, &mut out).expect("host memory");
    assert_eq!(u32::from_le_bytes(out), 0x1234_5678);
    assert_eq!(memory(&rig, POINTERS), rig.read(sdma::SDMA0_QUEUE_RB_RPTR));
    rig.card.faults().add(FaultKind::FenceLost, 1);
    submit(&mut rig, &fence(FENCE, 10));
    assert_eq!(memory(&rig, POINTERS + 0x100), 9);
    rig.write(gc::GRBM_SOFT_RESET, 1 << 23);
    rig.write(gc::GRBM_SOFT_RESET, 0);
    assert_eq!(rig.read(sdma::SDMA0_F32_CNTL), 0x0808_4001);
    assert_eq!(rig.card.stopped(), None);
}

#[test]
fn a_trap_is_told() {
    let mut rig = Rig::new();
    ready(&mut rig);
    rig.card
        .fabric
        .vram
        .write(BASE + RING, &[6, 0, 0, 0, 0x34, 0x12, 0, 0]);
    rig.card
        .fabric
        .vram
        .write(BASE + POINTERS + 8, &8u64.to_le_bytes());
    let crate::Card { sdma, fabric, .. } = &mut rig.card;
    sdma.doorbell(DOORBELL, 8, 8, fabric)
        .expect("no rule is broken");
    let told = rig.card.fabric.events.iter().find_map(|event| match event {
        Event::Interrupt(vector) => {
            Some((vector.client, vector.source, vector.ring, vector.data[0]))
        }
        _ => None,
    });
    assert_eq!(told, Some((0xa, 49, 0, 0x1234)));
}

#[test]
fn scattered_host_memory_is_copied_whole() {
    let mut rig = Rig::new();
    ready(&mut rig);
    rig.card.fabric.level = Level::Hardware;
    for page in 0..1023 {
        enter(
            &mut rig,
            VA + 0x20_0000 + page * 4096,
            12,
            HOST | (page * 4096),
        );
    }
    for page in 0..2 {
        enter(
            &mut rig,
            VA + 0x80_0000 + page * 0x20_0000,
            21,
            PAGE | (0x100_0000 + page * 0x20_0000),
        );
    }
    let packets = copy(VA + 0x20_0000, VA + 0x80_0000, 1023 * 4096).repeat(16);
    submit(&mut rig, &packets);
    assert_eq!(rig.card.stopped(), None);
    assert_eq!(rig.card.counters().sdma_bytes, 16 * 1023 * 4096);
}

#[test]
fn no_packet_makes_the_card_panic() {
    let mut seed = 0x1234_5678_9abc_def1u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 16) as u32
    };
    for round in 0..60 {
        let mut rig = Rig::new();
        ready(&mut rig);
        if round % 8 != 0 {
            rig.card.fabric.level = Level::Hardware;
        }
        let mut packets = Vec::new();
        while packets.len() < 200 {
            packets.push((next() % 18) | ((next() % 3) << 8) | (next() & 0xfc00_0000));
            for _ in 0..next() % 10 {
                packets.push(match next() % 7 {
                    0 => 0,
                    1 => 0xfffc,
                    2 => hi(VA),
                    3 => next() & 0xffff,
                    _ => next() & 0x3fff,
                });
            }
        }
        submit(&mut rig, &packets[..200]);
        rig.card.poll();
    }
}
