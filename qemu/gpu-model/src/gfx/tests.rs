use amdgpu_registers::{Register, gc};

use super::launch_rules::*;
use super::*;
use crate::caches::{self, L0};
use crate::fabric::Port;
use crate::fault::FaultKind;
use crate::gmc::tests::{PAGE, UNCACHED, VA, enter, set_up, with_host};
use crate::gmc::{Client, Hub};
use crate::rig::{Case, Rig};
use crate::rule::Level;

const START: u64 = 0x0007_0000_0000_3000;
const MQD: u64 = 0x30_0000;
const MC: u64 = 0x80_0000_0000;
/// Where the bench has things, by offset from [`VA`] and in video memory from `BASE`.
const BASE: u64 = 0x40_0000;
const RING: u64 = 0;
const POINTERS: u64 = 0x1000;
const EVENTS: u64 = 0x2000;
const CODE: u64 = 0x4000;
const DATA: u64 = 0x8000;
const BUFFER: u64 = 0xc000;
const FENCE: u64 = VA + POINTERS + 0x100;
const DOORBELL: u32 = 0x18;
/// Stores s2 at the address in s[0:1], a dword for each thread.
const FILL: &[u32] = &[
    0x7e02_0202,
    0x3600_00ff,
    0x0000_03ff,
    0x3004_0082,
    0xdc6a_0000,
    0x0000_0102,
    0xbfb0_0000,
];
/// Copies a dword for each thread from the address in s[0:1] to that in s[2:3].
const COPY: &[u32] = &[
    0x3600_00ff,
    0x0000_03ff,
    0x3004_0082,
    0xdc52_0000,
    0x0100_0002,
    0xbf89_03f7,
    0xdc6a_0000,
    0x0002_0102,
    0xbfb0_0000,
];

pub(crate) fn packet(opcode: u32, data: &[u32]) -> Vec<u32> {
    let header = 0xc000_0000 | (data.len() as u32 - 1) << 16 | opcode << 8;
    [&[header], data].concat()
}

fn lo(value: u64) -> u32 {
    value as u32
}

fn hi(value: u64) -> u32 {
    (value >> 32) as u32
}

/// A card after autoload, with the GC hub and memory of the bench mapped.
pub(crate) fn up(rig: &mut Rig, level: Level) {
    *rig = with_host(level);
    rig.card
        .fabric
        .events
        .push(Event::Autoload { mec_start: START });
    rig.read(gc::GRBM_STATUS);
    set_up(rig, Hub::Gc);
    for page in 0..16 {
        let flags = if page < 4 { UNCACHED } else { 0 };
        enter(
            rig,
            VA + page * 4096,
            12,
            PAGE | flags | (BASE + page * 4096),
        );
    }
}

/// The MEC runs, as both drivers start it.
fn mec(rig: &mut Rig) {
    rig.write(gc::GRBM_GFX_CNTL, 4);
    rig.write(gc::CP_MEC_RS64_PRGRM_CNTR_START, lo(START >> 2));
    rig.write(gc::CP_MEC_RS64_PRGRM_CNTR_START_HI, hi(START >> 2));
    rig.write(gc::GRBM_GFX_CNTL, 0);
    rig.write(gc::SH_MEM_CONFIG, 0xc00c);
    rig.write(gc::SH_MEM_BASES, 0x1_0002);
    rig.write(gc::CP_MEC_DOORBELL_RANGE_LOWER, 0);
    rig.write(gc::CP_MEC_DOORBELL_RANGE_UPPER, 0xf8);
    rig.write(gc::CP_MEC_RS64_CNTL, 0x0400_0000);
}

/// The MQD of the bench's queue.
fn mqd() -> [u32; 512] {
    let mut mqd = [0; 512];
    mqd[0] = 0xc031_0800;
    for at in [0x17, 0x18, 0x1a, 0x1b, 0x2c, 0x2d, 0x2e, 0x2f] {
        mqd[at] = u32::MAX;
    }
    let mut pair = |at: usize, value: u64| {
        mqd[at] = lo(value);
        mqd[at + 1] = hi(value);
    };
    pair(0x80, MC + MQD);
    pair(0x88, (VA + RING) >> 8);
    pair(0x8b, VA + POINTERS);
    pair(0x8d, VA + POINTERS + 8);
    pair(0xa5, (VA + EVENTS) >> 8);
    mqd[0x84] = 0x5501;
    mqd[0x8f] = 0x4000_0000 | DOORBELL;
    mqd[0x91] = 0x509;
    mqd[0x95] = 0x30_0000;
    mqd[0xa7] = 9;
    mqd
}

