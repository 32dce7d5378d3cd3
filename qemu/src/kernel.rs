//! Builds the kernel's ELF with its own flags and target directory.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::symbols;

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

/// Builds the kernel and returns the path of its finished ELF: what is loaded, with the table of its functions. Cargo's progress and errors go to stderr.
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
            "--release",
            "--package",
            "kernel",
            "--bin",
            "infernel",
            "--features",
            "image",
            "--target",
            TARGET,
        ])
        // A person sees what takes so long; a log does not fill with it.
        .args((!std::io::stderr().is_terminal()).then_some("--quiet"))
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
    let linked = target_directory
        .join(TARGET)
        .join("release")
        .join("infernel");
    let elf =
        std::fs::read(&linked).with_context(|| format!("cannot read {}", linked.display()))?;
    let image = symbols::finish(&elf).context("cannot finish the kernel")?;
    let finished = target_directory.join("infernel.elf");
    if std::fs::read(&finished).is_ok_and(|old| old == image) {
        return Ok(finished);
    }
    // Under a name of its own first: another boot may be reading the finished image right now.
    let mut new = tempfile::NamedTempFile::new_in(&target_directory)?;
    new.write_all(&image)
        .context("cannot write the finished kernel")?;
    new.persist(&finished)
        .context("cannot replace the finished kernel")?;
    Ok(finished)
}
