//! The graphics card of this machine: which it is, and how it does.
//!
//! A card that cannot be used is no reason not to serve: it is reported, and the CPU computes.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::fmt::{self, Write};

use amdgpu::asic::{self, Asic};
use amdgpu::discovery::{self, Discovery, FixedBases};
use amdgpu::{Device, Error};
use pci_types::PciAddress;

use crate::devices::gpu::{Found, PciBus, Slot};

/// A card that was found.
pub struct Gpu {
    address: PciAddress,
    slot: Slot,
    state: Result<Card, String>,
}

/// A card that answered.
struct Card {
    asic: &'static Asic,
    discovery: Discovery,
    /// Bytes of video memory.
    vram: u64,
    /// How many of them BAR0 shows.
    visible: u64,
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (vram, visible) = (self.vram >> 20, self.visible >> 20);
        write!(
            f,
            "{}, {vram} MiB of video memory, {visible} MiB visible",
            self.asic
        )
    }
}

impl Gpu {
    /// Looks at the card. What is wrong with it is logged.
    #[must_use]
    pub fn start(found: &Found) -> Self {
        let address = found.address();
        let slot = found.slot();
        log::info!("gpu {address}: {slot}");
        let state = PciBus::new(found)
            .map_err(|error| format!("{error}"))
            .and_then(|bus| look(bus).map_err(|error| format!("{error}")));
        match &state {
            Ok(card) => log::info!("gpu {address}: {card}"),
            Err(error) => log::error!("gpu {address}: not used: {error}"),
        }
        Self {
            address,
            slot,
            state,
        }
    }

    /// What the `gpu` command shows.
    pub fn show(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "{} {}", self.address, self.slot)?;
        match &self.state {
            Ok(card) => {
                let shape = card.discovery.shape;
                let units = 2 * shape.engines * shape.arrays * shape.wgps;
                writeln!(out, "{card}")?;
                writeln!(out, "{units} compute units of {} KiB LDS", shape.lds)
            }
            Err(error) => writeln!(out, "not used: {error}"),
        }
    }
}

/// Waits until the card has initialised itself, and asks it what it is.
fn look(bus: PciBus) -> Result<Card, Error> {
    let mut device = Device::new(Box::new(bus), Box::new(FixedBases));
    let vram = discovery::wait_for_flash(&mut device)?;
    let visible = device.bus().resize_vram_aperture(vram).min(vram);
    let discovery = discovery::discover(&mut device, vram, visible)?;
    let asic = asic::identify(&discovery, false)?;
    Ok(Card {
        asic,
        discovery,
        vram,
        visible,
    })
}
