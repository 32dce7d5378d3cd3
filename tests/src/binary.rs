//! Our own programs, as processes of a test.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::census::repository;

/// Builds a program in release mode, if it is not up to date, and returns its path.
///
/// # Errors
/// If it does not build.
pub fn release(package: &str, program: &str) -> Result<PathBuf> {
    let target = qemu::kernel::target_directory();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(repository())
        .args(["build", "--quiet", "--release", "--package", package])
        .args(["--bin", program, "--target-dir"])
        .arg(&target)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "{program} does not build");
    Ok(target.join("release").join(program))
}
