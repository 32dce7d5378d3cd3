//! The commands: one table, from which parsing and `help` come.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use log::LevelFilter;

use crate::options::{self, Bench};

/// A line that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// List the commands.
    Help,
    /// What this machine and kernel are.
    Info,
    /// Memory in use and free.
    Mem,
    /// The processor's cores.
    Cores,
    /// PCI functions.
    Pci,
    /// Disks and what is on them.
    Disks,
    /// Address, port, connections.
    Net,
    /// The graphics card.
    Gpu,
    /// The model.
    Model,
    /// GPU kernels in this image.
    Kernels,
    /// Continue a prompt.
    Generate(String),
    /// Measure.
    Bench(Bench),
    /// Show the log, or set how much is logged.
    Log(Option<LevelFilter>),
    /// Restart the machine.
    Reboot,
    /// Switch the machine off.
    Shutdown,
}

/// Why a line was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// There is no such command.
    Unknown(String),
    /// The command takes no argument, or none like this.
    Argument {
        /// The command.
        name: &'static str,
        /// What was given.
        given: String,
        /// What it takes.
        expected: &'static str,
    },
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "unknown command `{name}`; `help` lists all"),
            Self::Argument {
                name,
                given,
                expected,
            } if given.is_empty() => {
                write!(f, "{name}: argument missing, expected {expected}")
            }
            Self::Argument {
                name,
                given,
                expected: "",
            } => {
                write!(f, "{name}: takes no argument, but got `{given}`")
            }
            Self::Argument {
                name,
                given,
                expected,
            } => {
                write!(f, "{name}: argument `{given}`, expected {expected}")
            }
        }
    }
}

/// One row: name, argument, help, and how an argument makes a command (`None` if it does not fit).
struct Row {
    name: &'static str,
    argument: &'static str,
    help: &'static str,
    parse: fn(&str) -> Option<Command>,
}

macro_rules! plain {
    ($command:expr) => {
        |argument| argument.is_empty().then(|| $command)
    };
}

#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row { name: "help",     argument: "",        help: "list the commands",                              parse: plain!(Command::Help) },
    Row { name: "info",     argument: "",        help: "show kernel, processor, memory and uptime",      parse: plain!(Command::Info) },
    Row { name: "mem",      argument: "",        help: "show memory in use and free",                    parse: plain!(Command::Mem) },
    Row { name: "cores",    argument: "",        help: "show the cores that compute",                    parse: plain!(Command::Cores) },
    Row { name: "pci",      argument: "",        help: "list PCI functions with BARs and capabilities",  parse: plain!(Command::Pci) },
    Row { name: "disks",    argument: "",        help: "list disks and where the model lies",            parse: plain!(Command::Disks) },
    Row { name: "net",      argument: "",        help: "show address, port and connections",             parse: plain!(Command::Net) },
    Row { name: "gpu",      argument: "",        help: "show the graphics card and how it does",         parse: plain!(Command::Gpu) },
    Row { name: "model",    argument: "",        help: "show the model and its limits",                  parse: plain!(Command::Model) },
    Row { name: "kernels",  argument: "",        help: "list the GPU kernels in this image",             parse: plain!(Command::Kernels) },
    Row { name: "generate", argument: "PROMPT",  help: "continue a prompt; control-C stops",             parse: generate },
    Row { name: "bench",    argument: "[P,N], each from 1 to 65536", help: "time P prompt and N generated tokens, as JSON", parse: bench },
    Row { name: "log",      argument: "[off|error|warn|info|debug|trace]", help: "show the log, or set its level", parse: log_level },
    Row { name: "reboot",   argument: "",        help: "restart the machine",                            parse: plain!(Command::Reboot) },
    Row { name: "shutdown", argument: "",        help: "stop serving and switch the machine off",        parse: plain!(Command::Shutdown) },
];

const DEFAULT_BENCH: Bench = Bench {
    prompt: 64,
    generate: 32,
};

fn generate(argument: &str) -> Option<Command> {
    (!argument.is_empty()).then(|| Command::Generate(argument.into()))
}

fn bench(argument: &str) -> Option<Command> {
    match argument {
        "" => Some(Command::Bench(DEFAULT_BENCH)),
        argument => options::bench(argument).map(Command::Bench),
    }
}

fn log_level(argument: &str) -> Option<Command> {
    match argument {
        "" => Some(Command::Log(None)),
        argument => LevelFilter::from_str(argument)
            .ok()
            .map(|level| Command::Log(Some(level))),
    }
}

/// Reads a line; `None` if it is blank.
///
/// # Errors
/// [`CommandError`], which names the command and the argument.
pub fn parse(line: &str) -> Option<Result<Command, CommandError>> {
    let line = line.trim();
    if line.is_empty() {
        return None;
    }
    let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let argument = argument.trim_start();
    let Some(row) = TABLE.iter().find(|row| row.name == name) else {
        return Some(Err(CommandError::Unknown(name.into())));
    };
    Some((row.parse)(argument).ok_or(CommandError::Argument {
        name: row.name,
        given: argument.into(),
        expected: row.argument,
    }))
}

/// What `help` shows.
pub struct Help;

impl fmt::Display for Help {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in TABLE {
            writeln!(f, "{:9}{:9} {}", row.name, row.argument, row.help)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> String {
        std::string::ToString::to_string(&parse(line).expect("a line").expect_err("an error"))
    }

    #[test]
    fn every_row_is_a_command() {
        for row in TABLE {
            let line = std::format!(
                "  {} {} ",
                row.name,
                if row.argument == "PROMPT" { "x" } else { "" }
            );
            assert!(matches!(parse(&line), Some(Ok(_))), "{line}");
            assert!(std::string::ToString::to_string(&Help).contains(row.help));
        }
        assert_eq!(parse("  "), None);
    }

    #[test]
    fn reads_arguments() {
        assert_eq!(
            parse("generate  Once upon  a time"),
            Some(Ok(Command::Generate("Once upon  a time".into())))
        );
        let bench = Bench {
            prompt: 8,
            generate: 9,
        };
        assert_eq!(parse("bench 8,9"), Some(Ok(Command::Bench(bench))));
        assert_eq!(
            parse("log debug"),
            Some(Ok(Command::Log(Some(LevelFilter::Debug))))
        );
    }

    #[test]
    fn errors_name_the_argument() {
        assert_eq!(error("halt"), "unknown command `halt`; `help` lists all");
        assert_eq!(error("mem all"), "mem: takes no argument, but got `all`");
        assert_eq!(
            error("generate"),
            "generate: argument missing, expected PROMPT"
        );
        let bound = "expected [P,N], each from 1 to 65536";
        assert_eq!(
            error("bench 5"),
            std::format!("bench: argument `5`, {bound}")
        );
        assert!(error("bench 1000000000,1").ends_with(bound));
        assert!(error("log loud").starts_with("log: argument `loud`, expected [off|"));
    }
}
