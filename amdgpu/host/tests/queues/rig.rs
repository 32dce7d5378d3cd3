//! A card that runs, and what tests do with it again and again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use amdgpu::memory::{Access, SharedBuffer, VramBuffer};
use amdgpu::queue::{Commands, ComputeQueue, Placement, Release, SdmaQueue, Staging};
use amdgpu::{Configuration, Device, Gpu, GpuVa, layout, mec, nbio};
use amdgpu_host::InProcess;
use firmware_loader::{File, Firmware, NAVI31};
use gpu_model::{Card, FaultKind, Level};

use crate::LIMIT;

/// The smallest ring that there is.
const RING: u64 = 4096;

fn firmware() -> Firmware<'static> {
    static FILES: OnceLock<BTreeMap<&'static str, Vec<u8>>> = OnceLock::new();
    let files = FILES.get_or_init(|| qemu::firmware::load(None).expect("AMD's firmware").files);
    let get = |name: &str| files.get(name).map(Vec::as_slice);
    Firmware::new(get, &NAVI31).expect("AMD's firmware is whole")
}

/// A generator of random numbers (xorshift).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }
}

pub(crate) struct Rig {
    pub(crate) gpu: Gpu,
    staging: Staging,
    card: Arc<Mutex<Card>>,
}

impl Rig {
    /// A card from cold, with the smallest rings, so that they wrap, and little staging memory, so that it is used again.
    pub(crate) fn new() -> Self {
        let bus = InProcess::new(Level::Strict).expect("address space");
        let card = bus.card();
        let configuration = Configuration::default();
        let gpu = Gpu::start(Box::new(bus), &firmware(), &configuration, &mut |_| {});
        let mut gpu = gpu.expect("a card that computes");
        let Gpu {
            device,
            memory,
            compute,
            sdma: [sdma, _],
            ..
        } = &mut gpu;
        let placement = Placement {
            mqd: layout::MQDS.start.plus(4096),
            doorbell: nbio::DOORBELL_MEC,
            ring_bytes: RING,
        };
        compute.dequeue(device).expect("it is idle");
        *compute = ComputeQueue::create(device, memory, placement).expect("a queue");
        sdma.disable(device).expect("it is idle");
        let small = SdmaQueue::create(device, memory, 0, RING, nbio::DOORBELL_SDMA[0]);
        *sdma = small.expect("a queue");
        let staging = Staging::new(device, memory, 3, 8192).expect("memory");
        Self { gpu, staging, card }
    }

    pub(crate) fn card(&self) -> MutexGuard<'_, Card> {
        self.card.lock().expect("no test panics with it")
    }

    /// The rule that the driver broke.
    pub(crate) fn broken(&self) -> Option<&'static str> {
        let card = self.card();
        card.stopped().map(|violation| violation.rule.name)
    }

    /// Stops the card, which has nothing to complain about.
    pub(crate) fn ends_well(self) {
        let (_, left) = self.gpu.stop();
        assert_eq!(left, Ok(()));
        let card = self.card.lock().expect("no test panics with it");
        assert_eq!(card.report(), None);
    }

    pub(crate) fn device(&mut self) -> &mut Device {
        &mut self.gpu.device
    }

    pub(crate) fn vram(&mut self, bytes: u64, access: Access) -> VramBuffer {
        let Gpu { device, memory, .. } = &mut self.gpu;
        let buffer = memory.allocate_vram(device, bytes, 256, access);
        buffer.expect("there is room")
    }

    pub(crate) fn free(&mut self, buffer: VramBuffer) {
        let Gpu { device, memory, .. } = &mut self.gpu;
        memory.free(device, buffer).expect("it was mapped");
    }

    pub(crate) fn host(&mut self, bytes: u64) -> SharedBuffer {
        let Gpu { device, memory, .. } = &mut self.gpu;
        let buffer = memory.allocate_host(device, bytes);
        buffer.expect("there is room")
    }

    pub(crate) fn put(&mut self, buffer: &SharedBuffer, offset: u64, data: &[u8]) {
        let written = buffer.write(self.device(), offset, data);
        written.expect("inside the buffer");
    }

    pub(crate) fn get(&mut self, buffer: &SharedBuffer, offset: u64) -> u32 {
        let mut out = [0; 4];
        let read = buffer.read(self.device(), offset, &mut out);
        read.expect("inside the buffer");
        u32::from_le_bytes(out)
    }

    pub(crate) fn upload(&mut self, to: GpuVa, data: &[u8]) {
        let Gpu { device, sdma, .. } = &mut self.gpu;
        let sent = self.staging.write(device, &mut sdma[0], to, data);
        sent.expect("it is sent");
        let arrived = self.staging.finish(device, &mut sdma[0]);
        arrived.expect("it arrives");
    }

    pub(crate) fn download(&mut self, from: GpuVa, bytes: u64) -> Vec<u8> {
        let mut out = vec![0; bytes as usize];
        let Gpu { device, sdma, .. } = &mut self.gpu;
        let read = self.staging.read(device, &mut sdma[0], from, &mut out);
        read.expect("it is read");
        out
    }

    /// Has the first SDMA queue do something, and waits until it is done.
    pub(crate) fn copied(&mut self, act: impl FnOnce(&mut SdmaQueue, &mut Device)) {
        let Gpu { device, sdma, .. } = &mut self.gpu;
        act(&mut sdma[0], device);
        let fence = sdma[0].submit(device).expect("there is room");
        let done = sdma[0].wait(device, fence, LIMIT);
        done.expect("it is done");
    }

    /// Submits and waits.
    pub(crate) fn run(&mut self, commands: &Commands, release: Release) {
        let Gpu {
            device, compute, ..
        } = &mut self.gpu;
        let fence = compute.submit(device, commands, release);
        let done = compute.wait(device, fence.expect("there is room"), LIMIT);
        assert!(done.is_ok(), "{:?}, {:?}", done, self.card().stopped());
    }

    pub(crate) fn fault(&self, kind: FaultKind) {
        self.card().faults().add(kind, 1);
    }

    pub(crate) fn reset_mec(&mut self) {
        let start = firmware().start_address(File::Mec).expect("it has one");
        mec::reset(self.device()).expect("a MEC");
        mec::start(self.device(), start).expect("a MEC");
    }
}
