//! The cases of `shader_cases`, run on a device of this crate.

use amdgpu_selftest::{Judgement, Plan, run};
use anyhow::{Result, ensure};
use shader_cases::{Device, Size};

/// Runs every case whose name begins with the value of `INFERNEL_CASES`, if that is set, on a device, and prints what is wrong.
///
/// # Errors
/// If a result is wrong or a kernel does not run.
pub fn run_all(device: &mut dyn Device, seed: u64) -> Result<()> {
    let only = std::env::var("INFERNEL_CASES").unwrap_or_default();
    println!("{}, seed {seed}", device.name());
    let plan = Plan {
        seed,
        size: Size::Every,
        only: &only,
    };
    let summary = run(device, &plan, &mut |outcome| {
        if matches!(outcome.judgement, Judgement::Failed(_)) {
            println!("{outcome}");
        }
    });
    println!("{summary}");
    ensure!(
        summary.is_good(),
        "{} cases are right, {} wrong",
        summary.passed,
        summary.failed
    );
    Ok(())
}
