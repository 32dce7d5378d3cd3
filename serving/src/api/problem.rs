//! Every reason not to answer a request, with the status and the error object that say so.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt::{self, Write};

use crate::buffer::Buffer;
use crate::http::HttpError;
use crate::http::response::{Exchange, infallible, write_whole};
use crate::json::Escaped;
use crate::limits::RETRY_AFTER_SECONDS;

/// Why a request is refused. All are the client's doing, except the last few.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Problem {
    /// The request is not proper HTTP.
    Http(HttpError),
    /// No such path.
    NotFound { method: String, path: String },
    /// The path exists, for other methods.
    MethodNotAllowed {
        method: String,
        path: String,
        allow: &'static str,
    },
    /// An API key is needed and none was sent.
    NoApiKey,
    /// The API key is not the right one.
    WrongApiKey,
    /// A web page from elsewhere uses a server that has no API key.
    ForeignOrigin(String),
    /// A body was announced by neither length nor chunks.
    LengthRequired,
    /// The body is not JSON, says its own header.
    ContentType(String),
    /// The body is compressed.
    ContentEncoding(String),
    /// The body is not JSON, or not JSON that is safe to hold; the text says where and why.
    Json(String),
    /// The body is JSON, but not an object.
    NotAnObject { found: &'static str },
    /// A parameter that must be there is not.
    Missing { param: String },
    /// A parameter of another type.
    WrongType {
        param: String,
        expected: &'static str,
        found: &'static str,
    },
    /// A number under the least that is allowed.
    BelowMinimum {
        param: String,
        minimum: f64,
        found: f64,
        integer: bool,
    },
    /// A number over the greatest that is allowed.
    AboveMaximum {
        param: String,
        maximum: f64,
        found: f64,
        integer: bool,
    },
    /// A value that is not one of those allowed; the text says which are.
    InvalidValue {
        param: String,
        why: Cow<'static, str>,
    },
    /// A parameter that OpenAI's API knows and this server cannot honour.
    Unsupported { param: String },
    /// A parameter that OpenAI's API does not know either.
    Unknown { param: String },
    /// A model other than the one that is served.
    ModelNotFound { model: String },
    /// The prompt leaves no room for an answer.
    ContextLength {
        param: &'static str,
        context: usize,
        tokens: usize,
        /// Whether it has just so many tokens, or may have more.
        exact: bool,
    },
    /// A conversation for a model that has no chat template.
    NoChatTemplate,
    /// There is no room in the queue.
    QueueFull,
    /// The bodies that are being received leave no room for another.
    NoRoomForBody,
    /// The backend failed; nothing that the client did.
    Backend(String),
}

impl Problem {
    /// Status, `type` and `code`.
    fn kind(&self) -> (u16, &'static str, Option<&'static str>) {
        const INVALID: &str = "invalid_request_error";
        match self {
            Self::Http(error) => (error.status(), INVALID, None),
            Self::NotFound { .. } => (404, INVALID, Some("unknown_url")),
            Self::MethodNotAllowed { .. } => (405, INVALID, Some("method_not_supported")),
            Self::NoApiKey | Self::WrongApiKey => (401, INVALID, Some("invalid_api_key")),
            Self::ForeignOrigin(_) => (403, INVALID, Some("foreign_origin")),
            Self::LengthRequired => (411, INVALID, None),
            Self::ContentType(_) => (415, INVALID, Some("unsupported_content_type")),
            Self::ContentEncoding(_) => (415, INVALID, Some("unsupported_content_encoding")),
            Self::Json(_) => (400, INVALID, Some("invalid_json")),
            Self::NotAnObject { .. } | Self::WrongType { .. } => {
                (400, INVALID, Some("invalid_type"))
            }
            Self::Missing { .. } => (400, INVALID, Some("missing_required_parameter")),
            Self::BelowMinimum { integer: true, .. } => {
                (400, INVALID, Some("integer_below_min_value"))
            }
            Self::BelowMinimum { .. } => (400, INVALID, Some("decimal_below_min_value")),
            Self::AboveMaximum { integer: true, .. } => {
                (400, INVALID, Some("integer_above_max_value"))
            }
            Self::AboveMaximum { .. } => (400, INVALID, Some("decimal_above_max_value")),
            Self::InvalidValue { .. } => (400, INVALID, Some("invalid_value")),
            Self::Unsupported { .. } | Self::NoChatTemplate => {
                (400, INVALID, Some("unsupported_parameter"))
            }
            Self::Unknown { .. } => (400, INVALID, Some("unknown_parameter")),
            Self::ModelNotFound { .. } => (404, INVALID, Some("model_not_found")),
            Self::ContextLength { .. } => (400, INVALID, Some("context_length_exceeded")),
            Self::QueueFull | Self::NoRoomForBody => {
                (429, "rate_limit_error", Some("rate_limit_exceeded"))
            }
            Self::Backend(_) => (500, "server_error", None),
        }
    }

    /// The status that answers it.
    pub(crate) fn status(&self) -> u16 {
        self.kind().0
    }

    fn param(&self) -> Option<&str> {
        match self {
            Self::Missing { param }
            | Self::WrongType { param, .. }
            | Self::BelowMinimum { param, .. }
            | Self::AboveMaximum { param, .. }
            | Self::InvalidValue { param, .. }
            | Self::Unsupported { param }
            | Self::Unknown { param } => Some(param),
            Self::ModelNotFound { .. } => Some("model"),
            Self::ContextLength { param, .. } => Some(param),
            Self::NoChatTemplate => Some("messages"),
            _ => None,
        }
    }