fn activate(rig: &mut Rig, mqd: &[u32; 512], memory: &[u32; 512]) {
    let bytes: Vec<u8> = memory
        .iter()
        .flat_map(|dword| dword.to_le_bytes())
        .collect();
    rig.card.fabric.vram.write(MQD, &bytes);
    rig.card.fabric.vram.write(BASE + POINTERS, &[0; 4096]);
    rig.write(gc::GRBM_GFX_CNTL, 4);
    for at in 0..HQD {
        rig.write(gc::CP_MQD_BASE_ADDR.plus(at), mqd[0x80 + at as usize]);
    }
    rig.write(gc::CP_HQD_ACTIVE, 1);
    rig.write(gc::GRBM_GFX_CNTL, 0);
}

/// A card with a queue.
pub(crate) fn ready_at(rig: &mut Rig, level: Level) {
    up(rig, level);
    mec(rig);
    activate(rig, &mqd(), &mqd());
}

fn ready(rig: &mut Rig) {
    ready_at(rig, Level::Strict);
}

fn ring_doorbell(rig: &mut Rig, value: u64, bytes: usize) {
    rig.card.fabric.events.push(Event::Doorbell {
        to: Port::Gc,
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

/// Puts packets into the ring and rings the doorbell.
pub(crate) fn submit(rig: &mut Rig, packets: &[u32]) {
    let wptr = u64::from(memory(rig, POINTERS + 8));
    for (at, dword) in packets.iter().enumerate() {
        let slot = (wptr + at as u64) % 1024;
        rig.card
            .fabric
            .vram
            .write(BASE + RING + 4 * slot, &dword.to_le_bytes());
    }
    let wptr = wptr + packets.len() as u64;
    rig.card
        .fabric
        .vram
        .write(BASE + POINTERS + 8, &wptr.to_le_bytes());
    ring_doorbell(rig, wptr, 8);
}

fn release(value: u32) -> Vec<u32> {
    packet(
        0x49,
        &[0x0070_f514, 0x2000_0000, lo(FENCE), hi(FENCE), value, 0, 0],
    )
}

fn acquire() -> Vec<u32> {
    packet(0x58, &[0, u32::MAX, u32::MAX, 0, 0, 0, 0xc3f1])
}

fn set(register: Register, values: &[u32]) -> Vec<u32> {
    let at = registers::sh(register) as u32;
    packet(0x76, &[&[at], values].concat())
}

fn code(rig: &mut Rig, code: &[u32]) {
    let padded = code.iter().chain(&[0xbf9f_0000; 64]);
    let bytes: Vec<u8> = padded.flat_map(|dword| dword.to_le_bytes()).collect();
    rig.engine(|fabric| fabric.outside_write(BASE + CODE, &bytes, "a test"));
}

/// The state of a dispatch of 64 threads.
fn state(user: &[u32]) -> Vec<u32> {
    let program = (VA + CODE) >> 8;
    [
        set(gc::COMPUTE_PGM_LO, &[lo(program), hi(program)]),
        set(
            gc::COMPUTE_PGM_RSRC1,
            &[0x600c_0000, 0x80 | (user.len() as u32) << 1],
        ),
        set(gc::COMPUTE_RESTART_X, &[0; 3]),
        set(gc::COMPUTE_USER_DATA, user),
        set(gc::COMPUTE_START_X, &[0, 0, 0, 64, 1, 1, 0, 0]),
    ]
    .concat()
}

fn launch() -> Vec<u32> {
    packet(0x15, &[1, 1, 1, 0x8005])
}

fn fill(value: u32, va: u64) -> Vec<u32> {
    [state(&[lo(va), hi(va), value]), launch()].concat()
}

fn copy(from: u64, to: u64) -> Vec<u32> {
    [state(&[lo(from), hi(from), lo(to), hi(to)]), launch()].concat()
}

/// A dispatch with its barriers and fence, after other packets.
fn run(rig: &mut Rig, program: &[u32], packets: &[u32]) {
    code(rig, program);
    submit(rig, &[&acquire(), packets, &release(7)].concat());
}

/// A dispatch that is right but for a register.
fn with(rig: &mut Rig, register: Register, values: &[u32]) {
    ready(rig);
    let packets = [
        state(&[lo(VA + DATA), hi(VA + DATA), 5]),
        set(register, values),
        launch(),
    ]
    .concat();
    run(rig, FILL, &packets);
}

fn good(rig: &mut Rig) {
    with(rig, gc::COMPUTE_RESOURCE_LIMITS, &[0]);
    assert!(rig.card.stopped().is_some() || memory(rig, DATA + 252) == 5);
}

fn launched(rig: &mut Rig, packet: &[u32]) {
    ready(rig);
    run(
        rig,
        FILL,
        &[&state(&[lo(VA + DATA), hi(VA + DATA), 5]), packet].concat(),
    );
}

fn sent(rig: &mut Rig, packets: &[u32]) {
    ready(rig);
    submit(rig, packets);
}

fn nop(rig: &mut Rig) {
    sent(rig, &[0xffff_1000]);
}

fn fenced(rig: &mut Rig) {
    sent(rig, &release(3));
    assert_eq!(memory(rig, POINTERS + 0x100), 3);
}

/// A queue with a dword of its MQD changed.
fn queue_with(rig: &mut Rig, at: usize, value: u32) {
    up(rig, Level::Strict);
    mec(rig);
    let mut mqd = mqd();
    mqd[at] = value;
    activate(rig, &mqd, &mqd);
}

fn writes_hqd(rig: &mut Rig, select: u32) {
    up(rig, Level::Strict);
    rig.write(gc::GRBM_GFX_CNTL, select);
    rig.write(gc::CP_HQD_VMID, 0);
}

fn memory_differs(rig: &mut Rig, at: usize, value: u32) {
    up(rig, Level::Strict);
    mec(rig);
    let mut changed = mqd();
    changed[at] = value;
    activate(rig, &mqd(), &changed);
    submit(rig, &[0xffff_1000]);
}

fn buffer(rig: &mut Rig, flags: u32) {
    ready(rig);
    let bytes: Vec<u8> = release(9)
        .iter()
        .flat_map(|dword| dword.to_le_bytes())
        .collect();
    rig.engine(|fabric| fabric.outside_write(BASE + BUFFER, &bytes, "a test"));
    submit(
        rig,
        &packet(0x3f, &[lo(VA + BUFFER), hi(VA + BUFFER), 8 | flags]),
    );
}

fn outside(fabric: &mut Fabric, offset: u64) -> Result<(), Violation> {
    fabric.outside_read(BASE + offset, &mut [0; 4], "SDMA0")
}

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: GC_DOWN,
        breaks: |rig| rig.write(gc::GRBM_CNTL, 0xff),
        keeps: |rig| {
            up(rig, Level::Strict);
            rig.write(gc::GRBM_CNTL, 0xff);
        },
    },
    Case {
        rule: MEC_START,
        breaks: |rig| {
            up(rig, Level::Strict);
            rig.write(gc::CP_MEC_RS64_CNTL, 0x0400_0000);
        },
        keeps: |rig| {
            up(rig, Level::Strict);
            mec(rig);
        },
    },
    Case {
        rule: MEC_RUNS,
        breaks: |rig| {
            up(rig, Level::Strict);
            activate(rig, &mqd(), &mqd());
        },
        keeps: ready,
    },
    Case {
        rule: HQD_SELECT,
        breaks: |rig| writes_hqd(rig, 0),
        keeps: |rig| writes_hqd(rig, 4),
    },
    Case {
        rule: HQD_VMID,
        breaks: |rig| queue_with(rig, 0x83, 3),
        keeps: ready,
    },
    Case {
        rule: HQD_RING,
        breaks: |rig| queue_with(rig, 0x91, 0x502),
        keeps: ready,
    },
    Case {
        rule: HQD_POINTERS,
        breaks: |rig| queue_with(rig, 0xb6, 8),
        keeps: ready,
    },
    Case {
        rule: HQD_REPORT,
        breaks: |rig| queue_with(rig, 0x8d, lo(VA + POINTERS + 4)),
        keeps: ready,
    },
    Case {
        rule: HQD_EOP,
        breaks: |rig| {
            up(rig, Level::Strict);
            mec(rig);
            let mut mqd = mqd();
            (mqd[0xa5], mqd[0xa6]) = (0, 0);
            activate(rig, &mqd, &mqd);
        },
        keeps: ready,
    },
    Case {
        rule: HQD_DOORBELL,
        breaks: |rig| queue_with(rig, 0x8f, 0x4000_0100),
        keeps: ready,
    },
    Case {
        rule: MQD_PLACE,
        breaks: |rig| queue_with(rig, 0x80, lo(MC + MQD + 0x80)),
        keeps: ready,
    },
    Case {
        rule: MQD_HEADER,
        breaks: |rig| memory_differs(rig, 0, 0),
        keeps: nop,
    },
    Case {
        rule: MQD_MATCHES,
        breaks: |rig| memory_differs(rig, 0x91, 0x508),
        keeps: nop,
    },
    Case {
        rule: DOORBELL_WIDTH,
        breaks: |rig| {
            ready(rig);
            ring_doorbell(rig, 0, 4);
        },
        keeps: nop,
    },
    Case {
        rule: WPTR_BACKWARDS,
        breaks: |rig| {
            nop(rig);
            ring_doorbell(rig, 0, 8);
        },
        keeps: |rig| {
            nop(rig);
            submit(rig, &[0xffff_1000]);
        },
    },
    Case {
        rule: RING_OVERFLOW,
        breaks: |rig| {
            ready(rig);
            ring_doorbell(rig, 1025, 8);
        },
        keeps: |rig| {
            for _ in 0..3 {
                if rig.card.fabric.level == Level::Strict && !rig.card.gfx.is_up() {
                    ready(rig);
                }
                submit(rig, &[0xffff_1000; 1000]);
            }
        },
    },
    Case {
        rule: WPTR_MEMORY,
        breaks: |rig| {
            ready(rig);
            ring_doorbell(rig, 4, 8);
        },
        keeps: nop,
    },
    Case {
        rule: PACKET_TYPE,
        breaks: |rig| sent(rig, &[0]),
        keeps: |rig| sent(rig, &[0x8000_0000]),
    },
    Case {
        rule: PACKET_LENGTH,
        breaks: |rig| sent(rig, &release(1)[..5]),
        keeps: fenced,
    },
    Case {
        rule: PACKET_OPCODE,
        breaks: |rig| sent(rig, &packet(0x7f, &[0])),
        keeps: |rig| sent(rig, &packet(0x10, &[0])),
    },
    Case {
        rule: PACKET_SIZE,
        breaks: |rig| sent(rig, &packet(0x49, &[0x514, 0])),
        keeps: fenced,
    },
    Case {
        rule: PACKET_REGISTER,
        breaks: |rig| sent(rig, &packet(0x79, &[0x3fff, 0])),
        keeps: |rig| sent(rig, &packet(0x79, &[0x200, 0xe000_0000])),
    },
    Case {
        rule: SH_REGISTER,
        breaks: |rig| sent(rig, &packet(0x76, &[0x10, 0])),
        keeps: |rig| sent(rig, &packet(0x76, &[0x240, 0])),
    },
    Case {
        rule: IB_VALID,
        breaks: |rig| buffer(rig, 0),
        keeps: |rig| {
            buffer(rig, 1 << 23);
            assert_eq!(memory(rig, POINTERS + 0x100), 9);
        },
    },
    Case {
        rule: WRITE_DATA_FORM,
        breaks: |rig| sent(rig, &packet(0x37, &[5 << 8, lo(FENCE) | 2, hi(FENCE), 1])),
        keeps: |rig| sent(rig, &packet(0x37, &[5 << 8, lo(FENCE), hi(FENCE), 1])),
    },
    Case {
        rule: RELEASE_EVENT,
        breaks: |rig| sent(rig, &packet(0x49, &[0x7, 0, 0, 0, 0, 0, 0])),
        keeps: fenced,
    },
    Case {
        rule: RELEASE_ALIGNMENT,
        breaks: |rig| {
            let at = FENCE + 4;
            sent(
                rig,
                &packet(0x49, &[0x514, 0x6000_0000, lo(at), hi(at), 0, 0, 0]),
            );
        },
        keeps: |rig| {
            sent(
                rig,
                &packet(0x49, &[0x514, 0x6000_0000, lo(FENCE), hi(FENCE), 0, 0, 0]),
            )
        },
    },
    Case {
        rule: GCR_GLM,
        breaks: |rig| sent(rig, &packet(0x58, &[0, u32::MAX, u32::MAX, 0, 0, 0, 0x10])),
        keeps: |rig| sent(rig, &acquire()),
    },
    Case {
        rule: EVENT_INDEX,
        breaks: |rig| sent(rig, &packet(0x46, &[7])),
        keeps: |rig| sent(rig, &packet(0x46, &[0x407])),
    },
    Case {
        rule: WAIT_FORM,
        breaks: |rig| {
            sent(
                rig,
                &packet(0x3c, &[0x15, lo(FENCE) | 1, hi(FENCE), 0, u32::MAX, 4]),
            )
        },
        keeps: |rig| {
            sent(
                rig,
                &packet(0x3c, &[0x15, lo(FENCE), hi(FENCE), 0, u32::MAX, 4]),
            )
        },
    },
    Case {
        rule: WAIT_FOREVER,
        breaks: |rig| {
            sent(
                rig,
                &packet(0x3c, &[0x15, lo(FENCE), hi(FENCE), 1, u32::MAX, 4]),
            );
            rig.card.fabric.clock.pass(61_000_000_000);
            rig.read(gc::GRBM_STATUS);
        },
        keeps: |rig| {
            sent(
                rig,
                &packet(0x3c, &[0x15, lo(FENCE), hi(FENCE), 1, u32::MAX, 4]),
            );
            rig.card.fabric.clock.pass(50_000_000_000);
            rig.read(gc::GRBM_STATUS);
        },
    },
    Case {
        rule: DEQUEUE_ACTIVE,
        breaks: |rig| {
            up(rig, Level::Strict);
            rig.write(gc::GRBM_GFX_CNTL, 4);
            rig.write(gc::CP_HQD_DEQUEUE_REQUEST, 2);
        },
        keeps: |rig| {
            ready(rig);
            rig.write(gc::GRBM_GFX_CNTL, 4);
            rig.write(gc::CP_HQD_DEQUEUE_REQUEST, 2);
            assert_eq!(rig.read(gc::CP_HQD_ACTIVE), 0);
        },
    },
    Case {
        rule: INITIATOR,
        breaks: |rig| launched(rig, &packet(0x15, &[1, 1, 1, 0x8001])),
        keeps: good,
    },
    Case {
        rule: WAVE32,
        breaks: |rig| launched(rig, &packet(0x15, &[1, 1, 1, 5])),
        keeps: good,
    },
    Case {
        rule: GROUP_THREADS,
        breaks: |rig| with(rig, gc::COMPUTE_NUM_THREAD_X, &[64, 17, 1]),
        keeps: |rig| with(rig, gc::COMPUTE_NUM_THREAD_X, &[64, 16, 1]),
    },
    Case {
        rule: GRID,
        breaks: |rig| launched(rig, &packet(0x15, &[1, 0, 1, 0x8005])),
        keeps: good,
    },
    Case {
        rule: launch_rules::START,
        breaks: |rig| with(rig, gc::COMPUTE_START_X, &[1]),
        keeps: good,
    },
    Case {
        rule: PROGRAM,
        breaks: |rig| with(rig, gc::COMPUTE_PGM_LO, &[0, 0]),
        keeps: good,
    },
    Case {
        rule: USER_DATA,
        breaks: |rig| with(rig, gc::COMPUTE_PGM_RSRC2, &[0x80 | 5 << 1]),
        keeps: good,
    },
    Case {
        rule: VGPRS,
        breaks: |rig| with(rig, gc::COMPUTE_PGM_RSRC1, &[0x600c_0020]),
        keeps: |rig| with(rig, gc::COMPUTE_PGM_RSRC1, &[0x600c_001f]),
    },
    Case {
        rule: LDS,
        breaks: |rig| with(rig, gc::COMPUTE_PGM_RSRC2, &[0x86 | 129 << 15]),
        keeps: |rig| with(rig, gc::COMPUTE_PGM_RSRC2, &[0x86 | 128 << 15]),
    },
    Case {
        rule: SCRATCH,
        breaks: |rig| with(rig, gc::COMPUTE_PGM_RSRC2, &[0x87]),
        keeps: |rig| {
            ready(rig);
            let scratch = (VA + DATA) >> 8;
            let packets = [
                state(&[lo(VA + DATA), hi(VA + DATA), 5]),
                set(gc::COMPUTE_PGM_RSRC2, &[0x87]),
                set(gc::COMPUTE_TMPRING_SIZE, &[1 | 1 << 12]),
                set(
                    gc::COMPUTE_DISPATCH_SCRATCH_BASE_LO,
                    &[lo(scratch), hi(scratch)],
                ),
                launch(),
            ];
            run(rig, FILL, &packets.concat());
        },
    },
    Case {
        rule: PRIVILEGED,
        breaks: |rig| with(rig, gc::COMPUTE_PGM_RSRC1, &[0x601c_0000]),
        keeps: good,
    },
    Case {
        rule: TRAPS,
        breaks: |rig| with(rig, gc::COMPUTE_PGM_RSRC2, &[0xc6]),
        keeps: good,
    },
    Case {
        rule: UNITS,
        breaks: |rig| {
            up(rig, Level::Strict);
            mec(rig);
            let mut mqd = mqd();
            mqd[0x17..0x30].fill(0);
            activate(rig, &mqd, &mqd);
            run(rig, FILL, &fill(5, VA + DATA));
        },
        keeps: good,
    },
    Case {
        rule: APERTURES,
        breaks: |rig| {
            ready(rig);
            rig.write(gc::SH_MEM_BASES, 0);
            run(rig, FILL, &fill(5, VA + DATA));
        },
        keeps: good,
    },
    Case {
        rule: SHADER,
        breaks: |rig| {
            ready(rig);
            // v1 was never written.
            run(rig, &[0x7e04_0301, 0xbfb0_0000], &fill(5, VA + DATA));
        },
        keeps: good,
    },
    Case {
        rule: caches::STALE_LINE,
        breaks: |rig| {
            ready(rig);
            rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[1; 256], "a test"));
            code(rig, COPY);
            submit(
                rig,
                &[acquire(), copy(VA + DATA, VA + DATA + 0x1000)].concat(),
            );
            // GL2 is told, the caches above it are not.
            rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[2; 256], "SDMA0"));
            let gl2 = packet(0x58, &[0, u32::MAX, u32::MAX, 0, 0, 0, 0xc000]);
            submit(rig, &[gl2, copy(VA + DATA, VA + DATA + 0x1000)].concat());
        },
        keeps: |rig| {
            ready(rig);
            rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[1; 256], "a test"));
            code(rig, COPY);
            submit(
                rig,
                &[acquire(), copy(VA + DATA, VA + DATA + 0x1000)].concat(),
            );
            rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[2; 256], "SDMA0"));
            submit(
                rig,
                &[acquire(), copy(VA + DATA, VA + DATA + 0x1000)].concat(),
            );
            assert_eq!(memory(rig, DATA + 0x1000), 0x0202_0202);
        },
    },
    Case {
        rule: caches::STALE_GL2,
        breaks: |rig| {
            ready(rig);
            rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[1; 256], "a test"));
            code(rig, COPY);
            submit(
                rig,
                &[acquire(), copy(VA + DATA, VA + DATA + 0x1000)].concat(),
            );
            rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[2; 256], "SDMA0"));
            let upper = packet(0x58, &[0, u32::MAX, u32::MAX, 0, 0, 0, 0x3f0]);
            submit(rig, &[upper, copy(VA + DATA, VA + DATA + 0x1000)].concat());
        },
        keeps: |rig| {
            ready(rig);
            rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[1; 256], "a test"));
            code(rig, COPY);
            submit(
                rig,
                &[acquire(), copy(VA + DATA, VA + DATA + 0x1000)].concat(),
            );
            rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[2; 256], "SDMA0"));
            submit(
                rig,
                &[acquire(), copy(VA + DATA, VA + DATA + 0x1000)].concat(),
            );
        },
    },
    Case {
        rule: caches::DIRTY_UNSEEN,
        breaks: |rig| {
            ready(rig);
            code(rig, FILL);
            submit(rig, &[acquire(), fill(5, VA + DATA)].concat());
            rig.engine(|fabric| outside(fabric, DATA));
        },
        keeps: |rig| {
            good(rig);
            rig.engine(|fabric| outside(fabric, DATA));
        },
    },
    Case {
        rule: caches::DIRTY_DROPPED,
        breaks: |rig| {
            ready(rig);
            code(rig, FILL);
            let drop = packet(0x58, &[0, u32::MAX, u32::MAX, 0, 0, 0, 0x4000]);
            submit(rig, &[acquire(), fill(5, VA + DATA), drop].concat());
        },
        keeps: |rig| {
            ready(rig);
            code(rig, FILL);
            submit(rig, &[acquire(), fill(5, VA + DATA), acquire()].concat());
        },
    },
    Case {
        rule: caches::STALE_CODE,
        breaks: |rig| {
            good(rig);
            code(rig, COPY);
            let no_gli = packet(0x58, &[0, u32::MAX, u32::MAX, 0, 0, 0, 0xc3f0]);
            submit(rig, &[no_gli, copy(VA + DATA, VA + DATA + 0x1000)].concat());
        },
        keeps: |rig| {
            good(rig);
            run(rig, COPY, &copy(VA + DATA, VA + DATA + 0x1000));
        },
    },
];

