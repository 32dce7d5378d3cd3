//! The ring of sOS: how it is made, the frames in it, and the command buffers and fences that they name.

use amdgpu_registers::mp;

use super::boot::READY_BIT;
use super::{Poll, Psp, memory};
use crate::fabric::{Event, Fabric, Scope};
use crate::rule::{Violation, rules};

rules! { Psp:
    SOS, "psp-ring-sos", "C2PMSG_64 gets commands when sOS runs and bit 31 shows that it is ready",
        "Linux psp_v13_0.c psp_v13_0_ring_create waits for bit 31; tinygrad ip.py _ring_create";
    CONTROL, "psp-ring-control", "C2PMSG_64 gets the type of ring 2 (KM) << 16, DESTROY_RINGS or MODE1_RST",
        "Linux psp_gfx_if.h enum psp_gfx_crtl_cmd_id; psp_v13_0.c creates only PSP_RING_TYPE__KM";
    GEOMETRY, "psp-ring-geometry", "the ring is 4 KiB to 1 MiB of video memory, in whole pages, at a page's MC address",
        "Linux amdgpu_psp.c allocates 0x1000 bytes in VRAM; tinygrad ip.py 0x10000 bytes";
    ONCE, "psp-ring-once", "a ring is destroyed before another is made",
        "Linux psp_v13_0.c psp_v13_0_ring_create; tinygrad ip.py _ring_create looks at C2PMSG_71 for that";
    RING, "psp-ring-exists", "C2PMSG_67 is written when a ring exists",
        "Linux amdgpu_psp.c psp_ring_cmd_submit comes after psp_ring_create";
    WPTR, "psp-ring-wptr", "C2PMSG_67 moves by frames of 16 dwords and wraps to 0 at the ring's end",
        "Linux amdgpu_psp.c psp_ring_cmd_submit: (wptr + frame dwords) modulo ring dwords";
    BUFFER, "psp-command-buffer", "a frame names a command buffer of 1024 bytes in video memory, aligned to 4",
        "Linux psp_gfx_if.h struct psp_gfx_cmd_resp: 1024 bytes; amdgpu_psp.c allocates it in VRAM or GTT page by page";
    FENCE, "psp-fence-address", "a frame names an aligned dword of video memory for its fence, outside ring and command buffer",
        "Linux amdgpu_psp.c allocates a fence buffer of its own; tinygrad ip.py fence_paddr";
    FENCE_VALUE, "psp-fence-value", "a fence's value is not 0 and not what the fence already holds",
        "Linux amdgpu_psp.c counts fence_value up by atomic_inc_return; the driver could not see the command's end otherwise";
    RESET_MASTER, "psp-reset-bus-master", "the card is taken off bus mastering before MODE1_RST",
        "Linux amdgpu_device.c amdgpu_device_mode1_reset: pci_clear_master first";
}

/// Bytes of a frame.
const FRAME: u64 = 64;
/// Bytes of a command buffer.
pub(crate) const BUFFER_BYTES: u64 = 1024;
const RING_MAX: u64 = 1 << 20;
const PAGE: u64 = 4096;
/// Reads of C2PMSG_64 until a control command is done.
const CONTROL_READS: u32 = 3;

const KM_RING: u32 = 2 << 16;
const DESTROY_RINGS: u32 = 3 << 16;
const MODE1_RESET: u32 = 7 << 16;

/// The ring.
#[derive(Default)]
pub(crate) struct Ring {
    /// Offset in video memory and bytes.
    place: Option<(u64, u64)>,
    wptr: u32,
    ready: Poll,
}

/// What a frame says, with offsets in video memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) buffer: u64,
    pub(crate) fence: u64,
    pub(crate) value: u32,
}

fn overlaps(one: (u64, u64), other: (u64, u64)) -> bool {
    one.0 < other.0 + other.1 && other.0 < one.0 + one.1
}

impl Psp {
    /// A read of C2PMSG_64: ready, and status 0.
    pub(crate) fn ring_status(&mut self, value: u32) -> u32 {
        if !self.boot.alive() {
            return value;
        }
        let ready = !self.silent && self.ring.ready.read();
        if ready { READY_BIT } else { 0 }
    }

    /// A write of C2PMSG_64.
    pub(crate) fn ring_command(
        &mut self,
        command: u32,
        fabric: &mut Fabric,
    ) -> Result<(), Violation> {
        let (alive, ready) = (self.boot.alive(), self.ring.ready.done());
        fabric.require(
            alive && ready,
            SOS,
            format_args!(
                "C2PMSG_64 <- {command:#x}, the component SOS runs: {alive}, ready: {ready}"
            ),
        )?;
        if self.goes_silent(fabric) {
            return Ok(());
        }
        self.ring.ready = Poll::after(CONTROL_READS);
        match command {
            KM_RING => self.create(fabric),
            DESTROY_RINGS => {
                self.ring.place = None;
                self.ring.wptr = 0;
                fabric.registers.set(mp::PSP_RING_WPTR, 0);
                Ok(())
            }
            MODE1_RESET => {
                let master = fabric.bus_master;
                fabric.require(
                    !master,
                    RESET_MASTER,
                    format_args!("C2PMSG_64 <- {command:#x}"),
                )?;
                fabric.events.push(Event::Reset(Scope::Card));
                Ok(())
            }
            _ => fabric.broken(CONTROL, format_args!("C2PMSG_64 <- {command:#x}")),
        }
    }

