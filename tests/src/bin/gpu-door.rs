//! How fast the device model can be reached: register accesses per second through QEMU's door, where a guest's kernel reads
//! a register in a loop, and bytes per second through BAR0 in-process, strict, with a flush every MiB.
//!
//! `cargo run --release --package tests --bin gpu-door [RUNS]`

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gpu_model::{Card, Level, NoHost};
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
    let [written, read] = through_bar0()?;
    println!("BAR0 in-process: {written:.0} MB/s written, {read:.0} MB/s read");
    Ok(())
}

/// MB per second of writes and reads through BAR0.
fn through_bar0() -> Result<[f64; 2]> {
    /// Bytes moved, and of one access.
    const WHOLE: usize = 256 << 20;
    const PIECE: usize = 64 << 10;
    /// Where the host data path is flushed: HDP_MEM_COHERENCY_FLUSH_CNTL, a fixed dword of NBIF 4.3.
    const FLUSH: u64 = 0xe17 * 4;
    let mut card = Card::new(Level::Strict, Arc::new(NoHost))?;
    let mut piece = vec![0x5a; PIECE];
    let start = Instant::now();
    for at in (0..WHOLE).step_by(PIECE) {
        card.bar_write(0, at as u64, &piece);
        if (at + PIECE).is_multiple_of(1 << 20) {
            card.bar_write(5, FLUSH, &[0; 4]);
        }
    }
    let written = start.elapsed();
    let start = Instant::now();
    for at in (0..WHOLE).step_by(PIECE) {
        card.bar_read(0, at as u64, &mut piece);
    }
    let read = start.elapsed();
    ensure!(card.report().is_none(), "{:?}", card.report());
    ensure!(piece == vec![0x5a; PIECE], "what was written is read");
    Ok([written, read].map(|time| WHOLE as f64 / 1e6 / time.as_secs_f64()))
}
