//! The body of a request, by length or by chunks, in whatever pieces it arrives.

use alloc::vec::Vec;

use super::HttpError;
use super::head::Framing;
use crate::limits::{MAX_BODY_BYTES, MAX_CHUNK_LINE_BYTES, MAX_HEAD_BYTES, MAX_HEADERS};

/// Where in the body the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// `n` more bytes of a body with a length.
    Plain(usize),
    ChunkSize,
    /// `n` more bytes of a chunk.
    ChunkData(usize),
    /// The line end after a chunk.
    ChunkEnd,
    Trailers,
    Done,
}

/// A body that is being received.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Vec<u8>,
    /// Bytes that came, whether or not they are kept.
    received: usize,
    /// Bytes that are set aside for it; none where nobody wants it, and then it is dropped as it comes.
    reserved: usize,
    position: Position,
}

/// Bytes to set aside for a body: its length, or the most where it is not announced.
pub(crate) fn bytes_of(framing: Framing) -> usize {
    match framing {
        Framing::None => 0,
        Framing::Length(length) => {
            usize::try_from(length).map_or(MAX_BODY_BYTES, |length| length.min(MAX_BODY_BYTES))
        }
        Framing::Chunked => MAX_BODY_BYTES,
    }
}

impl Body {
    /// A body that begins with the next byte, and is kept or only read.
    ///
    /// # Errors
    /// [`HttpError::BodyTooLarge`] where the length says so, before any of it was read.
    pub(crate) fn new(framing: Framing, keep: bool) -> Result<Self, HttpError> {
        let position = match framing {
            Framing::None => Position::Done,
            Framing::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= MAX_BODY_BYTES => Position::Plain(length),
                _ => return Err(HttpError::BodyTooLarge),
            },
            Framing::Chunked => Position::ChunkSize,
        };
        Ok(Self {
            bytes: Vec::new(),
            received: 0,
            reserved: if keep { bytes_of(framing) } else { 0 },
            position,
        })
    }

    /// Bytes that are set aside for it.
    pub(crate) fn reserved(&self) -> usize {
        self.reserved
    }

    /// Takes what belongs to the body from the front of `input`, and says how many bytes that was.
    pub(crate) fn take(&mut self, input: &[u8]) -> Result<usize, HttpError> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            let step = match self.position {
                Position::Plain(0) => {
                    self.position = Position::Done;
                    continue;
                }
                Position::Plain(left) => {
                    let count = self.copy(rest, left);
                    self.position = Position::Plain(left - count);
                    count
                }
                Position::ChunkData(0) => {
                    self.position = Position::ChunkEnd;
                    continue;
                }
                Position::ChunkData(left) => {
                    let count = self.copy(rest, left);
                    self.position = Position::ChunkData(left - count);
                    count
                }
                Position::ChunkSize => self.chunk_size(rest)?,
                Position::ChunkEnd => self.chunk_end(rest)?,
                Position::Trailers => self.trailers(rest)?,
                Position::Done => 0,
            };
            if step == 0 {
                return Ok(used);
            }
            used += step;
        }
    }

    /// The whole body, once it is there.
    pub(crate) fn finished(&mut self) -> Option<Vec<u8>> {
        (self.position == Position::Done).then(|| core::mem::take(&mut self.bytes))
    }

    fn copy(&mut self, input: &[u8], left: usize) -> usize {
        let count = left.min(input.len());
        self.received += count;
        if self.reserved > 0 {
            let needed = self.bytes.len() + count;
            if needed > self.bytes.capacity() {
                // Doubled, so that bytes are moved seldom, but never past what is set aside.
                let goal = needed.max((2 * self.bytes.capacity()).min(self.reserved));
                self.bytes.reserve_exact(goal - self.bytes.len());
            }
            self.bytes.extend_from_slice(&input[..count]);
        }
        count
    }

    fn chunk_size(&mut self, input: &[u8]) -> Result<usize, HttpError> {
        match httparse::parse_chunk_size(input) {
            Ok(httparse::Status::Complete((used, 0))) => {
                self.position = Position::Trailers;
                Ok(used)
            }
            Ok(httparse::Status::Complete((used, size))) => {
                let room = MAX_BODY_BYTES - self.received;
                let size = usize::try_from(size).ok().filter(|&size| size <= room);
                self.position = Position::ChunkData(size.ok_or(HttpError::BodyTooLarge)?);
                Ok(used)
            }
            Ok(httparse::Status::Partial) if input.len() <= MAX_CHUNK_LINE_BYTES => Ok(0),
            _ => Err(HttpError::Chunk),
        }
    }

    fn chunk_end(&mut self, input: &[u8]) -> Result<usize, HttpError> {
        match input {
            [b'\r', b'\n', ..] => {
                self.position = Position::ChunkSize;
                Ok(2)
            }
            [] | [b'\r'] => Ok(0),
            _ => Err(HttpError::Chunk),
        }
    }

    /// Trailers are read and dropped: none of them means anything to this server.
    fn trailers(&mut self, input: &[u8]) -> Result<usize, HttpError> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        match httparse::parse_headers(input, &mut headers) {
            Ok(httparse::Status::Complete((used, _))) => {
                self.position = Position::Done;
                Ok(used)
            }
            Ok(httparse::Status::Partial) if input.len() <= MAX_HEAD_BYTES => Ok(0),
            _ => Err(HttpError::Chunk),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    /// Feeds `input` in pieces of `piece` bytes; what comes out is the body and what follows it, or the error.
    fn run(framing: Framing, input: &str, piece: usize) -> String {
        let mut body = match Body::new(framing, true) {
            Ok(body) => body,
            Err(error) => return format!("{error:?}"),
        };
        let (mut buffer, mut rest) = (Vec::new(), input.as_bytes());
        loop {
            match body.take(&buffer) {
                Ok(used) => drop(buffer.drain(..used)),
                Err(error) => return format!("{error:?}"),
            }
            if let Some(bytes) = body.finished() {
                let left = [&buffer, rest].concat();
                return format!("{:?} then {:?}", utf8(&bytes), utf8(&left));
            }
            if rest.is_empty() {
                return "incomplete".into();
            }
            let (now, later) = rest.split_at(piece.min(rest.len()));
            buffer.extend_from_slice(now);
            rest = later;
        }
    }

    fn utf8(bytes: &[u8]) -> &str {
        core::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn bodies_in_any_pieces() {
        use Framing::{Chunked, Length, None};
        for (framing, input, expected) in [
            (None, "GET", r#""" then "GET""#),
            (Length(0), "GET", r#""" then "GET""#),
            (Length(3), "abcGET", r#""abc" then "GET""#),
            (Length(3), "ab", "incomplete"),
            (Length(1 << 40), "", "BodyTooLarge"),
            (Chunked, "3\r\nabc\r\n0\r\n\r\nGET", r#""abc" then "GET""#),
            (
                Chunked,
                "3;a=\"b\";c\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
                r#""abc0123456789" then """#,
            ),
            (
                Chunked,
                "1\r\na\r\n0\r\nX-T: 1\r\nY: 2\r\n\r\nGET",
                r#""a" then "GET""#,
            ),
            (Chunked, "0\r\n\r\n", r#""" then """#),
            (Chunked, "3\r\nabcd\r\n0\r\n\r\n", "Chunk"),
            (Chunked, "x\r\nabc\r\n0\r\n\r\n", "Chunk"),
            (Chunked, "-1\r\na\r\n0\r\n\r\n", "Chunk"),
            (Chunked, "fffffffffffffffff\r\n", "Chunk"),
            (Chunked, "ffffffff\r\n", "BodyTooLarge"),
            (Chunked, "1\r\na\r\n0\r\nbad trailer\r\n\r\n", "Chunk"),
            (Chunked, "1\r\na\r\n", "incomplete"),
        ] {
            for piece in 1..=input.len().max(1) {
                assert_eq!(run(framing, input, piece), expected, "{input:?} by {piece}");
            }
        }
    }

    #[test]
    fn a_body_that_nobody_wants_is_not_kept() {
        let long = "a".repeat(65536);
        let chunks = format!("10000\r\n{long}\r\n0\r\n\r\n");
        for (framing, input) in [(Framing::Length(65536), &long), (Framing::Chunked, &chunks)] {
            for keep in [false, true] {
                let mut body = Body::new(framing, keep).unwrap();
                assert_eq!(body.take(input.as_bytes()), Ok(input.len()));
                assert!(body.bytes.capacity() <= body.reserved());
                assert_eq!(
                    body.finished().map(|b| b.len()),
                    Some(if keep { 65536 } else { 0 })
                );
            }
        }
    }

    #[test]
    fn caps() {
        let chunk = format!("{:x}\r\n{}\r\n", 65536, "a".repeat(65536));
        let over = chunk.repeat(MAX_BODY_BYTES / 65536) + "1\r\na\r\n0\r\n\r\n";
        assert_eq!(run(Framing::Chunked, &over, 5000), "BodyTooLarge");
        let extension = format!("1;{}", "a".repeat(MAX_CHUNK_LINE_BYTES));
        assert_eq!(run(Framing::Chunked, &extension, 100), "Chunk");
        let trailers = format!("0\r\nx: {}", "a".repeat(MAX_HEAD_BYTES));
        assert_eq!(run(Framing::Chunked, &trailers, 100), "Chunk");
    }
}
