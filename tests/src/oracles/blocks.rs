//! llama.cpp's numbers for quantised blocks.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Seek, Write};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::llama_cpp::VERSION;
use super::{llama_cpp_source, once, run};

/// What is compiled with ggml's file; its hash is in the name of the cached program.
const PROGRAM: &str = include_str!("blocks.c");

/// The elements of a row of blocks, by ggml's `dequantize_row_NAME`: `q8_0`, `q4_0`, `q4_K` or `q6_K`.
///
/// # Errors
/// If llama.cpp cannot be had or compiled, or has no such type.
pub fn llama_cpp_numbers(name: &str, blocks: &[u8]) -> Result<Vec<f32>> {
    let mut hasher = DefaultHasher::new();
    PROGRAM.hash(&mut hasher);
    let cached = format!("llama-cpp-blocks-{VERSION}-{:016x}", hasher.finish());
    let folder = once(&cached, build)?;
    // A file rather than a pipe: the answers come before all is read.
    let mut input = tempfile::tempfile()?;
    input.write_all(blocks)?;
    input.rewind()?;
    let output = Command::new(folder.join("blocks"))
        .arg(name)
        .stdin(input)
        .output()
        .context("cannot start llama.cpp's program")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "llama.cpp's {name}: {said}");
    let (numbers, _) = output.stdout.as_chunks();
    Ok(numbers.iter().map(|n| f32::from_le_bytes(*n)).collect())
}

fn build(folder: &Path) -> Result<()> {
    let ggml = llama_cpp_source()?.join("ggml");
    fs::write(folder.join("blocks.c"), PROGRAM)?;
    // What the file's other functions call is not linked.
    run(
        Command::new("cc")
            .args([
                "-O1",
                "-std=c11",
                "-D_GNU_SOURCE",
                "-ffunction-sections",
                "-fdata-sections",
            ])
            .args(["include", "src"].map(|path| format!("-I{}", ggml.join(path).display())))
            .arg(folder.join("blocks.c"))
            .arg(ggml.join("src/ggml-quants.c"))
            .args(["-Wl,--gc-sections", "-lm", "-o"])
            .arg(folder.join("blocks")),
        "apt-get install g++",
    )
}
