//! What `cargo boot` is told on its command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lexopt::{Arg, ValueExt};

/// Text of `cargo boot -- --help`.
pub const HELP: &str = "\
Boot Infernel in QEMU and serve the OpenAI API from it.

usage: cargo boot [--] [options]

  --model F.gguf        model to serve (default: tests/data/demo.gguf)
  --port N              port on 127.0.0.1 that reaches the guest; 0 takes a free one (default: 8080)
  --smp N               cores (default: 2)
  --memory SIZE         guest memory, e.g. 256M or 2G (default: 2G)
  --cmdline TEXT        kernel command line, e.g. \"ctx=512 log=debug\"
  --log F               write the guest's console to F instead of stderr
  --uefi                boot as a workstation does: UEFI firmware and Limine (LIMINE_DIR names its folder)
  --disk virtio|nvme    controller that the model's disk hangs on (default: virtio)
  --nic virtio|e1000e   network card (default: virtio)
  --accel tcg|kvm       emulation, or hardware virtualisation where it works (default: tcg)
  --gpu                 attach the model of a Radeon RX 7900 XTX, which ends the boot with an error if its driver breaks a rule
  --firmware DIR        with --gpu: AMD's firmware files for it (default: /lib/firmware/amdgpu, else Debian's package is fetched)
  --fault NAME@N        with --gpu: something goes wrong at the Nth occasion; may be repeated (a wrong name lists all)
  --trace F             with --gpu: write every access of the card to F, one a line
  --timeout S           give up when it is not ready after S seconds (default: 300)

When the first request can be answered, one line goes to stdout:
  ready http://127.0.0.1:PORT/v1 backend=cpu model=NAME boot_ms=N
and before it, with --gpu --cmdline selftest=gpu: selftest: N passed, N failed
Typed lines go to the kernel's own shell (try: help). Ctrl-C shuts the guest down.

examples:
  cargo boot
  cargo boot -- --model llama.gguf --memory 4G --smp 4 --port 0
  cargo boot -- --gpu --fault psp-silent@1
  curl http://127.0.0.1:8080/v1/models
";

/// How the model's disk is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// virtio-blk, modern PCI.
    Virtio,
    /// NVMe.
    Nvme,
}

/// Which network card the guest sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nic {
    /// virtio-net, modern PCI.
    Virtio,
    /// Intel 82574L.
    E1000e,
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// Linux's hardware virtualisation.
    Kvm,
    /// QEMU's emulation.
    Tcg,
}

/// The graphics card that the guest sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gpu {
    /// Folder with AMD's firmware files; none for those of this machine or of Debian.
    pub firmware: Option<PathBuf>,
    /// What goes wrong, in the words of the card's model.
    pub faults: Vec<String>,
    /// Where every access of the card is written.
    pub trace: Option<PathBuf>,
}

/// A parsed command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Model file; none for the demo model.
    pub model: Option<PathBuf>,
    /// Host port, 0 for a free one.
    pub port: u16,
    /// Cores.
    pub smp: u32,
    /// Guest memory in MiB.
    pub memory_mib: u64,
    /// Kernel command line.
    pub command_line: String,
    /// Where the console goes instead of stderr.
    pub log: Option<PathBuf>,
    /// Boot through UEFI and Limine instead of PVH.
    pub uefi: bool,
    /// Disk controller.
    pub disk: Disk,
    /// Network card.
    pub nic: Nic,
    /// Accelerator.
    pub accelerator: Accelerator,
    /// The model of a graphics card, if there is to be one.
    pub gpu: Option<Gpu>,
    /// Longest wait for the first answer.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            model: None,
            port: 8080,
            smp: 2,
            memory_mib: 2048,
            command_line: String::new(),
            log: None,
            uefi: false,
            disk: Disk::Virtio,
            nic: Nic::Virtio,
            accelerator: Accelerator::Tcg,
            gpu: None,
            timeout: Duration::from_secs(300),
        }
    }
}

