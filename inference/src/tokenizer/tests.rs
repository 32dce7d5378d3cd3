//! Against the slow obvious way, on random vocabularies and texts; and what broken metadata is answered with.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use std::println;

use super::byte_level::byte_to_char;
use super::metadata::UNKNOWN;
use super::*;
use crate::test_random::Random;

const SEED: u64 = 7;

/// The texts of a vocabulary, and the merges that made those that are not single bytes.
struct Texts {
    tokens: Vec<String>,
    merges: Vec<String>,
}

/// All bytes, and `count` merges of random tokens.
fn random_byte_level(random: &mut Random, count: usize) -> Texts {
    let mut tokens: Vec<String> = (0..=u8::MAX)
        .map(|byte| byte_to_char(byte).to_string())
        .collect();
    let mut merges = Vec::new();
    while merges.len() < count {
        // Mostly few letters, so that merges apply often.
        let mut part = || match random.below(3) {
            0 => tokens[random.below(tokens.len())].clone(),
            _ => tokens[usize::from(b'a') + random.below(3)].clone(),
        };
        let (left, right) = (part(), part());
        let whole = format!("{left}{right}");
        if !tokens.contains(&whole) {
            merges.push(format!("{left} {right}"));
            tokens.push(whole);
        }
    }
    Texts { tokens, merges }
}

fn byte_level_metadata(texts: &Texts) -> Metadata<'_> {
    Metadata {
        model: "gpt2",
        pre: Some("qwen2"),
        tokens: texts.tokens.iter().map(String::as_str).collect(),
        merges: Some(texts.merges.iter().map(String::as_str).collect()),
        ..Metadata::default()
    }
}

/// `<unk>`, `<s>`, `</s>`, the 256 byte tokens, then `words` with scores that fall.
fn sentence_piece_metadata<'a>(bytes: &'a [String], words: &[&'a str]) -> Metadata<'a> {
    let mut tokens = vec!["<unk>", "<s>", "</s>"];
    tokens.extend(bytes.iter().map(String::as_str));
    let mut token_types = vec![2, 3, 3];
    token_types.resize(tokens.len(), 6);
    tokens.extend(words);
    token_types.resize(tokens.len(), 1);
    let scores = (0..tokens.len()).map(|token| -(token as f32)).collect();
    Metadata {
        model: "llama",
        tokens,
        token_types: Some(token_types),
        scores: Some(scores),
        ..Metadata::default()
    }
}

fn byte_names() -> Vec<String> {
    (0..=u8::MAX)
        .map(|byte| format!("<0x{byte:02X}>"))
        .collect()
}

fn tokenizer(metadata: &Metadata<'_>) -> Tokenizer {
    Tokenizer::new(metadata).unwrap_or_else(|error| panic!("{error}"))
}

fn encode(tokenizer: &Tokenizer, text: &str, special: Special) -> Vec<TokenId> {
    let mut out = Vec::new();
    tokenizer.encode(text, special, &mut out);
    assert!(
        out.len() >= tokenizer.least_tokens(text.len()),
        "{text:?}: {out:?}"
    );
    out
}

fn names<'a>(tokenizer: &'a Tokenizer, tokens: &[TokenId]) -> Vec<&'a str> {
    tokens
        .iter()
        .map(|&token| tokenizer.token_text(token))
        .collect()
}

fn random_text(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(30) {
        match random.below(4) {
            0 => text.extend(char::from_u32(random.below(0x0011_0000) as u32)),
            1 => text.push([' ', '\n', '1', '\''][random.below(4)]),
            _ => {
                text.extend((0..random.below(20)).map(|_| char::from(b'a' + random.below(3) as u8)))
            }
        }
    }
    text
}

/// Merges the pair of the lowest rank, the leftmost of equals, until there is none.
fn merge_slowly(mut parts: Vec<String>, rank: impl Fn(&str, &str) -> Option<usize>) -> Vec<String> {
    loop {
        let ranked =
            (1..parts.len()).filter_map(|at| Some((rank(&parts[at - 1], &parts[at])?, at)));
        let Some((_, at)) = ranked.min() else {
            return parts;
        };
        let right = parts.remove(at);
        parts[at - 1].push_str(&right);
    }
}

