//! What a card says of itself, for people and for Prometheus.

use alloc::format;
use alloc::string::String;
use core::fmt::{self, Display, Write};

use amdgpu::Identity;
use pci_types::PciAddress;

use super::{Running, State};
use crate::devices::gpu::Slot;

/// What the `gpu` command shows.
pub(super) fn show(
    address: PciAddress,
    slot: &Slot,
    state: &mut State,
    out: &mut String,
) -> fmt::Result {
    writeln!(out, "{address} {slot}")?;
    match state {
        State::Off(why) => writeln!(out, "not used: {why}"),
        State::Running(running) => {
            writeln!(out, "{}", running.identity())?;
            firmware(running.gpu.identity(), out)?;
            measurements(running, out)?;
            queues(running, out)
        }
    }
}

impl Running {
    /// One line that says which card it is.
    pub(super) fn identity(&self) -> impl Display {
        let identity = self.gpu.identity();
        let Identity {
            asic,
            ids,
            layout,
            compute_units,
            found,
            ..
        } = identity;
        let (bytes, visible) = (layout.bytes >> 20, layout.visible >> 20);
        let [vendor, board] = ids.subsystem;
        format!(
            "{asic}, revision {:02x}, board {vendor:04x}:{board:04x}, {compute_units} compute units, {bytes} MiB of video memory, \
             {visible} MiB visible, found {found:?}",
            ids.revision
        )
    }
}

fn firmware(identity: &Identity, out: &mut String) -> fmt::Result {
    let [program, major, minor, revision] = identity.smu;
    write!(out, "firmware: PSP's system {:#010x}", identity.sos)?;
    write!(out, ", SMU {program}.{major}.{minor}.{revision}")?;
    for (name, version) in &identity.firmware {
        write!(out, "\n    {name} {version:#010x}")?;
    }
    writeln!(out)
}

fn measurements(running: &Running, out: &mut String) -> fmt::Result {
    let metrics = match &running.metrics {
        Ok(metrics) => metrics,
        Err(error) => return writeln!(out, "no measurements: {error}"),
    };
    let (clocks, heat) = (metrics.clocks, metrics.temperatures);
    write!(out, "clocks in MHz: graphics {}", clocks.graphics)?;
    write!(out, ", memory {}, fabric {}", clocks.memory, clocks.fabric)?;
    write!(out, ", SOC {}", clocks.soc)?;
    match running.gpu.smu.performance() {
        Some(performance) => writeln!(out, "; performance: {performance:?}")?,
        None => writeln!(out)?,
    }
    write!(out, "temperatures in C: edge {}", heat.edge)?;
    write!(out, ", hotspot {}, memory {}", heat.hotspot, heat.memory)?;
    writeln!(
        out,
        ", regulators {}, intake {}",
        heat.regulator, heat.intake
    )?;
    write!(out, "power: board {} W", metrics.board_power)?;
    write!(out, ", socket {} W", metrics.socket_power)?;
    writeln!(out, " of {} W, {} mV", running.power_limit, metrics.voltage)?;
    write!(out, "fan: {} rpm at {} %", metrics.fan, metrics.fan_drive)?;
    write!(out, "; busy {} %", metrics.activity)?;
    writeln!(out, ", memory busy {} %", metrics.memory_activity)?;
    out.push_str("held back by:");
    let mut throttled = metrics.throttled().peekable();
    if throttled.peek().is_none() {
        out.push_str(" nothing");
    }
    throttled.try_for_each(|(what, percent)| write!(out, " {what} {percent} %"))?;
    writeln!(out)
}

fn queues(running: &mut Running, out: &mut String) -> fmt::Result {
    let layout = running.gpu.identity().layout;
    let amdgpu::Gpu {
        device,
        memory,
        compute,
        sdma,
        interrupts,
        ..
    } = &mut running.gpu;
    let heap = layout.heap();
    let (heap, free) = (heap.end.0 - heap.start.0, memory.free_vram());
    writeln!(
        out,
        "video memory: {} KiB in use, {} MiB free of {} MiB for programs",
        (heap - free) >> 10,
        free >> 20,
        heap >> 20
    )?;
    writeln!(out, "compute queue: {}", compute.progress(device))?;
    for (engine, queue) in sdma.iter_mut().enumerate() {
        writeln!(out, "SDMA{engine} queue: {}", queue.progress(device))?;
    }
    writeln!(out, "interrupt ring: {} overflows", interrupts.overflows())?;
    if running.faults.is_empty() {
        writeln!(out, "faults: none")?;
    }
    let mut faults = running.faults.iter();
    faults.try_for_each(|fault| writeln!(out, "fault: {fault}"))
}

/// The card's lines of the metrics; `None` for one that is lost.
pub(super) fn metrics(running: Option<&Running>) -> String {
    let mut out = String::new();
    // PANIC: a `String` takes everything.
    write_metrics(running, &mut out).expect("a string");
    out
}

fn write_metrics(running: Option<&Running>, out: &mut String) -> fmt::Result {
    let up = u64::from(running.is_some());
    gauge(out, "up", "Whether the card runs.", &[("", up)])?;
    let Some(running) = running else {
        return Ok(());
    };
    let free = running.gpu.memory.free_vram();
    let bytes = running.gpu.identity().layout.bytes;
    let memory = [("kind=\"all\"", bytes), ("kind=\"free\"", free)];
    gauge(out, "memory_bytes", "Video memory.", &memory)?;
    let Ok(metrics) = &running.metrics else {
        return Ok(());
    };
    let (clocks, heat) = (metrics.clocks, metrics.temperatures);
    let clocks = [
        ("clock=\"graphics\"", clocks.graphics.into()),
        ("clock=\"memory\"", clocks.memory.into()),
        ("clock=\"fabric\"", clocks.fabric.into()),
        ("clock=\"soc\"", clocks.soc.into()),
    ];
    gauge(out, "clock_mhz", "Clocks.", &clocks)?;
    let heat = [
        ("sensor=\"edge\"", heat.edge.into()),
        ("sensor=\"hotspot\"", heat.hotspot.into()),
        ("sensor=\"memory\"", heat.memory.into()),
        ("sensor=\"regulator\"", heat.regulator.into()),
    ];
    gauge(out, "temperature_celsius", "Temperatures.", &heat)?;
    let power = metrics.board_power.max(metrics.socket_power).into();
    gauge(out, "power_watts", "Power of the board.", &[("", power)])?;
    let limit = running.power_limit.into();
    gauge(out, "power_limit_watts", "Its limit.", &[("", limit)])?;
    let fan = metrics.fan.into();
    gauge(
        out,
        "fan_rpm",
        "Turns of the fan in a minute.",
        &[("", fan)],
    )?;
    let busy = [
        ("part=\"compute\"", metrics.activity.into()),
        ("part=\"memory\"", metrics.memory_activity.into()),
    ];
    gauge(out, "busy_percent", "Time in which it was busy.", &busy)?;
    let throttled = metrics.throttled().map(|(_, percent)| percent).max();
    let throttled = [("", throttled.unwrap_or(0).into())];
    gauge(
        out,
        "throttled_percent",
        "How far clocks are held back.",
        &throttled,
    )
}

/// A gauge with a value for each label.
fn gauge(out: &mut String, name: &str, help: &str, values: &[(&str, u64)]) -> fmt::Result {
    let name = format!("infernel_gpu_{name}");
    write!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n")?;
    for (label, value) in values {
        match *label {
            "" => writeln!(out, "{name} {value}")?,
            label => writeln!(out, "{name}{{{label}}} {value}")?,
        }
    }
    Ok(())
}
