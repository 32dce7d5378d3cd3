//! Counts what an auditor would have to read: lines and `unsafe` per room, and the lines of every crate that is linked into
//! the image.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// The repository's root.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in a folder of the workspace")
}

/// A source file of ours.
pub struct Source {
    /// Path from the root.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The text files that git tracks, or would track, whose names end in one of `endings`.
///
/// # Errors
/// If git cannot be asked or a file cannot be read.
pub fn sources(endings: &[&str]) -> Result<Vec<Source>> {
    let list = Command::new("git")
        .current_dir(repository())
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("cannot run git")?;
    ensure!(list.status.success(), "git ls-files failed");
    let mut found = Vec::new();
    for path in String::from_utf8(list.stdout)?.lines() {
        let file = repository().join(path);
        if endings.iter().any(|ending| path.ends_with(ending)) && file.is_file() {
            let text =
                std::fs::read_to_string(&file).with_context(|| format!("cannot read {path}"))?;
            found.push(Source {
                path: path.to_owned(),
                text,
            });
        }
    }
    Ok(found)
}

/// What was counted in some source text.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Lines that are neither blank nor comment, outside of test modules.
    pub code: usize,
    /// The same inside `#[cfg(test)]` modules.
    pub tests: usize,
    /// `unsafe` blocks, functions and impls outside of test modules.
    pub r#unsafe: usize,
}

/// Counts a Rust file. By convention its `#[cfg(test)] mod` comes last.
#[must_use]
pub fn count(text: &str) -> Count {
    let mut count = Count::default();
    let mut in_tests = false;
    for line in text.lines().map(str::trim) {
        in_tests |= line == "#[cfg(test)]";
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        if in_tests {
            count.tests += 1;
        } else {
            count.code += 1;
            count.r#unsafe += unsafe_sites(line);
        }
    }
    count
}

/// How often a line of code opens an `unsafe` block, function, impl or extern block.
fn unsafe_sites(line: &str) -> usize {
    let code = line.split("//").next().unwrap_or(line);
    let opens = |rest: &str| {
        let rest = rest.trim_start();
        ["{", "fn ", "impl", "extern "]
            .iter()
            .any(|word| rest.starts_with(word))
    };
    code.split("unsafe ")
        .skip(1)
        .filter(|rest| opens(rest))
        .count()
}

/// Counts per room, by the folder at the root.
///
/// # Errors
/// As [`sources`].
pub fn rooms() -> Result<BTreeMap<String, Count>> {
    let mut rooms: BTreeMap<String, Count> = BTreeMap::new();
    for source in sources(&[".rs"])? {
        let Some((room, _)) = source.path.split_once('/') else {
            continue;
        };
        let found = count(&source.text);
        let whole = source
            .path
            .split('/')
            .any(|part| part == "tests" || part == "fuzz");
        let total = rooms.entry(room.to_owned()).or_default();
        total.code += if whole { 0 } else { found.code };
        total.tests += found.tests + if whole { found.code } else { 0 };
        total.r#unsafe += if whole { 0 } else { found.r#unsafe };
    }
    Ok(rooms)
}

/// Lines of code of every foreign crate that the kernel links, by crate name.
///
/// # Errors
/// If cargo cannot resolve the workspace or a source is missing.
pub fn dependencies() -> Result<BTreeMap<String, usize>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(repository())
        .args([
            "tree",
            "--package",
            "kernel",
            "--edges",
            "normal,no-proc-macro",
            "--prefix",
            "none",
        ])
        .args(["--target", "x86_64-unknown-linux-gnu", "--format", "{p}"])
        .output()
        .context("cannot run cargo tree")?;
    ensure!(
        output.status.success(),
        "cargo tree: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let linked: BTreeSet<(String, String)> = String::from_utf8(output.stdout)?
        .lines()
        .filter(|line| !line.contains(&format!("{}", repository().display())))
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((
                words.next()?.to_owned(),
                words.next()?.trim_start_matches('v').to_owned(),
            ))
        })
        .collect();
    let manifests = manifests()?;
    let mut counts = BTreeMap::new();
    for (name, version) in linked {
        let manifest = manifests.get(&(name.clone(), version.clone()));
        let manifest =
            manifest.with_context(|| format!("cargo metadata lacks {name} {version}"))?;
        let folder = manifest.parent().context("a manifest lies in a folder")?;
        counts.insert(
            format!("{name} {version}"),
            lines_below(&folder.join("src"))?,
        );
    }
    Ok(counts)
}

/// Where each package of the workspace's graph lies, by name and version.
fn manifests() -> Result<BTreeMap<(String, String), PathBuf>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--format-version", "1"];
    let output = Command::new(cargo)
        .current_dir(repository())
        .args(arguments)
        .output()?;
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata has no packages")?;
    let text = |package: &Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let row = |package: &Value| {
        let key = (text(package, "name"), text(package, "version"));
        (key, PathBuf::from(text(package, "manifest_path")))
    };
    Ok(packages.iter().map(row).collect())
}

fn lines_below(folder: &Path) -> Result<usize> {
    let mut lines = 0;
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            lines += lines_below(&path)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            lines += count(&std::fs::read_to_string(&path)?).code;
        }
    }
    Ok(lines)
}

/// Everything as JSON: `rooms` with `code`, `tests`, `unsafe`; `dependencies` with lines of code; and totals.
///
/// # Errors
/// As [`rooms`] and [`dependencies`].
pub fn report() -> Result<Value> {
    let rooms: serde_json::Map<String, Value> = rooms()?
        .into_iter()
        .map(|(room, c)| {
            (
                room,
                json!({"code": c.code, "tests": c.tests, "unsafe": c.r#unsafe}),
            )
        })
        .collect();
    let dependencies = dependencies()?;
    let total: usize = dependencies.values().sum();
    Ok(json!({"rooms": rooms, "dependencies": dependencies, "dependencies_total": total}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_tests_and_unsafe_are_told_apart() {
        let text = "//! Doc.\n\nfn a() {\n    // unsafe { in a comment }\n    unsafe { b() }\n}\n\
                    unsafe impl Send for X {}\n#[cfg(test)]\nmod tests {\n    unsafe fn c() {}\n}\n";
        assert_eq!(
            count(text),
            Count {
                code: 4,
                tests: 4,
                r#unsafe: 2
            }
        );
    }
}
