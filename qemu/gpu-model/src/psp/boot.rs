//! PSP's bootloader: takes the parts of the secure operating system (sOS) one after the other, then starts it.

use amdgpu_registers::mp;

use super::image::{self, Expected};
use super::{Poll, Psp, memory};
use crate::fabric::Fabric;
use crate::fault::FaultKind;
use crate::rule::{Violation, rules};

rules! { Psp:
    READY, "psp-bootloader-ready", "the bootloader gets a command when C2PMSG_35 reads 0x80000000, and is polled until then",
        "Linux psp_v13_0.c psp_v13_0_wait_for_bootloader; tinygrad ip.py _wait_for_bootloader";
    COMMAND, "psp-bootloader-command", "C2PMSG_35 gets a command that the bootloader knows",
        "Linux psp_gfx_if.h enum psp_bootloader_cmd: LOAD_SYSDRV to LOAD_TOS_SPL_TABLE";
    ORDER, "psp-bootloader-order", "components come once each and in order: KDB, SPL, SYS_DRV, SOC_DRV, INTF_DRV, DBG_DRV, RAS_DRV, IPKEYMGR_DRV, SOS; all but the five optional drivers are there",
        "Linux amdgpu_psp.c psp_hw_start; tinygrad ip.py AM_PSP.init_hw";
    GONE, "psp-bootloader-gone", "no component is loaded over a running sOS",
        "Linux psp_v13_0.c: every load returns at once if psp_v13_0_is_sos_alive; tinygrad ip.py AM_PSP.init_hw";
    ADDRESS, "psp-bootloader-address", "C2PMSG_36 holds the MC address, in MiB, of a MiB of video memory with the component",
        "Linux psp_v13_0.c writes fw_pri_mc_addr >> 20, of a buffer that is aligned to PSP_1_MEG; tinygrad ip.py _bootloader_load_component";
}

/// Reads of C2PMSG_33 or 35 until the firmware in flash is done, after a reset.
const IFWI_READS: u32 = 4;
/// Reads of C2PMSG_35 until a component is taken.
const COMPONENT_READS: u32 = 3;
/// Reads of C2PMSG_81 until sOS shows itself.
const SOS_READS: u32 = 5;
/// What a register that polls wait for reads when it is ready.
pub(crate) const READY_BIT: u32 = 1 << 31;

struct Component {
    command: u32,
    optional: bool,
    expected: Expected,
}

const fn component(command: u32, name: &'static str, id: u32, optional: bool) -> Component {
    let key_database = id == KDB;
    let expected = Expected {
        name,
        id: if id == 0 { None } else { Some(id) },
        magic: !key_database,
        padded: false,
    };
    Component {
        command,
        optional,
        expected,
    }
}

/// Type id of the key database.
const KDB: u32 = 0x0100_004f;

/// The components in order. Commands: `psp_gfx_if.h`. Type ids: AMD's file; it has none of the optional drivers.
const COMPONENTS: &[Component] = &[
    component(0x8_0000, "KDB", KDB, false),
    // Both published drivers hand over the key database once more on MP0 13.0.
    component(0x1000_0000, "SPL (the KDB image again)", KDB, false),
    component(0x1_0000, "SYS_DRV", 0x8101_000a, false),
    component(0xb_0000, "SOC_DRV", 0, true),
    component(0xd_0000, "INTF_DRV", 0, true),
    component(0xc_0000, "DBG_DRV", 0, true),
    component(0xe_0000, "RAS_DRV", 0, true),
    component(0xf_0000, "IPKEYMGR_DRV", 0, true),
    component(0x2_0000, "SOS", 0x0100_0009, false),
];

/// The bootloader.
#[derive(Default)]
pub(crate) struct Boot {
    /// Reads until C2PMSG_33 and 35 are ready.
    ready: Poll,
    /// It took a component that it never finishes.
    stuck: bool,
    /// Components up to here are loaded or skipped.
    next: usize,
    /// sOS starts or runs: reads until it shows itself, and its version.
    sos: Option<(Poll, u32)>,
}

impl Boot {
    /// After a reset; at power-on the firmware in flash is done before a driver comes.
    pub(crate) fn reset(posted: bool) -> Self {
        Self {
            ready: Poll::after(if posted { 0 } else { IFWI_READS }),
            ..Self::default()
        }
    }

    /// A read of C2PMSG_33, which shows that the firmware in flash is done.
    pub(crate) fn ifwi(&mut self) -> u32 {
        if self.next > 0 || self.ready.read() {
            READY_BIT
        } else {
            0
        }
    }

    /// A read of C2PMSG_35.
    pub(crate) fn poll(&mut self) -> u32 {
        let ready = !self.stuck && self.ready.read();
        if ready { READY_BIT } else { 0 }
    }

    /// Whether sOS runs.
    pub(crate) fn alive(&self) -> bool {
        self.sos.as_ref().is_some_and(|(poll, _)| poll.done())
    }

    /// A read of C2PMSG_81. What a real sOS shows there is not known, only that it is not 0.
    pub(crate) fn sign_of_life(&mut self, fabric: &mut Fabric) -> u32 {
        let Some((poll, version)) = &mut self.sos else {
            return 0;
        };
        if !poll.read() {
            return 0;
        }
        fabric.registers.set(mp::PSP_SOS_VERSION, *version);
        *version
    }
}

impl Psp {
    /// A write of C2PMSG_35.
    pub(crate) fn bootloader(
        &mut self,
        command: u32,
        fabric: &mut Fabric,
    ) -> Result<(), Violation> {
        let boot = &mut self.boot;
        let found = COMPONENTS.iter().position(|row| row.command == command);
        fabric.require(
            found.is_some(),
            COMMAND,
            format_args!("C2PMSG_35 <- {command:#x}"),
        )?;
        let Some(index) = found else { return Ok(()) };
        let Component { expected, .. } = COMPONENTS[index];
        let name = expected.name;
        fabric.require(
            boot.sos.is_none(),
            GONE,
            format_args!("{name} while sOS runs or starts; reset the card first"),
        )?;
        fabric.require(
            boot.ready.done() && !boot.stuck,
            READY,
            format_args!("{name} while C2PMSG_35 has not read as ready"),
        )?;
        fabric.require(
            index >= boot.next,
            ORDER,
            format_args!("{name} again, or after a component that it must come before"),
        )?;
        let missing = COMPONENTS[boot.next.min(index)..index].iter();
        if let Some(missing) = missing.clone().find(|row| !row.optional) {
            let missing = missing.expected.name;
            fabric.broken(ORDER, format_args!("{name} before {missing}"))?;
        }
        let mc = u64::from(fabric.registers.get(mp::PSP_BOOTLOADER_ADDRESS)) << 20;
        let what = format_args!("{name}: C2PMSG_36");
        let offset = memory::place(fabric, mc, 1 << 20, ADDRESS, what)?;
        let (header, _) = image::check(fabric, offset, None, expected)?;
        let mut stuck = fabric.faults.happens(FaultKind::FirmwareRejected);
        stuck |= self.goes_silent(fabric);
        self.boot.next = index + 1;
        self.boot.ready = Poll::after(COMPONENT_READS);
        self.boot.stuck = stuck;
        if index + 1 == COMPONENTS.len() && !stuck {
            self.boot.sos = Some((Poll::after(SOS_READS), header.version));
        }
        Ok(())
    }
}
