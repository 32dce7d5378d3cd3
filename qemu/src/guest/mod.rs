//! One running guest: QEMU's process, the guest's serial console, and a forwarded port.
//!
//! QEMU runs in a process group of its own, so that a Ctrl-C in the terminal reaches only us and the guest can be shut
//! down cleanly; and it is told to end when we end, so that none is left behind.

mod command;
mod said;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::kernel;
use crate::options::Options;
use command::guest_command;
use said::{READY, parse_ready};

pub use said::{Ready, Selftest};

/// QEMU's exit status after a guest's panic: the kernel writes 0x31 to the debug-exit port, QEMU ends with twice that
/// plus one.
pub const PANIC_STATUS: i32 = 0x31 * 2 + 1;

/// What the kernel prints when it gives up on serving; the reason follows.
const CANNOT_SERVE: &str = "no model: ";

/// How long a wait for the console sleeps before it looks at anything else.
const SLICE: Duration = Duration::from_millis(20);

/// What the guest finds on its disk controller.
#[derive(Clone, Debug)]
pub enum DiskContent {
    /// A GPT with this model's partition.
    Model(PathBuf),
    /// This file, as it is.
    Raw(PathBuf),
    /// No controller at all.
    Absent,
}

/// Everything that decides how a guest is started.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The command line's options.
    pub options: Options,
    /// The disk's content.
    pub disk: DiskContent,
    /// An archive for the firmware partition, if the disk is to have one.
    pub firmware: Option<Vec<u8>>,
    /// Whether there is a network card.
    pub network: bool,
    /// Arguments for QEMU after all others.
    pub extra: Vec<String>,
}

impl Configuration {
    /// What `cargo boot` starts for `options`: the model on a GPT disk, and a network card.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let model = options.model.clone();
        let model = model.unwrap_or_else(|| kernel::repository().join("tests/data/demo.gguf"));
        Self {
            options,
            disk: DiskContent::Model(model),
            firmware: None,
            network: true,
            extra: Vec::new(),
        }
    }
}

/// A running guest; dropped, it is killed.
pub struct Guest {
    process: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    port: u16,
    /// Holds the disk image and the firmware's variables; removed with the guest.
    _folder: tempfile::TempDir,
}

/// Takes the guest's console byte for byte.
pub type Console = Box<dyn Write + Send>;