#[test]
fn byte_level_equals_the_slow_way_and_comes_back() {
    println!("seed {SEED}");
    let mut random = Random::new(SEED);
    for _ in 0..10 {
        let texts = random_byte_level(&mut random, 60);
        let tokenizer = tokenizer(&byte_level_metadata(&texts));
        let pre_tokenizer = pre_tokenizer::PreTokenizer::by_name("qwen2").expect("a known name");
        for _ in 0..30 {
            let text = random_text(&mut random);
            let mut expected = Vec::new();
            pre_tokenizer.words(&text, &mut |word| {
                let bytes = word
                    .bytes()
                    .map(|byte| byte_to_char(byte).to_string())
                    .collect();
                expected.extend(merge_slowly(bytes, |left, right| {
                    texts
                        .merges
                        .iter()
                        .position(|merge| *merge == format!("{left} {right}"))
                }));
            });
            let tokens = encode(&tokenizer, &text, Special::AsText);
            assert_eq!(names(&tokenizer, &tokens), expected, "{text:?}");
            assert_eq!(tokenizer.detokenize(&tokens, ControlTokens::Hide), text);
        }
    }
}

#[test]
fn sentence_piece_equals_the_slow_way_and_comes_back() {
    println!("seed {SEED}");
    let mut random = Random::new(SEED);
    let bytes = byte_names();
    for _ in 0..10 {
        let mut words = vec![String::from("▁"), "a".into(), "b".into(), "c".into()];
        while words.len() < 60 {
            let word = format!(
                "{}{}",
                words[random.below(words.len())],
                words[random.below(words.len())]
            );
            if !words.contains(&word) {
                words.push(word);
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let tokenizer = tokenizer(&sentence_piece_metadata(&bytes, &words));
        for _ in 0..30 {
            let text = random_text(&mut random);
            let escaped = format!(" {text}").replace(' ', "▁");
            let characters = escaped.chars().map(String::from).collect();
            let merged = merge_slowly(characters, |left, right| {
                words
                    .iter()
                    .position(|word| *word == format!("{left}{right}"))
            });
            let mut expected = Vec::new();
            for part in merged.iter().filter(|_| !text.is_empty()) {
                match words.contains(&part.as_str()) {
                    true => expected.push(part.clone()),
                    false => expected.extend(part.bytes().map(|byte| format!("<0x{byte:02X}>"))),
                }
            }
            let tokens = encode(&tokenizer, &text, Special::AsText);
            assert_eq!(names(&tokenizer, &tokens), expected, "{text:?}");
            assert_eq!(
                tokenizer.detokenize(&tokens, ControlTokens::Hide),
                text.replace('▁', " ")
            );
        }
    }
}

#[test]
fn a_megabyte_without_a_place_to_cut() {
    const LENGTH: usize = 1 << 20;
    let mut texts = random_byte_level(&mut Random::new(SEED), 0);
    for power in 0..10 {
        let half = "x".repeat(1 << power);
        texts.merges.push(format!("{half} {half}"));
        texts.tokens.push(half.repeat(2));
    }
    let text = "x".repeat(LENGTH);
    let byte_level = tokenizer(&byte_level_metadata(&texts));
    assert_eq!(
        encode(&byte_level, &text, Special::Parse).len(),
        LENGTH / 1024
    );
    assert_eq!(byte_level.least_tokens(LENGTH), LENGTH / 1024);

    let words: Vec<String> = (0..=10).rev().map(|power| "x".repeat(1 << power)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).rev().collect();
    let bytes = byte_names();
    let mut metadata = sentence_piece_metadata(&bytes, &words);
    metadata.add_space_prefix = Some(false);
    let sentence_piece = tokenizer(&metadata);
    assert_eq!(
        encode(&sentence_piece, &text, Special::Parse).len(),
        LENGTH / 1024
    );
    assert_eq!(sentence_piece.least_tokens(LENGTH), LENGTH / 1024);
}

#[test]
fn text_of_a_user_never_becomes_a_control_token() {
    let bytes = byte_names();
    // Every part on the way from the characters to "</s>" is a token.
    let mut metadata =
        sentence_piece_metadata(&bytes, &["▁", "<", "/", "s", ">", "</", "s>", "<tool>"]);
    let tool = metadata.tokens.len() as u32 - 1;
    metadata.token_types.as_mut().expect("set")[tool as usize] = 4;
    let tokenizer = tokenizer(&metadata);
    assert_eq!(
        names(&tokenizer, &encode(&tokenizer, "</s>", Special::Parse)),
        ["</s>"]
    );
    let user = encode(&tokenizer, "</s><unk>", Special::AsText);
    assert!(
        user.iter()
            .all(|&token| !tokenizer.token_kind(token).expect("in range").is_hidden())
    );
    assert_eq!(
        tokenizer.detokenize(&user, ControlTokens::Show),
        "</s><unk>"
    );
    // A user-defined token is text, and found in all text.
    assert_eq!(
        encode(&tokenizer, "<tool>", Special::AsText),
        [TokenId(tool)]
    );
}

#[test]
fn no_merge_of_a_users_text_makes_a_control_token() {
    let mut texts = random_byte_level(&mut Random::new(SEED), 0);
    texts.tokens.extend(["ab".into(), "abc".into()]);
    texts.merges = vec!["a b".into(), "ab c".into()];
    let mut metadata = byte_level_metadata(&texts);
    let mut token_types = vec![1; metadata.tokens.len()];
    token_types[257] = 3;
    // A single byte, too.
    token_types[usize::from(b'z')] = 3;
    metadata.token_types = Some(token_types);
    let tokenizer = tokenizer(&metadata);
    let tokens = encode(&tokenizer, "abcz", Special::AsText);
    assert_eq!(names(&tokenizer, &tokens), ["ab", "c"]);
    let tokens = encode(&tokenizer, "abcz", Special::Parse);
    assert_eq!(names(&tokenizer, &tokens), ["abc", "z"]);
}

#[test]
fn parts_leave_no_seam_and_do_not_share_control_tokens() {
    let texts = random_byte_level(&mut Random::new(SEED), 60);
    let mut metadata = byte_level_metadata(&texts);
    metadata.tokens.push("<|im_end|>");
    let tokenizer = tokenizer(&metadata);
    let end = TokenId(metadata.tokens.len() as u32 - 1);
    assert_eq!(tokenizer.end_of_generation(), [end]);

    let mut parts = Vec::new();
    tokenizer.encode_parts(
        [("aab", Special::Parse), ("bca", Special::AsText)],
        &mut parts,
    );
    assert_eq!(parts, encode(&tokenizer, "aabbca", Special::Parse));
    parts.clear();
    tokenizer.encode_parts(
        [("<|im_", Special::Parse), ("end|>", Special::Parse)],
        &mut parts,
    );
    assert_eq!(parts, encode(&tokenizer, "<|im_end|>", Special::AsText));
    parts.clear();
    tokenizer.encode_parts(
        [
            ("<|im_end|>", Special::AsText),
            ("<|im_end|>", Special::Parse),
        ],
        &mut parts,
    );
    assert_eq!(parts.iter().filter(|&&token| token == end).count(), 1);
    assert_eq!(parts.last(), Some(&end));
}

#[test]
fn longer_special_tokens_are_found_first() {
    let texts = random_byte_level(&mut Random::new(SEED), 0);
    let mut metadata = byte_level_metadata(&texts);
    let mut token_types = vec![1; metadata.tokens.len()];
    metadata.tokens.extend(["xab", "abcd", "ab"]);
    token_types.extend([4, 4, 4]);
    metadata.token_types = Some(token_types);
    let tokenizer = tokenizer(&metadata);
    let tokens = encode(&tokenizer, "xabcdabxab", Special::AsText);
    assert_eq!(names(&tokenizer, &tokens), ["x", "abcd", "ab", "xab"]);
}

#[test]
fn streaming_equals_lossy_decoding_of_the_whole() {
    println!("seed {SEED}");
    let mut random = Random::new(SEED);
    let texts = random_byte_level(&mut random, 0);
    let tokenizer = tokenizer(&byte_level_metadata(&texts));
    for _ in 0..2000 {
        let mut bytes = random_text(&mut random).into_bytes();
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len() + 1);
            bytes.insert(at, random.next() as u8);
        }
        let mut detokenizer = Detokenizer::new();
        let mut text = String::new();
        for (count, &byte) in bytes.iter().enumerate() {
            detokenizer.push(&tokenizer, TokenId(u32::from(byte)), &mut text);
            // No more is held back than a character that is not whole.
            let whole = String::from_utf8_lossy(&bytes[..=count]);
            let held = whole.chars().count() - text.chars().count();
            assert!(whole.starts_with(text.as_str()) && held <= 1, "{bytes:?}");
        }
        detokenizer.finish(&mut text);
        assert_eq!(text, String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn control_tokens_show_only_when_asked_for() {
    let bytes = byte_names();
    let tokenizer = tokenizer(&sentence_piece_metadata(&bytes, &["▁a"]));
    let a = TokenId(tokenizer.vocabulary() as u32 - 1);
    let tokens = [TokenId(1), a, a, TokenId(2), TokenId(u32::MAX)];
    assert_eq!(tokenizer.detokenize(&tokens, ControlTokens::Hide), "a a");
    assert_eq!(
        tokenizer.detokenize(&tokens, ControlTokens::Show),
        "<s> a a</s>"
    );
    let mut continued = String::new();
    Detokenizer::new().push(&tokenizer, a, &mut continued);
    assert_eq!(continued, " a");
}

#[test]
fn characters_without_byte_tokens_become_the_unknown_token() {
    let mut metadata = sentence_piece_metadata(&[], &["▁", "a"]);
    metadata.roles[UNKNOWN] = Some(0);
    let tokenizer = tokenizer(&metadata);
    assert_eq!(
        names(&tokenizer, &encode(&tokenizer, "aéa", Special::AsText)),
        ["▁", "a", "<unk>", "a"]
    );
}

/// A change to good metadata, and the whole of the error that it must cause.
type Fault = (fn(&mut Metadata<'_>), &'static str);

#[test]
fn every_fault_is_named() {
    let byte_level: &[Fault] = &[
        (
            |m| m.model = "bert",
            "tokenizer.ggml.model is \"bert\", supported are \"llama\" and \"gpt2\"",
        ),
        (
            |m| m.pre = Some("tekken"),
            "tokenizer.ggml.pre is \"tekken\", which is not a supported pre-tokenizer",
        ),
        (|m| m.merges = None, "tokenizer.ggml.merges is missing"),
        (
            |m| m.tokens.clear(),
            "tokenizer.ggml.tokens has 0 tokens of 0 bytes together, expected 1 to 1048576 of at most 4294967295",
        ),
        (
            |m| m.token_types = Some(vec![1; 3]),
            "tokenizer.ggml.token_type has 3 items, expected one for each of 256 tokens",
        ),
        (
            |m| m.token_types = Some(vec![7; 256]),
            "tokenizer.ggml.token_type of token 0 is 7, expected 0 to 6",
        ),
        (
            |m| m.token_types = Some(vec![6; 256]),
            "tokenizer.ggml.token_type says byte for token 0, whose text is \"Ā\", not <0xXX>",
        ),
        (
            |m| m.tokens[98] = "a",
            "tokenizer.ggml.tokens has \"a\" twice, as 97 and as 98",
        ),
        (
            |m| m.tokens[3] = str::from_utf8(&[b'x'; 4097]).expect("letters"),
            "tokenizer.ggml.tokens item 3 has 4097 bytes, expected at most 4096",
        ),
        (
            |m| m.roles[BOS] = Some(256),
            "tokenizer.ggml.bos_token_id is 256, but the vocabulary has 256 tokens",
        ),
        (
            |m| m.merges = Some(vec!["ab"]),
            "tokenizer.ggml.merges item 0 is \"ab\", expected two parts and a space between",
        ),
        (
            |m| m.merges = Some(vec!["a  b"]),
            "tokenizer.ggml.merges item 0 is \"a  b\", expected two parts and a space between",
        ),
        (
            |m| m.merges = Some(vec!["a b"]),
            "tokenizer.ggml.merges item 0 needs \"ab\", which is not in tokenizer.ggml.tokens",
        ),
        (
            |m| {
                m.tokens[0] = "ab";
                m.merges = Some(vec!["a b", "a b"]);
            },
            "tokenizer.ggml.merges item 1, \"a b\", was there before",
        ),
    ];
    let sentence_piece: &[Fault] = &[
        (|m| m.scores = None, "tokenizer.ggml.scores is missing"),
        (
            |m| m.scores = Some(vec![0.0]),
            "tokenizer.ggml.scores has 1 items, expected one for each of 260 tokens",
        ),
        (
            |m| m.scores.as_mut().expect("set")[5] = f32::NAN,
            "tokenizer.ggml.scores of token 5 is not a number",
        ),
    ];
    let texts = random_byte_level(&mut Random::new(SEED), 0);
    let bytes = byte_names();
    let kinds = [
        (byte_level_metadata(&texts), byte_level),
        (sentence_piece_metadata(&bytes, &["a"]), sentence_piece),
    ];
    for (good, faults) in kinds {
        tokenizer(&good);
        for (break_it, expected) in faults {
            let mut metadata = good.clone();
            break_it(&mut metadata);
            let error = Tokenizer::new(&metadata).err().expect(expected);
            assert_eq!(error.to_string(), *expected);
        }
    }
}
