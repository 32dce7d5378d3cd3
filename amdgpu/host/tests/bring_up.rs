//! The whole bring-up on the model, with AMD's firmware: cold, warm, and of a card that somebody else left.

mod support;

use amdgpu::smu::Performance;
use amdgpu::{Configuration, Found};
use support::{Bench, copies};

#[test]
fn a_card_comes_up_from_cold_with_both_apertures() {
    for resize_bar in [false, true] {
        let mut bench = Bench::new();
        let configuration = Configuration {
            resize_bar,
            ..Configuration::default()
        };
        let gpu = bench.start_as(&configuration);
        bench.assert_kept();
        let mut gpu = gpu.expect("a card that computes");
        let identity = gpu.identity();
        assert_eq!(identity.found, Found::Cold);
        assert_eq!(identity.compute_units, 96);
        assert_eq!(identity.asic.name, "Navi 31");
        assert_eq!((identity.ids.vendor, identity.ids.device), (0x1002, 0x744c));
        assert_eq!(identity.layout.bytes, 24_560 << 20);
        let visible = if resize_bar {
            identity.layout.bytes
        } else {
            256 << 20
        };
        assert_eq!(identity.layout.visible, visible);
        assert_eq!(identity.sos, 0x0031_0025);
        assert_eq!(identity.smu, [0, 78, 75, 0]);
        copies(&mut gpu);
        assert!(gpu.health().expect("a card").is_good());
        bench.stop(gpu);
    }
}

#[test]
fn a_card_that_was_left_in_order_is_taken_over_without_psp() {
    let mut bench = Bench::new();
    let mut gpu = bench.up();
    copies(&mut gpu);
    bench.stop(gpu);
    for _ in 0..2 {
        let mut gpu = bench.up();
        assert_eq!(gpu.identity().found, Found::Warm);
        assert!(
            !bench.did("PSP") && !bench.did("mode1"),
            "{:?}",
            bench.steps
        );
        copies(&mut gpu);
        bench.stop(gpu);
    }
    let cold = Configuration {
        warm: false,
        ..Configuration::default()
    };
    let gpu = bench.start_as(&cold).expect("a card that computes");
    assert!(bench.did("PSP") && bench.did("mode1"));
    bench.stop(gpu);
}

#[test]
fn a_card_that_was_not_left_in_order_is_reset() {
    let mut bench = Bench::new();
    let gpu = bench.up();
    bench.bus = Some(gpu.device.into_bus());
    let mut gpu = bench.up();
    assert_eq!(gpu.identity().found, Found::Foreign);
    assert!(bench.did("mode1"));
    copies(&mut gpu);
    bench.stop(gpu);
}

#[test]
fn clocks_power_and_measurements_follow_the_driver() {
    let mut bench = Bench::new();
    let mut gpu = bench.up();
    let (smu, device) = (&mut gpu.smu, &mut gpu.device);
    let levels = smu.levels(device).expect("levels");
    assert_eq!(levels[3], ("graphics clock", 500, 2482));
    assert_eq!(levels[0], ("memory clock", 96, 1249));
    for (performance, graphics, memory) in [
        (Performance::Highest, 2482, 1249),
        (Performance::Lowest, 500, 96),
        (Performance::Highest, 2482, 1249),
        (Performance::Automatic, 500, 96),
    ] {
        smu.set_performance(device, performance).expect("an answer");
        assert_eq!(smu.performance(), Some(performance));
        let metrics = smu.metrics(device).expect("a table");
        assert_eq!(metrics.clocks.graphics, graphics, "{performance:?}");
        assert_eq!(metrics.clocks.memory, memory, "{performance:?}");
        assert_eq!(metrics.temperatures.edge, 40);
        assert_eq!(metrics.temperatures.memory, 50);
        assert_eq!((metrics.board_power, metrics.fan), (15, 0));
        assert_eq!(metrics.throttled().count(), 0);
    }
    assert_eq!(smu.power_limit(device), Ok(355));
    smu.set_power_limit(device, 250).expect("an answer");
    assert_eq!(smu.power_limit(device), Ok(250));
    assert!(smu.set_power_limit(device, 0).is_err());
    assert!(smu.set_power_limit(device, 356).is_err());
    bench.stop(gpu);
    let mut gpu = bench.up();
    assert_eq!(gpu.smu.power_limit(&mut gpu.device), Ok(355));
    bench.stop(gpu);
}

#[test]
fn every_step_is_told_with_its_time() {
    let mut bench = Bench::new();
    let gpu = bench.up();
    let names: Vec<_> = bench.steps.iter().map(|step| step.name).collect();
    assert_eq!(names.first(), Some(&"discovery"));
    assert_eq!(names.last(), Some(&"mark: ours"));
    assert_eq!(names.len(), 25);
    let whole: std::time::Duration = bench.steps.iter().map(|step| step.took).sum();
    assert!(whole > std::time::Duration::from_millis(90), "{whole:?}");
    assert!(bench.steps.iter().all(|step| step.attempt == 1));
    bench.stop(gpu);
}
