//! What goes wrong on the model ends in a state that is known: a card that computes, or one that was given up, with a report.

mod support;

use std::time::Duration;

use amdgpu::memory::Access;
use amdgpu::queue::{Commands, KernelCode, Needs, Release};
use amdgpu::{Error, Gpu, GpuVa, Recovery};
use gpu_model::FaultKind;
use support::{Bench, copies, firmware};

#[test]
fn firmware_that_the_bootloader_rejects_gives_the_card_up() {
    let mut bench = Bench::new();
    bench.fault(FaultKind::FirmwareRejected, 3);
    let failure = bench.start().err().expect("no card");
    bench.assert_kept();
    assert_eq!(failure.step, "PSP: secure operating system");
    let Error::Timeout { what, .. } = failure.error else {
        panic!("{failure}");
    };
    assert_eq!(what, "SYS_DRV");
    let text = failure.to_string();
    for name in [
        "PSP_C2PMSG[3]",
        "GRBM_STATUS",
        "RLC_RLCS_BOOTLOAD_STATUS",
        "last accesses",
    ] {
        assert!(text.contains(name), "{name}: {text}");
    }
    let mut bus = failure.bus;
    assert_eq!(bus.config_read(4) & 1 << 2, 0, "bus mastering is off");
}

#[test]
fn firmware_that_psp_rejects_is_loaded_anew_after_a_reset() {
    // The table of contents, the SMU's, and one of those that follow.
    for (occasion, step) in [
        (5, "PSP: table of contents"),
        (6, "PSP: SMU firmware"),
        (12, "PSP: firmware of all blocks"),
    ] {
        let mut bench = Bench::new();
        bench.fault(FaultKind::FirmwareRejected, occasion);
        let mut gpu = bench.up();
        let mut failed = bench.steps.iter().filter(|step| step.result.is_err());
        let failed = failed.next().expect("a step that failed");
        assert_eq!(failed.name, step);
        let Err(Error::Refused { by, status, .. }) = &failed.result else {
            panic!("{failed:?}");
        };
        assert_eq!((*by, *status), ("PSP", 0xffff_000f));
        assert!(bench.did("mode1"));
        copies(&mut gpu);
        bench.stop(gpu);
    }
}

#[test]
fn a_silent_psp_gives_the_card_up_with_what_it_was_asked() {
    // Occasions: four components, the ring, commands.
    for (occasion, step) in [
        (1, "PSP: secure operating system"),
        (5, "PSP: ring"),
        (6, "PSP: table of contents"),
        (20, "PSP: firmware of all blocks"),
    ] {
        let mut bench = Bench::new();
        bench.fault(FaultKind::PspSilent, occasion);
        let failure = bench.start().err().expect("no card");
        bench.assert_kept();
        assert_eq!(failure.step, step, "{failure}");
        let is_silence = matches!(failure.error, Error::Timeout { .. } | Error::Silent { .. });
        assert!(is_silence, "{}", failure.error);
    }
}

#[test]
fn a_silent_smu_is_reset_by_psp_in_bring_up() {
    for occasion in [1, 5] {
        let mut bench = Bench::new();
        bench.fault(FaultKind::SmuSilent, occasion);
        let mut gpu = bench.up();
        assert!(bench.did("mode1"));
        copies(&mut gpu);
        bench.stop(gpu);
    }
}

#[test]
fn a_silent_smu_later_is_an_error_and_the_card_can_be_started_again() {
    let mut bench = Bench::new();
    let mut gpu = bench.up();
    bench.fault(FaultKind::SmuSilent, 1);
    let error = gpu.smu.metrics(&mut gpu.device).expect_err("no answer");
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    let (bus, result) = gpu.stop();
    assert!(result.is_err());
    bench.assert_kept();
    bench.bus = Some(bus);
    let mut gpu = bench.up();
    copies(&mut gpu);
    bench.stop(gpu);
}

/// A copy from an address that nothing is mapped at.
fn fault_of_a_copy(gpu: &mut Gpu) -> GpuVa {
    let device = &mut gpu.device;
    let there = gpu.memory.allocate_vram(device, 4096, 4096, Access::DATA);
    let there = there.expect("video memory");
    let nowhere = GpuVa(0x7000_0000_0000);
    let [queue, _] = &mut gpu.sdma;
    queue.copy(device, nowhere, there.va(), 64).expect("room");
    let fence = queue.submit(device).expect("room");
    let limit = Duration::from_secs(1);
    queue
        .wait(device, fence, limit)
        .expect("the dummy page answers");
    gpu.memory.free(device, there).expect("no longer used");
    nowhere
}

