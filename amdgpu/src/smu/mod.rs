//! The system management unit (SMU): its mailbox, clocks, power limit, measurements, and the reset of the whole card.
//!
//! Sources: Linux `smu_cmn.c`, `smu_v13_0.c`, `smu_v13_0_0_ppt.c`, `smu_v13_0_0_ppsmc.h`; tinygrad `ip.py` `AM_SMU`.

mod metrics;

use core::fmt;
use core::time::Duration;

use amdgpu_registers::mp::{
    SMU_ARGUMENT, SMU_DEBUG_ARGUMENT, SMU_DEBUG_MESSAGE, SMU_DEBUG_RESPONSE, SMU_MESSAGE,
    SMU_RESPONSE,
};

use crate::layout::{Layout, SMU_TABLE};
use crate::{Device, Error};

pub use metrics::{Metrics, THROTTLERS};

/// How long an answer may take. An ordinary one takes 20 us, enabling all features 134 ms (kernel logs of real cards); Linux
/// gives up after 2 s (`__smu_cmn_poll_stat`: 20 times `usec_timeout`).
const LIMIT: Duration = Duration::from_secs(2);
/// How long the question may take whether anybody answers at all.
const ALIVE_LIMIT: Duration = Duration::from_millis(100);
/// DEBUGSMC_MSG_Mode1Reset of the debug mailbox (tinygrad uses it on this card, Linux `smu_v13_0.c` on the next one).
const MODE1_RESET: u32 = 2;
/// How long a card takes for it (`SMU13_MODE1_RESET_WAIT_TIME_IN_MS`; tinygrad waits as long).
const RESET_TIME: Duration = Duration::from_millis(500);
/// Level number that asks how many levels there are.
const COUNT: u32 = 0xff;
/// A count's or frequency's flag of a domain that takes all frequencies between.
const FINE_GRAINED: u32 = 1 << 31;
/// No domain has more levels (`smu13_driver_if_v13_0_0.h`, `NUM_*_DPM_LEVELS`).
const MOST_LEVELS: u32 = 16;

/// Messages (`smu_v13_0_0_ppsmc.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Message {
    /// Answers the version of the firmware.
    GetSmuVersion = 0x02,
    /// Starts everything that the power-play table asks for.
    EnableAllSmuFeatures = 0x06,
    /// Which features run, bits 31:0.
    GetRunningSmuFeaturesLow = 0x0c,
    /// The same, bits 63:32.
    GetRunningSmuFeaturesHigh = 0x0d,
    /// MC address of the table that both exchange, bits 63:32.
    SetDriverDramAddrHigh = 0x0e,
    /// The same, bits 31:0.
    SetDriverDramAddrLow = 0x0f,
    /// Copies a table to the driver.
    TransferTableSmu2Dram = 0x12,
    /// Lowest frequency of a domain.
    SetSoftMinByFreq = 0x19,
    /// Highest frequency of a domain.
    SetSoftMaxByFreq = 0x1a,
    /// The frequency of a level of a domain.
    GetDpmFreqByIndex = 0x1f,
    /// Limits power, in watts.
    SetPptLimit = 0x32,
    /// The limit in force.
    GetPptLimit = 0x33,
}

/// Clock domains (`PPCLK_e`), memory and fabric first, as tinygrad sets them.
const DOMAINS: [(&str, u32); 4] = [("memory", 2), ("fabric", 3), ("SOC", 1), ("graphics", 0)];

/// SMU_METRICS of the tables that are transferred.
const TABLE_METRICS: u32 = 5;

/// How fast the card's clocks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Performance {
    /// Always as fast as limits of power and temperature allow.
    Highest,
    /// Always as slow as possible.
    Lowest,
    /// As the SMU sees fit.
    Automatic,
}

impl fmt::Display for Performance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Highest => "highest",
            Self::Lowest => "lowest",
            Self::Automatic => "automatic",
        })
    }
}

/// The SMU's mailbox.
#[derive(Debug, Default)]
pub struct Smu {
    /// A message was sent that has no answer yet.
    pending: bool,
    performance: Option<Performance>,
}

impl Smu {
    /// Sends a message and waits for its answer: the result.
    ///
    /// # Errors
    /// If the SMU does not answer, or refuses.
    pub fn send(
        &mut self,
        device: &mut Device,
        message: Message,
        argument: u32,
    ) -> Result<u32, Error> {
        self.send_within(device, message, argument, LIMIT)
    }

    /// The order of accesses is that of `__smu_cmn_send_msg`; a message that was given up is waited for first, as there.
    fn send_within(
        &mut self,
        device: &mut Device,
        message: Message,
        argument: u32,
        limit: Duration,
    ) -> Result<u32, Error> {
        if self.pending {
            device.wait_until("SMU: end of the last message", SMU_RESPONSE, limit, |it| {
                it != 0
            })?;
        }
        device.write(SMU_RESPONSE, 0)?;
        device.write(SMU_ARGUMENT, argument)?;
        device.write(SMU_MESSAGE, message as u32)?;
        self.pending = true;
        let response = device.wait_until("SMU: answer", SMU_RESPONSE, limit, |it| it != 0)?;
        self.pending = false;
        match response {
            1 => device.read(SMU_ARGUMENT),
            response => Err(Error::Smu {
                message: message as u32,
                argument,
                response,
            }),
        }
    }

