//! From disks to a server: finds the model, checks it, has the disk write its weights to where they will be used.
//!
//! Nothing is allocated by a number that the disk says before that number was checked; the weights are read once, by DMA,
//! and never copied.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::slice;
use core::time::Duration;

use cpu_fallback::{CpuBackend, CpuConfig, CpuError, KernelSet};
use inference::backend::BackendError;
use inference::chat::ChatTemplate;
use inference::engine::{Engine, EngineConfig};
use inference::generation::chat_template;
use inference::gguf::{GgufError, Header};
use inference::model::{Hyperparameters, Model, ModelError, Plan};
use inference::source::BlockSource;
use inference::tokenizer::{Tokenizer, TokenizerError};
use pci_types::PciAddress;
use serving::{Server, ServerConfig};

use crate::budget::{self, BudgetError, Wishes};
use crate::cores;
use crate::devices::block::{Disk, DiskError};
use crate::disk::buffered::Buffered;
use crate::disk::gpt::SECTOR;
use crate::disk::locate::{LocateError, Location, Slice, locate};
use crate::memory::{self, PhysRange, frames};
use crate::net::stack::SLOTS;
use crate::options::Options;
use crate::time;

/// What computes: the CPU backend on all cores.
pub type Backend = CpuBackend<cores::Pool>;

/// Weights start at a multiple of a large page, so that the direct map covers them with few entries.
const WEIGHTS_ALIGN: u64 = 2 << 20;
/// Reads start and end at multiples of this, which also suits disks whose sectors are larger than 512 bytes.
const READ_ALIGN: u64 = 4096;
/// From one line of progress to the next.
const PROGRESS: Duration = Duration::from_secs(2);

/// A model that is ready to serve.
pub struct Loaded {
    /// Answers requests.
    pub server: Server<Backend>,
    /// For the `model` command.
    pub summary: Summary,
}

/// What the model is, for people.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The name that clients ask for.
    pub name: String,
    /// Its shape.
    pub shape: Hyperparameters,
    /// Bytes of its weights.
    pub weights: u64,
    /// How long reading them took.
    pub read_time: Duration,
    /// What the backend may hold.
    pub config: CpuConfig,
    /// Bytes of the KV cache.
    pub kv_bytes: u64,
    /// Whether it came with a chat template that can be used.
    pub chat: bool,
    /// Tokens that end an answer.
    pub end_tokens: Vec<u32>,
}

/// Why there is no model.
#[derive(Debug)]
pub enum LoadError {
    /// The machine has no disk that this kernel can drive.
    NoDisk,
    /// No disk holds a model; the last reason.
    Locate(LocateError),
    /// The file's header.
    Header(GgufError),
    /// What the header says about the model.
    Model(ModelError),
    /// The tokenizer that the file carries.
    Tokenizer(TokenizerError),
    /// The tokenizer does not belong to the model.
    Vocabulary {
        /// Tokens that the tokenizer has.
        tokens: usize,
        /// Rows of logits that the model computes.
        rows: usize,
    },
    /// Too little memory for the weights.
    WeightMemory {
        /// Bytes that they take.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// Too little memory for a sequence.
    Budget(BudgetError),
    /// Reading the weights.
    Read(PciAddress, DiskError),
    /// The backend.
    Cpu(CpuError),
    /// The engine.
    Engine(BackendError),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDisk => f.write_str(
                "there is no virtio disk and no NVMe disk; attach one that holds a GGUF file (QEMU: -drive file=F,format=raw,if=none,id=d \
                 -device virtio-blk-pci,drive=d)",
            ),
            Self::Locate(error) => error.fmt(f),
            Self::Header(error) => write!(f, "GGUF: {error}"),
            Self::Model(error) => write!(f, "model: {error}"),
            Self::Tokenizer(error) => write!(f, "tokenizer: {error}"),
            Self::Vocabulary { tokens, rows } => write!(
                f,
                "key tokenizer.ggml.tokens: {tokens} tokens, but the model computes logits for {rows}"
            ),
            Self::WeightMemory { needed, free } => write!(
                f,
                "the weights need {} MiB of memory in one piece, but {} MiB are free; give the machine at least {} MiB more",
                needed.div_ceil(1 << 20),
                free >> 20,
                needed.saturating_sub(*free).div_ceil(1 << 20).max(64),
            ),
            Self::Budget(BudgetError::Shortage(shortage)) => shortage.fmt(f),
            Self::Budget(BudgetError::Cpu(error)) | Self::Cpu(error) => write!(f, "CPU backend: {error}"),
            Self::Read(address, error) => write!(f, "reading the weights: disk {address}: {error}"),
            Self::Engine(error) => write!(f, "engine: {error}"),
        }
    }
}

