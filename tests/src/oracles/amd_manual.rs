//! AMD's instruction set manual, its pseudo-code evaluated.

use std::fmt::Write as _;
use std::io::{Seek, Write as _};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::python;

/// The version of the package that carries the manual's text.
const VERSION: &str = "0.14.0";

/// The evaluator.
const PROGRAM: &str = concat!(
    include_str!("amd_manual/numbers.py"),
    include_str!("amd_manual/functions.py"),
    include_str!("amd_manual/language.py"),
    include_str!("amd_manual/corrections.py"),
    include_str!("amd_manual/cases.py"),
);

/// An instruction of the RDNA 3 manual, of one lane, and all that it reads. 64 bits hold what is narrower too.
#[derive(Clone, Debug)]
pub struct ManualCase {
    /// The mnemonic in capitals, without suffix of the encoding.
    pub instruction: String,
    /// MODE's rounding of f32.
    pub round_f32: u32,
    /// MODE's rounding of f16 and f64.
    pub round_f16_f64: u32,
    /// MODE's IEEE bit.
    pub ieee: bool,
    /// The bits that negate, which for dot products mean signedness.
    pub neg: u8,
    /// The lane.
    pub lane: usize,
    /// S0, S1, S2. The immediate of SOPK is S1, the literal of fmamk and fmaak S2.
    pub sources: [u64; 3],
    /// D0 before.
    pub destination: u64,
    /// The lane's bit of the mask that is read.
    pub mask: bool,
    /// SCC before.
    pub scc: bool,
    /// EXEC before.
    pub exec: u64,
}

/// What the instruction makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManualResult {
    /// D0.
    pub destination: u64,
    /// The lane's bit of VCC, or of the mask that a comparison writes.
    pub mask: bool,
    /// SCC.
    pub scc: bool,
    /// EXEC.
    pub exec: u64,
}

/// The results of the cases, in their order.
///
/// # Errors
/// If the manual's text cannot be had, or does not say what an instruction does.
pub fn amd_manual(cases: &[ManualCase]) -> Result<Vec<ManualResult>> {
    let mut lines = String::new();
    for case in cases {
        let [a, b, c] = case.sources;
        writeln!(
            lines,
            "{} {:x} {:x} {:x} {:x} {:x} {a:x} {b:x} {c:x} {:x} {:x} {:x} {:x}",
            case.instruction,
            case.round_f32,
            case.round_f16_f64,
            u8::from(case.ieee),
            case.neg,
            case.lane,
            case.destination,
            u8::from(case.mask),
            u8::from(case.scc),
            case.exec
        )?;
    }
    // A file rather than a pipe: the answers come before all is read.
    let mut input = tempfile::tempfile()?;
    input.write_all(lines.as_bytes())?;
    input.rewind()?;
    let output = Command::new("python3")
        .args(["-c", PROGRAM])
        .env("PYTHONPATH", python::package("tinygrad", VERSION)?)
        .stdin(input)
        .output()
        .context("cannot start python3; install it: apt-get install python3")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the manual failed: {said}");
    let answers = String::from_utf8(output.stdout)?;
    let answers: Vec<&str> = answers.lines().collect();
    ensure!(
        answers.len() == cases.len(),
        "{} answers to {} cases",
        answers.len(),
        cases.len()
    );
    let results = answers.iter().zip(cases);
    results
        .map(|(answer, case)| result(answer).with_context(|| format!("{answer} to {case:x?}")))
        .collect()
}

fn result(answer: &str) -> Result<ManualResult> {
    let numbers: Result<Vec<u64>, _> = answer
        .split(' ')
        .map(|number| u64::from_str_radix(number, 16))
        .collect();
    let numbers = numbers.context("the manual does not say")?;
    let &[destination, mask, scc, exec] = numbers.as_slice() else {
        anyhow::bail!("four numbers were expected");
    };
    Ok(ManualResult {
        destination,
        mask: mask == 1,
        scc: scc == 1,
        exec,
    })
}
