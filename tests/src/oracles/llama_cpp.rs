//! llama.cpp, from the source distribution of its Python binding: real vocabularies, and its tokenizer as a program.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::{once, run};

/// The release whose `vendor/llama.cpp` is compared with.
pub(super) const VERSION: &str = "0.3.36";

/// llama.cpp's source folder, with its `models/ggml-vocab-*.gguf`.
///
/// # Errors
/// If it is not in the cache and cannot be downloaded.
pub fn llama_cpp_source() -> Result<PathBuf> {
    let folder = once(&format!("llama-cpp-python-{VERSION}"), |folder| {
        run(
            Command::new("python3")
                .args(["-m", "pip", "download", "--quiet", "--no-deps"])
                .args(["--no-binary", ":all:", "--dest"])
                .arg(folder)
                .arg(format!("llama-cpp-python=={VERSION}")),
            "apt-get install python3-pip cmake ninja-build g++",
        )?;
        let archive = folder.join(format!("llama_cpp_python-{VERSION}.tar.gz"));
        run(
            Command::new("tar")
                .arg("--extract")
                .arg("--file")
                .arg(&archive)
                .arg("--directory")
                .arg(folder)
                .arg("--strip-components=2")
                .arg(format!("llama_cpp_python-{VERSION}/vendor/llama.cpp")),
            "apt-get install tar gzip",
        )?;
        fs::remove_file(archive)?;
        Ok(())
    })?;
    Ok(folder.join("llama.cpp"))
}

/// The files that llama.cpp's vocabulary code needs, so that not all of it has to be compiled.
const SOURCES: &[&str] = &[
    "src/llama-vocab.cpp",
    "src/unicode.cpp",
    "src/unicode-data.cpp",
    "src/llama-model-loader.cpp",
    "src/llama-arch.cpp",
    "src/llama-impl.cpp",
    "src/llama-mmap.cpp",
    "src/llama-hparams.cpp",
    "ggml/src/ggml.c",
    "ggml/src/ggml.cpp",
    "ggml/src/ggml-alloc.c",
    "ggml/src/ggml-backend.cpp",
    "ggml/src/ggml-backend-dl.cpp",
    "ggml/src/ggml-backend-meta.cpp",
    "ggml/src/ggml-backend-reg.cpp",
    "ggml/src/ggml-opt.cpp",
    "ggml/src/ggml-quants.c",
    "ggml/src/ggml-threading.cpp",
    "ggml/src/gguf.cpp",
];

/// What is compiled with them; its hash is in the name of the cached program, so that a change makes a new one.
const PROGRAM: &str = include_str!("tokenizer.cpp");

/// llama.cpp's tokenizer for one vocabulary, running as a process.
pub struct LlamaCppTokenizer {
    process: Child,
    input: BufWriter<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl LlamaCppTokenizer {
    /// Starts it; the first use on a machine compiles it, which takes minutes.
    ///
    /// # Errors
    /// If llama.cpp cannot be had or compiled, or does not start.
    pub fn start(vocabulary: &Path) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        PROGRAM.hash(&mut hasher);
        let name = format!("llama-cpp-tokenizer-{VERSION}-{:016x}", hasher.finish());
        let folder = once(&name, compile)?;
        let mut process = Command::new(folder.join("tokenizer"))
            .arg(vocabulary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start llama.cpp's tokenizer")?;
        let input = process.stdin.take().context("no pipe to the tokenizer")?;
        let output = process
            .stdout
            .take()
            .context("no pipe from the tokenizer")?;
        Ok(Self {
            process,
            input: BufWriter::new(input),
            output: BufReader::new(output),
        })
    }

    /// The tokens of a text, without begin and end token.
    ///
    /// # Errors
    /// If the process has ended, which is what it does on an input that llama.cpp cannot take.
    pub fn encode(&mut self, text: &str, parse_special: bool) -> Result<Vec<u32>> {
        self.ask(u8::from(parse_special), text)?;
        let line = self.answer()?;
        line.split_ascii_whitespace()
            .map(|id| id.parse().context("not an id"))
            .collect()
    }

    /// Of each token of a vocabulary of this length: whether it ends a generation, and what it stands for in
    /// hexadecimal.
    ///
    /// # Errors
    /// As for [`Self::encode`].
    pub fn vocabulary(&mut self, length: usize) -> Result<Vec<(bool, String)>> {
        self.ask(2, "")?;
        let token = |_| {
            let line = self.answer()?;
            let (ends, bytes) = line.split_once(' ').context("not a token")?;
            Ok((ends == "1", bytes.trim_end().to_string()))
        };
        (0..length).map(token).collect()
    }

    fn ask(&mut self, request: u8, text: &str) -> Result<()> {
        let length = u32::try_from(text.len())?;
        self.input.write_all(&[request])?;
        self.input.write_all(&length.to_le_bytes())?;
        self.input.write_all(text.as_bytes())?;
        Ok(self.input.flush()?)
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line)?;
        ensure!(read > 0, "llama.cpp's tokenizer has ended");
        Ok(line)
    }
}

impl Drop for LlamaCppTokenizer {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn compile(folder: &Path) -> Result<()> {
    let source = llama_cpp_source()?;
    // What CMake would generate; nothing here reads it.
    fs::write(
        folder.join("ggml-version.h"),
        "#define GGML_VERSION \"\"\n#define GGML_COMMIT \"\"\n",
    )?;
    fs::write(folder.join("main.cpp"), PROGRAM)?;
    let main = folder.join("main.cpp");
    let mut objects = Vec::new();
    for file in SOURCES
        .iter()
        .map(|file| source.join(file))
        .chain([main.clone()])
    {
        let name = file.file_name().context("a source has a name")?;
        let object = folder.join(name).with_extension(format!(
            "{}.o",
            file.extension().unwrap_or_default().display()
        ));
        let is_c = file.extension().is_some_and(|extension| extension == "c");
        let include = |path| format!("-I{}", source.join(path).display());
        run(
            Command::new(if is_c { "cc" } else { "c++" })
                .arg(if is_c { "-std=c11" } else { "-std=c++17" })
                .args(["-O1", "-D_GNU_SOURCE", "-c"])
                .arg(format!("-I{}", folder.display()))
                .args(["include", "ggml/include", "ggml/src", "src"].map(include))
                .arg(&file)
                .arg("-o")
                .arg(&object),
            "apt-get install g++",
        )?;
        objects.push(object);
    }
    run(
        Command::new("c++")
            .args(&objects)
            .args(["-lpthread", "-ldl", "-o"])
            .arg(folder.join("tokenizer")),
        "apt-get install g++",
    )?;
    for object in objects {
        fs::remove_file(object)?;
    }
    Ok(())
}
