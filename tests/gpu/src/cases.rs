//! The cases of `shader_cases`, run on a device of this crate.

use anyhow::{Result, ensure};
use shader_cases::{Device, Size, recipes};

/// Runs every case whose name contains the value of `INFERNEL_CASES`, if that is set, on a device, and prints what is wrong.
///
/// # Errors
/// If a result is wrong or a kernel does not run.
pub fn run_all(device: &mut dyn Device, seed: u64) -> Result<()> {
    let wanted = std::env::var("INFERNEL_CASES").unwrap_or_default();
    println!("{}, seed {seed}", device.name());
    let (mut run, mut wrong, mut left_out) = (0, 0, 0);
    for recipe in recipes(Size::Every) {
        let case = recipe.case(seed);
        if !case.name.contains(&wanted) {
            continue;
        }
        if !device.runs(&case.launch)? {
            left_out += 1;
            continue;
        }
        run += 1;
        let outputs = device.run(&case.launch);
        if let Err(error) = outputs.and_then(|outputs| case.check(&outputs)) {
            println!("{}: {error}", case.name);
            wrong += 1;
        }
    }
    ensure!(run > 0, "no case is called {wanted}");
    println!("{left_out} more need cooperative matrices, which this device lacks");
    ensure!(wrong == 0, "{wrong} of {run} cases are wrong");
    Ok(())
}
