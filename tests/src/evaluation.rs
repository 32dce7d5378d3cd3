//! Logits of a model file from the CPU backend, in this process.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use cpu_fallback::fork_join::ForkJoin;
use cpu_fallback::{CpuBackend, CpuConfig, KernelSet};
use inference::backend::{Backend, LogitsWanted, SequenceSlice};
use inference::gguf::Header;
use inference::ids::{BlockId, TokenId};
use inference::limits::KV_BLOCK_TOKENS;
use inference::model::{Model, Plan};

/// Some threads, started anew for every job: slow and simple.
pub struct Threads(pub usize);

impl ForkJoin for Threads {
    fn workers(&self) -> usize {
        self.0
    }

    fn run(&self, job: &(dyn Fn(usize) + Sync)) {
        std::thread::scope(|scope| {
            for worker in 1..self.0 {
                scope.spawn(move || job(worker));
            }
            job(0);
        });
    }
}

/// The model in a file's bytes.
///
/// # Errors
/// If it is not one.
pub fn model(file: &[u8]) -> Result<Arc<Model>> {
    let header = Header::read(&mut { file })?;
    let offset = usize::try_from(header.data_offset())?;
    let data = file.get(offset..).context("no tensor data")?.to_vec();
    Ok(Arc::new(Plan::new(&header)?.with_data(Arc::new(data))?))
}

/// The model in a file.
///
/// # Errors
/// If there is none.
pub fn model_file(path: &Path) -> Result<Arc<Model>> {
    let file = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    model(&file)
}

/// All logits of each sequence, each evaluated alone and in one step, row after row.
///
/// # Errors
/// If the processor lacks the kernels, or a sequence breaks the backend's contract.
pub fn logits(model: Arc<Model>, kernels: KernelSet, sequences: &[Vec<u32>]) -> Result<Vec<f32>> {
    let longest = sequences.iter().map(Vec::len).max().unwrap_or(0);
    let (mut backend, blocks) = backend_of_one(model, kernels, longest)?;
    let mut all = Vec::new();
    for sequence in sequences {
        let tokens: Vec<TokenId> = sequence.iter().copied().map(TokenId).collect();
        let slice = SequenceSlice {
            tokens: &tokens,
            first_position: 0,
            blocks: &blocks,
            logits: LogitsWanted::All,
        };
        let start = all.len();
        all.resize(start + tokens.len() * backend.capacity().vocabulary, 0.0);
        backend.step(&[slice], &mut all[start..])?;
    }
    Ok(all)
}

/// A sequence of `length` tokens that begins with `first`; `choose` picks each next one by its logits.
///
/// # Errors
/// If the processor lacks the kernels, or a token is not in the vocabulary.
pub fn continuation(
    model: Arc<Model>,
    kernels: KernelSet,
    first: u32,
    length: usize,
    mut choose: impl FnMut(&[f32]) -> u32,
) -> Result<Vec<u32>> {
    let (mut backend, blocks) = backend_of_one(model, kernels, length)?;
    let mut logits = vec![0.0; backend.capacity().vocabulary];
    let mut sequence = vec![first];
    while sequence.len() < length {
        let slice = SequenceSlice {
            tokens: &[TokenId(sequence[sequence.len() - 1])],
            first_position: sequence.len() - 1,
            blocks: &blocks,
            logits: LogitsWanted::Last,
        };
        backend.step(&[slice], &mut logits)?;
        sequence.push(choose(&logits));
    }
    Ok(sequence)
}

/// A backend for one sequence of at most `positions`, and the sequence's block table.
fn backend_of_one(
    model: Arc<Model>,
    kernels: KernelSet,
    positions: usize,
) -> Result<(CpuBackend<Threads>, Vec<BlockId>)> {
    let config = CpuConfig {
        kernels,
        kv_blocks: positions.div_ceil(KV_BLOCK_TOKENS),
        batch_tokens: positions,
        batch_sequences: 1,
        context: positions,
    };
    let table = (0..config.kv_blocks as u32).map(BlockId).collect();
    Ok((CpuBackend::new(model, config, Threads(1))?, table))
}