#[test]
fn a_page_fault_is_told_once_and_the_card_goes_on() {
    let mut bench = Bench::new();
    let mut gpu = bench.up();
    let nowhere = fault_of_a_copy(&mut gpu);
    let health = gpu.health().expect("a card");
    assert_eq!(health.faults.len(), 1, "{health:?}");
    let fault = health.faults[0];
    assert_eq!((fault.va, fault.client()), (nowhere, Some("SDMA0")));
    assert!(!fault.is_write());
    let text = gpu.report().to_string();
    assert!(
        text.contains("interrupt: page fault in the GC hub"),
        "{text}"
    );
    assert!(gpu.health().expect("a card").is_good());
    copies(&mut gpu);
    bench.stop(gpu);
}

#[test]
fn an_overflow_of_interrupts_is_counted_and_the_ring_goes_on() {
    let mut bench = Bench::new();
    let mut gpu = bench.up();
    bench.fault(FaultKind::IhOverflow, 1);
    fault_of_a_copy(&mut gpu);
    let health = gpu.health().expect("a card");
    assert_eq!(gpu.interrupts.overflows(), 1);
    assert_eq!(health.faults.len(), 1, "the hub has it all the same");
    fault_of_a_copy(&mut gpu);
    assert!(!gpu.health().expect("a card").is_good());
    assert_eq!(gpu.interrupts.overflows(), 1);
    bench.assert_kept();
    bench.stop(gpu);
}

#[test]
fn a_flipped_bit_of_memory_is_told_and_a_restart_makes_the_card_whole() {
    let mut bench = Bench::new();
    let mut gpu = bench.up();
    let device = &mut gpu.device;
    let there = gpu.memory.allocate_vram(device, 8192, 4096, Access::DATA);
    let there = there.expect("video memory");
    let [queue, _] = &mut gpu.sdma;
    let half = there.va().plus(4096);
    queue.fill(device, there.va(), 5, 4096).expect("room");
    let fence = queue.submit(device).expect("room");
    queue
        .wait(device, fence, Duration::from_secs(1))
        .expect("an end");
    bench.fault(FaultKind::BitFlip, 1);
    queue.copy(device, there.va(), half, 4096).expect("room");
    let fence = queue.submit(device).expect("room");
    queue
        .wait(device, fence, Duration::from_secs(1))
        .expect("an end");
    let health = gpu.health().expect("a card");
    assert!(!health.fatal.is_empty(), "{health:?}");
    assert!(health.fatal[0].to_string().contains("poison"), "{health:?}");
    let mut names = Vec::new();
    let configuration = amdgpu::Configuration::default();
    let gpu = gpu.restart(&firmware(), &configuration, &mut |step| {
        names.push(step.name)
    });
    bench.assert_kept();
    let mut gpu = gpu.expect("a card that computes");
    assert!(names.contains(&"mode1 reset"), "{names:?}");
    copies(&mut gpu);
    bench.stop(gpu);
}

#[test]
fn queues_come_back_after_their_engines_were_reset() {
    let mut bench = Bench::new();
    let mut gpu = bench.up();
    for engine in 0..2 {
        let how = gpu.recover_sdma(engine).expect("a queue");
        assert_eq!(how, Recovery::EngineReset);
    }
    assert!(gpu.recover_sdma(2).is_err());
    assert_eq!(gpu.recover_compute(), Ok(Recovery::Dequeued));
    bench.assert_kept();
    copies(&mut gpu);
    bench.stop(gpu);
}

/// A kernel that stores 0 to 64 dwords at its argument, and the buffer with its code.
fn kernel(gpu: &mut Gpu) -> KernelCode {
    const CODE: [u32; 7] = [
        0x7e02_0202, // v_mov_b32 v1, s2 (the workgroup's number)
        0x3600_00ff, // v_and_b32 v0, 0x3ff, v0
        0x0000_03ff,
        0x3004_0082, // v_lshlrev_b32 v2, 2, v0
        0xdc6a_0000, // global_store_b32 v2, v1, s[0:1]
        0x0000_0102,
        0xbfb0_0000, // s_endpgm
    ];
    const PADDING: [u32; 64] = [0xbf9f_0000; 64];
    let device = &mut gpu.device;
    let place = gpu
        .memory
        .allocate_vram(device, 4096, 4096, Access::CODE)
        .expect("memory");
    let words = CODE.into_iter().chain(PADDING);
    let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
    device.bus().vram_write(place.vram().0, &bytes);
    device.flush_hdp().expect("a register");
    gpu.compute.code_changed();
    let needs = Needs {
        vgprs: 8,
        user_sgprs: 2,
        workgroup_ids: [true, false, false],
        local_id_components: 0,
        lds_bytes: 0,
        workgroup_size: [64, 1, 1],
        code_bytes: 28,
    };
    KernelCode::new(place.va(), &needs).expect("what a wave can have")
}

