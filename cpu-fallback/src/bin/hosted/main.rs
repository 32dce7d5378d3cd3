//! `hosted`: Infernel's CPU path as a Linux process, for comparison with the kernel and for everyday use.
//!
//! What it is for: the same engine, backend and server as in the kernel, under an operating system's tools.
//! What it never does: it computes nothing that the libraries do not.
//! Where to start reading: [`commands`] for what each command does, [`loading`] for how a file becomes a model.

mod bench;
mod commands;
mod evaluation;
mod inspect;
mod interact;
mod loading;
mod options;
mod pool;
mod progress;
mod serve;
mod session;
mod text;

use std::process::ExitCode;

/// A usage error, as opposed to a failure: exit status 2.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    match commands::run(std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(options::Failure::Usage(problem)) => {
            eprintln!("hosted: {problem}");
            ExitCode::from(USAGE)
        }
        Err(options::Failure::Run(error)) => {
            eprintln!("hosted: {error:#}");
            ExitCode::FAILURE
        }
    }
}
