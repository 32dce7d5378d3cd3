//! The commands: one table, from which dispatch and help come.

use std::ffi::OsString;
use std::io::Write;

use crate::options::{Failure, Options, help};
use crate::{bench, evaluation, inspect, interact, serve, text};

struct Command {
    name: &'static str,
    summary: &'static str,
    example: &'static str,
    options: &'static [&'static str],
    run: fn(&Options) -> Result<(), Failure>,
}

#[rustfmt::skip] // one command per paragraph
const COMMANDS: [Command; 10] = [
    Command {
        name: "serve", run: serve::serve,
        summary: "answer the OpenAI API on 127.0.0.1",
        example: "serve --model tests/data/demo.gguf --port 8080",
        options: &["model", "kernels", "threads", "ctx", "port", "api-key"],
    },
    Command {
        name: "generate", run: interact::generate,
        summary: "continue a text",
        example: "generate --model tests/data/demo.gguf --prompt 'Once upon a time' -n 64",
        options: &["model", "kernels", "threads", "ctx", "prompt", "n", "temperature", "top-k", "top-p", "min-p", "seed"],
    },
    Command {
        name: "chat", run: interact::chat,
        summary: "talk with the model, a line at a time",
        example: "chat --model tests/data/demo.gguf --temperature 0.7",
        options: &["model", "kernels", "threads", "ctx", "system", "n", "temperature", "top-k", "top-p", "min-p", "seed"],
    },
    Command {
        name: "info", run: inspect::info,
        summary: "print what the file says about the model",
        example: "info --model tests/data/demo.gguf",
        options: &["model"],
    },
    Command {
        name: "load", run: inspect::load,
        summary: "read and check everything: tensors, tokenizer, chat template, one token",
        example: "load --model tests/data/demo.gguf",
        options: &["model", "kernels", "threads", "ctx"],
    },
    Command {
        name: "tokenize", run: text::tokenize,
        summary: "text on standard input to ids; no begin-of-text token is added",
        example: "tokenize --model tests/data/demo.gguf < README.md",
        options: &["model", "special", "lines"],
    },
    Command {
        name: "detokenize", run: text::detokenize,
        summary: "ids on standard input to text; --special shows control tokens",
        example: "detokenize --model tests/data/demo.gguf <<< '12 7 301'",
        options: &["model", "special"],
    },
    Command {
        name: "eval", run: evaluation::eval,
        summary: "the best tokens after a prompt of ids, and the tokens that follow, as JSON",
        example: "eval --model tests/data/demo.gguf --ids 1,2,3 --predict 5 --top 10",
        options: &["model", "kernels", "threads", "ctx", "ids", "predict", "top"],
    },
    Command {
        name: "perplexity", run: evaluation::perplexity,
        summary: "how well the model predicts a text",
        example: "perplexity --model tests/data/demo.gguf --file README.md",
        options: &["model", "kernels", "threads", "ctx", "file", "json"],
    },
    Command {
        name: "bench", run: bench::bench,
        summary: "tokens a second, for prompts and for generation",
        example: "bench --model tests/data/demo.gguf -p 128 -n 64 --threads 2 --json",
        options: &["model", "kernels", "threads", "ctx", "p", "n", "repetitions", "json"],
    },
];

/// Runs a command line.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    // A lone `--` may stand before and after the command, as cargo's users are used to write one.
    let mut arguments = arguments.peekable();
    arguments.next_if(|argument| argument == "--");
    let name = arguments.next().unwrap_or_else(|| "--help".into());
    arguments.next_if(|argument| argument == "--");
    if name == "--help" || name == "-h" || name == "help" {
        write!(std::io::stdout(), "{}", overview())?;
        return Ok(());
    }
    let Some(command) = COMMANDS.iter().find(|command| name == command.name) else {
        let names = COMMANDS.map(|command| command.name).join(", ");
        return Err(Failure::Usage(format!(
            "{name:?} is not a command; there are {names}"
        )));
    };
    match Options::parse(command.name, command.options, arguments)? {
        Some(options) => (command.run)(&options),
        None => {
            write!(std::io::stdout(), "{}", details(command))?;
            Ok(())
        }
    }
}

fn overview() -> String {
    let mut text = String::from(
        "Infernel's CPU path as a Linux process.\n\nUsage: cargo hosted -- COMMAND OPTIONS\n\n",
    );
    for command in &COMMANDS {
        text += &format!("  {:<12} {}\n", command.name, command.summary);
    }
    text + "\nMore about a command: cargo hosted -- COMMAND --help\n"
}

fn details(command: &Command) -> String {
    let Command {
        name,
        summary,
        example,
        options,
        ..
    } = command;
    let options = help(options);
    format!("{name}: {summary}\n\n{options}\nExample: cargo hosted -- {example}\n")
}
