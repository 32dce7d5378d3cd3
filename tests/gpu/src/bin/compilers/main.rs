//! `cargo compilers`: our code for every kernel beside that of LLVM 19 and of Mesa's ACO, as a table.
//!
//! The same work for all three: ACO gets the SPIR-V that our front end gets; LLVM gets our SSA form before our optimiser has
//! touched it, but for variables becoming values (`gpu_tests::llvm`). Counted is what each one emits, by reading its assembly.

mod aco;
mod listing;
mod mesa;

use anyhow::{Context, Result, bail};
use gpu_tests::llvm;
use listing::Listing;
use shader_compiler::{Options, compile, front, ir, opt};
use shaders::{VARIANTS, Variant};

const HELP: &str = "\
cargo compilers [NAME...]

A row for each kernel (or each named): instructions in the innermost loop, bytes of code and VGPRs of our compiler, of LLVM 19
and of Mesa's ACO (whose VGPRs are rounded up to what the hardware allocates), and our innermost loop over the best of theirs.
Installs llvm-19, and unpacks Mesa 25 from Debian's backports beside the build.

    cargo compilers
    cargo compilers matvec_q8_0_1
";

/// Passes that a variable needs to become values; LLVM has its own for the rest.
const FOR_VALUES: &[&str] = &[
    "locals",
    "expand",
    "unroll",
    "simplify",
    "blocks",
    "parameters",
    "unused",
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["aco", entry_point, file] => return aco_child(entry_point, file),
        ["--help" | "-h", ..] => {
            print!("{HELP}");
            return Ok(());
        }
        _ => {}
    }
    if let Some(unknown) = words.iter().find(|word| shaders::variant(word).is_none()) {
        bail!("there is no kernel {unknown:?}; `cargo shaders -- list` names them");
    }
    println!(
        "| kernel | inner loop: ours / LLVM / ACO | of the best | bytes: ours / LLVM / ACO | VGPRs: ours / LLVM / ACO |"
    );
    println!("| --- | --- | --- | --- | --- |");
    for variant in VARIANTS {
        if words.is_empty() || words.contains(&variant.name) {
            println!("{}", row(variant));
        }
    }
    Ok(())
}

/// What `mesa` starts this program for.
fn aco_child(entry_point: &str, file: &str) -> Result<()> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {file}"))?;
    let (words, _) = bytes.as_chunks();
    let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    println!("{}", aco::compile(&words, entry_point)?);
    Ok(())
}

/// What is compared.
#[derive(Clone, Copy)]
struct Figures {
    inner_loop: u32,
    bytes: u32,
    vgprs: u32,
}

fn row(variant: &Variant) -> String {
    let results = [ours(variant), theirs_llvm(variant), theirs_aco(variant)];
    let column = |of: fn(&Figures) -> u32| {
        let one = |result: &Result<Figures>| match result {
            Ok(figures) => of(figures).to_string(),
            Err(_) => "-".into(),
        };
        results.iter().map(one).collect::<Vec<_>>().join(" / ")
    };
    let best = results[1..]
        .iter()
        .flatten()
        .map(|f| f.inner_loop)
        .filter(|n| *n > 0)
        .min();
    let ratio = match (&results[0], best) {
        (Ok(ours), Some(best)) if ours.inner_loop > 0 => {
            format!("{:.2}", f64::from(ours.inner_loop) / f64::from(best))
        }
        _ => "-".into(),
    };
    for (who, result) in ["our compiler", "LLVM", "ACO"].iter().zip(&results) {
        if let Err(error) = result {
            eprintln!("{}: {who}: {error:#}", variant.name);
        }
    }
    format!(
        "| {} | {} | {ratio} | {} | {} |",
        variant.name,
        column(|f| f.inner_loop),
        column(|f| f.bytes),
        column(|f| f.vgprs)
    )
}

fn overrides(variant: &Variant) -> Vec<(String, f64)> {
    let overrides = variant.overrides.iter();
    overrides
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

fn source(variant: &Variant) -> Result<&'static str> {
    shaders::source(variant.file).with_context(|| format!("no file {}", variant.file))
}

fn ours(variant: &Variant) -> Result<Figures> {
    let mut options = Options {
        overrides: overrides(variant),
        entry_point: Some(variant.entry),
        ..Options::default()
    };
    let objects = compile(source(variant)?, variant.file, &mut options)?;
    let object = objects.first().context("compiling gave no kernel")?;
    Ok(Figures {
        inner_loop: object.statistics.inner_loop,
        bytes: object.code_bytes,
        vgprs: object.vgprs,
    })
}

fn theirs_llvm(variant: &Variant) -> Result<Figures> {
    let source = source(variant)?;
    let located = |fault: shader_compiler::Fault| fault.locate(variant.file, source);
    let words = front::spirv(source, &overrides(variant)).map_err(located)?;
    let functions = front::functions(&words, source).map_err(located)?;
    let mut functions = functions.into_iter().filter(|f| f.name == variant.entry);
    let mut function: ir::Function = functions.next().context("no such entry point")?;
    let off = |pass: &str| !FOR_VALUES.contains(&pass);
    opt::run(&mut function, &off, &mut |_, _| {}).map_err(located)?;
    let compiled = llvm::compile(&function)?;
    let number = |name: &str| listing::comment(&compiled.assembly, name);
    Ok(Figures {
        inner_loop: Listing::of(&compiled.assembly).inner_loop(),
        bytes: number("codeLenInByte").context("llc-19 tells no code size")?,
        vgprs: number("NumVgprs").context("llc-19 tells no VGPRs")?,
    })
}

fn theirs_aco(variant: &Variant) -> Result<Figures> {
    let source = source(variant)?;
    let words = front::spirv(source, &overrides(variant))
        .map_err(|fault| fault.locate(variant.file, source))?;
    let answer = mesa::compile(&words, variant.entry)?;
    let number = |name: &str| {
        let number = answer["statistics"][name].as_u64();
        let number = number.with_context(|| format!("RADV tells no {name:?}"))?;
        Ok::<u32, anyhow::Error>(u32::try_from(number)?)
    };
    let assembly = answer["assembly"]
        .as_str()
        .context("RADV gave no assembly")?;
    Ok(Figures {
        inner_loop: Listing::of(assembly).inner_loop(),
        bytes: number("Code size")?,
        vgprs: number("VGPRs")?,
    })
}
