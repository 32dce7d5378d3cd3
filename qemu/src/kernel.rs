//! Builds the kernel's ELF with its own flags and target directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The kernel is an ELF of the host triple; naming the triple keeps its flags away from build scripts and macros.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Linked to fixed addresses in the top 2 GiB; frame pointers carry the panic backtrace.
const FLAGS: &str =
    r#"["-C","relocation-model=static","-C","code-model=kernel","-C","force-frame-pointers=yes"]"#;

/// The repository's root.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in a folder of the workspace")
}

/// Where build results of this repository go.
#[must_use]
pub fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

/// Builds the kernel and returns the path of its ELF. Cargo's progress and errors go to stderr.
///
/// # Errors
/// If cargo cannot be run or the build fails.
pub fn build() -> Result<PathBuf> {
    let target_directory = target_directory().join("kernel");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(repository())
        .args([
            "build",
            "--quiet",
            "--release",
            "--package",
            "kernel",
            "--bin",
            "infernel",
            "--target",
            TARGET,
        ])
        .arg("--config")
        .arg(format!("target.{TARGET}.rustflags={FLAGS}"))
        .arg("--target-dir")
        .arg(&target_directory)
        .status()
        .context("cannot run cargo to build the kernel")?;
    ensure!(
        status.success(),
        "the kernel does not build (cargo's message is above)"
    );
    Ok(target_directory
        .join(TARGET)
        .join("release")
        .join("infernel"))
}
