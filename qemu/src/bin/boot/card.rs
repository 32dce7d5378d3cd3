//! The card that `--gpu` puts into the guest: the device model on a thread of this process, at its strict level.

use std::fs::File;
use std::io::BufWriter;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use gpu_model::door::SharedCard;
use gpu_model::door::qemu::{GuestMemory, Plug};
use gpu_model::{Card, Faults, Level};
use qemu::guest::Configuration;
use qemu::options;

/// The model, and its connection with QEMU.
pub(crate) struct Model {
    card: SharedCard,
    plug: Plug,
}

impl Model {
    /// A posted card with the faults that are asked for. Its report goes to stderr when a rule is broken.
    ///
    /// # Errors
    /// If a fault is none, the trace cannot be written, or the system refuses memory or threads.
    pub(crate) fn start(options: &options::Gpu) -> Result<Self> {
        let faults = options
            .faults
            .iter()
            .try_fold(Faults::default(), |mut all, text| {
                all.join(
                    text.parse()
                        .map_err(|error| anyhow::anyhow!("--fault: {error}"))?,
                );
                anyhow::Ok(all)
            })?;
        let memory = Arc::new(GuestMemory::default());
        let mut card = Card::new(Level::Strict, memory.clone())
            .context("no address space for the model's video memory")?;
        card.faults().join(faults);
        card.on_stop(|report| eprint!("{report}"));
        if let Some(path) = &options.trace {
            let file = File::create(path)
                .with_context(|| format!("--trace: cannot write {}", path.display()))?;
            card.trace(BufWriter::new(file));
        }
        let card = Arc::new(Mutex::new(card));
        let plug = Plug::new(card.clone(), memory).context("cannot serve the model to QEMU")?;
        Ok(Self { card, plug })
    }

    /// Puts the card into a guest that is to be started, and its firmware on the guest's disk.
    ///
    /// # Errors
    /// If there is no firmware, with what to do.
    pub(crate) fn attach(&self, configuration: &mut Configuration) -> Result<()> {
        let options = &configuration.options;
        let mib = u32::try_from(options.memory_mib);
        let folder = options.gpu.as_ref().and_then(|gpu| gpu.firmware.as_deref());
        configuration.firmware = Some(qemu::firmware::archive(folder)?);
        let mib = mib.context("--memory: too much to share with a card")?;
        configuration.extra = self.plug.arguments(mib);
        Ok(())
    }

    /// QEMU runs.
    pub(crate) fn started(&mut self) {
        self.plug.started();
    }

    /// The guest has ended.
    ///
    /// # Errors
    /// If the driver broke a rule; the report was printed then.
    pub(crate) fn finish(self) -> Result<()> {
        drop(self.plug);
        let mut card = self.card.lock().unwrap_or_else(PoisonError::into_inner);
        card.flush_trace();
        let broken = card.stopped().map(ToString::to_string);
        ensure!(
            broken.is_none(),
            "the driver broke a rule of the card's model (its report is above): {}",
            broken.unwrap_or_default()
        );
        Ok(())
    }
}
