//! A step in which no request begins or ends takes no memory, from the engine down to the kernels.

mod demo;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use inference::engine::Event;

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

#[test]
fn decoding_allocates_nothing() {
    let mut engine = demo::engine(4, 64);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    engine.submit(demo::request(5, 3, 200, 0.0)).unwrap();
    engine.submit(demo::request(6, 100, 156, 0.8)).unwrap();
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