#[test]
fn a_queue_waits_for_memory_and_goes_on() {
    let mut rig = Rig::new();
    ready(&mut rig);
    let wait = packet(0x3c, &[0x15, lo(FENCE + 8), hi(FENCE), 6, u32::MAX, 4]);
    submit(&mut rig, &[wait, release(4)].concat());
    assert_eq!(memory(&rig, POINTERS + 0x100), 0);
    assert!(rig.read(gc::CP_STAT) != 0);
    rig.card
        .fabric
        .vram
        .write(BASE + POINTERS + 0x108, &[6, 0, 0, 0]);
    rig.card.poll();
    assert_eq!(memory(&rig, POINTERS + 0x100), 4);
    assert_eq!(memory(&rig, POINTERS), 15, "the read pointer");
    assert_eq!(rig.read(gc::CP_STAT), 0);
    assert_eq!(rig.card.stopped(), None);
}

#[test]
fn packets_flush_the_host_data_path() {
    let mut rig = Rig::new();
    ready(&mut rig);
    rig.card
        .fabric
        .cpu_write(BASE + DATA, &[3; 4])
        .expect("memory");
    let flush = packet(0x3c, &[0x45, 0xe26, 0xe27, u32::MAX, u32::MAX, 4]);
    submit(&mut rig, &[flush, release(4)].concat());
    assert_eq!(memory(&rig, DATA), 0x0303_0303);
    assert_eq!(memory(&rig, POINTERS + 0x100), 4);
    assert_eq!(rig.card.stopped(), None);
}

