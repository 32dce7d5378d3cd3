//! `llvm-mc-19` in bulk: many instructions a process, and few processes.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};

const PACKAGE: &str = "llvm-19";
const TOOL: &str = "llvm-mc-19";

/// An instruction that no test makes, to see where the answer to each question ends.
const END: u32 = 0xbf80_abcd;
const END_TEXT: &str = "s_nop 0xabcd";

/// The tool, installed if it is missing.
fn tool() -> Result<PathBuf> {
    if let Some(path) = qemu::setup::in_path(TOOL) {
        return Ok(path);
    }
    qemu::setup::install(&[PACKAGE]).with_context(|| {
        format!(
            "{TOOL} is missing; install it: sudo apt-get install --no-install-recommends {PACKAGE}"
        )
    })?;
    qemu::setup::in_path(TOOL)
        .with_context(|| format!("{PACKAGE} is installed, but {TOOL} is not in PATH"))
}

/// Runs the tool on some input; its standard output and error.
fn run(arguments: &[&str], input: String) -> Result<(String, String)> {
    let mut child = Command::new(tool()?)
        .args(["-arch=amdgcn", "-mcpu=gfx1100", "-show-encoding"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run llvm-mc-19")?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output()?;
    ensure!(
        writer.join().is_ok_and(|result| result.is_ok()),
        "llvm-mc-19 did not read its input"
    );
    Ok((
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

/// How the halves of registers are written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Halves {
    /// LLVM 19's default: whole registers, of which the low half is meant.
    Whole,
    /// `v0.l`, `v0.h`, which LLVM 19 knows for a few instructions.
    Named,
}

impl Halves {
    fn argument(self) -> &'static str {
        match self {
            Self::Whole => "-mattr=-real-true16",
            Self::Named => "-mattr=+real-true16",
        }
    }
}

/// Asks in two processes at once.
fn in_halves<Q: Sync, A: Send>(
    questions: &[Q],
    ask: impl Fn(&[Q]) -> Result<Vec<A>> + Sync,
) -> Result<Vec<A>> {
    let (left, right) = questions.split_at(questions.len() / 2);
    thread::scope(|scope| {
        let left = scope.spawn(|| ask(left));
        let right = ask(right)?;
        let mut answers = left.join().expect("no panic in a thread that only asks")?;
        answers.extend(right);
        Ok(answers)
    })
}

/// The bytes of each line as dwords, or why it is refused.
pub(crate) fn assemble(lines: &[String], halves: Halves) -> Result<Vec<Result<Vec<u32>, String>>> {
    in_halves(lines, |lines| {
        let (out, err) = run(&[halves.argument()], lines.join("\n") + "\n")?;
        let mut refused = vec![None; lines.len()];
        for message in err.lines() {
            let mut parts = message.splitn(4, ':');
            let line = parts.nth(1).and_then(|line| line.parse::<usize>().ok());
            if let (Some(line), Some(text)) = (
                line,
                parts
                    .nth(1)
                    .and_then(|text| text.split_once("error: ").map(|x| x.1)),
            ) {
                refused[line - 1].get_or_insert(text.to_string());
            }
        }
        let mut encodings = out.lines().filter_map(encoding);
        let mut answers = Vec::new();
        for refused in refused {
            answers.push(match refused {
                Some(text) => Err(text),
                None => Ok(encodings
                    .next()
                    .context("llvm-mc-19 gave too few encodings")?),
            });
        }
        ensure!(
            encodings.next().is_none(),
            "llvm-mc-19 gave too many encodings"
        );
        Ok(answers)
    })
}

/// `; encoding: [0x01,...]` as dwords.
fn encoding(line: &str) -> Option<Vec<u32>> {
    let bytes = line.split_once("encoding: [")?.1.split(']').next()?;
    let bytes: Vec<u8> = bytes
        .split(',')
        .map(|byte| u8::from_str_radix(byte.trim().trim_start_matches("0x"), 16))
        .collect::<Result<_, _>>()
        .ok()?;
    Some(
        bytes
            .chunks(4)
            .map(|dword| {
                dword
                    .iter()
                    .rev()
                    .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
            })
            .collect(),
    )
}

/// The text of each instruction, if it is one that takes all of its dwords.
pub(crate) fn disassemble(questions: &[Vec<u32>], halves: Halves) -> Result<Vec<Option<String>>> {
    let block = |dwords: &[u32]| {
        let bytes: Vec<String> = dwords
            .iter()
            .flat_map(|dword| dword.to_le_bytes())
            .map(|byte| format!("{byte:#x}"))
            .collect();
        format!("[{}]\n", bytes.join(","))
    };
    in_halves(questions, |questions| {
        let input: String = questions
            .iter()
            .map(|dwords| block(dwords) + &block(&[END]))
            .collect();
        let (out, _) = run(&["-disassemble", halves.argument()], input)?;
        let mut answers = Vec::new();
        let mut found = Vec::new();
        for line in out.lines() {
            let text = line.split("; encoding").next().unwrap_or(line).trim();
            if text == END_TEXT {
                let one = (found.len() == 1).then(|| found.swap_remove(0));
                answers.push(one.filter(|text: &String| !text.contains("/*Invalid")));
                found.clear();
            } else if !text.is_empty() && !text.starts_with('.') {
                found.push(text.to_string());
            }
        }
        ensure!(
            answers.len() == questions.len(),
            "llvm-mc-19 answered {} of {}",
            answers.len(),
            questions.len()
        );
        Ok(answers)
    })
}
