//! OpenAI's own Python client.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::python;

/// The version that is used.
const VERSION: &str = "3.51.0";

/// Runs the script with the client against the server at `url`; what it saw is an object with an entry a subject.
///
/// # Errors
/// If the client cannot be had, or an exception that the script does not expect ended it.
pub fn openai_client(url: &str) -> Result<Value> {
    let output = Command::new("python3")
        .args(["-c", include_str!("openai.py"), url])
        .env("PYTHONPATH", python::package("openai", VERSION)?)
        .env("PYTHONIOENCODING", "utf-8")
        .output()
        .context("cannot start python3; install it: apt-get install python3")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the client failed: {said}");
    serde_json::from_slice(&output.stdout).context("the script printed no JSON")
}