#[test]
fn caches_of_a_card_hold_old_lines() {
    let mut rig = Rig::new();
    ready_at(&mut rig, Level::Hardware);
    rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[1; 256], "a test"));
    code(&mut rig, COPY);
    submit(
        &mut rig,
        &[acquire(), copy(VA + DATA, VA + DATA + 0x1000)].concat(),
    );
    rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[2; 256], "a test"));
    submit(&mut rig, &copy(VA + DATA, VA + DATA + 0x1000));
    assert_eq!(memory(&rig, DATA + 0x1000), 0x0101_0101);
    submit(
        &mut rig,
        &[acquire(), copy(VA + DATA, VA + DATA + 0x1000)].concat(),
    );
    assert_eq!(memory(&rig, DATA + 0x1000), 0x0202_0202);
    assert_eq!(rig.card.stopped(), None);
    assert_eq!(rig.card.counters().dispatches, 3);
    let trace = rig.card.counters().trace();
    assert!(
        trace.contains("\"waves\":2,") && trace.ends_with("]}\n"),
        "{trace}"
    );
}

fn interrupts(rig: &mut Rig) -> Vec<(u8, u8)> {
    let events = rig.card.fabric.events.drain(..);
    events
        .filter_map(|event| match event {
            Event::Interrupt(vector) => Some((vector.client, vector.source)),
            _ => None,
        })
        .collect()
}

