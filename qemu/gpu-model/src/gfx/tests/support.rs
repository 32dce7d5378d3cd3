//! What tests of the compute engine share: a queue that runs, programs, packets.

use amdgpu_registers::{Register, gc};

use super::super::*;
use crate::fabric::Port;
use crate::gmc::Hub;
use crate::gmc::tests::{PAGE, UNCACHED, VA, enter, set_up, with_host};
use crate::rig::Rig;
use crate::rule::Level;

pub(super) const START: u64 = 0x0007_0000_0000_3000;
pub(super) const MQD: u64 = 0x30_0000;
pub(super) const MC: u64 = 0x80_0000_0000;
/// Where the bench has things, by offset from [`VA`] and in video memory from `BASE`.
pub(super) const BASE: u64 = 0x40_0000;
pub(super) const RING: u64 = 0;
pub(super) const POINTERS: u64 = 0x1000;
pub(super) const EVENTS: u64 = 0x2000;
pub(super) const CODE: u64 = 0x4000;
pub(super) const DATA: u64 = 0x8000;
pub(super) const BUFFER: u64 = 0xc000;
pub(super) const FENCE: u64 = VA + POINTERS + 0x100;
pub(super) const DOORBELL: u32 = 0x18;
/// Stores s2 at the address in s[0:1], a dword for each thread.
pub(super) const FILL: &[u32] = &[
    0x7e02_0202,
    0x3600_00ff,
    0x0000_03ff,
    0x3004_0082,
    0xdc6a_0000,
    0x0000_0102,
    0xbfb0_0000,
];
/// Copies a dword for each thread from the address in s[0:1] to that in s[2:3].
pub(super) const COPY: &[u32] = &[
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

pub(super) fn lo(value: u64) -> u32 {
    value as u32
}

pub(super) fn hi(value: u64) -> u32 {
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
pub(super) fn mec(rig: &mut Rig) {
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
pub(super) fn mqd() -> [u32; 512] {
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

pub(super) fn activate(rig: &mut Rig, mqd: &[u32; 512], memory: &[u32; 512]) {
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

pub(super) fn ready(rig: &mut Rig) {
    ready_at(rig, Level::Strict);
}

pub(super) fn ring_doorbell(rig: &mut Rig, value: u64, bytes: usize) {
    rig.card.fabric.events.push(Event::Doorbell {
        to: Port::Gc,
        offset: DOORBELL,
        value,
        bytes,
    });
    rig.read(gc::GRBM_STATUS);
}

pub(super) fn memory(rig: &Rig, offset: u64) -> u32 {
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

pub(super) fn release(value: u32) -> Vec<u32> {
    packet(
        0x49,
        &[0x0070_f514, 0x2000_0000, lo(FENCE), hi(FENCE), value, 0, 0],
    )
}

pub(super) fn acquire() -> Vec<u32> {
    packet(0x58, &[0, u32::MAX, u32::MAX, 0, 0, 0, 0xc3f1])
}

pub(super) fn set(register: Register, values: &[u32]) -> Vec<u32> {
    let at = registers::sh(register) as u32;
    packet(0x76, &[&[at], values].concat())
}

pub(super) fn code(rig: &mut Rig, code: &[u32]) {
    let padded = code.iter().chain(&[0xbf9f_0000; 64]);
    let bytes: Vec<u8> = padded.flat_map(|dword| dword.to_le_bytes()).collect();
    rig.engine(|fabric| fabric.outside_write(BASE + CODE, &bytes, "a test"));
}

/// The state of a dispatch of 64 threads.
pub(super) fn state(user: &[u32]) -> Vec<u32> {
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

pub(super) fn launch() -> Vec<u32> {
    packet(0x15, &[1, 1, 1, 0x8005])
}

pub(super) fn fill(value: u32, va: u64) -> Vec<u32> {
    [state(&[lo(va), hi(va), value]), launch()].concat()
}

pub(super) fn copy(from: u64, to: u64) -> Vec<u32> {
    [state(&[lo(from), hi(from), lo(to), hi(to)]), launch()].concat()
}

/// A dispatch with its barriers and fence, after other packets.
pub(super) fn run(rig: &mut Rig, program: &[u32], packets: &[u32]) {
    code(rig, program);
    submit(rig, &[&acquire(), packets, &release(7)].concat());
}

/// A dispatch that is right but for a register.
pub(super) fn with(rig: &mut Rig, register: Register, values: &[u32]) {
    ready(rig);
    let packets = [
        state(&[lo(VA + DATA), hi(VA + DATA), 5]),
        set(register, values),
        launch(),
    ]
    .concat();
    run(rig, FILL, &packets);
}

pub(super) fn good(rig: &mut Rig) {
    with(rig, gc::COMPUTE_RESOURCE_LIMITS, &[0]);
    assert!(rig.card.stopped().is_some() || memory(rig, DATA + 252) == 5);
}

pub(super) fn launched(rig: &mut Rig, packet: &[u32]) {
    ready(rig);
    run(
        rig,
        FILL,
        &[&state(&[lo(VA + DATA), hi(VA + DATA), 5]), packet].concat(),
    );
}

pub(super) fn sent(rig: &mut Rig, packets: &[u32]) {
    ready(rig);
    submit(rig, packets);
}

pub(super) fn nop(rig: &mut Rig) {
    sent(rig, &[0xffff_1000]);
}

pub(super) fn fenced(rig: &mut Rig) {
    sent(rig, &release(3));
    assert_eq!(memory(rig, POINTERS + 0x100), 3);
}

/// A queue with a dword of its MQD changed.
pub(super) fn queue_with(rig: &mut Rig, at: usize, value: u32) {
    up(rig, Level::Strict);
    mec(rig);
    let mut mqd = mqd();
    mqd[at] = value;
    activate(rig, &mqd, &mqd);
}

pub(super) fn writes_hqd(rig: &mut Rig, select: u32) {
    up(rig, Level::Strict);
    rig.write(gc::GRBM_GFX_CNTL, select);
    rig.write(gc::CP_HQD_VMID, 0);
}

pub(super) fn memory_differs(rig: &mut Rig, at: usize, value: u32) {
    up(rig, Level::Strict);
    mec(rig);
    let mut changed = mqd();
    changed[at] = value;
    activate(rig, &mqd(), &changed);
    submit(rig, &[0xffff_1000]);
}

pub(super) fn buffer(rig: &mut Rig, flags: u32) {
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

pub(super) fn outside(fabric: &mut Fabric, offset: u64) -> Result<(), Violation> {
    fabric.outside_read(BASE + offset, &mut [0; 4], "SDMA0")
}
