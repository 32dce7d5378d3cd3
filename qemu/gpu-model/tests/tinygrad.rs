//! A driver that nobody here wrote: tinygrad's AM, from PyPI and unchanged but for where it takes AMD's firmware from, brings
//! the model up by its remote protocol, computes right results, starts again warm and after a reset, and recovers from faults.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

#[path = "support/tinygrad.rs"]
mod tinygrad;

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
        let folder = tinygrad::firmware();
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

    fn tinygrad(&self, task: &str, variables: &[(&str, &str)]) -> Vec<String> {
        tinygrad::run(&self.address, self.firmware.path(), task, variables)
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
