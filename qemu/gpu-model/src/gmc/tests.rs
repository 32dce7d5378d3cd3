//! Tests of the memory hubs, and what breaks and keeps their rules.

use std::sync::{Arc, Mutex};

use amdgpu_registers::{mmhub, nbif};

use super::walk::{EXECUTABLE, LEAF, READABLE, SNOOPED, SYSTEM, VALID, WRITEABLE};
use super::*;
use crate::rig::{Case, Rig};
use crate::{BusError, Card, HostMemory};

/// First address of context 0 in tests, that of tinygrad.
pub(crate) const VA: u64 = 0x2000_0000_0000;
/// The bits of an ordinary page.
pub(crate) const PAGE: u64 = VALID | READABLE | WRITEABLE | EXECUTABLE;
/// MTYPE UC.
pub(crate) const UNCACHED: u64 = 3 << 48;
/// A page of host memory as drivers map it.
pub(crate) const HOST: u64 = PAGE | SYSTEM | SNOOPED | UNCACHED;
const ROOT: u64 = 0x10_0000;
/// The last table for `VA`, the third one that [`enter`] makes.
const TABLE: u64 = ROOT + 0x1_2000;
const MM: Client = Client {
    hub: Hub::Mm,
    vmid: 0,
    id: 0,
    gl2: false,
};

/// A little host memory, from bus address 0.
pub(crate) struct TestHost(Mutex<Vec<u8>>);

impl TestHost {
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(vec![0; bytes])))
    }
}

impl HostMemory for TestHost {
    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), BusError> {
        let bytes = self.0.lock().expect("no test panics with it");
        let error = BusError {
            address,
            bytes: out.len(),
        };
        let start = address as usize;
        out.copy_from_slice(bytes.get(start..start + out.len()).ok_or(error)?);
        Ok(())
    }

    fn write(&self, address: u64, data: &[u8]) -> Result<(), BusError> {
        let mut bytes = self.0.lock().expect("no test panics with it");
        let error = BusError {
            address,
            bytes: data.len(),
        };
        let start = address as usize;
        let place = bytes.get_mut(start..start + data.len()).ok_or(error)?;
        place.copy_from_slice(data);
        Ok(())
    }
}

/// A card of this level with host memory and bus mastering.
pub(crate) fn with_host(level: Level) -> Rig {
    let card = Card::new(level, TestHost::new(4 << 20)).expect("address space");
    let mut rig = Rig { card };
    rig.card.config_write(4, 2, 6);
    rig
}

/// Sets a hub up as drivers do, with an empty root table for context 0.
pub(crate) fn set_up(rig: &mut Rig, hub: Hub) {
    let registers = hub.registers();
    let fabric = &mut rig.card.fabric;
    fabric.vram.write(ROOT, &[0; 4096]);
    let (first, last) = registers.video_memory(fabric);
    let mut set = |register, value| fabric.registers.set(register, value);
    set(registers.agp_bottom, 0xff_ffff);
    set(registers.aperture_low, (first >> 18) as u32);
    set(registers.aperture_high, (last >> 18) as u32);
    set(registers.aperture_default.0, 0x80);
    set(registers.fault_default.0, 0x81);
    set(registers.l1_tlb, 0x1859);
    set(registers.l2, 0x8_0e01);
    set(registers.l2_cntl3, 0x8013_0009);
    set(registers.l2_cntl4, 1);
    set(registers.identity_low.0, u32::MAX);
    set(registers.identity_low.1, 0xf);
    set(registers.start.1, (VA >> 44) as u32);
    set(registers.end.0, u32::MAX);
    set(registers.end.1, 7);
    set(registers.table.0, ROOT as u32 | 1);
    set(registers.context, 0x1ff_fe07);
    for engine in 0..18 {
        set(registers.range.0.plus(2 * engine), u32::MAX);
        set(registers.range.1.plus(2 * engine), 0x1f);
    }
    fabric.vram.write(0x8_0000, &[0; 8192]);
}