    fn create(&mut self, fabric: &mut Fabric) -> Result<(), Violation> {
        let exists = self.ring.place.is_some();
        fabric.require(!exists, ONCE, format_args!("C2PMSG_64 <- {KM_RING:#x}"))?;
        let mc = fabric.registers.pair(mp::PSP_RING_LOW, mp::PSP_RING_HIGH);
        let bytes = u64::from(fabric.registers.get(mp::PSP_RING_BYTES));
        let good = (PAGE..=RING_MAX).contains(&bytes)
            && bytes.is_multiple_of(PAGE)
            && mc.is_multiple_of(PAGE);
        fabric.require(
            good,
            GEOMETRY,
            format_args!("C2PMSG_69 to 71: {bytes:#x} bytes at {mc:#x}"),
        )?;
        let what = format_args!("C2PMSG_69 and 70");
        let offset = memory::place(fabric, mc, bytes, GEOMETRY, what)?;
        self.outside_tmr(offset, bytes, "ring", fabric)?;
        self.ring.place = Some((offset, bytes));
        self.ring.wptr = 0;
        fabric.registers.set(mp::PSP_RING_WPTR, 0);
        Ok(())
    }

    /// A write of C2PMSG_67: frames up to there are to be executed.
    pub(crate) fn ring_submit(&mut self, wptr: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        let place = self.ring.place;
        fabric.require(
            place.is_some() && self.ring.ready.done(),
            RING,
            format_args!("C2PMSG_67 <- {wptr:#x} without a ring that has shown itself ready"),
        )?;
        let Some((offset, bytes)) = place else {
            return Ok(());
        };
        let dwords = (bytes / 4) as u32;
        let old = self.ring.wptr;
        fabric.require(
            wptr.is_multiple_of(16) && wptr < dwords && wptr != old,
            WPTR,
            format_args!("C2PMSG_67 <- {wptr:#x} after {old:#x}, in a ring of {dwords:#x} dwords"),
        )?;
        fabric.registers.set(mp::PSP_RING_WPTR, wptr);
        // The check above bounds the frames by the ring; at another level a broken pointer executes nothing.
        if !wptr.is_multiple_of(16) || wptr >= dwords {
            return Ok(());
        }
        while self.ring.wptr != wptr {
            let at = offset + u64::from(self.ring.wptr) * 4;
            self.ring.wptr = (self.ring.wptr + 16) % dwords;
            if self.goes_silent(fabric) {
                continue;
            }
            let frame = frame(fabric, at, (offset, bytes))?;
            self.outside_tmr(frame.buffer, BUFFER_BYTES, "command buffer", fabric)?;
            self.outside_tmr(frame.fence, 4, "fence", fabric)?;
            self.execute(frame, fabric)?;
            fabric.vram_store(frame.fence, &frame.value.to_le_bytes())?;
        }
        Ok(())
    }

    /// Where the ring is, for the check that the trusted memory region lies elsewhere.
    pub(crate) fn ring_place(&self) -> Option<(u64, u64)> {
        self.ring.place
    }
}

/// Reads a frame and checks where it points.
fn frame(fabric: &mut Fabric, at: u64, ring: (u64, u64)) -> Result<Frame, Violation> {
    let mut bytes = [0; FRAME as usize];
    memory::load(fabric, at, &mut bytes, format_args!("PSP's frame"))?;
    let dword = |n| memory::dword(&bytes, n);
    let wide = |n| u64::from(dword(n + 4)) << 32 | u64::from(dword(n));
    let (buffer, fence, value) = (wide(0), wide(12), dword(20));
    let what = format_args!("command buffer {buffer:#x} of a frame");
    fabric.require(buffer.is_multiple_of(4), BUFFER, what)?;
    let buffer = memory::place(fabric, buffer, BUFFER_BYTES, BUFFER, what)?;
    let what = format_args!("fence {fence:#x} of a frame");
    fabric.require(fence.is_multiple_of(4), FENCE, what)?;
    let fence = memory::place(fabric, fence, 4, FENCE, what)?;
    let apart = !overlaps((fence, 4), (buffer, BUFFER_BYTES)) && !overlaps((fence, 4), ring);
    fabric.require(apart, FENCE, what)?;
    let mut held = [0; 4];
    fabric.vram.read(fence, &mut held);
    let undefined = fabric.vram.undefined(fence, 4);
    let new = value != 0 && (undefined || held != value.to_le_bytes());
    fabric.require(
        new,
        FENCE_VALUE,
        format_args!(
            "fence value {value:#x}, memory holds {:#x}",
            u32::from_le_bytes(held)
        ),
    )?;
    Ok(Frame {
        buffer,
        fence,
        value,
    })
}
