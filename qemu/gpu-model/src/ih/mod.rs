//! Interrupt handler (IH, OSSSYS 6.0.0): two rings of entries in memory, which say who wants attention and why.
//!
//! Every interrupt of the model becomes an entry; drivers poll the write pointer, messages to the processor are not needed.
//! A full ring 0 with overflow enabled goes on over its oldest entries and says so in the write pointer; otherwise what does
//! not fit is lost.

#[cfg(test)]
pub(crate) mod tests;

use amdgpu_registers::osssys::{
    IH_DOORBELL_RPTR, IH_DOORBELL_RPTR_RING1, IH_RB_BASE, IH_RB_BASE_HI, IH_RB_BASE_HI_RING1,
    IH_RB_BASE_RING1, IH_RB_CNTL, IH_RB_CNTL_RING1, IH_RB_RPTR, IH_RB_RPTR_RING1, IH_RB_WPTR,
    IH_RB_WPTR_ADDR_HI, IH_RB_WPTR_ADDR_LO, IH_RB_WPTR_RING1, IH_RING1_CLIENT_CFG_DATA,
    IH_RING1_CLIENT_CFG_INDEX,
};
use amdgpu_registers::{Field, Register};

use crate::fabric::{Block, Event, Fabric, Port, Scope, Vector};
use crate::fault::FaultKind;
use crate::gmc::{Client, Hub};
use crate::register_file::At;
use crate::rule::{Violation, rules};

rules! { Ih:
    SIZE, "ih-ring-size", "a ring has 1 KiB to 256 KiB, which is what its pointers of 18 bits reach",
        "Linux osssys_6_0_0_sh_mask.h: IH_RB_WPTR.OFFSET 17:2; ih_v6_0.c and tinygrad ip.py AM_IH use 256 KiB";
    PLACE, "ih-ring-place", "a ring has a base that the handler can write through: MC_SPACE 4 (card) or 2 (bus address)",
        "Linux ih_v6_0.c ih_v6_0_rb_cntl: MC_SPACE is 2 for bus addresses and 4 otherwise";
    LIVE, "ih-ring-live", "base and size of a ring change only while it is off",
        "Linux ih_v6_0.c ih_v6_0_irq_init turns interrupts off first";
    UNITS, "ih-rptr-units", "the read pointer counts bytes and moves by entries of 32",
        "Linux ih_v6_0.c ih_v6_0_set_rptr writes the byte offset that amdgpu_ih_process moves by 32",
        tolerated "tinygrad ip.py AM_IH.drain writes an index of dwords";
    RANGE, "ih-rptr-range", "the read pointer moves over entries that were written, not past the write pointer",
        "Linux amdgpu_ih.c amdgpu_ih_process moves it up to the write pointer",
        tolerated "tinygrad ip.py AM_IH.drain writes an index of dwords, which lies elsewhere";
    WPTR, "ih-wptr", "of a ring that is on, a driver clears no more than the overflow bit of the write pointer",
        "Linux ih_v6_0.c ih_v6_0_get_wptr clears RB_OVERFLOW there; the pointer is set only before the ring is on";
    WRITE_BACK, "ih-write-back", "with WPTR_WRITEBACK_ENABLE there is an aligned address to write to",
        "Linux ih_v6_0.c ih_v6_0_enable_ring: IH_RB_WPTR_ADDR_LO and _HI";
}

/// Bytes of an entry.
pub(crate) const ENTRY: u32 = 32;
/// How the handler shows itself to the MM hub (the client id OSSSYS of Linux's list for MMHUB 3.0).
const CLIENT: Client = Client {
    hub: Hub::Mm,
    vmid: 0,
    id: 15,
    gl2: false,
};
/// Space of bus addresses.
const BUS_SPACE: u32 = 2;
/// Space of the card's addresses.
const CARD_SPACE: u32 = 4;

/// The registers of a ring.
struct Names {
    control: Register,
    base: (Register, Register),
    rptr: Register,
    wptr: Register,
    doorbell: Register,
}

const RINGS: [Names; 2] = [
    Names {
        control: IH_RB_CNTL,
        base: (IH_RB_BASE, IH_RB_BASE_HI),
        rptr: IH_RB_RPTR,
        wptr: IH_RB_WPTR,
        doorbell: IH_DOORBELL_RPTR,
    },
    Names {
        control: IH_RB_CNTL_RING1,
        base: (IH_RB_BASE_RING1, IH_RB_BASE_HI_RING1),
        rptr: IH_RB_RPTR_RING1,
        wptr: IH_RB_WPTR_RING1,
        doorbell: IH_DOORBELL_RPTR_RING1,
    },
];

