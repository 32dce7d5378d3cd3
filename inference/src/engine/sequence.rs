//! A request on its way.

use alloc::vec::Vec;

use super::{Event, FinishReason, Request, Usage};
use crate::ids::{BlockId, RequestId, TokenId};
use crate::kv::{BlockPool, blocks_for};
use crate::sampler::{History, Sampler};

/// A request with its tokens so far and the blocks that hold their keys and values.
pub(super) struct Sequence {
    pub(super) id: RequestId,
    request: Request,
    prompt_length: usize,
    /// Prompt, then answer.
    pub(super) tokens: Vec<TokenId>,
    /// Positions after which the answer ends.
    end: usize,
    /// Leading positions whose keys and values are in the cache.
    pub(super) cached: usize,
    /// Positions that the step in progress evaluates.
    pub(super) scheduled: usize,
    pub(super) blocks: Vec<BlockId>,
}

impl Sequence {
    pub(super) fn new(id: RequestId, mut request: Request, context: usize) -> Self {
        let mut tokens = core::mem::take(&mut request.prompt);
        let prompt_length = tokens.len();
        let end = prompt_length
            .saturating_add(request.max_tokens)
            .min(context);
        // All memory that the sequence will ever need, so that decoding allocates nothing.
        tokens.reserve_exact(end - prompt_length);
        Self {
            id,
            request,
            prompt_length,
            tokens,
            end,
            cached: 0,
            scheduled: 0,
            blocks: Vec::with_capacity(blocks_for(end)),
        }
    }

    /// Blocks that it lacks before all its tokens can be evaluated.
    pub(super) fn missing_blocks(&self) -> usize {
        blocks_for(self.tokens.len()).saturating_sub(self.blocks.len())
    }

    /// Positions that wait for evaluation.
    pub(super) fn pending(&self) -> usize {
        self.tokens.len() - self.cached
    }

    /// Whether the step in progress reaches its last token, so that another can be sampled.
    pub(super) fn wants_logits(&self) -> bool {
        self.scheduled > 0 && self.scheduled == self.pending()
    }

    /// Gives all blocks back; keys and values have to be computed again.
    pub(super) fn release(&mut self, pool: &mut BlockPool) {
        self.blocks.drain(..).for_each(|block| pool.release(block));
        self.cached = 0;
        self.scheduled = 0;
    }

    /// Samples the next token from its row of logits; returns why the sequence has ended, if so.
    pub(super) fn extend(
        &mut self,
        sampler: &mut Sampler,
        logits: &[f32],
        events: &mut Vec<Event>,
    ) -> Option<FinishReason> {
        let (prompt, answer) = self.tokens.split_at(self.prompt_length);
        let history = History { prompt, answer };
        let token = match sampler.sample(logits, &self.request.sampling, history) {
            Ok(token) => token,
            Err(error) => return Some(FinishReason::Sampler(error)),
        };
        if self.request.stop_tokens.contains(&token) {
            return Some(FinishReason::Stop);
        }
        self.tokens.push(token);
        let wanted = self.request.log_probabilities;
        events.push(Event::Token {
            request: self.id,
            token,
            log_probabilities: wanted.map(|top| sampler.log_probabilities(logits, token, top)),
        });
        (self.tokens.len() == self.end).then_some(FinishReason::Length)
    }

    /// The event that ends it.
    pub(super) fn finished(&self, reason: FinishReason) -> Event {
        Event::Finished {
            request: self.id,
            reason,
            usage: Usage {
                prompt_tokens: self.prompt_length,
                completion_tokens: self.tokens.len() - self.prompt_length,
            },
        }
    }
}