impl Guest {
    /// Builds the kernel, makes the disk, and starts QEMU. The guest's console goes to `console`.
    ///
    /// # Errors
    /// Whatever is missing or does not build, with the next step.
    pub fn start(configuration: &Configuration, console: Console) -> Result<Self> {
        let elf = kernel::build()?;
        let folder = kernel::target_directory().join("boot");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let folder = tempfile::Builder::new()
            .prefix("guest-")
            .tempdir_in(folder)?;
        let port = match configuration.options.port {
            0 => TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(),
            port => port,
        };
        let mut command = guest_command(configuration, elf, folder.path(), port)?;
        let mut process = command
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            bail!("QEMU started without its console");
        };
        Ok(Self {
            process,
            input,
            lines: split_lines(output, console),
            port,
            _folder: folder,
        })
    }

    /// The next line of the console, without its line end; `None` when the guest has ended.
    ///
    /// # Errors
    /// If `deadline` passes first.
    pub fn line(&mut self, deadline: Instant) -> Result<Option<String>> {
        match self
            .lines
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                bail!("the guest said nothing more before the deadline")
            }
        }
    }

    /// Reads the console until a line contains `text`, and returns that line.
    ///
    /// # Errors
    /// If the guest ends or `limit` passes first.
    pub fn expect(&mut self, text: &str, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        loop {
            let line = self
                .line(deadline)
                .with_context(|| format!("waiting for {text:?} on the console"))?;
            let line = line.with_context(|| format!("the guest ended before it said {text:?}"))?;
            if line.contains(text) {
                return Ok(line);
            }
        }
    }

    /// Waits until the kernel says that it is ready and its health check answers through the forwarded port.
    ///
    /// # Errors
    /// If the guest ends, says that it cannot serve, or `limit` passes first.
    pub fn wait_ready(&mut self, limit: Duration) -> Result<Ready> {
        let ready = self.wait_ready_unless(limit, || false)?;
        ready.context("nobody gave up waiting")
    }

    /// As [`Self::wait_ready`], but ends with `None` soon after `give_up` says so.
    ///
    /// # Errors
    /// As [`Self::wait_ready`].
    pub fn wait_ready_unless(
        &mut self,
        limit: Duration,
        mut give_up: impl FnMut() -> bool,
    ) -> Result<Option<Ready>> {
        let deadline = Instant::now() + limit;
        let (mut ready, mut selftest) = (None, None);
        while !give_up() {
            match self.lines.recv_timeout(SLICE) {
                Ok(line) if line.contains(READY) => {
                    let said = parse_ready(&line, self.port, selftest);
                    ready = Some(
                        said.with_context(|| format!("cannot read the kernel's line {line:?}"))?,
                    );
                }
                Ok(line) => {
                    selftest = Selftest::parse(&line).or(selftest);
                    if let Some((_, reason)) = line.split_once(CANNOT_SERVE) {
                        bail!("the kernel cannot serve: {reason}");
                    }
                }
                Err(RecvTimeoutError::Disconnected) => bail!("the guest ended before it was ready"),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if ready.is_some() && health_answers(self.port) {
                return Ok(ready);
            }
            ensure!(
                Instant::now() < deadline,
                "not ready after {} s (--timeout gives it longer)",
                limit.as_secs()
            );
        }
        Ok(None)
    }

    /// Drops the console lines that came since the last call, for a caller that only shows the console.
    pub fn discard_lines(&mut self) {
        while self.lines.try_recv().is_ok() {}
    }

    /// Types a line on the guest's console.
    ///
    /// # Errors
    /// If the guest has ended.
    pub fn type_line(&mut self, line: &str) -> Result<()> {
        self.type_bytes(format!("{line}\n").as_bytes())
    }

    /// Types bytes on the guest's console as they are.
    ///
    /// # Errors
    /// If the guest has ended.
    pub fn type_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.input
            .write_all(bytes)
            .and_then(|()| self.input.flush())
            .context("the guest's console is closed")
    }

    /// QEMU's exit status if it has ended.
    ///
    /// # Errors
    /// If the process cannot be asked.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.process.try_wait()?)
    }

    /// Waits for the guest to end by itself.
    ///
    /// # Errors
    /// If `limit` passes first.
    pub fn wait_end(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            ensure!(
                Instant::now() < deadline,
                "the guest still runs after {} s",
                limit.as_secs()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks the kernel to power off and waits until QEMU has ended.
    ///
    /// # Errors
    /// If it does not end before `limit`; it is killed then.
    pub fn shut_down(&mut self, limit: Duration) -> Result<ExitStatus> {
        // The first byte is Ctrl-U: it clears a line that somebody has half typed.
        let typed = self.type_bytes(b"\x15shutdown\n");
        let end = typed.and_then(|()| self.wait_end(limit));
        if end.is_err() {
            self.process.kill()?;
            self.process.wait()?;
        }
        end.context("the guest did not shut down when asked; it was killed")
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            // Nothing can be done about a failure here: the process is gone or not ours any more.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// Copies the console to `sink` as it comes and hands on whole lines.
fn split_lines(mut output: impl Read + Send + 'static, mut sink: Console) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        let mut line = Vec::new();
        while let Ok(count @ 1..) = output.read(&mut buffer) {
            // A console that nobody reads any more is no reason to stop listening to the guest.
            let _ = sink.write_all(&buffer[..count]).and_then(|()| sink.flush());
            for &byte in &buffer[..count] {
                if byte != b'\n' {
                    line.push(byte);
                    continue;
                }
                let text = String::from_utf8_lossy(&line)
                    .trim_end_matches('\r')
                    .to_owned();
                line.clear();
                if sender.send(text).is_err() {
                    return;
                }
            }
        }
    });
    receiver
}

/// Whether `GET /health` is answered with 200 within a second.
fn health_answers(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(&head == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}