/// Submits by hand, so that the events stay to be looked at.
fn quietly(rig: &mut Rig, packets: &[u32]) -> Vec<(u8, u8)> {
    let wptr = u64::from(memory(rig, POINTERS + 8));
    for (at, dword) in packets.iter().enumerate() {
        rig.card
            .fabric
            .vram
            .write(BASE + 4 * (wptr + at as u64), &dword.to_le_bytes());
    }
    let wptr = wptr + packets.len() as u64;
    rig.card
        .fabric
        .vram
        .write(BASE + POINTERS + 8, &wptr.to_le_bytes());
    let crate::Card { gfx, fabric, .. } = &mut rig.card;
    gfx.doorbell(DOORBELL, wptr, 8, fabric)
        .expect("no rule is broken");
    interrupts(rig)
}

#[test]
fn a_page_fault_of_a_wave_is_told_and_the_queue_goes_on() {
    let mut rig = Rig::new();
    ready(&mut rig);
    code(&mut rig, FILL);
    let packets = [acquire(), fill(5, VA + 0x10_0000), release(6)].concat();
    assert_eq!(quietly(&mut rig, &packets)[0], (0xa, 0));
    assert_eq!(memory(&rig, POINTERS + 0x100), 6);
    let status = rig.read(gc::GCVM_L2_PROTECTION_FAULT_STATUS);
    assert_eq!(status >> 9 & 0x1ff, 8, "TCP: {status:#x}");
    assert_eq!(rig.card.stopped(), None);
}

