//! Interrupts, polled: a ring of entries in host memory, in which the card says who wants attention and why.
//!
//! Ring and write pointer are in host memory, so that a poll without news touches no register. One ring is enough: ring 1
//! is for machines that must not lose other interrupts in a storm of faults.
//!
//! Sources: Linux `ih_v6_0.c` (registers, overflow), `amdgpu_ih.c` (order of reads), `soc15_int.h` and `soc21_ih_clientid.h`
//! (entries, clients), `irqsrcs_gfx_11_0_0.h`, `irqsrcs_vmc_1_0.h`, `irqsrcs_sdma0_5_0.h` (sources); tinygrad `ip.py` `AM_IH`.

use core::fmt;

use amdgpu_registers::osssys::{
    IH_DOORBELL_RPTR, IH_INT_FLOOD_CNTL, IH_MSI_STORM_CTRL, IH_RB_BASE, IH_RB_BASE_HI, IH_RB_CNTL,
    IH_RB_RPTR, IH_RB_WPTR, IH_RB_WPTR_ADDR_HI, IH_RB_WPTR_ADDR_LO, IH_STORM_CLIENT_LIST_CNTL,
};

use crate::{Device, Error, GpuVa, HostBuffer};

/// Bytes of an entry.
const ENTRY: u32 = 32;
/// The largest ring: its pointers have 18 bits.
const RING: u64 = 256 << 10;
/// A page for the write pointer.
const PAGE: u64 = 4096;
/// MC_SPACE: addresses are those of the bus.
const BUS_SPACE: u32 = 2;
/// Bits of both pointers that are an offset.
const OFFSET: u32 = IH_RB_WPTR::OFFSET.mask();

/// An entry of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupt {
    /// Who (`soc21_ih_clientid.h`).
    pub client: u8,
    /// Why, in the client's numbers.
    pub source: u8,
    /// Which ring or instance of the client.
    pub ring: u8,
    /// For which VMID.
    pub vmid: u8,
    /// The VMID is one of the MM hub.
    pub mm_hub: bool,
    /// When, by the card's clock of 100 MHz.
    pub time: u64,
    /// What the client adds.
    pub data: [u32; 4],
}

/// What an interrupt means to this driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A page could not be reached.
    PageFault {
        /// In the MM hub, not in that of graphics.
        mm_hub: bool,
        /// The page.
        address: GpuVa,
    },
    /// A fence's packet was executed.
    EndOfPipe,
    /// A copy queue was told to say so.
    Trap,
    /// Something that a queue does not get over.
    Fatal(&'static str),
    /// Nothing that this driver asked for.
    Other,
}

const CLIENT_GFX: u8 = 0x0a;
const CLIENT_VMC: u8 = 0x12;
const CLIENT_GRBM_CP: u8 = 0x14;

/// Sources after which a queue stands still.
const FATAL: &[(u8, u8, &str)] = &[
    (CLIENT_GFX, 1, "poisoned data was read"),
    (CLIENT_GFX, 54, "SDMA: invalid doorbell"),
    (CLIENT_GFX, 55, "SDMA: queue hangs"),
    (CLIENT_GFX, 57, "SDMA: poll timed out"),
    (CLIENT_GFX, 58, "SDMA: page timed out"),
    (CLIENT_GFX, 59, "SDMA: null page"),
    (CLIENT_GFX, 60, "SDMA: page fault"),
    (CLIENT_GFX, 61, "SDMA: address in the hole"),
    (CLIENT_GFX, 62, "SDMA: memory error"),
    // RLC_GC_FED_INTERRUPT: fatal error detected, which is how graphics tells of poison that reached it.
    (CLIENT_GFX, 128, "poisoned data reached graphics"),
    (CLIENT_VMC, 1, "poisoned data was read"),
    (CLIENT_GRBM_CP, 180, "reserved bit in a packet"),
    (CLIENT_GRBM_CP, 183, "unknown packet"),
    (CLIENT_GRBM_CP, 184, "privileged register"),
    (CLIENT_GRBM_CP, 185, "privileged packet"),
    (CLIENT_GRBM_CP, 195, "general protection fault"),
    (CLIENT_GRBM_CP, 197, "memory error in the command processor"),
    (
        CLIENT_GRBM_CP,
        201,
        "uncorrectable error in the command processor",
    ),
    (CLIENT_GRBM_CP, 232, "register read timed out"),
];

