//! What the processor spends on a queued dispatch: `cargo run --release -p amdgpu-host --example dispatch_cost`.
//!
//! Without a card: the bus leads nowhere but for host memory, which is what rings and fences are in.

use std::sync::atomic::Ordering;
use std::time::Instant;

use amdgpu::queue::{Commands, ComputeQueue, KernelCode, Needs, Placement, Release};
use amdgpu::{Device, GpuVa, Memory, VramAddr};
use amdgpu_host::NullBus;
use gpu_model::NAVI31;

/// Dispatches of a batch: about those of one layer of a model.
const DISPATCHES: u64 = 16;
const BATCHES: u64 = 5_000;

fn main() -> Result<(), amdgpu::Error> {
    let (bus, doorbells) = NullBus::new();
    let mut device = Device::new(Box::new(bus), Box::new(NAVI31));
    let at = |mib: u64| VramAddr(mib << 20);
    let mut memory = Memory::new(&mut device, at(128)..at(24 << 10), at(96)..at(128), at(64))?;
    let placement = Placement {
        mqd: at(65),
        doorbell: 3,
        ring_bytes: 16 << 20,
    };
    let needs = Needs {
        vgprs: 64,
        user_sgprs: 15,
        workgroup_ids: [true, false, false],
        local_id_components: 0,
        lds_bytes: 4096,
        workgroup_size: [256, 1, 1],
        code_bytes: 4096,
    };
    let kernels = [0x1000, 0x2000, 0x3000, 0x4000];
    let kernels = kernels.map(|va| KernelCode::new(GpuVa(va), &needs));
    let [a, b, c, d] = kernels;
    let kernels = [a?, b?, c?, d?];
    for barriers in [false, true] {
        let mut queue = ComputeQueue::create(&mut device, &mut memory, placement)?;
        let mut commands = Commands::new(64 * DISPATCHES as usize);
        let rung = doorbells.load(Ordering::Relaxed);
        let start = Instant::now();
        for batch in 0..BATCHES {
            commands.clear();
            for n in 0..DISPATCHES {
                let arguments = GpuVa(0x2000_0000_0000 + 256 * (n + batch % 16));
                let kernel = &kernels[(n % 4) as usize];
                commands.dispatch(kernel, arguments, [n as u32 + 1, 1, 1]);
                if barriers {
                    commands.barrier();
                }
            }
            queue.submit(&mut device, &commands, Release::Host)?;
        }
        let each = start.elapsed() / (BATCHES * DISPATCHES) as u32;
        let rung = doorbells.load(Ordering::Relaxed) - rung;
        println!(
            "{each:?} for a dispatch, {} doorbells for a batch of {DISPATCHES} dispatches {} barriers",
            rung as f64 / BATCHES as f64,
            if barriers { "with" } else { "without" },
        );
        queue
            .destroy(&mut device, &mut memory)
            .or_else(|error| match error {
                // Nobody takes the queue off a pipe that is not there.
                amdgpu::Error::Timeout { .. } => Ok(()),
                error => Err(error),
            })?;
    }
    Ok(())
}
