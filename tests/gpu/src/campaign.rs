//! Many random programs, in processes of their own: what never answers, software Vulkan or we, must neither stop the
//! others nor hide a program that we get wrong.
//!
//! The program `random-programs FIRST COUNT` runs a batch and prints a line before and after Vulkan's turn ([`Line`]). A
//! process that is silent past the deadline is killed, and another one goes on behind the seed that it was at. Who had the
//! turn is known from the last line: only Vulkan may be silent.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use shader_cases::Buffer;

use crate::machine::Machine;
use crate::random_programs::{INPUT_WORDS, Program, WORDS};
use crate::vulkan::{self, Vulkan};
use ::tests::random::Random;

/// Programs that a process runs.
const BATCH: u64 = 50;
/// How long a process may be silent; a program takes some hundredths of a second.
const DEADLINE: Duration = Duration::from_secs(10);
/// Programs that are wrong after which no more batches begin.
const ENOUGH: usize = 20;

/// What a batch says of a program, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// We have compiled and interpreted it; now it is Vulkan's turn.
    Ours(u64),
    /// Both gave the same words.
    Equal(u64),
    /// They did not, or we failed, or Vulkan refused it.
    Wrong(u64, String),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(seed) => write!(f, "ours {seed}"),
            Self::Equal(seed) => write!(f, "equal {seed}"),
            Self::Wrong(seed, why) => write!(f, "wrong {seed} {}", why.replace('\n', " ")),
        }
    }
}

impl Line {
    fn parse(text: &str) -> Result<Self> {
        let mut words = text.splitn(3, ' ');
        let (kind, seed) = (
            words.next(),
            words.next().and_then(|seed| seed.parse().ok()),
        );
        match (kind, seed) {
            (Some("ours"), Some(seed)) => Ok(Self::Ours(seed)),
            (Some("equal"), Some(seed)) => Ok(Self::Equal(seed)),
            (Some("wrong"), Some(seed)) => {
                Ok(Self::Wrong(seed, words.next().unwrap_or_default().into()))
            }
            _ => bail!("a batch said {text:?}"),
        }
    }
}

/// Runs the programs of some seeds in this process.
///
/// # Errors
/// If there is no Vulkan device.
pub fn batch(seeds: Range<u64>, say: &mut dyn FnMut(Line)) -> Result<()> {
    let (vulkan, machine) = (Vulkan::new()?, Machine::default());
    for seed in seeds {
        let result = compare(&vulkan, &machine, seed, &mut || say(Line::Ours(seed)));
        say(match result {
            Ok(()) => Line::Equal(seed),
            Err(error) => Line::Wrong(seed, format!("{error:#}")),
        });
    }
    Ok(())
}

fn compare(
    vulkan: &Vulkan,
    machine: &Machine,
    seed: u64,
    ours_is_done: &mut dyn FnMut(),
) -> Result<()> {
    let program = Program::of(seed);
    let mut random = Random::new(!seed);
    let words = (program.workgroup * program.groups) as usize * WORDS;
    let input = (0..INPUT_WORDS).flat_map(|_| (random.number() as u32).to_le_bytes());
    let buffers = [
        Buffer {
            binding: 0,
            bytes: input.collect(),
            written: false,
        },
        Buffer {
            binding: 1,
            bytes: vec![0xa5; 4 * words],
            written: true,
        },
    ];
    let immediates = [seed as u32, (seed % 11) as u32].map(u32::to_le_bytes);
    let immediates = immediates.as_flattened();
    let groups = [program.groups, 1, 1];
    let mut options = shader_compiler::Options::default();
    let objects = shader_compiler::compile(&program.source, "random.wgsl", &mut options)?;
    let object = objects.first().context("compiling gave no kernel")?;
    let (ours, _) = machine.execute_object(object, &buffers, immediates, groups)?;
    ours_is_done();
    let theirs = vulkan.run_source(&program.source, "main", &[], &buffers, immediates, groups)?;
    let (ours, theirs) = (ours.get::<u32>(1)?, theirs.get::<u32>(1)?);
    if let Some(at) = (0..words).find(|at| ours.get(*at) != theirs.get(*at)) {
        bail!(
            "word {} of invocation {}: ours {:#x?}, Vulkan's {:#x?}",
            at % WORDS,
            at / WORDS,
            ours.get(at),
            theirs.get(at)
        );
    }
    Ok(())
}

