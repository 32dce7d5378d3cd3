//! Every limit of this room in one place, with its unit and the reason for its size.

use core::time::Duration;

/// Bytes of a request line with its headers. Browsers and API clients send under 4 KiB; nginx allows 8 KiB a line.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Header fields of a request. The `openai` client sends 17.
pub const MAX_HEADERS: usize = 64;

/// Bytes of a body, chunk framing not counted: room for a prompt of 128 thousand tokens of ordinary text.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Bytes of a chunk-size line with its extensions.
pub const MAX_CHUNK_LINE_BYTES: usize = 1024;

/// Bytes received and not yet interpreted, per connection; past it, `Server::receive` takes no more.
pub const MAX_INPUT_BYTES: usize = 32 * 1024;

/// Bytes of a stream that the client has not taken yet. Past it the client does not read, and its sequences end.
pub const MAX_STREAM_BACKLOG_BYTES: usize = 512 * 1024;

/// Bytes of an answer that is sent whole. A sequence that would exceed it ends with `length`.
pub const MAX_WHOLE_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Nesting of a JSON body. The deepest valid request has 5 levels.
pub const MAX_JSON_DEPTH: usize = 16;

/// Values in a JSON body, so that a megabyte of `[0,0,...` does not become 16 MiB of parsed values.
pub const MAX_JSON_VALUES: usize = 256 * 1024;

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

const _: () = assert!(MAX_HEAD_BYTES < MAX_INPUT_BYTES && MAX_CHUNK_LINE_BYTES < MAX_INPUT_BYTES);
