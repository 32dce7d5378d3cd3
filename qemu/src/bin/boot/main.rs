//! `cargo boot`: builds the kernel, boots it in QEMU, and serves until it is told to stop.

mod card;

use std::io::{IsTerminal, Read, Write};
use std::process::{Command, ExitCode};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use card::Model;
use qemu::guest::{Configuration, Console, Guest, PANIC_STATUS};
use qemu::options::{self, Options};

/// Longest wait for a clean end after a signal.
const SHUT_DOWN_LIMIT: Duration = Duration::from_secs(10);

/// What the main loop reacts to besides the guest's own end.
enum Event {
    Signal,
    Typed(Vec<u8>),
}

fn main() -> ExitCode {
    let result = match options::parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => boot(options),
        Ok(None) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("boot: {error:#}");
            return ExitCode::from(2);
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("boot: {error:#}");
        ExitCode::FAILURE
    })
}

fn boot(options: Options) -> Result<ExitCode> {
    let console: Console = match &options.log {
        Some(path) => {
            let file = std::fs::File::create(path);
            Box::new(file.with_context(|| format!("--log: cannot write {}", path.display()))?)
        }
        None => Box::new(std::io::stderr()),
    };
    let (sender, events) = mpsc::channel();
    let signals = sender.clone();
    ctrlc::set_handler(move || drop(signals.send(Event::Signal)))
        .context("cannot catch signals")?;

    let mut model = options.gpu.as_ref().map(Model::start).transpose()?;
    eprintln!("building the kernel and its disk");
    let mut configuration = Configuration::new(options);
    if let Some(model) = &model {
        model.attach(&mut configuration)?;
    }
    let mut guest = Guest::start(&configuration, console)?;
    if let Some(model) = &mut model {
        model.started();
    }
    let _terminal = RawTerminal::enter();
    forward_typing(sender);
    let ended = run(&mut guest, configuration.options.timeout, &events);
    // What the driver did wrong comes first: whatever else went wrong may have come of it.
    drop(guest);
    model.map_or(Ok(()), Model::finish)?;
    ended
}

/// Waits until the guest is ready, says so, and serves until it ends.
fn run(guest: &mut Guest, timeout: Duration, events: &Receiver<Event>) -> Result<ExitCode> {
    let signalled = || {
        events
            .try_iter()
            .any(|event| matches!(event, Event::Signal))
    };
    let Some(ready) = guest.wait_ready_unless(timeout, signalled)? else {
        guest.shut_down(SHUT_DOWN_LIMIT)?;
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(selftest) = ready.selftest {
        println!("{selftest}");
    }
    println!(
        "ready {} backend={} model={} boot_ms={}",
        ready.url, ready.backend, ready.model, ready.boot_ms
    );
    std::io::stdout()
        .flush()
        .context("cannot write to stdout")?;
    let status = serve(guest, events)?;
    ensure!(
        ready.selftest.is_none_or(|selftest| selftest.failed == 0),
        "the self-test failed; the console says which cases"
    );
    Ok(status)
}

/// Passes typed lines on until the guest ends or a signal comes.
fn serve(guest: &mut Guest, events: &Receiver<Event>) -> Result<ExitCode> {
    let status = loop {
        if let Some(status) = guest.ended()? {
            break status;
        }
        guest.discard_lines();
        match events.recv_timeout(Duration::from_millis(50)) {
            Ok(Event::Typed(bytes)) => guest.type_bytes(&bytes)?,
            Ok(Event::Signal) => {
                eprintln!("shutting the guest down");
                break guest.shut_down(SHUT_DOWN_LIMIT)?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("the signal handler is gone"),
        }
    };
    match status.code() {
        Some(0) => Ok(ExitCode::SUCCESS),
        Some(PANIC_STATUS) => {
            bail!("the kernel panicked; its message and backtrace are on the console")
        }
        _ => bail!("QEMU ended with {status}"),
    }
}

fn forward_typing(events: Sender<Event>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        while let Ok(count @ 1..) = std::io::stdin().read(&mut buffer) {
            if events.send(Event::Typed(buffer[..count].to_vec())).is_err() {
                return;
            }
        }
    });
}

/// The terminal handed to the kernel's line editor: keys come one by one and are echoed by the kernel; signals still work.
struct RawTerminal {
    saved: String,
}

impl RawTerminal {
    fn enter() -> Option<Self> {
        if !std::io::stdin().is_terminal() {
            return None;
        }
        let stty = |argument: &[&str]| Command::new("stty").args(argument).output().ok();
        let saved = String::from_utf8(stty(&["-g"])?.stdout)
            .ok()?
            .trim()
            .to_owned();
        stty(&["-icanon", "-echo", "min", "1"])?;
        Some(Self { saved })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // Best effort: the terminal may be gone already.
        let _ = Command::new("stty").arg(&self.saved).status();
    }
}
