//! Kernels: dispatches, rings that wrap, prebuilt commands, and what the cache policy is for.

use amdgpu::hub::{self, Hub};
use amdgpu::memory::{Access, SharedBuffer, VramBuffer};
use amdgpu::queue::pm4::{After, Caches, Write};
use amdgpu::queue::{Commands, KernelCode, Needs, Release};
use amdgpu::{Error, Gpu, GpuVa};
use amdgpu_registers::gc;

use crate::LIMIT;
use crate::rig::{Random, Rig};

/// Adds a number to dwords, one for each invocation. Arguments: where from, where to, the number.
pub(crate) const ADD: &str = "s_load_b128 s[4:7], s[0:1], 0x0
    s_load_b32 s8, s[0:1], 0x10
    v_and_b32 v1, 0x3ff, v0
    s_lshl_b32 s9, s15, 6
    v_add_lshl_u32 v1, v1, s9, 2
    s_waitcnt lgkmcnt(0)
    global_load_b32 v2, v1, s[4:5]
    s_waitcnt vmcnt(0)
    v_add_nc_u32 v2, s8, v2
    global_store_b32 v1, v2, s[6:7]
    s_endpgm";
/// Invocations of a workgroup of it.
const GROUP: u32 = 64;
/// Bytes of its arguments, with room to the next.
const ARGUMENTS: u64 = 32;

/// A kernel from its text, in the card's memory.
pub(crate) fn load(rig: &mut Rig, text: &str) -> (VramBuffer, KernelCode) {
    let mut words = gfx1100_isa::assemble_words(text).expect("a program");
    let code_bytes = 4 * words.len() as u32;
    words.extend([0xbf9f_0000; 64]);
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let buffer = rig.vram(bytes.len() as u64, Access::CODE);
    rig.upload(buffer.va(), &bytes);
    rig.gpu.compute.code_changed();
    let needs = Needs {
        vgprs: 3,
        user_sgprs: 15,
        workgroup_ids: [true, false, false],
        local_id_components: 0,
        lds_bytes: 0,
        workgroup_size: [GROUP, 1, 1],
        code_bytes,
    };
    let code = KernelCode::new(buffer.va(), &needs).expect("it can run");
    (buffer, code)
}

/// Puts arguments of the kernel at a place of `block`: their address.
pub(crate) fn put(
    rig: &mut Rig,
    block: &SharedBuffer,
    at: u64,
    [from, to]: [GpuVa; 2],
    add: u32,
) -> GpuVa {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&from.0.to_le_bytes());
    bytes[8..16].copy_from_slice(&to.0.to_le_bytes());
    bytes[16..].copy_from_slice(&add.to_le_bytes());
    rig.put(block, at * ARGUMENTS, &bytes);
    block.va().plus(at * ARGUMENTS)
}

fn dwords(bytes: &[u8]) -> Vec<u32> {
    let (dwords, _) = bytes.as_chunks();
    dwords
        .iter()
        .map(|dword| u32::from_le_bytes(*dword))
        .collect()
}

#[test]
fn kernels_work_on_what_sdma_brings_and_fetches() {
    let mut rig = Rig::new();
    let (_code, add) = load(&mut rig, ADD);
    let block = rig.host(4096);
    let mut random = Random(7);
    let mut commands = Commands::new(1024);
    for round in 0..20 {
        let groups = 1 + random.below(50) as u32;
        let bytes = u64::from(4 * GROUP * groups);
        let data: Vec<u8> = (0..bytes).map(|_| random.next() as u8).collect();
        let (one, two) = (rig.vram(bytes, Access::DATA), rig.vram(bytes, Access::DATA));
        rig.upload(one.va(), &data);
        rig.gpu.compute.memory_changed();
        commands.clear();
        let there = put(&mut rig, &block, 0, [one.va(), two.va()], 5);
        let back = put(&mut rig, &block, 1, [two.va(), one.va()], round);
        commands.dispatch(&add, there, [groups, 1, 1]);
        commands.barrier();
        commands.dispatch(&add, back, [groups, 1, 1]);
        rig.run(&commands, Release::Memory);
        let found = dwords(&rig.download(one.va(), bytes));
        let sum = |value: &u32| value.wrapping_add(5 + round);
        let expected: Vec<u32> = dwords(&data).iter().map(sum).collect();
        assert_eq!(found, expected, "round {round}");
        rig.free(one);
        rig.free(two);
    }
    rig.ends_well();
}

