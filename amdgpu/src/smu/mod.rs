//! System management unit (SMU): clocks, power, measurements, and the reset of the card.
//!
//! A message goes through three registers: response 0, argument, message; then the response shows how it went, and the
//! argument register holds the result. The unit keeps the clocks of memory, fabric, SoC and graphics within limits that a
//! driver sets, and copies its measurements to video memory when asked.
//!
//! GFXOFF is never allowed: with it any access of a register of graphics could meet a block without power.
//!
//! Sources: Linux `smu_cmn.c`, `smu_v13_0.c`, `smu_v13_0_0_ppt.c`, `smu_v13_0_0_ppsmc.h`; tinygrad `ip.py` `AM_SMU`.

mod metrics;

use core::time::Duration;

use amdgpu_registers::mp;

pub use metrics::{Clocks, Metrics, THROTTLERS, Temperatures};

use crate::discovery::Version;
use crate::layout::{Layout, SMU_TABLE};
use crate::{Device, Error};

/// Most that a message takes. A real card needs 20 us for most and 134 ms for EnableAllSmuFeatures; Linux waits 2 s
/// (`usec_timeout` times 20 in `smu_cmn.c`).
const LIMIT: Duration = Duration::from_secs(2);
/// tinygrad has seen SetSoftMinByFreq unanswered and goes on after 20 ms. The answer may come later: the next message waits.
const SOFT_MIN_LIMIT: Duration = Duration::from_millis(100);
/// The firmware that knows the message for a mode1 reset (`smu_v13_0_0_is_mode1_reset_supported`).
const MODE1_FIRMWARE: u32 = 0x004e_2900;
/// What a mode1 reset takes (`smu_v13_0_mode1_reset`, tinygrad; 0.51 s were seen in all).
pub(crate) const RESET_TIME: Duration = Duration::from_millis(500);
/// How long the answer to a reset is looked for, which may never come.
const RESET_ANSWER_LIMIT: Duration = Duration::from_millis(10);