    /// Whether an SMU answers, as it does when a driver has initialised the card.
    ///
    /// # Errors
    /// If the card has no such mailbox or is gone.
    pub fn is_alive(&mut self, device: &mut Device) -> Result<bool, Error> {
        match self.send_within(device, Message::GetSmuVersion, 0, ALIVE_LIMIT) {
            Ok(_) | Err(Error::Smu { .. }) => Ok(true),
            Err(Error::Timeout { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Tells the SMU where tables go, and starts all its features: the version of its firmware. The firmware was loaded just
    /// now, and what an earlier one was asked is forgotten.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn start(&mut self, device: &mut Device, layout: &Layout) -> Result<u32, Error> {
        *self = Self::default();
        let version = self.send(device, Message::GetSmuVersion, 0)?;
        let table = layout.mc(SMU_TABLE.start);
        self.send(device, Message::SetDriverDramAddrHigh, table.high())?;
        self.send(device, Message::SetDriverDramAddrLow, table.low())?;
        self.send(device, Message::EnableAllSmuFeatures, 0)?;
        Ok(version)
    }

    /// Which features run, a bit each (`FEATURE_*` of `smu13_driver_if_v13_0_0.h`).
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn features(&mut self, device: &mut Device) -> Result<u64, Error> {
        let low = self.send(device, Message::GetRunningSmuFeaturesLow, 0)?;
        let high = self.send(device, Message::GetRunningSmuFeaturesHigh, 0)?;
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    /// How fast the clocks were last told to run; `None` before that.
    #[must_use]
    pub fn performance(&self) -> Option<Performance> {
        self.performance
    }

    /// Sets the range of every clock. Does nothing if it is set already.
    ///
    /// # Errors
    /// As [`Self::send`], and if a domain has no levels.
    pub fn set_performance(
        &mut self,
        device: &mut Device,
        performance: Performance,
    ) -> Result<(), Error> {
        if self.performance == Some(performance) {
            return Ok(());
        }
        self.performance = None;
        for (_, domain) in DOMAINS {
            // 0 and 0xffff take a limit away.
            let (least, most) = match performance {
                Performance::Automatic => (0, 0xffff),
                Performance::Lowest => {
                    let mhz = self.level(device, domain, 0)?;
                    (mhz, mhz)
                }
                Performance::Highest => {
                    let last = self.levels(device, domain)? - 1;
                    let mhz = self.level(device, domain, last)?;
                    (mhz, mhz)
                }
            };
            // In the order in which the range never becomes empty.
            let least = (Message::SetSoftMinByFreq, least);
            let most = (Message::SetSoftMaxByFreq, most);
            let order = match performance {
                Performance::Lowest => [least, most],
                _ => [most, least],
            };
            for (message, mhz) in order {
                self.send(device, message, domain << 16 | mhz)?;
            }
        }
        self.performance = Some(performance);
        Ok(())
    }

    /// How many levels a domain has, at least one.
    fn levels(&mut self, device: &mut Device, domain: u32) -> Result<u32, Error> {
        let count = self.level(device, domain, COUNT)?;
        if (1..=MOST_LEVELS).contains(&count) {
            return Ok(count);
        }
        Err(Error::Unexpected {
            what: "SMU: levels of a clock",
            found: count.into(),
            expected: "1 to 16",
        })
    }

    /// Frequency of a level in MHz.
    fn level(&mut self, device: &mut Device, domain: u32, level: u32) -> Result<u32, Error> {
        let answer = self.send(device, Message::GetDpmFreqByIndex, domain << 16 | level)?;
        match answer & !FINE_GRAINED {
            mhz @ 0..0xffff => Ok(mhz),
            other => Err(Error::Unexpected {
                what: "SMU: frequency of a clock's level",
                found: other.into(),
                expected: "less than 65535 MHz",
            }),
        }
    }

    /// The highest level of each domain, for a report: name and MHz.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn highest(&mut self, device: &mut Device) -> Result<[(&'static str, u32); 4], Error> {
        let mut all = DOMAINS;
        for (_, value) in &mut all {
            let last = self.levels(device, *value)? - 1;
            *value = self.level(device, *value, last)?;
        }
        Ok(all)
    }

    /// The limit of the socket's power in watts.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn power_limit(&mut self, device: &mut Device) -> Result<u32, Error> {
        self.send(device, Message::GetPptLimit, 0)
    }

    /// Limits the socket's power. The SMU refuses what is beyond the card's own range.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn set_power_limit(&mut self, device: &mut Device, watts: u16) -> Result<(), Error> {
        self.send(device, Message::SetPptLimit, watts.into())?;
        Ok(())
    }

    /// Measures.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn metrics(&mut self, device: &mut Device) -> Result<Metrics, Error> {
        self.send(device, Message::TransferTableSmu2Dram, TABLE_METRICS)?;
        let mut table = [0; metrics::BYTES];
        device.bus().vram_read(SMU_TABLE.start.0, &mut table);
        Ok(Metrics::from_table(&table))
    }

    /// Resets the whole card. Bus mastering must be off. Whether there is an answer does not matter: the SMU that would
    /// give it is reset too.
    ///
    /// # Errors
    /// If the card has no such mailbox.
    pub fn mode1_reset(&mut self, device: &mut Device) -> Result<(), Error> {
        device.write(SMU_DEBUG_RESPONSE, 0)?;
        device.write(SMU_DEBUG_ARGUMENT, 0)?;
        device.write(SMU_DEBUG_MESSAGE, MODE1_RESET)?;
        device.bus().pause(RESET_TIME);
        *self = Self::default();
        Ok(())
    }
}
