//! The commands of sOS: table of contents, trusted memory region (TMR), firmware of the blocks, autoload.

use std::collections::BTreeSet;

use amdgpu_registers::{mmhub, osssys};

use super::firmware::{self, Firmware, Need, RLC_G, SMU};
use super::image::{self, Expected};
use super::ring::{BUFFER_BYTES, Frame};
use super::toc::Toc;
use super::{Psp, memory};
use crate::fabric::{Event, Fabric};
use crate::fault::FaultKind;
use crate::journal::{Access, Place};
use crate::rule::{Violation, rules};
use crate::vram::VRAM_BYTES;

rules! { Psp:
    UNKNOWN, "psp-command", "a command buffer has a command that sOS knows",
        "Linux psp_gfx_if.h enum psp_gfx_cmd_id",
        tolerated "Linux psp_gfx_if.h names the answer: PSP_ERR_UNKNOWN_COMMAND 0x100, and the fence is still written";
    TOC, "psp-toc-first", "LOAD_TOC comes before SETUP_TMR, which takes its size from the answer",
        "Linux amdgpu_psp.c psp_tmr_init: psp_load_toc; tinygrad ip.py _tmr_init";
    TOC_FITS, "psp-toc-fits", "firmware is not longer than the place that the table of contents has for it",
        "AMD's files: the table in psp_13_0_0_sos has the sizes of the images in gc_11_0_0_* and sdma_6_0_0, without header and signature";
    SMU_FIRST, "psp-smu-before-tmr", "the SMU's firmware is loaded before the TMR is set up",
        "Linux amdgpu_psp.c psp_hw_start: TMR setup after PMFW where DF C-states are its (13.0.0); tinygrad ip.py AM_PSP.init_hw";
    TMR_FIRST, "psp-tmr-before-firmware", "other firmware is loaded when the TMR is set up",
        "Linux amdgpu_psp.c psp_load_fw: psp_hw_start, then psp_load_non_psp_fw; tinygrad ip.py AM_PSP.init_hw";
    TMR_PLACE, "psp-tmr-place", "the TMR lies in video memory, aligned to 1 MiB, given both as MC address and as offset",
        "Linux amdgpu_psp.c PSP_TMR_ALIGNMENT, psp_prep_tmr_cmd_buf: virt_phy_addr, system_phy_addr";
    TMR_SIZE, "psp-tmr-size", "the TMR has the bytes that LOAD_TOC answered",
        "Linux amdgpu_psp.c psp_tmr_init; tinygrad ip.py _tmr_load_cmd";
    TMR_OVERLAP, "psp-tmr-overlap", "the TMR overlaps nothing that the driver or the card uses",
        "Linux amdgpu_psp.c reserves it; tinygrad ip.py allocates it by itself";
    TMR_ONCE, "psp-tmr-once", "the TMR is set up once, and destroyed only after that",
        "Linux amdgpu_psp.c psp_tmr_load and psp_tmr_unload come in pairs";
    TYPE, "psp-firmware-type", "LOAD_IP_FW names a firmware that Navi 31 has",
        "Linux psp_gfx_if.h enum psp_gfx_fw_type; the types of F32 engines and of other generations are not in this card";
    ADDRESS, "psp-firmware-address", "the image of LOAD_TOC or LOAD_IP_FW lies in video memory, by MC address",
        "Linux amdgpu_psp.c psp_prep_load_ip_fw_cmd_buf: mc_addr of the firmware buffer";
    TMR_USE, "psp-tmr-use", "after SETUP_TMR nothing that the driver hands to PSP lies in the TMR",
        "Linux amdgpu_psp.c allocates the TMR apart from ring, command buffer, fence and firmware buffer";
    RLC_LAST, "psp-rlc-last", "of the firmware for graphics and compute, RLC_G comes last",
        "Linux amdgpu_psp.c psp_load_non_psp_fw starts autoload after AMDGPU_UCODE_ID_RLC_G; tinygrad amdev.py appends it last";
    COMPLETE, "psp-autoload-complete", "AUTOLOAD_RLC comes when all that compute needs is loaded: SMU, SDMA, MEC with a stack, IMU, RLC",
        "Linux amdgpu_psp.c psp_load_non_psp_fw and tinygrad amdev.py AMFirmware load all of these";
    WHOLE, "psp-autoload-whole", "AUTOLOAD_RLC comes when PFP, ME, MES, all stacks and the save lists are loaded too",
        "Linux gfx_v11_0.c and amdgpu_psp.c load all that the firmware files have; the table of contents has places for them",
        tolerated "tinygrad amdev.py AMFirmware loads none of these on GC 11 and computes";
    AUTOLOAD_ONCE, "psp-autoload-once", "firmware for graphics and compute is not loaded, nor autoload started, after autoload",
        "Linux amdgpu_psp.c starts autoload once after a reset";
}

