//! `cargo figures`: measures what README quotes and prints it as one JSON object. Takes some minutes; nothing else should run.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use qemu::kernel;
use serde_json::{Value, json};
use tests::guest::{self, Kernel};
use tests::{census, hosted};

/// Boots whose median counts.
const BOOTS: usize = 5;

fn main() -> Result<()> {
    let report = json!({
        "machine": machine()?,
        "image_bytes": std::fs::metadata(kernel::build()?)?.len(),
        "emulated": emulated()?,
        "hosted": hosted_sets()?,
        "census": census::report()?,
    });
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

/// The processor that everything ran on.
fn machine() -> Result<Value> {
    let text = std::fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cores = std::thread::available_parallelism()?.get();
    Ok(json!({"processor": field("model name"), "cores": cores}))
}

/// The kernel with the demo model in QEMU's emulation, two cores and 256 MiB.
fn emulated() -> Result<Value> {
    let mut boots = Vec::new();
    for _ in 1..BOOTS {
        let (kernel, ready, _) = Kernel::serving(&guest::small())?;
        boots.push(ready.boot_ms);
        kernel.shut_down()?;
    }
    let start = Instant::now();
    let (mut kernel, ready, _) = Kernel::serving(&guest::small())?;
    let wall_ms = start.elapsed().as_millis();
    boots.push(ready.boot_ms);
    boots.sort_unstable();
    let bench = kernel.command("bench 64,32", "{")?;
    kernel.shut_down()?;
    let bench = bench
        .get(bench.find('{').unwrap_or(0)..)
        .unwrap_or_default();
    let bench: Value = serde_json::from_str(bench).with_context(|| format!("no JSON: {bench}"))?;
    Ok(json!({
        "accelerator": "tcg",
        "cores": 2,
        "memory_mib": 256,
        "entry_to_ready_ms_median": boots[boots.len() / 2],
        "entry_to_ready_ms_all": boots,
        "command_to_ready_ms": wall_ms,
        "bench": bench,
    }))
}

/// The same CPU backend under Linux, with each kernel set that the processor has.
fn hosted_sets() -> Result<Vec<Value>> {
    let mut reports = Vec::new();
    for set in ["scalar", "avx2", "avx512"] {
        let output = Command::new(hosted::binary()?)
            .args([
                "bench",
                "--json",
                "-p",
                "128",
                "-n",
                "64",
                "--kernels",
                set,
                "--model",
            ])
            .arg(hosted::demo_model())
            .output()
            .context("cannot run hosted")?;
        let error = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() && error.contains("does not") {
            eprintln!("{set}: {}", error.trim());
            continue;
        }
        ensure!(
            output.status.success(),
            "hosted bench --kernels {set}: {error}"
        );
        reports.push(serde_json::from_slice(&output.stdout)?);
    }
    Ok(reports)
}