#[test]
fn faults_happen_when_they_are_asked_for_and_a_reset_cures_them() {
    for (kind, told) in [
        (FaultKind::HungWave, None),
        (FaultKind::IllegalInstruction, Some((0xa, 239))),
    ] {
        let mut rig = Rig::new();
        ready(&mut rig);
        code(&mut rig, FILL);
        rig.card.faults().add(kind, 1);
        let packets = [acquire(), fill(5, VA + DATA), release(6)].concat();
        assert_eq!(quietly(&mut rig, &packets).first().copied(), told);
        assert_eq!(memory(&rig, POINTERS + 0x100), 0, "no fence");
        rig.write(gc::GRBM_GFX_CNTL, 4);
        rig.write(gc::CP_HQD_DEQUEUE_REQUEST, 2);
        rig.write(gc::SPI_COMPUTE_QUEUE_RESET, 1);
        assert_eq!(rig.read(gc::CP_HQD_ACTIVE), 0);
        rig.write(gc::GRBM_SOFT_RESET, 0x4_0001);
        rig.write(gc::GRBM_SOFT_RESET, 0);
        mec(&mut rig);
        activate(&mut rig, &mqd(), &mqd());
        submit(
            &mut rig,
            &[acquire(), fill(5, VA + DATA), release(6)].concat(),
        );
        assert_eq!(memory(&rig, POINTERS + 0x100), 6);
        assert_eq!(rig.card.stopped(), None);
    }
    let mut rig = Rig::new();
    ready(&mut rig);
    rig.card.faults().add(FaultKind::FenceLost, 1);
    submit(&mut rig, &release(6));
    assert_eq!(memory(&rig, POINTERS + 0x100), 0);
    submit(&mut rig, &release(7));
    assert_eq!(memory(&rig, POINTERS + 0x100), 7);
    rig.card.faults().add(FaultKind::PageFault, 1);
    code(&mut rig, FILL);
    let packets = [acquire(), fill(5, VA + DATA), release(8)].concat();
    assert_eq!(quietly(&mut rig, &packets)[0], (0xa, 0));
    assert_eq!(rig.card.stopped(), None);
}

