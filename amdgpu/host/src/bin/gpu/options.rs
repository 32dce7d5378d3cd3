//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use amdgpu_host::LIMIT;
use anyhow::{Result, bail, ensure};
use firmware_loader::sums::Trust;
use lexopt::prelude::*;
use shader_cases::Size;

const HELP: &str = "\
The first-contact kit for a Radeon RX 7900 XTX: looks at a card over tinygrad's remote PCI protocol, or at the device model.

usage: cargo gpu -- [--model | --remote HOST:PORT] COMMAND [OPTION]...

commands
  info                      what the card is: ids, apertures, memory, blocks with their versions, whether it was started
  bringup                   starts the card, each step with its time, says how it is, and stops it in order
  dispatch KERNEL           runs a shipped kernel once and compares its results with the CPU's (a wrong name lists all)
  selftest [PREFIX]         runs every kernel (whose name begins so) on random data, and writes a report for an issue
  dump-registers [PREFIX]   every register that can be read without doing something, by name, with its fields that are not 0
  compare-traces A B        what two drivers told the model differently, by their traces; touches no card

which card
  --model                   the device model in this process, at its strictest (what is taken where neither is named)
  --remote HOST:PORT        a server; the host is this machine and the port 6667 where they are not named
  --device NAME             which of the server's cards, such as 0000:03:00.0
  --timeout SECONDS         how long the server may take for an answer (10)

starting it
  --firmware DIR            AMD's firmware files; otherwise /lib/firmware/amdgpu, or Debian's package, which is downloaded
  --any-firmware            takes files whose SHA-256 is in no published set
  --cold                    resets a card that was left running instead of taking it over

running kernels
  --seed N                  what the random data depends on (1)
  --every                   every case of each kernel, not the cheapest alone; hours on the model
  --report FILE             where the report goes (gpu-selftest.txt)

the model
  --small-bar               its slot cannot enlarge the aperture of video memory: 256 MiB are visible
  --trace FILE              writes every access to this file, one a line

On the machine with the card, tinygrad's extra/remote/serve.py is such a server. It takes the card from its Linux driver: no
screen may depend on it. The protocol has no password, and who speaks it can read and write all memory of that machine; so
connect by a tunnel: ssh -L 6667:127.0.0.1:6667 MACHINE, then --remote :6667.

The exit status is 0 if all is well, 1 if something failed, 2 if the command line makes no sense.

examples:
  cargo gpu -- info
  cargo gpu -- bringup --trace accesses.txt
  cargo gpu -- --remote 127.0.0.1:6667 info
  cargo gpu -- --remote :6667 selftest
  cargo gpu -- --remote :6667 dump-registers GCVM_L2
";

/// What to do.
pub(crate) enum Task {
    /// Compare traces.
    CompareTraces([PathBuf; 2]),
    /// Something with a card.
    OnCard(Work),
}

/// What to do with a card.
pub(crate) enum Work {
    /// Start and stop it.
    BringUp,
    /// Say what it is.
    Info,
    /// Run a kernel.
    Dispatch(String),
    /// Test the kernels whose names begin so.
    SelfTest(String),
    /// Read registers whose names begin so.
    DumpRegisters(Option<String>),
}

/// The command line.
pub(crate) struct Options {
    pub(crate) task: Task,
    /// A server; the model without one.
    pub(crate) remote: Option<String>,
    pub(crate) device: Option<String>,
    pub(crate) limit: Duration,
    pub(crate) small_bar: bool,
    pub(crate) trace: Option<PathBuf>,
    pub(crate) firmware: Option<PathBuf>,
    pub(crate) trust: Trust,
    pub(crate) cold: bool,
    pub(crate) seed: u64,
    pub(crate) size: Size,
    pub(crate) report: PathBuf,
}

/// Reads the command line; `None` if help was all that was asked for.
pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Option<Options>> {
    let (mut command, mut arguments) = (None, Vec::new());
    let (mut remote, mut device, mut model) = (None, None, false);
    let (mut small_bar, mut trace, mut limit) = (false, None, LIMIT);
    let (mut firmware, mut trust, mut cold) = (None, Trust::Known, false);
    let (mut seed, mut size, mut report) = (1, Size::Small, PathBuf::from("gpu-selftest.txt"));
    while let Some(word) = parser.next()? {
        match word {
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(None);
            }
            Long("model") => model = true,
            Long("remote") => remote = Some(parser.value()?.string()?),
            Long("device") => device = Some(parser.value()?.string()?),
            Long("timeout") => {
                let seconds: u32 = parser.value()?.parse()?;
                ensure!(seconds > 0, "--timeout 0: expected a second or more");
                limit = Duration::from_secs(seconds.into());
            }
            Long("small-bar") => small_bar = true,
            Long("trace") => trace = Some(PathBuf::from(parser.value()?)),
            Long("firmware") => firmware = Some(PathBuf::from(parser.value()?)),
            Long("any-firmware") => trust = Trust::Any,
            Long("cold") => cold = true,
            Long("seed") => seed = parser.value()?.parse()?,
            Long("every") => size = Size::Every,
            Long("report") => report = PathBuf::from(parser.value()?),
            Value(word) if command.is_none() => command = Some(word.string()?),
            Value(word) => arguments.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    ensure!(
        !(model && remote.is_some()),
        "--model and --remote name two cards; choose one"
    );
    ensure!(
        remote.is_some() || device.is_none(),
        "--device names a card of a server; name the server by --remote"
    );
    ensure!(
        remote.is_none() || !small_bar && trace.is_none(),
        "--small-bar and --trace are for the model; `cargo gpu-model` has both for a model behind a server"
    );
    let Some(command) = command else {
        bail!("nothing to do; --help says what there is");
    };
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let task = match (command.as_str(), &arguments[..]) {
        ("info", []) => Task::OnCard(Work::Info),
        ("bringup", []) => Task::OnCard(Work::BringUp),
        ("dispatch", [kernel]) => Task::OnCard(Work::Dispatch((*kernel).to_owned())),
        ("selftest", []) => Task::OnCard(Work::SelfTest(String::new())),
        ("selftest", [prefix]) => Task::OnCard(Work::SelfTest((*prefix).to_owned())),
        ("dump-registers", []) => Task::OnCard(Work::DumpRegisters(None)),
        ("dump-registers", [prefix]) => {
            Task::OnCard(Work::DumpRegisters(Some((*prefix).to_owned())))
        }
        ("compare-traces", [first, second]) => {
            Task::CompareTraces([first, second].map(PathBuf::from))
        }
        ("info" | "bringup" | "dispatch" | "selftest" | "dump-registers" | "compare-traces", _) => {
            bail!("{command} takes other arguments than {arguments:?}; --help says which")
        }
        _ => bail!("there is no command {command:?}; --help lists them"),
    };
    Ok(Some(Options {
        task,
        remote,
        device,
        limit,
        small_bar,
        trace,
        firmware,
        trust,
        cold,
        seed,
        size,
        report,
    }))
}