/// Parses the arguments after the program's name; `None` means that help was asked for.
///
/// # Errors
/// Names the option and what was expected.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Options>> {
    // A lone `--` before the options comes from habit (`cargo boot -- --smp 4`) and is dropped.
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.first().is_some_and(|first| first == "--") {
        arguments.remove(0);
    }
    let mut options = Options::default();
    let (mut gpu, mut with_gpu) = (Gpu::default(), false);
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        let Arg::Long(name) = argument else {
            if argument == Arg::Short('h') {
                return Ok(None);
            }
            return Err(argument.unexpected()).context("see: cargo boot -- --help");
        };
        let name = name.to_owned();
        let mut text = || parser.value().and_then(|value| value.string());
        match name.as_str() {
            "help" => return Ok(None),
            "uefi" => options.uefi = true,
            "gpu" => with_gpu = true,
            "firmware" => gpu.firmware = Some(text()?.into()),
            "fault" => gpu.faults.push(text()?),
            "trace" => gpu.trace = Some(text()?.into()),
            "model" => options.model = Some(text()?.into()),
            "log" => options.log = Some(text()?.into()),
            "cmdline" => options.command_line = text()?,
            "port" => options.port = number(&name, &text()?, 0, u16::MAX)?,
            "smp" => options.smp = number(&name, &text()?, 1, 255)?,
            "timeout" => options.timeout = Duration::from_secs(number(&name, &text()?, 1, 86_400)?),
            "memory" => options.memory_mib = memory(&text()?)?,
            "disk" => {
                options.disk = choice(
                    &name,
                    &text()?,
                    &[("virtio", Disk::Virtio), ("nvme", Disk::Nvme)],
                )?
            }
            "nic" => {
                options.nic = choice(
                    &name,
                    &text()?,
                    &[("virtio", Nic::Virtio), ("e1000e", Nic::E1000e)],
                )?
            }
            "accel" => options.accelerator = choice(&name, &text()?, &ACCELERATORS)?,
            _ => bail!("unknown option --{name}; see: cargo boot -- --help"),
        }
    }
    ensure!(
        with_gpu || gpu == Gpu::default(),
        "--firmware, --fault and --trace are about the card that --gpu attaches"
    );
    options.gpu = with_gpu.then_some(gpu);
    Ok(Some(options))
}

const ACCELERATORS: [(&str, Accelerator); 2] =
    [("tcg", Accelerator::Tcg), ("kvm", Accelerator::Kvm)];

fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    name: &str,
    text: &str,
    least: T,
    most: T,
) -> Result<T> {
    let value = text
        .parse::<T>()
        .ok()
        .filter(|value| *value >= least && *value <= most);
    value
        .with_context(|| format!("--{name} {text}: expected a whole number from {least} to {most}"))
}

fn choice<T: Copy>(name: &str, text: &str, rows: &[(&str, T)]) -> Result<T> {
    let names: Vec<&str> = rows.iter().map(|row| row.0).collect();
    let row = rows.iter().find(|row| row.0 == text);
    row.map(|row| row.1)
        .with_context(|| format!("--{name} {text}: expected one of {}", names.join(", ")))
}

/// A size in MiB from `256M` or `2G`.
fn memory(text: &str) -> Result<u64> {
    let expected = || format!("--memory {text}: expected a size such as 256M or 2G");
    let (digits, unit) = text.split_at(text.len().saturating_sub(1));
    let unit = match unit {
        "M" | "m" => 1,
        "G" | "g" => 1024,
        _ => bail!(expected()),
    };
    let mib = digits
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(unit))
        .with_context(expected)?;
    ensure!(
        (64..=1 << 20).contains(&mib),
        "--memory {text}: expected 64M to 1024G"
    );
    Ok(mib)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> Result<Option<Options>> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn every_option_is_read() {
        let options = check(
            "-- --model m.gguf --port 0 --smp 4 --memory 3G --cmdline ctx=64 --log l --uefi --disk nvme --nic e1000e \
             --accel kvm --gpu --firmware f --fault a@1 --fault b@2 --trace t --timeout 9",
        );
        let expected = Options {
            model: Some("m.gguf".into()),
            port: 0,
            smp: 4,
            memory_mib: 3072,
            command_line: "ctx=64".into(),
            log: Some("l".into()),
            uefi: true,
            disk: Disk::Nvme,
            nic: Nic::E1000e,
            accelerator: Accelerator::Kvm,
            gpu: Some(Gpu {
                firmware: Some("f".into()),
                faults: vec!["a@1".into(), "b@2".into()],
                trace: Some("t".into()),
            }),
            timeout: Duration::from_secs(9),
        };
        assert_eq!(options.unwrap(), Some(expected));
        assert_eq!(check("").unwrap(), Some(Options::default()));
        assert_eq!(check("--help").unwrap(), None);
        assert_eq!(check("-h").unwrap(), None);
    }

    #[test]
    fn errors_name_the_option() {
        for (line, word) in [
            ("--smp 0", "--smp 0"),
            ("--port 70000", "65535"),
            ("--memory 2T", "--memory 2T"),
            ("--memory 1M", "64M"),
            ("--memory", "memory"),
            ("--disk floppy", "virtio, nvme"),
            ("--frobnicate", "--frobnicate"),
            ("stray", "stray"),
            ("--trace t", "--gpu"),
            ("--timeout -1", "--timeout"),
        ] {
            let error = format!("{:#}", check(line).unwrap_err());
            assert!(error.contains(word), "{line}: {error}");
        }
    }
}
