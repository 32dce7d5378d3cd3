//! `exec-lib`: build the interpreter as a shared library.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

pub(crate) const HELP: &str = "\
cargo shaders -- exec-lib

Builds the interpreter as a shared library; the last line of stdout is its path. It has one function,

  int gfx1100_run(const void *code, uint32_t size, uint32_t gx, uint32_t gy, uint32_t gz,
                  uint32_t lx, uint32_t ly, uint32_t lz, void *kernarg, uint32_t rsrc2,
                  uint32_t scratch_bytes_per_lane);

which runs code on memory of the calling process: s[0:1] = kernarg, USER_SGPR, workgroup ids and LDS size from rsrc2,
v0 = packed local ids. It returns 0, or a number that is not 0 after a message on stderr. It is lenient: registers that
nobody wrote read as 0, LDS and scratch are zero, waits are not needed. f32 denormals are flushed, f16 and f64 ones kept.
";

pub(crate) fn run(arguments: lexopt::Parser) -> Result<ExitCode> {
    crate::no_more_arguments(arguments)?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "build",
            "--package",
            "gfx1100-exec",
            "--profile",
            "exec-lib",
        ])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"),
        ])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .context("cargo build")?;
    if !output.status.success() {
        bail!("cargo build of gfx1100-exec: {}", output.status);
    }
    let messages = String::from_utf8(output.stdout).context("messages of cargo")?;
    match messages.lines().find_map(library) {
        Some(path) => println!("{path}"),
        None => bail!("cargo build names no shared library of gfx1100-exec"),
    }
    Ok(ExitCode::SUCCESS)
}

/// The path in a message of cargo about the shared library.
fn library(message: &str) -> Option<String> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message["target"]["name"] != "gfx1100_exec" {
        return None;
    }
    let files = message["filenames"].as_array()?;
    let path = files
        .iter()
        .filter_map(Value::as_str)
        .find(|path| path.ends_with(std::env::consts::DLL_SUFFIX))?;
    Some(path.to_owned())
}
