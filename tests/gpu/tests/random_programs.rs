//! Random structured programs give the same words as our machine code in the strict interpreter and on software Vulkan.
//!
//! A longer run, or the replay of one seed (test profile or `--release`):
//!
//! ```sh
//! INFERNEL_PROGRAMS=100000 INFERNEL_SEED=1 cargo test --release -p gpu-tests --test random_programs -- --nocapture
//! INFERNEL_PROGRAMS=1 INFERNEL_SEED=20261325 cargo test -p gpu-tests --test random_programs -- --nocapture
//! ```

use std::path::Path;

use anyhow::{Result, ensure};
use gpu_tests::campaign;

/// Programs in a run of the test set.
const PROGRAMS: u64 = 2000;
/// What the first program is made from.
const SEED: u64 = 20_261_120;
/// One program in so many may stay without an answer of Vulkan, and one more. None did in 1,200.
const ONE_UNANSWERED_IN: u64 = 200;

fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text}: expected a number"))
    })
}

#[test]
fn random_programs_compute_what_vulkan_computes() -> Result<()> {
    let (first, count) = (
        number("INFERNEL_SEED", SEED),
        number("INFERNEL_PROGRAMS", PROGRAMS),
    );
    let worker = Path::new(env!("CARGO_BIN_EXE_random-programs"));
    let tally = campaign::run(worker, first..first + count)?;
    for (seed, why) in &tally.wrong {
        println!("INFERNEL_SEED={seed} INFERNEL_PROGRAMS=1: {why}");
    }
    println!(
        "{} programs from seed {first}: {} equal, {} wrong, {} without an answer of software Vulkan: {:?}",
        count,
        tally.equal,
        tally.wrong.len(),
        tally.unanswered.len(),
        tally.unanswered
    );
    ensure!(
        tally.wrong.is_empty(),
        "{} programs are wrong",
        tally.wrong.len()
    );
    let allowed = count / ONE_UNANSWERED_IN + 1;
    ensure!(
        tally.unanswered.len() as u64 <= allowed,
        "{} programs stayed without an answer of software Vulkan, more than {allowed}",
        tally.unanswered.len()
    );
    ensure!(tally.equal + tally.unanswered.len() as u64 == count);
    Ok(())
}
