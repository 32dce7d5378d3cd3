//! The console as a client of the API: a completion request on a connection of its own, and the stream that comes back.
//!
//! So `generate` and `bench` run the very path that a client over the network gets, in the same batch, and need nothing
//! from the server that others do not have. HTTP/1.0 is spoken, in which an answer has no chunks.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde_json::{Value, json};

use crate::net::service::Service;

/// Bytes of one line of the answer; longer ones are an error.
const MAX_LINE: usize = 256 * 1024;

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// The prompt: text, or a list of token ids.
    pub prompt: Value,
    /// Tokens to generate at most.
    pub max_tokens: usize,
    /// Randomness; 0 is greedy.
    pub temperature: f32,
    /// A token that must not come: a benchmark's end of text.
    pub banned: Vec<u32>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The next piece of text, which may be empty.
    Text(String),
    /// The tokens of the whole prompt and those generated.
    Usage {
        /// Tokens of the prompt.
        prompt: u64,
        /// Tokens generated.
        generated: u64,
    },
    /// The request failed; the text says why.
    Failed(String),
    /// Nothing more will come.
    End,
}

/// A request on its way.
pub struct Client<C> {
    connection: C,
    request: Vec<u8>,
    parser: Parser,
}

impl<C: Copy> Client<C> {
    /// Opens a connection to `service` and prepares the request. `None` if there is no room for the connection.
    pub fn new<S: Service<Connection = C>>(
        service: &mut S,
        model: &str,
        api_key: Option<&str>,
        completion: &Completion,
        now: Duration,
    ) -> Option<Self> {
        Some(Self {
            connection: service.open(now)?,
            request: request(model, api_key, completion),
            parser: Parser::default(),
        })
    }

    /// Moves what can be moved without waiting. After [`Reply::End`] or [`Reply::Failed`] the client is to be closed.
    pub fn poll<S: Service<Connection = C>>(
        &mut self,
        service: &mut S,
        now: Duration,
    ) -> Vec<Reply> {
        let taken = service.receive(self.connection, &self.request, now);
        self.request.drain(..taken);
        let mut replies = Vec::new();
        let pending = service.pending(self.connection);
        let count = pending.len();
        self.parser.bytes(pending, &mut replies);
        service.sent(self.connection, count, now);
        let over = count == 0 && service.should_close(self.connection);
        if over && !self.parser.ended {
            self.parser.end(&mut replies);
        }
        replies
    }

    /// Leaves, whether or not the answer has ended.
    pub fn close<S: Service<Connection = C>>(self, service: &mut S) {
        service.peer_closed(self.connection);
        service.release(self.connection);
    }
}

