//! What each message does.

use super::clocks;
use super::metrics;
use super::{Response, Smu};
use crate::fabric::{Event, Fabric, Scope};
use crate::psp::memory;
use crate::rule::{Violation, rules};

rules! { Smu:
    MESSAGE, "smu-message", "a message is one that the firmware knows, and that compute needs",
        "Linux smu_v13_0_0_ppsmc.h; the debug mailbox: smu_v13_0.c DEBUGSMC_MSG_Mode1Reset",
        tolerated "Linux smu_cmn.c knows the answer SMU_RESP_CMD_UNKNOWN 0xFE";
    GFXOFF, "smu-gfxoff", "graphics is never allowed to power itself off",
        "Linux amdgpu_gfx.c: registers of graphics must not be accessed while GFXOFF may be entered; a driver that accesses them all the time must not allow it";
    TABLE_ADDRESS, "smu-table-address", "a table is transferred when its address is set, high before low, to an MC address in video memory",
        "Linux smu_v13_0.c smu_v13_0_set_driver_table_location; tinygrad ip.py AM_SMU.init_hw";
    TABLE, "smu-table", "tables that are transferred are those of the driver interface",
        "Linux smu13_driver_if_v13_0_0.h TABLE_PPTABLE to TABLE_WIFIBAND";
    FEATURES, "smu-features", "clocks are asked for and set when the features are enabled",
        "Linux smu_v13_0_0_ppt.c checks that DPM of the domain is enabled; tinygrad ip.py AM_SMU.init_hw",
        tolerated "Linux smu_cmn.c knows the answer SMU_RESP_CMD_BAD_PREREQ 0xFD";
    CLOCK, "smu-clock", "a clock domain and frequency are such as the card tells by GetDpmFreqByIndex",
        "Linux smu_v13_0.c smu_v13_0_set_soft_freq_limited_range; tinygrad ip.py set_clocks";
    POWER, "smu-power-limit", "a power limit is 1 W to 115 percent of the card's own",
        "Linux smu_v13_0.c smu_v13_0_set_power_limit refuses more than the maximum; +15 percent is the range of RX 7900 XTX cards";
    RESET, "smu-reset-bus-master", "the card is taken off bus mastering before a mode1 reset",
        "Linux amdgpu_device.c amdgpu_device_mode1_reset: pci_clear_master; tinygrad amdev.py AMDev.__init__";
}

/// PMFW's interface version (`smu13_driver_if_v13_0_0.h`).
const DRIVER_IF: u32 = 0x3d;
/// Nanoseconds that enabling all features takes, from kernel logs of RX 7900 XTX cards.
const FEATURES_NS: u64 = 134_000_000;
/// Features that run after EnableAllSmuFeatures: all that the interface has but GFXOFF (bit 19). Which a real card enables
/// depends on its power-play table.
const FEATURES_ALL: u64 = (1 << 52) - 1 - (1 << 19);

const TABLE_METRICS: u32 = 5;
const TABLES: u32 = 13;

type Answer = (Response, u32);

const OK: Answer = (Response::Ok, 0);

