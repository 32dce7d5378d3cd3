//! From a file to a backend.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use cpu_fallback::{CpuBackend, CpuConfig, KernelSet};
use inference::gguf::Header;
use inference::kv::blocks_for;
use inference::limits::{KV_BLOCK_TOKENS, MAX_BATCH_SEQUENCES, MAX_BATCH_TOKENS};
use inference::model::{Hyperparameters, Model, Plan};
use inference::source::{BlockSource, ReadError};
use inference::tokenizer::Tokenizer;

use crate::options::{Failure, Options};
use crate::pool::Pool;
use crate::progress::Progress;

/// Positions of a sequence where neither the operator nor the model asks for fewer.
const DEFAULT_CONTEXT: usize = 4096;

/// Bytes that the KV cache may take so that many sequences fit at once; one sequence always does.
const SHARED_KV_BYTES: usize = 1 << 30;

/// Bytes read at once, between two reports of progress.
const PIECE: usize = 8 << 20;

/// Alignment of the weights in memory: a cache line, and the widest vector.
const ALIGNMENT: usize = 64;

struct FileSource {
    file: File,
    length: u64,
}

impl BlockSource for FileSource {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        let length = buffer.len() as u64;
        if offset
            .checked_add(length)
            .is_none_or(|end| end > self.length)
        {
            let available = self.length;
            return Err(ReadError::OutOfRange {
                offset,
                length,
                available,
            });
        }
        let device = |_| ReadError::Device { offset };
        self.file.read_exact_at(buffer, offset).map_err(device)
    }
}

/// Bytes whose first stands at an address of which [`ALIGNMENT`] is a divisor.
struct AlignedBytes {
    memory: Vec<u8>,
    start: usize,
}

impl AlignedBytes {
    fn zeroed(length: usize) -> Result<Self> {
        let mut memory = Vec::new();
        memory
            .try_reserve_exact(length + ALIGNMENT)
            .with_context(|| format!("no memory for {length} bytes of weights"))?;
        memory.resize(length + ALIGNMENT, 0);
        let start = memory.as_ptr().align_offset(ALIGNMENT);
        memory.truncate(start + length);
        Ok(Self { memory, start })
    }
}

impl AsRef<[u8]> for AlignedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.start..]
    }
}

/// A file whose header was read and checked.
pub(crate) struct ModelFile {
    pub(crate) header: Header,
    source: FileSource,
}

impl ModelFile {
    /// Opens the file that `--model` names.
    pub(crate) fn open(options: &Options) -> Result<Self, Failure> {
        let path = options.path("model")?;
        Ok(Self::read(&path).with_context(|| path.display().to_string())?)
    }

    fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).context("cannot open the model; is the path right?")?;
        let length = file.metadata()?.len();
        let mut source = FileSource { file, length };
        let header = Header::read(&mut source)?;
        Ok(Self { header, source })
    }

    /// Reads the weights.
    pub(crate) fn model(&mut self) -> Result<Arc<Model>> {
        let plan = Plan::new(&self.header)?;
        let mut data = AlignedBytes::zeroed(plan.data_length())?;
        let mut progress = Progress::new("reading the weights", plan.data_length() as u64);
        let mut offset = self.header.data_offset();
        for piece in data.memory[data.start..].chunks_mut(PIECE) {
            self.source.read_at(offset, piece)?;
            offset += piece.len() as u64;
            progress.at(offset - self.header.data_offset());
        }
        Ok(Arc::new(plan.with_data(Arc::new(data))?))
    }

    /// The tokenizer. Where the file is a model, too, that has as many tokens: its plan was refused otherwise.
    pub(crate) fn tokenizer(&self) -> Result<Tokenizer> {
        Ok(Tokenizer::from_gguf(&self.header)?)
    }
}

/// Positions of a sequence, by `--ctx` and the model.
pub(crate) fn context(options: &Options, shape: &Hyperparameters) -> Result<usize, Failure> {
    match options.count("ctx")? {
        None => Ok(shape.context_length.min(DEFAULT_CONTEXT)),
        Some(context) if context <= shape.context_length => Ok(context),
        Some(context) => Err(Failure::Run(anyhow!(
            "--ctx {context} is more than the {} positions that the model was trained for",
            shape.context_length
        ))),
    }
}

/// Threads that compute, by `--threads` and the processors there are.
pub(crate) fn threads(options: &Options) -> Result<usize, Failure> {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    Ok(options.count("threads")?.unwrap_or_else(processors))
}

/// Makes a backend for `model` as the options say, with room for `sequences` where memory allows, and for one in any
/// case.
pub(crate) fn backend(
    options: &Options,
    model: Arc<Model>,
    sequences: usize,
) -> Result<CpuBackend<Pool>, Failure> {
    let shape = model.hyperparameters();
    let context = context(options, shape)?;
    let kernels = match options.text("kernels")? {
        None => KernelSet::detect(),
        Some(name) => KernelSet::from_name(name).ok_or_else(|| {
            let names = KernelSet::ALL.map(KernelSet::name).join(", ");
            Failure::Usage(format!("--kernels {name} is not known; there are {names}"))
        })?,
    };
    let mut config = CpuConfig {
        kernels,
        kv_blocks: 1,
        batch_tokens: MAX_BATCH_TOKENS,
        batch_sequences: MAX_BATCH_SEQUENCES,
        context,
    };
    let one = blocks_for(context);
    let affordable = SHARED_KV_BYTES / config.kv_bytes(shape)?.max(1);
    config.kv_blocks = affordable.clamp(one, one * sequences);
    let threads = threads(options)?;
    let pool = Pool::new(threads).with_context(|| format!("cannot start {threads} threads"))?;
    Ok(CpuBackend::new(model, config, pool)?)
}

const _: () = assert!(DEFAULT_CONTEXT.is_multiple_of(KV_BLOCK_TOKENS));
