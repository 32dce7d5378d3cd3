//! Queues that hang: what is reported, and that they come back.

use amdgpu::queue::{Commands, Fence, Hang, Release};
use amdgpu::{Error, Gpu};
use amdgpu_registers::gc;
use gpu_model::FaultKind;

use crate::LIMIT;
use crate::kernels::{ADD, load, put};
use crate::rig::Rig;

/// Submits and waits in vain: the fence, and the report.
fn hangs(rig: &mut Rig, commands: &Commands) -> (Fence, Hang) {
    let Gpu {
        device, compute, ..
    } = &mut rig.gpu;
    let fence = compute.submit(device, commands, Release::Host);
    let fence = fence.expect("there is room");
    match compute.wait(device, fence, LIMIT) {
        Err(Error::Hung(hang)) => (fence, *hang),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hung_wave_is_reported_and_the_queue_comes_back() {
    let mut rig = Rig::new();
    let (_code, add) = load(&mut rig, ADD);
    let (block, data) = (rig.host(4096), rig.host(4096));
    let place = put(&mut rig, &block, 0, [data.va(); 2], 1);
    let mut commands = Commands::new(256);
    commands.dispatch(&add, place, [1, 1, 1]);
    for resets in [false, true] {
        rig.run(&commands, Release::Host);
        rig.fault(FaultKind::HungWave);
        let (lost, hang) = hangs(&mut rig, &commands);
        assert_eq!(hang.fence, Some(hang.reached + 1));
        assert!(hang.read <= hang.written && hang.after >= LIMIT);
        let mut names = hang.packets.iter().filter_map(|(_, name)| *name);
        assert!(names.any(|name| name == "DISPATCH_DIRECT"), "{hang}");
        let busy = |register| {
            let mut readings = hang.registers.iter();
            readings.any(|reading| reading.register == register && reading.value != 0)
        };
        assert!(busy(gc::CP_HQD_ACTIVE) && busy(gc::GRBM_STATUS), "{hang}");
        if resets {
            rig.reset_mec();
        } else {
            let Gpu {
                device, compute, ..
            } = &mut rig.gpu;
            compute.dequeue(device).expect("waves are killed");
        }
        let Gpu {
            device, compute, ..
        } = &mut rig.gpu;
        compute.recreate(device).expect("the MEC runs");
        assert!(compute.wait(device, lost, LIMIT).is_err(), "it is lost");
    }
    rig.run(&commands, Release::Host);
    assert_eq!(rig.get(&data, 0), 3);
    rig.ends_well();
}

#[test]
fn a_lost_fence_is_reported_by_either_queue() {
    let mut rig = Rig::new();
    let mut commands = Commands::new(16);
    commands.pm4().nop();
    rig.fault(FaultKind::FenceLost);
    let (_, hang) = hangs(&mut rig, &commands);
    let all = (hang.written, 4);
    assert_eq!((hang.read, hang.packets.len()), all, "{hang}");
    rig.run(&commands, Release::Host);
    rig.fault(FaultKind::FenceLost);
    let Gpu { device, sdma, .. } = &mut rig.gpu;
    let lost = sdma[0].submit(device).expect("there is room");
    let Err(Error::Hung(hang)) = sdma[0].wait(device, lost, LIMIT) else {
        panic!("the fence came");
    };
    assert_eq!(hang.queue, "SDMA0 queue");
    let last = hang.packets.last().and_then(|(_, name)| *name);
    assert_eq!(last, Some("FENCE"), "{hang}");
    rig.gpu.recover_sdma(0).expect("the engine comes back");
    let Gpu { device, sdma, .. } = &mut rig.gpu;
    assert!(sdma[0].wait(device, lost, LIMIT).is_err(), "it is lost");
    let data = rig.host(4096);
    rig.copied(|sdma, device| {
        let filled = sdma.fill(device, data.va(), 6, 64);
        filled.expect("there is room");
    });
    assert_eq!(rig.get(&data, 60), 6);
    rig.ends_well();
}
