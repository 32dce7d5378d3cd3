//! A kernel under test: booted in QEMU's emulation, with its console kept for the message of a failing test.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use qemu::guest::{Configuration, DiskContent, Guest, Ready};
use qemu::options::{Accelerator, Options};

use crate::http::Api;

/// Longest boot, with everything on two emulated cores that share a busy machine.
pub const BOOT_LIMIT: Duration = Duration::from_secs(180);

/// Longest wait for a reaction on the console.
pub const REACTION_LIMIT: Duration = Duration::from_secs(60);

/// The demo model on two emulated cores and 256 MiB, on a free port.
#[must_use]
pub fn small() -> Configuration {
    Configuration::new(Options {
        port: 0,
        memory_mib: 256,
        accelerator: Accelerator::Tcg,
        ..Options::default()
    })
}

/// The same with a kernel command line.
#[must_use]
pub fn with_command_line(command_line: &str) -> Configuration {
    let mut configuration = small();
    configuration.options.command_line = command_line.to_owned();
    configuration
}

/// The same with another disk.
#[must_use]
pub fn with_disk(disk: DiskContent) -> Configuration {
    Configuration { disk, ..small() }
}

/// A started guest and what it printed.
pub struct Kernel {
    /// The guest.
    pub guest: Guest,
    console: Arc<Mutex<Vec<u8>>>,
}

/// A console that only remembers.
struct Tape(Arc<Mutex<Vec<u8>>>);

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut tape = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        tape.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Kernel {
    /// Starts a guest and does not wait.
    ///
    /// # Errors
    /// As [`Guest::start`].
    pub fn start(configuration: &Configuration) -> Result<Self> {
        let console = Arc::new(Mutex::new(Vec::new()));
        let guest = Guest::start(configuration, Box::new(Tape(Arc::clone(&console))))?;
        Ok(Self { guest, console })
    }

    /// Starts a guest and waits until it serves.
    ///
    /// # Errors
    /// If it does not; the text ends with the console.
    pub fn serving(configuration: &Configuration) -> Result<(Self, Ready, Api)> {
        let mut kernel = Self::start(configuration)?;
        let ready = kernel.guest.wait_ready(BOOT_LIMIT);
        let ready = ready.with_context(|| kernel.console())?;
        let api = Api::new(&ready.url)?;
        Ok((kernel, ready, api))
    }

    /// Waits for a line with `text` on the console.
    ///
    /// # Errors
    /// If it does not come; the text ends with the console.
    pub fn expect(&mut self, text: &str) -> Result<String> {
        self.guest
            .expect(text, BOOT_LIMIT)
            .with_context(|| self.console())
    }

    /// Types a shell command and waits for a line with `text`.
    ///
    /// # Errors
    /// If it does not come; the text ends with the console.
    pub fn command(&mut self, command: &str, text: &str) -> Result<String> {
        self.guest.discard_lines();
        self.guest.type_line(command)?;
        self.guest
            .expect(text, REACTION_LIMIT)
            .with_context(|| self.console())
    }

    /// Shuts the kernel down through its shell and asserts that QEMU ended with status 0.
    ///
    /// # Errors
    /// If it does not end, or with another status.
    pub fn shut_down(mut self) -> Result<()> {
        let status = self
            .guest
            .shut_down(REACTION_LIMIT)
            .with_context(|| self.console())?;
        anyhow::ensure!(
            status.success(),
            "QEMU ended with {status}\n{}",
            self.console()
        );
        Ok(())
    }

    /// Everything that the guest has printed.
    #[must_use]
    pub fn console(&self) -> String {
        let tape = self
            .console
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        format!("--- console ---\n{}", String::from_utf8_lossy(&tape))
    }
}
