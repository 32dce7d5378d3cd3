//! Starts the card and stops it, with each step and its time.

use std::io::Write;

use amdgpu::{Bus, Configuration, Found, Gpu, asic};
use anyhow::{Context, Result, anyhow, bail, ensure};
use firmware_loader::sums::verify;
use firmware_loader::{Firmware, NAVI31};
use qemu::firmware::Firmware as Files;

use crate::options::Options;

/// AMD's files for the card on this bus.
fn files(bus: &mut dyn Bus, options: &Options) -> Result<Files> {
    let ids = bus.config_read(0);
    let device = (ids >> 16) as u16;
    let asic = asic::by_device(device).with_context(|| {
        format!(
            "no card that is known has the PCI id {:04x}:{device:04x}",
            ids & 0xffff
        )
    })?;
    ensure!(
        asic.firmware == &NAVI31,
        "this tool has firmware for Navi 31 alone, and the card is {asic}"
    );
    let files = qemu::firmware::load(options.firmware.as_deref())?;
    verify(
        |name| files.get(name),
        &NAVI31,
        options.trust,
        |name, verdict| {
            eprintln!(
                "firmware {name}: SHA-256 {}, {}",
                verdict.sum,
                verdict.set.unwrap_or("in no published set")
            );
        },
    )
    .map_err(|error| anyhow!("{error}; --any-firmware takes it all the same"))?;
    Ok(files)
}

/// Starts the card, and hands it to `act`; it is stopped whatever comes of that.
pub(crate) fn with_gpu(
    mut bus: Box<dyn Bus + Send>,
    options: &Options,
    out: &mut dyn Write,
    act: impl FnOnce(&mut Gpu, &mut dyn Write) -> Result<()>,
) -> Result<()> {
    let files = files(&mut *bus, options)?;
    let firmware = files
        .checked()
        .map_err(|error| anyhow!("{}: {error}", files.folder.display()))?;
    let mut gpu = start(bus, &firmware, options, out)?;
    let done = act(&mut gpu, out);
    let report = done.is_err().then(|| gpu.report());
    let (_, stopped) = gpu.stop();
    if let (Some(report), Err(error)) = (report, done) {
        return Err(error.context(format!("what the card looked like:\n{report}")));
    }
    stopped.context("stopping the card")?;
    writeln!(out, "stopped in order")?;
    Ok(())
}

fn start(
    bus: Box<dyn Bus + Send>,
    firmware: &Firmware<'_>,
    options: &Options,
    out: &mut dyn Write,
) -> Result<Gpu> {
    let configuration = Configuration {
        warm: !options.cold,
        ..Configuration::default()
    };
    let mut written = Ok(());
    let mut say = |line: String| {
        if written.is_ok() {
            written = writeln!(out, "{line}").and_then(|()| out.flush());
        }
    };
    let started = Gpu::start(bus, firmware, &configuration, &mut |step| {
        let attempt = match step.attempt {
            1 => String::new(),
            attempt => format!(", attempt {attempt}"),
        };
        let ms = step.took.as_secs_f64() * 1e3;
        let name = step.name;
        say(match &step.result {
            Ok(()) => format!("{ms:10.3} ms  {name}{attempt}"),
            Err(error) => format!("{ms:10.3} ms  {name}{attempt}: {error}"),
        });
    });
    let gpu = match started {
        Ok(gpu) => gpu,
        Err(failure) => bail!("{failure}"),
    };
    written?;
    Ok(gpu)
}

/// `bringup`.
pub(crate) fn run(bus: Box<dyn Bus + Send>, options: &Options, out: &mut dyn Write) -> Result<()> {
    with_gpu(bus, options, out, |gpu, out| {
        identity(gpu, out)?;
        measurements(gpu, out)?;
        let health = gpu.health()?;
        ensure!(
            health.is_good(),
            "something went wrong on the card: {health:?}"
        );
        Ok(())
    })
}

fn identity(gpu: &Gpu, out: &mut dyn Write) -> Result<()> {
    let identity = gpu.identity();
    let found = match identity.found {
        Found::Cold => "as the machine's firmware leaves it",
        Found::Warm => "as this driver left it",
        Found::Foreign => "running, and was reset",
    };
    let units = identity.compute_units;
    writeln!(
        out,
        "up: {}, {units} compute units; it was found {found}",
        identity.asic
    )?;
    let layout = &identity.layout;
    let [all, visible] = [layout.bytes, layout.visible].map(|bytes| bytes >> 20);
    writeln!(out, "video memory {all} MiB, {visible} MiB of it visible")?;
    let [program, major, minor, revision] = identity.smu;
    writeln!(
        out,
        "PSP sOS {:#x}, SMU {program}.{major}.{minor}.{revision}",
        identity.sos
    )?;
    for (file, version) in &identity.firmware {
        writeln!(out, "  {file}: version {version:#x}")?;
    }
    Ok(())
}

fn measurements(gpu: &mut Gpu, out: &mut dyn Write) -> Result<()> {
    let metrics = gpu.smu.metrics(&mut gpu.device)?;
    let (clocks, heat) = (metrics.clocks, metrics.temperatures);
    writeln!(
        out,
        "clocks in MHz: graphics {}, memory {}, fabric {}, SoC {}",
        clocks.graphics, clocks.memory, clocks.fabric, clocks.soc
    )?;
    writeln!(
        out,
        "degrees Celsius: edge {}, hot spot {}, memory {}; {} W, fan {} turns a minute",
        heat.edge, heat.hotspot, heat.memory, metrics.socket_power, metrics.fan
    )?;
    for (what, percent) in metrics.throttled() {
        writeln!(out, "  held back by {what}, {percent} %")?;
    }
    Ok(())
}
