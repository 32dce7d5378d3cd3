//! A machine in QEMU with the device model of the card in it: either only its firmware, or a small kernel of its own from
//! `tests/bare-metal`: one that says what it finds, or one that plays a script.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use gpu_model::door::SharedCard;
use gpu_model::door::qemu::{GuestMemory, Plug};
use gpu_model::{Card, Level};
use qemu::{kernel, setup};

use crate::gpu_script::{self, Script};

/// Guest memory in MiB.
const MEMORY_MIB: u32 = 128;

/// Register reads that the kernel does between its lines `begin` and `end`, and writes between the other two.
pub const ACCESSES: u32 = 100_000;

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

/// Assembles and links a kernel of `tests/bare-metal` into `folder`.
///
/// # Errors
/// If there is no `cc`, or it fails.
pub fn build_kernel(folder: &Path, name: &str) -> Result<PathBuf> {
    let sources = kernel::repository().join("tests/bare-metal");
    let elf = folder.join(name).with_extension("elf");
    let mut command = Command::new("cc");
    command.args(["-m32", "-nostdlib", "-static", "-no-pie"]);
    command.args(["-Wl,--build-id=none,--entry=start,-Ttext=0x200000"]);
    command.arg("-Wa,-I".to_owned() + &sources.to_string_lossy());
    command.arg("-o").arg(&elf);
    command.arg(sources.join(name).with_extension("s"));
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

/// What QEMU is started with for a machine without a card.
#[must_use]
pub fn board() -> Vec<String> {
    [
        "-nodefaults -no-user-config -no-reboot -machine q35 -accel tcg -cpu max -display none -serial stdio",
        "-device isa-debug-exit,iobase=0xf4,iosize=0x04",
    ]
    .iter()
    .flat_map(|words| words.split(' '))
    .map(str::to_owned)
    .collect()
}

/// The lines that a process says, with their times.
fn listen(output: ChildStdout) -> Receiver<Line> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&line).into_owned();
            if sender.send((Instant::now(), text)).is_err() {
                return;
            }
        }
    });
    lines
}

impl Machine {
    /// Starts a machine with a strict card; `kernel` is given to QEMU's own loader.
    ///
    /// # Errors
    /// Whatever is missing, with the next step.
    pub fn start(firmware: Firmware, kernel: Option<&Path>) -> Result<Self> {
        let mut arguments = Vec::new();
        if firmware == Firmware::Ovmf {
            arguments.extend(["-bios".into(), setup::ovmf()?.into_os_string()]);
        }
        if let Some(kernel) = kernel {
            arguments.extend(["-kernel".into(), kernel.into()]);
        }
        Self::with(&arguments)
    }

    /// Starts a machine whose kernel plays a script.
    ///
    /// # Errors
    /// Whatever is missing, with the next step.
    pub fn play(folder: &Path, script: Script) -> Result<Self> {
        let kernel = build_kernel(folder, "player")?;
        let file = folder.join("script");
        std::fs::write(&file, script.bytes())?;
        let place = gpu_script::PLACE;
        let mut loader = OsString::from(format!("loader,force-raw=on,addr={place:#x},file="));
        loader.push(&file);
        Self::with(&["-kernel".into(), kernel.into(), "-device".into(), loader])
    }

    fn with(arguments: &[OsString]) -> Result<Self> {
        let memory = Arc::new(GuestMemory::default());
        let card = Arc::new(Mutex::new(Card::new(Level::Strict, memory.clone())?));
        let mut plug = Plug::new(card.clone(), memory)?;
        let mut command = Command::new(setup::qemu()?);
        command
            .args(board())
            .args(["-m", &format!("{MEMORY_MIB}M")])
            .args(plug.arguments(MEMORY_MIB))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = command
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        plug.started();
        let output = process.stdout.take().context("QEMU has no console")?;
        Ok(Self {
            process,
            lines: listen(output),
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

/// Seconds between two lines.
#[must_use]
pub fn seconds(lines: &[Line], from: &str, to: &str) -> Option<f64> {
    let at = |text| Some(lines.iter().find(|(_, line)| line == text)?.0);
    Some(at(to)?.duration_since(at(from)?).as_secs_f64())
}

/// Accesses per second that the kernel's lines tell of: reads and writes of a register.
#[must_use]
pub fn accesses_per_second(lines: &[Line]) -> Option<[f64; 2]> {
    let reads = seconds(lines, "begin", "end")?;
    let writes = seconds(lines, "begin writes", "end writes")?;
    Some([reads, writes].map(|seconds| f64::from(ACCESSES) / seconds))
}