/// Finds a model on one of the disks and makes a server of it.
///
/// # Errors
/// [`LoadError`], which says what is wrong and, where it is the operator's to change, what to do.
pub fn load(disks: &mut [Disk], options: &Options) -> Result<Loaded, LoadError> {
    let (index, location) = find(disks)?;
    let disk = &mut disks[index];
    let header = read_header(disk, location)?;
    let plan = Plan::new(&header).map_err(LoadError::Model)?;
    // Before the tokenizer, whose tables take the heap's last memory in a machine that is too small for the model anyway.
    let (needed, free) = (plan.data_length() as u64, frames::free_bytes());
    if needed > free {
        return Err(LoadError::WeightMemory { needed, free });
    }
    let tokenizer = Tokenizer::from_gguf(&header).map_err(LoadError::Tokenizer)?;
    let (tokens, rows) = (tokenizer.vocabulary(), plan.hyperparameters().vocabulary);
    if tokens != rows {
        return Err(LoadError::Vocabulary { tokens, rows });
    }
    let template = template(&header, &tokenizer);
    let name = inference::model::name(&header);
    let start = location.offset + header.data_offset();
    drop(header);

    let began = time::now();
    let weights = read_weights(disk, start, plan.data_length())?;
    let read_time = time::now() - began;
    let weights_bytes = plan.data_length() as u64;
    log::info!(
        "model: {} MiB of weights in {}.{:03} s, {} MiB/s",
        weights_bytes >> 20,
        read_time.as_secs(),
        read_time.subsec_millis(),
        (u128::from(weights_bytes) * 1_000_000 / read_time.as_micros().max(1)) >> 20,
    );
    let model = Arc::new(
        plan.with_data(Arc::new(weights))
            .map_err(LoadError::Model)?,
    );
    let shape = *model.hyperparameters();
    let (backend, config) = backend(model, options)?;
    let summary = Summary {
        name,
        shape,
        weights: weights_bytes,
        read_time,
        config,
        kv_bytes: config.kv_bytes(&shape).unwrap_or(0) as u64,
        chat: template.is_some(),
        end_tokens: tokenizer
            .end_of_generation()
            .iter()
            .map(|token| token.0)
            .collect(),
    };
    let engine = Engine::new(
        backend,
        EngineConfig {
            context: config.context,
            max_running: config.batch_sequences,
            max_waiting: config.batch_sequences,
        },
    )
    .map_err(LoadError::Engine)?;
    let server_config = ServerConfig {
        model_name: summary.name.clone(),
        api_key: options.api_key.clone(),
        // One more than there are sockets, so that the console always gets in.
        max_connections: SLOTS + 1,
        unix_base: Duration::from_secs(time::unix_base()),
        seed: super::entropy(),
    };
    Ok(Loaded {
        server: Server::new(engine, tokenizer, template, server_config),
        summary,
    })
}

/// The first disk that holds a model, and where on it. Disks without one are reported.
fn find(disks: &mut [Disk]) -> Result<(usize, Location), LoadError> {
    let mut why = LoadError::NoDisk;
    for (index, disk) in disks.iter_mut().enumerate() {
        let address = disk.address();
        match locate(&mut Buffered::new(disk)) {
            Ok(location) => {
                let place = if location.partition {
                    "a partition"
                } else {
                    "the whole disk"
                };
                log::info!(
                    "disk {address}: the model is {place}, {} MiB",
                    location.length >> 20
                );
                return Ok((index, location));
            }
            Err(error) => {
                log::warn!("disk {address}: {error}");
                why = LoadError::Locate(error);
            }
        }
    }
    Err(why)
}

fn read_header(disk: &mut Disk, location: Location) -> Result<Header, LoadError> {
    let mut buffered = Buffered::new(disk);
    Header::read(&mut Slice::new(&mut buffered, location)).map_err(LoadError::Header)
}

