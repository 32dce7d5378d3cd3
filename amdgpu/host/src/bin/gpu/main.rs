//! `cargo gpu`: the first-contact kit. Looks at a card that somebody serves by the remote PCI protocol, or at the device
//! model in this process, and brings it up.

mod bring_up;
mod card;
mod dump;
mod info;
mod kernels;
mod options;

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use amdgpu_host::trace::{self, Told};
use anyhow::{Context, Result};

use card::Opened;
use options::{Options, Task, Work};

/// Exit status of a command line that makes no sense.
const BAD_COMMAND_LINE: u8 = 2;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    words.next_if(|first| first == "--");
    let options = match options::parse(lexopt::Parser::from_args(words)) {
        Ok(Some(options)) => options,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo gpu: {error:#}");
            return ExitCode::from(BAD_COMMAND_LINE);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo gpu: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says in what two traces differ, named as their files are.
fn compare_traces([first, second]: &[PathBuf; 2], out: &mut dyn Write) -> Result<()> {
    let told = |path: &PathBuf| {
        let name = path.display().to_string();
        let told = File::open(path).and_then(|file| Told::read(BufReader::new(file)));
        told.with_context(|| name)
    };
    let names = [first, second].map(|path| path.display().to_string());
    let report = trace::report((&names[0], &told(first)?), (&names[1], &told(second)?));
    Ok(out.write_all(report.as_bytes())?)
}

fn run(options: &Options) -> Result<()> {
    let mut out = io::stdout().lock();
    let work = match &options.task {
        Task::CompareTraces(paths) => return compare_traces(paths, &mut out),
        Task::OnCard(work) => work,
    };
    let Opened { bus, witness, name } = card::open(options)?;
    let done = match work {
        Work::BringUp => bring_up::run(bus, options, &mut out),
        Work::Dispatch(kernel) => kernels::dispatch(bus, kernel, options, &mut out),
        Work::SelfTest(only) => kernels::selftest(bus, only, options, &mut out),
        Work::Info => info::run(bus, &name, &mut out),
        Work::DumpRegisters(filter) => dump::run(bus, filter.as_deref(), &mut out),
    };
    let flushed = out.flush();
    // A rule that the driver broke is why whatever else failed.
    witness.check()?;
    done?;
    Ok(flushed?)
}
