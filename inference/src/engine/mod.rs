//! What happens to a request: it waits, is admitted, is evaluated in steps together with others, and ends.
//!
//! Continuous batching: each [`Engine::step`] is one backend step that carries one token of every sequence that is
//! decoding, and fills what is left of the token budget with pieces of prompts, oldest sequence first. A sequence joins
//! when blocks for all of its tokens are free and leaves the moment it ends.
//!
//! KV blocks are allocated as sequences grow. When none is free, the youngest running sequence is preempted: it gives
//! its blocks back, waits at the head of the queue, and later computes its keys and values again from its tokens. So the
//! oldest sequence always goes on, and since one sequence alone always fits (the context is at most what all blocks
//! hold), everything ends: there is no deadlock.
//!
//! Invariants, asserted on every step or tested: a request ends exactly once (its `Finished` event, or `cancel`); a
//! block is held by exactly one sequence or free; what a sequence generates does not depend on its company.
//!
//! What it never does: it reads no clock (a caller that loses patience cancels) and knows no text (`generation` does).
//! After warm-up, a step in which no request begins or ends allocates nothing, unless log-probabilities were asked for.

mod schedule;
mod sequence;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod test_backend;
#[cfg(test)]
mod tests;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use crate::backend::{Backend, BackendError, Capacity};
use crate::ids::{RequestId, TokenId};
use crate::kv::BlockPool;
use crate::limits::{KV_BLOCK_TOKENS, MAX_BATCH_SEQUENCES};
use crate::sampler::{LogProbabilities, ParameterError, Sampler, SamplerError, SamplingParams};
use sequence::Sequence;

/// What a client wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// At least one token.
    pub prompt: Vec<TokenId>,
    /// Tokens to generate at most, at least 1; the context's end may come first.
    pub max_tokens: usize,
    /// How to choose each token.
    pub sampling: SamplingParams,
    /// Tokens that end the answer and are not part of it.
    pub stop_tokens: Vec<TokenId>,
    /// Whether to report log-probabilities, and of how many of the best tokens.
    pub log_probabilities: Option<usize>,
}

/// What the engine may use; each is cut to what the backend holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Positions of a sequence, prompt and answer together.
    pub context: usize,
    /// Sequences evaluated together.
    pub max_running: usize,
    /// Requests that may wait besides.
    pub max_waiting: usize,
}

/// Something that happened to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The next token of its answer.
    Token {
        /// Whose.
        request: RequestId,
        /// The token; never one of the request's stop tokens.
        token: TokenId,
        /// Where the request asked for them.
        log_probabilities: Option<LogProbabilities>,
    },
    /// Its end: nothing follows.
    Finished {
        /// Whose.
        request: RequestId,
        /// Why.
        reason: FinishReason,
        /// What it used.
        usage: Usage,
    },
}

/// Why a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model gave a stop token.
    Stop,
    /// `max_tokens` or the context was reached.
    Length,
    /// The model's logits could not be sampled.
    Sampler(SamplerError),
    /// The step that carried it failed.
    Backend(BackendError),
}

/// Tokens that a request used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the answer.
    pub completion_tokens: usize,
}

/// Why a request was not taken.
#[derive(Clone, Debug, PartialEq)]
pub enum SubmitError {
    /// As many requests run and wait as may; try again later.
    QueueFull {
        /// Requests in the engine.
        requests: usize,
    },
    /// The prompt has no token.
    EmptyPrompt,
    /// The prompt leaves no room for an answer.
    PromptTooLong {
        /// Tokens of the prompt.
        tokens: usize,
        /// Positions of a sequence.
        context: usize,
    },
    /// `max_tokens` is 0.
    NoTokensWanted,
    /// A token of the prompt or of the bias is not in the vocabulary.
    UnknownToken {
        /// The token.
        token: TokenId,
        /// Tokens there are.
        vocabulary: usize,
    },
    /// A sampling parameter is out of range.
    Parameter(ParameterError),
}

