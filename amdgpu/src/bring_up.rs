//! The bring-up as lists of steps: a cold start from PSP's bootloader, a warm one of a card that this driver left running,
//! and the reset of a card that somebody else did.
//!
//! Each step is a function of the block's own file; here is only their order, with why it is so. The order is Linux's
//! (`amdgpu_device_ip_init` with `psp_hw_start`, then `gmc`, `gfx` and `sdma`), shortened to what compute needs as
//! tinygrad's AM has shown on this card.

use core::time::Duration;

use amdgpu_registers::{Register, gc};
use firmware_loader::{File, Firmware};

use crate::asic::Asic;
use crate::discovery::{self, Discovery};
use crate::hub::{self, Context, Hub};
use crate::ih::InterruptRing;
use crate::layout::{DUMMY_PAGE, Layout, MQDS, ROOT_TABLE, SCRATCH_PAGE, TABLES};
use crate::nbio::{DOORBELL_MEC, DOORBELL_SDMA};
use crate::psp::Psp;
use crate::queue::{ComputeQueue, Placement, SdmaQueue};
use crate::smu::Smu;
use crate::{Device, Error, GpuVa, Memory, gating, mec, memory, nbio, pci, sdma_engine};

/// How a step went, for the log.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// What was done.
    pub name: &'static str,
    /// How long it took.
    pub took: Duration,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// How it went.
    pub result: Result<(), Error>,
}

/// Hears of every step.
pub type Log<'a> = &'a mut dyn FnMut(&StepReport);

/// A step.
pub(crate) struct Step {
    name: &'static str,
    act: fn(&mut Card<'_>) -> Result<(), Error>,
    /// How often it may be tried: more than once where nothing is lost by that.
    attempts: u32,
}

const fn once(name: &'static str, act: fn(&mut Card<'_>) -> Result<(), Error>) -> Step {
    Step {
        name,
        act,
        attempts: 1,
    }
}

const fn twice(name: &'static str, act: fn(&mut Card<'_>) -> Result<(), Error>) -> Step {
    Step {
        name,
        act,
        attempts: 2,
    }
}

/// A card on its way up.
pub(crate) struct Card<'a> {
    pub(crate) device: Device,
    firmware: &'a Firmware<'a>,
    pub(crate) asic: &'static Asic,
    pub(crate) discovery: Discovery,
    pub(crate) layout: Layout,
    pub(crate) smu: Smu,
    psp: Psp,
    tmr_bytes: u32,
    pub(crate) units: u32,
    pub(crate) interrupts: Option<InterruptRing>,
    pub(crate) memory: Option<Memory>,
    pub(crate) compute: Option<ComputeQueue>,
    pub(crate) sdma: [Option<SdmaQueue>; sdma_engine::ENGINES as usize],
}

/// Who left the card, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The machine's firmware: PSP waits in its bootloader.
    Cold,
    /// This driver, in order.
    Warm,
    /// Somebody else, or this driver without having stopped.
    Foreign,
}

/// Holds what this driver writes when a card is up ([`mark_of`]).
const MARKER: Register = gc::SCRATCH_REG.plus(7);
/// Not 0 while a driver works with the card.
const DIRTY: Register = gc::SCRATCH_REG.plus(6);

