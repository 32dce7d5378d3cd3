//! Every limit of this room in one place, with its unit and the reason for its size.

use core::time::Duration;

use inference::chat::Limits;
use inference::limits::MAX_BATCH_SEQUENCES;

/// Bytes of a request line with its headers. Browsers and API clients send under 4 KiB; nginx allows 8 KiB a line.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Header fields of a request. The `openai` client sends 17.
pub const MAX_HEADERS: usize = 64;

/// Bytes of a body, chunk framing not counted: room for a prompt of 128 thousand tokens of ordinary text.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Bytes of a chunk-size line with its extensions.
pub const MAX_CHUNK_LINE_BYTES: usize = 1024;

/// Bytes received and not yet interpreted, per connection; past it, `Server::receive` takes no more.
pub const MAX_INPUT_BYTES: usize = 20 * 1024;

/// Bytes of finished answers that wait to be sent, past which the next request of a connection is not looked at.
pub const MAX_AHEAD_BYTES: usize = 8 * 1024;

/// Bytes of the bodies of all connections that are being received, as announced (a chunked one counts as the longest
/// allowed). A body that would exceed it is refused with 429 before it is read; one that was begun can always be ended.
pub const MAX_BODIES_BYTES: usize = 4 * MAX_BODY_BYTES;

/// Bodies up to here are taken however many long ones arrive, so that who sends those slowly shuts nobody out.
pub const SMALL_BODY_BYTES: usize = 8 * 1024;

/// Bytes of memory of all answers that are made or wait to be sent. While there is more, an answer over
/// [`FAIR_ANSWER_BYTES`] ends with its next token: a whole one with `length`, a stream (which its client does not read)
/// like one over [`MAX_STREAM_BACKLOG_BYTES`].
pub const MAX_ANSWERS_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of memory that one answer may have however much the others have.
pub const FAIR_ANSWER_BYTES: usize = 64 * 1024;

/// Bytes of a stream that the client has not taken yet. Past it the client does not read, and its sequences end.
pub const MAX_STREAM_BACKLOG_BYTES: usize = 512 * 1024;

/// Bytes of an answer that is sent whole, over all its sequences. One that exceeds it ends with `length`.
pub const MAX_WHOLE_ANSWER_BYTES: usize = 2 * 1024 * 1024;

/// Bytes of the text of a prompt: of a conversation before and after its template, of one text of a completion. 64
/// thousand tokens of ordinary text; tokenising takes [`TOKENIZER_BYTES_PER_BYTE`] times as much.
pub const MAX_PROMPT_BYTES: usize = 256 * 1024;

/// Nesting of a JSON body. The deepest valid request has 5 levels.
pub const MAX_JSON_DEPTH: usize = 16;

/// Bytes that the values of a JSON body may take beside their texts, so that a megabyte of `[0,0,...` or `{"":0},` does
/// not become many of parsed values. Room for a prompt of 128 thousand tokens.
pub const MAX_JSON_TREE_BYTES: usize = 4 * 1024 * 1024;

/// Sequences that one request may ask for: prompts times `n`.
pub const MAX_CHOICES: usize = 16;

/// Stop strings of a request, as in OpenAI's API.
pub const MAX_STOP_STRINGS: usize = 4;

/// Bytes of one stop string: what may become one is held back from the stream.
pub const MAX_STOP_BYTES: usize = 1024;

/// Entries of `logit_bias`.
pub const MAX_LOGIT_BIASES: usize = 1024;

/// `top_logprobs` of a chat, as in OpenAI's API.
pub const MAX_CHAT_LOGPROBS: usize = 20;

/// `logprobs` of a completion, as in OpenAI's API.
pub const MAX_COMPLETION_LOGPROBS: usize = 5;

/// From the first byte of a request to the end of its headers.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// From the end of the headers to the end of the body.
pub const BODY_DEADLINE: Duration = Duration::from_secs(60);