fn request(model: &str, api_key: Option<&str>, completion: &Completion) -> Vec<u8> {
    let mut body = json!({
        "model": model,
        "prompt": completion.prompt,
        "max_tokens": completion.max_tokens,
        "temperature": completion.temperature,
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    if !completion.banned.is_empty() {
        body["logit_bias"] = completion
            .banned
            .iter()
            .map(|id| (id.to_string(), json!(-100)))
            .collect();
    }
    let body = body.to_string();
    let authorization = api_key.map_or(String::new(), |key| {
        format!("Authorization: Bearer {key}\r\n")
    });
    format!(
        "POST /v1/completions HTTP/1.0\r\nHost: console\r\nContent-Type: application/json\r\n{authorization}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Status,
    Headers,
    /// Server-sent events.
    Events,
    /// An error object.
    Error,
}

#[derive(Default)]
struct Parser {
    part: Part,
    line: Vec<u8>,
    ended: bool,
}

impl Parser {
    fn bytes(&mut self, bytes: &[u8], replies: &mut Vec<Reply>) {
        for &byte in bytes {
            if self.ended {
                return;
            }
            if byte != b'\n' {
                self.line.push(byte);
                if self.line.len() > MAX_LINE {
                    self.fail("a line of the answer is too long".to_string(), replies);
                }
                continue;
            }
            let line = String::from_utf8_lossy(&core::mem::take(&mut self.line)).into_owned();
            self.line(line.trim_end_matches('\r'), replies);
        }
    }

    fn line(&mut self, line: &str, replies: &mut Vec<Reply>) {
        match self.part {
            Part::Status => {
                let good = line.split(' ').nth(1) == Some("200");
                // The headers of an error tell nothing that its body does not.
                self.part = if good { Part::Headers } else { Part::Error };
            }
            Part::Headers if line.is_empty() => self.part = Part::Events,
            Part::Headers => {}
            Part::Events => {
                if let Some(data) = line.strip_prefix("data: ") {
                    self.event(data, replies);
                }
            }
            Part::Error => {}
        }
    }

    fn event(&mut self, data: &str, replies: &mut Vec<Reply>) {
        if data == "[DONE]" {
            self.ended = true;
            replies.push(Reply::End);
            return;
        }
        let Ok(event) = serde_json::from_str::<Value>(data) else {
            self.fail(
                format!("the server sent an event that is no JSON: {data}"),
                replies,
            );
            return;
        };
        if let Some(message) = event["error"]["message"].as_str() {
            self.fail(message.to_string(), replies);
            return;
        }
        if let Some(text) = event["choices"][0]["text"].as_str() {
            replies.push(Reply::Text(text.to_string()));
        }
        let usage = &event["usage"];
        if let (Some(prompt), Some(generated)) = (
            usage["prompt_tokens"].as_u64(),
            usage["completion_tokens"].as_u64(),
        ) {
            replies.push(Reply::Usage { prompt, generated });
        }
    }

    /// The connection is over: what is left is an error's body, which needs no line feed at its end.
    fn end(&mut self, replies: &mut Vec<Reply>) {
        let left = core::mem::take(&mut self.line);
        let message = serde_json::from_slice::<Value>(&left)
            .ok()
            .and_then(|error| error["error"]["message"].as_str().map(ToString::to_string));
        let cut = || "the connection ended in the middle of the answer".to_string();
        self.fail(message.unwrap_or_else(cut), replies);
    }

    fn fail(&mut self, why: String, replies: &mut Vec<Reply>) {
        self.ended = true;
        replies.push(Reply::Failed(why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::unready::Unready;

    /// The replies to an answer that comes in pieces of `size` bytes.
    fn replies(answer: &str, size: usize) -> Vec<Reply> {
        let (mut parser, mut replies) = (Parser::default(), Vec::new());
        for piece in answer.as_bytes().chunks(size) {
            parser.bytes(piece, &mut replies);
        }
        if !parser.ended {
            parser.end(&mut replies);
        }
        replies
    }

    #[test]
    fn reads_a_stream_in_any_pieces() {
        let answer = "HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n\
            data: {\"choices\":[{\"text\":\"Hé\"}]}\n\n: comment\n\n\
            data: {\"choices\":[{\"text\":\"llo\"}]}\r\n\r\n\
            data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";
        let expected = [
            Reply::Text("Hé".into()),
            Reply::Text("llo".into()),
            Reply::Usage {
                prompt: 3,
                generated: 2,
            },
            Reply::End,
        ];
        for size in [1, 2, 7, 1000] {
            assert_eq!(replies(answer, size), expected, "pieces of {size}");
        }
    }

    #[test]
    fn tells_what_went_wrong() {
        let head = "HTTP/1.0 400 Bad Request\r\nContent-Length: 9\r\n\r\n";
        let error = "{\"error\":{\"message\":\"too long\"}}";
        let failed = |text: &str| [Reply::Failed(text.to_string())];
        assert_eq!(replies(&[head, error].concat(), 5), failed("too long"));
        let ok = "HTTP/1.0 200 OK\r\n\r\n";
        assert_eq!(
            replies(&[ok, "data: ", error, "\n\n"].concat(), 5),
            failed("too long")
        );
        let cut = failed("the connection ended in the middle of the answer");
        assert_eq!(replies(&[ok, "data: {"].concat(), 3), cut);
        assert_eq!(replies("", 1), cut);
        assert!(matches!(
            &replies(&[ok, "data: x\n"].concat(), 3)[..],
            [Reply::Failed(_)]
        ));
    }

    #[test]
    fn a_request_without_a_model_says_why() {
        let mut service = Unready::new("there is no disk");
        let completion = Completion {
            prompt: json!("Hi"),
            max_tokens: 4,
            temperature: 0.0,
            banned: Vec::from([2]),
        };
        let now = Duration::ZERO;
        let mut client = Client::new(&mut service, "m", Some("k"), &completion, now).expect("room");
        let request = String::from_utf8(client.request.clone()).expect("text");
        assert!(request.contains("Authorization: Bearer k\r\n"));
        assert!(
            request.ends_with("\"temperature\":0.0}")
                || request.contains("\"logit_bias\":{\"2\":-100}")
        );
        let mut all = client.poll(&mut service, now);
        all.extend(client.poll(&mut service, now));
        assert_eq!(
            all,
            [Reply::Failed("No model is loaded: there is no disk".into())]
        );
        client.close(&mut service);
    }
}
