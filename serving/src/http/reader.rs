//! Bytes of a connection in, heads and bodies out, one request after the other.

use alloc::vec::Vec;

use super::HttpError;
use super::body::Body;
use super::head::Head;
use crate::buffer::Buffer;
use crate::limits::MAX_INPUT_BYTES;

/// What was received and not yet interpreted.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    input: Buffer,
    /// Unread bytes known to hold no complete head.
    scanned: usize,
}

impl Reader {
    /// Takes as much of `bytes` as there is room for, and says how much that was.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room());
        self.input.append(&bytes[..count]);
        count
    }

    /// Bytes that [`Self::receive`] would take.
    pub(crate) fn room(&self) -> usize {
        MAX_INPUT_BYTES - self.input.len()
    }

    /// Whether nothing of a next request has come.
    pub(crate) fn is_empty(&self) -> bool {
        self.input.is_empty()
    }

    /// Drops everything received.
    pub(crate) fn clear(&mut self) {
        self.input.clear();
        self.scanned = 0;
    }

    /// The next head, if it has wholly come.
    pub(crate) fn head(&mut self) -> Result<Option<Head>, HttpError> {
        // A head ends with a line, so parsing again pays only where a new line end came or the cap may be reached: a
        // head sent byte by byte then costs a parse a line.
        let new = &self.input.unread()[self.scanned..];
        if !new.contains(&b'\n') && self.input.len() <= crate::limits::MAX_HEAD_BYTES {
            self.scanned = self.input.len();
            return Ok(None);
        }
        let parsed = Head::parse(self.input.unread())?;
        self.scanned = 0;
        let Some((head, length)) = parsed else {
            self.scanned = self.input.len();
            return Ok(None);
        };
        self.input.consume(length);
        Ok(Some(head))
    }

    /// Moves what has come of `body`; the whole of it once it is there.
    pub(crate) fn body(&mut self, body: &mut Body) -> Result<Option<Vec<u8>>, HttpError> {
        let used = body.take(self.input.unread())?;
        self.input.consume(used);
        Ok(body.finished())
    }
}
