//! `disasm`: a kernel as machine code, or as any form that the compiler goes through before.

use std::fmt::Display;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use gfx1100_isa as isa;
use lexopt::{Arg, ValueExt};
use shader_compiler::{CodeObject, Options};

use crate::compile;

pub(crate) const HELP: &str = "\
cargo shaders -- disasm NAME|FILE.wgsl [OPTION...]

Machine code of a kernel, with the source line above the instructions that were made from it.

  --entry NAME      entry point, if the file has several
  --set NAME=VALUE  value of a WGSL `override` constant
  --off PASS        leaves a pass of the compiler out (see: passes)
Instead of machine code:
  --spirv           what naga made of the source
  --ir              the SSA form after the optimiser
  --machine         selected instructions on virtual registers
  --stage NAME      the form after a pass, or after spirv, front, opt, select or allocate
  --stages          all of them

Examples
  cargo shaders -- disasm matvec_q8_0_1
  cargo shaders -- disasm my.wgsl --entry main --set TOKENS=4 --stages
";

enum Show {
    Code,
    Stage(String),
    Stages,
}

struct Request {
    source: String,
    file: String,
    entry: Option<String>,
    overrides: Vec<(String, f64)>,
    off: Vec<String>,
    show: Show,
}

/// `disasm`.
pub(crate) fn run(parser: lexopt::Parser) -> Result<ExitCode> {
    let request = parse(parser)?;
    let mut shown = false;
    // Printed as it comes: what was reached before an error is what one wants to see of it.
    let mut trace = |name: &str, text: &dyn Display| {
        match &request.show {
            Show::Stage(stage) if stage == name => println!("{}", text.to_string().trim_end()),
            Show::Stages => println!("; after {name}\n{}\n", text.to_string().trim_end()),
            Show::Code | Show::Stage(_) => return,
        }
        shown = true;
    };
    let mut options = Options {
        overrides: request.overrides.clone(),
        entry_point: request.entry.as_deref(),
        off: request.off.clone(),
        trace: Some(&mut trace),
    };
    let objects = shader_compiler::compile(&request.source, &request.file, &mut options)?;
    match &request.show {
        Show::Code => objects
            .iter()
            .try_for_each(|object| print_code(object, &request.source))?,
        Show::Stage(stage) if !shown => bail!("{stage} changed nothing here, or is off"),
        Show::Stage(_) | Show::Stages => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(mut parser: lexopt::Parser) -> Result<Request> {
    let mut name = None;
    let mut request = Request {
        source: String::new(),
        file: String::new(),
        entry: None,
        overrides: Vec::new(),
        off: Vec::new(),
        show: Show::Code,
    };
    let stage = |name: &str| Show::Stage(name.to_owned());
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("spirv") => request.show = stage("spirv"),
            Arg::Long("ir") => request.show = stage("opt"),
            Arg::Long("machine") => request.show = stage("select"),
            Arg::Long("stages") => request.show = Show::Stages,
            Arg::Long("stage") => {
                let name = parser.value()?.string()?;
                request.show = Show::Stage(known(name, shader_compiler::STAGES)?);
            }
            Arg::Long("off") => request.off.push(known(parser.value()?.string()?, &[])?),
            Arg::Long("entry") => request.entry = Some(parser.value()?.string()?),
            Arg::Long("set") => {
                let text = parser.value()?.string()?;
                let (name, value) = text.split_once('=').context("--set takes NAME=VALUE")?;
                let value = value.parse();
                let value = value.with_context(|| format!("{text}: the value is no number"))?;
                request.overrides.push((name.to_owned(), value));
            }
            Arg::Value(value) if name.is_none() => name = Some(value.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    find(
        name.context("disasm takes the name of a kernel or a .wgsl file")?,
        request,
    )
}

/// A pass, or one of the stages that are none.
fn known(name: String, stages: &[&str]) -> Result<String> {
    if shader_compiler::pass_names().any(|pass| pass == name) || stages.contains(&name.as_str()) {
        return Ok(name);
    }
    bail!("there is no pass \"{name}\"; cargo shaders -- passes names them all")
}

/// Fills in the source: a file, or a kernel of ours.
fn find(name: String, mut request: Request) -> Result<Request> {
    if name.ends_with(".wgsl") {
        let source = std::fs::read_to_string(&name);
        request.source = source.with_context(|| format!("cannot read {name}"))?;
        request.file = name;
        return Ok(request);
    }
    let variant = compile::find(&name)?;
    compile::source(variant)?.clone_into(&mut request.source);
    variant.file.clone_into(&mut request.file);
    request.entry.get_or_insert(variant.entry.to_owned());
    let mut overrides = compile::options(variant).overrides;
    // What is set by hand comes last, and wins.
    overrides.append(&mut request.overrides);
    request.overrides = overrides;
    Ok(request)
}

/// The code with its offsets, labels where branches go, and source lines where they change.
fn print_code(object: &CodeObject, source: &str) -> Result<()> {
    let words: Vec<u32> = object
        .code
        .chunks_exact(4)
        .map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect();
    let mut insts = Vec::new();
    let mut at = 0;
    while at < object.code_bytes as usize / 4 {
        let (inst, len) = isa::decode(&words[at..], isa::Rigor::Strict)
            .map_err(|error| anyhow::anyhow!("at {:#x}: {error}", 4 * at))?;
        insts.push((4 * at, inst));
        at += len;
    }
    let target = |offset: usize, inst: &isa::Inst| {
        let branch = inst.op.row().class == isa::Class::Branch;
        branch.then(|| offset as i64 + 4 + 4 * i64::from(inst.imm as i16))
    };
    let mut targets: Vec<i64> = insts
        .iter()
        .filter_map(|(at, inst)| target(*at, inst))
        .collect();
    targets.sort_unstable();
    targets.dedup();
    let label = |offset: i64| targets.binary_search(&offset).ok();
    println!(
        "; {}: {} bytes, {} VGPRs, {} SGPRs, {} bytes of LDS, {} waves per SIMD",
        object.name,
        object.code_bytes,
        object.vgprs,
        object.sgprs,
        object.lds_bytes,
        object.statistics.waves_per_simd
    );
    let mut shown = 0;
    for (offset, inst) in &insts {
        if let Some(label) = label(*offset as i64) {
            println!("L{label}:");
        }
        let from = object
            .sources
            .binary_search_by_key(&(*offset as u32), |entry| entry.0);
        let from = from.map_or(u32::MAX, |entry| object.sources[entry].1);
        let (line, _) = shader_compiler::position(source, from);
        if line != shown && line != 0 {
            shown = line;
            let text = source.lines().nth(line as usize - 1).unwrap_or_default();
            println!("  ; {line}: {}", text.trim());
        }
        let to = target(*offset, inst).and_then(label);
        let to = to.map(|label| format!("  ; L{label}")).unwrap_or_default();
        println!("    {offset:6x}  {inst}{to}");
    }
    Ok(())
}