#[test]
fn client_of_shaders_uses_caches() {
    let mut rig = Rig::new();
    ready(&mut rig);
    let client = Client {
        hub: Hub::Gc,
        vmid: 0,
        id: 8,
        gl2: true,
    };
    rig.engine(|fabric| fabric.store(client, VA + DATA, &[1; 4]));
    assert!(rig.card.fabric.caches.read(BASE + DATA, 4, L0));
}

#[test]
fn accesses_of_waves_are_fast() {
    let mut rig = Rig::new();
    ready_at(&mut rig, Level::Hardware);
    rig.engine(|fabric| fabric.outside_write(BASE + DATA, &[1; 4096], "a test"));
    code(&mut rig, COPY);
    let state = state(&[
        lo(VA + DATA),
        hi(VA + DATA),
        lo(VA + DATA + 0x1000),
        hi(VA + DATA + 0x1000),
    ]);
    let many = packet(0x15, &[1 << 14, 1, 1, 0x8005]);
    let start = std::time::Instant::now();
    submit(&mut rig, &[acquire(), state, many, release(7)].concat());
    let accesses = f64::from(2 * 64 * (1 << 14));
    let each = start.elapsed().as_nanos() as f64 / accesses;
    println!("a load or store of a lane, with its share of instructions: {each:.1} ns");
    assert_eq!(rig.card.stopped(), None);
    assert_eq!(memory(&rig, POINTERS + 0x100), 7);
    assert!(each < 2000.0, "{each:.1} ns");
}