/// Without a request on a connection that was kept alive, or before the first.
pub const IDLE_DEADLINE: Duration = Duration::from_secs(60);

/// With bytes to send of which the client takes none.
pub const STALL_DEADLINE: Duration = Duration::from_secs(30);

/// After an answer that refuses a request whose body is still on its way: closing at once would reset the connection
/// and could destroy the answer before the client has read it.
pub const LINGER: Duration = Duration::from_secs(2);

/// What `Retry-After` says when the queue is full, in seconds.
pub const RETRY_AFTER_SECONDS: &str = "1";

/// The most by which the deadlines' clock advances from one step to the next: a step of a large model may take minutes,
/// in which no client is heard, and none may time out because of it.
pub const LONGEST_STEP: Duration = Duration::from_secs(1);

/// What a template may use for a conversation of so many bytes: each text copied a few times, and the prompt.
#[must_use]
pub const fn template_limits(bytes: usize) -> Limits {
    Limits {
        steps: 16 * bytes as u64 + 1_000_000,
        memory_bytes: 8 * bytes + 4 * 1024 * 1024,
        // One byte more than is allowed says that it was too long.
        output_bytes: 2 * MAX_PROMPT_BYTES,
        depth: 160,
    }
}

/// Memory that tokenising takes for each byte of text, as `inference::limits` says.
const TOKENIZER_BYTES_PER_BYTE: usize = 50;

/// The most that clients can make the server hold, in bytes, by these limits.
///
/// - Each connection: what was received ([`MAX_INPUT_BYTES`], twice as the front of a queue is dropped lazily, and twice
///   as it doubles), what a head says, its copies in a refusal and an answer (each byte that is no UTF-8 becomes three),
///   a small body, and its fair share of the answers.
/// - The bodies of [`MAX_BODIES_BYTES`].
/// - Answers: [`MAX_ANSWERS_BYTES`], beyond which one may grow to twice its size or be written out once more.
/// - One request that is being looked at, as one is at a time: its body, and the largest of its tree (whose longest list
///   grows by doubling) with its messages, its template's rendering, and its tokenising.
/// - Each sequence: a prompt's options, of which stop strings and `logit_bias` are the largest.
#[must_use]
pub const fn worst_case_bytes(connections: usize, sequences: usize) -> usize {
    let connection =
        4 * MAX_INPUT_BYTES + 9 * MAX_HEAD_BYTES + SMALL_BODY_BYTES + FAIR_ANSWER_BYTES;
    let answers = MAX_ANSWERS_BYTES + 2 * MAX_WHOLE_ANSWER_BYTES;
    let tree = MAX_JSON_TREE_BYTES * 3 / 2 + MAX_BODY_BYTES;
    let messages = MAX_JSON_TREE_BYTES;
    let limits = template_limits(MAX_PROMPT_BYTES);
    let rendering = messages + limits.memory_bytes + 2 * limits.output_bytes;
    let tokenising = (TOKENIZER_BYTES_PER_BYTE + 2) * MAX_PROMPT_BYTES;
    let request = MAX_BODY_BYTES + max(tree + messages, max(rendering, tokenising));
    let sequence =
        MAX_STOP_STRINGS * 2 * MAX_STOP_BYTES + MAX_LOGIT_BIASES * size_of::<(u32, f32)>();
    connections * connection + MAX_BODIES_BYTES + answers + request + sequences * sequence
}

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

// The machine of the kernel: 64 sockets and one connection more, two full batches of sequences.
const _: () = assert!(worst_case_bytes(65, 2 * MAX_BATCH_SEQUENCES) <= 48 << 20);
// What `Server` answers without the engine stays under the share of a connection, however its buffer grew.
const _: () = assert!(4 * (MAX_AHEAD_BYTES + 7 * 1024) < FAIR_ANSWER_BYTES);
const _: () = assert!(MAX_HEAD_BYTES < MAX_INPUT_BYTES && MAX_CHUNK_LINE_BYTES < MAX_INPUT_BYTES);
