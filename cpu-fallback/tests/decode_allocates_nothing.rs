//! A step in which no request begins or ends takes no memory, from the engine down to the kernels.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cpu_fallback::fork_join::SingleCore;
use cpu_fallback::{CpuBackend, CpuConfig, KernelSet};
use inference::engine::{Engine, EngineConfig, Event, Request};
use inference::gguf::Header;
use inference::ids::TokenId;
use inference::model::Plan;
use inference::sampler::SamplingParams;

/// The system's allocator, with a count of calls.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: Each call is handed to `System` unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: The caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: As above; the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn request(prompt: usize, temperature: f32) -> Request {
    Request {
        prompt: (0..prompt as u32).map(TokenId).collect(),
        max_tokens: 200,
        sampling: SamplingParams {
            temperature,
            top_p: 0.9,
            repetition_penalty: 1.1,
            ..SamplingParams::default()
        },
        stop_tokens: vec![],
        log_probabilities: None,
    }
}

#[test]
fn decoding_allocates_nothing() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/demo.gguf");
    let file = std::fs::read(path).unwrap();
    let header = Header::read(&mut &file[..]).unwrap();
    let data: Vec<u8> = file[header.data_offset() as usize..].into();
    let model = Plan::new(&header).unwrap().with_data(Arc::new(data));
    let config = CpuConfig {
        kernels: KernelSet::detect(),
        kv_blocks: 64,
        batch_tokens: 64,
        batch_sequences: 4,
        context: 256,
    };
    let backend = CpuBackend::new(Arc::new(model.unwrap()), config, SingleCore).unwrap();
    let config = EngineConfig {
        context: 256,
        max_running: 4,
        max_waiting: 4,
    };
    let mut engine = Engine::new(backend, config).unwrap();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    engine.submit(request(3, 0.0)).unwrap();
    engine.submit(request(100, 0.8)).unwrap();
    assert!(ALLOCATIONS.load(Ordering::Relaxed) > before);
    let mut events = Vec::with_capacity(16);
    for _ in 0..10 {
        engine.step(&mut events).unwrap();
        events.clear();
    }
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..100 {
        engine.step(&mut events).unwrap();
        assert_eq!(events.len(), 2);
        assert!(events.iter().all(|e| matches!(e, Event::Token { .. })));
        events.clear();
    }
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0);
}
