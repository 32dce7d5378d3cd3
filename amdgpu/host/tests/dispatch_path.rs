//! What a batch costs that can be counted: allocations, and doorbells.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use amdgpu::queue::{Commands, ComputeQueue, KernelCode, Needs, Placement, Release, SdmaQueue};
use amdgpu::{Device, GpuVa, Memory, VramAddr};
use amdgpu_host::NullBus;
use gpu_model::NAVI31;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: every call is handed on to the system's allocator, which keeps `GlobalAlloc`'s contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, which is the same; the pointer is from `System.alloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const BATCHES: u64 = 50;
const NEEDS: Needs = Needs {
    vgprs: 64,
    user_sgprs: 15,
    workgroup_ids: [true, true, false],
    local_id_components: 1,
    lds_bytes: 4096,
    workgroup_size: [16, 16, 1],
    code_bytes: 4096,
};

/// One test, so that no other one allocates beside it.
#[test]
fn a_batch_allocates_nothing_and_rings_one_doorbell() {
    let (bus, doorbells) = NullBus::new();
    let mut device = Device::new(Box::new(bus), Box::new(NAVI31));
    let at = |mib: u64| VramAddr(mib << 20);
    let tables = at(96)..at(128);
    let memory = Memory::new(&mut device, at(128)..at(1024), tables, at(64));
    let mut memory = memory.expect("it fits");
    let placement = Placement {
        mqd: at(65),
        doorbell: 3,
        ring_bytes: 1 << 20,
    };
    let queue = ComputeQueue::create(&mut device, &mut memory, placement);
    let mut queue = queue.expect("a queue");
    let sdma = SdmaQueue::create(&mut device, &mut memory, 0, 1 << 20, 0x100);
    let mut sdma = sdma.expect("a queue");
    let kernel = KernelCode::new(GpuVa(0x1000), &NEEDS).expect("it can run");
    let other = KernelCode::new(GpuVa(0x2000), &NEEDS).expect("it can run");
    let mut commands = Commands::new(1024);
    commands.dispatch(&kernel, GpuVa(0x5000), [1, 1, 1]);
    let prebuilt = queue.prebuild(&mut device, &mut memory, &commands);
    let prebuilt = prebuilt.expect("there is memory");
    let mut last = None;
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for batch in 0..BATCHES {
        commands.clear();
        for n in 0..10 {
            commands.dispatch(&kernel, GpuVa(0x5000 + 64 * n), [1, 2, 3]);
            commands.barrier();
            commands.dispatch(&other, GpuVa(0x6000 + 64 * n), [1, 2, 3]);
            commands.timestamp(queue.stamp_place(batch));
        }
        last = Some([
            queue.submit(&mut device, &commands, Release::Memory),
            queue.replay(&mut device, &prebuilt, Release::Host),
        ]);
        let copied = sdma.copy(&mut device, GpuVa(0), GpuVa(1 << 30), 9 << 20);
        let submitted = sdma.submit(&mut device);
        assert!(copied.is_ok() && submitted.is_ok_and(|fence| !sdma.is_done(&mut device, fence)));
    }
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0);
    let [submitted, replayed] = last.expect("batches");
    assert!(submitted.is_ok_and(|fence| !queue.is_done(&mut device, fence)));
    assert!(replayed.is_ok());
    assert_eq!(doorbells.load(Ordering::Relaxed), 3 * BATCHES);
}
