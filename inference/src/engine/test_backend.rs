//! A backend without mathematics that is stricter than any real one: the logits of a position are a hash of all tokens
//! that the cache holds for its sequence, so a wrong block, a stale block or a skipped position changes the answer. Each
//! rule of [`Backend::step`] is asserted.

use alloc::vec;
use alloc::vec::Vec;

use crate::backend::{Backend, BackendError, Capacity, LogitsWanted, SequenceSlice};
use crate::ids::{BlockId, TokenId};
use crate::limits::KV_BLOCK_TOKENS;
use crate::random::split_mix_64;

/// Hash of a sequence's tokens.
fn extend_hash(hash: u64, token: TokenId) -> u64 {
    split_mix_64(hash, u64::from(token.0))
}

/// The logits that follow `tokens`.
pub(super) fn logits_after(tokens: impl Iterator<Item = TokenId>, logits: &mut [f32]) {
    let hash = tokens.fold(1, extend_hash);
    for (logit, index) in logits.iter_mut().zip(0..) {
        *logit = (split_mix_64(hash, index) >> 40) as f32 / (1 << 21) as f32;
    }
}

pub(super) struct TestBackend {
    pub(super) capacity: Capacity,
    /// What the cache holds: a token instead of its keys and values.
    cells: Vec<Option<TokenId>>,
    pub(super) steps: u64,
    /// Steps that fail, after spoiling what they should have written.
    pub(super) fail_every: Option<u64>,
    /// The row that comes out as NaN, counted over all steps.
    pub(super) nan_row: Option<u64>,
    rows: u64,
}

impl TestBackend {
    pub(super) fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            cells: vec![None; capacity.kv_blocks * KV_BLOCK_TOKENS],
            steps: 0,
            fail_every: None,
            nan_row: None,
            rows: 0,
        }
    }

    fn cell(&mut self, blocks: &[BlockId], position: usize) -> &mut Option<TokenId> {
        let block = blocks[position / KV_BLOCK_TOKENS].0 as usize;
        &mut self.cells[block * KV_BLOCK_TOKENS + position % KV_BLOCK_TOKENS]
    }

    fn check(&self, batch: &[SequenceSlice<'_>], logits: &[f32]) {
        let capacity = &self.capacity;
        assert!(!batch.is_empty() && batch.len() <= capacity.batch_sequences);
        let tokens: usize = batch.iter().map(|slice| slice.tokens.len()).sum();
        assert!(tokens <= capacity.batch_tokens, "{tokens} tokens");
        let mut blocks: Vec<_> = batch.iter().flat_map(|slice| slice.blocks).collect();
        let all = blocks.len();
        blocks.sort();
        blocks.dedup();
        assert_eq!(blocks.len(), all, "a block stands in two tables");
        assert!(blocks.iter().all(|b| (b.0 as usize) < capacity.kv_blocks));
        let mut rows = 0;
        for slice in batch {
            assert!(!slice.tokens.is_empty());
            assert!(
                slice
                    .tokens
                    .iter()
                    .all(|t| (t.0 as usize) < capacity.vocabulary)
            );
            let end = slice.first_position + slice.tokens.len();
            assert!(
                end <= slice.blocks.len() * KV_BLOCK_TOKENS,
                "blocks cover {end}"
            );
            rows += match slice.logits {
                LogitsWanted::Nothing => 0,
                LogitsWanted::Last => 1,
                LogitsWanted::All => slice.tokens.len(),
            };
        }
        assert_eq!(logits.len(), rows * capacity.vocabulary);
    }
}

impl Backend for TestBackend {
    fn name(&self) -> &'static str {
        "test"
    }

    fn capacity(&self) -> Capacity {
        self.capacity
    }

    fn step(
        &mut self,
        batch: &[SequenceSlice<'_>],
        logits: &mut [f32],
    ) -> Result<(), BackendError> {
        self.check(batch, logits);
        self.steps += 1;
        let fails = self
            .fail_every
            .is_some_and(|n| self.steps.is_multiple_of(n));
        let mut rows = logits.chunks_exact_mut(self.capacity.vocabulary);
        for slice in batch {
            for (offset, token) in slice.tokens.iter().enumerate() {
                let position = slice.first_position + offset;
                *self.cell(slice.blocks, position) = (!fails).then_some(*token);
                let last = offset + 1 == slice.tokens.len();
                let wanted = match slice.logits {
                    LogitsWanted::Nothing => false,
                    LogitsWanted::Last => last,
                    LogitsWanted::All => true,
                };
                if wanted && !fails {
                    let row = rows.next().unwrap();
                    let context: Vec<_> = (0..=position)
                        .map(|p| {
                            self.cell(slice.blocks, p)
                                .expect("the position was evaluated")
                        })
                        .collect();
                    logits_after(context.into_iter(), row);
                    if self.nan_row == Some(self.rows) {
                        row.fill(f32::NAN);
                    }
                    self.rows += 1;
                }
            }
        }
        match fails {
            true => Err(BackendError::Device("as the test wants".into())),
            false => Ok(()),
        }
    }
}