/// Puts an entry for `va` into the tables at the level of `bits` (12, 21 or 30). Tables lie at 0x11_0000 and above.
pub(crate) fn enter(rig: &mut Rig, va: u64, bits: u32, entry: u64) {
    let vram = &rig.card.fabric.vram;
    let relative = va - VA;
    let mut table = ROOT;
    let mut level = 39;
    while level > bits {
        let slot = table + 8 * (relative >> level & 0x1ff);
        let mut known = [0; 8];
        vram.read(slot, &mut known);
        let mut next = u64::from_le_bytes(known);
        if next == 0 {
            let mut used = [0; 8];
            vram.read(ROOT - 8, &mut used);
            let new = u64::from_le_bytes(used).max(ROOT + 0x1_0000);
            vram.write(ROOT - 8, &(new + 4096).to_le_bytes());
            vram.write(new, &[0; 4096]);
            next = new | VALID;
            vram.write(slot, &next.to_le_bytes());
        }
        table = next & !0xfff;
        level -= 9;
    }
    let leaf = if bits > 12 { LEAF } else { 0 };
    let slot = table + 8 * (relative >> bits & 0x1ff);
    vram.write(slot, &(entry | leaf).to_le_bytes());
}

/// Runs an access as the card does: what it breaks stops the card.
fn access(rig: &mut Rig, va: u64, intent: Intent) {
    let fabric = &mut rig.card.fabric;
    let result = match intent {
        Intent::Write => fabric.store(MM, va, &[1; 4]),
        _ => fabric.load(MM, va, &mut [0; 4]),
    };
    if let Err(violation) = result {
        rig.card.stop(violation);
    }
}

fn read(rig: &mut Rig, va: u64) -> u32 {
    let mut out = [0; 4];
    if let Err(violation) = rig.card.fabric.load(MM, va, &mut out) {
        rig.card.stop(violation);
    }
    u32::from_le_bytes(out)
}

/// A read through a hub that is right but for one register.
fn with(rig: &mut Rig, register: Register, value: u32) {
    set_up(rig, Hub::Mm);
    enter(rig, VA, 12, PAGE | 0x20_0000);
    rig.card.fabric.registers.set(register, value);
    access(rig, VA, Intent::Read);
}

fn good(rig: &mut Rig) {
    with(rig, mmhub::MMMC_VM_AGP_TOP, 0);
}

/// A read of a page with this entry, at `VA`.
fn entry(rig: &mut Rig, bits: u32, entry: u64) {
    set_up(rig, Hub::Mm);
    enter(rig, VA, bits, entry);
    access(rig, VA, Intent::Read);
}

fn flush(rig: &mut Rig, value: u32) {
    rig.read(mmhub::MMVM_INVALIDATE_ENG_SEM.plus(17));
    rig.write(mmhub::MMVM_INVALIDATE_ENG_REQ.plus(17), value);
    rig.write(mmhub::MMVM_INVALIDATE_ENG_SEM.plus(17), 0);
}

fn fragment(rig: &mut Rig, second: u64) {
    set_up(rig, Hub::Mm);
    enter(rig, VA, 12, PAGE | 1 << 7 | 0x20_0000);
    enter(rig, VA + 4096, 12, PAGE | 1 << 7 | second);
    access(rig, VA, Intent::Read);
}

