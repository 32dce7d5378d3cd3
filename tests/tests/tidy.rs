//! House rules that a machine can check, over every file that git tracks.

use tests::census::{self, Source};

/// Lines that a file may have before it needs a reason, tests at its end not counted.
const LONG_FILE: usize = 500;

/// Files past [`LONG_FILE`], how long they may be, and why they are still one subject. Shorten, never lengthen.
const LONG_FILES: &[(&str, usize, &str)] = &[];

fn rust() -> Vec<Source> {
    census::sources(&[".rs"]).expect("git lists our files")
}

fn check(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// The lines before the file's `#[cfg(test)]` module.
fn body_lines(text: &str) -> usize {
    text.lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .count()
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = rust()
        .into_iter()
        .filter(|s| !s.text.trim_start().starts_with("//!"));
    check(
        "a file opens with //! and its subject",
        silent.map(|s| s.path).collect(),
    );
}

#[test]
fn files_stay_readable() {
    let allowed = |path: &str| {
        LONG_FILES
            .iter()
            .find(|row| row.0 == path)
            .map_or(LONG_FILE, |row| row.1)
    };
    let long = rust().into_iter().filter_map(|s| {
        let lines = body_lines(&s.text);
        (lines > allowed(&s.path))
            .then(|| format!("{}: {lines} lines, {} allowed", s.path, allowed(&s.path)))
    });
    check("a file has one subject", long.collect());
}

#[test]
fn nothing_is_left_for_later() {
    // Spelled in halves, so that this file does not break its own rule.
    let words = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["XX", "X"],
        ["todo", "!("],
        ["unimplemented", "!("],
        ["#[ig", "nore"],
    ];
    let words = words.map(|halves| halves.concat());
    let broken = census::sources(&[".rs", ".py", ".md", ".toml", ".s", ".ld", ".html"])
        .expect("git lists our files");
    let broken = broken.iter().flat_map(|s| {
        s.text
            .lines()
            .enumerate()
            .map(move |(n, line)| (s, n, line))
    });
    let broken =
        broken.filter(|(_, _, line)| words.iter().any(|word| line.contains(word.as_str())));
    check(
        "no unfinished work in the tree",
        broken
            .map(|(s, n, line)| format!("{}:{}: {line}", s.path, n + 1))
            .collect(),
    );
}

#[test]
fn rooms_that_forbid_unsafe_have_none() {
    let rooms = census::rooms().expect("the rooms are counted");
    for room in [
        "inference",
        "serving",
        "firmware-loader",
        "shader-compiler",
        "shader-compiler/isa",
        "shaders",
        "shaders/tool",
        "qemu",
        "tests",
    ] {
        assert_eq!(rooms[room].r#unsafe, 0, "{room}");
    }
}
