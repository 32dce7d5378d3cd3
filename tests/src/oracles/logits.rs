//! llama.cpp's logits, of a whole build of its library.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::llama_cpp::VERSION;
use super::{llama_cpp_source, once, run};

/// What CMake is told: the library alone, for any x86-64 processor with AVX2, and nothing from a network.
const OPTIONS: &[&str] = &[
    "-DCMAKE_BUILD_TYPE=Release",
    // Numbers are asked of this build, not speed.
    "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_NATIVE=OFF",
    "-DGGML_AVX2=ON",
    "-DGGML_FMA=ON",
    "-DGGML_F16C=ON",
    "-DGGML_OPENMP=OFF",
    "-DGGML_CCACHE=OFF",
    "-DLLAMA_BUILD_COMMON=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_TOOLS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_SERVER=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_OPENSSL=OFF",
];

/// Libraries of the build, users before what they use.
const LIBRARIES: &[&str] = &[
    "src/libllama.a",
    "ggml/src/libggml.a",
    "ggml/src/libggml-cpu.a",
    "ggml/src/libggml-base.a",
];

/// The logits that llama.cpp computes for each position of each sequence, row after row.
///
/// # Errors
/// If llama.cpp cannot be built, which the first use on a machine does in some minutes, or does not take the model.
pub fn llama_cpp_logits(model: &Path, sequences: &[Vec<u32>]) -> Result<Vec<f32>> {
    let folder = once(&format!("llama-cpp-logits-{VERSION}"), build)?;
    let out = model.with_extension("logits");
    let mut process = Command::new(folder.join("llama_logits"))
        .arg(model)
        .arg(&out)
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot start llama.cpp")?;
    let mut input = process.stdin.take().context("no pipe to llama.cpp")?;
    for sequence in sequences {
        let ids: Vec<String> = sequence.iter().map(u32::to_string).collect();
        writeln!(input, "{}", ids.join(" "))?;
    }
    drop(input);
    ensure!(process.wait()?.success(), "llama.cpp gave up, see above");
    let bytes = fs::read(&out)?;
    fs::remove_file(out)?;
    let floats = bytes.as_chunks::<4>().0;
    Ok(floats
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect())
}

fn build(folder: &Path) -> Result<()> {
    const NEEDS: &str = "apt-get install cmake g++ make";

    let source = llama_cpp_source()?;
    let build = folder.join("build");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(&source).arg("-B").arg(&build);
    run(configure.args(OPTIONS), NEEDS)?;
    let mut make = Command::new("cmake");
    make.arg("--build").arg(&build);
    run(make.args(["--target", "llama", "--parallel", "2"]), NEEDS)?;

    let main = folder.join("logits.cpp");
    fs::write(&main, include_str!("logits.cpp"))?;
    let include = |path: &str| format!("-I{}", source.join(path).display());
    let libraries: Vec<PathBuf> = LIBRARIES.iter().map(|name| build.join(name)).collect();
    run(
        Command::new("c++")
            .args(["-O1", "-std=c++17"])
            .args(["include", "ggml/include"].map(include))
            .arg(&main)
            .args(libraries)
            .args(["-lpthread", "-ldl", "-o"])
            .arg(folder.join("llama_logits")),
        NEEDS,
    )?;
    fs::remove_dir_all(build)?;
    Ok(())
}