#[test]
fn the_ring_wraps() {
    let mut rig = Rig::new();
    let (_code, add) = load(&mut rig, ADD);
    let (block, data) = (rig.host(4096), rig.host(4096));
    let place = put(&mut rig, &block, 0, [data.va(); 2], 3);
    let mut commands = Commands::new(1024);
    let mut random = Random(3);
    let mut total = 0;
    // About 300 dwords each, in a ring of 1024.
    for _ in 0..40 {
        commands.clear();
        let count = 1 + random.below(30) as u32;
        for _ in 0..count {
            commands.dispatch(&add, place, [1, 1, 1]);
            commands.barrier();
        }
        rig.run(&commands, Release::Host);
        total += 3 * count;
    }
    assert_eq!(rig.get(&data, 252), total);
    // A batch as long as the ring, and one that is longer.
    commands.clear();
    let Gpu {
        device, compute, ..
    } = &mut rig.gpu;
    let fits = |commands: &Commands| commands.words().is_ok_and(|words| words.len() < 990);
    while fits(&commands) {
        let mut pm4 = commands.pm4();
        pm4.set_sh_reg(gc::COMPUTE_USER_DATA, &[0; 16]);
    }
    let sent = compute.submit(device, &commands, Release::Host);
    assert!(sent.is_ok(), "{sent:?}");
    commands.pm4().set_sh_reg(gc::COMPUTE_USER_DATA, &[0; 16]);
    let sent = compute.submit(device, &commands, Release::Host);
    assert!(matches!(sent, Err(Error::NoRoom { .. })), "{sent:?}");
    rig.ends_well();
}

#[test]
fn prebuilt_commands_are_replayed_with_other_parameters() {
    const GROUPS: u32 = 8;
    const BYTES: u64 = (4 * GROUP * GROUPS) as u64;
    let mut rig = Rig::new();
    let (_code, add) = load(&mut rig, ADD);
    let (block, data) = (rig.host(4096), rig.vram(BYTES, Access::DATA));
    rig.copied(|sdma, device| {
        let filled = sdma.fill(device, data.va(), 100, BYTES);
        filled.expect("there is room");
    });
    rig.gpu.compute.memory_changed();
    let mut commands = Commands::new(1024);
    let place = put(&mut rig, &block, 0, [data.va(); 2], 0);
    for _ in 0..3 {
        commands.dispatch_counted(&add, place, block.va().plus(1024));
        commands.barrier();
    }
    let Gpu {
        device,
        memory,
        compute,
        ..
    } = &mut rig.gpu;
    let prebuilt = compute.prebuild(device, memory, &commands);
    let prebuilt = prebuilt.expect("there is memory");
    let mut expected = vec![100; (GROUP * GROUPS) as usize];
    for round in 1..6 {
        put(&mut rig, &block, 0, [data.va(); 2], round);
        let groups = [round, 1, 1].map(u32::to_le_bytes);
        rig.put(&block, 1024, groups.as_flattened());
        let Gpu {
            device, compute, ..
        } = &mut rig.gpu;
        let fence = compute.replay(device, &prebuilt, Release::Memory);
        let done = compute.wait(device, fence.expect("there is room"), LIMIT);
        done.expect("it is done");
        for value in &mut expected[..(GROUP * round) as usize] {
            *value += 3 * round;
        }
    }
    assert_eq!(dwords(&rig.download(data.va(), BYTES)), expected);
    let Gpu { device, memory, .. } = &mut rig.gpu;
    prebuilt.free(device, memory).expect("it was mapped");
    rig.ends_well();
}

#[test]
fn queues_wait_for_each_other_and_tell_the_time() {
    let mut rig = Rig::new();
    let (_code, add) = load(&mut rig, ADD);
    let (block, data) = (rig.host(4096), rig.host(8192));
    let flag = block.va().plus(2048);
    let place = put(&mut rig, &block, 0, [data.va(); 2], 9);
    let Gpu {
        device,
        compute,
        sdma: [sdma, _],
        ..
    } = &mut rig.gpu;
    let (from, to) = (data.va(), data.va().plus(4096));
    let queued = sdma
        .timestamp(device, 0)
        .and_then(|()| sdma.poll(device, flag, 1))
        .and_then(|()| sdma.copy(device, from, to, 256))
        .and_then(|()| sdma.timestamp(device, 1))
        .and_then(|()| sdma.submit(device));
    let copied = queued.expect("there is room");
    assert!(!sdma.is_done(device, copied), "it waits");
    let mut commands = Commands::new(256);
    commands.timestamp(compute.stamp_place(3));
    commands.dispatch(&add, place, [1, 1, 1]);
    commands.timestamp(compute.stamp_place(4));
    let flag = Write::Low(flag, 1);
    commands
        .pm4()
        .release_mem(Caches::NONE, flag, After::Confirmation);
    let fence = compute.submit(device, &commands, Release::Host);
    let done = compute.wait(device, fence.expect("there is room"), LIMIT);
    done.expect("it is done");
    sdma.wait(device, copied, LIMIT).expect("it is done");
    let kernel = [3, 4].map(|stamp| compute.stamp(device, stamp));
    let copy = [0, 1].map(|stamp| sdma.stamp(device, stamp));
    assert!(0 < copy[0] && copy[0] <= kernel[0] && kernel[0] < kernel[1] && kernel[1] <= copy[1]);
    assert_eq!(rig.get(&data, 4096 + 252), 9);
    rig.ends_well();
}

