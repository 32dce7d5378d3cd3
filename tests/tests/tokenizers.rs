//! Our tokenizers against llama.cpp's: its expected ids for real vocabularies, and its tokenizer on random text.

use std::fs;
use std::path::{Path, PathBuf};

use inference::gguf::Header;
use inference::ids::TokenId;
use inference::tokenizer::{Special, TokenKind, Tokenizer};
use tests::oracles::{LlamaCppTokenizer, llama_cpp_source};
use tests::random::Random;

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

/// Text that goes through every branch of cutting and merging, and often from one into the next.
fn random_text(random: &mut Random, special: &[&str]) -> String {
    let mut text = String::new();
    for _ in 0..random.below(40) {
        match random.below(12) {
            0 => text.push_str(random.choose(WORDS)),
            1 => text.push_str(random.choose(ENDINGS)),
            2 => {
                text.extend((0..random.below(6)).map(|_| char::from(b'0' + random.below(10) as u8)))
            }
            3..=5 => text.push_str(random.choose(SPACES)),
            6 => text.push_str(random.choose(MARKS)),
            7 => {
                text.extend((0..random.below(4)).map(|_| char::from(b' ' + random.below(95) as u8)))
            }
            8 => text.push_str(random.choose(SCRIPTS)),
            9 if !special.is_empty() => text.push_str(random.choose(special)),
            10 => text.extend(char::from_u32(random.below(0x3000) as u32)),
            _ => text.extend(char::from_u32(random.below(0x0011_0000) as u32)),
        }
    }
    text
}

const WORDS: &[&str] = &[
    "Hello",
    "world",
    "the",
    " the",
    "In",
    "tokenizer",
    "AbCdEf",
    "naïve",
    "Ünïcödé",
    "x",
    "_",
];
const ENDINGS: &[&str] = &[
    "'s", "'T", "'re", "'VE", "'m", "'lL", "'d", "'", "''", "'ſ", "'x", " 's",
];
const SPACES: &[&str] = &[
    " ", " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", " \n ", "\u{a0}", "\u{3000}", "\u{85}",
    "\u{200b}",
];
const MARKS: &[&str] = &[
    "!",
    "...",
    "<|",
    "|>",
    "$",
    "+=",
    "`",
    "@#",
    "«",
    "—",
    "🚀",
    "👨‍👩‍👧",
    "\u{301}",
    "½",
    "²",
    "▁",
    "Ġ",
];
const SCRIPTS: &[&str] = &[
    "日本語",
    "한국어",
    "हिन्दी",
    "عربى",
    "١٢٣",
    "Ⅷ",
    "ไทย",
    "ελληνικά",
    "русский",
    "𝟙𝟚",
    "𠀀",
    "ꙮ",
    "\u{2ebf0}",
    "\u{1c89}",
];

/// Vocabularies without expected ids, which have other pre-tokenizers, user-defined tokens or no byte tokens.
const MORE_VOCABULARIES: &[&str] = &["aquila", "baichuan", "gpt-neox"];

/// llama.cpp drops white space after the special tokens of every model whose name says that it is this one, which is
/// not of an architecture that we run.
const STRIPS_SPACE: &str = "phi-3";

/// Texts for each vocabulary and way of treating special tokens.
const RANDOM_TEXTS: usize = 1000;
const SEED: u64 = 20;

fn assert_equal(
    name: &str,
    tokenizer: &Tokenizer,
    oracle: &mut LlamaCppTokenizer,
    text: &str,
    special: Special,
) {
    let expected = oracle.encode(text, special == Special::Parse);
    let expected = expected.expect("llama.cpp answers");
    assert_eq!(
        encode(tokenizer, text, special),
        expected,
        "{name}, {special:?}: {text:?}"
    );
}

#[test]
fn ids_of_random_texts_equal_llama_cpps() {
    println!("seed {SEED}");
    for name in VOCABULARIES
        .iter()
        .chain(MORE_VOCABULARIES)
        .filter(|name| **name != STRIPS_SPACE)
    {
        let file = vocabulary_file(name);
        let tokenizer = load(&file);
        let mut oracle = LlamaCppTokenizer::start(&file).expect("llama.cpp's tokenizer runs");
        let special = special_texts(&tokenizer);
        let mut random = Random::new(SEED);
        for _ in 0..RANDOM_TEXTS {
            for mode in [Special::Parse, Special::AsText] {
                assert_equal(
                    name,
                    &tokenizer,
                    &mut oracle,
                    &random_text(&mut random, &special),
                    mode,
                );
            }
        }
    }
}

/// The names of tokens that text is searched for.
fn special_texts(tokenizer: &Tokenizer) -> Vec<&str> {
    let is_special = |&token: &TokenId| {
        let kind = tokenizer
            .token_kind(token)
            .expect("an id below the vocabulary's length");
        matches!(
            kind,
            TokenKind::Control | TokenKind::Unknown | TokenKind::UserDefined
        )
    };
    let tokens = (0..tokenizer.vocabulary() as u32).map(TokenId);
    tokens
        .filter(is_special)
        .map(|token| tokenizer.token_text(token))
        .collect()
}

#[test]
fn every_character_is_cut_as_llama_cpp_cuts_it() {
    for name in ["gpt-2", "qwen2", "aquila"] {
        let file = vocabulary_file(name);
        let tokenizer = load(&file);
        let mut oracle = LlamaCppTokenizer::start(&file).expect("llama.cpp's tokenizer runs");
        let all: Vec<char> = ('\0'..=char::MAX).collect();
        for some in all.chunks(4096) {
            // Beside a letter, a digit and a space, a character shows its class.
            let text: String = some
                .iter()
                .flat_map(|&character| ['a', character, '1', character, ' '])
                .collect();
            assert_equal(name, &tokenizer, &mut oracle, &text, Special::AsText);
        }
    }
}

#[test]
fn every_token_stands_for_what_llama_cpp_says() {
    for name in VOCABULARIES.iter().chain(MORE_VOCABULARIES) {
        let file = vocabulary_file(name);
        let tokenizer = load(&file);
        let mut oracle = LlamaCppTokenizer::start(&file).expect("llama.cpp's tokenizer runs");
        let expected = oracle
            .vocabulary(tokenizer.vocabulary())
            .expect("llama.cpp answers");
        for (token, (ends, mut bytes)) in expected.into_iter().enumerate() {
            let token = TokenId(token as u32);
            if bytes.contains(&hexadecimal(b"[UNK_BYTE_0x")) {
                // llama.cpp complains in the text about one that spells no bytes; here it stands for itself.
                bytes = hexadecimal(tokenizer.token_text(token).as_bytes());
            }
            let found = (
                tokenizer.is_end_of_generation(token),
                hexadecimal(tokenizer.token_bytes(token)),
            );
            assert_eq!(
                found,
                (ends, bytes),
                "{name}: {}",
                tokenizer.token_text(token)
            );
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
