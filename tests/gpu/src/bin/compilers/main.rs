//! `cargo compilers`: our code for every kernel beside that of LLVM 19 and of Mesa's ACO, as a table.
//!
//! The same work for all three: ACO gets the SPIR-V that our front end gets; LLVM gets our SSA form before our optimiser has
//! touched it, but for variables becoming values (`gpu_tests::llvm`). Counted is what each one emits, by decoding it.

mod aco;
mod figures;
mod listing;
mod mesa;
mod table;

use anyhow::{Context, Result, bail};
use gpu_tests::llvm;
use shaders::VARIANTS;

const HELP: &str = "\
cargo compilers [NAME...]             the table, or the rows of these kernels
cargo compilers --write FILE          put the whole table between the marks in FILE
cargo compilers --check FILE [NAME..] is FILE's table true? Our numbers of all kernels, all numbers of those named
cargo compilers --show llvm|aco NAME  their assembly

A row: instructions of the inner loop, VGPRs and bytes of code of our compiler, of LLVM 19 and of Mesa's ACO (whose VGPRs are
rounded up to what the hardware allocates), and our inner loop over the best of theirs. Compared is our longest loop that
holds no other with theirs that does the same work in a pass: as many matrix products, else as many bytes loaded. \"4 x 22\":
four passes of theirs do the work of one of ours; \"90 : 2\": a pass of theirs does that of two; \"-\": they have no such
loop. Installs llvm-19, and unpacks Mesa 25 from Debian's backports beside the build.

    cargo compilers matvec_q8_0_1
    cargo compilers --write README.md
";

fn main() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--") {
        arguments.remove(0);
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["aco", entry_point, file] => aco_child(entry_point, file),
        ["--help" | "-h", ..] => {
            print!("{HELP}");
            Ok(())
        }
        ["--show", who, name] => show(who, name),
        ["--write", file] => table::write(file),
        ["--check", file, ref names @ ..] => {
            known(names)?;
            table::check(file, names)
        }
        ref names => {
            known(names)?;
            print!("{}", table::HEAD);
            for variant in VARIANTS {
                if names.is_empty() || names.contains(&variant.name) {
                    println!("{}", table::row(variant)?);
                }
            }
            Ok(())
        }
    }
}

/// Fails with the first name that is no kernel's.
fn known(names: &[&str]) -> Result<()> {
    match names.iter().find(|name| shaders::variant(name).is_none()) {
        None => Ok(()),
        Some(unknown) => {
            bail!("there is no kernel {unknown:?}; `cargo shaders -- list` names them")
        }
    }
}

/// Prints the code of another compiler for a kernel.
fn show(who: &str, name: &str) -> Result<()> {
    known(&[name])?;
    let variant = shaders::variant(name).context("it is known")?;
    let text = match who {
        "llvm" => llvm::compile_variant(variant)?.assembly,
        "aco" => {
            let answer = figures::aco_answer(variant)?;
            let assembly = answer["assembly"].as_str();
            assembly.context("RADV gave no assembly")?.to_owned()
        }
        _ => bail!("--show takes llvm or aco, not {who:?}"),
    };
    print!("{text}");
    Ok(())
}

/// What `mesa` starts this program for.
fn aco_child(entry_point: &str, file: &str) -> Result<()> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {file}"))?;
    println!("{}", aco::compile(&words(&bytes), entry_point)?);
    Ok(())
}

fn words(bytes: &[u8]) -> Vec<u32> {
    let (words, _) = bytes.as_chunks();
    words.iter().map(|word| u32::from_le_bytes(*word)).collect()
}
