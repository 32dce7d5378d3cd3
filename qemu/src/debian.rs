//! Packages of Debian that are unpacked into a folder: from the mirror that the machine is configured for, without being
//! installed and without a change to the machine's own package sources.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::run;

/// What signs Debian's lists.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A suite and component that packages come from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// For instance `bookworm-backports`; none for the release that the machine runs.
    pub suite: Option<&'a str>,
    /// For instance `main`.
    pub component: &'a str,
}

/// Downloads packages into `folder`, which is empty, and unpacks them under its `root`.
///
/// # Errors
/// If this is no Debian, its mirror cannot be reached or has no such packages; the text says what was needed.
pub fn unpack(folder: &Path, source: Source<'_>, packages: &[&str]) -> Result<()> {
    let (mirror, codename) = mirror()?;
    let suite = source.suite.unwrap_or(&codename);
    let component = source.component;
    let list = format!("deb [signed-by={KEYS}] {mirror} {suite} {component}\n");
    fs::write(folder.join("sources.list"), list)?;
    fs::create_dir_all(folder.join("lists/partial"))?;
    let need = format!("Debian's {suite}, component {component}, from the mirror {mirror}");
    let apt = |arguments: &[&str]| {
        let place = |name: &str| folder.join(name).display().to_string();
        let mut command = Command::new("apt-get");
        for option in [
            format!("Dir::Etc::sourcelist={}", place("sources.list")),
            "Dir::Etc::sourceparts=-".into(),
            format!("Dir::State::lists={}", place("lists")),
            // Its index of packages must not replace the machine's.
            format!("Dir::Cache={}", place("cache")),
            "APT::Get::List-Cleanup=0".into(),
            "APT::Sandbox::User=root".into(),
        ] {
            command.arg("-o").arg(option);
        }
        run(command.current_dir(folder).args(arguments), &need)
    };
    fs::create_dir_all(folder.join("cache/archives/partial"))?;
    apt(&["update"])?;
    apt(&[&["download"], packages].concat())?;
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            let mut command = Command::new("dpkg-deb");
            command.arg("-x").arg(&path).arg("root").current_dir(folder);
            run(&mut command, "dpkg")?;
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// The mirror that this machine's packages come from, and the name of the release that it runs.
fn mirror() -> Result<(String, String)> {
    let output = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(REPO_URI) $(CODENAME)",
            "Created-By: Packages",
            "Origin: Debian",
            "Label: Debian",
        ])
        .output()
        .context("cannot run apt-get: this needs Debian")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rows = text.lines().filter_map(|line| line.split_once(' '));
    // Updates and backports are suites of their own, with the release's name before a hyphen.
    let mut rows = rows.filter(|(_, codename)| !codename.contains('-'));
    let (mirror, codename) = rows
        .next()
        .context("apt knows no mirror of Debian; this needs a Debian whose lists were updated")?;
    Ok((mirror.to_owned(), codename.to_owned()))
}