fn host_page(rig: &mut Rig, bus_master: bool, address: u64) {
    *rig = with_host(Level::Strict);
    rig.card.config_write(4, 2, if bus_master { 6 } else { 2 });
    entry(rig, 12, HOST | address);
}

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: AGP_OFF,
        breaks: |rig| with(rig, mmhub::MMMC_VM_AGP_BOT, 0),
        keeps: good,
    },
    Case {
        rule: SYSTEM_APERTURE,
        breaks: |rig| with(rig, mmhub::MMMC_VM_SYSTEM_APERTURE_LOW_ADDR, 0),
        keeps: good,
    },
    Case {
        rule: DEFAULT_PAGES,
        breaks: |rig| with(rig, mmhub::MMVM_L2_PROTECTION_FAULT_DEFAULT_ADDR_LO32, 0),
        keeps: good,
    },
    Case {
        rule: L1_TLB,
        breaks: |rig| with(rig, mmhub::MMMC_VM_MX_L1_TLB_CNTL, 0x501),
        // tinygrad keeps the reset value of ECO_BITS.
        keeps: |rig| with(rig, mmhub::MMMC_VM_MX_L1_TLB_CNTL, 0x1d59),
    },
    Case {
        rule: L2_CACHE,
        breaks: |rig| with(rig, mmhub::MMVM_L2_CNTL3, 0x8012_0007),
        keeps: good,
    },
    Case {
        rule: IDENTITY_OFF,
        breaks: |rig| {
            set_up(rig, Hub::Mm);
            let low = mmhub::MMVM_L2_CONTEXT1_IDENTITY_APERTURE_LOW_ADDR_HI32;
            rig.card.fabric.registers.set(low, 0);
            with(
                rig,
                mmhub::MMVM_L2_CONTEXT1_IDENTITY_APERTURE_HIGH_ADDR_HI32,
                0x1f,
            );
        },
        keeps: good,
    },
    Case {
        rule: CONTEXT,
        breaks: |rig| with(rig, mmhub::MMVM_CONTEXT_CNTL, 0x1ff_fe07 | 9 << 3),
        keeps: good,
    },
    Case {
        rule: ROOT_TABLE,
        breaks: |rig| {
            with(
                rig,
                mmhub::MMVM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32,
                ROOT as u32,
            )
        },
        keeps: good,
    },
    Case {
        rule: TABLE_ADDRESS,
        breaks: |rig| {
            with(
                rig,
                mmhub::MMVM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32,
                ROOT as u32 | 0x101,
            );
        },
        keeps: good,
    },
    Case {
        rule: PTE_RESERVED,
        breaks: |rig| entry(rig, 12, PAGE | 1 << 52 | 0x20_0000),
        keeps: |rig| entry(rig, 12, PAGE | 0x20_0000),
    },
    Case {
        rule: PTE_ADDRESS,
        breaks: |rig| entry(rig, 12, PAGE | VRAM_BYTES),
        keeps: |rig| entry(rig, 12, PAGE | (VRAM_BYTES - 4096)),
    },
    Case {
        rule: HUGE_LEAF,
        breaks: |rig| entry(rig, 21, PAGE | 0x20_1000),
        keeps: |rig| entry(rig, 21, PAGE | 0x20_0000),
    },
    Case {
        rule: FRAGMENT,
        breaks: |rig| fragment(rig, 0x20_2000),
        keeps: |rig| fragment(rig, 0x20_1000),
    },
    Case {
        rule: SYSTEM_SNOOPED,
        breaks: |rig| {
            *rig = with_host(Level::Strict);
            entry(rig, 12, PAGE | SYSTEM);
        },
        keeps: |rig| {
            *rig = with_host(Level::Strict);
            entry(rig, 12, HOST);
        },
    },
    Case {
        rule: STALE_TRANSLATION,
        breaks: |rig| {
            entry(rig, 12, PAGE | 0x20_0000);
            entry(rig, 12, PAGE | 0x30_0000);
        },
        keeps: |rig| {
            entry(rig, 12, PAGE | 0x20_0000);
            flush(rig, 0xf8_0001);
            entry(rig, 12, PAGE | 0x30_0000);
        },
    },
    // The processor's writes of page tables wait in the host data path like all others.
    Case {
        rule: crate::hdp::STALE,
        breaks: |rig| {
            entry(rig, 12, PAGE | 0x20_0000);
            rig.card
                .bar_write(0, TABLE + 8, &(PAGE | 0x30_0000).to_le_bytes());
            access(rig, VA + 4096, Intent::Read);
        },
        keeps: |rig| {
            entry(rig, 12, PAGE | 0x20_0000);
            rig.card
                .bar_write(0, TABLE + 8, &(PAGE | 0x30_0000).to_le_bytes());
            rig.write(nbif::BIF_BX_PF0_HDP_MEM_COHERENCY_FLUSH_CNTL, 0);
            access(rig, VA + 4096, Intent::Read);
            assert!(rig.card.stopped().is_some() || read(rig, VA + 4096) == 0);
        },
    },
    Case {
        rule: FLUSH_HUB,
        breaks: |rig| flush(rig, 0xf8_0001),
        keeps: |rig| {
            set_up(rig, Hub::Mm);
            flush(rig, 0xf8_0001);
        },
    },
    Case {
        rule: FLUSH_SEMAPHORE,
        breaks: |rig| {
            set_up(rig, Hub::Mm);
            rig.write(mmhub::MMVM_INVALIDATE_ENG_REQ.plus(17), 0xf8_0001);
        },
        keeps: |rig| {
            set_up(rig, Hub::Mm);
            flush(rig, 0xf8_0001);
        },
    },
    Case {
        rule: FLUSH_RANGE,
        breaks: |rig| {
            set_up(rig, Hub::Mm);
            rig.write(mmhub::MMVM_INVALIDATE_ENG_ADDR_RANGE_HI32.plus(34), 0);
            flush(rig, 0xf8_0001);
        },
        keeps: |rig| {
            set_up(rig, Hub::Mm);
            rig.write(mmhub::MMVM_INVALIDATE_ENG_ADDR_RANGE_HI32.plus(32), 0);
            flush(rig, 0xf8_0001);
        },
    },
    Case {
        rule: FLUSH_REQUEST,
        breaks: |rig| {
            set_up(rig, Hub::Mm);
            flush(rig, 0x4f8_0001);
        },
        keeps: |rig| {
            set_up(rig, Hub::Mm);
            flush(rig, 0xf8_0001);
        },
    },
    Case {
        rule: FLUSH_REQUEST,
        breaks: |rig| {
            set_up(rig, Hub::Mm);
            flush(rig, 0xf8_0000);
        },
        keeps: |rig| {
            set_up(rig, Hub::Mm);
            flush(rig, 0xf8_8001);
        },
    },
    Case {
        rule: BUS_MASTER,
        breaks: |rig| host_page(rig, false, 0),
        keeps: |rig| host_page(rig, true, 0),
    },
    Case {
        rule: HOST_PAGE,
        breaks: |rig| host_page(rig, true, 1 << 40),
        keeps: |rig| host_page(rig, true, 0x1000),
    },
];