impl fmt::Display for SubmitError {
    #[rustfmt::skip] // one row per reason
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueFull { requests } => write!(f, "{requests} requests are running or waiting; try again later"),
            Self::EmptyPrompt => write!(f, "the prompt has no token"),
            Self::PromptTooLong { tokens, context } => write!(f, "the prompt has {tokens} tokens; with room for an answer, at most {} fit into the context of {context}", context.saturating_sub(1)),
            Self::NoTokensWanted => write!(f, "max_tokens is 0, which is not at least 1"),
            Self::UnknownToken { token, vocabulary } => write!(f, "token {} is not in the vocabulary of {vocabulary}", token.0),
            Self::Parameter(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SubmitError {}

/// How busy the engine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Sequences that hold KV blocks.
    pub running: usize,
    /// Requests that wait for room.
    pub waiting: usize,
    /// KV blocks that nobody holds.
    pub free_blocks: usize,
    /// All KV blocks.
    pub total_blocks: usize,
    /// Preemptions since the start.
    pub preemptions: u64,
}

/// Forms batches of sequences and turns logits into events.
pub struct Engine<B> {
    backend: B,
    capacity: Capacity,
    config: EngineConfig,
    pool: BlockPool,
    /// First come, first served; preempted sequences come back at the front.
    waiting: VecDeque<Sequence>,
    /// In order of arrival.
    running: Vec<Sequence>,
    sampler: Sampler,
    /// Rows of logits of the last step.
    logits: Vec<f32>,
    next_request: u64,
    preemptions: u64,
}

impl<B: Backend> Engine<B> {
    /// An engine with nothing to do.
    ///
    /// # Errors
    /// [`BackendError::Invalid`] if the backend or the configuration has no room for a single sequence, or there is no
    /// memory for the logits.
    pub fn new(backend: B, config: EngineConfig) -> Result<Self, BackendError> {
        let capacity = backend.capacity();
        let config = EngineConfig {
            context: config.context.min(capacity.kv_blocks * KV_BLOCK_TOKENS),
            // A running sequence may need a token of every step.
            max_running: config
                .max_running
                .min(capacity.batch_sequences.min(MAX_BATCH_SEQUENCES))
                .min(capacity.batch_tokens),
            max_waiting: config.max_waiting,
        };
        if config.context < 2 || config.max_running == 0 || capacity.vocabulary == 0 {
            let reason = alloc::format!("no room for one sequence: {config:?}, {capacity:?}");
            return Err(BackendError::Invalid(reason));
        }
        let mut logits = Vec::new();
        let entries = config.max_running * capacity.vocabulary;
        if logits.try_reserve_exact(entries).is_err() {
            let reason = alloc::format!("no memory for {entries} logits; lower max_running");
            return Err(BackendError::Invalid(reason));
        }
        Ok(Self {
            backend,
            capacity,
            config,
            pool: BlockPool::new(capacity.kv_blocks),
            waiting: VecDeque::with_capacity(config.max_running + config.max_waiting),
            running: Vec::with_capacity(config.max_running),
            sampler: Sampler::new(),
            logits,
            next_request: 0,
            preemptions: 0,
        })
    }

    /// The configuration after it was cut to what the backend holds.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// What computes.
    #[must_use]
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// How busy it is.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            running: self.running.len(),
            waiting: self.waiting.len(),
            free_blocks: self.pool.free(),
            total_blocks: self.pool.total(),
            preemptions: self.preemptions,
        }
    }

    /// Takes a request; its events come from the steps that follow.
    ///
    /// # Errors
    /// [`SubmitError`]; the request leaves no trace.
    pub fn submit(&mut self, request: Request) -> Result<RequestId, SubmitError> {
        self.check(&request)?;
        let requests = self.running.len() + self.waiting.len();
        if requests >= self.config.max_running + self.config.max_waiting {
            return Err(SubmitError::QueueFull { requests });
        }
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.waiting
            .push_back(Sequence::new(id, request, self.config.context));
        Ok(id)
    }

    fn check(&self, request: &Request) -> Result<(), SubmitError> {
        let tokens = request.prompt.len();
        let context = self.config.context;
        if tokens == 0 {
            return Err(SubmitError::EmptyPrompt);
        }
        if tokens >= context {
            return Err(SubmitError::PromptTooLong { tokens, context });
        }
        if request.max_tokens == 0 {
            return Err(SubmitError::NoTokensWanted);
        }
        request.sampling.check().map_err(SubmitError::Parameter)?;
        let vocabulary = self.capacity.vocabulary;
        let biased = request.sampling.logit_bias.iter().map(|(token, _)| token);
        let mut all = request.prompt.iter().chain(biased);
        match all.find(|token| token.0 as usize >= vocabulary) {
            Some(&token) => Err(SubmitError::UnknownToken { token, vocabulary }),
            None => Ok(()),
        }
    }

    /// Ends a request without an event. Returns whether it was still there.
    pub fn cancel(&mut self, request: RequestId) -> bool {
        if let Some(index) = self.running.iter().position(|s| s.id == request) {
            self.running.remove(index).release(&mut self.pool);
            return true;
        }
        let index = self.waiting.iter().position(|s| s.id == request);
        index.and_then(|index| self.waiting.remove(index)).is_some()
    }

    /// Runs one backend step and appends what came of it to `events`. Returns whether there was anything to do.
    ///
    /// # Errors
    /// [`BackendError`] if the step failed; the requests in it have ended, with events that say so, and others go on.
    pub fn step(&mut self, events: &mut Vec<Event>) -> Result<bool, BackendError> {
        self.grow();
        self.admit();
        if self.running.is_empty() {
            return Ok(false);
        }
        self.schedule();
        let outcome = self.evaluate();
        match &outcome {
            Ok(()) => self.sample(events),
            Err(error) => self.fail(error, events),
        }
        outcome.map(|()| true)
    }
}
