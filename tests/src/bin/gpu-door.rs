//! How fast the device model can be reached. Through QEMU's door: accesses per second of a register that a guest's kernel reads
//! and writes in a loop, and bytes per second of SDMA between guest memory and video memory. In-process: bytes per second
//! through BAR0, strict, with a flush every MiB.
//!
//! `cargo run --release --package tests --bin gpu-door [RUNS]`

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gpu_model::{Card, Level, NoHost};
use tests::gpu_machine::{self, ALL_WELL, Firmware, Line, Machine};
use tests::gpu_script::{AREA, BACK, Pages, SOURCE, Script};

/// Longest run on a busy machine.
const LIMIT: Duration = Duration::from_secs(180);

/// Jobs of SDMA for each kind of pages and direction, and how often each copies its area.
const JOBS: u32 = 4;
const TIMES: u32 = 8;

fn main() -> Result<()> {
    let runs = match std::env::args().nth(1) {
        Some(text) => text.parse().context("RUNS is a number")?,
        None => 5,
    };
    ensure!(runs > 0, "RUNS is at least 1");
    let folder = tempfile::tempdir()?;
    accesses(folder.path(), runs)?;
    sdma(folder.path(), runs)?;
    let [written, read] = through_bar0()?;
    println!("BAR0 in-process: {written:.0} MB/s written, {read:.0} MB/s read");
    Ok(())
}

fn finish(mut machine: Machine) -> Result<Vec<Line>> {
    let (lines, status) = machine.run(LIMIT)?;
    let report = machine.card().report();
    ensure!(
        status == Some(ALL_WELL) && report.is_none(),
        "QEMU ended with {status:?}: {lines:?}; {report:?}"
    );
    Ok(lines)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn accesses(folder: &Path, runs: usize) -> Result<()> {
    let kernel = gpu_machine::build_kernel(folder, "card")?;
    let mut rates = [Vec::new(), Vec::new()];
    for run in 0..runs {
        let machine = Machine::start(Firmware::SeaBios, Some(&kernel))?;
        let rate = gpu_machine::accesses_per_second(&finish(machine)?);
        let rate = rate.context("no measurement")?;
        println!(
            "run {run}: {:.0} register reads and {:.0} writes per second",
            rate[0], rate[1]
        );
        for (all, one) in rates.iter_mut().zip(rate) {
            all.push(one);
        }
    }
    let [reads, writes] = rates.map(median);
    println!("median through QEMU: {reads:.0} register reads and {writes:.0} writes per second");
    Ok(())
}

fn sdma(folder: &Path, runs: usize) -> Result<()> {
    let kinds = [
        ("from guest memory, pages of 2 MiB", Pages::Huge, false),
        ("to guest memory, pages of 2 MiB", Pages::Huge, true),
        ("from guest memory, pages of 4 KiB", Pages::Scattered, false),
        ("to guest memory, pages of 4 KiB", Pages::Scattered, true),
    ];
    for (name, pages, back) in kinds {
        let mut rates = Vec::new();
        for _ in 0..runs {
            let mut script = Script::sdma()?;
            // The first copy fetches every page from the system.
            for job in 0..=JOBS {
                if job == 1 {
                    script.mark(0);
                }
                if back {
                    script.from_vram(BACK, pages, AREA, TIMES);
                } else {
                    script.to_vram(SOURCE, pages, AREA, TIMES);
                }
            }
            script.mark(1);
            let lines = finish(Machine::play(folder, script)?)?;
            let seconds = gpu_machine::seconds(&lines, "mark 00000000", "mark 00000001");
            let bytes = AREA as f64 * f64::from(JOBS * TIMES);
            rates.push(bytes / 1e6 / seconds.context("no measurement")?);
        }
        println!("SDMA {name}: {:.0} MB/s", median(rates));
    }
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
