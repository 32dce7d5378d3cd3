//! A tiny model that can be computed by hand, a server around it, and a client that reads what comes back.

use std::time::Duration;

use inference::backend::{Backend, BackendError, Capacity, SequenceSlice};
use inference::chat::ChatTemplate;
use inference::engine::{Engine, EngineConfig};
use inference::ids::TokenId;
use inference::limits::KV_BLOCK_TOKENS;
use inference::tokenizer::{Metadata, Tokenizer};
use serde_json::Value;
use serving::{ConnectionId, Server, ServerConfig};

pub(crate) const CONTEXT: usize = 256;
const MODEL: &str = "tiny/model";

/// Tokens 0 to 255 are bytes; then come the control tokens.
pub(crate) const CONTROL: [&str; 5] = [
    "<|begin|>",
    "<|end|>",
    "<|user|>",
    "<|system|>",
    "<|assistant|>",
];
pub(crate) const BEGIN: u32 = 256;
pub(crate) const END: u32 = 257;
pub(crate) const VOCABULARY: usize = 256 + CONTROL.len();

const TEMPLATE: &str = "{{ bos_token }}{% for message in messages %}\
    {% if message.role == 'system' and not loop.first %}{{ raise_exception('system must come first') }}{% endif %}\
    {{ '<|' + message.role + '|>' + message.content + '<|end|>' }}{% endfor %}<|assistant|>";

fn tokenizer() -> Tokenizer {
    // GPT-2's spelling of bytes: printable ones as they are, the others from U+0100 on.
    let mut spare = 0x100;
    let bytes = (0..=255u8).map(|byte| match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
        _ => {
            spare += 1;
            char::from_u32(spare - 1).unwrap()
        }
    });
    let tokens: Vec<String> = bytes
        .map(String::from)
        .chain(CONTROL.into_iter().map(String::from))
        .collect();
    let mut token_types = vec![1; 256];
    token_types.resize(VOCABULARY, 3);
    let mut metadata = Metadata {
        model: "gpt2",
        pre: Some("gpt-2"),
        tokens: tokens.iter().map(String::as_str).collect(),
        token_types: Some(token_types),
        merges: Some(Vec::new()),
        add_bos: Some(true),
        ..Metadata::default()
    };
    metadata.roles[0] = Some(BEGIN);
    metadata.roles[1] = Some(END);
    Tokenizer::new(&metadata).unwrap()
}

/// What the tiny model says after `tokens`: a letter that depends on all of them, now and then a character of two bytes,
/// and seldom the end.
fn next_token(tokens: impl Iterator<Item = u32>) -> u32 {
    let (mut hash, mut last) = (1u64, 0);
    for token in tokens {
        hash = (hash ^ u64::from(token))
            .wrapping_mul(0x0000_0100_0000_01b3)
            .rotate_left(23);
        last = token;
    }
    match (last, hash >> 8) {
        (0xc3, _) => 0xa9,
        (_, hash) if hash.is_multiple_of(97) => END,
        (_, hash) if hash.is_multiple_of(11) => 0xc3,
        (_, hash) => u32::from(b"abcdefgh \"\n\\"[(hash % 12) as usize]),
    }
}

/// The answer to a prompt, by the definition: its tokens, and why it ends.
pub(crate) fn continuation(prompt: &[u32], max_tokens: usize) -> (String, &'static str) {
    let mut tokens = prompt.to_vec();
    let mut reason = "length";
    while tokens.len() - prompt.len() < max_tokens.min(CONTEXT - prompt.len()) {
        let token = next_token(tokens.iter().copied());
        if token == END {
            reason = "stop";
            break;
        }
        tokens.push(token);
    }
    let bytes: Vec<u8> = tokens[prompt.len()..]
        .iter()
        .map(|&token| token as u8)
        .collect();
    (String::from_utf8_lossy(&bytes).into_owned(), reason)
}

/// The tokens of a prompt that is plain text.
pub(crate) fn prompt_tokens(text: &str) -> Vec<u32> {
    [BEGIN]
        .into_iter()
        .chain(text.bytes().map(u32::from))
        .collect()
}