/// Bytes that PSP asks for on a real RX 7900 XTX; it has room for the table of contents twice.
pub(crate) const TMR_BYTES: u64 = 0x130_0000;
const TMR_ALIGNMENT: u64 = 1 << 20;
/// Where the program of the MEC starts, in bytes. PSP is not told: it stands in the header of the container, which no driver
/// hands over. All published files of GC 11.0.0 say this; the autoload's firmware knows it in a way that is not public.
const MEC_START: u64 = 0x0007_0000_0000_3000;

/// From here to the end, video memory holds PSP's run-time database and the discovery table.
const CARDS_OWN: u64 = VRAM_BYTES - (1 << 20);

const PAYLOAD: usize = 28;
const RESPONSE: u64 = 864;

/// Status: unknown command (`psp_gfx_if.h`).
const UNKNOWN_COMMAND: u32 = 0x100;
/// Status: TEE_ERROR_NOT_SUPPORTED of GlobalPlatform.
const NOT_SUPPORTED: u32 = 0xffff_000a;
/// Status: TEE_ERROR_SECURITY of GlobalPlatform, for an image that is rejected.
const SECURITY: u32 = 0xffff_000f;

/// A command, in traces.
const fn name(command: u32) -> &'static str {
    match command {
        5 => "PSP SETUP_TMR",
        6 => "PSP LOAD_IP_FW",
        7 => "PSP DESTROY_TMR",
        0x20 => "PSP LOAD_TOC",
        0x21 => "PSP AUTOLOAD_RLC",
        _ => "PSP command",
    }
}

/// The answer in a command buffer.
#[derive(Clone, Copy, Debug, Default)]
struct Response {
    status: u32,
    /// Where an image was put.
    address: u64,
    tmr_bytes: u32,
}

/// What commands have done.
#[derive(Default)]
pub(crate) struct Commands {
    toc: Option<Toc>,
    /// The TMR's offset in video memory.
    tmr: Option<u64>,
    loaded: BTreeSet<u32>,
    autoload: bool,
}

/// A command buffer, as it was read.
struct Buffer<'a> {
    frame: Frame,
    bytes: &'a [u8],
}

impl Buffer<'_> {
    /// A dword of the payload.
    fn dword(&self, n: usize) -> u32 {
        memory::dword(self.bytes, PAYLOAD + n * 4)
    }

    /// An address of the payload.
    fn address(&self, n: usize) -> u64 {
        u64::from(self.dword(n + 1)) << 32 | u64::from(self.dword(n))
    }
}

impl Psp {
    /// Executes the command that a frame names, and answers in its buffer.
    pub(crate) fn execute(&mut self, frame: Frame, fabric: &mut Fabric) -> Result<(), Violation> {
        let mut bytes = [0; BUFFER_BYTES as usize];
        memory::load(
            fabric,
            frame.buffer,
            &mut bytes,
            format_args!("command buffer"),
        )?;
        let buffer = &Buffer {
            frame,
            bytes: &bytes,
        };
        let command = memory::dword(&bytes, 8);
        let noted = if command == 6 { buffer.dword(3) } else { 0 };
        fabric.journal.note(
            fabric.clock.ns(),
            Place::Packet(name(command)),
            Access::Write,
            noted.into(),
        );
        let response = match command {
            5 => self.setup_tmr(buffer, fabric)?,
            6 => self.load(buffer, fabric)?,
            7 => self.destroy_tmr(fabric)?,
            0x20 => self.load_toc(buffer, fabric)?,
            0x21 => self.autoload(fabric)?,
            // Trusted applications, registers and attestation: known, and not modelled.
            1..=4 | 8..=11 | 0xf | 0x22 | 0x27 => Response {
                status: NOT_SUPPORTED,
                ..Response::default()
            },
            command => {
                fabric.broken(UNKNOWN, format_args!("command {command:#x}"))?;
                Response {
                    status: UNKNOWN_COMMAND,
                    ..Response::default()
                }
            }
        };
        let [low, high] = [response.address as u32, (response.address >> 32) as u32];
        let answer = [response.status, 0, low, high, response.tmr_bytes];
        let answer = answer.map(u32::to_le_bytes);
        fabric.vram_store(frame.buffer + RESPONSE, answer.as_flattened())
    }

