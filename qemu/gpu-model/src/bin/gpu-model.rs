//! The device model as a program: serves a card to QEMU or to a remote driver, and lists the rules.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gpu_model::door::qemu::{GuestMemory, Plug};
use gpu_model::door::remote::{LentMemory, Remote};
use gpu_model::door::{SharedCard, Stop, qemu};
use gpu_model::{Card, Faults, HostMemory, Level, Tolerance, every_rule};
use lexopt::prelude::*;

const HELP: &str = "\
A Radeon RX 7900 XTX in software, attached to QEMU or to a remote driver.

usage: gpu-model --listen-remote PORT [OPTION]...   serve tinygrad's remote PCI protocol on 127.0.0.1 (0: a free port)
       gpu-model qemu [OPTION]... -- ARGUMENT...    start QEMU with the card attached, and the arguments
       gpu-model --socket PATH [OPTION]...          serve the card on a Unix socket to QEMUs that are started by themselves,
                                                    one after the other; each finds it as after power-on
       gpu-model qemu --connect PATH [--memory MIB] -- ARGUMENT...
                                                    start QEMU with the card that is served there
       gpu-model rules                              list every rule that the model watches

  --level strict|hardware   what real cards let pass is an error, or is counted (strict; hardware with --listen-remote)
  --fault NAME@N            something goes wrong at the Nth occasion; may be repeated (a wrong name lists all)
  --trace F                 write every access to this file, one a line
  --timeline F              write the dispatches to this file as JSON that Perfetto opens, when the card is gone
  --small-bar               with --listen-remote: video memory is seen through 256 MiB and the aperture cannot be resized
  --memory MIB              guest memory for `qemu` (512)

When a rule is broken the card leaves the bus (everything reads as ones) and a report with the last accesses is printed;
the exit status is then 2.

QEMU takes a connection as an open descriptor, which `qemu --connect` hands it. A program that starts QEMU in its own way
connects to PATH, lets QEMU inherit that as descriptor N, and passes
  -machine memory-backend=shared -object memory-backend-memfd,id=shared,size=SIZE,share=on -m SIZE
  -device x-pci-proxy-dev,id=gpu,fd=N

examples:
  gpu-model --listen-remote 6667 --trace accesses.txt
      and in another shell: DEV=PCI+AMD:LLVM REMOTE=127.0.0.1:6667 python3 -c 'from tinygrad import Tensor; ...'
  gpu-model qemu --level strict -- -machine q35 -display none -serial stdio -kernel KERNEL
  gpu-model --socket /tmp/card --trace accesses.txt
      and in another shell: gpu-model qemu --connect /tmp/card -- -machine q35 -kernel KERNEL
  gpu-model --listen-remote 0 --fault psp-silent@1
";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("gpu-model: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The emulator.
const QEMU: &str = "qemu-system-x86_64";

type Error = Box<dyn std::error::Error>;

/// What to do.
enum Task {
    Remote(u16),
    Socket(PathBuf),
    Qemu(Vec<OsString>),
}

#[derive(Default)]
struct Options {
    task: Option<Task>,
    level: Option<Level>,
    faults: Faults,
    trace: Option<PathBuf>,
    timeline: Option<PathBuf>,
    memory_mib: Option<u32>,
    small_bar: bool,
    connect: Option<PathBuf>,
}

impl Options {
    fn memory_mib(&self) -> u32 {
        self.memory_mib.unwrap_or(512)
    }

    /// QEMU, with these arguments.
    fn qemu(&self, arguments: &[OsString], card: &[String]) -> Command {
        let mut command = Command::new(QEMU);
        command
            .args(["-m", &format!("{}M", self.memory_mib())])
            .args(arguments)
            .args(card);
        command
    }

    /// Options that a card takes where it is served, of those that were given.
    fn of_the_card(&self) -> Option<&'static str> {
        [
            (self.level.is_some(), "--level"),
            (self.trace.is_some(), "--trace"),
            (self.timeline.is_some(), "--timeline"),
            (self.faults != Faults::default(), "--fault"),
        ]
        .into_iter()
        .find_map(|(given, name)| given.then_some(name))
    }
}