impl Smu {
    /// Does what a message says: response and result.
    pub(super) fn answer(
        &mut self,
        debug: bool,
        id: u32,
        argument: u32,
        fabric: &mut Fabric,
    ) -> Result<Answer, Violation> {
        if debug {
            return match id {
                2 => reset(fabric),
                _ => unknown(true, id, fabric),
            };
        }
        let high = u64::from(argument) << 32;
        let low = u64::from(argument);
        Ok(match id {
            1 => (Response::Ok, argument.wrapping_add(1)),
            2 => (Response::Ok, self.version.unwrap_or(0)),
            3 => (Response::Ok, DRIVER_IF),
            // Allowed features: a mask that this model takes as granted.
            4 | 5 => OK,
            6 => {
                fabric.clock.pass(FEATURES_NS);
                self.features = FEATURES_ALL;
                OK
            }
            7 => {
                self.features = 0;
                OK
            }
            8 => self.enable(low, true),
            9 => self.enable(high, true),
            0xa => self.enable(low, false),
            0xb => self.enable(high, false),
            0xc => (Response::Ok, self.features as u32),
            0xd => (Response::Ok, (self.features >> 32) as u32),
            0xe => {
                self.driver_table = high;
                OK
            }
            0xf => {
                self.driver_table |= low;
                OK
            }
            // Tools address, PCIe parameters, workload, GFXOFF off, unload, power source, calibration, D-states and the like.
            0x10
            | 0x11
            | 0x14
            | 0x20
            | 0x24
            | 0x29
            | 0x2e
            | 0x34..=0x36
            | 0x39
            | 0x3b
            | 0x41
            | 0x4c
            | 0x4e => OK,
            0x12 | 0x13 => self.transfer(id == 0x12, argument, fabric)?,
            0x19..=0x1f => self.clock(id, argument, fabric)?,
            0x28 => {
                fabric.broken(GFXOFF, format_args!("AllowGfxOff"))?;
                OK
            }
            0x2f => reset(fabric)?,
            0x32 => {
                let most = metrics::POWER_LIMIT * 115 / 100;
                let watts = argument & 0xffff;
                let good = (1..=most).contains(&watts);
                fabric.require(good, POWER, format_args!("{watts} W, at most {most}"))?;
                self.power_limit = Some(watts);
                OK
            }
            0x33 => {
                let own = metrics::POWER_LIMIT;
                (Response::Ok, self.power_limit.unwrap_or(own))
            }
            _ => unknown(false, id, fabric)?,
        })
    }

    fn enable(&mut self, mask: u64, enable: bool) -> Answer {
        if enable {
            self.features |= mask & FEATURES_ALL;
        } else {
            self.features &= !mask;
        }
        OK
    }

    fn transfer(
        &mut self,
        to_driver: bool,
        argument: u32,
        fabric: &mut Fabric,
    ) -> Result<Answer, Violation> {
        let table = argument & 0xffff;
        fabric.require(table < TABLES, TABLE, format_args!("table {table}"))?;
        let bytes = metrics::BYTES as u64;
        let mc = self.driver_table;
        let what = format_args!("transfer of table {table}");
        let offset = memory::place(fabric, mc, bytes, TABLE_ADDRESS, what)?;
        if table != TABLE_METRICS || !to_driver {
            // The other tables are the power-play table and what changes it, which is the card's own affair here.
            return Ok(if table < TABLES {
                OK
            } else {
                (Response::Failed, 0)
            });
        }
        self.measured = self.measured.wrapping_add(1);
        let table = metrics::table(&self.limits, self.measured);
        fabric.vram_store(offset, &table)?;
        Ok(OK)
    }

    fn clock(&mut self, id: u32, argument: u32, fabric: &mut Fabric) -> Result<Answer, Violation> {
        let (domain, value) = (argument >> 16, argument & 0xffff);
        let enabled = self.features != 0;
        fabric.require(enabled, FEATURES, format_args!("message {id:#x}"))?;
        if !enabled {
            return Ok((Response::Prerequisite, 0));
        }
        let range = clocks::range(domain);
        let result = match id {
            0x19..=0x1c => {
                let highest = id == 0x1a || id == 0x1c;
                self.limits.set(domain, value, highest).then_some(0)
            }
            0x1d => range.map(|(low, _)| low),
            0x1e => range.map(|(_, high)| high),
            _ => clocks::level(domain, value & 0xff),
        };
        fabric.require(
            result.is_some(),
            CLOCK,
            format_args!("message {id:#x}, domain {domain}, {value:#x}"),
        )?;
        Ok(result.map_or((Response::Failed, 0), |result| (Response::Ok, result)))
    }
}

fn unknown(debug: bool, id: u32, fabric: &mut Fabric) -> Result<Answer, Violation> {
    let mailbox = if debug { "debug mailbox" } else { "mailbox" };
    fabric.broken(MESSAGE, format_args!("{mailbox}: message {id:#x}"))?;
    Ok((Response::Unknown, 0))
}

fn reset(fabric: &mut Fabric) -> Result<Answer, Violation> {
    let master = fabric.bus_master;
    fabric.require(
        !master,
        RESET,
        format_args!("mode1 reset with bus mastering on"),
    )?;
    fabric.events.push(Event::Reset(Scope::Card));
    Ok(OK)
}
