//! A card as PCI knows it, before the driver speaks to it.

use alloc::vec::Vec;
use core::fmt;

use amdgpu::asic::{self, Support};
use pci_types::PciAddress;

use super::bus::memory_bar;
use crate::devices::ecam::Ecam;
use crate::pci::Config;
use crate::pci::features::{self, Link, Vectors};
use crate::pci::resizable::{self, Choice};
use crate::pci::scan::{Function, Scan};

/// AMD's graphics cards.
const VENDOR: u16 = 0x1002;
/// Base class of display controllers, and the subclasses of one with VGA and one without.
const DISPLAY: u8 = 0x03;
const SUBCLASSES: [u8; 2] = [0x00, 0x80];

/// What a card's slot is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Vendor and device id.
    pub device: (u16, u16),
    /// The most that the link can do, and what it does; `None` where there is no link.
    pub link: Option<(Link, Link)>,
    /// Interrupt vectors, which stay off.
    pub vectors: Vectors,
    /// The largest that the aperture of video memory can be made; `None` where it is fixed.
    pub largest: Option<u64>,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (vendor, device) = self.device;
        write!(f, "{vendor:04x}:{device:04x}, ")?;
        match self.link {
            Some((most, now)) if most == now => write!(f, "{now}")?,
            Some((most, now)) => write!(f, "{now} of {most}")?,
            None => f.write_str("no PCIe link")?,
        }
        match self.largest {
            Some(bytes) => write!(f, ", BAR 0 up to {} MiB", bytes >> 20)?,
            None => f.write_str(", BAR 0 not resizable")?,
        }
        let Vectors { msi, msi_x } = self.vectors;
        write!(f, ", polled (MSI {msi}, MSI-X {msi_x} vectors off)")
    }
}

/// A card that was found on PCI and has not been spoken to.
pub struct Found {
    pub(super) ecam: &'static Ecam,
    pub(super) function: Function,
    /// Sizes that BAR0 can be given where it is.
    pub(super) choices: Vec<Choice>,
}

impl Found {
    /// The card behind a function; `None` if it is none of AMD's display controllers. Which of them the driver knows is said
    /// by the card itself, by its IP versions.
    #[must_use]
    pub fn of(ecam: &'static Ecam, scan: &Scan, function: &Function) -> Option<Self> {
        if !is_card(function) {
            return None;
        }
        let vram = memory_bar(function, amdgpu::Bar::Vram).ok();
        let choices = vram.map(|bar| resizable::choices(ecam, scan, function, &bar));
        Some(Self {
            ecam,
            function: function.clone(),
            choices: choices.unwrap_or_default(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> PciAddress {
        self.function.address
    }
    /// Whether the driver has ever been made to drive such a card: a processor's own graphics is a card on PCI, too.
    #[must_use]
    pub fn is_known(&self) -> bool {
        asic::by_device(self.function.device).is_some_and(|asic| asic.support != Support::No)
    }

    /// What its slot is like.
    #[must_use]
    pub fn slot(&self) -> Slot {
        let config = Config::new(self.ecam, self.function.address);
        let capabilities = &self.function.capabilities;
        Slot {
            device: (self.function.vendor, self.function.device),
            link: features::link(&config, capabilities),
            vectors: features::vectors(&config, capabilities),
            largest: self.choices.last().map(|choice| choice.size),
        }
    }
}

/// Whether a function is a card that the driver may look at.
fn is_card(function: &Function) -> bool {
    let (base, sub, _) = function.class;
    function.vendor == VENDOR && base == DISPLAY && SUBCLASSES.contains(&sub)
}
