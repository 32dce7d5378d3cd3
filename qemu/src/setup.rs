//! Finds the host programs that a boot needs and installs the missing ones where the system is Debian or Ubuntu.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, bail, ensure};

/// A file that must exist, and the package that brings it.
struct Need {
    /// What a person calls it.
    name: &'static str,
    /// Where it may lie; a bare name is looked up in `PATH`.
    candidates: &'static [&'static str],
    /// Debian's and Ubuntu's package.
    package: &'static str,
}

const QEMU: Need = Need {
    name: "QEMU",
    candidates: &["qemu-system-x86_64"],
    package: "qemu-system-x86",
};

const OVMF: Need = Need {
    name: "UEFI firmware (OVMF)",
    candidates: &["/usr/share/ovmf/OVMF.fd", "/usr/share/qemu/OVMF.fd"],
    package: "ovmf",
};

/// Path of `qemu-system-x86_64`, installed first if it is missing.
///
/// # Errors
/// If it is missing and could not be installed; the text says which package to install.
pub fn qemu() -> Result<PathBuf> {
    find_or_install(&QEMU)
}

/// Path of a UEFI firmware image for QEMU's `-bios`, installed first if it is missing.
///
/// # Errors
/// If it is missing and could not be installed; the text says which package to install.
pub fn ovmf() -> Result<PathBuf> {
    find_or_install(&OVMF)
}

/// Looks `program` up in `PATH`.
#[must_use]
pub fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn find(need: &Need) -> Option<PathBuf> {
    need.candidates.iter().find_map(|&candidate| {
        let path = Path::new(candidate);
        if path.is_absolute() {
            path.is_file().then(|| path.to_owned())
        } else {
            in_path(candidate)
        }
    })
}

fn find_or_install(need: &Need) -> Result<PathBuf> {
    // One installation at a time: guests may be started by several threads.
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _guard = INSTALLING.lock();
    if let Some(path) = find(need) {
        return Ok(path);
    }
    install(&[need.package]).with_context(|| {
        format!(
            "{} is missing. Install it with: sudo apt-get install --no-install-recommends {}",
            need.name, need.package
        )
    })?;
    find(need).with_context(|| {
        format!(
            "package {} is installed, but {} is not at {:?}",
            need.package, need.name, need.candidates
        )
    })
}

/// Installs Debian packages, as root or through a `sudo` that asks for no password.
///
/// # Errors
/// If this is no Debian or Ubuntu, nobody may install, or apt-get fails.
pub fn install(packages: &[&str]) -> Result<()> {
    ensure!(
        in_path("apt-get").is_some(),
        "this is no Debian or Ubuntu: no apt-get here"
    );
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout == b"0\n");
    if !root && !succeeds(Command::new("sudo").args(["-n", "true"]))? {
        bail!("not root, and sudo wants a password");
    }
    eprintln!("installing {} (apt-get)", packages.join(" "));
    let install = ["install", "-y", "-qq", "--no-install-recommends"];
    for arguments in [vec!["update", "-qq"], [&install, packages].concat()] {
        let mut command = Command::new(if root { "apt-get" } else { "sudo" });
        if !root {
            command.args(["-n", "apt-get"]);
        }
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        ensure!(succeeds(&mut command)?, "{command:?} failed");
    }
    Ok(())
}

/// Runs a command with its standard output on our stderr kept quiet, and tells whether it ended with status 0.
fn succeeds(command: &mut Command) -> Result<bool> {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    match status {
        Ok(status) => Ok(status.success()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot run {command:?}")),
    }
}
