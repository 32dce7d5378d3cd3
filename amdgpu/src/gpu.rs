//! A card that computes: how it is started, looked after, and stopped.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use firmware_loader::Firmware;

use crate::asic::{self, Asic};
use crate::bring_up::{self, Card, Found, Log};
use crate::discovery::{FixedBases, Shape, Version};
use crate::hub::{self, Hub, PageFault};
use crate::ih::{Interrupt, InterruptRing, Meaning};
use crate::layout::Layout;
use crate::psp::Psp;
use crate::queue::{ComputeQueue, SdmaQueue};
use crate::report::Report;
use crate::smu::Smu;
use crate::{Bus, Device, Error, Memory, mec, pci, sdma_engine};

/// How often a cold start is tried, with a reset in between.
const COLD_STARTS: u32 = 2;

/// What a start may do.
#[derive(Clone, Copy, Debug)]
pub struct Configuration {
    /// Starts a card that was never brought up on the model.
    pub force: bool,
    /// Makes all of video memory visible, where the slot allows it.
    pub resize_bar: bool,
    /// Takes a card over as it was left, if this driver left it in order.
    pub warm: bool,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            force: false,
            resize_bar: true,
            warm: true,
        }
    }
}

/// What a card is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its chip.
    pub asic: &'static Asic,
    /// Its ids on the bus.
    pub ids: pci::Ids,
    /// Hardware id, instance and version of its blocks.
    pub blocks: Vec<(u16, u8, Version)>,
    /// Video memory, all of it and what the processor sees.
    pub layout: Layout,
    /// How wide it is, fused parts included.
    pub shape: Shape,
    /// Compute units that it has.
    pub compute_units: u32,
    /// Version of PSP's operating system.
    pub sos: u32,
    /// Version of the SMU's firmware: program, major, minor, revision.
    pub smu: [u8; 4],
    /// Firmware files with their versions.
    pub firmware: Vec<(&'static str, u32)>,
    /// How it was found.
    pub found: Found,
}

/// Why a card could not be started, and what it looked like then. It does no DMA any more.
pub struct Failure {
    /// The step that failed.
    pub step: &'static str,
    /// Why.
    pub error: Error,
    /// What the card looked like.
    pub report: Box<Report>,
    /// The bus, for whoever wants to try again.
    pub bus: Box<dyn Bus + Send>,
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.step, self.error)?;
        self.report.fmt(f)
    }
}

/// A card that computes. Its parts are apart, so that each can be used with the device and others.
pub struct Gpu {
    /// Registers and the bus.
    pub device: Device,
    /// Video memory and addresses.
    pub memory: Memory,
    /// The compute queue.
    pub compute: ComputeQueue,
    /// A queue of each engine that copies.
    pub sdma: [SdmaQueue; sdma_engine::ENGINES as usize],
    /// Clocks, power, measurements.
    pub smu: Smu,
    /// Interrupts, to be polled.
    pub interrupts: InterruptRing,
    identity: Identity,
    mec_start: u64,
    /// The last interrupts that nobody asked for, oldest first.
    last: Vec<Interrupt>,
}

/// What happened on a card that nobody asked for.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Interrupts after which a queue stands still: the last few, oldest first.
    pub fatal: Vec<Interrupt>,
    /// The page faults that the hubs held, which are free for the next now.
    pub faults: Vec<PageFault>,
}

impl Health {
    /// Nothing bad happened.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.fatal.is_empty() && self.faults.is_empty()
    }
}

impl Gpu {
    /// Brings a card up, from whatever state it is in. The firmware is that of [`crate::asic::by_device`]'s row for it.
    ///
    /// # Errors
    /// Which step failed and why, with a report. The card is off bus mastering then.
    pub fn start(
        bus: Box<dyn Bus + Send>,
        firmware: &Firmware<'_>,
        configuration: &Configuration,
        log: Log<'_>,
    ) -> Result<Self, Failure> {
        let mut device = Device::new(bus, Box::new(FixedBases));
        let found = bring_up::attempt(
            ("discovery", 2),
            &mut device,
            |device| device,
            |device| {
                let Configuration {
                    resize_bar, force, ..
                } = *configuration;
                let found = Card::find(device, resize_bar, force)?;
                asic::check_ids(found.0, &pci::ids(device))?;
                check_set(found.0, firmware)?;
                Ok(found)
            },
            log,
        );
        let found = match found {
            Ok(found) => found,
            Err((step, error)) => return Err(give_up(device, step, error)),
        };
        let mut card = Card::new(device, firmware, found);
        match bring_up(&mut card, configuration.warm, log) {
            Ok(found) => Self::assemble(card, firmware, found),
            Err((step, error)) => Err(give_up_card(card, step, error)),
        }
    }