const SOURCE_FAULT: u8 = 0;
const SOURCE_TRAP: u8 = 49;
const SOURCE_SQ: u8 = 239;
const SOURCE_EOP: u8 = 181;

impl Interrupt {
    fn parse(entry: &[u8; ENTRY as usize]) -> Self {
        let dword = |n: usize| {
            let at = 4 * n;
            u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]])
        };
        let [client, source, ring, who] = dword(0).to_le_bytes();
        Self {
            client,
            source,
            ring,
            vmid: who & 0xf,
            mm_hub: who & 0x80 != 0,
            time: u64::from(dword(2) & 0xffff) << 32 | u64::from(dword(1)),
            data: [dword(4), dword(5), dword(6), dword(7)],
        }
    }

    /// What it means.
    #[must_use]
    pub fn meaning(&self) -> Meaning {
        let fatal = FATAL.iter();
        let mut fatal =
            fatal.filter(|(client, source, _)| (*client, *source) == (self.client, self.source));
        match (self.client, self.source) {
            (CLIENT_GFX | CLIENT_VMC, SOURCE_FAULT) => {
                let [low, high, ..] = self.data;
                Meaning::PageFault {
                    mm_hub: self.mm_hub,
                    address: GpuVa(u64::from(low) << 12 | u64::from(high & 0xf) << 44),
                }
            }
            (CLIENT_GFX, SOURCE_SQ) => self.shader(),
            (CLIENT_GFX, SOURCE_TRAP) => Meaning::Trap,
            (CLIENT_GRBM_CP, SOURCE_EOP) => Meaning::EndOfPipe,
            _ => fatal
                .next()
                .map_or(Meaning::Other, |(.., what)| Meaning::Fatal(what)),
        }
    }

    /// An interrupt of a shader engine (KFD `kfd_int_process_v11.c`): what it is about stands in its data.
    fn shader(&self) -> Meaning {
        let [first, second, ..] = self.data;
        const ERROR: u32 = 2;
        if second >> 6 & 3 != ERROR {
            return Meaning::Other;
        }
        Meaning::Fatal(match first >> 21 & 0xf {
            0 => "shader: uncorrectable memory error",
            1 => "shader: illegal instruction",
            2 => "shader: memory violation",
            3 => "shader: memory error",
            _ => "shader: unknown error",
        })
    }
}

impl fmt::Display for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.meaning() {
            Meaning::PageFault { mm_hub, address } => {
                let hub = if mm_hub { "MM" } else { "GC" };
                write!(f, "page fault in the {hub} hub at {address:?}")?;
            }
            Meaning::EndOfPipe => f.write_str("end of pipe")?,
            Meaning::Trap => f.write_str("SDMA trap")?,
            Meaning::Fatal(what) => f.write_str(what)?,
            Meaning::Other => write!(f, "client {:#x}, source {}", self.client, self.source)?,
        }
        let Self {
            ring,
            vmid,
            time,
            data,
            ..
        } = self;
        write!(
            f,
            " (ring {ring:#x}, VMID {vmid}, time {time}, data {data:x?})"
        )
    }
}

/// The ring.
#[derive(Debug)]
pub struct InterruptRing {
    entries: HostBuffer,
    pointer: HostBuffer,
    /// Bytes of the ring.
    bytes: u32,
    /// The next entry.
    rptr: u32,
    /// How often entries were lost.
    overflows: u64,
}

impl InterruptRing {
    /// Makes the ring and has the card write to it.
    ///
    /// # Errors
    /// If there is no host memory, or no such registers.
    pub fn create(device: &mut Device) -> Result<Self, Error> {
        let mut allocate = |bytes| {
            let buffer = device.bus().allocate(bytes);
            let buffer = buffer.filter(|buffer| !buffer.ranges.is_empty());
            let what = "interrupt ring";
            buffer.ok_or(Error::NoRoom { what, bytes })
        };
        let (entries, pointer) = (allocate(RING)?, allocate(PAGE)?);
        // As much as lies in one piece: the hardware takes one address.
        let bytes = 1 << entries.ranges[0].bytes.clamp(PAGE, RING).ilog2();
        let mut ring = Self {
            entries,
            pointer,
            bytes,
            rptr: 0,
            overflows: 0,
        };
        ring.set_up(device)?;
        Ok(ring)
    }