/// From PSP's bootloader to a card that computes.
pub(crate) const COLD: &[Step] = &[
    once("bus mastering", switch_dma_on),
    twice("bus interface", |card| nbio::set_up(&mut card.device)),
    twice("memory of the driver", set_up_memory),
    // PSP and SMU go through it.
    twice("MM hub", |card| set_up_hub(card, Hub::Mm)),
    once("interrupt ring", set_up_interrupts),
    once("PSP: secure operating system", |card| {
        let Card { device, layout, .. } = card;
        let mut components = card.firmware.bootloader();
        components.try_for_each(|component| card.psp.boot(device, layout, &component))
    }),
    once("PSP: ring", |card| {
        card.psp.create_ring(&mut card.device, &card.layout)
    }),
    once("PSP: table of contents", |card| {
        let (psp, toc) = (&mut card.psp, card.firmware.toc());
        card.tmr_bytes = psp.load_toc(&mut card.device, &card.layout, toc)?;
        Ok(())
    }),
    // It manages memory's power, so it comes before there is memory for the others.
    once("PSP: SMU firmware", |card| {
        let smu = card.firmware.smu().into_iter();
        load(card, smu)
    }),
    once("PSP: trusted memory region", |card| {
        let region = card.layout.tmr(card.tmr_bytes.into())?;
        card.psp.set_up_tmr(&mut card.device, &card.layout, region)
    }),
    once("PSP: firmware of all blocks", |card| {
        let loads = card.firmware.loads();
        load(card, loads)
    }),
    once("PSP: autoload", |card| {
        card.psp.autoload(&mut card.device, &card.layout)
    }),
    twice("SMU", |card| {
        card.smu.set_up(&mut card.device, &card.layout)?;
        card.smu.enable_features(&mut card.device)
    }),
    // GC is written only from here on.
    once("RLC: end of autoload", |card| {
        mec::wait_for_autoload(&mut card.device)
    }),
    once("mark: in use", mark_dirty),
    twice("GC hub", |card| set_up_hub(card, Hub::Gc)),
    twice("command processor", |card| mec::set_up(&mut card.device)),
    once("MEC", start_mec),
    twice("compute units", count_units),
    once("SDMA engines", start_sdma),
    twice("doorbells", |card| nbio::lead_doorbells(&mut card.device)),
    twice("clock gating", |card| gating::enable(&mut card.device)),
    once("queues", create_queues),
    once("mark: ours", mark),
];

/// From a card that this driver left, whose firmware runs, to one that computes.
pub(crate) const WARM: &[Step] = &[
    once("mark: in use", mark_dirty),
    once("engines, in reset", |card| {
        mec::reset(&mut card.device)?;
        (0..sdma_engine::ENGINES)
            .try_for_each(|engine| sdma_engine::reset(&mut card.device, engine))
    }),
    once("bus mastering", switch_dma_on),
    twice("memory of the driver", set_up_memory),
    twice("MM hub", |card| set_up_hub(card, Hub::Mm)),
    once("interrupt ring", set_up_interrupts),
    twice("SMU", |card| {
        card.smu.set_up(&mut card.device, &card.layout)
    }),
    twice("GC hub", |card| set_up_hub(card, Hub::Gc)),
    twice("command processor", |card| mec::set_up(&mut card.device)),
    once("MEC", start_mec),
    twice("compute units", count_units),
    once("SDMA engines", start_sdma),
    twice("doorbells", |card| nbio::lead_doorbells(&mut card.device)),
    once("queues", create_queues),
    once("mark: ours", mark),
];

/// From a card that runs, in whatever state, to one whose PSP waits in its bootloader. All memory is lost.
pub(crate) const RESET: &[Step] = &[
    once("mode1 reset", reset),
    once("firmware in flash, after the reset", |card| {
        discovery::wait_for_flash(&mut card.device).map(drop)
    }),
];

impl<'a> Card<'a> {
    /// Finds out which card it is. The bus is handed back if it is none that this driver drives.
    pub(crate) fn find(
        device: &mut Device,
        resize: bool,
        force: bool,
    ) -> Result<(&'static Asic, Discovery, Layout), Error> {
        if device.is_gone() {
            return Err(device.gone());
        }
        let visible = if resize {
            device.bus().resize_vram_aperture(1 << 45)
        } else {
            device.bus().aperture_bytes(crate::Bar::Vram)
        };
        // What somebody else left running must not reach host memory any more.
        pci::enable(device, false);
        let bytes = discovery::wait_for_flash(device)?;
        let table = discovery::discover(device, bytes, visible)?;
        let asic = crate::asic::identify(&table, force)?;
        let base = hub::video_memory_base(device)?;
        Ok((asic, table, Layout::new(bytes, visible, base)?))
    }