// Both rings have these fields in the same place.
use amdgpu_registers::osssys::IH_RB_CNTL as control;
const OFFSET: Field = amdgpu_registers::osssys::IH_RB_WPTR::OFFSET;
const OVERFLOW: Field = amdgpu_registers::osssys::IH_RB_WPTR::RB_OVERFLOW;

/// The block's state beyond its registers.
#[derive(Default)]
pub(crate) struct Ih {
    /// Rows of which clients use ring 1.
    ring1: [u32; 8],
}

fn bytes(settings: u32) -> u32 {
    4 << control::RB_SIZE.of(settings).min(16)
}

fn offset(pointer: u32) -> u32 {
    pointer & OFFSET.mask()
}

impl Ih {
    /// Whether an interrupt goes to ring 1.
    fn diverted(&self, vector: Vector) -> bool {
        use amdgpu_registers::osssys::IH_RING1_CLIENT_CFG_DATA::{
            CLIENT_ID, SOURCE_ID, SOURCE_ID_MATCH_ENABLE,
        };
        self.ring1.iter().any(|row| {
            *row != 0
                && CLIENT_ID.of(*row) == u32::from(vector.client)
                && (SOURCE_ID_MATCH_ENABLE.of(*row) == 0
                    || SOURCE_ID.of(*row) == u32::from(vector.source))
        })
    }

    fn deliver(&mut self, vector: Vector, fabric: &mut Fabric) -> Result<(), Violation> {
        let ring = usize::from(self.diverted(vector));
        let names = &RINGS[ring];
        let settings = fabric.registers.get(names.control);
        if control::RB_ENABLE.of(settings) == 0 {
            return Ok(());
        }
        let size = bytes(settings);
        let pointer = fabric.registers.get(names.wptr);
        let (wptr, rptr) = (offset(pointer), offset(fabric.registers.get(names.rptr)));
        let used = wptr.wrapping_sub(rptr) % size;
        let full = used + ENTRY >= size;
        let may_overflow = control::WPTR_OVERFLOW_ENABLE.of(settings) != 0;
        if full && !may_overflow {
            return Ok(());
        }
        // The fault is a storm: the same interrupt fills the whole ring before anybody looks.
        let storm = may_overflow && fabric.faults.happens(FaultKind::IhOverflow);
        let entries = if storm { size / ENTRY } else { 1 };
        // 40 bits of address in units of 256 bytes.
        let base = (fabric.registers.pair(names.base.0, names.base.1) & 0xff_ffff_ffff) << 8;
        let entry = entry(vector, fabric);
        let mut next = wptr % size;
        for _ in 0..entries {
            write(settings, base + u64::from(next), &entry, fabric)?;
            next = (next + ENTRY) % size;
        }
        let next = next | (pointer & OVERFLOW.mask()) | u32::from(full || storm);
        fabric.registers.set(names.wptr, next);
        if ring == 0 && control::WPTR_WRITEBACK_ENABLE.of(settings) != 0 {
            let address = fabric
                .registers
                .pair(IH_RB_WPTR_ADDR_LO, IH_RB_WPTR_ADDR_HI);
            write(settings, address, &next.to_le_bytes(), fabric)?;
        }
        Ok(())
    }

    /// Settings of a ring are written.
    fn settings(&self, names: &Names, value: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        let old = fabric.registers.get(names.control);
        if control::RB_ENABLE.of(value) != 0 {
            let log = control::RB_SIZE.of(value);
            let what = format_args!("{} <- {value:#x}", names.control);
            fabric.require((8..=16).contains(&log), SIZE, what)?;
            let base = fabric.registers.pair(names.base.0, names.base.1);
            let space = control::MC_SPACE.of(value);
            let good = base != 0 && [BUS_SPACE, CARD_SPACE].contains(&space);
            fabric.require(good, PLACE, format_args!("{what}, base {base:#x} << 8"))?;
            let live = control::RB_ENABLE.of(old) != 0;
            let same = control::RB_SIZE.of(old) == log && control::MC_SPACE.of(old) == space;
            fabric.require(!live || same, LIVE, what)?;
            let write_back = fabric
                .registers
                .pair(IH_RB_WPTR_ADDR_LO, IH_RB_WPTR_ADDR_HI);
            let on = names.control == IH_RB_CNTL && control::WPTR_WRITEBACK_ENABLE.of(value) != 0;
            fabric.require(
                !on || write_back != 0 && write_back.is_multiple_of(4),
                WRITE_BACK,
                format_args!("{what}, address {write_back:#x}"),
            )?;
        }
        if control::WPTR_OVERFLOW_CLEAR.of(value) != 0 {
            let pointer = fabric.registers.get(names.wptr);
            fabric.registers.set(names.wptr, pointer & !OVERFLOW.mask());
        }
        Ok(())
    }

