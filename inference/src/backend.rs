//! The contract between the engine and whatever computes: the CPU room now, the GPU room later.
//!
//! A backend takes a whole step of a whole batch, never an operator: so a GPU can turn it into one command buffer and
//! one doorbell, and a CPU into one fork-join. It owns the weights' placement and the memory of the KV cache; the engine
//! owns the books of which block belongs to which sequence and hands the block tables in.
//!
//! Invariant that every backend keeps (batch invariance): the logits of a sequence depend on that sequence's tokens
//! alone, bit for bit, not on what else is in the batch nor on how its prompt was cut into steps.

use alloc::string::String;
use core::fmt;

use crate::ids::{BlockId, TokenId};

/// What a backend can hold; constant after it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// KV blocks there are, each of [`crate::limits::KV_BLOCK_TOKENS`] positions; ids run from 0 to here.
    pub kv_blocks: usize,
    /// Tokens that one step may carry.
    pub batch_tokens: usize,
    /// Sequences that one step may carry.
    pub batch_sequences: usize,
    /// Entries of one row of logits.
    pub vocabulary: usize,
}

/// Which rows of logits a sequence wants back from a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogitsWanted {
    /// None: a part of a prompt that is not its last.
    Nothing,
    /// The row of the slice's last token.
    Last,
    /// A row for every token of the slice (perplexity, log-probabilities of a prompt).
    All,
}

/// One sequence's share of a step: some consecutive tokens, and the blocks that hold (or will hold) its keys and values.
#[derive(Clone, Copy, Debug)]
pub struct SequenceSlice<'a> {
    /// Tokens to evaluate, at least one.
    pub tokens: &'a [TokenId],
    /// Position of the first of them in the sequence; positions before it are in the cache already.
    pub first_position: usize,
    /// The sequence's block table: position `p` lives in `blocks[p / KV_BLOCK_TOKENS]`. Covers every position up to and
    /// including the last of `tokens`. No block stands in two sequences' tables unless both only read it.
    pub blocks: &'a [BlockId],
    /// Which logits to return.
    pub logits: LogitsWanted,
}

/// Evaluates steps of a transformer.
pub trait Backend {
    /// Name for people and for the `ready` line: `cpu` or `gpu`.
    fn name(&self) -> &'static str;

    /// What one step may carry and how many KV blocks exist.
    fn capacity(&self) -> Capacity;

    /// Evaluates `batch` and writes the wanted rows of logits to `logits`, row after row in the order of the batch, each
    /// `vocabulary` long; `logits` is exactly that long.
    ///
    /// # Errors
    /// [`BackendError::Invalid`] where the batch breaks the contract above (nothing was evaluated), otherwise what the
    /// device did. After an error the cached positions of this batch's slices are undefined, all others are intact.
    fn step(&mut self, batch: &[SequenceSlice<'_>], logits: &mut [f32])
    -> Result<(), BackendError>;
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendError {
    /// The caller broke the contract of [`Backend::step`]; the text names the field, the value and the bound.
    Invalid(String),
    /// The device failed; the text says how and what was done about it.
    Device(String),
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(what) => write!(f, "invalid batch: {what}"),
            Self::Device(what) => write!(f, "device failure: {what}"),
        }
    }
}

impl core::error::Error for BackendError {}
