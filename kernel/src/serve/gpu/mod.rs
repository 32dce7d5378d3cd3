//! The graphics card of this machine: brought up once its firmware was found, watched while the kernel serves, stopped in
//! order at the end.
//!
//! A card that cannot be used is no reason not to serve: it is reported, it loses its DMA, and the CPU computes.

pub mod selftest;
mod status;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Display};
use core::time::Duration;

use amdgpu::smu::{Metrics, Performance};
use amdgpu::{Configuration, StepReport, asic};
use firmware_loader::archive::Archive;
use firmware_loader::sums::{self, Trust};
use firmware_loader::{Firmware, Set};
use log::Level;
use pci_types::PciAddress;

use crate::devices::block::Disk;
use crate::devices::gpu::{Found, PciBus, Slot};
use crate::disk::buffered::Buffered;
use crate::disk::firmware;
use crate::options::{BackendChoice, Options};
use crate::time;

/// From one look at the card's interrupts and faults to the next.
const HEALTH_INTERVAL: Duration = Duration::from_millis(250);
/// From one of its measurements to the next: each is a talk with the card's own processor.
const METRICS_INTERVAL: Duration = Duration::from_secs(2);
/// What went wrong last is remembered, so many.
const REMEMBERED: usize = 8;

/// A card that was found.
pub struct Gpu {
    address: PciAddress,
    slot: Slot,
    state: State,
}

enum State {
    /// It is not used: why.
    Off(String),
    Running(Box<Running>),
}

/// A card that computes.
struct Running {
    gpu: amdgpu::Gpu,
    /// The last measurements; what is wrong if there are none, which then are not asked for any more.
    metrics: Result<Metrics, String>,
    /// The limit in watts.
    power_limit: u32,
    /// What went wrong last.
    faults: VecDeque<String>,
    next_health: Duration,
    next_metrics: Duration,
}

/// Logs a text of several lines.
fn log_lines(level: Level, address: PciAddress, text: &dyn Display) {
    for line in format!("{text}").lines() {
        log::log!(level, "gpu {address}: {line}");
    }
}

impl Gpu {
    /// Brings the card up with the firmware on one of the disks. What goes wrong is logged.
    #[must_use]
    pub fn start(found: &Found, disks: &mut [Disk], options: &Options) -> Self {
        let (address, slot) = (found.address(), found.slot());
        log::info!("gpu {address}: {slot}");
        let state = if options.backend == BackendChoice::Cpu && !options.selftest_gpu {
            Err(String::from("backend=cpu says so"))
        } else {
            find_firmware(disks).and_then(|archive| Running::start(found, &archive, options))
        };
        let state = match state {
            Ok(running) => {
                log_lines(Level::Info, address, &running.identity());
                State::Running(Box::new(running))
            }
            Err(why) => {
                log_lines(Level::Error, address, &format_args!("not used: {why}"));
                State::Off(why)
            }
        };
        Self {
            address,
            slot,
            state,
        }
    }

    /// Looks whether the card is well, at a low rate. Returns lines for the metrics when there is something new to say.
    pub fn poll(&mut self, now: Duration) -> Option<String> {
        let State::Running(running) = &mut self.state else {
            return None;
        };
        if now >= running.next_health {
            running.next_health = now + HEALTH_INTERVAL;
            if let Err(error) = running.look(self.address) {
                log::error!("gpu {}: {error}; it is not used any more", self.address);
                log_lines(Level::Error, self.address, &running.gpu.report());
                // Dropped, the card has lost its DMA.
                self.state = State::Off(format!("it failed at {} s: {error}", now.as_secs()));
                return Some(status::metrics(None));
            }
        }
        if now < running.next_metrics || running.metrics.is_err() {
            return None;
        }
        running.next_metrics = now + METRICS_INTERVAL;
        running.measure();
        if let Err(error) = &running.metrics {
            log::error!("gpu {}: measurements: {error}", self.address);
        }
        Some(status::metrics(Some(running)))
    }

    /// Stops the card in order, so that the next boot finds it as this one left it.
    pub fn stop(self) {
        if let State::Running(running) = self.state {
            let (bus, stopped) = running.gpu.stop();
            if let Err(error) = stopped {
                log::error!("gpu {}: stopping: {error}", self.address);
            }
            drop(bus);
        }
    }
}

