//! Security processor (PSP): hands the firmware of all blocks to it, in three stages.
//!
//! Its bootloader takes the parts of the secure operating system (sOS) one by one through a mailbox. sOS then takes commands
//! through a ring in video memory: a frame names a command buffer and a fence. All addresses are MC addresses.
//!
//! Sources: Linux `psp_v13_0.c`, `amdgpu_psp.c` (`psp_hw_start`, `psp_load_non_psp_fw`), `psp_gfx_if.h`; tinygrad `ip.py` `AM_PSP`.

use core::time::Duration;

use amdgpu_registers::mp;
use firmware_loader::{Component, Load};

use crate::layout::{Layout, PSP_COMMAND, PSP_FENCE, PSP_IMAGE, PSP_RING, Region};
use crate::{Device, Error, VramAddr};

/// What mailboxes show when they are ready (`GFX_FLAG_RESPONSE`).
const READY: u32 = 1 << 31;
/// Status of a ring command, in the mailbox.
const RING_STATUS: u32 = 0xffff;
/// Commands of the ring's mailbox (`psp_gfx_crtl_cmd_id`, `PSP_RING_TYPE__KM`).
const CREATE_KM_RING: u32 = 2 << 16;
const DESTROY_RINGS: u32 = 3 << 16;
const MODE1_RESET: u32 = 7 << 16;
/// Command of the bootloader that starts sOS.
const LOAD_SOS: u32 = 0x2_0000;

/// `psp_v13_0_wait_for_bootloader`: ten times 100 ms.
const BOOTLOADER_LIMIT: Duration = Duration::from_secs(1);
/// A real card needs 70 ms.
const SOS_LIMIT: Duration = Duration::from_secs(5);
/// `psp_cmd_submit_buf`: 20,000 polls of at least 10 us; autoload takes the longest, 126 ms on a real card.
const COMMAND_LIMIT: Duration = Duration::from_secs(2);
const RING_LIMIT: Duration = Duration::from_secs(1);
/// Both drivers pause after commands to the mailboxes: "there might be handshake issue with hardware".
const HANDSHAKE: Duration = Duration::from_millis(20);

/// Bytes of a frame (`psp_gfx_rb_frame`) and of a command buffer (`psp_gfx_cmd_resp`).
const FRAME: usize = 64;
const BUFFER: usize = 1024;
/// Offsets in a command buffer.
const COMMAND_ID: usize = 8;
const PAYLOAD: usize = 28;
const RESPONSE: u64 = 864;
const RESPONSE_TMR_BYTES: usize = 16;

/// Commands of the ring (`psp_gfx_cmd_id`).
const SETUP_TMR: u32 = 5;
const LOAD_IP_FW: u32 = 6;
const LOAD_TOC: u32 = 0x20;
const AUTOLOAD_RLC: u32 = 0x21;
/// The TMR's address is given for both, PSP and system (`virt_phy_addr` of `psp_gfx_cmd_setup_tmr`).
const VIRT_PHY_ADDR: u32 = 2;

/// What the status of a command means (`psp_gfx_if.h`; TEE Client API Specification 1.0, 4.4.2).
const MEANINGS: &[(u32, &str)] = &[
    (0x100, "it does not know the command"),
    (0xffff_0001, "access denied"),
    (0xffff_0006, "bad parameters"),
    (0xffff_000a, "not supported"),
    (0xffff_000c, "out of memory"),
    (
        0xffff_000f,
        "the signature is not right, or it is no firmware for this card",
    ),
];

/// PSP's ring, once it is there.
#[derive(Debug, Default)]
pub struct Psp {
    /// Value of the last fence.
    fence: u32,
    /// Bytes of the image buffer that are not zero, perhaps.
    used: Option<usize>,
}

impl Psp {
    /// sOS runs.
    ///
    /// # Errors
    /// If the card has no PSP.
    pub fn is_alive(device: &mut Device) -> Result<bool, Error> {
        Ok(device.read(mp::PSP_SOS_ALIVE)? != 0)
    }

