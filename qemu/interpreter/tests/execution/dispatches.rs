//! Grids of workgroups, barriers, the program counter, and how runs stop.

use gfx1100_interpreter::{
    Failure, Launch, Machine, Memory as _, Mode, Options, Program, Regions, Report, Rule,
    Strictness, WaveState, dispatch, execute,
};
use gfx1100_isa::Class;

use crate::{ARGUMENTS, dwords, memory, program, wave, with_vgprs};

fn launch(workgroups: [u32; 3], workgroup_size: [u32; 3], lds_bytes: u32) -> Launch {
    Launch {
        workgroups,
        workgroup_size,
        arguments: ARGUMENTS,
        user_sgprs: 13,
        workgroup_ids: [true; 3],
        local_id_components: 2,
        lds_bytes,
        lds_zeroed: false,
        scratch_bytes: 0,
        mode: Mode::DEFAULT,
    }
}

fn run(text: &str, launch: &Launch, memory: &Regions) -> Result<Report, Failure> {
    dispatch(&program(text), launch, memory, &Options::default())
}

#[test]
fn a_dispatch_runs_every_thread_once() {
    // Adds 1 at index x + 40 y of the group + 80 (number of the group).
    let text = "
        s_load_b64 s[2:3], s[0:1], 0x0
        s_mul_i32 s4, s15, 2
        s_add_u32 s4, s4, s14
        s_mul_i32 s4, s4, 3
        s_add_u32 s4, s4, s13
        s_mul_i32 s4, s4, 80
        v_and_b32 v1, 0x3ff, v0
        v_bfe_u32 v2, v0, 10, 10
        v_mul_u32_u24 v2, 40, v2
        v_add3_u32 v1, v1, v2, s4
        v_lshlrev_b32 v1, 2, v1
        v_mov_b32 v3, 1
        s_waitcnt lgkmcnt(0)
        global_atomic_add_u32 v1, v3, s[2:3]
        s_endpgm";
    let count = 80 * 3 * 2 * 2;
    let memory = memory(4 * count);
    for threads in [1, 4] {
        let options = Options {
            threads,
            ..Options::default()
        };
        let launch = launch([3, 2, 2], [40, 2, 1], 0);
        let report = dispatch(&program(text), &launch, &memory, &options).unwrap();
        // 80 threads are two waves and a half.
        assert_eq!(report.instructions, 12 * 3 * 15);
        assert_eq!(report.by_class[&Class::VmemAtomic], 36);
        assert_eq!(report.traffic.stored, 4 * count as u64);
        assert_eq!(report.traffic.scalar, 36 * 8);
        assert_eq!(report.profile, [36; 15]);
        assert!(report.card_clocks() >= report.clocks.longest_wave);
    }
    assert_eq!(dwords(&memory, count), vec![2; count]);
}

#[test]
fn waves_meet_at_barriers() {
    // Each thread writes its id to LDS, and after the barrier adds that of the thread 255 - id.
    let text = "
        s_load_b64 s[2:3], s[0:1], 0x0
        v_lshlrev_b32 v1, 2, v0
        ds_store_b32 v1, v0
        s_waitcnt lgkmcnt(0)
        s_barrier
        v_sub_nc_u32 v2, 0x3fc, v1
        ds_load_b32 v3, v2
        s_waitcnt lgkmcnt(0)
        v_add_nc_u32 v3, v3, v0
        global_store_b32 v1, v3, s[2:3]
        s_endpgm";
    let memory = memory(1024);
    run(text, &launch([1; 3], [256, 1, 1], 1024), &memory).unwrap();
    assert_eq!(dwords(&memory, 256), [255; 256]);
}

#[test]
fn a_wave_may_wait_for_another_in_a_loop() {
    // Wave 1 spins on an LDS flag that wave 0 sets after a while. Atomic loads are whole dwords, so this is no race.
    let text = "
        v_mov_b32 v1, 0
        v_readfirstlane_b32 s2, v0
        s_cmp_eq_u32 s2, 0
        s_cbranch_scc0 spin
        s_movk_i32 s3, 0x7fff
    count:
        s_sub_u32 s3, s3, 1
        s_cmp_lg_u32 s3, 0
        s_cbranch_scc1 count
        v_mov_b32 v2, 1
        s_mov_b32 exec_lo, 1
        ds_add_u32 v1, v2
        s_endpgm
    spin:
        ds_load_b32 v2, v1
        s_waitcnt lgkmcnt(0)
        v_readfirstlane_b32 s3, v2
        s_cmp_eq_u32 s3, 0
        s_cbranch_scc1 spin
        s_endpgm";
    let launch = Launch {
        lds_zeroed: true,
        ..launch([1; 3], [64, 1, 1], 64)
    };
    run(text, &launch, &memory(64)).unwrap();
}