#[test]
fn pages_of_every_size_are_walked() {
    let mut rig = with_host(Level::Strict);
    set_up(&mut rig, Hub::Mm);
    enter(&mut rig, VA, 12, PAGE | 0x20_0000);
    enter(&mut rig, VA + (2 << 20), 21, PAGE | 0x40_0000);
    enter(&mut rig, VA + (1 << 30), 30, PAGE | 0x4000_0000);
    enter(&mut rig, VA + (1 << 39), 12, HOST | 0x3000);
    let places = [
        (0x20_0004, VA + 4),
        (0x4a_0000, VA + 0x2a_0000),
        (0x7fff_fffc, VA + 0x7fff_fffc),
    ];
    for (n, (offset, va)) in places.into_iter().enumerate() {
        rig.card
            .fabric
            .vram
            .write(offset, &(n as u32 + 7).to_le_bytes());
        assert_eq!(read(&mut rig, va), n as u32 + 7);
    }
    let host = rig.card.fabric.host.clone();
    host.write(0x3010, &[9; 4]).expect("host memory");
    assert_eq!(read(&mut rig, VA + (1 << 39) + 0x10), 0x0909_0909);
    // The MC address of the same video memory.
    assert_eq!(read(&mut rig, 0x80_0020_0004), 7);
    assert_eq!(rig.card.stopped(), None);
}

#[test]
fn a_translation_stays_until_its_hub_is_told_to_forget_it() {
    let mut rig = with_host(Level::Hardware);
    rig.card.fabric.vram.write(0x20_0000, &[1; 4]);
    rig.card.fabric.vram.write(0x30_0000, &[2; 4]);
    entry(&mut rig, 12, PAGE | 0x20_0000);
    entry(&mut rig, 12, PAGE | 0x30_0000);
    assert_eq!(read(&mut rig, VA), 0x0101_0101);
    flush(&mut rig, 0xf8_0002);
    assert_eq!(read(&mut rig, VA), 0x0101_0101);
    flush(&mut rig, 0xf8_0001);
    assert_eq!(read(&mut rig, VA), 0x0202_0202);
    assert_eq!(rig.card.stopped(), None);
}

#[test]
fn the_first_fault_is_latched_and_every_one_is_told() {
    let mut rig = with_host(Level::Strict);
    set_up(&mut rig, Hub::Mm);
    rig.card.fabric.vram.write(0x8_1000, &[5; 4096]);
    assert_eq!(read(&mut rig, VA + 0x1_2345_6000), 0x0505_0505);
    access(&mut rig, VA + 8, Intent::Write);
    let told = rig.card.fabric.events.iter();
    let told: Vec<_> = told
        .filter_map(|event| match event {
            Event::Interrupt(vector) => {
                Some((vector.client, vector.mm_hub, vector.data[0], vector.data[1]))
            }
            _ => None,
        })
        .collect();
    assert_eq!(told, [(0x12, true, 0x12_3456, 2), (0x12, true, 0, 2)]);
    let status = rig.read(mmhub::MMVM_L2_PROTECTION_FAULT_STATUS);
    assert_eq!(status & 0xff, 0x37, "{status:#x}");
    assert_eq!(
        rig.read(mmhub::MMVM_L2_PROTECTION_FAULT_ADDR_LO32),
        0x12_3456
    );
    rig.write(mmhub::MMVM_L2_PROTECTION_FAULT_CNTL, 0x3fff_fffd);
    assert_eq!(rig.read(mmhub::MMVM_L2_PROTECTION_FAULT_STATUS), 0);
    assert_eq!(rig.card.stopped(), None);
}
