//! [`CpuBackend`]: what it is made of, and the checks between the engine's batch and the forward pass.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use inference::backend::{Backend, BackendError, Capacity, LogitsWanted, SequenceSlice};
use inference::ids::BlockId;
use inference::limits::KV_BLOCK_TOKENS;
use inference::model::{Hyperparameters, Model};

use crate::cache::KvCache;
use crate::fork_join::ForkJoin;
use crate::forward::{Context, RunState};
use crate::kernels::{KernelSet, Kernels};
use crate::memory::{CpuError, zeroed};

/// How much a backend can hold, and which code it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuConfig {
    /// Instruction set; [`KernelSet::detect`] finds the fastest.
    pub kernels: KernelSet,
    /// Blocks of the KV cache.
    pub kv_blocks: usize,
    /// Tokens that one step may carry.
    pub batch_tokens: usize,
    /// Sequences that one step may carry.
    pub batch_sequences: usize,
    /// Positions that a sequence may have.
    pub context: usize,
}

impl CpuConfig {
    /// Bytes of the KV cache.
    ///
    /// # Errors
    /// [`CpuError::TooLarge`] if they exceed an address space.
    pub fn kv_bytes(&self, shape: &Hyperparameters) -> Result<usize, CpuError> {
        KvCache::bytes(shape, self.kv_blocks)
    }

    /// Bytes of the buffers of a step, with that many workers.
    ///
    /// # Errors
    /// [`CpuError::TooLarge`] if they exceed an address space.
    pub fn step_bytes(&self, shape: &Hyperparameters, workers: usize) -> Result<usize, CpuError> {
        RunState::bytes(shape, self.batch_tokens, self.context, workers)
    }

    fn check(&self) -> Result<(), CpuError> {
        let fields = [
            ("kv_blocks", self.kv_blocks),
            ("batch_tokens", self.batch_tokens),
            ("batch_sequences", self.batch_sequences),
            ("context", self.context),
        ];
        for (name, value) in fields {
            if value == 0 {
                return Err(CpuError::Zero(name));
            }
        }
        Ok(())
    }
}

/// Evaluates a model on the cores of `P`.
pub struct CpuBackend<P> {
    model: Arc<Model>,
    config: CpuConfig,
    kernels: &'static Kernels,
    pool: P,
    state: RunState,
    cache: KvCache,
    /// For each KV block, whether the current batch writes to it.
    written: Vec<bool>,
}

