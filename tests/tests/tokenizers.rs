//! Our tokenizers against llama.cpp's: its expected ids for real vocabularies, and its tokenizer on random text.

use std::fs;
use std::path::{Path, PathBuf};

use inference::gguf::Header;
use inference::tokenizer::{Special, Tokenizer};
use tests::oracles::llama_cpp_source;

/// The vocabularies that must work, which is every one of a supported kind that has expected ids.
const VOCABULARIES: &[&str] = &[
    "command-r",
    "falcon",
    "gpt-2",
    "llama-bpe",
    "llama-spm",
    "mpt",
    "phi-3",
    "qwen2",
    "refact",
    "starcoder",
];

fn vocabulary_file(name: &str) -> PathBuf {
    let source = llama_cpp_source().expect("llama.cpp's source is at hand");
    source.join(format!("models/ggml-vocab-{name}.gguf"))
}

fn load(file: &Path) -> Tokenizer {
    let bytes = fs::read(file).expect("the vocabulary is readable");
    let header = Header::read(&mut bytes.as_slice()).expect("the vocabulary is a GGUF file");
    Tokenizer::from_gguf(&header).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn encode(tokenizer: &Tokenizer, text: &str, special: Special) -> Vec<u32> {
    let mut out = Vec::new();
    tokenizer.encode(text, special, &mut out);
    out.into_iter().map(|token| token.0).collect()
}

/// Texts and the ids that llama.cpp's own tests expect for them.
fn expectations(file: &Path) -> Vec<(String, Vec<u32>)> {
    let read = |suffix| {
        let path = format!("{}.{suffix}", file.display());
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let input = read("inp");
    let texts = input
        .strip_suffix("\n__ggml_vocab_test__\n")
        .expect("the list ends with a separator")
        .split("\n__ggml_vocab_test__\n");
    let ids = |line: &str| {
        line.split_whitespace()
            .map(|id| id.parse().expect("an id"))
            .collect()
    };
    let output = read("out");
    let pairs: Vec<_> = texts
        .map(String::from)
        .zip(output.lines().map(ids))
        .collect();
    assert!(pairs.len() >= 40 && pairs.len() == output.lines().count());
    pairs
}

#[test]
fn expected_ids_of_every_vocabulary() {
    for name in VOCABULARIES {
        let file = vocabulary_file(name);
        let tokenizer = load(&file);
        for (text, expected) in expectations(&file) {
            let found = encode(&tokenizer, &text, Special::AsText);
            assert_eq!(found, expected, "{name}: {text:?}");
        }
    }
}
