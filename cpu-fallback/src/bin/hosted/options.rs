//! Command lines: one table of options, from which parsing and help come.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::Arg;

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// The command line is right, and what it asks for failed.
    Run(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Run(error.into())
    }
}

/// A line of the table: name (one letter makes a short option), name of its value (none for a switch), help.
struct Row(&'static str, Option<&'static str>, &'static str);

#[rustfmt::skip] // one row per option
const TABLE: [Row; 23] = [
    Row("model", Some("F.gguf"), "the model"),
    Row("kernels", Some("SET"), "scalar, avx2 or avx512 (default: the fastest that the processor has)"),
    Row("threads", Some("N"), "threads that compute (default: one per processor)"),
    Row("ctx", Some("N"), "positions of a sequence (default: the model's own, at most 4096)"),
    Row("port", Some("N"), "TCP port on 127.0.0.1; 0 takes a free one (default: 8080)"),
    Row("api-key", Some("K"), "refuse requests without this key"),
    Row("prompt", Some("TEXT"), "text to continue"),
    Row("system", Some("TEXT"), "system message"),
    Row("n", Some("N"), "tokens to generate"),
    Row("p", Some("N"), "tokens of the prompt"),
    Row("repetitions", Some("N"), "measurements, of which the median counts (default: 5)"),
    Row("temperature", Some("X"), "0 takes the most probable token (default: 0)"),
    Row("top-k", Some("N"), "candidates to draw from; 0 is all (default)"),
    Row("top-p", Some("X"), "sum of probabilities to draw from (default: 1)"),
    Row("min-p", Some("X"), "least probability, relative to the best (default: 0)"),
    Row("seed", Some("N"), "decides all draws (default: 0)"),
    Row("ids", Some("1,2,3"), "tokens of the prompt, taken as they are"),
    Row("predict", Some("N"), "tokens to append, each the most probable"),
    Row("top", Some("K"), "how many of the best tokens to list"),
    Row("file", Some("T"), "text to measure"),
    Row("special", None, "text that spells a control token is that token"),
    Row("lines", None, "a JSON string a line in, a JSON list of ids a line out; only the last line may be blank"),
    Row("json", None, "print one JSON object"),
];

/// The options of one command line.
#[derive(Debug)]
pub(crate) struct Options(BTreeMap<&'static str, OsString>);

impl Options {
    /// Parses what follows the name of a command that takes the options `allowed`; `None` if help is asked for.
    pub(crate) fn parse(
        command: &str,
        allowed: &[&str],
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Option<Self>, Failure> {
        let usage = |problem: String| {
            Failure::Usage(format!("{problem}; see `cargo hosted -- {command} --help`"))
        };
        let mut values = BTreeMap::new();
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next().map_err(|e| usage(e.to_string()))? {
            let name = match argument {
                Arg::Long("help") | Arg::Short('h') => return Ok(None),
                Arg::Long(name) => name.to_owned(),
                Arg::Short(letter) => letter.to_string(),
                Arg::Value(value) => {
                    return Err(usage(format!("{value:?} is not an option of {command}")));
                }
            };
            let row = TABLE
                .iter()
                .find(|row| row.0 == name && allowed.contains(&row.0));
            let Some(Row(name, value_name, _)) = row else {
                return Err(usage(format!(
                    "{} is not an option of {command}",
                    dashed(&name)
                )));
            };
            let value = match value_name {
                Some(_) => parser.value().map_err(|e| usage(e.to_string()))?,
                None => OsString::new(),
            };
            if values.insert(*name, value).is_some() {
                return Err(usage(format!("{} is given twice", dashed(name))));
            }
        }
        Ok(Some(Self(values)))
    }

    /// Whether a switch is set.
    pub(crate) fn switch(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The text of an option.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let problem = || Failure::Usage(format!("the value of {} is not UTF-8", dashed(name)));
        value.to_str().ok_or_else(problem).map(Some)
    }

    /// The number that an option gives.
    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Failure> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => {
                let kind = std::any::type_name::<T>();
                let problem = format!("{}: {text:?} is not a number of type {kind}", dashed(name));
                Err(Failure::Usage(problem))
            }
        }
    }

    /// The count that an option gives, at least 1.
    pub(crate) fn count(&self, name: &str) -> Result<Option<usize>, Failure> {
        match self.number(name)? {
            Some(0) => Err(Failure::Usage(format!(
                "{} is 0, at least 1 expected",
                dashed(name)
            ))),
            count => Ok(count),
        }
    }

    /// The path that an option gives.
    pub(crate) fn path(&self, name: &'static str) -> Result<PathBuf, Failure> {
        Ok(self.required(name, self.0.get(name))?.into())
    }

    /// The value of an option that must be given.
    pub(crate) fn required<T>(&self, name: &str, value: Option<T>) -> Result<T, Failure> {
        value.ok_or_else(|| Failure::Usage(format!("{} is missing", dashed(name))))
    }
}

/// A line of help for each option.
pub(crate) fn help(names: &[&str]) -> String {
    let rows = TABLE.iter().filter(|row| names.contains(&row.0));
    let lines = rows.map(|Row(name, value_name, help)| {
        let usage = format!("{} {}", dashed(name), value_name.unwrap_or_default());
        format!("  {usage:<18} {help}\n")
    });
    lines.collect()
}

fn dashed(name: &str) -> String {
    match name.chars().count() {
        1 => format!("-{name}"),
        _ => format!("--{name}"),
    }
}
