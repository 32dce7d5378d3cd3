//! Tests of the compute engine.

mod cases;
mod product;
mod support;

pub(crate) use cases::CASES;
pub(crate) use support::up;
use support::*;

use amdgpu_registers::{gc, osssys};

use super::*;
use crate::caches::L0;
use crate::counters::Levels;
use crate::fault::FaultKind;
use crate::gmc::tests::{PAGE, VA, enter};
use crate::gmc::{Client, Hub};
use crate::rig::Rig;
use crate::rule::Level;

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
    // Each dispatch reads 256 bytes in 2 lines: the second finds them in GL0, the others fetch them through every level.
    let fetched = rig.card.counters().dispatched().iter();
    let fetched: Vec<_> = fetched
        .map(|dispatch| {
            let Levels {
                gl1, gl2, memory, ..
            } = dispatch.levels;
            assert_eq!(dispatch.report.traffic.loaded, 256);
            [gl1, gl2, memory]
        })
        .collect();
    assert_eq!(fetched, [[256; 3], [0; 3], [256; 3]]);
    // What the first two stored is written back by the acquire before the third.
    assert_eq!(rig.card.counters().written_back, 256);
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
fn a_page_fault_on_demand_shows_in_the_status_and_in_the_interrupt_ring() {
    const IH: u64 = 0x60_0000;
    let mut rig = Rig::new();
    ready(&mut rig);
    let base = (MC + IH) >> 8;
    rig.write(osssys::IH_RB_BASE, lo(base));
    rig.write(osssys::IH_RB_BASE_HI, hi(base));
    rig.write(osssys::IH_RB_CNTL, 0x4010_0021);
    code(&mut rig, FILL);
    rig.card.faults().add(FaultKind::PageFault, 1);
    submit(
        &mut rig,
        &[acquire(), fill(5, VA + DATA), release(8)].concat(),
    );
    use gc::GCVM_L2_PROTECTION_FAULT_STATUS as fields;
    let status = rig.read(gc::GCVM_L2_PROTECTION_FAULT_STATUS);
    let shown = [fields::CID, fields::RW, fields::VMID].map(|field| field.of(status));
    assert_eq!(shown, [8, 1, 0], "a write of TCP in context 0: {status:#x}");
    let page = rig.read(gc::GCVM_L2_PROTECTION_FAULT_ADDR_LO32);
    assert_eq!(page, lo((VA + DATA) >> 12));
    assert_eq!(rig.read(osssys::IH_RB_WPTR), 32, "one entry");
    let mut entry = [0; 32];
    rig.card.bar_read(0, IH, &mut entry);
    let dwords = entry.as_chunks::<4>().0;
    let [who, low, high] = [0, 4, 5].map(|at: usize| u32::from_le_bytes(dwords[at]));
    assert_eq!(who & 0xffff, 0xa, "client GFX, source 0");
    let address = u64::from(low) << 12 | u64::from(high & 0xf) << 44;
    assert_eq!(address, (VA + DATA) & !0xfff);
    assert_eq!(rig.card.stopped(), None);
}

#[test]
fn what_a_wave_reads_at_a_fault_on_demand_is_not_held_against_the_driver() {
    // Loads a descriptor from the address in s[0:1], and a dword through it.
    const THROUGH: &[u32] = &[
        0xf408_0100,
        0xf800_0000,
        0xbf89_fc07,
        0xf420_0202,
        0xf800_0000,
        0xbf89_fc07,
        0xbfb0_0000,
    ];
    let mut rig = Rig::new();
    ready(&mut rig);
    let [low, high] = [lo(VA + DATA), hi(VA + DATA)];
    let descriptor: Vec<u8> = [low, high, 64, 0x2140_0000]
        .iter()
        .flat_map(|dword: &u32| dword.to_le_bytes())
        .collect();
    rig.engine(|fabric| fabric.outside_write(BASE + DATA, &descriptor, "a test"));
    code(&mut rig, THROUGH);
    for fault in [false, true] {
        if fault {
            rig.card.faults().add(FaultKind::PageFault, 1);
        }
        let dispatch = [state(&[low, high]), launch()].concat();
        submit(&mut rig, &[acquire(), dispatch, release(6)].concat());
        assert_eq!(rig.card.stopped(), None);
        let status = rig.read(gc::GCVM_L2_PROTECTION_FAULT_STATUS);
        assert_eq!(status != 0, fault);
    }
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
