//! Cutting text into words, inside which byte-level BPE then merges.
//!
//! Published tokenizers say how to cut by a list of regular expressions: the first cuts the text into matches and what
//! lies between them, the next cuts each of these pieces, and so on. None of the expressions looks back, so each is here
//! a function from the rest of a piece to the length of the next smaller piece. They are named by what they are known
//! as; the expression stands above each.

use alloc::string::ToString;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use super::TokenizerError;

/// One step of cutting: the length in bytes of the first piece of a text that is not empty.
type Step = fn(&str) -> usize;

/// What a name in `tokenizer.ggml.pre` stands for.
#[derive(Debug)]
pub(super) struct PreTokenizer {
    steps: &'static [Step],
    /// A word that is a token is not merged from its bytes.
    pub(super) ignores_merges: bool,
    /// Whether a text begins with the bos token unless the file says otherwise.
    pub(super) adds_bos: bool,
}

const fn plain(steps: &'static [Step]) -> PreTokenizer {
    PreTokenizer {
        steps,
        ignores_merges: false,
        adds_bos: false,
    }
}

static DEFAULT: PreTokenizer = plain(&[operators, gpt2, numbers, three_digits]);
static GPT2: PreTokenizer = plain(&[gpt2]);
static FALCON: PreTokenizer = plain(&[operators_and_backtick, gpt2, three_digits]);
static STARCODER: PreTokenizer = plain(&[number, gpt2]);
static QWEN2: PreTokenizer = plain(&[qwen2]);
static DBRX: PreTokenizer = plain(&[llama3]);
static LLAMA3: PreTokenizer = PreTokenizer {
    steps: &[llama3],
    ignores_merges: true,
    adds_bos: true,
};
static GLM4: PreTokenizer = PreTokenizer {
    steps: &[llama3],
    ignores_merges: true,
    adds_bos: false,
};

/// Names as llama.cpp's converter writes them.
static NAMES: &[(&PreTokenizer, &[&str])] = &[
    (&DEFAULT, &["default"]),
    (
        &GPT2,
        &[
            "gpt-2",
            "phi-2",
            "jina-es",
            "jina-de",
            "jina-v2-es",
            "jina-v2-de",
            "gigachat",
            "a.x-4.0",
            "mellum",
            "modern-bert",
            "exaone4",
            "mpt",
            "olmo",
            "jais",
            "trillion",
            "granite-docling",
        ],
    ),
    (&FALCON, &["falcon"]),
    (
        &STARCODER,
        &[
            "starcoder",
            "refact",
            "command-r",
            "smollm",
            "codeshell",
            "exaone",
            "minerva-7b",
            "mellum2",
        ],
    ),
    (
        &QWEN2,
        &[
            "qwen2",
            "deepseek-r1-qwen",
            "kormo",
            "f2llmv2",
            "megrez",
            "stablelm2",
            "hunyuan",
            "solar-open",
            "grok-2",
        ],
    ),
    (&DBRX, &["dbrx", "smaug-bpe", "chatglm-bpe"]),
    (
        &LLAMA3,
        &[
            "llama3",
            "llama-v3",
            "llama-bpe",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "midm-2.0",
            "lfm2",
            "jina-v5-nano",
        ],
    ),
    (&GLM4, &["glm4", "glm5"]),
];

impl PreTokenizer {
    pub(super) fn by_name(name: &str) -> Result<&'static Self, TokenizerError> {
        let found = NAMES.iter().find(|(_, names)| names.contains(&name));
        let (pre_tokenizer, _) = found.ok_or_else(|| TokenizerError::UnknownPreTokenizer {
            found: name.to_string(),
        })?;
        Ok(pre_tokenizer)
    }

    /// Calls `emit` with every word of `text`, in order.
    pub(super) fn words(&self, text: &str, emit: &mut dyn FnMut(&str)) {
        cut(self.steps, text, emit);
    }
}

fn cut(steps: &[Step], mut text: &str, emit: &mut dyn FnMut(&str)) {
    let Some((step, finer)) = steps.split_first() else {
        return emit(text);
    };
    while !text.is_empty() {
        let (piece, rest) = text.split_at(step(text));
        cut(finer, piece, emit);
        text = rest;
    }
}

/// What the expressions distinguish.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// `\p{L}`
    Letter,
    /// `\p{N}`
    Number,
    /// `\s`
    Space,
    /// Everything else.
    Other,
}

fn class(character: char) -> Class {
    match character {
        'a'..='z' | 'A'..='Z' => Class::Letter,
        '0'..='9' => Class::Number,
        _ if character.is_whitespace() => Class::Space,
        '\0'..='\x7f' => Class::Other,
        _ => match character.general_category_group() {
            GeneralCategoryGroup::Letter => Class::Letter,
            GeneralCategoryGroup::Number => Class::Number,
            _ => Class::Other,
        },
    }
}

