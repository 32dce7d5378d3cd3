//! What all blocks share: registers, memories, the journal, faults, and what one block has to tell another.

use std::fmt;
use std::sync::Arc;

use crate::caches::Caches;
use crate::clock::Clock;
use crate::counters::Counters;
use crate::fault::Faults;
use crate::gmc::Mmu;
use crate::hdp::Hdp;
use crate::host::HostMemory;
use crate::journal::Journal;
use crate::register_file::{At, RegisterFile};
use crate::rule::{Level, Rule, Tolerance, Violation};
use crate::vram::Vram;

/// How far a reset reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The whole card, video memory included: power-on and mode1.
    Card,
    /// The compute engine (GRBM_SOFT_RESET of CP and CPC).
    Mec,
    /// An SDMA engine (GRBM_SOFT_RESET of SDMA0 or SDMA1).
    Sdma(usize),
}

/// Where doorbells are led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// Graphics and compute.
    Gc,
    Sdma,
    /// The interrupt handler.
    Ih,
    /// Video engines, which nothing here models.
    Video,
}

/// What a block has to tell others; the card acts on it when the access that caused it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Something is to be reset.
    Reset(Scope),
    /// PSP has handed all firmware to the RLC, which brings graphics up.
    Autoload {
        /// Where the MEC's program starts, in bytes, as its firmware says.
        mec_start: u64,
    },
    /// PSP has started the SMU's firmware.
    SmuFirmware {
        /// Its version, as the SMU tells it.
        version: u32,
    },
    /// An interrupt for the ring of the IH.
    Interrupt(Vector),
    /// The write pointer of an engine's queue moved.
    Doorbell {
        /// Where the bus interface leads it.
        to: Port,
        /// Byte offset in BAR2.
        offset: u32,
        /// The value written.
        value: u64,
        /// Bytes written, 4 or 8.
        bytes: usize,
    },
}

/// An entry of the interrupt ring, without its timestamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vector {
    pub(crate) client: u8,
    pub(crate) source: u8,
    pub(crate) ring: u8,
    pub(crate) vmid: u8,
    /// From the MM hub, not the GC hub.
    pub(crate) mm_hub: bool,
    pub(crate) data: [u32; 4],
}

/// What all blocks share.
pub(crate) struct Fabric {
    pub(crate) level: Level,
    pub(crate) registers: RegisterFile,
    pub(crate) vram: Vram,
    pub(crate) hdp: Hdp,
    pub(crate) host: Arc<dyn HostMemory>,
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    pub(crate) faults: Faults,
    pub(crate) events: Vec<Event>,
    /// Rules that were broken and passed, with how often.
    pub(crate) tolerated: std::collections::BTreeMap<&'static str, u64>,
    /// Bus mastering is on in the command register: the card may do DMA.
    pub(crate) bus_master: bool,
    /// What memory hubs remember of translations.
    pub(crate) mmu: Mmu,
    /// What caches hold of video memory.
    pub(crate) caches: Caches,
    pub(crate) counters: Counters,
}

impl Fabric {
    /// A rule is broken: an error, unless the card is to behave as hardware that lets it pass.
    pub(crate) fn broken(&mut self, rule: Rule, seen: fmt::Arguments<'_>) -> Result<(), Violation> {
        if self.level == Level::Hardware && rule.tolerance != Tolerance::None {
            *self.tolerated.entry(rule.name).or_default() += 1;
            return Ok(());
        }
        Err(Violation {
            rule,
            seen: seen.to_string(),
        })
    }

    /// The rule is broken unless `holds`.
    pub(crate) fn require(
        &mut self,
        holds: bool,
        rule: Rule,
        seen: fmt::Arguments<'_>,
    ) -> Result<(), Violation> {
        if holds {
            Ok(())
        } else {
            self.broken(rule, seen)
        }
    }
}

/// A block of the card. Registers are storage unless a block says otherwise.
pub(crate) trait Block {
    /// A register of the block is read; `value` is what it holds.
    fn read(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<u32, Violation> {
        let _ = (at, fabric);
        Ok(value)
    }

    /// A register of the block is written. It holds what [`Fabric::registers`] is told here.
    fn write(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<(), Violation>;

    /// Something happened elsewhere. Every block sees every event.
    fn event(&mut self, event: Event, fabric: &mut Fabric) -> Result<(), Violation>;
}
