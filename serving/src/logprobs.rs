//! Log-probabilities of tokens, as the inside of the lists that the two endpoints show them in.

use alloc::string::String;
use core::fmt::{self, Write};

use inference::ids::TokenId;
use inference::sampler::LogProbabilities;
use inference::tokenizer::Tokenizer;

use crate::answer::Format;
use crate::json::Lossy;

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
                write!(self.tokens, "\"{}\"", Lossy(tokenizer.token_bytes(token)))?;
                write!(self.logprobs, "{}", finite(logprobs.chosen))?;
                self.top.push('{');
                for (index, &(token, logprob)) in logprobs.top.iter().enumerate() {
                    self.top.push_str(if index > 0 { "," } else { "" });
                    let text = Lossy(tokenizer.token_bytes(token));
                    write!(self.top, "\"{text}\":{}", finite(logprob))?;
                }
                self.top.push('}');
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

    /// Bytes held.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len() + self.logprobs.len() + self.top.len() + self.offsets.len()
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
