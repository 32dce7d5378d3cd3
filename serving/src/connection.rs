//! One connection: whose turn it is, what was received, what is to be sent, and until when the client may take its time.

use alloc::boxed::Box;
use core::time::Duration;

use crate::answer::Answer;
use crate::api::problem::Problem;
use crate::buffer::Buffer;
use crate::http::HttpError;
use crate::http::body::Body;
use crate::http::head::Head;
use crate::http::reader::Reader;
use crate::http::response::{self, Exchange};
use crate::limits::{
    BODY_DEADLINE, HEAD_DEADLINE, IDLE_DEADLINE, LINGER, MAX_AHEAD_BYTES, MAX_INPUT_BYTES,
    SMALL_BODY_BYTES, STALL_DEADLINE,
};
use crate::route::Endpoint;

/// Names a connection from [`crate::Server::open`] to [`crate::Server::close`]; never used twice by one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What the connection waits for.
#[derive(Debug)]
enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of a head.
    Head,
    /// The rest of a body; what the head asks for is decided already.
    Body {
        head: Box<Head>,
        body: Body,
        verdict: Result<Endpoint, Problem>,
    },
    /// The engine.
    Answering(Answer),
    /// The client's reading of an answer that came before its request had ended. What it still sends is dropped.
    Lingering,
    /// The client's reading of the last answer.
    Closing,
}

/// A connection and its state.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    /// What is to be sent.
    pub(crate) out: Buffer,
    reader: Reader,
    phase: Phase,
    /// When the phase began: its deadline counts from here.
    since: Duration,
    /// When the client last took a byte, or had nothing to take.
    last_taken: Duration,
    /// The client sends no more, or is gone.
    peer_closed: bool,
}

/// What a client took too long for. One that merely idles is sent off without a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    /// Reading what it asked for.
    Stalled,
    /// Sending a request.
    Request(HttpError),
}

/// A request that has wholly arrived.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) head: Head,
    pub(crate) body: alloc::vec::Vec<u8>,
    /// What it is for, or why it is refused.
    pub(crate) verdict: Result<Endpoint, Problem>,
}

impl Connection {
    pub(crate) fn new(id: ConnectionId, now: Duration) -> Self {
        Self {
            id,
            out: Buffer::default(),
            reader: Reader::default(),
            phase: Phase::Idle,
            since: now,
            last_taken: now,
            peer_closed: false,
        }
    }

    /// Takes bytes from the client, and says how many.
    pub(crate) fn receive(&mut self, bytes: &[u8], now: Duration) -> usize {
        if matches!(self.phase, Phase::Lingering | Phase::Closing) {
            return bytes.len();
        }
        if matches!(self.phase, Phase::Idle) && !bytes.is_empty() {
            self.enter(Phase::Head, now);
        }
        self.reader.receive(bytes)
    }

    /// Bytes that [`Self::receive`] would take.
    pub(crate) fn room(&self) -> usize {
        match self.phase {
            Phase::Lingering | Phase::Closing => MAX_INPUT_BYTES,
            _ => self.reader.room(),
        }
    }

    /// The next request, once it is there and the answers before it have been taken. `decide` is asked once a head, so
    /// that a request that will be refused is not asked for its body.
    ///
    /// # Errors
    /// What is wrong with the HTTP of the request. The caller answers, and no request follows.
    pub(crate) fn next_request(
        &mut self,
        now: Duration,
        decide: impl Fn(&Head) -> Result<Endpoint, Problem>,
    ) -> Result<Option<Request>, HttpError> {
        // A client that pipelines and does not read gets no further than its own answers.
        if matches!(self.phase, Phase::Head) && self.out.len() <= MAX_AHEAD_BYTES {
            let Some(head) = self.reader.head()? else {
                return Ok(None);
            };
            let verdict = decide(&head);
            let keep = verdict.as_ref().is_ok_and(Endpoint::reads_body);
            let body = Body::new(head.framing, keep)?;
            if head.expects_continue && self.reader.is_empty() {
                match verdict {
                    Ok(_) => self.out.append(response::CONTINUE),
                    // The client may send the body or not: nobody can tell where the next request begins.
                    Err(_) => {
                        let head = Head {
                            keep_alive: false,
                            ..head
                        };
                        return Ok(Some(Request {
                            head,
                            body: [].into(),
                            verdict,
                        }));
                    }
                }
            }
            self.enter(
                Phase::Body {
                    head: head.into(),
                    body,
                    verdict,
                },
                now,
            );
        }
        let Phase::Body { body, .. } = &mut self.phase else {
            return Ok(None);
        };
        let Some(bytes) = self.reader.body(body)? else {
            return Ok(None);
        };
        match self.enter(Phase::Closing, now) {
            Phase::Body { head, verdict, .. } => Ok(Some(Request {
                head: *head,
                body: bytes,
                verdict,
            })),
            _ => Ok(None),
        }
    }

