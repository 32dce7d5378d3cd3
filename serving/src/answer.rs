//! The answer to one request while the engine works on it: the tokens of its choices become JSON, streamed or whole.
//!
//! A stream gets one event a token, also where the token's text is held back (half a character, or what may become a
//! stop string): its delta is empty then. The concatenation of the deltas is the text of the whole answer.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use inference::generation::TextStream;
use inference::ids::{RequestId, TokenId};
use inference::sampler::LogProbabilities;
use inference::tokenizer::Tokenizer;

use crate::api::problem::Problem;
use crate::buffer::Buffer;
use crate::http::response::{self, Exchange, Length, infallible};
use crate::json::Escaped;
use crate::logprobs::Logprobs;

/// What the two endpoints write differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Chat,
    Completion,
}

/// What an answer says about itself in every object.
#[derive(Clone, Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) format: Format,
    /// Unique per server; the number in `id`.
    pub(crate) number: u64,
    /// Seconds since 1970.
    pub(crate) created: u64,
    pub(crate) model: &'a str,
}

/// How an answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    Stream { include_usage: bool },
}

/// One sequence of an answer.
#[derive(Debug)]
pub(crate) struct Choice {
    /// The engine's name for it.
    pub(crate) request: RequestId,
    stream: TextStream,
    completion_tokens: usize,
    finish: Option<&'static str>,
    /// Text not written yet, escaped: of a whole answer all of it, of a stream that of the event at hand.
    text: String,
    /// Characters of the text before it was escaped, those written included.
    characters: usize,
    logprobs: Option<Logprobs>,
}

/// The answer to one request.
#[derive(Debug)]
pub(crate) struct Answer {
    exchange: Exchange,
    delivery: Delivery,
    format: Format,
    /// The first members of every object: `{"id":...,"system_fingerprint":null`.
    opening: String,
    prompt_tokens: usize,
    pub(crate) choices: Vec<Choice>,
}

impl Choice {
    pub(crate) fn new(request: RequestId, stop: Vec<String>, logprobs: bool) -> Self {
        Self {
            request,
            stream: TextStream::new(stop),
            completion_tokens: 0,
            finish: None,
            text: String::new(),
            characters: 0,
            logprobs: logprobs.then(Logprobs::default),
        }
    }

    /// Whether the engine still works on it.
    pub(crate) fn is_running(&self) -> bool {
        self.finish.is_none()
    }

    fn push_text(&mut self, text: &str) {
        self.characters += text.chars().count();
        infallible(write!(self.text, "{}", Escaped(text)));
    }

    fn held_bytes(&self) -> usize {
        self.text.len() + self.logprobs.as_ref().map_or(0, Logprobs::len)
    }

    fn capacity(&self) -> usize {
        self.text.capacity() + self.logprobs.as_ref().map_or(0, Logprobs::capacity)
    }
}

impl Answer {
    pub(crate) fn new(
        exchange: Exchange,
        identity: &Identity<'_>,
        delivery: Delivery,
        prompt_tokens: usize,
        choices: Vec<Choice>,
    ) -> Self {
        Self {
            exchange,
            delivery,
            format: identity.format,
            opening: identity.opening(delivery),
            prompt_tokens,
            choices,
        }
    }

    /// Writes what comes before the first token: of a stream the head, and each choice's role.
    pub(crate) fn start(&self, out: &mut Buffer) {
        if self.delivery == Delivery::Whole {
            return;
        }
        response::write_head(
            out,
            &self.exchange,
            200,
            "text/event-stream",
            Length::Unknown,
            &[],
        );
        if self.format == Format::Chat {
            for index in 0..self.choices.len() {
                self.write_event(out, |out| {
                    write!(
                        out,
                        "{{\"index\":{index},\"delta\":{{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}},\
                         \"logprobs\":null,\"finish_reason\":null}}"
                    )
                });
            }
        }
    }

