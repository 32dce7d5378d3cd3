//! One sequence evaluated directly on a backend, for commands that look at logits; all of these are finite numbers.

use anyhow::{Result, bail};
use inference::backend::{Backend, LogitsWanted, SequenceSlice};
use inference::ids::{BlockId, TokenId};
use inference::limits::KV_BLOCK_TOKENS;

/// A sequence that owns the whole KV cache.
pub(crate) struct Session<B> {
    backend: B,
    blocks: Vec<BlockId>,
    context: usize,
    position: usize,
    logits: Vec<f32>,
}

impl<B: Backend> Session<B> {
    /// An empty sequence of at most `context` positions.
    pub(crate) fn new(backend: B, context: usize) -> Self {
        let blocks = backend.capacity().kv_blocks;
        Self {
            blocks: (0..blocks as u32).map(BlockId).collect(),
            context: context.min(blocks * KV_BLOCK_TOKENS),
            position: 0,
            logits: Vec::new(),
            backend,
        }
    }

    /// Positions that a sequence may have.
    pub(crate) fn context(&self) -> usize {
        self.context
    }

    /// Entries of a row of logits.
    pub(crate) fn vocabulary(&self) -> usize {
        self.backend.capacity().vocabulary
    }

    /// Starts a new sequence.
    pub(crate) fn restart(&mut self) {
        self.position = 0;
    }

    /// Appends tokens, at least one, and returns the logits that follow the last.
    pub(crate) fn append(&mut self, tokens: &[TokenId]) -> Result<&[f32]> {
        let most = self.backend.capacity().batch_tokens;
        let whole = tokens.len().saturating_sub(1) / most * most;
        for piece in tokens[..whole].chunks(most) {
            self.step(piece, LogitsWanted::Nothing, 0)?;
        }
        self.step(&tokens[whole..], LogitsWanted::Last, 1)
    }

    /// Appends tokens, from one up to a batch, and returns the logits that follow each.
    pub(crate) fn append_all(&mut self, tokens: &[TokenId]) -> Result<&[f32]> {
        self.step(tokens, LogitsWanted::All, tokens.len())
    }

    fn step(&mut self, tokens: &[TokenId], wanted: LogitsWanted, rows: usize) -> Result<&[f32]> {
        let end = self.position + tokens.len();
        if end > self.context {
            bail!(
                "{end} tokens do not fit into the context of {}; see --ctx",
                self.context
            );
        }
        self.logits.resize(rows * self.vocabulary(), 0.0);
        let slice = SequenceSlice {
            tokens,
            first_position: self.position,
            blocks: &self.blocks,
            logits: wanted,
        };
        self.backend.step(&[slice], &mut self.logits)?;
        if let Some(bad) = self.logits.iter().position(|logit| !logit.is_finite()) {
            bail!(
                "the model computes {} as the logit of token {}; `load` says whether its weights are damaged",
                self.logits[bad],
                bad % self.vocabulary()
            );
        }
        self.position = end;
        Ok(&self.logits)
    }
}