fn is_number(character: char) -> bool {
    class(character) == Class::Number
}

fn is_newline(character: char) -> bool {
    matches!(character, '\r' | '\n')
}

/// `[\p{P}\$\+<=>\^~\|]`
fn is_operator(character: char) -> bool {
    matches!(character, '$' | '+' | '<' | '=' | '>' | '^' | '~' | '|')
        || character.general_category_group() == GeneralCategoryGroup::Punctuation
}

/// Length of the longest prefix of characters that `belongs` accepts.
fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|character| !belongs(character))
        .unwrap_or(text.len())
}

fn run_of(text: &str, wanted: Class) -> usize {
    run(text, |character| class(character) == wanted)
}

/// The run that the first character belongs to: of those that `belongs` accepts, or of the others.
fn run_or_gap(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    let matches = text.starts_with(&belongs);
    run(text, |character| belongs(character) == matches)
}

/// `[\p{P}\$\+<=>\^~\|]+`
fn operators(text: &str) -> usize {
    run_or_gap(text, is_operator)
}

/// ``[\p{P}\$\+<=>\^~\|`]+``
fn operators_and_backtick(text: &str) -> usize {
    run_or_gap(text, |character| character == '`' || is_operator(character))
}

/// `\p{N}+`
fn numbers(text: &str) -> usize {
    run_or_gap(text, is_number)
}

/// `\p{N}`
fn number(text: &str) -> usize {
    match text.chars().next() {
        Some(first) if is_number(first) => first.len_utf8(),
        _ => run_or_gap(text, is_number),
    }
}

/// `[0-9][0-9][0-9]`
fn three_digits(text: &str) -> usize {
    match text
        .as_bytes()
        .windows(3)
        .position(|window| window.iter().all(u8::is_ascii_digit))
    {
        Some(0) => 3,
        Some(start) => start,
        None => text.len(),
    }
}

/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
fn gpt2(text: &str) -> usize {
    if let Some(length) = contraction(text, str::eq) {
        return length;
    }
    let body = text.strip_prefix(' ').unwrap_or(text);
    match body.chars().next().map(class) {
        None | Some(Class::Space) => spaces(text),
        Some(class) => text.len() - body.len() + run_of(body, class),
    }
}

/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
fn llama3(text: &str) -> usize {
    letters_numbers_others(text, 3)
}

/// As [`llama3`], but `\p{N}` for the numbers.
fn qwen2(text: &str) -> usize {
    letters_numbers_others(text, 1)
}

fn letters_numbers_others(text: &str, most_numbers: usize) -> usize {
    if let Some(length) = contraction(text, str::eq_ignore_ascii_case) {
        return length;
    }
    let Some(first) = text.chars().next() else {
        return 0;
    };
    let first_class = class(first);
    let rest = &text[first.len_utf8()..];
    let letters = run_of(rest, Class::Letter);
    if first_class == Class::Letter
        || (letters > 0 && first_class != Class::Number && !is_newline(first))
    {
        return first.len_utf8() + letters;
    }
    if first_class == Class::Number {
        let numbers = text
            .chars()
            .take(most_numbers)
            .take_while(|&character| is_number(character));
        return numbers.map(char::len_utf8).sum();
    }
    let body = text.strip_prefix(' ').unwrap_or(text);
    let others = run_of(body, Class::Other);
    if others > 0 {
        let newlines = run(&body[others..], is_newline);
        return text.len() - body.len() + others + newlines;
    }
    match text[..run_of(text, Class::Space)].rfind(is_newline) {
        Some(last) => last + 1,
        None => spaces(text),
    }
}

/// `'s|'t|'re|'ve|'m|'ll|'d`
fn contraction(text: &str, equal: fn(&str, &str) -> bool) -> Option<usize> {
    let rest = text.strip_prefix('\'')?;
    let endings = ["s", "t", "re", "ve", "m", "ll", "d"];
    let ending = endings.iter().find(|ending| {
        rest.get(..ending.len())
            .is_some_and(|start| equal(start, ending))
    })?;
    Some(1 + ending.len())
}

/// `\s+(?!\S)|\s+`: a run of white space, less its last character where something follows that is to have it.
fn spaces(text: &str) -> usize {
    let length = run_of(text, Class::Space);
    match text[..length].chars().next_back() {
        Some(last) if length < text.len() && length > last.len_utf8() => length - last.len_utf8(),
        _ => length,
    }
}
