//! The whole bring-up on the model, with AMD's firmware: cold, warm, and of a card that somebody else left.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use amdgpu::{Bus, Configuration, Failure, Found, Gpu, StepReport};
use amdgpu_host::InProcess;
use firmware_loader::{Firmware, NAVI31};
use gpu_model::{Card, Level};

fn files() -> &'static BTreeMap<&'static str, Vec<u8>> {
    static FILES: OnceLock<BTreeMap<&'static str, Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| qemu::firmware::load(None).expect("AMD's firmware").files)
}

fn firmware() -> Firmware<'static> {
    let get = |name: &str| files().get(name).map(Vec::as_slice);
    Firmware::new(get, &NAVI31).expect("AMD's firmware is whole")
}

fn bus() -> (Box<dyn Bus + Send>, Arc<Mutex<Card>>) {
    let bus = InProcess::new(Level::Strict).expect("address space");
    let card = bus.card();
    (Box::new(bus), card)
}

fn start(
    bus: Box<dyn Bus + Send>,
    configuration: &Configuration,
) -> (Result<Gpu, Failure>, Vec<StepReport>) {
    let mut steps = Vec::new();
    let gpu = Gpu::start(bus, &firmware(), configuration, &mut |step| {
        steps.push(step.clone());
    });
    (gpu, steps)
}

fn stopped(card: &Mutex<Card>) -> Option<String> {
    let card = card.lock().expect("a card");
    card.report()
}

#[test]
fn a_card_comes_up_from_cold_with_both_apertures() {
    for resize_bar in [false, true] {
        let (bus, card) = bus();
        let configuration = Configuration {
            resize_bar,
            ..Configuration::default()
        };
        let (gpu, steps) = start(bus, &configuration);
        assert_eq!(stopped(&card), None);
        let gpu = gpu.expect("a card that computes");
        for step in &steps {
            println!("{:>12?} {}", step.took, step.name);
        }
        let identity = gpu.identity();
        assert_eq!(identity.compute_units, 96);
        assert_eq!(identity.found, Found::Cold);
        let (_, left) = gpu.stop();
        assert_eq!(left, Ok(()));
        assert_eq!(stopped(&card), None);
    }
}
