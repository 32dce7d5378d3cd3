//! Python's Jinja, set up as Hugging Face's `apply_chat_template` does, running as a process.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::python;

/// The version that is compared with.
const VERSION: &str = "3.1.6";

/// A process that renders templates.
pub struct Jinja {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Jinja {
    /// Starts it; the first use on a machine downloads it.
    ///
    /// # Errors
    /// If Jinja cannot be had or Python does not start.
    pub fn start() -> Result<Self> {
        let packages = python::package("jinja2", VERSION)?;
        let mut process = Command::new("python3")
            .args(["-c", include_str!("jinja.py")])
            .env("PYTHONPATH", packages)
            .env("PYTHONIOENCODING", "utf-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start python3; install it: apt-get install python3")?;
        let input = process.stdin.take().context("no pipe to Jinja")?;
        let output = process.stdout.take().context("no pipe from Jinja")?;
        Ok(Self {
            process,
            input,
            output: BufReader::new(output),
        })
    }

    /// The rendered text, or the error. The request is an object of `template`, `variables` and `unix_time`.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn render(&mut self, request: &str) -> Result<Result<String, String>> {
        writeln!(self.input, "{request}")?;
        let mut line = String::new();
        ensure!(
            self.output.read_line(&mut line)? > 0,
            "Jinja gave up on {request}"
        );
        let answer: Value = serde_json::from_str(&line)?;
        let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
        match text("text") {
            Some(text) => Ok(Ok(text)),
            None => Ok(Err(text("error").context("neither text nor error")?)),
        }
    }
}

impl Drop for Jinja {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
