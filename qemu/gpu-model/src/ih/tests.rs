//! Tests of the interrupt rings' rules: each is broken once and kept once.

use super::*;
use crate::bring_up::MC;
use crate::rig::{Case, Rig};

/// Where tests have their rings, and the write-back of the pointer.
const RING: u64 = 0x40_0000;
const POINTER: u64 = 0x50_0000;

const VECTOR: Vector = Vector {
    client: 0x14,
    source: 181,
    ring: 4,
    vmid: 2,
    mm_hub: false,
    data: [7, 8, 9, 10],
};

impl Rig {
    /// Sets ring 0 up, of 2^log dwords, as Linux does.
    fn interrupts(&mut self, log: u32) {
        let base = (MC + RING) >> 8;
        self.write(IH_RB_BASE, base as u32);
        self.write(IH_RB_BASE_HI, (base >> 32) as u32);
        self.write(IH_RB_WPTR_ADDR_LO, (MC + POINTER) as u32);
        self.write(IH_RB_WPTR_ADDR_HI, ((MC + POINTER) >> 32) as u32);
        self.write(IH_RB_CNTL, 0xc031_0100 | log << 1);
        self.write(IH_RB_WPTR, 0);
        self.write(IH_RB_RPTR, 0);
        self.write(IH_RB_CNTL, 0x4033_0101 | log << 1);
    }

    fn interrupt(&mut self, times: u32) {
        for _ in 0..times {
            self.engine(|fabric| {
                fabric.events.push(Event::Interrupt(VECTOR));
                Ok(())
            });
            self.read(IH_RB_WPTR);
        }
    }

    fn vram(&mut self, offset: u64) -> u32 {
        let mut dword = [0; 4];
        self.card.bar_read(0, offset, &mut dword);
        u32::from_le_bytes(dword)
    }
}

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: SIZE,
        breaks: |rig| rig.interrupts(17),
        keeps: |rig| rig.interrupts(16),
    },
    Case {
        rule: PLACE,
        breaks: |rig| rig.write(IH_RB_CNTL, 0x4033_0021),
        keeps: |rig| rig.interrupts(16),
    },
    Case {
        rule: LIVE,
        breaks: |rig| {
            rig.interrupts(16);
            rig.write(IH_RB_BASE, 0x1000);
        },
        keeps: |rig| {
            rig.interrupts(16);
            rig.write(IH_RB_CNTL, 0);
            rig.write(IH_RB_BASE, 0x1000);
        },
    },
    Case {
        rule: UNITS,
        breaks: |rig| {
            rig.interrupts(16);
            rig.interrupt(4);
            rig.write(IH_RB_RPTR, 8);
        },
        keeps: |rig| {
            rig.interrupts(16);
            rig.interrupt(4);
            rig.write(IH_RB_RPTR, 64);
        },
    },
    Case {
        rule: RANGE,
        breaks: |rig| {
            rig.interrupts(16);
            rig.interrupt(4);
            rig.write(IH_RB_RPTR, 160);
        },
        keeps: |rig| {
            rig.interrupts(16);
            rig.interrupt(4);
            rig.write(IH_RB_RPTR, 128);
        },
    },
    Case {
        rule: WPTR,
        breaks: |rig| {
            rig.interrupts(16);
            rig.interrupt(1);
            rig.write(IH_RB_WPTR, 0);
        },
        keeps: |rig| {
            rig.interrupts(16);
            rig.interrupt(1);
            rig.write(IH_RB_WPTR, 32);
        },
    },
    Case {
        rule: WRITE_BACK,
        breaks: |rig| {
            rig.write(IH_RB_BASE, 0x8000_4000);
            rig.write(IH_RB_CNTL, 0x4033_0121);
        },
        keeps: |rig| rig.interrupts(16),
    },
];

#[test]
fn an_entry_says_who_when_and_what() {
    let mut rig = Rig::new();
    rig.interrupts(16);
    rig.interrupt(2);
    assert_eq!(rig.read(IH_RB_WPTR), 64);
    assert_eq!(rig.vram(POINTER), 64);
    assert_eq!(rig.vram(RING + 32), 0x0204_b514);
    assert!(rig.vram(RING + 36) > rig.vram(RING + 4));
    let data: Vec<_> = (4..8).map(|n| rig.vram(RING + 32 + n * 4)).collect();
    assert_eq!(data, VECTOR.data);
    assert_eq!(rig.card.stopped(), None);
}

#[test]
fn a_full_ring_overflows_over_its_oldest_entries_and_is_cleared() {
    let mut rig = Rig::new();
    rig.interrupts(8);
    rig.interrupt(31);
    assert_eq!(rig.read(IH_RB_WPTR), 31 * 32);
    rig.interrupt(2);
    assert_eq!(rig.read(IH_RB_WPTR), 32 | 1);
    rig.write(IH_RB_RPTR, 64);
    rig.write(IH_RB_CNTL, 0xc033_0111);
    rig.write(IH_RB_CNTL, 0x4033_0111);
    assert_eq!(rig.read(IH_RB_WPTR), 32);
    assert_eq!(rig.card.stopped(), None);
}

#[test]
fn an_overflow_comes_on_demand_and_ring_1_takes_the_clients_of_its_list() {
    let mut rig = Rig::new();
    rig.interrupts(16);
    rig.card.faults().add(FaultKind::IhOverflow, 2);
    rig.interrupt(2);
    assert_eq!(rig.read(IH_RB_WPTR), 32 | 1);
    // The oldest entry is the one behind the write pointer, and every one is an interrupt.
    let (second, last) = (rig.vram(RING + 32), rig.vram(RING + 0x3_ffe0));
    assert_eq!([second, last], [0x0204_b514; 2]);
    let base = (MC + RING + 0x4_0000) >> 8;
    rig.write(IH_RB_BASE_RING1, base as u32);
    rig.write(IH_RB_BASE_HI_RING1, (base >> 32) as u32);
    rig.write(IH_RB_CNTL_RING1, 0x4010_0221);
    rig.write(IH_RING1_CLIENT_CFG_INDEX, 3);
    rig.write(IH_RING1_CLIENT_CFG_DATA, 0x1_b514);
    rig.interrupt(1);
    assert_eq!(rig.read(IH_RB_WPTR_RING1), 32);
    assert_eq!(rig.read(IH_RB_WPTR), 32 | 1);
    assert_eq!(rig.card.stopped(), None);
}
