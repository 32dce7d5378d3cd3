//! The devices of this machine, found once at boot.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::acpi;
use crate::devices::block::Disk;
use crate::devices::ecam::Ecam;
use crate::devices::gpu::Found;
use crate::devices::nic::{self, Nic};
use crate::options::Options;
use crate::pci::scan::{Function, Scan, class_name, scan};
use crate::serve::gpu::Gpu;

/// What was found, and what could be started of it.
#[derive(Default)]
pub struct Machine {
    /// PCI functions and faults, one scan per segment.
    pub scans: Vec<Scan>,
    /// Disks that were started.
    pub disks: Vec<Disk>,
    /// The network card that is used: the first that could be started.
    pub nic: Option<Nic>,
    /// The first graphics card that the driver knows, or the first at all, until it is started.
    card: Option<Found>,
    /// The same, started.
    pub gpu: Option<Gpu>,
}

/// Scans PCI and starts every device that this kernel drives. What fails is reported and left out.
#[must_use]
pub fn find(options: &Options) -> Machine {
    let mut machine = Machine::default();
    let regions = &acpi::info().ecam;
    if regions.is_empty() {
        log::error!(
            "pci: ACPI has no MCFG table, so that there is no way to PCIe; use a machine with PCIe (QEMU: -machine q35)"
        );
    }
    for region in regions {
        match Ecam::map(
            region.base,
            region.segment,
            (region.first_bus, region.last_bus),
        ) {
            // The mapping is never taken back: drivers hold on to it for as long as the machine runs.
            Ok(ecam) => machine.segment(Box::leak(Box::new(ecam))),
            Err(error) => log::error!(
                "pci: configuration space of segment {}: {error}",
                region.segment
            ),
        }
    }
    // Its firmware is on a disk.
    if let Some(card) = machine.card.take() {
        machine.gpu = Some(Gpu::start(&card, &mut machine.disks, options));
    }
    if machine.nic.is_none() {
        log::warn!(
            "net: no virtio network card and no Intel 82574L: serial console only (QEMU: -netdev user,id=n -device virtio-net-pci,netdev=n)"
        );
    }
    machine
}

impl Machine {
    fn segment(&mut self, ecam: &'static Ecam) {
        let found = scan(ecam, ecam.segment(), ecam.buses());
        log::info!(
            "pci: {} functions, {} unusable",
            found.functions.len(),
            found.faults.len()
        );
        for (address, fault) in &found.faults {
            log::warn!("pci {address}: not used: {fault}");
        }
        for function in &found.functions {
            log::debug!(
                "pci {}: {:04x}:{:04x} {}",
                function.address,
                function.vendor,
                function.device,
                class_name(function.class)
            );
            self.start(ecam, function);
            if let Some(card) = Found::of(ecam, &found, function) {
                self.offer(card);
            }
        }
        self.scans.push(found);
    }

    /// Takes a card that is better than none, or than one that the driver does not know. There is work for one card.
    fn offer(&mut self, card: Found) {
        let is_better = card.is_known() && !self.card.as_ref().is_some_and(Found::is_known);
        let left = match &self.card {
            Some(_) if !is_better => Some(card),
            _ => self.card.replace(card),
        };
        if let Some(left) = left {
            log::info!("gpu {}: left alone, one card is enough", left.address());
        }
    }

    fn start(&mut self, ecam: &'static Ecam, function: &Function) {
        let address = function.address;
        match Disk::start(ecam, function) {
            Some(Ok(disk)) => {
                let (kind, sectors) = (disk.kind(), disk.sectors());
                log::info!("disk {address}: {kind}, {} MiB", sectors >> 11);
                self.disks.push(disk);
            }
            Some(Err(error)) => log::error!("disk {address}: {error}"),
            None => {}
        }
        if let Some(model) = nic::Model::of(function)
            && self.nic.is_none()
        {
            match Nic::start(model, ecam, function) {
                Ok(nic) => {
                    log::info!(
                        "net {address}: {model}, {}",
                        smoltcp::wire::EthernetAddress(nic.mac())
                    );
                    self.nic = Some(nic);
                }
                Err(error) => log::error!("net {address}: {error}"),
            }
        }
    }
}
