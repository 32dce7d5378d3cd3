//! One running guest: QEMU's process, the guest's serial console, and a forwarded port.
//!
//! QEMU runs in a process group of its own, so that a Ctrl-C in the terminal reaches only us and the guest can be shut
//! down cleanly; and it is told to end when we end, so that none is left behind.

use std::fmt;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::image::{self, BootFiles, Content};
use crate::options::{Accelerator, Disk, Nic, Options};
use crate::{kernel, setup};

/// QEMU's exit status after a guest's panic: the kernel writes 0x31 to the debug-exit port, QEMU ends with twice that
/// plus one.
pub const PANIC_STATUS: i32 = 0x31 * 2 + 1;

/// Port inside the guest that the API listens on unless `port=` says otherwise.
const GUEST_PORT: u16 = 8000;

/// What the kernel prints when it can answer requests; backend, model and boot time follow.
const READY: &str = "ready backend=";

/// What the kernel prints when it has tested a device; the result follows.
const SELFTEST: &str = "selftest: ";

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

/// What the kernel said when it could answer requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Base of the API as a client on this machine reaches it.
    pub url: String,
    /// `cpu` or `gpu`.
    pub backend: String,
    /// The model's name.
    pub model: String,
    /// Milliseconds from the kernel's entry.
    pub boot_ms: u64,
    /// What a test at boot came to.
    pub selftest: Option<Selftest>,
}

/// What the kernel's test of a device came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selftest {
    /// Cases that gave what they should.
    pub passed: u64,
    /// Cases that did not.
    pub failed: u64,
}

impl fmt::Display for Selftest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{SELFTEST}{} passed, {} failed",
            self.passed, self.failed
        )
    }
}