    /// Takes a token of a choice. `true` if the choice ended with it by a stop string, of which the engine does not know.
    pub(crate) fn token(
        &mut self,
        index: usize,
        tokenizer: &Tokenizer,
        token: TokenId,
        logprobs: Option<&LogProbabilities>,
        out: &mut Buffer,
    ) -> bool {
        let choice = &mut self.choices[index];
        choice.completion_tokens += 1;
        if let (Some(kept), Some(new)) = (&mut choice.logprobs, logprobs) {
            infallible(kept.push(self.format, tokenizer, token, new, choice.characters));
        }
        let piece = choice.stream.push(tokenizer, token);
        choice.push_text(&piece.text);
        if piece.stopped {
            self.close_choice(index, "stop", out);
        } else {
            self.write_delta(index, out);
        }
        piece.stopped
    }

    /// Ends a choice if the answer has come to hold more than `most` bytes, and says whether it did. A stream holds none.
    pub(crate) fn cut(&mut self, index: usize, most: usize, out: &mut Buffer) -> bool {
        let over = self.held_bytes() > most;
        if over {
            self.close_choice(index, "length", out);
        }
        over
    }

    fn held_bytes(&self) -> usize {
        self.choices.iter().map(Choice::held_bytes).sum()
    }

    /// Bytes of memory held.
    pub(crate) fn capacity(&self) -> usize {
        self.choices.iter().map(Choice::capacity).sum()
    }

    /// Takes the engine's word that a choice has ended; what was held back of its text is text after all.
    pub(crate) fn finish(&mut self, index: usize, reason: &'static str, out: &mut Buffer) {
        let rest = self.choices[index].stream.finish();
        self.choices[index].push_text(&rest);
        self.close_choice(index, reason, out);
    }

    fn close_choice(&mut self, index: usize, reason: &'static str, out: &mut Buffer) {
        self.choices[index].finish = Some(reason);
        if self.delivery == Delivery::Whole {
            return;
        }
        if self.choices[index].held_bytes() > 0 {
            self.write_delta(index, out);
        }
        self.write_event(out, |out| {
            let content = match self.format {
                Format::Chat => "\"delta\":{}",
                Format::Completion => "\"text\":\"\"",
            };
            write!(
                out,
                "{{\"index\":{index},{content},\"logprobs\":null,\"finish_reason\":\"{reason}\"}}"
            )
        });
    }

    /// Whether all choices have ended.
    pub(crate) fn is_finished(&self) -> bool {
        !self.choices.iter().any(Choice::is_running)
    }

    /// Tokens of all choices.
    pub(crate) fn completion_tokens(&self) -> usize {
        self.choices
            .iter()
            .map(|choice| choice.completion_tokens)
            .sum()
    }

    /// Writes what comes after the last choice has ended.
    pub(crate) fn end(self, out: &mut Buffer) -> Exchange {
        match self.delivery {
            Delivery::Whole => {
                let mut body = Buffer::default();
                // Beside what is held: the names of the members.
                body.reserve(
                    self.held_bytes() + self.opening.len() + 256 * (1 + self.choices.len()),
                );
                infallible(self.write_object(&mut body));
                response::write_whole(
                    out,
                    &self.exchange,
                    200,
                    "application/json",
                    body.unread(),
                    &[],
                );
            }
            Delivery::Stream { include_usage } => {
                if include_usage {
                    response::write_chunk(out, &self.exchange, |out| {
                        write!(out, "data: {},\"choices\":[],", self.opening)?;
                        self.write_usage(out)?;
                        out.write_str("}\n\n")
                    });
                }
                response::write_chunk(out, &self.exchange, |out| out.write_str("data: [DONE]\n\n"));
                response::write_last_chunk(out, &self.exchange);
            }
        }
        self.exchange
    }

