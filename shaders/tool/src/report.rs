//! `list`, `passes`, `build` and `stats`.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use lexopt::Arg;
use serde_json::{Map, Value, json};
use shader_compiler::CodeObject;

use crate::compile;

pub(crate) const LIST_HELP: &str = "\
cargo shaders -- list

Name and purpose of each kernel.
";

pub(crate) const BUILD_HELP: &str = "\
cargo shaders -- build [NAME...]

Compiles all kernels, or those named. A line tells of each: instructions, those of the inner loop (the deepest; of several,
the longest), dual-issue instructions, registers, bytes of workgroup memory and of code, waves per SIMD, and milliseconds.
Ends with status 1 if one does not compile.
";

pub(crate) const STATS_HELP: &str = "\
cargo shaders -- stats [--json] [NAME...]

The same numbers without times; with --json as an object by kernel name, with instructions by class.
";

pub(crate) const PASSES_HELP: &str = "\
cargo shaders -- passes

Names that `disasm --off` and `disasm --stage` take.
";

/// Names, and whether `--json` was among the arguments.
fn names(mut parser: lexopt::Parser, json: bool) -> Result<(Vec<String>, bool)> {
    let (mut names, mut wants_json) = (Vec::new(), false);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("json") if json => wants_json = true,
            Arg::Value(name) => names.push(name.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok((names, wants_json))
}

/// `list`: name and what for.
pub(crate) fn list(parser: lexopt::Parser) -> Result<ExitCode> {
    crate::no_more_arguments(parser)?;
    let width = width(shaders::VARIANTS.iter().map(|variant| variant.name));
    for variant in shaders::VARIANTS {
        println!("{:width$}  {}", variant.name, variant.purpose);
    }
    Ok(ExitCode::SUCCESS)
}

/// `passes`.
pub(crate) fn passes(parser: lexopt::Parser) -> Result<ExitCode> {
    crate::no_more_arguments(parser)?;
    shader_compiler::pass_names().for_each(|pass| println!("{pass}"));
    Ok(ExitCode::SUCCESS)
}

fn width<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(str::len).max().unwrap_or(0)
}

const HEADER: &str = "instructions  loop  dual  VGPRs  SGPRs   LDS  bytes  waves";

fn row(object: &CodeObject) -> String {
    let s = &object.statistics;
    format!(
        "{:12}  {:4}  {:4}  {:5}  {:5}  {:4}  {:5}  {:5}",
        s.instructions,
        s.inner_loop,
        s.dual,
        object.vgprs,
        object.sgprs,
        object.lds_bytes,
        object.code_bytes,
        s.waves_per_simd,
    )
}

/// `build`: compiles, and goes on after an error to show them all.
pub(crate) fn build(parser: lexopt::Parser) -> Result<ExitCode> {
    let (names, _) = names(parser, false)?;
    let chosen = compile::chosen(&names)?;
    let width = width(chosen.iter().map(|variant| variant.name));
    println!("{:width$}  {HEADER}      ms", "");
    let mut failed = 0;
    for variant in &chosen {
        let start = Instant::now();
        match compile::compile(variant) {
            Ok(object) => {
                let ms = start.elapsed().as_secs_f64() * 1e3;
                println!("{:width$}  {}  {ms:6.1}", variant.name, row(&object));
            }
            Err(error) => {
                failed += 1;
                println!("{:width$}  {error:#}", variant.name);
            }
        }
    }
    if failed > 0 {
        eprintln!("{failed} of {} kernels do not compile", chosen.len());
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// `stats`: the table, or a JSON object by kernel name.
pub(crate) fn stats(parser: lexopt::Parser) -> Result<ExitCode> {
    let (names, wants_json) = names(parser, true)?;
    let chosen = compile::chosen(&names)?;
    let mut objects = Vec::new();
    for variant in &chosen {
        objects.push((variant.name, compile::compile(variant)?));
    }
    if wants_json {
        let all = objects
            .iter()
            .map(|(name, object)| ((*name).to_owned(), json_of(object)));
        let all: Map<String, Value> = all.collect();
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(ExitCode::SUCCESS);
    }
    let width = width(chosen.iter().map(|variant| variant.name));
    println!("{:width$}  {HEADER}", "");
    for (name, object) in &objects {
        println!("{name:width$}  {}", row(object));
    }
    Ok(ExitCode::SUCCESS)
}

fn classes(counts: &[(gfx1100_isa::Class, u32)]) -> Value {
    let counts = counts
        .iter()
        .map(|(class, n)| (format!("{class:?}"), json!(n)));
    Value::Object(counts.collect())
}

fn json_of(object: &CodeObject) -> Value {
    let s = &object.statistics;
    json!({
        "instructions": s.instructions,
        "by_class": classes(&s.by_class),
        "dual": s.dual,
        "inner_loop": s.inner_loop,
        "inner_loop_by_class": classes(&s.inner_loop_by_class),
        "inner_loop_wmma": s.inner_loop_wmma,
        "inner_loop_bytes_loaded_per_lane": s.inner_loop_bytes_loaded,
        "bytes_loaded_per_lane": s.bytes_loaded,
        "bytes_stored_per_lane": s.bytes_stored,
        "waves_per_simd": s.waves_per_simd,
        "vgprs": object.vgprs,
        "sgprs": object.sgprs,
        "lds_bytes": object.lds_bytes,
        "code_bytes": object.code_bytes,
        "spilled": 0,
        "workgroup_size": object.workgroup_size,
        "bindings": object.arguments.bindings.len(),
        "argument_bytes": object.arguments.bytes,
    })
}