/// What came of many programs.
#[derive(Debug, Default)]
pub struct Tally {
    /// Programs on which both agree.
    pub equal: u64,
    /// Seeds of programs to which software Vulkan gave no answer.
    pub unanswered: Vec<u64>,
    /// Seeds of programs that are wrong, and why.
    pub wrong: Vec<(u64, String)>,
}

/// Runs the programs of some seeds in batches by `worker`, the program `random-programs`, as many at a time as there are cores.
///
/// # Errors
/// If a batch cannot be started or says something else than [`Line`]s.
pub fn run(worker: &Path, seeds: Range<u64>) -> Result<Tally> {
    // Once, before processes would do it at the same time.
    vulkan::install()?;
    let next = AtomicU64::new(seeds.start);
    let tally = Mutex::new(Tally::default());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let work = || -> Result<()> {
        loop {
            let first = next.fetch_add(BATCH, Relaxed);
            let mut left = first..seeds.end.min(first.saturating_add(BATCH));
            while !left.is_empty() {
                let end = supervise(worker, &mut left)?;
                let mut tally = tally
                    .lock()
                    .map_err(|_| anyhow::anyhow!("a thread failed"))?;
                tally.equal += end.equal;
                tally.unanswered.extend(end.unanswered);
                tally.wrong.extend(end.wrong);
            }
            let full = tally.lock().is_ok_and(|tally| tally.wrong.len() >= ENOUGH);
            if first >= seeds.end || full {
                return Ok(());
            }
        }
    };
    let results: Vec<Result<()>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .map(|result| result.unwrap_or_else(|_| bail!("a thread failed")))
            .collect()
    });
    results.into_iter().collect::<Result<()>>()?;
    let mut tally = tally
        .into_inner()
        .map_err(|_| anyhow::anyhow!("a thread failed"))?;
    tally.unanswered.sort_unstable();
    tally.wrong.sort_unstable();
    Ok(tally)
}

/// Runs one process until it ends or is silent, and takes what it has done off `left`.
fn supervise(worker: &Path, left: &mut Range<u64>) -> Result<Tally> {
    let mut child = Command::new(worker)
        .args([left.start, left.end - left.start].map(|number| number.to_string()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", worker.display()))?;
    let output = child.stdout.take().context("no pipe from the batch")?;
    let (sender, lines) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Nobody listens any more when the batch was given up.
            let _ = sender.send(line);
        }
    });
    let mut tally = Tally::default();
    let mut vulkans_turn = false;
    let why = loop {
        let line = match lines.recv_timeout(DEADLINE) {
            Ok(line) => Line::parse(&line)?,
            Err(mpsc::RecvTimeoutError::Timeout) => break "gave no answer",
            Err(mpsc::RecvTimeoutError::Disconnected) => break "ended the process",
        };
        vulkans_turn = matches!(line, Line::Ours(_));
        match line {
            Line::Ours(_) => continue,
            Line::Equal(_) => tally.equal += 1,
            Line::Wrong(seed, why) => tally.wrong.push((seed, why)),
        }
        left.start += 1;
        if left.is_empty() {
            break "is done";
        }
    };
    // It may have ended by itself already.
    let _ = child.kill();
    child.wait()?;
    let _ = reader.join();
    if !left.is_empty() {
        let seed = left.start;
        left.start += 1;
        if vulkans_turn {
            println!("software Vulkan {why}: seed {seed}");
            tally.unanswered.push(seed);
        } else {
            let why = format!("our compiler or interpreter, or the start of Vulkan, {why}");
            tally.wrong.push((seed, why));
        }
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_back() {
        let lines = [
            Line::Ours(7),
            Line::Equal(u64::MAX),
            Line::Wrong(3, "word 1: two words".into()),
        ];
        for line in lines {
            assert_eq!(Line::parse(&line.to_string()).unwrap(), line);
        }
        assert!(Line::parse("equal x").is_err());
        assert!(Line::parse("").is_err());
    }
}