    /// Gives the bootloader a component. After the last, sOS runs.
    ///
    /// # Errors
    /// If the bootloader is not ready in time, before or after: it says no more of a component that it does not like.
    pub fn boot(
        &mut self,
        device: &mut Device,
        layout: &Layout,
        component: &Component<'_>,
    ) -> Result<(), Error> {
        // `psp_v13_0_wait_for_bootloader` wants all bits, tinygrad only the highest; an error code shows in the lowest.
        let ready = (u32::MAX, READY);
        let what = "PSP's bootloader, before a component";
        device.wait(what, mp::PSP_BOOTLOADER, ready, BOOTLOADER_LIMIT)?;
        self.put_image(device, component.image)?;
        let address = layout.mc(PSP_IMAGE.start).0 >> 20;
        device.write(mp::PSP_BOOTLOADER_ADDRESS, address as u32)?;
        device.write(mp::PSP_BOOTLOADER, component.command)?;
        if component.command == LOAD_SOS {
            device.bus().pause(HANDSHAKE);
            let is_alive = |sign| sign != 0;
            device.wait_until("sOS", mp::PSP_SOS_ALIVE, SOS_LIMIT, is_alive)?;
        } else {
            device.wait(component.name, mp::PSP_BOOTLOADER, ready, BOOTLOADER_LIMIT)?;
        }
        Ok(())
    }

    /// Makes the ring.
    ///
    /// # Errors
    /// If sOS does not answer in time, or with an error.
    pub fn create_ring(&mut self, device: &mut Device, layout: &Layout) -> Result<(), Error> {
        if device.read(mp::PSP_RING_BYTES)? != 0 {
            device.write(mp::PSP_RING_COMMAND, DESTROY_RINGS)?;
            device.bus().pause(HANDSHAKE);
        }
        let what = "sOS, before its ring";
        device.wait(what, mp::PSP_RING_COMMAND, (READY, READY), RING_LIMIT)?;
        let ring = layout.mc(PSP_RING.start);
        device.write_all(&[
            (mp::PSP_RING_LOW, ring.low()),
            (mp::PSP_RING_HIGH, ring.high()),
            (mp::PSP_RING_BYTES, PSP_RING.bytes as u32),
            (mp::PSP_RING_COMMAND, CREATE_KM_RING),
        ])?;
        device.bus().pause(HANDSHAKE);
        let created = (READY | RING_STATUS, READY);
        device.wait("PSP's ring", mp::PSP_RING_COMMAND, created, RING_LIMIT)?;
        // The first fence must not be there already.
        device.bus().vram_write(PSP_FENCE.start.0, &[0; 4]);
        self.fence = 0;
        Ok(())
    }

    /// Loads the table of contents: bytes of the trusted memory region that all firmware together needs.
    ///
    /// # Errors
    /// If PSP does not answer, or with an error.
    pub fn load_toc(
        &mut self,
        device: &mut Device,
        layout: &Layout,
        image: &[u8],
    ) -> Result<u32, Error> {
        self.put_image(device, image)?;
        let at = layout.mc(PSP_IMAGE.start);
        let payload = [at.low(), at.high(), image.len() as u32];
        self.command(device, layout, "LOAD_TOC", LOAD_TOC, &payload)?;
        response(device, RESPONSE_TMR_BYTES)
    }

    /// Gives PSP its trusted memory region. The processor must not touch it from then on.
    ///
    /// # Errors
    /// If PSP does not answer, or with an error.
    pub fn set_up_tmr(
        &mut self,
        device: &mut Device,
        layout: &Layout,
        region: Region,
    ) -> Result<(), Error> {
        let (mc, system) = (layout.mc(region.start), region.start);
        let payload = [
            mc.low(),
            mc.high(),
            region.bytes as u32,
            VIRT_PHY_ADDR,
            system.low(),
            system.high(),
        ];
        self.command(device, layout, "SETUP_TMR", SETUP_TMR, &payload)
    }

    /// Loads the firmware of a block.
    ///
    /// # Errors
    /// If PSP does not answer, or does not take it. Linux goes on with a warning then, because some versions leave the
    /// status as it was; here it is cleared before, and tinygrad gives up too.
    pub fn load(
        &mut self,
        device: &mut Device,
        layout: &Layout,
        load: &Load<'_>,
    ) -> Result<(), Error> {
        self.put_image(device, load.image)?;
        let at = layout.mc(PSP_IMAGE.start);
        let payload = [at.low(), at.high(), load.image.len() as u32, load.kind];
        self.command(device, layout, load.name, LOAD_IP_FW, &payload)
    }

    /// Has the RLC start graphics and compute with all that was loaded.
    ///
    /// # Errors
    /// If PSP does not answer, or with an error.
    pub fn autoload(&mut self, device: &mut Device, layout: &Layout) -> Result<(), Error> {
        self.command(device, layout, "AUTOLOAD_RLC", AUTOLOAD_RLC, &[])
    }

