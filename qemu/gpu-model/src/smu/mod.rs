//! System management unit (SMU, MP1 13.0.0): its two mailboxes, and the state that messages change ([`message`]): features,
//! clocks ([`clocks`]), power limit, the table of measurements ([`metrics`]), reset of the card.
//!
//! A message is done within the write that sends it; its response shows after a few reads. Before PSP has loaded its
//! firmware the unit does not answer.

pub(crate) mod clocks;
pub(crate) mod message;
pub(crate) mod metrics;
#[cfg(test)]
pub(crate) mod tests;

use amdgpu_registers::{Register, mp};

use crate::fabric::{Block, Event, Fabric, Scope};
use crate::fault::FaultKind;
use crate::psp::Poll;
use crate::register_file::At;
use crate::rule::{Violation, rules};
use clocks::Limits;

rules! { Smu:
    BUSY, "smu-busy", "a message is sent when the one before has its response",
        "Linux smu_cmn.c __smu_cmn_poll_stat waits for the previous response before it sends",
        tolerated "tinygrad ip.py set_clocks gives SetSoftMinByFreq 20 ms and goes on without a response";
    CLEAR, "smu-response-clear", "the response register is 0 when a message is sent",
        "Linux smu_cmn.c __smu_cmn_send_msg clears it; tinygrad ip.py _smu_cmn_send_msg too";
    ARGUMENT, "smu-argument", "the argument register is written for each message",
        "Linux smu_cmn.c __smu_cmn_send_msg; tinygrad ip.py _smu_cmn_send_msg";
    EARLY, "smu-result-early", "the argument register is read as result when the response is there",
        "Linux smu_cmn.c smu_cmn_send_smc_msg_with_param reads it after __smu_cmn_reg2errno";
    LOADED, "smu-loaded", "messages are sent when PSP has loaded the SMU's firmware",
        "Linux smu_v13_0.c smu_v13_0_check_fw_status before the first message",
        tolerated "tinygrad ip.py is_smu_alive asks a unit that may not run, and takes a time-out for no";
}

/// Reads of the response register until a message shows as done.
const RESPONSE_READS: u32 = 2;
/// Nanoseconds of an ordinary message, from kernel logs of RX 7900 XTX cards.
const MESSAGE_NS: u64 = 20_000;

/// What a response register says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Response {
    Ok = 1,
    Failed = 0xff,
    Unknown = 0xfe,
    Prerequisite = 0xfd,
}

/// The registers of a mailbox.
#[derive(Clone, Copy, Debug)]
struct Names {
    message: Register,
    argument: Register,
    response: Register,
}

const MAIN: Names = Names {
    message: mp::SMU_MESSAGE,
    argument: mp::SMU_ARGUMENT,
    response: mp::SMU_RESPONSE,
};
const DEBUG: Names = Names {
    message: mp::SMU_DEBUG_MESSAGE,
    argument: mp::SMU_DEBUG_ARGUMENT,
    response: mp::SMU_DEBUG_RESPONSE,
};

/// A mailbox.
#[derive(Default)]
struct Mailbox {
    /// The argument was written since the last message.
    argued: bool,
    /// A message is under way: reads until its response shows, the response and the result.
    pending: Option<(Poll, Response, u32)>,
}

/// The block's state beyond its registers.
#[derive(Default)]
pub(crate) struct Smu {
    main: Mailbox,
    debug: Mailbox,
    /// Version of the firmware that PSP has loaded.
    version: Option<u32>,
    silent: bool,
    /// EnableAllSmuFeatures came, or single ones.
    features: u64,
    driver_table: u64,
    limits: Limits,
    /// Watts, if not the card's own limit.
    power_limit: Option<u32>,
    measured: u32,
}

impl Smu {
    fn mailbox(&mut self, register: Register) -> Option<(&mut Mailbox, Names)> {
        [(&mut self.main, MAIN), (&mut self.debug, DEBUG)]
            .into_iter()
            .find(|(_, names)| [names.message, names.argument, names.response].contains(&register))
    }

    /// A message is sent.
    fn send(&mut self, names: Names, id: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        let response = fabric.registers.get(names.response);
        let argument = fabric.registers.get(names.argument);
        let loaded = self.version.is_some();
        let Some((mailbox, _)) = self.mailbox(names.message) else {
            return Ok(());
        };
        let what = format_args!("{} <- {id:#x}", names.message);
        fabric.require(
            response == 0,
            CLEAR,
            format_args!("{what}, response {response:#x}"),
        )?;
        let argued = std::mem::take(&mut mailbox.argued);
        fabric.require(argued, ARGUMENT, what)?;
        fabric.require(loaded, LOADED, what)?;
        self.silent |= fabric.faults.happens(FaultKind::SmuSilent);
        if self.silent || !loaded {
            return Ok(());
        }
        fabric.clock.pass(MESSAGE_NS);
        let debug = names.message == DEBUG.message;
        let (response, result) = self.answer(debug, id, argument, fabric)?;
        if let Some((mailbox, _)) = self.mailbox(names.message) {
            mailbox.pending = Some((Poll::after(RESPONSE_READS), response, result));
        }
        Ok(())
    }
}

impl Block for Smu {
    fn read(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<u32, Violation> {
        let register = mp::SMU_C2PMSG.plus(at.index);
        let Some((mailbox, names)) = self.mailbox(register) else {
            return Ok(value);
        };
        if register == names.argument && mailbox.pending.is_some() {
            fabric.broken(EARLY, format_args!("{register} read"))?;
        }
        if register == names.response
            && let Some((poll, response, result)) = &mut mailbox.pending
            && poll.read()
        {
            let (response, result) = (*response as u32, *result);
            mailbox.pending = None;
            fabric.registers.set(names.response, response);
            fabric.registers.set(names.argument, result);
            return Ok(response);
        }
        Ok(value)
    }

    fn write(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        let register = mp::SMU_C2PMSG.plus(at.index);
        let Some((mailbox, names)) = self.mailbox(register) else {
            fabric.registers.store(at, value);
            return Ok(());
        };
        mailbox.argued |= register == names.argument;
        // The message before is done, but its response has not shown: nobody waits for it any more.
        if mailbox.pending.take().is_some() {
            fabric.broken(BUSY, format_args!("{register} <- {value:#x}"))?;
        }
        if register == names.message {
            self.send(names, value, fabric)?;
        }
        fabric.registers.store(at, value);
        Ok(())
    }

    fn event(&mut self, event: Event, fabric: &mut Fabric) -> Result<(), Violation> {
        let _ = fabric;
        match event {
            Event::SmuFirmware { version } => self.version = Some(version),
            // The mailbox that asked for the reset still answers.
            Event::Reset(Scope::Card) => {
                *self = Self {
                    main: std::mem::take(&mut self.main),
                    debug: std::mem::take(&mut self.debug),
                    ..Self::default()
                };
            }
            _ => {}
        }
        Ok(())
    }
}