    /// Ends the answer with an error; a stream has promised success already, so it says so in an event of its own.
    pub(crate) fn fail(mut self, problem: &Problem, out: &mut Buffer) -> Exchange {
        match self.delivery {
            Delivery::Whole => problem.respond(out, &self.exchange),
            Delivery::Stream { .. } => {
                response::write_chunk(out, &self.exchange, |out| {
                    out.write_str("data: ")?;
                    problem.write(out)?;
                    out.write_str("\n\n")
                });
                response::write_last_chunk(out, &self.exchange);
                self.exchange.keep_alive = false;
            }
        }
        self.exchange
    }

    /// Of a stream: writes the event of the text at hand.
    fn write_delta(&mut self, index: usize, out: &mut Buffer) {
        if self.delivery == Delivery::Whole {
            return;
        }
        let choice = &self.choices[index];
        self.write_event(out, |out| {
            let text = &choice.text;
            match self.format {
                Format::Chat => write!(
                    out,
                    "{{\"index\":{index},\"delta\":{{\"content\":\"{text}\"}},"
                )?,
                Format::Completion => write!(out, "{{\"index\":{index},\"text\":\"{text}\",")?,
            }
            self.write_logprobs(choice, out)?;
            out.write_str(",\"finish_reason\":null}")
        });
        let choice = &mut self.choices[index];
        choice.text.clear();
        if let Some(logprobs) = &mut choice.logprobs {
            logprobs.clear();
        }
    }

    /// Writes one event of a stream around a choice.
    fn write_event(&self, out: &mut Buffer, choice: impl FnOnce(&mut Buffer) -> fmt::Result) {
        response::write_chunk(out, &self.exchange, |out| {
            write!(out, "data: {},\"choices\":[", self.opening)?;
            choice(out)?;
            let usage = match self.delivery {
                Delivery::Stream {
                    include_usage: true,
                } => ",\"usage\":null",
                _ => "",
            };
            write!(out, "]{usage}}}\n\n")
        });
    }

    /// Writes the object of a whole answer.
    fn write_object(&self, out: &mut Buffer) -> fmt::Result {
        write!(out, "{},\"choices\":[", self.opening)?;
        for (index, choice) in self.choices.iter().enumerate() {
            let separator = if index > 0 { "," } else { "" };
            write!(out, "{separator}{{\"index\":{index},")?;
            let text = &choice.text;
            match self.format {
                Format::Chat => write!(
                    out,
                    "\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\",\"refusal\":null}},"
                )?,
                Format::Completion => write!(out, "\"text\":\"{text}\",")?,
            }
            self.write_logprobs(choice, out)?;
            write!(
                out,
                ",\"finish_reason\":\"{}\"}}",
                choice.finish.unwrap_or("length")
            )?;
        }
        out.write_str("],")?;
        self.write_usage(out)?;
        out.write_char('}')
    }

    fn write_logprobs(&self, choice: &Choice, out: &mut Buffer) -> fmt::Result {
        out.write_str("\"logprobs\":")?;
        match &choice.logprobs {
            Some(logprobs) => logprobs.write(self.format, out),
            None => out.write_str("null"),
        }
    }

    fn write_usage(&self, out: &mut Buffer) -> fmt::Result {
        let (prompt, completion) = (self.prompt_tokens, self.completion_tokens());
        write!(
            out,
            "\"usage\":{{\"prompt_tokens\":{prompt},\"completion_tokens\":{completion},\"total_tokens\":{}}}",
            prompt + completion
        )
    }
}

impl Identity<'_> {
    fn opening(&self, delivery: Delivery) -> String {
        let (id, object) = match (self.format, delivery) {
            (Format::Chat, Delivery::Whole) => ("chatcmpl", "chat.completion"),
            (Format::Chat, Delivery::Stream { .. }) => ("chatcmpl", "chat.completion.chunk"),
            (Format::Completion, _) => ("cmpl", "text_completion"),
        };
        format!(
            "{{\"id\":\"{id}-{:x}-{}\",\"object\":\"{object}\",\"created\":{},\"model\":\"{}\",\
             \"system_fingerprint\":null",
            self.created,
            self.number,
            self.created,
            Escaped(self.model)
        )
    }
}
