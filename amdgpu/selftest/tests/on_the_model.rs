//! The self-test on the model at its strictest, through the whole driver: the cheapest case of every kernel.

use std::sync::{Mutex, MutexGuard};

use amdgpu::{Configuration, Gpu};
use amdgpu_host::InProcess;
use amdgpu_selftest::{Header, OnCard, Plan, run};
use firmware_loader::{Firmware, NAVI31};
use gpu_model::{Card, Level};
use shader_cases::Size;

const PLAN: Plan<'_> = Plan {
    seed: 20_261_120,
    size: Size::Small,
    only: "",
};

fn locked(card: &Mutex<Card>) -> MutexGuard<'_, Card> {
    card.lock().expect("no test panics with it")
}

#[test]
fn every_kernel_is_right_on_the_model() {
    let files = qemu::firmware::load(None).expect("AMD's firmware").files;
    let firmware = Firmware::new(|name| files.get(name).map(Vec::as_slice), &NAVI31);
    let firmware = firmware.expect("AMD's firmware is whole");
    let bus = InProcess::new(Level::Strict).expect("address space");
    let card = bus.card();
    let configuration = Configuration::default();
    let started = Gpu::start(Box::new(bus), &firmware, &configuration, &mut |_| {});
    let mut gpu = started.expect("a card that computes");
    let identity = gpu.identity().clone();
    let header = Header {
        identity: &identity,
        plan: &PLAN,
    };
    println!("{header}");
    let free = gpu.memory.free_vram();
    let mut device = OnCard::new(&mut gpu, shaders::KERNELS).expect("there is room");
    let summary = run(&mut device, &PLAN, &mut |outcome| println!("{outcome}"));
    println!("{summary}");
    assert_eq!(locked(&card).report(), None);
    let expected = format!("selftest: {} passed, 0 failed", shaders::KERNELS.len());
    assert_eq!(summary.to_string(), expected);
    assert_eq!(device.finish(), Ok(()));
    assert_eq!(gpu.memory.free_vram(), free, "all of it is given back");
    let (_, left) = gpu.stop();
    assert_eq!(left, Ok(()));
    assert_eq!(locked(&card).report(), None);
}