    /// Goes on after an answer was written wholly.
    pub(crate) fn answered(&mut self, exchange: &Exchange, now: Duration) {
        let next = match (exchange.keep_alive, self.reader.is_empty()) {
            (false, _) => Phase::Closing,
            (true, true) => Phase::Idle,
            (true, false) => Phase::Head,
        };
        self.enter(next, now);
    }

    /// Goes on after a refusal of a request whose end is unknown.
    pub(crate) fn linger(&mut self, now: Duration) {
        self.reader.clear();
        self.enter(Phase::Lingering, now);
    }

    /// Waits for the engine.
    pub(crate) fn wait_for(&mut self, answer: Answer, now: Duration) {
        self.enter(Phase::Answering(answer), now);
    }

    /// The answer that the engine works on, with where it goes.
    pub(crate) fn answering(&mut self) -> Option<(&mut Answer, &mut Buffer)> {
        match &mut self.phase {
            Phase::Answering(answer) => Some((answer, &mut self.out)),
            _ => None,
        }
    }

    /// Bytes that are set aside for a long body on its way.
    pub(crate) fn reserved_bytes(&self) -> usize {
        match &self.phase {
            Phase::Body { body, .. } if body.reserved() > SMALL_BODY_BYTES => body.reserved(),
            _ => 0,
        }
    }

    /// Bytes of memory that its answers hold.
    pub(crate) fn answer_bytes(&self) -> usize {
        let answer = match &self.phase {
            Phase::Answering(answer) => answer.capacity(),
            _ => 0,
        };
        self.out.capacity() + answer
    }

    /// Ends the wait for the engine.
    pub(crate) fn take_answer(&mut self, now: Duration) -> Option<Answer> {
        if !matches!(self.phase, Phase::Answering(_)) {
            return None;
        }
        match self.enter(Phase::Closing, now) {
            Phase::Answering(answer) => Some(answer),
            _ => None,
        }
    }

    /// Drops everything: the client is gone, or hangs.
    pub(crate) fn abandon(&mut self) {
        self.phase = Phase::Closing;
        self.out.clear();
    }

    /// Notes that the client sends no more.
    pub(crate) fn peer_closed(&mut self) {
        self.peer_closed = true;
    }

    /// Whether the client sends no more.
    pub(crate) fn has_peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Notes that the client took `count` bytes.
    pub(crate) fn sent(&mut self, count: usize, now: Duration) {
        self.out.consume(count);
        if count > 0 {
            self.last_taken = now;
        }
    }

    /// What follows from how long the client has taken, if anything does.
    pub(crate) fn expire(&mut self, now: Duration) -> Option<Expired> {
        if self.out.is_empty() {
            self.last_taken = now;
        } else if now.saturating_sub(self.last_taken) > STALL_DEADLINE {
            return Some(Expired::Stalled);
        }
        let waited = now.saturating_sub(self.since);
        match self.phase {
            Phase::Idle if waited > IDLE_DEADLINE => {
                self.enter(Phase::Closing, now);
                None
            }
            // While the client has answers to read, its next request is not waited for.
            Phase::Head if !self.out.is_empty() => {
                self.since = now;
                None
            }
            Phase::Head if waited > HEAD_DEADLINE => Some(Expired::Request(HttpError::HeadTimeout)),
            Phase::Body { .. } if waited > BODY_DEADLINE => {
                Some(Expired::Request(HttpError::BodyTimeout))
            }
            _ => None,
        }
    }

    /// Whether nothing more will be sent, so that the connection may be closed.
    pub(crate) fn should_close(&self, now: Duration) -> bool {
        let done = match self.phase {
            Phase::Closing => true,
            Phase::Lingering => self.peer_closed || now.saturating_sub(self.since) > LINGER,
            Phase::Answering(_) => false,
            Phase::Idle | Phase::Head | Phase::Body { .. } => self.peer_closed,
        };
        done && self.out.is_empty()
    }

    fn enter(&mut self, phase: Phase, now: Duration) -> Phase {
        self.since = now;
        core::mem::replace(&mut self.phase, phase)
    }
}
