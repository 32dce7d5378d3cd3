//! tinygrad from PyPI and AMD's firmware files for it.

use std::path::{Path, PathBuf};
use std::process::Command;

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

/// A folder with AMD's files.
pub(crate) fn firmware() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in firmware::load(None).expect("AMD's firmware").files {
        std::fs::write(folder.path().join(name), bytes).expect("a file");
    }
    folder
}

/// Runs the script on the card that is served at this address: its lines.
pub(crate) fn run(
    address: &str,
    firmware: &Path,
    task: &str,
    variables: &[(&str, &str)],
) -> Vec<String> {
    let output = Command::new("timeout")
        .args(["300", "python3", "-c", include_str!("tinygrad.py")])
        .arg(firmware)
        .arg(task)
        .env("PYTHONPATH", package())
        .env("DEV", "PCI+AMD:LLVM")
        .env("REMOTE", address)
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