    /// The read pointer of a ring is written.
    fn read_to(&self, names: &Names, value: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        let settings = fabric.registers.get(names.control);
        if control::RB_ENABLE.of(settings) == 0 {
            return Ok(());
        }
        let what = format_args!("{} <- {value:#x}", names.rptr);
        let size = bytes(settings);
        let whole = value.is_multiple_of(ENTRY) && value < size;
        fabric.require(whole, UNITS, what)?;
        let pointer = fabric.registers.get(names.wptr);
        let (wptr, rptr) = (offset(pointer), offset(fabric.registers.get(names.rptr)));
        let written = wptr.wrapping_sub(rptr) % size;
        let moved = value.wrapping_sub(rptr) % size;
        // A ring that has overflowed holds no entry that a read pointer must not pass.
        let overflow = OVERFLOW.of(pointer) != 0;
        fabric.require(
            moved <= written || overflow,
            RANGE,
            format_args!("{what}, it was {rptr:#x}, the write pointer is {wptr:#x}"),
        )
    }
}

/// Makes an entry.
fn entry(vector: Vector, fabric: &Fabric) -> [u8; ENTRY as usize] {
    let Vector {
        client,
        source,
        ring,
        vmid,
        mm_hub,
        data,
    } = vector;
    let time = fabric.clock.reference();
    let who = u32::from_le_bytes([client, source, ring, vmid & 0xf]) | u32::from(mm_hub) << 31;
    let [a, b, c, d] = data;
    let dwords = [
        who,
        time as u32,
        (time >> 32) as u32 & 0xffff,
        0,
        a,
        b,
        c,
        d,
    ];
    let mut bytes = [0; ENTRY as usize];
    bytes.copy_from_slice(dwords.map(u32::to_le_bytes).as_flattened());
    bytes
}

/// Writes to where a ring or its pointer lies.
fn write(settings: u32, address: u64, data: &[u8], fabric: &mut Fabric) -> Result<(), Violation> {
    if control::MC_SPACE.of(settings) == BUS_SPACE {
        return fabric.host_write(address, data);
    }
    let events = fabric.events.len();
    fabric.store(CLIENT, address, data)?;
    // A page fault here must not become one more entry that does not arrive.
    let arrived = fabric.events.len() == events;
    fabric.events.truncate(events);
    fabric.require(
        arrived,
        PLACE,
        format_args!("an entry or write pointer at {address:#x} meets a page fault"),
    )
}

impl Block for Ih {
    fn write(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        let register = at.register;
        for names in &RINGS {
            let live = control::RB_ENABLE.of(fabric.registers.get(names.control)) != 0;
            if register == names.control {
                self.settings(names, value, fabric)?;
            } else if register == names.rptr {
                self.read_to(names, value, fabric)?;
            } else if register == names.wptr && live {
                let same = offset(value) == offset(fabric.registers.get(register));
                fabric.require(same, WPTR, format_args!("{register} <- {value:#x}"))?;
            } else if live && (register == names.base.0 || register == names.base.1) {
                fabric.broken(LIVE, format_args!("{register} <- {value:#x}"))?;
            }
        }
        match register {
            IH_RING1_CLIENT_CFG_DATA => {
                let row = fabric.registers.get(IH_RING1_CLIENT_CFG_INDEX) % 8;
                self.ring1[row as usize] = value;
            }
            IH_RB_RPTR | IH_RB_RPTR_RING1 => {
                fabric.registers.store(at, offset(value));
                return Ok(());
            }
            _ => {}
        }
        fabric.registers.store(at, value);
        Ok(())
    }

    fn event(&mut self, event: Event, fabric: &mut Fabric) -> Result<(), Violation> {
        match event {
            Event::Reset(Scope::Card) => *self = Self::default(),
            Event::Interrupt(vector) => self.deliver(vector, fabric)?,
            Event::Doorbell {
                to: Port::Ih,
                offset: byte,
                value,
                ..
            } => {
                use amdgpu_registers::osssys::IH_DOORBELL_RPTR as doorbell;
                for names in &RINGS {
                    let settings = fabric.registers.get(names.doorbell);
                    let own = doorbell::OFFSET.of(settings) == byte / 4;
                    if own && doorbell::ENABLE.of(settings) != 0 {
                        self.read_to(names, value as u32, fabric)?;
                        fabric.registers.set(names.rptr, offset(value as u32));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}