impl Selftest {
    /// Reads `... selftest: N passed, N failed`.
    fn parse(line: &str) -> Option<Self> {
        let (passed, rest) = line.split_once(SELFTEST)?.1.split_once(" passed, ")?;
        Some(Self {
            passed: passed.parse().ok()?,
            failed: rest.trim_end().strip_suffix(" failed")?.parse().ok()?,
        })
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

/// The machine that every guest gets: no device but those that are named here and below.
const MACHINE: &[&str] = &[
    "-nodefaults",
    "-no-user-config",
    "-machine=q35",
    "-cpu=max",
    "-display=none",
    "-serial=stdio",
    "-no-reboot",
    "-device=isa-debug-exit,iobase=0xf4,iosize=0x04",
];

/// The whole command that starts QEMU.
fn guest_command(
    configuration: &Configuration,
    elf: PathBuf,
    folder: &Path,
    port: u16,
) -> Result<Command> {
    let options = &configuration.options;
    let mut command = dying_with_us(setup::qemu()?);
    command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    // QEMU takes an option and its value as two arguments.
    command.args(MACHINE.iter().flat_map(|option| option.splitn(2, '=')));
    command.args(["-accel", accelerator(options.accelerator)?]);
    command.args(["-m", &format!("{}M", options.memory_mib)]);
    command.args(["-smp", &options.smp.to_string()]);
    attach_kernel_and_disks(&mut command, configuration, elf, folder)?;
    if configuration.network {
        let device = match options.nic {
            Nic::Virtio => "virtio-net-pci,disable-legacy=on",
            Nic::E1000e => "e1000e",
        };
        let guest_port = guest_port(&options.command_line);
        let forward = format!("user,id=net,hostfwd=tcp:127.0.0.1:{port}-:{guest_port}");
        command.args(["-netdev", &forward]);
        command.args(["-device", &format!("{device},romfile=,netdev=net")]);
    }
    command.args(&configuration.extra);
    Ok(command)
}

/// A command for `program` that the system ends when our process ends in any way; setpriv is util-linux's.
fn dying_with_us(program: PathBuf) -> Command {
    let Some(setpriv) = setup::in_path("setpriv") else {
        return Command::new(program);
    };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

/// Either door: the kernel given to QEMU, or on a disk with its boot loader; and the model's disk.
fn attach_kernel_and_disks(
    command: &mut Command,
    configuration: &Configuration,
    elf: PathBuf,
    folder: &Path,
) -> Result<()> {
    let options = &configuration.options;
    let boot = if options.uefi {
        command.arg("-bios").arg(setup::ovmf()?);
        Some(limine_files(elf, &options.command_line)?)
    } else {
        command.arg("-kernel").arg(elf);
        command.args(["-append", &options.command_line]);
        None
    };
    let model = match &configuration.disk {
        DiskContent::Model(path) => Some(path.as_path()),
        DiskContent::Raw(path) => {
            attach_disk(command, "raw", path, options.disk);
            None
        }
        DiskContent::Absent => None,
    };
    let firmware = configuration.firmware.as_deref();
    if model.is_some() || boot.is_some() || firmware.is_some() {
        let disk = folder.join("disk.img");
        let content = Content {
            model,
            firmware,
            boot: boot.as_ref(),
        };
        image::write(&disk, content)?;
        attach_disk(command, "boot", &disk, options.disk);
    }
    Ok(())
}

fn attach_disk(command: &mut Command, id: &str, path: &Path, controller: Disk) {
    let device = match controller {
        Disk::Virtio => format!("virtio-blk-pci,disable-legacy=on,drive={id}"),
        Disk::Nvme => format!("nvme,serial={id},drive={id}"),
    };
    // A comma in a path is doubled for QEMU's option parser.
    let file = path.display().to_string().replace(',', ",,");
    let drive = format!("file={file},format=raw,if=none,id={id},snapshot=on,file.locking=off");
    command.args(["-drive", &drive, "-device", &device]);
}

fn limine_files(kernel: PathBuf, command_line: &str) -> Result<BootFiles> {
    let limine = std::env::var_os("LIMINE_DIR").map(PathBuf::from).context(
        "--uefi needs Limine: set LIMINE_DIR to a folder with BOOTX64.EFI of Limine 9, for instance a checkout of branch \
         v9.x-binary of github.com/limine-bootloader/limine",
    )?;
    Ok(BootFiles {
        limine,
        kernel,
        command_line: command_line.to_owned(),
    })
}

/// QEMU's name of the accelerator to use. Emulation is the default even where `/dev/kvm` opens: under some hypervisors it
/// opens and then cannot run vector code.
fn accelerator(wanted: Accelerator) -> Result<&'static str> {
    if wanted == Accelerator::Tcg {
        return Ok("tcg");
    }
    let device = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm");
    device
        .context("--accel kvm: cannot open /dev/kvm (without the option the guest is emulated)")?;
    Ok("kvm")
}

/// The port that the kernel will listen on, as its command line says.
fn guest_port(command_line: &str) -> u16 {
    let value = command_line
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("port="))
        .next_back();
    value
        .and_then(|port| port.parse().ok())
        .unwrap_or(GUEST_PORT)
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

/// Reads `... ready backend=B model=M boot_ms=N`; a model's name may hold spaces, the number stands last.
fn parse_ready(line: &str, port: u16, selftest: Option<Selftest>) -> Option<Ready> {
    let rest = line.split_once(READY)?.1;
    let (backend, rest) = rest.split_once(" model=")?;
    let (model, boot_ms) = rest.rsplit_once(" boot_ms=")?;
    Some(Ready {
        url: format!("http://127.0.0.1:{port}/v1"),
        backend: backend.to_owned(),
        model: model.to_owned(),
        boot_ms: boot_ms.trim().parse().ok()?,
        selftest,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_is_read() {
        let line = "[  0.8] ready backend=cpu model=a b c boot_ms=812";
        let ready = parse_ready(line, 80, None).unwrap();
        assert_eq!(
            (ready.backend.as_str(), ready.model.as_str(), ready.boot_ms),
            ("cpu", "a b c", 812)
        );
        assert_eq!(parse_ready("ready backend=cpu model=x", 80, None), None);
    }

    #[test]
    fn the_result_of_a_test_is_read() {
        let found = Selftest::parse("[  0.8] selftest: 12 passed, 3 failed").unwrap();
        assert_eq!((found.passed, found.failed), (12, 3));
        assert_eq!(found.to_string(), "selftest: 12 passed, 3 failed");
        for other in [
            "selftest: begins",
            "selftest: x passed, 1 failed",
            "12 passed, 3 failed",
        ] {
            assert_eq!(Selftest::parse(other), None);
        }
    }

    #[test]
    fn the_forwarded_port_follows_the_command_line() {
        assert_eq!(guest_port("ctx=3 port=81 log=debug"), 81);
        assert_eq!(guest_port("port=nonsense"), GUEST_PORT);
    }
}
