//! Status lines, headers and chunks, written straight into a connection's output.

use alloc::string::String;
use core::fmt::{self, Write};

use super::head::{Head, Method};
use crate::buffer::Buffer;

/// What an answer must know about the request it answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exchange {
    /// The connection stays open afterwards.
    pub(crate) keep_alive: bool,
    pub(crate) http_1_0: bool,
    /// A `HEAD` request: headers without the body that they describe.
    pub(crate) head_only: bool,
    /// The origin that may read the answer.
    pub(crate) allow_origin: Option<String>,
}

impl Exchange {
    pub(crate) fn new(head: &Head, allow_origin: Option<String>) -> Self {
        Self {
            keep_alive: head.keep_alive,
            http_1_0: head.http_1_0,
            head_only: head.method == Method::Head,
            allow_origin,
        }
    }
}

/// How the client learns where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// After as many bytes.
    Known(usize),
    /// After the last chunk, or in HTTP/1.0 with the connection.
    Unknown,
    /// There is none, by the definition of the status.
    NoBody,
}

/// The bytes that ask a client for the body which it holds back.
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Writes a status line and headers, those in `extra` included.
pub(crate) fn write_head(
    out: &mut Buffer,
    exchange: &Exchange,
    status: u16,
    content_type: &str,
    length: Length,
    extra: &[(&str, &str)],
) {
    infallible((|| {
        write!(out, "HTTP/1.1 {status} {}\r\n", reason(status))?;
        match length {
            Length::Known(bytes) => {
                write!(
                    out,
                    "Content-Type: {content_type}\r\nContent-Length: {bytes}\r\n"
                )?;
            }
            Length::Unknown => {
                write!(
                    out,
                    "Content-Type: {content_type}\r\nCache-Control: no-cache\r\n"
                )?;
                if !exchange.http_1_0 {
                    out.write_str("Transfer-Encoding: chunked\r\n")?;
                }
            }
            Length::NoBody => {}
        }
        for (name, value) in extra {
            write!(out, "{name}: {value}\r\n")?;
        }
        if let Some(origin) = &exchange.allow_origin {
            write!(
                out,
                "Access-Control-Allow-Origin: {origin}\r\nVary: Origin\r\n"
            )?;
        }
        match (exchange.keep_alive, exchange.http_1_0) {
            (false, _) => out.write_str("Connection: close\r\n")?,
            (true, true) => out.write_str("Connection: keep-alive\r\n")?,
            (true, false) => {}
        }
        out.write_str("\r\n")
    })());
}

/// Writes an answer whose body is known.
pub(crate) fn write_whole(
    out: &mut Buffer,
    exchange: &Exchange,
    status: u16,
    content_type: &str,
    body: &[u8],
    extra: &[(&str, &str)],
) {
    write_head(
        out,
        exchange,
        status,
        content_type,
        Length::Known(body.len()),
        extra,
    );
    if !exchange.head_only {
        out.append(body);
    }
}

/// Hexadecimal digits of a chunk's size: as the size is known only when the chunk is written, it is patched in.
const SIZE_DIGITS: usize = 6;

/// Writes what `content` writes as one chunk of a body of [`Length::Unknown`].
pub(crate) fn write_chunk(
    out: &mut Buffer,
    exchange: &Exchange,
    content: impl FnOnce(&mut Buffer) -> fmt::Result,
) {
    if exchange.http_1_0 {
        infallible(content(out));
        return;
    }
    let start = out.len();
    out.append(b"000000\r\n");
    let before = out.len();
    infallible(content(out));
    let mut size = out.len() - before;
    assert!(size < 1 << (4 * SIZE_DIGITS), "a chunk of {size} bytes");
    let mut digits = [b'0'; SIZE_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[size % 16];
        size /= 16;
    }
    out.patch(start, &digits);
    out.append(b"\r\n");
}

/// Ends a body of [`Length::Unknown`].
pub(crate) fn write_last_chunk(out: &mut Buffer, exchange: &Exchange) {
    if !exchange.http_1_0 {
        out.append(b"0\r\n\r\n");
    }
}

/// A [`Buffer`] takes every write, so formatting into it fails only where a `Display` does, and ours do not.
pub(crate) fn infallible(result: fmt::Result) {
    assert!(result.is_ok(), "a Display implementation failed");
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        _ => "Unknown",
    }
}
