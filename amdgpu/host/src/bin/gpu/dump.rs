//! Every register of the tables that can be read without doing something, by name, with its fields that are not 0.

use std::io::{IsTerminal, Write};

use amdgpu::{Bus, Device};
use amdgpu_registers::{Bases, Info, Ip, gc, hdp, mmhub, mp, nbif, osssys, sdma, smuio};
use anyhow::{Result, bail, ensure};

use crate::card;

/// Registers that are not read, and why.
const SKIPPED: &[(&str, &str)] = &[
    (
        "BIF_BX_PF0_MM_DATA",
        "a window: it reads what its index names",
    ),
    (
        "BIF_BX0_PCIE_DATA",
        "a window: it reads what its index names",
    ),
    (
        "BIF_BX0_PCIE_DATA2",
        "a window: it reads what its index names",
    ),
    (
        "BIF_BX_PF0_RSMU_DATA",
        "a window: it reads what its index names",
    ),
    (
        "GCVM_INVALIDATE_ENG_SEM",
        "reading it acquires the semaphore",
    ),
    (
        "MMVM_INVALIDATE_ENG_SEM",
        "reading it acquires the semaphore",
    ),
];

/// Registers of which there is one for each queue or VMID: GRBM_GFX_CNTL says whose is read.
const BANKED: &[&str] = &["CP_HQD_", "CP_MQD_", "SH_MEM_"];

/// The tables, graphics and compute last: where their power is off they may not answer.
const TABLES: &[&[Info]] = &[
    nbif::TABLE,
    mp::TABLE,
    smuio::TABLE,
    hdp::TABLE,
    osssys::TABLE,
    mmhub::TABLE,
    gc::TABLE,
    sdma::TABLE,
];

pub(crate) fn run(
    bus: Box<dyn Bus + Send>,
    prefix: Option<&str>,
    out: &mut dyn Write,
) -> Result<()> {
    let prefix = prefix.unwrap_or("");
    let rows = || TABLES.iter().flat_map(|table| table.iter());
    let wanted = || rows().filter(|info| info.name.starts_with(prefix));
    ensure!(
        wanted().count() > 0,
        "no register's name begins with {prefix:?}; `dump-registers` without it lists them all"
    );
    let (mut device, discovery, _) = card::discover(bus)?;
    let gc_answers = device.read(gc::GRBM_STATUS)? != u32::MAX;
    let all: u32 = wanted().map(|info| info.count).sum();
    let shows_progress = std::io::stderr().is_terminal() && !std::io::stdout().is_terminal();
    let mut done = 0;
    let mut count = 0;
    for info in wanted() {
        let why = SKIPPED.iter().find(|(name, _)| *name == info.name);
        if let Some((name, why)) = why {
            writeln!(out, "{name}: skipped, {why}")?;
        } else if info.register.ip == Ip::Gc && !gc_answers {
            writeln!(out, "{}: skipped, the block does not answer", info.name)?;
        } else if discovery.address(info.register).is_none() {
            writeln!(out, "{}: skipped, the card has no such block", info.name)?;
        } else {
            row(&mut device, &discovery, info, out)?;
            count += info.count;
        }
        done += info.count;
        if shows_progress {
            eprint!("\r{done} of {all} registers");
        }
    }
    if shows_progress {
        eprintln!();
    }
    if let Some(why) = device.bus().lost() {
        bail!("{why}");
    }
    writeln!(out, "{count} registers read")?;
    if wanted().any(is_banked) {
        let bank = device.read(gc::GRBM_GFX_CNTL)?;
        let note = "CP_HQD_*, CP_MQD_* and SH_MEM_* are those of the queue and VMID that GRBM_GFX_CNTL names";
        writeln!(out, "{note}: {bank:#x}")?;
    }
    Ok(())
}

fn is_banked(info: &Info) -> bool {
    BANKED.iter().any(|prefix| info.name.starts_with(prefix))
}

/// One row of a table: as many lines as the register repeats.
fn row(device: &mut Device, bases: &dyn Bases, info: &Info, out: &mut dyn Write) -> Result<()> {
    for n in 0..info.count {
        let register = info.register.plus(n * info.stride);
        let value = device.read(register)?;
        let dword = bases.address(register).unwrap_or_default();
        write!(out, "{register} @{dword:#x} = {value:#010x}")?;
        let set = info.fields.iter().filter(|(_, field)| field.of(value) != 0);
        for (name, field) in set {
            write!(out, " {name}={:#x}", field.of(value))?;
        }
        writeln!(out)?;
    }
    Ok(())
}
