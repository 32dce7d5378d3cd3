//! A driver that nobody here wrote: tinygrad's AM, from PyPI and unchanged but for where it takes AMD's firmware from, brings
//! the model up by its remote protocol, computes right results, starts again warm and after a reset, and recovers from faults.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use qemu::{cache, firmware, kernel, setup};

/// Version of tinygrad.
const VERSION: &str = "0.14.0";

/// The folder for `PYTHONPATH` that holds tinygrad.
fn package() -> PathBuf {
    if Command::new("llc-19").arg("--version").output().is_err() {
        setup::install(&["llvm-19"]).expect("LLVM 19, by which tinygrad compiles");
    }
    let cache = kernel::target_directory().join("oracles");
    let install = |folder: &std::path::Path| {
        let mut command = Command::new("python3");
        command.args(["-m", "pip", "install", "--quiet", "--target"]);
        command.arg(folder).arg(format!("tinygrad=={VERSION}"));
        cache::run(&mut command, "apt-get install python3-pip")
    };
    cache::once(&cache, &format!("tinygrad-{VERSION}"), install).expect("tinygrad from PyPI")
}

/// The model as a process, at a port of its own.
struct Model {
    process: Child,
    address: String,
    firmware: tempfile::TempDir,
}

impl Drop for Model {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Model {
    fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in firmware::load(None).expect("AMD's firmware").files {
            std::fs::write(folder.path().join(name), bytes).expect("a file");
        }
        let mut process = Command::new(env!("CARGO_BIN_EXE_gpu-model"))
            .args(["--listen-remote", "0"])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the model starts");
        let mut line = String::new();
        let output = process.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening ");
        let address = address.expect("the model tells its port").to_owned();
        Self {
            process,
            address,
            firmware: folder,
        }
    }

    /// Runs the script: its lines.
    fn tinygrad(&self, task: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let output = Command::new("timeout")
            .args(["300", "python3", "-c", include_str!("support/tinygrad.py")])
            .arg(self.firmware.path())
            .arg(task)
            .env("PYTHONPATH", package())
            .env("DEV", "PCI+AMD:LLVM")
            .env("REMOTE", &self.address)
            .env("REMOTE_TIMEOUT", "60")
            .env("CACHELEVEL", "0")
            .envs(variables.iter().copied())
            .output()
            .expect("python3 starts");
        let lines = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<_> = lines.lines().map(str::to_owned).collect();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{lines:#?}\n{said}");
        lines
    }
}

fn good(lines: &[String]) -> usize {
    lines.iter().filter(|line| line.ends_with(" ok")).count()
}

#[test]
fn tinygrad_computes_cold_and_starts_again_warm_and_after_a_reset() {
    let model = Model::start(&[]);
    let lines = model.tinygrad("all", &[]);
    assert!(
        lines.len() > 20 && good(&lines) == lines.len(),
        "{lines:#?}"
    );
    for variables in [&[][..], &[("AM_RESET", "1")]] {
        let lines = model.tinygrad("add", variables);
        assert_eq!(good(&lines), 4, "{lines:#?}");
    }
}

#[test]
fn tinygrad_recovers_from_an_illegal_instruction() {
    let model = Model::start(&["--fault", "illegal-instruction@2"]);
    let lines = model.tinygrad("add", &[]);
    assert_eq!(good(&lines), 3, "{lines:#?}");
    assert!(
        lines.iter().any(|line| line.contains("ILLEGAL_INST")),
        "{lines:#?}"
    );
    assert!(
        lines.iter().any(|line| line.contains("failed: ")),
        "{lines:#?}"
    );
}
