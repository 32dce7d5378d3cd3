//! What answers where there is no model: every request gets 503 and OpenAI's error object with the reason.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde_json::json;

use super::service::Service;

/// Bytes of a request's head that are looked at; an answer comes after them at the latest.
const MAX_HEAD: usize = 8 * 1024;
/// Connections at once.
const MAX_CONNECTIONS: usize = 32;
/// From the connection to the end of the request's head.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// Answers every request with the reason why there is no model.
pub struct Unready {
    answer: Vec<u8>,
    connections: BTreeMap<u64, Connection>,
    next: u64,
    now: Duration,
}

struct Connection {
    opened: Duration,
    /// The last bytes of the head so far: a blank line ends it.
    tail: [u8; 4],
    received: usize,
    peer_closed: bool,
    sent: usize,
}

impl Connection {
    fn answerable(&self) -> bool {
        self.tail == *b"\r\n\r\n" || self.tail[2..] == *b"\n\n" || self.received >= MAX_HEAD
    }
}

impl Unready {
    /// A service that answers with this reason.
    #[must_use]
    pub fn new(reason: &str) -> Self {
        Self {
            answer: answer(reason),
            connections: BTreeMap::new(),
            next: 0,
            now: Duration::ZERO,
        }
    }
}

fn answer(reason: &str) -> Vec<u8> {
    let body: String = json!({ "error": {
        "message": format!("No model is loaded: {reason}"),
        "type": "server_error",
        "param": null,
        "code": "model_not_loaded",
    }})
    .to_string();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

impl Service for Unready {
    type Connection = u64;
    const REFUSAL: &'static [u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

    fn open(&mut self, now: Duration) -> Option<u64> {
        if self.connections.len() == MAX_CONNECTIONS {
            return None;
        }
        self.next += 1;
        let connection = Connection {
            opened: now,
            tail: [0; 4],
            received: 0,
            peer_closed: false,
            sent: 0,
        };
        self.connections.insert(self.next, connection);
        Some(self.next)
    }

    fn receive(&mut self, connection: u64, bytes: &[u8], _: Duration) -> usize {
        if let Some(connection) = self.connections.get_mut(&connection) {
            // What follows the head is a body, which changes nothing.
            for &byte in bytes {
                if connection.answerable() {
                    break;
                }
                connection.tail.rotate_left(1);
                connection.tail[3] = byte;
                connection.received += 1;
            }
        }
        bytes.len()
    }

    fn peer_closed(&mut self, connection: u64) {
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.peer_closed = true;
        }
    }

    fn pending(&self, connection: u64) -> &[u8] {
        match self.connections.get(&connection) {
            Some(connection) if connection.answerable() => &self.answer[connection.sent..],
            _ => &[],
        }
    }

    fn sent(&mut self, connection: u64, count: usize, _: Duration) {
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.sent = (connection.sent + count).min(self.answer.len());
        }
    }

    fn should_close(&self, connection: u64) -> bool {
        self.connections.get(&connection).is_none_or(|connection| {
            connection.sent == self.answer.len()
                || !connection.answerable()
                    && (connection.peer_closed
                        || self.now.saturating_sub(connection.opened) > HEAD_DEADLINE)
        })
    }

    fn release(&mut self, connection: u64) {
        self.connections.remove(&connection);
    }

    fn step(&mut self, now: Duration) -> bool {
        self.now = now;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(pieces: &[&str]) -> (String, bool) {
        let mut service = Unready::new("disk \"x\" is empty");
        let connection = service.open(Duration::ZERO).expect("room");
        for piece in pieces {
            assert_eq!(
                service.receive(connection, piece.as_bytes(), Duration::ZERO),
                piece.len()
            );
        }
        let text = String::from_utf8(service.pending(connection).to_vec()).expect("text");
        service.sent(connection, text.len(), Duration::ZERO);
        let close = service.should_close(connection);
        (text, close)
    }

    #[test]
    fn answers_a_request_in_any_pieces() {
        let whole = ask(&["GET /health HTTP/1.1\r\nHost: a\r\n\r\n"]);
        assert!(whole.0.starts_with("HTTP/1.1 503 "), "{}", whole.0);
        let body = whole.0.split("\r\n\r\n").nth(1).expect("a body");
        let error: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(
            error["error"]["message"],
            "No model is loaded: disk \"x\" is empty"
        );
        assert!(
            whole
                .0
                .contains(&format!("Content-Length: {}\r\n", body.len()))
        );
        assert!(whole.1);
        assert_eq!(
            ask(&["POST /v1/completions HTTP/1.1\r\n\r", "\n{\"prompt\": 1}"]),
            whole
        );
        assert_eq!(ask(&["GET / HTTP/1.0\n\n"]), whole);
        assert_eq!(ask(&[&"x".repeat(MAX_HEAD)]), whole);
    }

    #[test]
    fn waits_for_the_head_but_not_forever() {
        let mut service = Unready::new("r");
        let connection = service.open(Duration::ZERO).expect("room");
        service.receive(connection, b"GET / HT", Duration::ZERO);
        assert!(service.pending(connection).is_empty() && !service.should_close(connection));
        service.step(HEAD_DEADLINE + Duration::from_secs(1));
        assert!(service.should_close(connection));
        let other = service.open(HEAD_DEADLINE).expect("room");
        service.peer_closed(other);
        assert!(service.should_close(other));
    }

    #[test]
    fn room_is_bounded() {
        let mut service = Unready::new("r");
        let all: Vec<_> = (0..40)
            .filter_map(|_| service.open(Duration::ZERO))
            .collect();
        assert_eq!(all.len(), MAX_CONNECTIONS);
        service.release(all[3]);
        assert!(service.open(Duration::ZERO).is_some());
    }
}