    /// What the driver hands over must not lie in the TMR.
    pub(super) fn outside_tmr(
        &self,
        offset: u64,
        bytes: u64,
        what: &str,
        fabric: &mut Fabric,
    ) -> Result<(), Violation> {
        let tmr = self.commands.tmr.unwrap_or(VRAM_BYTES);
        fabric.require(
            offset >= tmr + TMR_BYTES || offset + bytes <= tmr,
            TMR_USE,
            format_args!("{what} at {offset:#x} of video memory, the TMR is at {tmr:#x}"),
        )
    }

    fn image(
        &self,
        buffer: &Buffer<'_>,
        fabric: &mut Fabric,
        expected: Expected,
    ) -> Result<(image::Header, Vec<u8>), Violation> {
        let (mc, bytes) = (buffer.address(0), buffer.dword(2));
        let what = format_args!("{}: image", expected.name);
        let offset = memory::place(fabric, mc, bytes.into(), ADDRESS, what)?;
        self.outside_tmr(offset, bytes.into(), expected.name, fabric)?;
        image::check(fabric, offset, Some(bytes), expected)
    }

    fn load_toc(
        &mut self,
        buffer: &Buffer<'_>,
        fabric: &mut Fabric,
    ) -> Result<Response, Violation> {
        let expected = Expected {
            name: "TOC",
            id: Some(0x8101_200e),
            magic: true,
            padded: false,
        };
        let (_, image) = self.image(buffer, fabric, expected)?;
        if fabric.faults.happens(FaultKind::FirmwareRejected) {
            return Ok(rejected());
        }
        self.commands.toc = Some(Toc::read(&image));
        Ok(Response {
            tmr_bytes: TMR_BYTES as u32,
            ..Response::default()
        })
    }

    fn setup_tmr(
        &mut self,
        buffer: &Buffer<'_>,
        fabric: &mut Fabric,
    ) -> Result<Response, Violation> {
        let (mc, system) = (buffer.address(0), buffer.address(4));
        let (bytes, flags) = (buffer.dword(2), buffer.dword(3));
        let commands = &self.commands;
        let toc = commands.toc.is_some();
        fabric.require(
            toc,
            TOC,
            format_args!("SETUP_TMR without the table of contents (TOC)"),
        )?;
        let smu = commands.loaded.contains(&SMU);
        fabric.require(
            smu,
            SMU_FIRST,
            format_args!("SETUP_TMR without the SMU's firmware"),
        )?;
        let once = commands.tmr.is_none();
        fabric.require(once, TMR_ONCE, format_args!("SETUP_TMR at {mc:#x} again"))?;
        let same = u64::from(bytes) == TMR_BYTES;
        fabric.require(
            same,
            TMR_SIZE,
            format_args!("SETUP_TMR of {bytes:#x} bytes, LOAD_TOC answered {TMR_BYTES:#x}"),
        )?;
        fabric.require(
            mc.is_multiple_of(TMR_ALIGNMENT),
            TMR_PLACE,
            format_args!("SETUP_TMR at {mc:#x}, which is not aligned to 1 MiB"),
        )?;
        let what = format_args!("SETUP_TMR");
        let offset = memory::place(fabric, mc, TMR_BYTES, TMR_PLACE, what)?;
        fabric.require(
            flags & 3 == 2 && system == offset,
            TMR_PLACE,
            format_args!("SETUP_TMR at offset {offset:#x} with system address {system:#x} and flags {flags:#x}, expected {offset:#x} and 2"),
        )?;
        self.overlaps(buffer.frame, fabric, offset)?;
        self.commands.tmr = Some(offset);
        fabric.close_to_host(Some(offset..offset + TMR_BYTES));
        Ok(Response::default())
    }

    /// The TMR must be apart from all that is known to be used.
    fn overlaps(&self, frame: Frame, fabric: &mut Fabric, tmr: u64) -> Result<(), Violation> {
        let registers = &fabric.registers;
        let used = |mc: u64, bytes: u64| memory::offset(mc, bytes).map(|at| (at, bytes));
        let ring = |control, low, high| {
            let base = registers.pair(low, high) << 8;
            let enabled = registers.get(control) & 1 != 0;
            if enabled { used(base, 4) } else { None }
        };
        let table = registers.pair(
            mmhub::MMVM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32,
            mmhub::MMVM_CONTEXT_PAGE_TABLE_BASE_ADDR_HI32,
        );
        let places = [
            ("PSP's ring", self.ring_place()),
            ("the command buffer", Some((frame.buffer, BUFFER_BYTES))),
            ("the fence", Some((frame.fence, 4))),
            (
                "the card's own data at the end of video memory",
                Some((CARDS_OWN, 1 << 20)),
            ),
            (
                "the root page table",
                (table & 1 != 0).then_some((table & !0xfff, 4096)),
            ),
            (
                "interrupt ring 0",
                ring(
                    osssys::IH_RB_CNTL,
                    osssys::IH_RB_BASE,
                    osssys::IH_RB_BASE_HI,
                ),
            ),
            (
                "interrupt ring 1",
                ring(
                    osssys::IH_RB_CNTL_RING1,
                    osssys::IH_RB_BASE_RING1,
                    osssys::IH_RB_BASE_HI_RING1,
                ),
            ),
        ];
        for (name, place) in places {
            let Some((start, bytes)) = place else {
                continue;
            };
            let apart = start >= tmr + TMR_BYTES || start.saturating_add(bytes) <= tmr;
            fabric.require(
                apart,
                TMR_OVERLAP,
                format_args!("SETUP_TMR at offset {tmr:#x} overlaps {name} at {start:#x}"),
            )?;
        }
        Ok(())
    }

