//! The card that the command line means.

use std::fs::File;
use std::io::BufWriter;
use std::sync::{Arc, Mutex, PoisonError};

use amdgpu::discovery::{Discovery, FixedBases};
use amdgpu::{Bar, Bus, Device, discovery};
use amdgpu_host::{InProcess, Remote};
use anyhow::{Context, Result, bail};
use gpu_model::{Card, Level};

use crate::options::Options;

/// A card, and who watches what the driver does to it.
pub(crate) struct Opened {
    pub(crate) bus: Box<dyn Bus + Send>,
    pub(crate) witness: Witness,
    /// Which card it is, in words.
    pub(crate) name: String,
}

/// The model of the card, if it is one; a real card watches nothing.
pub(crate) struct Witness(Option<Arc<Mutex<Card>>>);

impl Witness {
    /// Fails if the driver broke a rule of the model.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(card) = &self.0 else {
            return Ok(());
        };
        let mut card = card.lock().unwrap_or_else(PoisonError::into_inner);
        card.flush_trace();
        match card.report() {
            None => Ok(()),
            Some(report) => bail!(
                "{report}this is a defect of the driver or of the model; please report it with these lines"
            ),
        }
    }
}

pub(crate) fn open(options: &Options) -> Result<Opened> {
    if let Some(address) = &options.remote {
        let remote = Remote::connect(address, options.device.as_deref(), options.limit)?;
        return Ok(Opened {
            name: format!("{} at {address}", remote.name()),
            bus: Box::new(remote),
            witness: Witness(None),
        });
    }
    let mut bus = InProcess::new(Level::Strict).context("address space for the model")?;
    if options.small_bar {
        bus = bus.without_resizing();
    }
    let card = bus.card();
    if let Some(path) = &options.trace {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        let mut card = card.lock().unwrap_or_else(PoisonError::into_inner);
        card.trace(BufWriter::new(file));
    }
    Ok(Opened {
        bus: Box::new(bus),
        witness: Witness(Some(card)),
        name: "the device model, strict".to_owned(),
    })
}

/// Finds the card's blocks, without changing anything but the window by which a card with a small aperture is read: the
/// card, its table, and its bytes of video memory.
pub(crate) fn discover(bus: Box<dyn Bus + Send>) -> Result<(Device, Discovery, u64)> {
    let mut device = Device::new(bus, Box::new(FixedBases));
    let visible = device.bus().aperture_bytes(Bar::Vram);
    let vram = discovery::wait_for_flash(&mut device)?;
    let found = discovery::discover(&mut device, vram, visible)
        .context("the card's table of its blocks; without it no register can be found")?;
    Ok((device, found, vram))
}