    /// Writes the whole answer.
    pub(crate) fn respond(&self, out: &mut Buffer, exchange: &Exchange) {
        let mut body = Buffer::default();
        infallible(self.write(&mut body));
        let extra: &[(&str, &str)] = match self {
            Self::MethodNotAllowed { allow, .. } => &[("Allow", allow)],
            Self::NoApiKey | Self::WrongApiKey => &[("WWW-Authenticate", "Bearer")],
            Self::ContentEncoding(_) => &[("Accept-Encoding", "identity")],
            Self::QueueFull | Self::NoRoomForBody => &[("Retry-After", RETRY_AFTER_SECONDS)],
            _ => &[],
        };
        write_whole(
            out,
            exchange,
            self.status(),
            "application/json",
            body.unread(),
            extra,
        );
    }

    /// Writes OpenAI's error object.
    pub(crate) fn write(&self, out: &mut impl Write) -> fmt::Result {
        let (_, kind, code) = self.kind();
        out.write_str("{\"error\":{\"message\":\"")?;
        // Through an adaptor that escapes, so that the message is written once and never held.
        write!(EscapingWriter(out), "{self}")?;
        write!(out, "\",\"type\":\"{kind}\",\"param\":")?;
        write_optional(out, self.param())?;
        out.write_str(",\"code\":")?;
        write_optional(out, code)?;
        out.write_str("}}")
    }
}

fn write_optional(out: &mut impl Write, text: Option<&str>) -> fmt::Result {
    match text {
        Some(text) => write!(out, "\"{}\"", Escaped(text)),
        None => out.write_str("null"),
    }
}

struct EscapingWriter<'a, W>(&'a mut W);

impl<W: Write> Write for EscapingWriter<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write!(self.0, "{}", Escaped(text))
    }
}

/// Shows what a client sent inside a message, cut where it is long.
struct Sent<'a>(&'a str);

impl fmt::Display for Sent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(100) {
            Some((at, _)) => write!(f, "{}...", &self.0[..at]),
            None => f.write_str(self.0),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => error.fmt(f),
            Self::NotFound { method, path } => {
                write!(f, "Invalid URL ({} {})", Sent(method), Sent(path))
            }
            Self::MethodNotAllowed { method, path, allow } => {
                write!(f, "Not allowed to {} on {} (allowed: {allow}).", Sent(method), Sent(path))
            }
            Self::NoApiKey => f.write_str(
                "You didn't provide an API key. Send it in an Authorization header using Bearer auth \
                 (i.e. Authorization: Bearer YOUR_KEY).",
            ),
            Self::WrongApiKey => f.write_str("Incorrect API key provided."),
            Self::ForeignOrigin(origin) => write!(
                f,
                "Pages of '{}' may not use this server: without an API key it answers only pages from this computer \
                 or from its own address. Start it with an API key to answer others.",
                Sent(origin)
            ),
            Self::LengthRequired => {
                f.write_str("The request needs a body with 'Content-Length' or chunked transfer coding.")
            }
            Self::ContentType(found) => write!(
                f,
                "Unsupported content type '{}'. This API accepts 'application/json'; with curl: \
                 -H 'Content-Type: application/json'.",
                Sent(found)
            ),
            Self::ContentEncoding(found) => {
                write!(f, "Unsupported content encoding '{}'. Send the body as it is.", Sent(found))
            }
            Self::Json(why) => {
                write!(f, "We could not parse the JSON body of your request: {}.", Sent(why))
            }
            Self::NotAnObject { found } => {
                write!(f, "Invalid body: expected an object, but got {found} instead.")
            }
            Self::Missing { param } => write!(f, "Missing required parameter: '{param}'."),
            Self::WrongType { param, expected, found } => write!(
                f,
                "Invalid type for '{}': expected {expected}, but got {found} instead.",
                Sent(param)
            ),
            Self::BelowMinimum { param, minimum, found, integer } => write!(
                f,
                "Invalid '{param}': {} below minimum value. Expected a value >= {minimum}, but got {found} instead.",
                number(*integer)
            ),
            Self::AboveMaximum { param, maximum, found, integer } => write!(
                f,
                "Invalid '{param}': {} above maximum value. Expected a value <= {maximum}, but got {found} instead.",
                number(*integer)
            ),
            Self::InvalidValue { param, why } => write!(f, "Invalid value for '{}': {why}", Sent(param)),
            Self::Unsupported { param } => {
                write!(f, "Unsupported parameter: '{param}' is not supported by this server.")
            }
            Self::Unknown { param } => write!(f, "Unknown parameter: '{}'.", Sent(param)),
            Self::ModelNotFound { model } => write!(f, "The model '{}' does not exist.", Sent(model)),
            Self::ContextLength { context, tokens, exact, .. } => write!(
                f,
                "This model's maximum context length is {context} tokens. However, your prompt resulted in {}{tokens} \
                 tokens, and the answer needs room for at least one. Please reduce the length of the prompt.",
                if *exact { "" } else { "at least " }
            ),
            Self::NoChatTemplate => f.write_str(
                "This model has no chat template, so it cannot answer conversations. Use /v1/completions.",
            ),
            Self::QueueFull => f.write_str("Too many requests are waiting. Please try again later."),
            Self::NoRoomForBody => f.write_str(
                "Too many long requests are arriving at once. Please try again later.",
            ),
            Self::Backend(why) => write!(f, "The server had an error while processing your request: {why}"),
        }
    }
}

fn number(integer: bool) -> &'static str {
    if integer { "integer" } else { "decimal" }
}