    fn destroy_tmr(&mut self, fabric: &mut Fabric) -> Result<Response, Violation> {
        let exists = self.commands.tmr.take().is_some();
        fabric.require(
            exists,
            TMR_ONCE,
            format_args!("DESTROY_TMR without SETUP_TMR"),
        )?;
        fabric.close_to_host(None);
        Ok(Response::default())
    }

    fn load(&mut self, buffer: &Buffer<'_>, fabric: &mut Fabric) -> Result<Response, Violation> {
        let number = buffer.dword(3);
        let found = firmware::by_number(number);
        let known = found.is_some();
        fabric.require(known, TYPE, format_args!("LOAD_IP_FW of type {number}"))?;
        let Some(firmware) = found else {
            return Ok(rejected());
        };
        self.order(firmware, fabric)?;
        let (header, _) = self.image(buffer, fabric, firmware.expected())?;
        let toc = self.commands.toc.as_ref();
        let slot = toc.and_then(|toc| toc.find(firmware.toc));
        if let Some(slot) = slot {
            fabric.require(
                u64::from(header.signed) <= slot.bytes,
                TOC_FITS,
                format_args!(
                    "{}: {:#x} signed bytes, the table of contents has {:#x}",
                    firmware.name, header.signed, slot.bytes
                ),
            )?;
        }
        if fabric.faults.happens(FaultKind::FirmwareRejected) {
            return Ok(rejected());
        }
        self.commands.loaded.insert(number);
        if number == SMU {
            // The SMU's image has the container's version with the two middle bytes exchanged.
            let [first, minor, major, last] = header.version.to_be_bytes();
            let version = u32::from_be_bytes([first, major, minor, last]);
            fabric.events.push(Event::SmuFirmware { version });
        }
        let address = match (self.commands.tmr, slot) {
            (Some(tmr), Some(slot)) => memory::VRAM_MC + tmr + slot.offset,
            _ => 0,
        };
        Ok(Response {
            address,
            ..Response::default()
        })
    }

    /// Whether this firmware may come now.
    fn order(&self, firmware: &Firmware, fabric: &mut Fabric) -> Result<(), Violation> {
        let Firmware {
            number, name, need, ..
        } = *firmware;
        let commands = &self.commands;
        let tmr = commands.tmr.is_some();
        if number == SMU {
            return fabric.require(!tmr, SMU_FIRST, format_args!("{name} after SETUP_TMR"));
        }
        fabric.require(tmr, TMR_FIRST, format_args!("{name} before SETUP_TMR"))?;
        if need == Need::Other {
            return Ok(());
        }
        fabric.require(
            !commands.autoload,
            AUTOLOAD_ONCE,
            format_args!("{name} after AUTOLOAD_RLC"),
        )?;
        let last = number == RLC_G || !commands.loaded.contains(&RLC_G);
        fabric.require(last, RLC_LAST, format_args!("{name} after RLC_G"))
    }

    fn autoload(&mut self, fabric: &mut Fabric) -> Result<Response, Violation> {
        let commands = &mut self.commands;
        fabric.require(
            !commands.autoload,
            AUTOLOAD_ONCE,
            format_args!("AUTOLOAD_RLC again"),
        )?;
        for (need, rule) in [(Need::Compute, COMPLETE), (Need::Whole, WHOLE)] {
            let needed = firmware::FIRMWARE.iter().filter(|row| row.need == need);
            let missing: Vec<_> = needed
                .filter(|row| !commands.loaded.contains(&row.number))
                .map(|row| row.name)
                .collect();
            fabric.require(
                missing.is_empty(),
                rule,
                format_args!("AUTOLOAD_RLC without {}", missing.join(", ")),
            )?;
        }
        commands.autoload = true;
        fabric.events.push(Event::Autoload {
            mec_start: MEC_START,
        });
        Ok(Response::default())
    }
}

fn rejected() -> Response {
    Response {
        status: SECURITY,
        ..Response::default()
    }
}
