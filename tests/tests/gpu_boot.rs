//! The unmodified kernel in stock QEMU meets the model of the card: it brings the card up with AMD's firmware and breaks no
//! rule; and with a card that fails it says so and serves all the same.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use qemu::guest::{Ready, Selftest};
use tests::gpu_guest::{GpuKernel, Machine};
use tests::http::Api;

/// Longest boot with a card, whose firmware goes through the door in pieces of 8 bytes, and a self-test.
const LIMIT: Duration = Duration::from_secs(400);

/// Waits until the API answers, and has the CPU complete a prompt.
fn serve(machine: &mut GpuKernel) -> (Ready, Api) {
    let ready = machine.kernel.guest.wait_ready(LIMIT);
    let ready = ready.unwrap_or_else(|error| panic!("{error:#}\n{}", machine.kernel.console()));
    assert_eq!(ready.backend, "cpu");
    let api = Api::new(&ready.url).unwrap();
    assert!(!api.complete("Once upon a time", 4).unwrap().is_empty());
    (ready, api)
}

/// Whether a line has these words and then a time in milliseconds.
fn is_timed(line: &str, step: &str) -> bool {
    let time = line
        .split_once(&format!(": {step}: "))
        .and_then(|(_, rest)| rest.strip_suffix(" ms"));
    time.is_some_and(|time| time.parse::<f64>().is_ok())
}

#[test]
fn the_card_comes_up_with_amds_firmware_and_is_looked_after() {
    let mut machine = Machine::default().start().unwrap();
    let (_, api) = serve(&mut machine);
    let console = machine.kernel.console();
    for step in [
        "discovery",
        "PSP: secure operating system",
        "PSP: firmware of all blocks",
        "RLC: end of autoload",
        "SMU",
        "MEC",
        "SDMA engines",
        "queues",
    ] {
        let is_logged = console.lines().any(|line| is_timed(line.trim_end(), step));
        assert!(is_logged, "{step} has no time\n{console}");
    }
    assert!(console.contains("firmware psp_13_0_0_sos.bin: SHA-256 "));
    let metrics = api.get("/metrics").unwrap().body;
    for line in [
        "infernel_gpu_up 1\n",
        "infernel_gpu_temperature_celsius{sensor=\"edge\"} ",
        "infernel_gpu_clock_mhz{clock=\"graphics\"} ",
        "infernel_gpu_memory_bytes{kind=\"all\"} 25753026560\n",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    let shell = &mut machine.kernel;
    shell.command("gpu", "Navi 31 (gfx1100").unwrap();
    shell.command("gpu", "smu_13_0_0.bin").unwrap();
    shell.command("gpu", "temperatures in C: edge ").unwrap();
    shell.command("gpu", "compute queue: ").unwrap();
    shell.command("gpu", "faults: none").unwrap();
    // A card that is pulled out while the kernel serves costs nothing but the card.
    machine.remove_card();
    machine.kernel.expect("it is not used any more").unwrap();
    assert!(!api.complete("Once upon a time", 4).unwrap().is_empty());
    let metrics = api.get("/metrics").unwrap().body;
    assert!(metrics.contains("infernel_gpu_up 0\n"), "{metrics}");
    assert!(!metrics.contains("temperature"), "{metrics}");
    machine.kernel.command("gpu", "left the bus").unwrap();
    machine.shut_down().unwrap();
}

#[test]
fn every_kernel_is_tested_before_anything_is_served() {
    let kernels = shaders::VARIANTS.len() as u64;
    for (fault, failed) in [(None, 0), (Some("illegal-instruction@40"), 1)] {
        let machine = Machine {
            command_line: "selftest=gpu",
            fault,
            ..Machine::default()
        };
        let mut machine = machine.start().unwrap();
        let (ready, _) = serve(&mut machine);
        let passed = kernels - failed;
        let console = machine.kernel.console();
        let expected = Selftest { passed, failed };
        assert_eq!(ready.selftest, Some(expected), "{fault:?}\n{console}");
        assert!(console.contains("rms_norm_f32 1x64: "), "{console}");
        machine.shut_down().unwrap();
    }
}

#[test]
fn without_firmware_the_kernel_says_what_is_missing() {
    let machine = Machine {
        without_firmware: true,
        ..Machine::default()
    };
    let mut machine = machine.start().unwrap();
    serve(&mut machine);
    let words = "not used: no disk has AMD's firmware";
    assert!(machine.kernel.console().contains(words));
    machine.kernel.command("gpu", words).unwrap();
    machine.shut_down().unwrap();
}

/// A card that does not come up is reported with what it looked like, and one that leaves later, too.
#[test]
fn a_card_that_fails_is_reported_and_the_cpu_serves() {
    for (fault, words) in [
        ("psp-silent@1", ["not used: PSP", "PSP_"]),
        ("firmware-rejected@3", ["not used: PSP", "PSP_"]),
        ("removal@20000", ["not used: ", "off the bus"]),
    ] {
        let machine = Machine {
            fault: Some(fault),
            ..Machine::default()
        };
        let mut machine = machine.start().unwrap();
        serve(&mut machine);
        let console = machine.kernel.console();
        for word in words {
            assert!(console.contains(word), "{fault}: no {word:?}\n{console}");
        }
        machine.kernel.command("gpu", "not used").unwrap();
        machine.shut_down().unwrap();
    }
}