    fn assemble(
        mut card: Card<'_>,
        firmware: &Firmware<'_>,
        found: Found,
    ) -> Result<Self, Failure> {
        let identity = match identify(&mut card, firmware, found) {
            Ok(identity) => identity,
            Err(error) => return Err(give_up_card(card, "identity", error)),
        };
        let mec_start = match bring_up::mec_start(firmware) {
            Ok(start) => start,
            Err(error) => return Err(give_up_card(card, "identity", error)),
        };
        let parts = (
            card.memory.take(),
            card.compute.take(),
            card.sdma.each_mut().map(Option::take),
            card.interrupts.take(),
        );
        let (Some(memory), Some(compute), [Some(first), Some(second)], Some(interrupts)) = parts
        else {
            let what = "parts of the card";
            let expected = "memory, queues and interrupts after all steps";
            let error = Error::Unexpected {
                what,
                found: 0,
                expected,
            };
            return Err(give_up_card(card, "queues", error));
        };
        Ok(Self {
            device: card.device,
            memory,
            compute,
            sdma: [first, second],
            smu: card.smu,
            interrupts,
            identity,
            mec_start,
            last: Vec::new(),
        })
    }

    /// What the card is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Takes what happened since the last time that nobody asked for.
    ///
    /// # Errors
    /// [`Error::Gone`] if the card is off the bus.
    pub fn health(&mut self) -> Result<Health, Error> {
        let mut health = Health::default();
        if self.device.is_gone() {
            return Err(self.device.gone());
        }
        let last = &mut self.last;
        self.interrupts.poll(&mut self.device, &mut |interrupt| {
            let meaning = interrupt.meaning();
            if matches!(meaning, Meaning::Fatal(_) | Meaning::PageFault { .. }) {
                keep(last, interrupt);
            }
            if matches!(meaning, Meaning::Fatal(_)) {
                keep(&mut health.fatal, interrupt);
            }
        })?;
        for hub in [Hub::Gc, Hub::Mm] {
            health
                .faults
                .extend(hub::take_fault(&mut self.device, hub)?);
        }
        Ok(health)
    }

    /// What a driver engineer asks for.
    #[must_use]
    pub fn report(&mut self) -> Report {
        Report::new(&mut self.device, self.last.clone())
    }

    /// First and second level of recovery of the compute queue: takes it off its pipe, which kills its waves; if that does not
    /// help, resets the MEC. Then the queue is made anew, with what it had not finished lost.
    ///
    /// # Errors
    /// If neither helps: [`Gpu::restart`] is what is left.
    pub fn recover_compute(&mut self) -> Result<Recovery, Error> {
        if self.compute.dequeue(&mut self.device).is_ok() {
            self.compute.recreate(&mut self.device)?;
            return Ok(Recovery::Dequeued);
        }
        self.reset_mec()?;
        Ok(Recovery::EngineReset)
    }

    /// Resets the MEC and makes the compute queue anew, with what it had not finished lost.
    ///
    /// # Errors
    /// If the queue does not come back: [`Gpu::restart`] is what is left.
    pub fn reset_mec(&mut self) -> Result<(), Error> {
        let device = &mut self.device;
        mec::reset(device)
            .and_then(|()| mec::start(device, self.mec_start))
            .and_then(|()| self.compute.recreate(device))
            .map_err(|error| device.explain(error))
    }

    /// Resets an SDMA engine and makes its queue anew, with what it had not finished lost.
    ///
    /// # Errors
    /// If the queue does not come back: [`Gpu::restart`] is what is left.
    pub fn recover_sdma(&mut self, engine: usize) -> Result<Recovery, Error> {
        let device = &mut self.device;
        let Some(queue) = self.sdma.get_mut(engine) else {
            let what = "SDMA engine";
            let expected = "0 or 1";
            let found = engine as u64;
            return Err(Error::Unexpected {
                what,
                found,
                expected,
            });
        };
        let number = engine as u32;
        queue
            .disable(device)
            .and_then(|()| sdma_engine::reset(device, number))
            .and_then(|()| sdma_engine::start(device, number))
            .and_then(|()| queue.recreate(device))
            .map_err(|error| device.explain(error))?;
        Ok(Recovery::EngineReset)
    }

    /// Third level of recovery: resets the whole card and brings it up from cold. All that was in its memory is lost, and what
    /// was allocated is not valid any more.
    ///
    /// # Errors
    /// As [`Gpu::start`]: the card is given up then.
    pub fn restart(
        self,
        firmware: &Firmware<'_>,
        configuration: &Configuration,
        log: Log<'_>,
    ) -> Result<Self, Failure> {
        let (bus, result) = self.leave();
        // A card that does not take leave any more is to be reset all the more.
        drop(result);
        let configuration = Configuration {
            warm: false,
            ..*configuration
        };
        Self::start(bus, firmware, &configuration, log)
    }