macro_rules! messages {
    ($($name:ident = $number:literal,)*) => {
        /// Messages (`smu_v13_0_0_ppsmc.h`; those of 13.0.7 and 13.0.10 have the same numbers).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        enum Message { $($name = $number,)* }

        impl Message {
            const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

messages! {
    GetSmuVersion = 0x2,
    GetDriverIfVersion = 0x3,
    EnableAllSmuFeatures = 0x6,
    SetDriverDramAddrHigh = 0xe,
    SetDriverDramAddrLow = 0xf,
    TransferTableSmu2Dram = 0x12,
    SetSoftMinByFreq = 0x19,
    SetSoftMaxByFreq = 0x1a,
    GetDpmFreqByIndex = 0x1f,
    Mode1Reset = 0x2f,
    SetPptLimit = 0x32,
    GetPptLimit = 0x33,
}

/// What responses mean (`SMU_RESP_*` in `smu_cmn.c`).
const MEANINGS: &[(u32, &str)] = &[
    (0xff, "it failed"),
    (0xfe, "it does not know the message"),
    (0xfd, "something has to come before it"),
    (0xfc, "it is busy"),
];
const OK: u32 = 1;

/// The table with measurements (`TABLE_SMU_METRICS`).
const TABLE_METRICS: u32 = 5;
/// The level that asks for the number of levels, and the bit in the answer that says that any frequency between is right.
const LEVELS: u32 = 0xff;
const FINE_GRAINED: u32 = 1 << 31;

/// Clock domains (`PPCLK_*` in `smu13_driver_if_v13_0_0.h`), in tinygrad's order.
const DOMAINS: [(u32, &str); 4] = [
    (2, "memory clock"),
    (3, "fabric clock"),
    (1, "SoC clock"),
    (0, "graphics clock"),
];

/// How fast clocks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Performance {
    /// The highest level of each domain, always: for serving. Power and temperature limits still hold.
    Highest,
    /// The lowest level of each domain, always: for a card that has nothing to do.
    Lowest,
    /// As the unit sees fit.
    Automatic,
}

/// The unit, as the driver knows it.
#[derive(Debug)]
pub struct Smu {
    block: Version,
    /// The last message has not been answered.
    is_behind: bool,
    /// Version of its firmware: program, major, minor, revision.
    firmware: u32,
    /// Version of the interface of its tables.
    interface: u32,
    /// Lowest and highest level of [`DOMAINS`] in MHz, once they were asked for.
    levels: Option<[(u32, u32); DOMAINS.len()]>,
    /// What clocks were told last.
    performance: Option<Performance>,
    /// The card's own power limit in watts.
    own_limit: u32,
}

impl Smu {
    /// The unit of a card, by the version of its block (MP1).
    #[must_use]
    pub const fn new(block: Version) -> Self {
        Self {
            block,
            is_behind: false,
            firmware: 0,
            interface: 0,
            levels: None,
            performance: None,
            own_limit: 0,
        }
    }

    /// It has answered a message since the last reset, so that its firmware runs.
    ///
    /// # Errors
    /// If the card has no such unit.
    pub fn has_answered(device: &mut Device) -> Result<bool, Error> {
        Ok(device.read(mp::SMU_RESPONSE)? != 0)
    }

    /// Asks for versions and gives it a buffer for tables (`smu_v13_0_set_driver_table_location`).
    ///
    /// # Errors
    /// If it does not answer, or with an error.
    pub fn set_up(&mut self, device: &mut Device, layout: &Layout) -> Result<(), Error> {
        self.firmware = self.send(device, Message::GetSmuVersion, 0)?;
        self.interface = self.send(device, Message::GetDriverIfVersion, 0)?;
        // What the processor wrote of the buffer, when it was cleared, must not wait in the host data path.
        device
            .bus()
            .vram_write(SMU_TABLE.start.0, &[0; metrics::BYTES]);
        device.flush_hdp()?;
        let table = layout.mc(SMU_TABLE.start);
        self.send(device, Message::SetDriverDramAddrHigh, table.high())?;
        self.send(device, Message::SetDriverDramAddrLow, table.low())?;
        self.own_limit = self.power_limit(device)?;
        Ok(())
    }

    /// Switches on what the card's own power-play table allows. Linux also hands over masks and calibrates
    /// (`smu_smc_hw_setup`); tinygrad computes on this card without.
    ///
    /// # Errors
    /// If it does not answer, or with an error.
    pub fn enable_features(&mut self, device: &mut Device) -> Result<(), Error> {
        self.send(device, Message::EnableAllSmuFeatures, 0)?;
        Ok(())
    }

    /// Version of its firmware: program, major, minor, revision.
    #[must_use]
    pub const fn firmware(&self) -> [u8; 4] {
        self.firmware.to_be_bytes()
    }

    /// Version of the interface of its tables.
    #[must_use]
    pub const fn interface(&self) -> u32 {
        self.interface
    }

    /// Lowest and highest level of each clock domain in MHz.
    ///
    /// # Errors
    /// If it does not answer, or with an error.
    pub fn levels(
        &mut self,
        device: &mut Device,
    ) -> Result<[(&'static str, u32, u32); DOMAINS.len()], Error> {
        let known = match self.levels {
            Some(levels) => levels,
            None => {
                let mut levels = [(0, 0); DOMAINS.len()];
                for ((domain, _), level) in DOMAINS.into_iter().zip(&mut levels) {
                    *level = self.ask_levels(device, domain)?;
                }
                *self.levels.insert(levels)
            }
        };
        let mut named = [("", 0, 0); DOMAINS.len()];
        for ((slot, (_, name)), (low, high)) in named.iter_mut().zip(DOMAINS).zip(known) {
            *slot = (name, low, high);
        }
        Ok(named)
    }

    fn ask_levels(&mut self, device: &mut Device, domain: u32) -> Result<(u32, u32), Error> {
        let get = Message::GetDpmFreqByIndex;
        let count = self.send(device, get, domain << 16 | LEVELS)? & !FINE_GRAINED;
        if count == 0 || count >= LEVELS {
            return Err(Error::Unexpected {
                what: "levels of a clock domain",
                found: count.into(),
                expected: "1 to 254",
            });
        }
        let low = self.send(device, get, domain << 16)?;
        let high = self.send(device, get, domain << 16 | (count - 1))?;
        Ok((low & !FINE_GRAINED, high & !FINE_GRAINED))
    }

    /// How fast clocks were told to run, if they were.
    #[must_use]
    pub const fn performance(&self) -> Option<Performance> {
        self.performance
    }

    /// Sets how fast clocks run, if they do not already (`smu_v13_0_set_soft_freq_limited_range`; tinygrad `set_clocks`).
    ///
    /// # Errors
    /// If it does not answer, or with an error.
    pub fn set_performance(
        &mut self,
        device: &mut Device,
        performance: Performance,
    ) -> Result<(), Error> {
        if self.performance == Some(performance) {
            return Ok(());
        }
        self.levels(device)?;
        self.performance = None;
        for ((domain, _), (low, high)) in DOMAINS.into_iter().zip(self.levels.unwrap_or_default()) {
            let (least, most) = match performance {
                Performance::Highest => (high, high),
                Performance::Lowest => (low, low),
                Performance::Automatic => (0, 0xffff),
            };
            let min = (
                Message::SetSoftMinByFreq,
                domain << 16 | least,
                SOFT_MIN_LIMIT,
            );
            let max = (Message::SetSoftMaxByFreq, domain << 16 | most, LIMIT);
            // The least must not be above the most in between.
            let order = if performance == Performance::Lowest {
                [min, max]
            } else {
                [max, min]
            };
            for (message, argument, limit) in order {
                match self.send_within(device, message, argument, limit) {
                    Err(Error::Timeout { .. }) if message == Message::SetSoftMinByFreq => {}
                    other => drop(other?),
                }
            }
        }
        self.performance = Some(performance);
        Ok(())
    }

    /// The most that the card may take, in watts.
    ///
    /// # Errors
    /// If it does not answer, or with an error.
    pub fn power_limit(&mut self, device: &mut Device) -> Result<u32, Error> {
        self.send(device, Message::GetPptLimit, 0)
    }

    /// Sets the most that the card may take, in watts (`smu_v13_0_set_power_limit`): its own limit, or less.
    ///
    /// # Errors
    /// If it is more, or none; if the unit does not answer, or with an error.
    pub fn set_power_limit(&mut self, device: &mut Device, watts: u32) -> Result<(), Error> {
        if !(1..=self.own_limit).contains(&watts) {
            return Err(Error::Unexpected {
                what: "power limit in watts",
                found: watts.into(),
                expected: "1 to what the card has by itself",
            });
        }
        self.send(device, Message::SetPptLimit, watts)?;
        Ok(())
    }

    /// Slows clocks down and takes a power limit back, for a card that is left.
    ///
    /// # Errors
    /// If it does not answer, or with an error.
    pub fn leave(&mut self, device: &mut Device) -> Result<(), Error> {
        self.set_performance(device, Performance::Lowest)?;
        self.set_power_limit(device, self.own_limit)
    }

    /// Measures (`smu_cmn_get_metrics_table`).
    ///
    /// # Errors
    /// If it does not answer, or with an error, or its table has a form that is not known here.
    pub fn metrics(&mut self, device: &mut Device) -> Result<Metrics, Error> {
        if !metrics::BLOCKS.contains(&self.block) {
            let name = alloc::format!("the table of measurements of SMU {}", self.block);
            let why = "its layout is not known here";
            return Err(Error::Unsupported { name, why });
        }
        self.send(device, Message::TransferTableSmu2Dram, TABLE_METRICS)?;
        let mut table = [0; metrics::BYTES];
        device.bus().vram_read(SMU_TABLE.start.0, &mut table);
        Ok(Metrics::new(&table))
    }

    /// Resets the whole card but its place on the bus; bus mastering is off. The answer may never come.
    ///
    /// # Errors
    /// If the unit does not answer, or its firmware is older than that message.
    pub fn mode1_reset(&mut self, device: &mut Device) -> Result<(), Error> {
        let firmware = self.send(device, Message::GetSmuVersion, 0)?;
        if firmware < MODE1_FIRMWARE {
            let name = alloc::format!("a mode1 reset by the SMU's firmware {firmware:#010x}");
            let why = "it does not know that message";
            return Err(Error::Unsupported { name, why });
        }
        self.post(device, Message::Mode1Reset, 0)?;
        device.bus().pause(RESET_TIME);
        let what = Message::Mode1Reset.name();
        let is_there = |response| response != 0;
        // Either way the unit begins anew.
        let _ = device.wait_until(what, mp::SMU_RESPONSE, RESET_ANSWER_LIMIT, is_there);
        *self = Self::new(self.block);
        Ok(())
    }

    fn send(&mut self, device: &mut Device, message: Message, argument: u32) -> Result<u32, Error> {
        self.send_within(device, message, argument, LIMIT)
    }

    /// Sends a message and waits for the response: its result.
    fn send_within(
        &mut self,
        device: &mut Device,
        message: Message,
        argument: u32,
        limit: Duration,
    ) -> Result<u32, Error> {
        self.post(device, message, argument)?;
        let command = message.name();
        let is_there = |response| response != 0;
        let status = device.wait_until(command, mp::SMU_RESPONSE, limit, is_there)?;
        self.is_behind = false;
        if status != OK {
            let known = MEANINGS.iter().find(|(code, _)| *code == status);
            return Err(Error::Refused {
                by: "SMU",
                command,
                status,
                meaning: known.map_or("no response that is known", |(_, meaning)| meaning),
            });
        }
        device.read(mp::SMU_ARGUMENT)
    }

    /// Sends a message, after the response to the one before (`__smu_cmn_poll_stat`).
    fn post(&mut self, device: &mut Device, message: Message, argument: u32) -> Result<(), Error> {
        if self.is_behind {
            let what = "response to the message before";
            device.wait_until(what, mp::SMU_RESPONSE, LIMIT, |response| response != 0)?;
        }
        self.is_behind = true;
        device.write_all(&[
            (mp::SMU_RESPONSE, 0),
            (mp::SMU_ARGUMENT, argument),
            (mp::SMU_MESSAGE, message as u32),
        ])
    }
}
