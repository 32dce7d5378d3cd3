//! `cargo shaders`: list, build, disassemble, measure and execute gfx1100 kernels. One file per command.

mod compile;
mod disasm;
mod exec;
mod exec_lib;
mod report;
mod roofline;

use std::process::ExitCode;

use anyhow::{Result, bail};

/// A command: name, what it does, its whole help, and the function that runs it.
struct Command(
    &'static str,
    &'static str,
    &'static str,
    fn(lexopt::Parser) -> Result<ExitCode>,
);

#[rustfmt::skip] // one row per command
const COMMANDS: &[Command] = &[
    Command("list", "the kernels, one line each", report::LIST_HELP, report::list),
    Command("build", "compile all kernels, or those named, and print a line about each", report::BUILD_HELP, report::build),
    Command("stats", "statistics of the compiled kernels", report::STATS_HELP, report::stats),
    Command("disasm", "machine code of a kernel or a WGSL file, or any form before it", disasm::HELP, disasm::run),
    Command("roofline", "what bounds the product kernels on the card", roofline::HELP, roofline::run),
    Command("passes", "names of the compiler's passes", report::PASSES_HELP, report::passes),
    Command("exec", "execute machine code: state as JSON on stdin, final state on stdout", exec::HELP, exec::run),
    Command("exec-lib", "build the interpreter as a shared library and print its path", exec_lib::HELP, exec_lib::run),
];

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("shaders: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode> {
    // The alias ends in `--` already, so that a second one, which people write too, arrives here.
    let mut arguments = std::env::args_os().skip(1).peekable();
    arguments.next_if(|argument| argument == "--");
    let mut parser = lexopt::Parser::from_args(arguments);
    let name = match parser.next()? {
        Some(lexopt::Arg::Value(name)) => name.to_string_lossy().into_owned(),
        Some(lexopt::Arg::Long("help") | lexopt::Arg::Short('h')) | None => {
            print!("{}", help());
            return Ok(ExitCode::SUCCESS);
        }
        Some(other) => bail!("{}: a command was expected\n\n{}", text(&other), help()),
    };
    let Some(Command(_, _, help, run)) = COMMANDS.iter().find(|command| command.0 == name) else {
        bail!("there is no command {name:?}\n\n{}", self::help());
    };
    if std::env::args().any(|argument| argument == "--help" || argument == "-h") {
        print!("{help}");
        return Ok(ExitCode::SUCCESS);
    }
    run(parser)
}

fn help() -> String {
    let lines = COMMANDS
        .iter()
        .map(|Command(name, what, ..)| format!("  {name:10} {what}\n"));
    format!(
        "cargo shaders -- COMMAND\n\n{}\nCOMMAND --help says more.\n",
        lines.collect::<String>()
    )
}

/// An argument as it was written, for messages.
fn text(argument: &lexopt::Arg<'_>) -> String {
    match argument {
        lexopt::Arg::Short(letter) => format!("-{letter}"),
        lexopt::Arg::Long(name) => format!("--{name}"),
        lexopt::Arg::Value(value) => value.to_string_lossy().into_owned(),
    }
}

/// Fails if there are arguments left.
fn no_more_arguments(mut parser: lexopt::Parser) -> Result<()> {
    match parser.next()? {
        None => Ok(()),
        Some(argument) => bail!("{} is not an argument of this command", text(&argument)),
    }
}