    /// A card of which is known what it is.
    pub(crate) fn new(
        device: Device,
        firmware: &'a Firmware<'a>,
        (asic, discovery, layout): (&'static Asic, Discovery, Layout),
    ) -> Self {
        Self {
            device,
            firmware,
            asic,
            discovery,
            layout,
            smu: Smu::new(asic.mp),
            psp: Psp::default(),
            tmr_bytes: 0,
            units: 0,
            interrupts: None,
            memory: None,
            compute: None,
            sdma: [None, None],
        }
    }

    /// Who left the card. Registers of GC can be read at any time once sOS runs.
    pub(crate) fn found(&mut self) -> Result<Found, Error> {
        let device = &mut self.device;
        if !Psp::is_alive(device)? {
            return Ok(Found::Cold);
        }
        let is_ours = device.read(MARKER)? == mark_of(self.firmware)
            && device.read(DIRTY)? == 0
            && hub::look_at_fault(device, Hub::Gc)?.is_none();
        Ok(if is_ours { Found::Warm } else { Found::Foreign })
    }

    /// Does steps in order, each as often as it may: which one failed in the end, and why.
    pub(crate) fn run(
        &mut self,
        steps: &[Step],
        log: Log<'_>,
    ) -> Result<(), (&'static str, Error)> {
        for step in steps {
            let name = (step.name, step.attempts);
            attempt(name, self, |card| &mut card.device, step.act, log)?;
        }
        Ok(())
    }

    /// Takes the card off bus mastering and gives host memory back to the bus.
    pub(crate) fn release(&mut self) {
        let device = &mut self.device;
        pci::enable(device, false);
        for queue in self.sdma.iter_mut().filter_map(Option::take) {
            queue.abandon(device);
        }
        if let Some(queue) = self.compute.take() {
            queue.abandon(device);
        }
        if let Some(ring) = self.interrupts.take() {
            ring.abandon(device);
        }
    }
}

/// Does something, as often as it may, and tells the log of each time. What cannot become better is not tried again.
pub(crate) fn attempt<S, T>(
    (name, attempts): (&'static str, u32),
    subject: &mut S,
    device: fn(&mut S) -> &mut Device,
    act: impl Fn(&mut S) -> Result<T, Error>,
    log: Log<'_>,
) -> Result<T, (&'static str, Error)> {
    let mut attempt = 1;
    loop {
        let start = device(subject).bus().now();
        let result = act(subject).map_err(|error| device(subject).explain(error));
        log(&StepReport {
            name,
            took: device(subject).bus().now().saturating_sub(start),
            attempt,
            result: result.as_ref().map(drop).map_err(Clone::clone),
        });
        match result {
            Ok(done) => return Ok(done),
            Err(error @ (Error::Gone { .. } | Error::Unsupported { .. })) => {
                return Err((name, error));
            }
            Err(error) if attempt == attempts => return Err((name, error)),
            Err(_) => attempt += 1,
        }
    }
}

fn load<'a>(
    card: &mut Card<'_>,
    mut loads: impl Iterator<Item = firmware_loader::Load<'a>>,
) -> Result<(), Error> {
    loads.try_for_each(|load| card.psp.load(&mut card.device, &card.layout, &load))
}

/// From here on the card may access host memory: nothing runs on it that does.
fn switch_dma_on(card: &mut Card<'_>) -> Result<(), Error> {
    pci::enable(&mut card.device, true);
    Ok(())
}

/// Clears what engines read before anybody wrote it, and makes an empty address space.
fn set_up_memory(card: &mut Card<'_>) -> Result<(), Error> {
    for page in [SCRATCH_PAGE, DUMMY_PAGE] {
        card.device.bus().vram_write(page.start.0, &[0; 4096]);
    }
    let tables = TABLES.start..TABLES.end();
    let memory = Memory::new(
        &mut card.device,
        card.layout.heap(),
        tables,
        ROOT_TABLE.start,
    )?;
    card.memory = Some(memory);
    Ok(())
}

fn set_up_hub(card: &mut Card<'_>, hub: Hub) -> Result<(), Error> {
    let context = Context {
        root: ROOT_TABLE.start,
        first: memory::VA_START,
        last: GpuVa(memory::VA_END.0 - 1),
    };
    hub::set_up(&mut card.device, hub, &card.layout, &context)
}

fn set_up_interrupts(card: &mut Card<'_>) -> Result<(), Error> {
    match &mut card.interrupts {
        Some(ring) => ring.set_up(&mut card.device),
        None => {
            card.interrupts = Some(InterruptRing::create(&mut card.device)?);
            Ok(())
        }
    }
}

fn start_mec(card: &mut Card<'_>) -> Result<(), Error> {
    mec::start(&mut card.device, mec_start(card.firmware)?)
}

/// Where the MEC's program begins.
pub(crate) fn mec_start(firmware: &Firmware<'_>) -> Result<u64, Error> {
    let start = firmware.start_address(File::Mec);
    start.ok_or(Error::Unexpected {
        what: "start address of the MEC's firmware",
        found: 0,
        expected: "one in its header, version 2.0",
    })
}

fn count_units(card: &mut Card<'_>) -> Result<(), Error> {
    card.units = mec::compute_units(&mut card.device, &card.discovery.shape)?;
    Ok(())
}

fn start_sdma(card: &mut Card<'_>) -> Result<(), Error> {
    (0..sdma_engine::ENGINES).try_for_each(|engine| sdma_engine::start(&mut card.device, engine))
}

/// Bytes of the queues' rings.
const COMPUTE_RING: u64 = 1 << 20;
const SDMA_RING: u64 = 1 << 18;

fn create_queues(card: &mut Card<'_>) -> Result<(), Error> {
    let Some(memory) = &mut card.memory else {
        return Ok(());
    };
    let placement = Placement {
        mqd: MQDS.start,
        doorbell: DOORBELL_MEC,
        ring_bytes: COMPUTE_RING,
    };
    card.compute = Some(ComputeQueue::create(&mut card.device, memory, placement)?);
    for ((engine, doorbell), slot) in (0..).zip(DOORBELL_SDMA).zip(&mut card.sdma) {
        let queue = SdmaQueue::create(&mut card.device, memory, engine, SDMA_RING, doorbell)?;
        *slot = Some(queue);
    }
    Ok(())
}

/// From here on the card is not ours to start warmly, until [`mark_clean`].
fn mark_dirty(card: &mut Card<'_>) -> Result<(), Error> {
    card.device.write(DIRTY, 1)
}

fn mark(card: &mut Card<'_>) -> Result<(), Error> {
    card.device.write(MARKER, mark_of(card.firmware))
}

/// What tells a card that this driver started with this firmware: the versions of all files, hashed (FNV-1a) from a number
/// that changes with what a start leaves.
fn mark_of(firmware: &Firmware<'_>) -> u32 {
    const START: u32 = 0x494e_4601;
    let versions = firmware.versions().map(|(_, version)| version);
    let bytes = versions.flat_map(u32::to_le_bytes);
    bytes.fold(START, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// Leaves the card so that the next start can be a warm one.
pub(crate) fn mark_clean(device: &mut Device) -> Result<(), Error> {
    device.write(DIRTY, 0)
}

/// Resets everything but the place on the bus, without bus mastering meanwhile (`amdgpu_device_mode1_reset`): by the SMU if
/// it runs, as Linux does on this card, otherwise by PSP.
fn reset(card: &mut Card<'_>) -> Result<(), Error> {
    let device = &mut card.device;
    pci::enable(device, false);
    let apertures = pci::Apertures::save(device);
    let by_smu = Smu::has_answered(device)? && card.smu.mode1_reset(device).is_ok();
    if !by_smu {
        Psp::mode1_reset(device)?;
        device.bus().pause(crate::smu::RESET_TIME);
    }
    apertures.restore(device);
    pci::enable(device, false);
    card.smu = Smu::new(card.asic.mp);
    card.psp = Psp::default();
    Ok(())
}
