//! What tests of the whole driver share: AMD's firmware, a card on the model, and how it was started.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use amdgpu::{Bus, Configuration, Failure, Gpu, StepReport};
use amdgpu_host::InProcess;
use firmware_loader::{Firmware, NAVI31};
use gpu_model::{Card, FaultKind, Level};

fn files() -> &'static BTreeMap<&'static str, Vec<u8>> {
    static FILES: OnceLock<BTreeMap<&'static str, Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| qemu::firmware::load(None).expect("AMD's firmware").files)
}

/// AMD's firmware for the model.
pub(crate) fn firmware() -> Firmware<'static> {
    let get = |name: &str| files().get(name).map(Vec::as_slice);
    Firmware::new(get, &NAVI31).expect("AMD's firmware is whole")
}

/// A card on the model and what happened on it.
pub(crate) struct Bench {
    /// The card.
    pub(crate) card: Arc<Mutex<Card>>,
    /// The steps of the last start.
    pub(crate) steps: Vec<StepReport>,
    /// The bus, while no driver has it.
    pub(crate) bus: Option<Box<dyn Bus + Send>>,
}

impl Bench {
    /// A card as a PC's firmware leaves it, as strict as can be.
    pub(crate) fn new() -> Self {
        let bus = InProcess::new(Level::Strict).expect("address space");
        Self {
            card: bus.card(),
            steps: Vec::new(),
            bus: Some(Box::new(bus)),
        }
    }

    /// The card itself.
    pub(crate) fn card(&self) -> MutexGuard<'_, Card> {
        self.card.lock().expect("no test panics with it")
    }

    /// Asks the card for a fault at the `occasion`th time that it could happen.
    pub(crate) fn fault(&self, kind: FaultKind, occasion: u64) {
        self.card().faults().add(kind, occasion);
    }

    /// The rule that the driver broke must be none.
    pub(crate) fn assert_kept(&self) {
        assert_eq!(self.card().report(), None);
    }

    /// Starts the card.
    pub(crate) fn start_as(&mut self, configuration: &Configuration) -> Result<Gpu, Failure> {
        let bus = self.bus.take().expect("the bus is free");
        let steps = &mut self.steps;
        steps.clear();
        Gpu::start(bus, &firmware(), configuration, &mut |step| {
            steps.push(step.clone());
        })
    }

    /// Starts the card as the default configuration says.
    pub(crate) fn start(&mut self) -> Result<Gpu, Failure> {
        self.start_as(&Configuration::default())
    }

    /// Starts it, and it must come up.
    pub(crate) fn up(&mut self) -> Gpu {
        let result = self.start();
        self.assert_kept();
        result.expect("a card that computes")
    }

    /// Stops it in order.
    pub(crate) fn stop(&mut self, gpu: Gpu) {
        let (bus, result) = gpu.stop();
        self.assert_kept();
        assert_eq!(result, Ok(()));
        self.bus = Some(bus);
    }

    /// The last start had a step whose name begins so.
    pub(crate) fn did(&self, name: &str) -> bool {
        self.steps.iter().any(|step| step.name.starts_with(name))
    }
}

/// Copies through both engines and looks at what arrives; the queues and memory of the card work.
pub(crate) fn copies(gpu: &mut Gpu) {
    use amdgpu::memory::Access;
    use std::time::Duration;

    const BYTES: u64 = 3 << 20;
    let device = &mut gpu.device;
    let host = gpu.memory.allocate_host(device, BYTES);
    let host = host.expect("host memory");
    let there = gpu.memory.allocate_vram(device, BYTES, 4096, Access::DATA);
    let there = there.expect("video memory");
    let data: Vec<u8> = (0..BYTES).map(|n| (n * 7 % 251) as u8).collect();
    device.bus().host_write(host.buffer(), 0, &data);
    let [up, down] = &mut gpu.sdma;
    for (queue, from, to) in [(up, host.va(), there.va()), (down, there.va(), host.va())] {
        queue.copy(device, from, to, BYTES).expect("room");
        let fence = queue.submit(device).expect("room");
        queue
            .wait(device, fence, Duration::from_secs(1))
            .expect("the copy ends");
        let zeros = vec![0; BYTES as usize];
        if from == host.va() {
            device.bus().host_write(host.buffer(), 0, &zeros);
        }
    }
    let mut back = vec![0; BYTES as usize];
    device.bus().host_read(host.buffer(), 0, &mut back);
    assert!(back == data, "what was copied comes back");
    gpu.memory.free_host(device, host).expect("no longer used");
    gpu.memory.free(device, there).expect("no longer used");
}
