//! Things that are made once and kept outside the repository: folders that appear whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The folder `name` in `cache`, which `make` fills if it is not there yet. It is made beside its place and moved there when
/// it is whole, under a lock, so that several programs may ask at once and one that is killed leaves nothing half-made.
///
/// # Errors
/// If the folder cannot be made, or `make` fails.
pub fn once(cache: &Path, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let place = cache.join(name);
    if place.is_dir() {
        return Ok(place);
    }
    fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let lock = File::create(cache.join(format!("{name}.lock")))?;
    lock.lock()
        .with_context(|| format!("cannot lock {}", cache.display()))?;
    if !place.is_dir() {
        let unfinished = cache.join(format!("{name}.unfinished"));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir(&unfinished)?;
        make(&unfinished)?;
        fs::rename(&unfinished, &place)?;
    }
    Ok(place)
}

/// Runs a tool to its end.
///
/// # Errors
/// If it cannot be started, in which case `install` says what to do, or fails, with the end of what it said.
pub fn run(command: &mut Command, install: &str) -> Result<()> {
    let name = command.get_program().display().to_string();
    let output = command
        .output()
        .with_context(|| format!("cannot run {name}; install it: {install}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let tail: Vec<&str> = said.lines().rev().take(15).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    ensure!(
        output.status.success(),
        "{name} failed ({}); it needs: {install}\n{}",
        output.status,
        tail.join("\n")
    );
    Ok(())
}
