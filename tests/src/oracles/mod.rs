//! Outside programs that say what is right: fetched once, kept in a cache folder, never part of the repository.
//!
//! The cache is the folder that `INFERNEL_ORACLES` names, else `target/oracles`. Each oracle is made in a folder beside
//! its place and moved there when it is whole, under a lock, so that tests may ask for it at the same time and a test
//! that was killed leaves nothing half-made.

mod amd_manual;
mod blocks;
mod jinja;
mod llama_cpp;
mod logits;
mod openai;
mod python;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

pub use amd_manual::{ManualCase, ManualResult, amd_manual};
pub use blocks::llama_cpp_numbers;
pub use jinja::Jinja;
pub use llama_cpp::{LlamaCppTokenizer, llama_cpp_source};
pub use logits::llama_cpp_logits;
pub use openai::openai_client;
pub use qemu::cache::run;

/// The folder that all oracles are kept in.
#[must_use]
pub fn cache() -> PathBuf {
    match std::env::var_os("INFERNEL_ORACLES") {
        Some(folder) => folder.into(),
        None => qemu::kernel::target_directory().join("oracles"),
    }
}

/// The folder `name` in the cache, which `make` fills if it is not there yet.
///
/// # Errors
/// If the folder cannot be made, or `make` fails.
pub fn once(name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    qemu::cache::once(&cache(), name, |folder| {
        tools()?;
        make(folder).with_context(|| format!("cannot set up the oracle {name}"))
    })
}

/// What makes an oracle: how to see that a tool is there, and the package that brings it.
const TOOLS: &[(&[&str], &str)] = &[
    (&["c++", "--version"], "g++"),
    (&["make", "--version"], "make"),
    (&["cmake", "--version"], "cmake"),
    (&["python3", "-m", "pip", "--version"], "python3-pip"),
];

/// Installs the tools that are missing.
fn tools() -> Result<()> {
    let answers = |words: &[&str]| {
        let output = Command::new(words[0]).args(&words[1..]).output();
        output.is_ok_and(|output| output.status.success())
    };
    // One at a time: tests may ask for different oracles at once.
    let lock = File::create(cache().join("tools.lock"))?;
    lock.lock().context("cannot lock the oracle cache")?;
    let missing: Vec<&str> = TOOLS
        .iter()
        .filter(|tool| !answers(tool.0))
        .map(|tool| tool.1)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    qemu::setup::install(&missing).with_context(|| {
        format!(
            "install what the oracles need: apt-get install {}",
            missing.join(" ")
        )
    })
}