#[test]
fn a_stop_names_the_first_workgroup() {
    let text = "
        s_cmp_ge_u32 s13, 5
        s_cbranch_scc0 end
        v_mov_b32 v1, v2
    end:
        s_endpgm";
    let options = Options {
        threads: 1,
        ..Options::default()
    };
    let failure = dispatch(
        &program(text),
        &launch([9, 1, 1], [32, 1, 1], 0),
        &memory(4),
        &options,
    );
    let Err(Failure::Stop(stop)) = failure else {
        panic!("a stop was expected");
    };
    assert_eq!(
        (stop.workgroup, stop.rule),
        ([5, 0, 0], Rule::UndefinedVgpr)
    );
}

#[test]
fn launches_that_no_hardware_takes_are_refused() {
    let refused = |launch: Launch| {
        run("s_endpgm", &launch, &memory(4))
            .unwrap_err()
            .to_string()
    };
    assert!(refused(launch([1; 3], [1025, 1, 1], 0)).contains("1025"));
    assert!(refused(launch([1; 3], [1, 0, 1], 0)).contains("threads"));
    assert!(refused(launch([1; 3], [1; 3], 65537)).contains("65537"));
    let none = run("s_endpgm", &launch([0, 1, 1], [1; 3], 0), &memory(4)).unwrap();
    assert_eq!(none.instructions, 0);
    let scratch = |scratch_bytes| Launch {
        scratch_bytes,
        ..launch([1; 3], [32, 1, 1], 0)
    };
    assert!(refused(scratch(u32::MAX)).contains("262136"));
    run("s_endpgm", &scratch(262_136), &memory(4)).unwrap();
    // More workgroups than 64 bits count: the first one stops.
    let many = launch([u32::MAX; 3], [32, 1, 1], 0);
    let stop = run("s_nop 0", &many, &memory(4)).unwrap_err();
    assert!(stop.to_string().contains("fall-off-end"), "{stop}");
}

#[test]
fn scalar_control() {
    let text = "
        s_getpc_b64 s[2:3]
        s_add_u32 s2, s2, 16
        s_swappc_b64 s[4:5], s[2:3]
        s_endpgm
        s_nop 0
        s_mov_b32 m0, 2
        s_movk_i32 s10, 0x11
        s_movreld_b32 s10, 33
        s_movrels_b32 s11, s10
        s_getreg_b32 s13, hwreg(HW_REG_MODE, 4, 4)
        s_setreg_imm32_b32 hwreg(HW_REG_MODE, 0, 4), 0x5
        s_getreg_b32 s14, hwreg(HW_REG_MODE)
        s_mov_b32 s15, exec_lo
        s_and_saveexec_b32 s16, 0xf0f
        s_cbranch_execz never
        v_cmpx_gt_u32 v0, v1
        s_mov_b32 s17, exec_lo
        s_setpc_b64 s[4:5]
    never:
        s_trap 2";
    let outcome = wave(text, with_vgprs(&[(0, &|lane| lane), (1, &|_| 2)]));
    let sgprs = &outcome.waves[0].sgprs;
    assert_eq!((sgprs[&12], sgprs[&11]), (33, 33));
    assert_eq!((sgprs[&13], sgprs[&14]), (15, 0x1f5));
    assert_eq!((sgprs[&15], sgprs[&16]), (u32::MAX, u32::MAX));
    assert_eq!(sgprs[&17], 0xf08);
    assert_eq!(outcome.report.instructions, 17);
}

#[test]
fn undefined_registers_read_zero_where_that_is_let_pass() {
    let machine = Machine {
        waves: vec![WaveState::default()],
        ..Machine::default()
    };
    let options = Options {
        strictness: Strictness::lenient(),
        ..Options::default()
    };
    let text = "v_add_nc_u32 v1, v2, s3\nglobal_load_b32 v4, v1, s[6:7]\ns_endpgm";
    let memory = Regions::new();
    let outcome = execute(&program(text), &machine, &memory, &options);
    let stop = outcome.stop.unwrap();
    assert_eq!(stop.rule, Rule::MemoryFault);
    assert!(memory.read(0, &mut [0]).is_err());
}

#[test]
fn code_may_hold_any_number_of_constants() {
    // 2^17 literals, and as many selections of lanes.
    let mut code = Vec::new();
    for n in 0..1 << 17 {
        let literal = [0x7e00_02ff, 0x1234_0000 + n];
        let dpp8 = [0x7e00_02e9, 0x100 * n];
        code.extend(literal.into_iter().chain(dpp8).flat_map(u32::to_le_bytes));
    }
    code.extend(0xbfb0_0000_u32.to_le_bytes());
    let program = Program::new(&code, 0, 256).unwrap();
    let machine = Machine {
        waves: vec![WaveState::default()],
        ..Machine::default()
    };
    let outcome = execute(&program, &machine, &Regions::new(), &Options::default());
    assert_eq!(outcome.stop, None);
    assert_eq!(outcome.report.instructions, (1 << 18) + 1);
}