    /// Has the card write to the ring from its beginning, as after a reset.
    ///
    /// # Errors
    /// If there are no such registers.
    pub fn set_up(&mut self, device: &mut Device) -> Result<(), Error> {
        use IH_RB_CNTL as control;
        let base = self.entries.ranges[0].address.0;
        let pointer = self.pointer.ranges[0].address.0;
        self.rptr = 0;
        device.bus().host_write(&self.pointer, 0, &[0; 4]);
        self.stop(device)?;
        device.write_all(&[
            (IH_RB_RPTR, 0),
            (IH_RB_WPTR, 0),
            (IH_RB_BASE, (base >> 8) as u32),
            (IH_RB_BASE_HI, (base >> 40) as u32 & 0xff),
        ])?;
        let size = (self.bytes / 4).ilog2();
        let settings = control::MC_SPACE.is(BUS_SPACE)
            | control::WPTR_OVERFLOW_CLEAR.is(1)
            | control::WPTR_OVERFLOW_ENABLE.is(1)
            | control::RB_SIZE.is(size)
            | control::WPTR_WRITEBACK_ENABLE.is(1)
            | control::MC_SNOOP.is(1);
        device.write_all(&[
            (IH_RB_CNTL, settings),
            (IH_RB_WPTR_ADDR_LO, pointer as u32),
            (IH_RB_WPTR_ADDR_HI, (pointer >> 32) as u32 & 0xffff),
            (IH_DOORBELL_RPTR, 0),
        ])?;
        // Faults of the hubs may storm, and are held back then.
        let storm = IH_STORM_CLIENT_LIST_CNTL::CLIENT18_IS_STORM_CLIENT;
        device.update(IH_STORM_CLIENT_LIST_CNTL, &[(storm, 1)])?;
        device.update(
            IH_INT_FLOOD_CNTL,
            &[(IH_INT_FLOOD_CNTL::FLOOD_CNTL_ENABLE, 1)],
        )?;
        device.update(IH_MSI_STORM_CTRL, &[(IH_MSI_STORM_CTRL::DELAY, 3)])?;
        let settings = control::WPTR_OVERFLOW_CLEAR.set(settings, 0);
        let on = settings | control::RB_ENABLE.is(1) | control::ENABLE_INTR.is(1);
        device.write(IH_RB_CNTL, on)
    }

    /// How often entries were lost because nobody polled in time.
    #[must_use]
    pub fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Takes what came since the last poll, oldest first, at most a ring full: how many.
    ///
    /// # Errors
    /// If there are no such registers.
    pub fn poll(
        &mut self,
        device: &mut Device,
        take: &mut dyn FnMut(&Interrupt),
    ) -> Result<u32, Error> {
        let mut pointer = [0; 4];
        device.bus().host_read(&self.pointer, 0, &mut pointer);
        let mut wptr = u32::from_le_bytes(pointer);
        if IH_RB_WPTR::RB_OVERFLOW.of(wptr) != 0 {
            wptr = self.overflowed(device)?;
        }
        // The offset of a pointer counts bytes; a card cannot make this loop go astray with any value.
        let wptr = (wptr & OFFSET) % self.bytes / ENTRY * ENTRY;
        let mut count = 0;
        while self.rptr != wptr {
            let mut entry = [0; ENTRY as usize];
            device
                .bus()
                .host_read(&self.entries, self.rptr.into(), &mut entry);
            take(&Interrupt::parse(&entry));
            self.rptr = (self.rptr + ENTRY) % self.bytes;
            count += 1;
        }
        if count > 0 {
            device.write(IH_RB_RPTR, self.rptr)?;
        }
        Ok(count)
    }

    /// Goes on at the oldest entry that was not written over, and clears the flag, first set, then unset, so that the next
    /// overflow shows (`ih_v6_0_get_wptr`). The copy in memory keeps the flag until the next entry, the register does not.
    fn overflowed(&mut self, device: &mut Device) -> Result<u32, Error> {
        let wptr = device.read(IH_RB_WPTR)?;
        if IH_RB_WPTR::RB_OVERFLOW.of(wptr) == 0 {
            return Ok(wptr);
        }
        self.overflows += 1;
        self.rptr = ((wptr & OFFSET) + ENTRY) % self.bytes / ENTRY * ENTRY;
        let settings = device.read(IH_RB_CNTL)?;
        for clear in [1, 0] {
            let value = IH_RB_CNTL::WPTR_OVERFLOW_CLEAR.set(settings, clear);
            device.write(IH_RB_CNTL, value)?;
        }
        Ok(wptr)
    }