/// Keeps tokens where a model keeps keys and values, so that a wrong block table changes the answers.
pub(crate) struct TinyModel {
    cells: Vec<u32>,
    batch_sequences: usize,
    /// The most sequences that came in one step.
    pub(crate) widest: std::rc::Rc<std::cell::Cell<usize>>,
    /// Fails the next step.
    pub(crate) fail: std::rc::Rc<std::cell::Cell<bool>>,
}

impl Backend for TinyModel {
    fn name(&self) -> &'static str {
        "tiny"
    }

    fn capacity(&self) -> Capacity {
        Capacity {
            kv_blocks: self.cells.len() / KV_BLOCK_TOKENS,
            batch_tokens: 64,
            batch_sequences: self.batch_sequences,
            vocabulary: VOCABULARY,
        }
    }

    fn step(
        &mut self,
        batch: &[SequenceSlice<'_>],
        logits: &mut [f32],
    ) -> Result<(), BackendError> {
        if self.fail.take() {
            return Err(BackendError::Device("the fan stopped".into()));
        }
        self.widest.set(self.widest.get().max(batch.len()));
        let mut rows = logits.chunks_exact_mut(VOCABULARY);
        for slice in batch {
            let cell = |position: usize| {
                slice.blocks[position / KV_BLOCK_TOKENS].0 as usize * KV_BLOCK_TOKENS
                    + position % KV_BLOCK_TOKENS
            };
            let end = slice.first_position + slice.tokens.len();
            for (position, token) in (slice.first_position..end).zip(slice.tokens) {
                self.cells[cell(position)] = token.0;
            }
            if slice.logits == inference::backend::LogitsWanted::Last {
                let row = rows.next().unwrap();
                row.fill(0.0);
                let TokenId(best) = TokenId(next_token((0..end).map(|p| self.cells[cell(p)])));
                row[best as usize] = 9.0;
                row[usize::from(b'z')] = 2.0;
            }
        }
        Ok(())
    }
}

/// A server with its clock and the knobs of its model.
pub(crate) struct Rig {
    pub(crate) server: Server<TinyModel>,
    pub(crate) now: Duration,
    pub(crate) widest: std::rc::Rc<std::cell::Cell<usize>>,
    pub(crate) fail: std::rc::Rc<std::cell::Cell<bool>>,
}

/// How a rig differs from the usual one.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    pub(crate) api_key: Option<String>,
    pub(crate) max_running: Option<usize>,
    pub(crate) max_waiting: Option<usize>,
    pub(crate) no_template: bool,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(&Setup::default())
    }

    pub(crate) fn with(setup: &Setup) -> Self {
        let (widest, fail) = Default::default();
        let max_running = setup.max_running.unwrap_or(32);
        let backend = TinyModel {
            cells: vec![0; 32 * CONTEXT],
            batch_sequences: max_running,
            widest: std::rc::Rc::clone(&widest),
            fail: std::rc::Rc::clone(&fail),
        };
        let config = EngineConfig {
            context: CONTEXT,
            max_running,
            max_waiting: setup.max_waiting.unwrap_or(32),
        };
        let template = (!setup.no_template).then(|| ChatTemplate::compile(TEMPLATE).unwrap());
        let config_of_server = ServerConfig {
            model_name: MODEL.into(),
            api_key: setup.api_key.clone(),
            max_connections: 40,
            unix_base: Duration::from_secs(1_700_000_000),
            seed: 1,
        };
        let engine = Engine::new(backend, config).unwrap();
        Self {
            server: Server::new(engine, tokenizer(), template, config_of_server),
            now: Duration::ZERO,
            widest,
            fail,
        }
    }

    pub(crate) fn open(&mut self) -> ConnectionId {
        self.server.open(self.now).unwrap()
    }

    /// Offers `bytes` until all are taken, stepping and reading meanwhile; what was read is the result.
    pub(crate) fn send(&mut self, id: ConnectionId, mut bytes: &[u8]) -> Vec<u8> {
        let mut read = Vec::new();
        for _ in 0..100_000 {
            let taken = self.server.receive(id, bytes, self.now);
            bytes = &bytes[taken..];
            if bytes.is_empty() {
                return read;
            }
            if taken == 0 {
                self.step();
                read.extend(self.read(id));
            }
        }
        panic!("{} bytes were never taken", bytes.len());
    }

    pub(crate) fn step(&mut self) -> bool {
        self.server.step(self.now).unwrap()
    }

    /// Lets time pass as a server that steps often sees it.
    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = end.min(self.now + serving::limits::LONGEST_STEP);
            self.step();
        }
    }

    /// Takes what is there to be sent.
    pub(crate) fn read(&mut self, id: ConnectionId) -> Vec<u8> {
        let mut read = Vec::new();
        while !self.server.pending(id).is_empty() {
            let bytes = self.server.pending(id).to_vec();
            self.server.sent(id, bytes.len(), self.now);
            read.extend(bytes);
        }
        read
    }

    /// Steps until the engine has nothing to do.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.step() {
                return;
            }
        }
        panic!("the engine never came to rest");
    }

    /// Sends requests on a connection of their own and returns all bytes of the answers.
    pub(crate) fn exchange(&mut self, requests: &[u8]) -> Vec<u8> {
        let id = self.open();
        let mut answers = self.send(id, requests);
        self.settle();
        answers.extend(self.read(id));
        self.settle();
        answers.extend(self.read(id));
        self.server.close(id);
        answers
    }

    /// Sends one request and returns its answer.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Reply {
        let bytes = self.exchange(request);
        let mut replies = Reply::parse_all(&bytes);
        assert_eq!(replies.len(), 1, "{}", String::from_utf8_lossy(&bytes));
        replies.remove(0)
    }

    /// Posts a body that is answered with success.
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Reply {
        let reply = self.ask(&post(path, body));
        assert_eq!(reply.status, 200, "{body}: {}", reply.text());
        reply
    }
}

