//! The demo model under the engine, on one core.

use std::path::Path;
use std::sync::Arc;

use cpu_fallback::fork_join::SingleCore;
use cpu_fallback::{CpuBackend, CpuConfig, KernelSet};
use inference::engine::{Engine, EngineConfig, Request};
use inference::gguf::Header;
use inference::ids::TokenId;
use inference::model::Plan;
use inference::sampler::SamplingParams;

/// An engine for at most `sequences` at once, with so many blocks of KV cache.
pub(crate) fn engine(sequences: usize, kv_blocks: usize) -> Engine<CpuBackend<SingleCore>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/demo.gguf");
    let file = std::fs::read(path).expect("the repository holds the demo model");
    let header = Header::read(&mut &file[..]).expect("its header is sound");
    let data: Vec<u8> = file[header.data_offset() as usize..].into();
    let plan = Plan::new(&header).expect("it is a llama model");
    let model = plan
        .with_data(Arc::new(data))
        .expect("its weights are there");
    let config = CpuConfig {
        kernels: KernelSet::detect(),
        kv_blocks,
        batch_tokens: 32,
        batch_sequences: sequences,
        context: 256,
    };
    let backend = CpuBackend::new(Arc::new(model), config, SingleCore);
    let config = EngineConfig {
        context: 256,
        max_running: sequences,
        max_waiting: 64,
    };
    Engine::new(backend.expect("memory suffices"), config).expect("a sequence fits")
}

/// A request of `prompt` tokens, which differ with `first`, for `max_tokens` more.
pub(crate) fn request(first: u32, prompt: u32, max_tokens: usize, temperature: f32) -> Request {
    Request {
        prompt: (0..prompt)
            .map(|i| TokenId((first + 37 * i) % 2048))
            .collect(),
        max_tokens,
        sampling: SamplingParams {
            temperature,
            top_p: 0.9,
            repetition_penalty: 1.1,
            seed: u64::from(first),
            ..SamplingParams::default()
        },
        stop_tokens: vec![],
        log_probabilities: None,
    }
}
