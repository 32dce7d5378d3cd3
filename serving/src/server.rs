//! The server: connections on one side, the engine on the other.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use inference::backend::{Backend, BackendError};
use inference::chat::ChatTemplate;
use inference::engine::{Engine, Event, FinishReason};
use inference::ids::RequestId;
use inference::tokenizer::Tokenizer;

use crate::answer::{Answer, Delivery, Format, Identity};
use crate::api::chat::ChatRequest;
use crate::api::completion::CompletionRequest;
use crate::api::options::Options;
use crate::api::problem::Problem;
use crate::connection::{Connection, ConnectionId, Expired, Request};
use crate::generator::{Generator, Submitted};
use crate::http::body;
use crate::http::head::Head;
use crate::http::response::Exchange;
use crate::json;
use crate::limits::{
    FAIR_ANSWER_BYTES, LONGEST_STEP, MAX_ANSWERS_BYTES, MAX_BODIES_BYTES, MAX_STREAM_BACKLOG_BYTES,
    MAX_WHOLE_ANSWER_BYTES, SMALL_BODY_BYTES,
};
use crate::metrics::Metrics;
use crate::route::{self, Endpoint};

/// What the operator decides.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The name by which clients ask for the model.
    pub model_name: String,
    /// Clients must send it, if there is one.
    pub api_key: Option<String>,
    /// Connections that may be open at once.
    pub max_connections: usize,
    /// The time since 1970 at which the clock that is passed in as `now` stood at zero.
    pub unix_base: Duration,
    /// Where the seeds of requests without one come from.
    pub seed: u64,
}

/// There are as many connections as the configuration allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyConnections;

impl fmt::Display for TooManyConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many connections")
    }
}

impl core::error::Error for TooManyConnections {}

/// An HTTP server of OpenAI's API over any number of byte streams; see the crate's documentation for how to drive it.
pub struct Server<B: Backend> {
    pub(crate) generator: Generator<B>,
    pub(crate) config: ServerConfig,
    pub(crate) connections: Vec<Connection>,
    connections_opened: u64,
    answers: u64,
    pub(crate) metrics: Metrics,
    pub(crate) now: Duration,
    /// What deadlines are measured by: like `now`, without what [`LONGEST_STEP`] cuts off.
    pub(crate) clock: Duration,
    /// When the last step began.
    last_step: Duration,
    /// Kept for its memory.
    events: Vec<Event>,
}

impl<B: Backend> Server<B> {
    /// A server without connections. Without a template, it refuses conversations and completes prompts.
    pub fn new(
        engine: Engine<B>,
        tokenizer: Tokenizer,
        template: Option<ChatTemplate>,
        config: ServerConfig,
    ) -> Self {
        Self {
            generator: Generator::new(engine, tokenizer, template, config.seed),
            config,
            connections: Vec::new(),
            connections_opened: 0,
            answers: 0,
            metrics: Metrics::default(),
            now: Duration::ZERO,
            clock: Duration::ZERO,
            last_step: Duration::ZERO,
            events: Vec::new(),
        }
    }

    /// Puts what the machine measures of itself at the end of the metrics, instead of what was there: whole lines in
    /// Prometheus' text format, of names that no other line has.
    pub fn set_machine_metrics(&mut self, lines: &str) {
        self.metrics.machine.clear();
        self.metrics.machine.push_str(lines);
    }

    /// Adds a connection.
    ///
    /// # Errors
    /// [`TooManyConnections`]; send [`crate::TOO_MANY_CONNECTIONS`] and close, or let the client wait unaccepted.
    pub fn open(&mut self, now: Duration) -> Result<ConnectionId, TooManyConnections> {
        self.now = self.now.max(now);
        if self.connections.len() >= self.config.max_connections {
            return Err(TooManyConnections);
        }
        self.connections_opened += 1;
        let id = ConnectionId(self.connections_opened);
        self.connections.push(Connection::new(id, self.clock));
        Ok(id)
    }

    /// Takes bytes that the client sent, and says how many of them: fewer than there are while an answer is under way
    /// and the client sends ahead. Offer the rest again later. Work per call is bounded by the bytes taken.
    pub fn receive(&mut self, id: ConnectionId, bytes: &[u8], now: Duration) -> usize {
        self.now = self.now.max(now);
        let Some(index) = self.index(id) else {
            return bytes.len();
        };
        let mut taken = 0;
        loop {
            let count = self.connections[index].receive(&bytes[taken..], self.clock);
            taken += count;
            self.advance(index);
            if count == 0 || taken == bytes.len() {
                return taken;
            }
        }
    }

    /// Bytes that [`Self::receive`] would take now.
    #[must_use]
    pub fn room(&self, id: ConnectionId) -> usize {
        self.connection(id).map_or(0, Connection::room)
    }

    /// Bytes to send to the client; after sending some, say so with [`Self::sent`].
    #[must_use]
    pub fn pending(&self, id: ConnectionId) -> &[u8] {
        self.connection(id)
            .map_or(&[], |connection| connection.out.unread())
    }