/// A request with a JSON body.
pub(crate) fn post(path: &str, body: &Value) -> Vec<u8> {
    post_text(path, &body.to_string())
}

pub(crate) fn post_text(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// An answer, taken apart without the code under test.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// All answers in `bytes`, which must hold nothing else. Answers to HEAD are not understood.
    pub(crate) fn parse_all(mut bytes: &[u8]) -> Vec<Self> {
        let mut replies = Vec::new();
        while !bytes.is_empty() {
            let (reply, rest) = Self::parse(bytes);
            bytes = rest;
            if reply.status != 100 {
                replies.push(reply);
            }
        }
        replies
    }

    fn parse(bytes: &[u8]) -> (Self, &[u8]) {
        let end = bytes
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .expect("a whole head")
            + 4;
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut reply = Self {
            status,
            head,
            body: Vec::new(),
        };
        let mut rest = &bytes[end..];
        if let Some(length) = reply.header("Content-Length") {
            let (body, after) = rest.split_at(length.parse().unwrap());
            reply.body = body.to_vec();
            rest = after;
        } else if reply.header("Transfer-Encoding").is_some() {
            loop {
                let line = rest
                    .windows(2)
                    .position(|w| w == b"\r\n")
                    .expect("a chunk size");
                let size = std::str::from_utf8(&rest[..line]).unwrap();
                let size = usize::from_str_radix(size, 16).unwrap();
                let (chunk, after) = rest[line + 2..].split_at(size);
                reply.body.extend(chunk);
                rest = after.strip_prefix(b"\r\n").expect("the end of a chunk");
                if size == 0 {
                    break;
                }
            }
        } else if status == 200 {
            reply.body = rest.to_vec();
            rest = &[];
        }
        (reply, rest)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The events of a stream, which must end as it should.
    pub(crate) fn events(&self) -> Vec<Value> {
        assert_eq!(self.header("Content-Type"), Some("text/event-stream"));
        let mut events: Vec<_> = self.text().split_terminator("\n\n").collect();
        assert_eq!(events.pop(), Some("data: [DONE]"), "{}", self.text());
        events
            .iter()
            .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
            .collect()
    }
}

/// The text of a choice, put together from the events of a stream.
pub(crate) fn streamed_text(events: &[Value], index: usize) -> String {
    let choices = events
        .iter()
        .flat_map(|event| event["choices"].as_array().unwrap());
    let choices = choices.filter(|choice| choice["index"] == index);
    choices
        .filter_map(|choice| {
            choice["text"]
                .as_str()
                .or(choice["delta"]["content"].as_str())
        })
        .collect()
}

/// Random numbers for tests: xorshift64*, so that a printed seed replays a run.
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}
