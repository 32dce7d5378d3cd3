//! The CPU path as a Linux process, for comparison with the kernel.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result};

use crate::binary;
use crate::census::repository;
use crate::http::Api;

/// Builds `hosted` in release mode, once per test process, and returns its path.
///
/// # Errors
/// If it does not build.
pub fn binary() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            binary::release("cpu-fallback", "hosted").map_err(|error| format!("{error:#}"))
        })
        .clone()
        .map_err(anyhow::Error::msg)
}

/// The demo model's file.
#[must_use]
pub fn demo_model() -> PathBuf {
    repository().join("tests/data/demo.gguf")
}

/// A running `hosted serve`; dropped, it is killed.
pub struct Server {
    process: Child,
    /// Where it answers.
    pub api: Api,
    /// Its base URL, for clients that want one.
    pub url: String,
}

impl Server {
    /// Starts `hosted serve --port 0` with the demo model and `arguments` after it, and waits for its `ready` line.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        let mut process = Command::new(binary()?)
            .args(["serve", "--port", "0", "--model"])
            .arg(demo_model())
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start hosted")?;
        let mut line = String::new();
        let output = process.stdout.take().context("hosted has no stdout")?;
        BufReader::new(output).read_line(&mut line)?;
        let url = line
            .split_whitespace()
            .nth(1)
            .filter(|_| line.starts_with("ready "));
        let url = url
            .with_context(|| format!("hosted said {line:?} instead of ready"))?
            .to_owned();
        Ok(Self {
            process,
            api: Api::new(&url)?,
            url,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Best effort: it may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
