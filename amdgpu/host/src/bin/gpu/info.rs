//! What the card is.

use std::io::Write;

use amdgpu::asic::{self, Support};
use amdgpu::discovery::Discovery;
use amdgpu::{Bar, Bus, Device};
use amdgpu_registers::mp;
use anyhow::{Result, ensure};

use crate::card;

/// Names of blocks, by hardware id (Linux `soc15_hw_ip.h`).
const BLOCKS: &[(u16, &str)] = &[
    (1, "MP1 (SMU)"),
    (2, "MP2"),
    (3, "THM"),
    (4, "SMUIO"),
    (5, "FUSE"),
    (6, "CLKA"),
    (11, "GC"),
    (12, "VCN"),
    (34, "MMHUB"),
    (35, "ATHUB"),
    (40, "OSSSYS (IH)"),
    (41, "HDP"),
    (42, "SDMA0"),
    (43, "SDMA1"),
    (46, "DF"),
    (70, "PCIE"),
    (91, "LSDMA"),
    (108, "NBIF"),
    (150, "UMC"),
    (255, "MP0 (PSP)"),
    (271, "DMU"),
];

pub(crate) fn run(mut bus: Box<dyn Bus + Send>, name: &str, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "card          {name}")?;
    bus_side(&mut *bus, out)?;
    let (mut device, discovery, vram) = card::discover(bus)?;
    writeln!(out, "video memory  {} MiB", vram >> 20)?;
    chip(&discovery, out)?;
    state(&mut device, out)?;
    blocks(&discovery, out)
}

/// What configuration space and apertures say.
fn bus_side(bus: &mut dyn Bus, out: &mut dyn Write) -> Result<()> {
    let [ids, class, subsystem] = [0, 8, 0x2c].map(|offset| bus.config_read(offset));
    ensure!(
        ids != u32::MAX,
        "the card is off the bus: configuration space reads as ones{}",
        bus.lost().map_or(String::new(), |why| format!(" ({why})"))
    );
    writeln!(
        out,
        "PCI           {:04x}:{:04x} revision {:02x}, subsystem {:04x}:{:04x}",
        ids & 0xffff,
        ids >> 16,
        class & 0xff,
        subsystem & 0xffff,
        subsystem >> 16
    )?;
    if let Some((speed, width)) = link(bus) {
        writeln!(out, "link          PCIe generation {speed}, {width} lanes")?;
    }
    let [vram, doorbells, registers] =
        [Bar::Vram, Bar::Doorbells, Bar::Registers].map(|bar| bus.aperture_bytes(bar) >> 10);
    writeln!(
        out,
        "apertures     video memory {} MiB, doorbells {doorbells} KiB, registers {registers} KiB",
        vram >> 10
    )?;
    Ok(())
}

/// Speed and width of the link, from the capability of PCI Express (id 0x10, link status at 0x12).
fn link(bus: &mut dyn Bus) -> Option<(u32, u32)> {
    let mut at = bus.config_read(0x34) & 0xfc;
    // As many capabilities as there is room for.
    for _ in 0..48 {
        let offset = u16::try_from(at)
            .ok()
            .filter(|at| (0x40..0xf0).contains(at))?;
        let head = bus.config_read(offset);
        if head & 0xff == 0x10 {
            let status = bus.config_read(offset + 0x10) >> 16;
            return Some((status & 0xf, status >> 4 & 0x3f));
        }
        at = head >> 8 & 0xfc;
    }
    None
}

fn chip(discovery: &Discovery, out: &mut dyn Write) -> Result<()> {
    match asic::identify(discovery, true) {
        Ok(asic) => {
            let support = match asic.support {
                Support::Checked => "brought up on the model",
                Support::Unchecked => "never tried",
                Support::No => "not supported",
            };
            writeln!(out, "chip          {asic}, {support}")?;
        }
        Err(error) => writeln!(out, "chip          not supported: {error}")?,
    }
    let shape = discovery.shape;
    let arrays = shape.engines * shape.arrays;
    writeln!(
        out,
        "shape         {} engines of {} arrays of {} WGPs: {} compute units, fused ones included; {} KiB of LDS each",
        shape.engines,
        shape.arrays,
        shape.wgps,
        arrays * shape.wgps * 2,
        shape.lds
    )?;
    Ok(())
}

/// How far something has started the card.
fn state(device: &mut Device, out: &mut dyn Write) -> Result<()> {
    let alive = device.read(mp::PSP_SOS_ALIVE)?;
    let version = device.read(mp::PSP_SOS_VERSION)?;
    let bootloader = device.read(mp::PSP_BOOTLOADER)?;
    if alive == 0 {
        let ready = if bootloader >> 31 == 1 {
            "waits"
        } else {
            "is not ready"
        };
        writeln!(out, "state         cold: PSP's boot loader {ready}")?;
    } else {
        let version = version
            .to_be_bytes()
            .map(|part| format!("{part:02x}"))
            .join(".");
        writeln!(out, "state         started: PSP runs sOS {version}")?;
    }
    Ok(())
}

fn blocks(discovery: &Discovery, out: &mut dyn Write) -> Result<()> {
    for block in &discovery.blocks {
        let name = BLOCKS.iter().find(|(id, _)| *id == block.id);
        let name = name.map_or_else(
            || format!("block {}", block.id),
            |(_, name)| (*name).to_owned(),
        );
        let bases: Vec<_> = block
            .bases
            .iter()
            .map(|base| format!("{base:#x}"))
            .collect();
        writeln!(
            out,
            "  {name:<12} {:<2} {:<8} {}{}",
            block.instance,
            block.version.to_string(),
            bases.join(" "),
            if block.is_harvested {
                " (fused off)"
            } else {
                ""
            }
        )?;
    }
    Ok(())
}