impl Running {
    /// Checks the firmware and starts the card with it.
    fn start(found: &Found, archive: &[u8], options: &Options) -> Result<Self, String> {
        let address = found.address();
        let device = found.slot().device.1;
        let asic = asic::by_device(device)
            .ok_or_else(|| format!("the driver knows no card with device id {device:04x}"))?;
        let archive = Archive::new(archive).map_err(|error| format!("firmware: {error}"))?;
        let firmware = check_firmware(&archive, asic.firmware, options)
            .map_err(|error| format!("firmware: {error}"))?;
        let bus = PciBus::new(found).map_err(|error| format!("{error}"))?;
        let configuration = Configuration {
            force: options.force_gpu,
            ..Configuration::default()
        };
        let began = time::now();
        let mut log = |step: &StepReport| log_step(address, step);
        let started = amdgpu::Gpu::start(Box::new(bus), &firmware, &configuration, &mut log);
        let mut gpu = started.map_err(|failure| format!("{failure}"))?;
        let took = time::now() - began;
        log::info!("gpu {address}: up in {} ms", took.as_millis());
        // The CPU computes as yet; a card that idles is cool and quiet.
        let amdgpu::Gpu { smu, device, .. } = &mut gpu;
        let power_limit = smu
            .set_performance(device, Performance::Lowest)
            .and_then(|()| smu.power_limit(device))
            .map_err(|error| format!("SMU: {error}"))?;
        let mut running = Self {
            gpu,
            metrics: Ok(Metrics::default()),
            power_limit,
            faults: VecDeque::new(),
            next_health: Duration::ZERO,
            next_metrics: Duration::ZERO,
        };
        running.measure();
        Ok(running)
    }

    fn measure(&mut self) {
        let amdgpu::Gpu { smu, device, .. } = &mut self.gpu;
        self.metrics = smu.metrics(device).map_err(|error| format!("{error}"));
    }

    /// Takes what happened on the card that nobody asked for. An error means that the card is lost.
    fn look(&mut self, address: PciAddress) -> Result<(), amdgpu::Error> {
        let health = self.gpu.health()?;
        let fatal = health.fatal.iter().map(|interrupt| format!("{interrupt}"));
        let faults = health.faults.iter().map(|fault| format!("{fault}"));
        for text in fatal.chain(faults) {
            log::error!("gpu {address}: {text}");
            if self.faults.len() == REMEMBERED {
                self.faults.pop_front();
            }
            self.faults.push_back(text);
        }
        Ok(())
    }
}

fn log_step(address: PciAddress, step: &StepReport) {
    let (ms, us) = (step.took.as_millis(), step.took.as_micros() % 1000);
    match &step.result {
        Ok(()) => log::info!("gpu {address}: {}: {ms}.{us:03} ms", step.name),
        Err(error) => log::warn!(
            "gpu {address}: {}: attempt {} failed after {ms}.{us:03} ms: {error}",
            step.name,
            step.attempt
        ),
    }
}

/// The archive in the firmware partition of the first disk that has one.
fn find_firmware(disks: &mut [Disk]) -> Result<Vec<u8>, String> {
    for disk in disks {
        let address = disk.address();
        match firmware::read(&mut Buffered::new(disk)) {
            Ok(Some(archive)) => {
                let kib = archive.len() >> 10;
                log::info!("disk {address}: firmware for graphics cards, {kib} KiB");
                return Ok(archive);
            }
            Ok(None) => {}
            Err(error) => log::error!("disk {address}: firmware: {error}"),
        }
    }
    let name = firmware::FIRMWARE_NAME;
    Err(format!(
        "no disk has AMD's firmware for it (a partition `{name}`, which cargo image and cargo boot --gpu make)"
    ))
}

/// The files for a card, each of which is logged with its sum and was published by somebody.
fn check_firmware<'a>(
    archive: &Archive<'a>,
    set: &Set,
    options: &Options,
) -> Result<Firmware<'a>, firmware_loader::Error> {
    let get = |name: &str| archive.get(name);
    let trust = if options.any_firmware {
        Trust::Any
    } else {
        Trust::Known
    };
    sums::verify(get, set, trust, |file, verdict| {
        let origin = verdict.set.unwrap_or("published by nobody that is known");
        log::info!("firmware {file}: SHA-256 {}, {origin}", verdict.sum);
    })?;
    Firmware::new(get, set)
}

impl Gpu {
    /// What the `gpu` command shows.
    pub fn show(&mut self, out: &mut String) -> fmt::Result {
        status::show(self.address, &self.slot, &mut self.state, out)
    }
}
