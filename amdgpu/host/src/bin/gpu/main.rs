//! `cargo gpu`: the first-contact kit. Looks at a card that somebody serves by the remote PCI protocol, or at the device
//! model in this process, and brings it up.

mod card;
mod dump;
mod info;
mod options;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;

use card::Opened;
use options::{Options, Task};

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

fn run(options: &Options) -> Result<()> {
    let Opened { bus, witness, name } = card::open(options)?;
    let mut out = io::stdout().lock();
    let done = match &options.task {
        Task::Info => info::run(bus, &name, &mut out),
        Task::DumpRegisters(filter) => dump::run(bus, filter.as_deref(), &mut out),
    };
    let flushed = out.flush();
    // A rule that the driver broke is why whatever else failed.
    witness.check()?;
    done?;
    Ok(flushed?)
}
