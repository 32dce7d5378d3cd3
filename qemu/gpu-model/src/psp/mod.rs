//! Security processor (PSP, MP0 13.0.0): the bootloader's mailbox ([`boot`]), then the ring of the secure operating system
//! ([`ring`]) with its commands ([`command`]), which load the firmware of the other blocks ([`firmware`], [`image`]).
//!
//! Everything is taken as it lies in video memory at the moment of the command; the answer of a mailbox shows after a few
//! reads. Signatures are not checked, for which nobody outside AMD has keys: an image is known by its header.

pub(crate) mod boot;
pub(crate) mod command;
pub(crate) mod firmware;
#[cfg(test)]
mod hostile;
pub(crate) mod image;
pub(crate) mod memory;
pub(crate) mod ring;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod toc;

use amdgpu_registers::mp;

use crate::fabric::{Block, Event, Fabric, Scope};
use crate::fault::FaultKind;
use crate::register_file::At;
use crate::rule::{Violation, rules};

rules! { Psp:
    STATUS, "psp-status-read-only", "the registers that PSP reports in (C2PMSG_33, 58 and 81) are not written",
        "Linux psp_v13_0.c only reads them";
}

/// Something that polls see done after so many reads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Poll {
    left: u32,
}

impl Poll {
    pub(crate) fn after(reads: u32) -> Self {
        Self { left: reads }
    }

    /// A read: whether it sees it done.
    pub(crate) fn read(&mut self) -> bool {
        let done = self.left == 0;
        self.left = self.left.saturating_sub(1);
        done
    }

    /// Whether the next read sees it done.
    pub(crate) fn done(self) -> bool {
        self.left == 0
    }
}

/// The block's state beyond its registers.
#[derive(Default)]
pub(crate) struct Psp {
    boot: boot::Boot,
    ring: ring::Ring,
    commands: command::Commands,
    /// It no longer answers, until the next reset.
    silent: bool,
    /// A reset has been before: the one at power-on.
    powered: bool,
}

impl Psp {
    /// An occasion on which PSP can stop to answer: whether it is silent.
    fn goes_silent(&mut self, fabric: &mut Fabric) -> bool {
        self.silent |= fabric.faults.happens(FaultKind::PspSilent);
        self.silent
    }
}

impl Block for Psp {
    fn read(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<u32, Violation> {
        Ok(match mp::PSP_C2PMSG.plus(at.index) {
            mp::PSP_IFWI => self.boot.ifwi(),
            mp::PSP_BOOTLOADER => self.boot.poll(),
            mp::PSP_SOS_ALIVE => self.boot.sign_of_life(fabric),
            mp::PSP_RING_COMMAND => self.ring_status(value),
            _ => value,
        })
    }

    fn write(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        let register = mp::PSP_C2PMSG.plus(at.index);
        match register {
            mp::PSP_IFWI | mp::PSP_SOS_VERSION | mp::PSP_SOS_ALIVE => fabric.broken(
                STATUS,
                format_args!("C2PMSG_{} <- {value:#x}", at.index + 32),
            ),
            mp::PSP_BOOTLOADER => self.bootloader(value, fabric),
            mp::PSP_RING_COMMAND => self.ring_command(value, fabric),
            mp::PSP_RING_WPTR => self.ring_submit(value, fabric),
            _ => {
                fabric.registers.store(at, value);
                Ok(())
            }
        }
    }

    fn event(&mut self, event: Event, fabric: &mut Fabric) -> Result<(), Violation> {
        if event == Event::Reset(Scope::Card) {
            fabric.close_to_host(None);
            *self = Self {
                boot: boot::Boot::reset(!self.powered),
                powered: true,
                ..Self::default()
            };
        }
        Ok(())
    }
}