    /// Asks sOS for a mode1 reset of the card (`psp_v13_0_mode1_reset`), which then is not waited for. Bus mastering is off.
    ///
    /// # Errors
    /// If sOS is not ready for it.
    pub fn mode1_reset(device: &mut Device) -> Result<(), Error> {
        let what = "sOS, before a reset";
        device.wait(what, mp::PSP_RING_COMMAND, (READY, READY), RING_LIMIT)?;
        device.write(mp::PSP_RING_COMMAND, MODE1_RESET)
    }

    /// Puts an image where PSP takes it from, with nothing but zeros behind it (`psp_copy_fw`, which clears the whole MiB).
    fn put_image(&mut self, device: &mut Device, image: &[u8]) -> Result<(), Error> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let (length, room) = (image.len(), PSP_IMAGE.bytes as usize);
        if length > room {
            return Err(Error::NoRoom {
                what: "an image on its way to PSP",
                bytes: length as u64,
            });
        }
        let start = PSP_IMAGE.start.0;
        device.bus().vram_write(start, image);
        let mut end = length;
        while end < self.used.unwrap_or(room) {
            let part = ZEROS.len().min(self.used.unwrap_or(room) - end);
            let zeros = ZEROS.get(..part).unwrap_or_default();
            device.bus().vram_write(start + end as u64, zeros);
            end += part;
        }
        self.used = Some(length);
        device.flush_hdp()
    }

    /// Has a command executed and waits for its fence (`psp_cmd_submit_buf`, `psp_ring_cmd_submit`).
    fn command(
        &mut self,
        device: &mut Device,
        layout: &Layout,
        name: &'static str,
        id: u32,
        payload: &[u32],
    ) -> Result<(), Error> {
        let mut buffer = [0; BUFFER];
        put(&mut buffer, COMMAND_ID, &[id]);
        put(&mut buffer, PAYLOAD, payload);
        device.bus().vram_write(PSP_COMMAND.start.0, &buffer);

        self.fence = self.fence.wrapping_add(1).max(1);
        let (at, fence) = (layout.mc(PSP_COMMAND.start), layout.mc(PSP_FENCE.start));
        let mut frame = [0; FRAME];
        let fields = [
            at.low(),
            at.high(),
            0,
            fence.low(),
            fence.high(),
            self.fence,
        ];
        put(&mut frame, 0, &fields);
        let dwords = PSP_RING.bytes as u32 / 4;
        let wptr = device.read(mp::PSP_RING_WPTR)?;
        if wptr >= dwords || !wptr.is_multiple_of(FRAME as u32 / 4) {
            return Err(Error::Unexpected {
                what: "write pointer of PSP's ring",
                found: wptr.into(),
                expected: "a frame of the ring",
            });
        }
        let slot = PSP_RING.start.plus(u64::from(wptr) * 4);
        device.bus().vram_write(slot.0, &frame);
        device.flush_hdp()?;
        device.write(mp::PSP_RING_WPTR, (wptr + FRAME as u32 / 4) % dwords)?;
        device.wait_vram(name, PSP_FENCE.start, self.fence, COMMAND_LIMIT)?;
        match response(device, 0)? {
            0 => Ok(()),
            u32::MAX if device.is_gone() => Err(device.gone()),
            status => Err(refused(name, status)),
        }
    }
}

fn put(bytes: &mut [u8], at: usize, dwords: &[u32]) {
    let slots = bytes.get_mut(at..).unwrap_or_default().as_chunks_mut().0;
    for (slot, dword) in slots.iter_mut().zip(dwords) {
        *slot = dword.to_le_bytes();
    }
}

/// A dword of the last command's response.
fn response(device: &mut Device, field: usize) -> Result<u32, Error> {
    let VramAddr(at) = PSP_COMMAND.start.plus(RESPONSE + field as u64);
    let mut dword = [0; 4];
    device.bus().vram_read(at, &mut dword);
    Ok(u32::from_le_bytes(dword))
}

fn refused(command: &'static str, status: u32) -> Error {
    let known = MEANINGS.iter().find(|(code, _)| *code == status);
    Error::Refused {
        by: "PSP",
        command,
        status,
        meaning: known.map_or("nobody outside AMD knows why", |(_, meaning)| meaning),
    }
}
