//! The kernel in a machine with the model of the card, at its strict level.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, ensure};
use gpu_model::door::SharedCard;
use gpu_model::door::qemu::{GuestMemory, Plug};
use gpu_model::{BadFault, Card, FaultKind, Level};

use crate::guest::{self, Kernel};

/// What the machine with the card is like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine<'a> {
    /// The kernel's command line.
    pub command_line: &'a str,
    /// What goes wrong with the card, as `NAME@N`.
    pub fault: Option<&'a str>,
    /// The disk has no firmware.
    pub without_firmware: bool,
}

/// A started kernel, and the card that it met.
pub struct GpuKernel {
    /// The kernel.
    pub kernel: Kernel,
    card: SharedCard,
    _plug: Plug,
}

impl Machine<'_> {
    /// Starts the machine and does not wait.
    ///
    /// # Errors
    /// As [`Kernel::start`], and if the firmware is missing or the fault is none.
    pub fn start(&self) -> Result<GpuKernel> {
        let memory = Arc::new(GuestMemory::default());
        let mut card = Card::new(Level::Strict, memory.clone())?;
        if let Some(fault) = self.fault {
            let fault = fault.parse();
            let fault = fault.map_err(|error: BadFault| anyhow!("{error}"))?;
            card.faults().join(fault);
        }
        let card = Arc::new(Mutex::new(card));
        let mut plug = Plug::new(card.clone(), memory)?;
        let mut configuration = guest::with_command_line(self.command_line);
        let mib = u32::try_from(configuration.options.memory_mib)?;
        configuration.extra = plug.arguments(mib);
        if !self.without_firmware {
            configuration.firmware = Some(qemu::firmware::archive(None)?);
        }
        let kernel = Kernel::start(&configuration)?;
        plug.started();
        Ok(GpuKernel {
            kernel,
            card,
            _plug: plug,
        })
    }
}

impl GpuKernel {
    /// Pulls the card out.
    pub fn remove_card(&self) {
        let mut card = self.card.lock().unwrap_or_else(PoisonError::into_inner);
        card.faults().add(FaultKind::Removal, 1);
    }

    /// Shuts the kernel down and asserts that it broke no rule of the card.
    ///
    /// # Errors
    /// If it did, or does not end as it should.
    pub fn shut_down(self) -> Result<()> {
        let ended = self.kernel.shut_down();
        let card = self.card.lock().unwrap_or_else(PoisonError::into_inner);
        let report = card.report();
        ensure!(report.is_none(), "{}", report.unwrap_or_default());
        ended.context("after the card")
    }
}
