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

/// Counts a Rust file: an item under `#[cfg(test)]` counts as tests, to the brace that closes it, which rustfmt puts under
/// the item's first character.
#[must_use]
pub fn count(text: &str) -> Count {
    let mut count = Count::default();
    let mut lines = text.lines().filter(|line| is_code(line));
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            count.code += 1;
            count.r#unsafe += unsafe_sites(line);
            continue;
        }
        count.tests += 1;
        let indent = &line[..line.len() - line.trim_start().len()];
        let mut attributes = true;
        for line in lines.by_ref() {
            count.tests += 1;
            attributes &= line.trim_start().starts_with("#[");
            let ends = line
                .strip_prefix(indent)
                .is_some_and(|rest| rest.starts_with('}'));
            if ends
                || (!attributes && line.ends_with(';') && !line[indent.len()..].starts_with(' '))
            {
                break;
            }
        }
    }
    count
}

fn is_code(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with("//")
}

/// Paths of the files that are only there for tests: modules declared under `#[cfg(test)]`, folders `tests` and `fuzz`.
fn test_files(sources: &[Source]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in sources {
        let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
        let folder = match file {
            "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
            _ => source.path.trim_end_matches(".rs").to_owned(),
        };
        let mut tested = false;
        for line in source.text.lines().map(str::trim) {
            let module = line
                .strip_suffix(';')
                .and_then(|item| item.rsplit_once("mod "));
            if let (true, Some((_, name))) = (tested, module) {
                found.insert(format!("{folder}/{name}.rs"));
                found.insert(format!("{folder}/{name}/mod.rs"));
            }
            if let (true, Some(path)) = (tested, line.strip_prefix("#[path = \"")) {
                let (parent, _) = source.path.rsplit_once('/').unwrap_or_default();
                found.insert(format!("{parent}/{}", path.trim_end_matches("\"]")));
            }
            tested = line == "#[cfg(test)]" || (tested && line.starts_with("#["));
        }
        if source
            .path
            .split('/')
            .any(|part| part == "tests" || part == "fuzz")
        {
            found.insert(source.path.clone());
        }
    }
    found
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

/// The folder of the crate that a file belongs to: the nearest above it with a manifest.
fn room(path: &str) -> Option<&str> {
    let folders = path.rmatch_indices('/').map(|(end, _)| &path[..end]);
    let mut crates =
        folders.filter(|folder| repository().join(folder).join("Cargo.toml").is_file());
    crates.next()
}

/// Counts per room: a crate, by its folder.
///
/// # Errors
/// As [`sources`].
pub fn rooms() -> Result<BTreeMap<String, Count>> {
    let sources = sources(&[".rs"])?;
    let test_files = test_files(&sources);
    let mut rooms: BTreeMap<String, Count> = BTreeMap::new();
    for source in &sources {
        let Some(room) = room(&source.path) else {
            continue;
        };
        let found = count(&source.text);
        let total = rooms.entry(room.to_owned()).or_default();
        if test_files.contains(&source.path) {
            total.tests += found.code + found.tests;
        } else {
            total.code += found.code;
            total.tests += found.tests;
            total.r#unsafe += found.r#unsafe;
        }
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
        let text = "//! Doc.\n#[cfg(test)]\nextern crate std;\n\nfn a() {\n    // unsafe { in a comment }\n    \
                    unsafe { b() }\n}\nunsafe impl Send for X {}\n#[cfg(test)]\nmod tests {\n    use a;\n    \
                    unsafe fn c() {}\n}\nfn d() {}\n";
        let expected = Count {
            code: 5,
            tests: 7,
            r#unsafe: 2,
        };
        assert_eq!(count(text), expected);
    }

    #[test]
    fn files_of_tests_are_found() {
        let source = |path: &str, text: &str| Source {
            path: path.into(),
            text: text.into(),
        };
        let sources = [
            source("a/src/mod.rs", "#[cfg(test)]\nmod tests;\nmod b;\n"),
            source(
                "a/src/b.rs",
                "#[cfg(test)]\n#[path = \"b_tests.rs\"]\nmod tests;\n",
            ),
            source("a/tests/c.rs", ""),
        ];
        let found = test_files(&sources);
        for path in ["a/src/tests.rs", "a/src/b_tests.rs", "a/tests/c.rs"] {
            assert!(found.contains(path), "{path}");
        }
        assert!(!found.contains("a/src/b.rs"));
    }
}