/// Lets the kernel store: how its batch ended.
fn store(gpu: &mut Gpu, kernel: &KernelCode) -> Result<(), Error> {
    let device = &mut gpu.device;
    let there = gpu.memory.allocate_host(device, 4096)?;
    device.bus().host_write(there.buffer(), 0, &[5; 256]);
    let mut commands = Commands::new(64);
    commands.dispatch(kernel, there.va(), [1, 1, 1]);
    let fence = gpu.compute.submit(device, &commands, Release::Host)?;
    gpu.compute
        .wait(device, fence, Duration::from_millis(100))?;
    let mut data = [5; 256];
    device.bus().host_read(there.buffer(), 0, &mut data);
    assert_eq!(data, [0; 256]);
    gpu.memory.free_host(device, there)
}

#[test]
fn waves_that_hang_are_killed_and_the_queue_goes_on() {
    for kind in [FaultKind::HungWave, FaultKind::IllegalInstruction] {
        let mut bench = Bench::new();
        let mut gpu = bench.up();
        let kernel = kernel(&mut gpu);
        store(&mut gpu, &kernel).expect("a fence");
        bench.fault(kind, 1);
        let error = store(&mut gpu, &kernel).expect_err("no fence");
        assert!(matches!(error, Error::Hung(_)), "{error}");
        let health = gpu.health().expect("a card");
        let text = format!("{:?}", health.fatal.first().map(ToString::to_string));
        let illegal = kind == FaultKind::IllegalInstruction;
        assert_eq!(text.contains("illegal instruction"), illegal, "{text}");
        assert_eq!(gpu.recover_compute(), Ok(Recovery::Dequeued));
        store(&mut gpu, &kernel).expect("a fence");
        assert!(gpu.health().expect("a card").is_good());
        bench.stop(gpu);
    }
}

#[test]
fn a_wave_that_meets_no_page_is_told() {
    let mut bench = Bench::new();
    let mut gpu = bench.up();
    let kernel = kernel(&mut gpu);
    let there = gpu.memory.allocate_host(&mut gpu.device, 4096);
    let there = there.expect("memory").va();
    bench.fault(FaultKind::PageFault, 1);
    let mut commands = Commands::new(64);
    commands.dispatch(&kernel, there, [1, 1, 1]);
    let device = &mut gpu.device;
    let fence = gpu
        .compute
        .submit(device, &commands, Release::Host)
        .expect("room");
    // Its stores go to the dummy page, or its code is not there: either way nothing but a fault tells.
    let limit = Duration::from_millis(100);
    let ended = gpu.compute.wait(device, fence, limit);
    assert!(matches!(ended, Ok(()) | Err(Error::Hung(_))));
    let health = gpu.health().expect("a card");
    assert_eq!(health.faults.len(), 1, "{health:?}");
    gpu.recover_compute().expect("a queue");
    store(&mut gpu, &kernel).expect("a fence");
    assert!(gpu.health().expect("a card").is_good());
    bench.stop(gpu);
}

#[test]
fn a_card_that_leaves_the_bus_at_work_is_gone() {
    let mut bench = Bench::new();
    let mut gpu = bench.up();
    let kernel = kernel(&mut gpu);
    bench.fault(FaultKind::Removal, 1);
    store(&mut gpu, &kernel).expect_err("no card");
    assert!(matches!(gpu.health(), Err(Error::Gone { .. })));
    assert!(matches!(gpu.recover_compute(), Err(Error::Gone { .. })));
    assert!(gpu.report().to_string().contains("off the bus"));
    let (_, result) = gpu.stop();
    assert!(matches!(result, Err(Error::Gone { .. })), "{result:?}");
    bench.assert_kept();
}

#[test]
fn the_queue_comes_back_after_a_reset_of_the_mec() {
    let mut bench = Bench::new();
    let mut gpu = bench.up();
    let kernel = kernel(&mut gpu);
    bench.fault(FaultKind::HungWave, 1);
    store(&mut gpu, &kernel).expect_err("no fence");
    gpu.reset_mec().expect("a queue");
    store(&mut gpu, &kernel).expect("a fence");
    bench.stop(gpu);
}

#[test]
fn a_card_that_leaves_the_bus_is_gone_whenever_that_happens() {
    let mut reached = Vec::new();
    let mut occasion = 1;
    loop {
        let mut bench = Bench::new();
        bench.fault(FaultKind::Removal, occasion);
        let failure = match bench.start() {
            Ok(gpu) => {
                // It was still there at the end: it goes at some access from here on.
                let (_, result) = gpu.stop();
                drop(result);
                break;
            }
            Err(failure) => failure,
        };
        bench.assert_kept();
        let is_gone = matches!(failure.error, Error::Gone { .. });
        assert!(is_gone, "access {occasion}: {failure}");
        assert!(failure.report.registers.is_empty());
        reached.push(failure.step);
        occasion += 19;
    }
    reached.dedup();
    assert!(reached.len() > 12, "{reached:?}");
}