fn run() -> Result<ExitCode, Error> {
    let mut words = std::env::args_os().skip(1).peekable();
    words.next_if(|first| first == "--");
    let Some(options) = parse(lexopt::Parser::from_args(words))? else {
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(path) = &options.connect {
        return connect(&options, path);
    }
    let stop = Stop::default();
    let asked = stop.clone();
    ctrlc::set_handler(move || asked.now())?;
    let card = match &options.task {
        None => return Err("nothing to do; --help says what there is".into()),
        Some(Task::Remote(port)) => {
            let memory = Arc::new(LentMemory::default());
            let card = card(&options, Level::Hardware, memory.clone())?;
            let mut door = Remote::listen(*port, card.clone(), memory)?;
            if options.small_bar {
                door = door.without_resizing();
            }
            println!("listening {}", door.address()?);
            io::stdout().flush()?;
            door.serve(&stop, &|text| eprintln!("gpu-model: {text}"))?;
            card
        }
        Some(Task::Socket(path)) => {
            let memory = Arc::new(GuestMemory::default());
            let card = card(&options, Level::Strict, memory.clone())?;
            socket(path, &card, &memory, &stop)?;
            card
        }
        Some(Task::Qemu(arguments)) => {
            let memory = Arc::new(GuestMemory::default());
            let card = card(&options, Level::Strict, memory.clone())?;
            let mut plug = Plug::new(card.clone(), memory)?;
            let mut guest = options
                .qemu(arguments, &plug.arguments(options.memory_mib()))
                .spawn()
                .map_err(|error| format!("cannot start {QEMU}: {error}"))?;
            plug.started();
            while guest.try_wait()?.is_none() {
                if stop.is_asked() {
                    guest.kill()?;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            card
        }
    };
    let mut card = card.lock().unwrap_or_else(PoisonError::into_inner);
    card.flush_trace();
    for (name, times) in card.tolerated() {
        eprintln!("tolerated: {name}, {times} times");
    }
    let counters = card.counters();
    eprintln!(
        "counted: {} dispatches, {} waves, {} instructions; bytes: {} loaded, {} stored, {} scalar; {} from GL1, {} from GL2, \
         {} from video memory, {} written back, {} uncached, {} of the machine's memory; {} by SDMA",
        counters.dispatches,
        counters.waves,
        counters.instructions,
        counters.traffic.loaded,
        counters.traffic.stored,
        counters.traffic.scalar,
        counters.levels.gl1,
        counters.levels.gl2,
        counters.levels.memory,
        counters.written_back,
        counters.levels.uncached,
        counters.levels.host,
        counters.sdma_bytes
    );
    if let Some(path) = &options.timeline {
        std::fs::write(path, counters.trace())?;
    }
    Ok(if card.stopped().is_some() {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    })
}

/// Reads the command line; `None` if there is nothing left to do.
fn parse(mut parser: lexopt::Parser) -> Result<Option<Options>, Error> {
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(None);
            }
            Long("listen-remote") => options.task = Some(Task::Remote(parser.value()?.parse()?)),
            Long("connect") => options.connect = Some(parser.value()?.into()),
            Long("small-bar") => options.small_bar = true,
            Long("socket") => options.task = Some(Task::Socket(parser.value()?.into())),
            Long("trace") => options.trace = Some(parser.value()?.into()),
            Long("timeline") => options.timeline = Some(parser.value()?.into()),
            Long("fault") => options.faults.join(parser.value()?.string()?.parse()?),
            Long("memory") => options.memory_mib = Some(parser.value()?.parse()?),
            Long("level") => {
                options.level = Some(match parser.value()?.string()?.as_str() {
                    "strict" => Level::Strict,
                    "hardware" => Level::Hardware,
                    other => return Err(format!("--level {other}: strict or hardware").into()),
                });
            }
            Value(word) if word == "rules" => {
                rules(&mut io::stdout().lock())?;
                return Ok(None);
            }
            Value(word) if word == "qemu" => options.task = Some(Task::Qemu(Vec::new())),
            Value(word) => match &mut options.task {
                Some(Task::Qemu(arguments)) => arguments.push(word),
                _ => return Err(Value(word).unexpected().into()),
            },
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(options))
}

fn card(options: &Options, level: Level, host: Arc<dyn HostMemory>) -> Result<SharedCard, Error> {
    let mut card = Card::new(options.level.unwrap_or(level), host)?;
    card.faults().join(options.faults.clone());
    card.on_stop(|report| eprint!("{report}"));
    if let Some(path) = &options.trace {
        let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
        card.trace(BufWriter::new(file));
    }
    Ok(Arc::new(Mutex::new(card)))
}

/// Becomes a QEMU with the card that is served at a socket; returns only when something went wrong.
fn connect(options: &Options, path: &Path) -> Result<ExitCode, Error> {
    let Some(Task::Qemu(arguments)) = &options.task else {
        return Err("--connect goes with `qemu`; --help says how".into());
    };
    if let Some(name) = options.of_the_card() {
        return Err(format!(
            "{name} belongs to the gpu-model that serves {}",
            path.display()
        )
        .into());
    }
    let connection = UnixStream::connect(path).map_err(|error| {
        format!(
            "{}: {error}; is there a gpu-model --socket?",
            path.display()
        )
    })?;
    qemu::inherit(&connection)?;
    let card = qemu::arguments(&connection, options.memory_mib());
    let error = options.qemu(arguments, &card).exec();
    Err(format!("cannot start {QEMU}: {error}").into())
}

/// Waits on a socket for QEMUs, one after the other.
fn socket(path: &Path, card: &SharedCard, memory: &GuestMemory, stop: &Stop) -> Result<(), Error> {
    let listener =
        UnixListener::bind(path).map_err(|error| format!("{}: {error}", path.display()))?;
    listener.set_nonblocking(true)?;
    println!("listening {}", path.display());
    io::stdout().flush()?;
    while !stop.is_asked() {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                if let Err(error) = qemu::serve(&stream, card, memory, stop) {
                    eprintln!("gpu-model: {error}");
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(error.into()),
        }
    }
    std::fs::remove_file(path)?;
    Ok(())
}

fn rules(out: &mut impl Write) -> io::Result<()> {
    let mut block = None;
    for rule in every_rule() {
        if block != Some(rule.block) {
            writeln!(out, "{:?}", rule.block)?;
            block = Some(rule.block);
        }
        writeln!(out, "  {}: {}", rule.name, rule.says)?;
        writeln!(out, "      source: {}", rule.source)?;
        if let Tolerance::Known(evidence) = rule.tolerance {
            writeln!(out, "      real cards let it pass: {evidence}")?;
        }
    }
    let (all, tolerated) = every_rule().fold((0, 0), |(all, tolerated), rule| {
        (
            all + 1,
            tolerated + u32::from(rule.tolerance != Tolerance::None),
        )
    });
    writeln!(out, "{all} rules, of which real cards let {tolerated} pass")
}