    /// Has the card write no more (`ih_v6_0_toggle_ring_interrupts`).
    ///
    /// # Errors
    /// If there are no such registers.
    pub fn stop(&mut self, device: &mut Device) -> Result<(), Error> {
        use IH_RB_CNTL as control;
        let off = [(control::RB_ENABLE, 0), (control::ENABLE_INTR, 0)];
        device.update(IH_RB_CNTL, &off)
    }

    /// Gives the memory back to the bus. The card does not write to it any more: the ring was stopped, or bus mastering is off.
    pub fn abandon(self, device: &mut Device) {
        device.bus().free(self.entries);
        device.bus().free(self.pointer);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::vec::Vec;

    use super::*;
    use crate::testing::{self, Seen};

    fn entry(dwords: [u32; 8]) -> Vec<u8> {
        dwords.map(u32::to_le_bytes).concat()
    }

    /// Puts an entry at an offset of the ring.
    fn put(seen: &Mutex<Seen>, offset: u32, dwords: [u32; 8]) {
        let mut seen = seen.lock().expect("no test panics with it");
        seen.host[0][offset as usize..][..ENTRY as usize].copy_from_slice(&entry(dwords));
    }

    fn point(seen: &Mutex<Seen>, pointer: u32) {
        let mut seen = seen.lock().expect("no test panics with it");
        seen.host[1][..4].copy_from_slice(&pointer.to_le_bytes());
    }

    fn ring() -> (Device, Arc<Mutex<Seen>>, InterruptRing) {
        let (mut device, seen) = testing::device(4096);
        let ring = InterruptRing::create(&mut device).expect("there is memory");
        (device, seen, ring)
    }

    fn polled(ring: &mut InterruptRing, device: &mut Device) -> Vec<Interrupt> {
        let mut all = Vec::new();
        let count = ring.poll(device, &mut |interrupt| all.push(*interrupt));
        assert_eq!(count, Ok(all.len() as u32));
        all
    }

    #[test]
    fn entries_come_in_order_and_around_the_end() {
        let (mut device, seen, mut ring) = ring();
        let last = ring.bytes - ENTRY;
        ring.rptr = last;
        put(&seen, last, [0x8002_000a, 7, 0, 0, 0x1234_5678, 0x1f, 0, 0]);
        put(&seen, 0, [0x0000_b514, 9, 1, 0, 0, 0, 0, 0]);
        point(&seen, ENTRY);
        let all = polled(&mut ring, &mut device);
        let fault = Meaning::PageFault {
            mm_hub: true,
            address: GpuVa(0xf123_4567_8000),
        };
        assert_eq!(all[0].meaning(), fault);
        assert_eq!((all[0].ring, all[0].time), (2, 7));
        assert_eq!(all[1].meaning(), Meaning::EndOfPipe);
        assert_eq!(all[1].time, 1 << 32 | 9);
        assert_eq!(polled(&mut ring, &mut device), []);
        let rptr = seen
            .lock()
            .expect("no test panics with it")
            .register_writes
            .pop();
        assert_eq!(rptr, Some((0x83, ENTRY)));
    }

    /// Whatever a card writes as its pointer, a poll ends after a ring full.
    #[test]
    fn any_pointer_ends_the_poll() {
        let (mut device, seen, mut ring) = ring();
        let mut random = testing::Random(7);
        for _ in 0..200 {
            point(&seen, random.next() as u32);
            let all = polled(&mut ring, &mut device);
            assert!(all.len() < (ring.bytes / ENTRY) as usize);
        }
    }

    /// Every register of this bus reads as 1: its overflow flag is set, and its offset is 0.
    #[test]
    fn an_overflow_loses_what_was_written_over_and_no_more() {
        let (mut device, seen, mut ring) = ring();
        point(&seen, 1);
        let all = polled(&mut ring, &mut device);
        assert_eq!(all.len() as u32, ring.bytes / ENTRY - 1);
        assert_eq!((ring.rptr, ring.overflows()), (0, 1));
    }

    #[test]
    fn shaders_say_in_their_data_what_is_wrong() {
        let mut interrupt = Interrupt::parse(&[0; 32]);
        (interrupt.client, interrupt.source) = (CLIENT_GFX, SOURCE_SQ);
        interrupt.data = [1 << 21, 2 << 6, 0, 0];
        let illegal = Meaning::Fatal("shader: illegal instruction");
        assert_eq!(interrupt.meaning(), illegal);
        interrupt.data = [1 << 21, 1 << 6, 0, 0];
        assert_eq!(interrupt.meaning(), Meaning::Other);
    }
}
