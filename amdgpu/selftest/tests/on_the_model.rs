//! The self-test on the model at its strictest, through the whole driver: the cheapest case of every kernel.

use std::sync::{Arc, Mutex, MutexGuard};

use amdgpu::{Configuration, Gpu};
use amdgpu_host::InProcess;
use amdgpu_selftest::{Header, OnCard, Plan, Summary, run};
use firmware_loader::{Firmware, NAVI31};
use gpu_model::{Card, FaultKind, Level};
use shader_cases::{Device, Size};

const PLAN: Plan<'_> = Plan {
    seed: 20_261_120,
    size: Size::Small,
    only: "",
};

fn locked(card: &Mutex<Card>) -> MutexGuard<'_, Card> {
    card.lock().expect("no test panics with it")
}

/// A card from cold.
fn started() -> (Gpu, Arc<Mutex<Card>>) {
    let files = qemu::firmware::load(None).expect("AMD's firmware").files;
    let firmware = Firmware::new(|name| files.get(name).map(Vec::as_slice), &NAVI31);
    let firmware = firmware.expect("AMD's firmware is whole");
    let bus = InProcess::new(Level::Strict).expect("address space");
    let card = bus.card();
    let configuration = Configuration::default();
    let started = Gpu::start(Box::new(bus), &firmware, &configuration, &mut |_| {});
    (started.expect("a card that computes"), card)
}

/// Runs a plan and prints the report. After each case one of the faults is to come, until there is none left.
fn report((gpu, card): (&mut Gpu, &Mutex<Card>), plan: &Plan<'_>, faults: &[FaultKind]) -> Summary {
    let identity = gpu.identity().clone();
    let identity = &identity;
    println!("{}", Header { identity, plan });
    let free = gpu.memory.free_vram();
    let mut device = OnCard::new(gpu, shaders::KERNELS).expect("there is room");
    let mut faults = faults.iter();
    let summary = run(&mut device, plan, &mut |outcome| {
        println!("{outcome}");
        if let Some(fault) = faults.next() {
            locked(card).faults().add(*fault, 1);
        }
    });
    println!("{summary}");
    if !device.is_lost() {
        assert_eq!(device.finish(), Ok(()));
        assert_eq!(gpu.memory.free_vram(), free, "all of it is given back");
    }
    summary
}

#[test]
fn every_kernel_is_right_on_the_model() {
    let (mut gpu, card) = started();
    let summary = report((&mut gpu, &card), &PLAN, &[]);
    assert_eq!(locked(&card).report(), None);
    let expected = format!("selftest: {} passed, 0 failed", shaders::KERNELS.len());
    assert_eq!(summary.to_string(), expected);
    let (_, left) = gpu.stop();
    assert_eq!(left, Ok(()));
    assert_eq!(locked(&card).report(), None);
}

const SILU: Plan<'_> = Plan {
    only: "silu",
    ..PLAN
};

#[test]
fn after_a_kernel_that_fails_the_others_run() {
    let faults = [
        (FaultKind::HungWave, "compute queue"),
        (FaultKind::PageFault, "page fault"),
        (FaultKind::IllegalInstruction, "illegal instruction"),
    ];
    for (fault, words) in faults {
        let (mut gpu, card) = started();
        let summary = report((&mut gpu, &card), &SILU, &[fault]);
        assert_eq!((summary.passed, summary.failed, summary.not_run), (2, 1, 0));
        let (kernel, _, error) = &summary.wrong[0];
        assert_eq!(*kernel, "silu_f16");
        assert!(error.to_string().contains(words), "{error}");
        let (_, left) = gpu.stop();
        assert_eq!(left, Ok(()));
    }
}

#[test]
fn a_card_that_is_gone_fails_what_is_left() {
    let (mut gpu, card) = started();
    let summary = report((&mut gpu, &card), &SILU, &[FaultKind::Removal]);
    assert_eq!((summary.passed, summary.failed, summary.not_run), (1, 2, 1));
}

#[test]
fn a_card_that_hangs_again_and_again_is_given_up() {
    let (mut gpu, card) = started();
    let plan = Plan {
        only: "matvec",
        ..PLAN
    };
    let hangs = [FaultKind::HungWave; 20];
    let summary = report((&mut gpu, &card), &plan, &hangs);
    assert_eq!(
        (summary.passed, summary.failed, summary.not_run),
        (1, 19, 15)
    );
}