    /// Stops the card in order: queues, clocks, interrupts, and bus mastering last. The next start can be a warm one.
    ///
    /// # Errors
    /// If something does not stop; the bus is given back all the same, with bus mastering off, and the next start will
    /// reset the card.
    pub fn stop(mut self) -> (Box<dyn Bus + Send>, Result<(), Error>) {
        let idle = self.smu.leave(&mut self.device);
        let (bus, left) = self.leave();
        (bus, idle.and(left))
    }

    /// Takes everything away; the marker says that all is in order only if it is.
    fn leave(self) -> (Box<dyn Bus + Send>, Result<(), Error>) {
        let Self {
            mut device,
            mut compute,
            mut sdma,
            mut interrupts,
            ..
        } = self;
        let mut result = compute.dequeue(&mut device);
        for queue in &mut sdma {
            result = result.and(queue.disable(&mut device));
        }
        result = result.and(interrupts.stop(&mut device));
        pci::enable(&mut device, false);
        compute.abandon(&mut device);
        for queue in sdma {
            queue.abandon(&mut device);
        }
        interrupts.abandon(&mut device);
        result = result.and_then(|()| bring_up::mark_clean(&mut device));
        if device.is_gone() {
            result = Err(device.gone());
        }
        (device.into_bus(), result)
    }
}

/// Adds to the last few.
fn keep(last: &mut Vec<Interrupt>, interrupt: &Interrupt) {
    const MOST: usize = 8;
    if last.len() == MOST {
        last.remove(0);
    }
    last.push(*interrupt);
}

/// How a queue was brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// It was taken off its pipe.
    Dequeued,
    /// Its engine was reset.
    EngineReset,
}

/// Brings a card up from the state that it is in. A warm start that fails becomes a cold one; a cold one that fails is tried
/// once more after a reset, if somebody on the card can do that.
fn bring_up(card: &mut Card<'_>, warm: bool, log: Log<'_>) -> Result<Found, (&'static str, Error)> {
    let found = card
        .found()
        .map_err(|error| ("state of the card", card.device.explain(error)))?;
    if found == Found::Warm && warm && card.run(bring_up::WARM, log).is_ok() {
        return Ok(found);
    }
    if found != Found::Cold {
        start_over(card, log)?;
    }
    for attempt in 1.. {
        match card.run(bring_up::COLD, log) {
            Ok(()) => break,
            Err(failed) if attempt == COLD_STARTS => return Err(failed),
            // Nobody but sOS and SMU can reset the card, and one that is gone has neither.
            Err(failed) => match Psp::is_alive(&mut card.device) {
                Ok(true) if !card.device.is_gone() => {
                    start_over(card, log).map_err(|_| failed)?;
                }
                _ => return Err(failed),
            },
        }
    }
    Ok(match found {
        Found::Warm => Found::Foreign,
        found => found,
    })
}

/// Gives back what an earlier attempt had, and resets the card.
fn start_over(card: &mut Card<'_>, log: Log<'_>) -> Result<(), (&'static str, Error)> {
    card.release();
    card.run(bring_up::RESET, log)
}

/// The firmware must be that of the card.
fn check_set(asic: &'static Asic, firmware: &Firmware<'_>) -> Result<(), Error> {
    for (name, _) in firmware.versions() {
        if !asic.firmware.files.contains(&Some(name)) {
            let name = alloc::format!("{asic} with the firmware {name}");
            let why = "it is that of another card";
            return Err(Error::Unsupported { name, why });
        }
    }
    Ok(())
}

fn identify(card: &mut Card<'_>, firmware: &Firmware<'_>, found: Found) -> Result<Identity, Error> {
    let blocks = card.discovery.blocks.iter();
    Ok(Identity {
        asic: card.asic,
        ids: pci::ids(&mut card.device),
        blocks: blocks
            .map(|block| (block.id, block.instance, block.version))
            .collect(),
        layout: card.layout,
        shape: card.discovery.shape,
        compute_units: card.units,
        sos: card.device.read(amdgpu_registers::mp::PSP_SOS_VERSION)?,
        smu: card.smu.firmware(),
        firmware: firmware.versions().collect(),
        found,
    })
}

/// Leaves a card alone that cannot be started: it does no DMA from then on.
fn give_up(mut device: Device, step: &'static str, error: Error) -> Failure {
    let report = Box::new(Report::new(&mut device, Vec::new()));
    if !device.is_gone() {
        pci::enable(&mut device, false);
    }
    Failure {
        step,
        error,
        report,
        bus: device.into_bus(),
    }
}

fn give_up_card(mut card: Card<'_>, step: &'static str, error: Error) -> Failure {
    let mut last = Vec::new();
    if let Some(ring) = &mut card.interrupts {
        // Without registers there is nothing to tell.
        let _ = ring.poll(&mut card.device, &mut |interrupt| {
            keep(&mut last, interrupt)
        });
    }
    let report = Box::new(Report::new(&mut card.device, last));
    card.release();
    Failure {
        step,
        error,
        report,
        bus: card.device.into_bus(),
    }
}