/// The chat template, if the file carries one that works. Without, prompts can still be completed.
fn template(header: &Header, tokenizer: &Tokenizer) -> Option<ChatTemplate> {
    let source = match header.string("tokenizer.chat_template") {
        Ok(source) => source,
        Err(error) => {
            log::warn!("model: no chat template ({error}); only /v1/completions will answer");
            return None;
        }
    };
    match chat_template(source, tokenizer) {
        Ok(template) => Some(template),
        Err(error) => {
            log::error!("model: {error}; only /v1/completions will answer");
            None
        }
    }
}

/// Physical memory that holds the weights, and what lies around them in the first and the last piece that is read.
struct Weights {
    frames: PhysRange,
    skip: usize,
    length: usize,
}

impl Weights {
    /// Frames for `length` bytes of which the first lies `skip` bytes into what is read.
    fn allocate(skip: usize, length: usize) -> Result<Self, LoadError> {
        let needed = (skip as u64 + READ_ALIGN).saturating_add(length as u64);
        let frames = frames::allocate(needed, WEIGHTS_ALIGN).ok_or(LoadError::WeightMemory {
            needed,
            free: frames::free_bytes(),
        })?;
        Ok(Self {
            frames,
            skip,
            length,
        })
    }

    /// The first `bytes` bytes of the frames.
    fn frames(&mut self, bytes: usize) -> &mut [u8] {
        assert!(bytes as u64 <= self.frames.bytes(), "inside the frames");
        let start = memory::direct_map(self.frames.start());
        // SAFETY: the frames are this value's alone, mapped by the direct map, and were just seen to be long enough; any
        // content is a valid byte.
        unsafe { slice::from_raw_parts_mut(start, bytes) }
    }
}

impl AsRef<[u8]> for Weights {
    fn as_ref(&self) -> &[u8] {
        let start = memory::direct_map(self.frames.start());
        // SAFETY: as in `frames`; `allocate` made room for both, and nothing writes while `self` is borrowed shared.
        unsafe { slice::from_raw_parts(start.add(self.skip), self.length) }
    }
}

impl Drop for Weights {
    fn drop(&mut self) {
        // SAFETY: the frames came from `allocate`; `Disk::read` has ended the device's access to them either way.
        unsafe { frames::free(self.frames) }
    }
}

/// Has the disk write `length` bytes from byte `start` on into memory of their own. They lie inside the disk.
fn read_weights(disk: &mut Disk, start: u64, length: usize) -> Result<Weights, LoadError> {
    let first = start - start % READ_ALIGN;
    let end = (start + length as u64)
        .next_multiple_of(READ_ALIGN)
        .min(disk.len());
    let mut weights = Weights::allocate((start - first) as usize, length)?;
    let buffer = weights.frames((end - first) as usize);
    let total = buffer.len();
    let address = disk.address();
    let mut told = time::now();
    disk.read(first / SECTOR, buffer, &mut |done| {
        if time::now() - told >= PROGRESS {
            told = time::now();
            log::info!("model: {} of {} MiB read", done >> 20, total >> 20);
        }
    })
    .map_err(|error| LoadError::Read(address, error))?;
    Ok(weights)
}

/// The backend with as much KV cache as there is memory for.
fn backend(model: Arc<Model>, options: &Options) -> Result<(Backend, CpuConfig), LoadError> {
    let pool = cores::pool();
    let wishes = Wishes {
        free: frames::free_bytes(),
        workers: cpu_fallback::fork_join::ForkJoin::workers(&pool),
        context: options.context,
        sequences: options.max_batch,
        kernels: options.kernels.unwrap_or_else(KernelSet::detect),
    };
    let shape = *model.hyperparameters();
    let mut config = budget::budget(&shape, &wishes).map_err(LoadError::Budget)?;
    let wanted = options.context.unwrap_or(shape.context_length);
    if config.context < wanted {
        log::warn!(
            "model: a context of {} tokens instead of {wanted}: the model was trained for {}, and memory is what it is",
            config.context,
            shape.context_length
        );
    }
    loop {
        match CpuBackend::new(model.clone(), config, pool) {
            Ok(backend) => return Ok((backend, config)),
            // Free memory may lie in several pieces, of which the largest is smaller than the budget: try with half.
            Err(CpuError::OutOfMemory { .. })
                if config.kv_blocks / 2 * inference::limits::KV_BLOCK_TOKENS >= config.context =>
            {
                config.kv_blocks /= 2;
            }
            Err(error) => return Err(LoadError::Cpu(error)),
        }
    }
}
