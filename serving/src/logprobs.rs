//! Log-probabilities of tokens, as the inside of the lists that the two endpoints show them in.

use alloc::string::String;
use core::fmt::{self, Write};

use inference::ids::TokenId;
use inference::sampler::LogProbabilities;
use inference::tokenizer::Tokenizer;

use crate::answer::Format;
use crate::json::{Escaped, Lossy};

/// What JSON can say instead of minus infinity; OpenAI says the same.
const IMPOSSIBLE: f32 = -9999.0;

/// Lists of JSON values without their brackets, an entry per token. A chat uses only the first.
#[derive(Debug, Default)]
pub(crate) struct Logprobs {
    tokens: String,
    logprobs: String,
    top: String,
    offsets: String,
}

impl Logprobs {
    /// Appends a token, whose text begins after `offset` characters.
    pub(crate) fn push(
        &mut self,
        format: Format,
        tokenizer: &Tokenizer,
        token: TokenId,
        logprobs: &LogProbabilities,
        offset: usize,
    ) -> fmt::Result {
        if !self.tokens.is_empty() {
            for list in [
                &mut self.tokens,
                &mut self.logprobs,
                &mut self.top,
                &mut self.offsets,
            ] {
                list.push(',');
            }
        }
        match format {
            Format::Chat => {
                let out = &mut self.tokens;
                write_entry(out, tokenizer, token, logprobs.chosen)?;
                out.write_str(",\"top_logprobs\":[")?;
                for (index, &(token, logprob)) in logprobs.top.iter().enumerate() {
                    out.write_str(if index > 0 { "," } else { "" })?;
                    write_entry(out, tokenizer, token, logprob)?;
                    out.write_char('}')?;
                }
                out.write_str("]}")
            }
            Format::Completion => {
                write!(self.tokens, "\"{}\"", Key(tokenizer.token_bytes(token)))?;
                write!(self.logprobs, "{}", finite(logprobs.chosen))?;
                let top = logprobs.top.iter();
                let top = top.map(|&(token, logprob)| (tokenizer.token_bytes(token), logprob));
                write_alternatives(&mut self.top, top)?;
                write!(self.offsets, "{offset}")
            }
        }
    }

    /// Writes the value of `logprobs`.
    pub(crate) fn write(&self, format: Format, out: &mut impl Write) -> fmt::Result {
        let Self {
            tokens,
            logprobs,
            top,
            offsets,
        } = self;
        match format {
            Format::Chat => write!(out, "{{\"content\":[{tokens}],\"refusal\":null}}"),
            Format::Completion => write!(
                out,
                "{{\"tokens\":[{tokens}],\"token_logprobs\":[{logprobs}],\"top_logprobs\":[{top}],\
                 \"text_offset\":[{offsets}]}}"
            ),
        }
    }

    pub(crate) fn clear(&mut self) {
        for list in [
            &mut self.tokens,
            &mut self.logprobs,
            &mut self.top,
            &mut self.offsets,
        ] {
            list.clear();
        }
    }

    /// Bytes written.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len() + self.logprobs.len() + self.top.len() + self.offsets.len()
    }

    /// Bytes of memory held.
    pub(crate) fn capacity(&self) -> usize {
        [&self.tokens, &self.logprobs, &self.top, &self.offsets]
            .map(String::capacity)
            .iter()
            .sum()
    }
}

/// Writes the object of a completion that holds the alternatives of a token, the likeliest first. Two tokens may have one
/// text: it stands there once, for the likelier of them.
fn write_alternatives<'a>(
    out: &mut String,
    top: impl Iterator<Item = (&'a [u8], f32)> + Clone,
) -> fmt::Result {
    out.push('{');
    for (index, (bytes, logprob)) in top.clone().enumerate() {
        if top.clone().take(index).any(|(other, _)| other == bytes) {
            continue;
        }
        out.push_str(if index > 0 { "," } else { "" });
        write!(out, "\"{}\":{}", Key(bytes), finite(logprob))?;
    }
    out.push('}');
    Ok(())
}

/// Shows a token as OpenAI's completions name it, as the inside of a JSON string: bytes that are no whole characters
/// are spelled out, as all of them would be one and the same replacement character.
struct Key<'a>(&'a [u8]);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match core::str::from_utf8(self.0) {
            Ok(text) => Escaped(text).fmt(f),
            Err(_) => {
                f.write_str("bytes:")?;
                self.0
                    .iter()
                    .try_for_each(|byte| write!(f, "\\\\x{byte:02x}"))
            }
        }
    }
}

/// Writes a token of a chat, its object left open.
fn write_entry(
    out: &mut String,
    tokenizer: &Tokenizer,
    token: TokenId,
    logprob: f32,
) -> fmt::Result {
    let bytes = tokenizer.token_bytes(token);
    write!(
        out,
        "{{\"token\":\"{}\",\"logprob\":{},\"bytes\":[",
        Lossy(bytes),
        finite(logprob)
    )?;
    for (index, byte) in bytes.iter().enumerate() {
        write!(out, "{}{byte}", if index > 0 { "," } else { "" })?;
    }
    out.write_char(']')
}

fn finite(logprob: f32) -> f32 {
    if logprob.is_finite() {
        logprob
    } else {
        IMPOSSIBLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use alloc::format;

    #[test]
    fn no_alternative_is_named_twice() {
        // What a vocabulary with a token for each byte may come to: `A` twice, and halves of characters.
        let top: [(&[u8], f32); 6] = [
            (b"A", -1.0),
            (b"A", -2.0),
            (b"\xe2\x80", -3.0),
            (b"\xe2", -4.0),
            ("\u{e9}\"".as_bytes(), f32::NEG_INFINITY),
            (b"\\", -5.5),
        ];
        let mut out = String::new();
        write_alternatives(&mut out, top.into_iter()).unwrap();
        let expected =
            r#"{"A":-1,"bytes:\\xe2\\x80":-3,"bytes:\\xe2":-4,"\u{e9}\"":-9999,"\\":-5.5}"#;
        assert_eq!(out, expected.replace("\\u{e9}", "\u{e9}"));
        // The parser refuses a key that occurs twice.
        assert!(json::parse(out.as_bytes()).is_ok());
        let all: [[u8; 1]; 128] = core::array::from_fn(|n| [n as u8 + 128]);
        let names = all.map(|byte| format!("{}", Key(&byte)));
        assert!((1..128).all(|n| !names[..n].contains(&names[n])));
    }
}