/// Numbers that repeat: xorshift.
fn next(state: &mut u64) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 16) as u32
}

#[test]
fn no_packet_makes_the_card_panic() {
    let opcodes = [
        0x10, 0x1e, 0x22, 0x23, 0x37, 0x3c, 0x3f, 0x40, 0x46, 0x49, 0x50, 0x58, 0x76, 0x79, 0x98,
        0x7f,
    ];
    let mut seed = 0x1234_5678_9abc_def1;
    for round in 0..300 {
        let mut rig = Rig::new();
        let level = if round % 8 == 0 {
            Level::Strict
        } else {
            Level::Hardware
        };
        ready_at(&mut rig, level);
        for _ in 0..4 {
            let mut packets = Vec::new();
            while packets.len() < 60 {
                let opcode = opcodes[next(&mut seed) as usize % opcodes.len()];
                let length = 1 + next(&mut seed) as usize % 9;
                let data: Vec<u32> = (0..length)
                    .map(|_| match next(&mut seed) % 8 {
                        0 => 0,
                        1 => u32::MAX,
                        2 => hi(VA),
                        3 => next(&mut seed) & 0xffff,
                        4 => 1 << (next(&mut seed) % 32),
                        5 => 0x80_0004 | next(&mut seed) & 0x30,
                        _ => next(&mut seed),
                    })
                    .collect();
                packets.extend(packet(opcode, &data));
            }
            submit(&mut rig, &packets[..60]);
            rig.card.poll();
        }
        rig.card.fabric.events.clear();
    }
}