/// Has a kernel read one buffer and write another, and does more with them: the rule that is broken then. The kernel can be
/// dispatched again, there or back.
fn broken_by(
    act: impl FnOnce(&mut Rig, &mut Commands, [GpuVa; 2], &dyn Fn(&mut Commands, bool)),
) -> Option<&'static str> {
    let mut rig = Rig::new();
    let (_code, add) = load(&mut rig, ADD);
    let buffers = [(); 2].map(|()| rig.vram(256, Access::DATA));
    let [one, two] = [buffers[0].va(), buffers[1].va()];
    let block = rig.host(4096);
    rig.upload(one, &[1; 256]);
    rig.gpu.compute.memory_changed();
    let there = put(&mut rig, &block, 0, [one, two], 5);
    let back = put(&mut rig, &block, 1, [two, one], 5);
    let mut commands = Commands::new(256);
    commands.dispatch(&add, there, [1, 1, 1]);
    rig.run(&commands, Release::Memory);
    commands.clear();
    let again = move |commands: &mut Commands, is_back: bool| {
        let place = if is_back { back } else { there };
        commands.dispatch(&add, place, [1, 1, 1]);
    };
    act(&mut rig, &mut commands, [one, two], &again);
    rig.broken()
}

/// What the cache policy asks for is needed: without it the card stops.
#[test]
fn without_the_cache_policy_the_card_stops() {
    let send = |rig: &mut Rig, commands: &Commands, release| {
        let Gpu {
            device, compute, ..
        } = &mut rig.gpu;
        let sent = compute.submit(device, commands, release);
        sent.expect("there is room");
    };
    let kept = broken_by(|rig, commands, [one, two], again| {
        rig.upload(one, &[2; 256]);
        rig.gpu.compute.memory_changed();
        again(commands, false);
        send(rig, commands, Release::Memory);
        assert_eq!(rig.download(two, 4), [7, 2, 2, 2]);
    });
    assert_eq!(kept, None);
    let upload_unseen = broken_by(|rig, commands, [one, _], again| {
        rig.upload(one, &[2; 256]);
        again(commands, false);
        send(rig, commands, Release::Host);
    });
    assert_eq!(upload_unseen, Some("stale-gl2-line"));
    let not_written_back = broken_by(|rig, commands, [_, two], again| {
        again(commands, false);
        send(rig, commands, Release::Host);
        let data = rig.host(4096);
        let Gpu { device, sdma, .. } = &mut rig.gpu;
        let copied = sdma[0].copy(device, two, data.va(), 256);
        let sent = copied.and_then(|()| sdma[0].submit(device));
        sent.expect("there is room");
    });
    assert_eq!(not_written_back, Some("dirty-line-unseen"));
    let no_barrier = broken_by(|rig, commands, _, again| {
        for is_back in [false, true, false] {
            again(commands, is_back);
        }
        send(rig, commands, Release::Host);
    });
    assert_eq!(no_barrier, Some("stale-line"));
}

#[test]
fn a_wild_read_is_latched() {
    let mut rig = Rig::new();
    let (_code, add) = load(&mut rig, ADD);
    let (block, data) = (rig.host(4096), rig.vram(4096, Access::DATA));
    // The page after a buffer is never mapped.
    let wild = data.va().plus(4096);
    let place = put(&mut rig, &block, 0, [wild, data.va()], 5);
    let mut commands = Commands::new(256);
    commands.dispatch(&add, place, [1, 1, 1]);
    rig.run(&commands, Release::Host);
    let fault = hub::take_fault(rig.device(), Hub::Gc).expect("a hub");
    let fault = fault.expect("it was not mapped");
    assert_eq!(fault.va, wild);
    assert_eq!((fault.client(), fault.is_write()), (Some("TCP"), false));
    rig.ends_well();
}
