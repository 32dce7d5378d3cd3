//! A machine in QEMU with the device model of the card in it: either only its firmware, or a small kernel of its own
//! (`tests/bare-metal/card.s`) that says what it finds.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use gpu_model::door::SharedCard;
use gpu_model::door::qemu::{GuestMemory, Plug};
use gpu_model::{Card, Level};
use qemu::{kernel, setup};

/// Guest memory in MiB.
const MEMORY_MIB: u32 = 128;

/// Register reads that the kernel does between its lines `begin` and `end`.
pub const READS: u32 = 100_000;

/// QEMU's exit status when the kernel found everything as expected: it writes 16 to the debug-exit port.
pub const ALL_WELL: i32 = 16 * 2 + 1;

/// A line of the console, and when it came.
pub type Line = (Instant, String);

/// What boots the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// QEMU's own BIOS.
    SeaBios,
    /// UEFI.
    Ovmf,
}

/// The running machine; dropped, it is killed.
pub struct Machine {
    process: Child,
    lines: Receiver<Line>,
    card: SharedCard,
    _plug: Plug,
}

/// Assembles and links the kernel into `folder`.
///
/// # Errors
/// If there is no `cc`, or it fails.
pub fn build_kernel(folder: &Path) -> Result<PathBuf> {
    let source = kernel::repository().join("tests/bare-metal/card.s");
    let elf = folder.join("card.elf");
    let mut command = Command::new("cc");
    command.args(["-m32", "-nostdlib", "-static", "-no-pie"]);
    command.args(["-Wl,--build-id=none,--entry=start,-Ttext=0x200000", "-o"]);
    command.arg(&elf).arg(&source);
    let output = command
        .output()
        .context("cannot start cc, which links Rust programs too (Debian: gcc)")?;
    ensure!(
        output.status.success(),
        "{command:?} failed\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(elf)
}

impl Machine {
    /// Starts a machine with a strict card; `kernel` is given to QEMU's own loader.
    ///
    /// # Errors
    /// Whatever is missing, with the next step.
    pub fn start(firmware: Firmware, kernel: Option<&Path>) -> Result<Self> {
        let memory = Arc::new(GuestMemory::default());
        let card = Arc::new(Mutex::new(Card::new(Level::Strict, memory.clone())?));
        let mut plug = Plug::new(card.clone(), memory)?;
        let mut command = Command::new(setup::qemu()?);
        command
            .args(["-nodefaults", "-no-user-config", "-no-reboot"])
            .args(["-machine", "q35", "-accel", "tcg", "-cpu", "max"])
            .args(["-display", "none", "-serial", "stdio"])
            .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"])
            .args(["-m", &format!("{MEMORY_MIB}M")])
            .args(plug.arguments(MEMORY_MIB))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if firmware == Firmware::Ovmf {
            command.arg("-bios").arg(setup::ovmf()?);
        }
        if let Some(kernel) = kernel {
            command.arg("-kernel").arg(kernel);
        }
        let mut process = command
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        plug.started();
        let output = process.stdout.take().context("QEMU has no console")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let text = String::from_utf8_lossy(&line).into_owned();
                if sender.send((Instant::now(), text)).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            process,
            lines,
            card,
            _plug: plug,
        })
    }

    /// The card, between two accesses of the machine.
    pub fn card(&self) -> MutexGuard<'_, Card> {
        self.card.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The console's lines with their times, until QEMU ends, and its exit status.
    ///
    /// # Errors
    /// If it does not end before `limit`.
    pub fn run(&mut self, limit: Duration) -> Result<(Vec<Line>, Option<i32>)> {
        let deadline = Instant::now() + limit;
        let mut said = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => said.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    bail!("the machine still runs after {limit:?}; it said {said:?}")
                }
            }
        }
        Ok((said, self.process.wait()?.code()))
    }

    /// Waits until the firmware has given every aperture an address.
    ///
    /// # Errors
    /// If that does not happen before `limit`, or a rule stopped the card.
    pub fn wait_enumerated(&mut self, limit: Duration) -> Result<[(u64, u64); 3]> {
        let deadline = Instant::now() + limit;
        loop {
            let card = self.card();
            if let Some(report) = card.report() {
                bail!("{report}");
            }
            let apertures = [0, 2, 5].map(|bar| card.aperture(bar));
            drop(card);
            // While it sizes an aperture, firmware writes ones: an address beyond what it can assign.
            let assigned = |(base, bytes): &(u64, u64)| {
                *base != 0 && base + bytes <= 0xfec0_0000 && base.is_multiple_of(*bytes)
            };
            if apertures.iter().all(assigned) {
                return Ok(apertures);
            }
            ensure!(
                Instant::now() < deadline && self.process.try_wait()?.is_none(),
                "the card is not enumerated after {limit:?}: {apertures:x?}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Either may fail only because QEMU has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The value that the kernel says after `name`.
#[must_use]
pub fn said<'a>(lines: &'a [Line], name: &str) -> Option<&'a str> {
    lines
        .iter()
        .find_map(|(_, line)| line.strip_prefix(name)?.strip_prefix(' '))
}

/// Register reads per second between the kernel's lines `begin` and `end`.
#[must_use]
pub fn reads_per_second(lines: &[Line]) -> Option<f64> {
    let at = |text| {
        lines
            .iter()
            .find(|(_, line)| line == text)
            .map(|(time, _)| *time)
    };
    let seconds = at("end")?.duration_since(at("begin")?).as_secs_f64();
    Some(f64::from(READS) / seconds)
}