    /// Notes that the client took the first `count` bytes of [`Self::pending`].
    pub fn sent(&mut self, id: ConnectionId, count: usize, now: Duration) {
        self.now = self.now.max(now);
        if let Some(index) = self.index(id) {
            self.connections[index].sent(count, self.clock);
            self.advance(index);
        }
    }

    /// Notes that the client has closed its side. One that waits for an answer to be generated has left: its sequences
    /// end here. What was answered before is still sent.
    pub fn peer_closed(&mut self, id: ConnectionId) {
        if let Some(index) = self.index(id) {
            self.connections[index].peer_closed();
            if self.connections[index].answering().is_some() {
                self.abandon(index);
            }
        }
    }

    /// Whether the connection is to be closed, and then given to [`Self::close`].
    #[must_use]
    pub fn should_close(&self, id: ConnectionId) -> bool {
        self.connection(id)
            .is_none_or(|connection| connection.should_close(self.clock))
    }

    /// Forgets a connection that was closed, by whichever side and for whatever reason.
    pub fn close(&mut self, id: ConnectionId) {
        if let Some(index) = self.index(id) {
            self.abandon(index);
            self.connections.swap_remove(index);
        }
    }

    /// Does what time demands, then lets the engine step once and hands out what came of it. `false` if the engine had
    /// nothing to do. Call it again and again, with `now` never going back; between the calls move bytes.
    ///
    /// # Errors
    /// What the backend says; the answers that the step was for have ended with an error, and the server goes on.
    pub fn step(&mut self, now: Duration) -> Result<bool, BackendError> {
        self.now = self.now.max(now);
        self.clock += self.now.saturating_sub(self.last_step).min(LONGEST_STEP);
        self.last_step = self.now;
        self.expire();
        let mut events = core::mem::take(&mut self.events);
        let result = self.generator.engine.step(&mut events);
        for event in events.drain(..) {
            self.deliver(event);
        }
        self.events = events;
        self.metrics.backend_errors += u64::from(result.is_err());
        result
    }

    fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections
            .iter()
            .find(|connection| connection.id == id)
    }

    fn index(&self, id: ConnectionId) -> Option<usize> {
        self.connections
            .iter()
            .position(|connection| connection.id == id)
    }

    /// Ends what has waited too long.
    fn expire(&mut self) {
        for index in 0..self.connections.len() {
            match self.connections[index].expire(self.clock) {
                Some(Expired::Stalled) => self.abandon(index),
                Some(Expired::Request(error)) => {
                    self.refuse_and_linger(index, Problem::Http(error))
                }
                None => {}
            }
        }
    }

    /// Answers the requests of a connection that have arrived, until one must wait for the engine.
    fn advance(&mut self, index: usize) {
        loop {
            let reserved: usize = self
                .connections
                .iter()
                .map(Connection::reserved_bytes)
                .sum();
            let (config, connection) = (&self.config, &mut self.connections[index]);
            let decide = |head: &Head| {
                let endpoint = route::route(head, config.api_key.as_deref())?;
                let bytes = body::bytes_of(head.framing);
                if endpoint.reads_body()
                    && bytes > SMALL_BODY_BYTES
                    && reserved + bytes > MAX_BODIES_BYTES
                {
                    return Err(Problem::NoRoomForBody);
                }
                Ok(endpoint)
            };
            match connection.next_request(self.clock, decide) {
                Ok(None) => return,
                Ok(Some(request)) => self.answer(index, request),
                Err(error) => return self.refuse_and_linger(index, Problem::Http(error)),
            }
        }
    }

    fn answer(&mut self, index: usize, request: Request) {
        let Request {
            head,
            body,
            verdict,
        } = request;
        let origin = route::allowed_origin(&head, self.config.api_key.is_some());
        let exchange = Exchange::new(&head, origin);
        let format = match verdict {
            Ok(Endpoint::Chat) => Format::Chat,
            Ok(Endpoint::Completions) => Format::Completion,
            Ok(Endpoint::Preflight { allow }) => {
                let requested = head
                    .cors_headers
                    .as_deref()
                    .unwrap_or("authorization, content-type");
                return self.preflight(index, &exchange, allow, requested);
            }
            Ok(endpoint) => return self.describe(index, &exchange, &endpoint),
            Err(problem) => return self.refuse(index, &exchange, &problem),
        };
        if self.connections[index].has_peer_closed() {
            // Asked ahead, and left: nothing is begun, and what was answered before is still sent.
            return self.connections[index].answered(&Exchange::default(), self.clock);
        }
        match self.submit(format, &body) {
            Ok((
                delivery,
                Submitted {
                    choices,
                    prompt_tokens,
                },
            )) => {
                self.answers += 1;
                self.metrics.prompt_tokens += prompt_tokens as u64;
                self.metrics.responded(200);
                let identity = Identity {
                    format,
                    number: self.answers,
                    created: self.unix_time(),
                    model: &self.config.model_name,
                };
                let answer = Answer::new(exchange, &identity, delivery, prompt_tokens, choices);
                answer.start(&mut self.connections[index].out);
                self.connections[index].wait_for(answer, self.clock);
            }
            Err(problem) => self.refuse(index, &exchange, &problem),
        }
    }

    fn submit(&mut self, format: Format, body: &[u8]) -> Result<(Delivery, Submitted), Problem> {
        let body = json::parse(body).map_err(|error| Problem::Json(error.to_string()))?;
        let bounds = self.generator.bounds();
        match format {
            Format::Chat => {
                let request = ChatRequest::new(body, bounds)?;
                self.check_model(&request.model)?;
                Ok((
                    delivery(&request.options),
                    self.generator.chat(request, self.unix_time())?,
                ))
            }
            Format::Completion => {
                let request = CompletionRequest::new(body, bounds)?;
                self.check_model(&request.model)?;
                Ok((
                    delivery(&request.options),
                    self.generator.completion(request)?,
                ))
            }
        }
    }

    /// Seconds since 1970.
    fn unix_time(&self) -> u64 {
        self.config.unix_base.saturating_add(self.now).as_secs()
    }

    pub(crate) fn check_model(&self, model: &str) -> Result<(), Problem> {
        if model == self.config.model_name {
            return Ok(());
        }
        Err(Problem::ModelNotFound {
            model: model.into(),
        })
    }

    pub(crate) fn refuse(&mut self, index: usize, exchange: &Exchange, problem: &Problem) {
        self.metrics.responded(problem.status());
        let connection = &mut self.connections[index];
        problem.respond(&mut connection.out, exchange);
        connection.answered(exchange, self.clock);
    }

    /// Refuses a request of which nobody knows where it ends.
    fn refuse_and_linger(&mut self, index: usize, problem: Problem) {
        self.refuse(index, &Exchange::default(), &problem);
        self.connections[index].linger(self.clock);
    }

    /// Hands an event of the engine to the answer that waits for it. There may be none: a sequence that was cancelled
    /// can have events of the same step.
    fn deliver(&mut self, event: Event) {
        let request = match &event {
            Event::Token { request, .. } | Event::Finished { request, .. } => *request,
        };
        let Some((index, choice)) = self.find(request) else {
            return;
        };
        let held: usize = self.connections.iter().map(Connection::answer_bytes).sum();
        let cap = if held > MAX_ANSWERS_BYTES {
            FAIR_ANSWER_BYTES
        } else {
            usize::MAX
        };
        let tokenizer = &self.generator.tokenizer;
        let Some((answer, out)) = self.connections[index].answering() else {
            return;
        };
        match event {
            Event::Token {
                token,
                log_probabilities,
                ..
            } => {
                self.metrics.completion_tokens += 1;
                let ended = answer.token(choice, tokenizer, token, log_probabilities.as_ref(), out);
                if ended || answer.cut(choice, MAX_WHOLE_ANSWER_BYTES.min(cap), out) {
                    self.generator.engine.cancel(request);
                }
            }
            Event::Finished { reason, .. } => match reason {
                FinishReason::Stop => answer.finish(choice, "stop", out),
                FinishReason::Length => answer.finish(choice, "length", out),
                FinishReason::Sampler(error) => return self.fail(index, error.to_string()),
                FinishReason::Backend(error) => return self.fail(index, error.to_string()),
            },
        }
        if out.len() > MAX_STREAM_BACKLOG_BYTES.min(cap) {
            return self.abandon(index);
        }
        if answer.is_finished() {
            self.complete(index);
        }
    }

    fn find(&mut self, request: RequestId) -> Option<(usize, usize)> {
        self.connections
            .iter_mut()
            .enumerate()
            .find_map(|(index, connection)| {
                let choices = &connection.answering()?.0.choices;
                let choice = choices
                    .iter()
                    .position(|c| c.request == request && c.is_running())?;
                Some((index, choice))
            })
    }

    /// Ends an answer whose choices have all ended, and goes on with what the client sent meanwhile.
    fn complete(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if let Some(answer) = connection.take_answer(self.clock) {
            let exchange = answer.end(&mut connection.out);
            connection.answered(&exchange, self.clock);
            self.advance(index);
        }
    }

    /// Ends an answer that the backend cannot give.
    fn fail(&mut self, index: usize, why: String) {
        self.cancel(index);
        let connection = &mut self.connections[index];
        if let Some(answer) = connection.take_answer(self.clock) {
            let exchange = answer.fail(&Problem::Backend(why), &mut connection.out);
            connection.answered(&exchange, self.clock);
            self.advance(index);
        }
    }

    /// Drops a connection whose client is gone or takes nothing.
    fn abandon(&mut self, index: usize) {
        self.cancel(index);
        self.connections[index].abandon();
    }

    /// Takes a connection's sequences out of the engine.
    fn cancel(&mut self, index: usize) {
        let Some((answer, _)) = self.connections[index].answering() else {
            return;
        };
        for choice in answer.choices.iter().filter(|choice| choice.is_running()) {
            self.generator.engine.cancel(choice.request);
            self.metrics.sequences_cancelled += 1;
        }
    }
}

fn delivery(options: &Options) -> Delivery {
    if options.stream {
        Delivery::Stream {
            include_usage: options.include_usage,
        }
    } else {
        Delivery::Whole
    }
}