impl<P: ForkJoin> CpuBackend<P> {
    /// Makes a backend; every buffer that a step needs is allocated here.
    ///
    /// # Errors
    /// [`CpuError`] if the processor lacks the kernels' instructions, a size is zero, or memory does not suffice.
    pub fn new(model: Arc<Model>, config: CpuConfig, pool: P) -> Result<Self, CpuError> {
        config.check()?;
        let kernels = config
            .kernels
            .table()
            .ok_or(CpuError::KernelsUnsupported(config.kernels))?;
        let workers = pool.workers();
        Ok(Self {
            cache: KvCache::new(model.hyperparameters(), config.kv_blocks)?,
            state: RunState::new(&model, config.batch_tokens, config.context, workers)?,
            written: zeroed("the books of KV blocks", config.kv_blocks)?,
            model,
            config,
            kernels,
            pool,
        })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The configuration it was made with.
    #[must_use]
    pub fn config(&self) -> &CpuConfig {
        &self.config
    }

    /// Checks what the contract of [`Backend::step`] says of a batch.
    fn check(&mut self, batch: &[SequenceSlice<'_>], logits: usize) -> Result<(), BackendError> {
        at_most("sequences", batch.len(), self.config.batch_sequences)?;
        let mut tokens = 0usize;
        let mut rows = 0usize;
        for (s, slice) in batch.iter().enumerate() {
            self.check_slice(s, slice)?;
            tokens = tokens.saturating_add(slice.tokens.len());
            rows += match slice.logits {
                LogitsWanted::Nothing => 0,
                LogitsWanted::Last => 1,
                LogitsWanted::All => slice.tokens.len(),
            };
        }
        at_most("tokens", tokens, self.config.batch_tokens)?;
        let vocabulary = self.model.hyperparameters().vocabulary;
        if rows.checked_mul(vocabulary) != Some(logits) {
            return Err(BackendError::Invalid(format!(
                "logits hold {logits} values, {rows} rows of {vocabulary} expected"
            )));
        }
        self.check_sharing(batch)
    }

    /// Checks a slice by itself.
    fn check_slice(&self, s: usize, slice: &SequenceSlice<'_>) -> Result<(), BackendError> {
        let invalid = |what: String| {
            Err(BackendError::Invalid(format!(
                "sequence {s} of the batch {what}"
            )))
        };
        let vocabulary = self.model.hyperparameters().vocabulary;
        if slice.tokens.is_empty() {
            return invalid("has no tokens, at least 1 expected".into());
        }
        if let Some(token) = slice.tokens.iter().find(|id| id.0 as usize >= vocabulary) {
            return invalid(format!(
                "has token {}, under {vocabulary} expected",
                token.0
            ));
        }
        let end = slice.first_position.saturating_add(slice.tokens.len());
        if end > self.config.context {
            let context = self.config.context;
            return invalid(format!("has {end} positions, at most {context} expected"));
        }
        let (found, needed) = (slice.blocks.len(), end.div_ceil(KV_BLOCK_TOKENS));
        if found < needed {
            return invalid(format!(
                "has {found} blocks, {needed} expected for {end} positions"
            ));
        }
        let blocks = self.config.kv_blocks;
        if let Some(block) = slice.blocks.iter().find(|id| id.0 as usize >= blocks) {
            return invalid(format!("has block {}, under {blocks} expected", block.0));
        }
        Ok(())
    }

    /// Checks that a block which one sequence writes stands in no other place of any table.
    fn check_sharing(&mut self, batch: &[SequenceSlice<'_>]) -> Result<(), BackendError> {
        self.written.fill(false);
        let shared = |s: usize, block: BlockId| {
            Err(BackendError::Invalid(format!(
                "sequence {s} of the batch has block {}, which is written in another place of the batch",
                block.0
            )))
        };
        for (s, slice) in batch.iter().enumerate() {
            let (_, written) = tables(slice);
            for &block in written {
                if core::mem::replace(&mut self.written[block.0 as usize], true) {
                    return shared(s, block);
                }
            }
        }
        for (s, slice) in batch.iter().enumerate() {
            let (read, _) = tables(slice);
            for &block in read {
                if self.written[block.0 as usize] {
                    return shared(s, block);
                }
            }
        }
        Ok(())
    }
}

/// The blocks that a slice only reads, and those that it writes to.
fn tables<'a>(slice: &SequenceSlice<'a>) -> (&'a [BlockId], &'a [BlockId]) {
    let end = slice.first_position + slice.tokens.len();
    let used = &slice.blocks[..end.div_ceil(KV_BLOCK_TOKENS)];
    used.split_at(slice.first_position / KV_BLOCK_TOKENS)
}

fn at_most(what: &str, found: usize, most: usize) -> Result<(), BackendError> {
    if found > most {
        return Err(BackendError::Invalid(format!(
            "batch has {found} {what}, at most {most} expected"
        )));
    }
    Ok(())
}

impl<P: ForkJoin> Backend for CpuBackend<P> {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn capacity(&self) -> Capacity {
        Capacity {
            kv_blocks: self.config.kv_blocks,
            batch_tokens: self.config.batch_tokens,
            batch_sequences: self.config.batch_sequences,
            vocabulary: self.model.hyperparameters().vocabulary,
        }
    }

    fn step(
        &mut self,
        batch: &[SequenceSlice<'_>],
        logits: &mut [f32],
    ) -> Result<(), BackendError> {
        self.check(batch, logits.len())?;
        let context = Context {
            model: &self.model,
            kernels: self.kernels,
            pool: &self.pool,
        };
        context.forward(&mut self.state, &mut self.cache, batch, logits);
        Ok(())
    }
}
