//! Register accesses per second through QEMU's door to the device model: a guest's kernel reads a register in a loop.
//!
//! `cargo run --release --package tests --bin gpu-door [RUNS]`

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::gpu_machine::{self, ALL_WELL, Firmware, Machine, READS};

/// Longest run on a busy machine.
const LIMIT: Duration = Duration::from_secs(180);

fn main() -> Result<()> {
    let runs = match std::env::args().nth(1) {
        Some(text) => text.parse().context("RUNS is a number")?,
        None => 5,
    };
    let folder = tempfile::tempdir()?;
    let kernel = gpu_machine::build_kernel(folder.path())?;
    let mut rates = Vec::new();
    for run in 0..runs {
        let mut machine = Machine::start(Firmware::SeaBios, Some(&kernel))?;
        let (lines, status) = machine.run(LIMIT)?;
        ensure!(
            status == Some(ALL_WELL),
            "QEMU ended with {status:?}: {lines:?}"
        );
        let rate = gpu_machine::reads_per_second(&lines).context("no measurement")?;
        println!("run {run}: {READS} register reads, {rate:.0} per second");
        rates.push(rate);
    }
    rates.sort_by(f64::total_cmp);
    let middle = rates.get(rates.len() / 2).context("no run")?;
    println!("median {middle:.0} register reads per second");
    Ok(())
}
