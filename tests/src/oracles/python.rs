//! Python packages, each set with its dependencies in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{once, run};

/// The folder for `PYTHONPATH` that holds `package` at exactly this version; the first use on a machine downloads it.
pub(super) fn package(package: &str, version: &str) -> Result<PathBuf> {
    let install = |folder: &Path| {
        run(
            Command::new("python3")
                .args(["-m", "pip", "install", "--quiet", "--target"])
                .arg(folder)
                .arg(format!("{package}=={version}")),
            "apt-get install python3-pip",
        )
    };
    once(&format!("{package}-{version}"), install)
}
