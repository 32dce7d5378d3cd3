//! What the console has running: a text that is being generated, or a benchmark.

use alloc::string::String;
use core::time::Duration;

use serde_json::json;

use crate::memory::{self, frames, heap};
use crate::net::service::Service;
use crate::options::Bench;
use crate::serial;
use crate::shell::client::{Client, Completion, Reply};

/// Tokens that `generate` asks for.
const GENERATE_TOKENS: usize = 128;

/// A request of the console, and what its replies are for.
pub struct Job<C> {
    client: Client<C>,
    kind: Kind,
}

enum Kind {
    Generate,
    Bench(Measurement),
}

/// Times of a benchmark.
struct Measurement {
    began: Duration,
    /// When the first token came, which is when the prompt was done.
    first: Option<Duration>,
    last: Duration,
    boot: Duration,
}

/// The model as the console needs to know it.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// Its name.
    pub model: &'a str,
    /// What clients must send.
    pub api_key: Option<&'a str>,
    /// Tokens that end an answer.
    pub end_tokens: &'a [u32],
    /// From kernel entry to ready.
    pub boot: Duration,
}

impl<C: Copy> Job<C> {
    /// Starts to continue `prompt`. `None` if the server has no room.
    pub fn generate<S: Service<Connection = C>>(
        service: &mut S,
        target: Target<'_>,
        prompt: &str,
        now: Duration,
    ) -> Option<Self> {
        let completion = Completion {
            prompt: json!(prompt),
            max_tokens: GENERATE_TOKENS,
            temperature: 0.0,
            banned: [].into(),
        };
        let client = Client::new(service, target.model, target.api_key, &completion, now)?;
        Some(Self {
            client,
            kind: Kind::Generate,
        })
    }

    /// Starts a benchmark. `None` if the server has no room.
    pub fn bench<S: Service<Connection = C>>(
        service: &mut S,
        target: Target<'_>,
        bench: Bench,
        now: Duration,
    ) -> Option<Self> {
        let completion = Completion {
            // Any token does; the work does not depend on which.
            prompt: json!(alloc::vec![3; bench.prompt]),
            max_tokens: bench.generate,
            temperature: 0.0,
            banned: target.end_tokens.into(),
        };
        let client = Client::new(service, target.model, target.api_key, &completion, now)?;
        Some(Self {
            client,
            kind: Kind::Bench(Measurement {
                began: now,
                first: None,
                last: now,
                boot: target.boot,
            }),
        })
    }

    /// Goes on as far as it can. Returns whether the job is over.
    pub fn poll<S: Service<Connection = C>>(&mut self, service: &mut S, now: Duration) -> bool {
        for reply in self.client.poll(service, now) {
            match (reply, &mut self.kind) {
                (Reply::Text(text), Kind::Generate) => serial::write(terminal(&text).as_bytes()),
                (Reply::Text(_), Kind::Bench(measurement)) => {
                    measurement.first.get_or_insert(now);
                    measurement.last = now;
                }
                (Reply::Usage { prompt, generated }, Kind::Bench(measurement)) => {
                    measurement.print(prompt, generated);
                }
                (Reply::Usage { .. }, Kind::Generate) => {}
                (Reply::Failed(why), _) => {
                    serial::write(alloc::format!("\r\nerror: {why}\r\n").as_bytes());
                    return true;
                }
                (Reply::End, Kind::Generate) => {
                    serial::write(b"\r\n");
                    return true;
                }
                (Reply::End, Kind::Bench(_)) => return true,
            }
        }
        false
    }

    /// Ends the job, finished or not.
    pub fn close<S: Service<Connection = C>>(self, service: &mut S) {
        self.client.close(service);
    }
}

impl Measurement {
    fn print(&self, prompt: u64, generated: u64) {
        let first = self.first.unwrap_or(self.last);
        let per_second = |tokens: u64, time: Duration| {
            let rate = tokens as f64 / time.as_secs_f64().max(1e-9);
            (rate * 100.0) as u64 as f64 / 100.0
        };
        let (heap_used, _) = heap::used_and_claimed_bytes();
        let report = json!({
            "prompt_tokens": prompt,
            "generated_tokens": generated,
            "prompt_tokens_per_second": per_second(prompt, first - self.began),
            "decode_tokens_per_second": per_second(generated.saturating_sub(1), self.last - first),
            "boot_ms": self.boot.as_millis() as u64,
            "image_bytes": memory::image::linked_physical().bytes(),
            "memory_in_use_bytes": super::total_bytes().saturating_sub(frames::free_bytes()),
            "heap_in_use_bytes": heap_used,
        });
        serial::write(alloc::format!("bench {report}\r\n").as_bytes());
    }
}

/// Text for a terminal: line feeds with carriage returns, and no other control characters, since a model may say anything.
fn terminal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\r\n"),
            '\t' => out.push(character),
            character if character.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            character => out.push(character),
        }
    }
    out
}
