//! What programs compute: dispatches, barriers, memory of every kind, lane exchange, modifiers, matrix products.
//! All run strictly, so each is also a program that the rules find nothing wrong with.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use gfx1100_interpreter::{
    Failure, Launch, Machine, Memory as _, Mode, Options, Outcome, Program, Regions, Report, Rule,
    Strictness, WaveState, dispatch, execute,
};
use gfx1100_isa::{Class, assemble_words};

const BUFFER: u64 = 0x10_0000;
const ARGUMENTS: u64 = 0x2000;

fn program(text: &str) -> Program {
    let words = assemble_words(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    Program::new(&code, 0x4000, 256).unwrap()
}

/// Arguments are the address of a buffer of zeros.
fn memory(bytes: usize) -> Regions {
    let mut memory = Regions::new();
    memory.add(ARGUMENTS, &BUFFER.to_le_bytes()).unwrap();
    memory.add(BUFFER, &vec![0; bytes]).unwrap();
    memory
}

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

fn dwords(memory: &Regions, count: usize) -> Vec<u32> {
    let bytes = memory.bytes(BUFFER, 4 * count).unwrap();
    bytes
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect()
}

/// One wave from given VGPRs, strictly; panics where it stops.
fn wave(text: &str, state: WaveState) -> Outcome {
    let machine = Machine {
        waves: vec![state],
        lds: vec![0; 1024],
        scratch_bytes: 32,
        ..Machine::default()
    };
    let outcome = execute(&program(text), &machine, &memory(1024), &Options::default());
    if let Some(stop) = &outcome.stop {
        panic!("{stop}\n{text}");
    }
    outcome
}

fn with_vgprs(values: &[(u8, &dyn Fn(u32) -> u32)]) -> WaveState {
    let mut state = WaveState::default();
    state.sgprs.insert(0, BUFFER as u32);
    state.sgprs.insert(1, 0);
    for (register, value) in values {
        let lanes = std::array::from_fn(|lane| Some(value(lane as u32)));
        state.vgprs.insert(*register, lanes);
    }
    state
}

fn vgpr(outcome: &Outcome, register: u8) -> [u32; 32] {
    outcome.waves[0].vgprs[&register].map(|lane| lane.expect("a defined lane"))
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
}

#[test]
fn loads_extend_and_stores_cut() {
    let text = "
        v_mov_b32 v2, 0x8182f3f4
        global_store_b32 v0, v2, s[0:1]
        global_load_u8 v3, v0, s[0:1]
        global_load_i8 v4, v0, s[0:1] offset:1
        global_load_i16 v5, v0, s[0:1] offset:2
        v_mov_b32 v6, -1
        v_mov_b32 v7, -1
        global_load_d16_b16 v6, v0, s[0:1]
        global_load_d16_hi_u8 v7, v0, s[0:1] offset:3
        global_store_b8 v0, v2, s[0:1] offset:512
        global_store_d16_hi_b16 v0, v2, s[0:1] offset:514
        global_load_b32 v8, v0, s[0:1] offset:512
        s_waitcnt vmcnt(0)
        s_endpgm";
    let outcome = wave(text, with_vgprs(&[(0, &|lane| 4 * lane)]));
    assert_eq!(vgpr(&outcome, 3), [0xf4; 32]);
    assert_eq!(vgpr(&outcome, 4), [0xffff_fff3; 32]);
    assert_eq!(vgpr(&outcome, 5), [0xffff_8182; 32]);
    assert_eq!(vgpr(&outcome, 6), [0xffff_f3f4; 32]);
    assert_eq!(vgpr(&outcome, 7), [0x0081_ffff; 32]);
    assert_eq!(vgpr(&outcome, 8), [0x8182_00f4; 32]);
}

#[test]
fn wide_accesses_and_64_bit_addresses() {
    // Dense (lane after lane) and reversed, so that both paths are taken.
    for reversed in [false, true] {
        let text = "
            v_mov_b32 v2, v10
            v_add_nc_u32 v3, 1, v10
            v_add_nc_u32 v4, 2, v10
            v_add_nc_u32 v5, 3, v10
            global_store_b128 v0, v[2:5], s[0:1]
            v_add_co_u32 v6, vcc_lo, s0, v0
            v_mov_b32 v7, 0
            global_load_b96 v[11:13], v[6:7], off offset:4
            flat_load_b64 v[14:15], v[6:7]
            s_waitcnt vmcnt(0) lgkmcnt(0)
            s_endpgm";
        let place = move |lane| if reversed { 31 - lane } else { lane };
        let state = with_vgprs(&[(0, &move |lane| 16 * place(lane)), (10, &|lane| 100 * lane)]);
        let outcome = wave(text, state);
        for (register, add) in [(11, 1), (12, 2), (13, 3), (14, 0), (15, 1)] {
            let expected: [u32; 32] = std::array::from_fn(|lane| 100 * lane as u32 + add);
            assert_eq!(vgpr(&outcome, register), expected, "v{register}");
        }
    }
}

#[test]
fn buffers_check_their_range() {
    let text = "
        s_mov_b32 s4, s0
        s_mov_b32 s5, 0
        s_movk_i32 s6, 0x48
        s_mov_b32 s7, 0x30016fac
        v_mov_b32 v2, 7
        buffer_store_b32 v2, v0, s[4:7], 8 offen offset:8
        buffer_load_b64 v[4:5], v0, s[4:7], 0 offen offset:16
        s_buffer_load_b64 s[8:9], s[4:7], 0x44
        s_waitcnt vmcnt(0) lgkmcnt(0)
        s_endpgm";
    let state = with_vgprs(&[(0, &|lane| 4 * lane)]);
    let machine = Machine {
        waves: vec![state],
        ..Machine::default()
    };
    let lenient = Options {
        strictness: Strictness::strict().without(Rule::BufferRange),
        ..Options::default()
    };
    let memory = memory(1024);
    let outcome = execute(&program(text), &machine, &memory, &lenient);
    assert_eq!(outcome.stop, None);
    // 72 bytes from 8 on: stores at 8 + 8 + 4 lane up to 68, each dword of a load up to 68.
    let stored: Vec<u32> = (0..40)
        .map(|at| if (4..18).contains(&at) { 7 } else { 0 })
        .collect();
    assert_eq!(dwords(&memory, 40), stored);
    let seven = |below| std::array::from_fn(|lane| if lane < below { 7 } else { 0 });
    assert_eq!(vgpr(&outcome, 4), seven(14));
    assert_eq!(vgpr(&outcome, 5), seven(13));
    assert_eq!(outcome.waves[0].sgprs[&8], 7);
    assert_eq!(outcome.waves[0].sgprs[&9], 0);
}

#[test]
fn lds_of_two_addresses_and_scratch() {
    let text = "
        v_lshlrev_b32 v2, 2, v0
        v_add_nc_u32 v3, 1, v0
        ds_store_2addr_stride64_b32 v2, v0, v3 offset0:0 offset1:1
        ds_load_2addr_b32 v[4:5], v2 offset0:64 offset1:0
        ds_load_2addr_stride64_b32 v[2:3], v2 offset0:0 offset1:1
        scratch_store_b32 off, v0, off offset:8
        scratch_load_u16 v6, off, off offset:8
        s_waitcnt vmcnt(0) lgkmcnt(0)
        s_endpgm";
    let outcome = wave(text, with_vgprs(&[(0, &|lane| lane)]));
    let lane = |add: u32| std::array::from_fn(|lane| lane as u32 + add);
    assert_eq!(vgpr(&outcome, 4), lane(1));
    assert_eq!(vgpr(&outcome, 5), lane(0));
    assert_eq!(vgpr(&outcome, 2), lane(0));
    assert_eq!(vgpr(&outcome, 3), lane(1));
    assert_eq!(vgpr(&outcome, 6), lane(0));
}

#[test]
fn flat_addresses_reach_lds_and_scratch() {
    let text = "
        s_mov_b64 s[2:3], src_shared_base
        s_mov_b64 s[4:5], src_private_base
        v_mov_b32 v3, s3
        v_mov_b32 v2, 16
        flat_store_b32 v[2:3], v0
        v_mov_b32 v5, s5
        v_mov_b32 v4, 4
        flat_store_b32 v[4:5], v0
        ds_load_b32 v6, v2
        scratch_load_b32 v7, off, off offset:4
        s_waitcnt vmcnt(0) lgkmcnt(0)
        s_endpgm";
    let outcome = wave(text, with_vgprs(&[(0, &|lane| lane)]));
    assert_eq!(vgpr(&outcome, 6), [31; 32]);
    assert_eq!(vgpr(&outcome, 7), std::array::from_fn(|lane| lane as u32));
}

#[test]
fn atomics_return_what_was_there() {
    let text = "
        v_mov_b32 v1, 1
        v_mov_b32 v2, 0
        ds_add_rtn_u32 v3, v2, v1
        global_atomic_add_u32 v4, v2, v1, s[0:1] glc
        v_mov_b32 v6, 9
        v_mov_b32 v7, 32
        s_waitcnt vmcnt(0) lgkmcnt(0)
        global_atomic_cmpswap_b32 v5, v2, v[6:7], s[0:1] glc
        ds_cmpstore_rtn_b32 v8, v2, v6, v7
        s_waitcnt vmcnt(0) lgkmcnt(0)
        s_endpgm";
    let outcome = wave(text, with_vgprs(&[(0, &|lane| lane)]));
    let order: [u32; 32] = std::array::from_fn(|lane| lane as u32);
    let first = |value| std::array::from_fn(|lane| if lane == 0 { value } else { 9 });
    assert_eq!(vgpr(&outcome, 3), order);
    assert_eq!(vgpr(&outcome, 4), order);
    assert_eq!(vgpr(&outcome, 5), first(32));
    assert_eq!(vgpr(&outcome, 8), first(32));
}

#[test]
fn lanes_are_exchanged() {
    // The sum over a wave as LLVM and ACO reduce it (fact sheet, section 9), and single moves.
    let text = "
        v_add_nc_u32_dpp v1, v0, v0 quad_perm:[1,0,3,2] row_mask:0xf bank_mask:0xf
        v_add_nc_u32_dpp v1, v1, v1 quad_perm:[2,3,0,1] row_mask:0xf bank_mask:0xf
        v_add_nc_u32_dpp v1, v1, v1 row_half_mirror row_mask:0xf bank_mask:0xf
        v_add_nc_u32_dpp v1, v1, v1 row_mirror row_mask:0xf bank_mask:0xf
        s_mov_b32 s2, 0x76543210
        s_mov_b32 s3, 0xfedcba98
        v_permlanex16_b32 v2, v1, s2, s3
        v_add_nc_u32 v1, v1, v2
        ds_swizzle_b32 v3, v0 offset:swizzle(SWAP,16)
        v_mov_b32 v4, 20
        ds_bpermute_b32 v5, v4, v0
        v_xor_b32 v6, 31, v0
        v_lshlrev_b32 v6, 2, v6
        ds_permute_b32 v7, v6, v0
        v_readlane_b32 s4, v0, 37
        v_mov_b32 v8, 0
        v_writelane_b32 v8, s4, 3
        v_mov_b32 v9, 7
        v_mov_b32_dpp v9, v0 row_shr:1 row_mask:0x1 bank_mask:0x3
        v_mov_b32_dpp v10, v0 row_shl:15 row_mask:0xf bank_mask:0xf bound_ctrl:1
        v_swap_b32 v0, v4
        s_waitcnt lgkmcnt(0)
        s_endpgm";
    let outcome = wave(text, with_vgprs(&[(0, &|lane| lane)]));
    let lanes = |value: &dyn Fn(u32) -> u32| std::array::from_fn(|lane| value(lane as u32));
    assert_eq!(vgpr(&outcome, 1), [496; 32]);
    assert_eq!(vgpr(&outcome, 3), lanes(&|lane| lane ^ 16));
    assert_eq!(vgpr(&outcome, 5), [5; 32]);
    assert_eq!(vgpr(&outcome, 7), lanes(&|lane| 31 - lane));
    assert_eq!(
        vgpr(&outcome, 8),
        lanes(&|lane| if lane == 3 { 5 } else { 0 })
    );
    assert_eq!(
        vgpr(&outcome, 9),
        lanes(&|lane| if (1..8).contains(&lane) { lane - 1 } else { 7 })
    );
    let last = |lane: u32| {
        if lane.is_multiple_of(16) {
            lane + 15
        } else {
            0
        }
    };
    assert_eq!(vgpr(&outcome, 10), lanes(&last));
    assert_eq!(vgpr(&outcome, 0), [20; 32]);
    assert_eq!(vgpr(&outcome, 4), lanes(&|lane| lane));
}

#[test]
fn modifiers_and_halves() {
    let text = "
        v_add_f32_e64 v2, -v0, |v1| clamp
        v_mul_f32_e64 v3, v0, v0 mul:4
        v_add_f16 v4, 1.0, v10
        v_fma_f16 v5, v10, v10, v10 op_sel:[1,0,0,1]
        v_pk_add_f16 v6, v10, 1.0 op_sel:[1,0] op_sel_hi:[0,0] neg_hi:[1,0]
        v_fma_mix_f32 v7, v10, v0, v1 op_sel:[1,0,0] op_sel_hi:[1,0,0]
        v_cndmask_b32 v8, v0, v1, vcc_lo
        s_denorm_mode 12
        v_mul_f32_e64 v9, v0, v0 mul:4
        v_add_f32 v11, v12, v12
        s_endpgm";
    let f = |value: f32| value.to_bits();
    // v10: 2.0 in the low half, 3.0 in the high one; v12: a denormal.
    let mut state = with_vgprs(&[
        (0, &|_| 1.5f32.to_bits()),
        (1, &|_| (-2.0f32).to_bits()),
        (4, &|_| 0xabcd_0000),
        (5, &|_| 0x0000_abcd),
        (10, &|_| 0x4200_4000),
        (12, &|_| 3),
    ]);
    state.vcc[0] = Some(0xff);
    let outcome = wave(text, state);
    assert_eq!(vgpr(&outcome, 2), [f(0.5); 32]);
    // The output modifier is ignored while denormals are kept.
    assert_eq!(vgpr(&outcome, 3), [f(2.25); 32]);
    assert_eq!(vgpr(&outcome, 9), [f(9.0); 32]);
    assert_eq!(vgpr(&outcome, 4), [0xabcd_4200; 32]);
    // 3 * 2 + 2 in the high half.
    assert_eq!(vgpr(&outcome, 5), [0x4800_abcd; 32]);
    // Low: 3 + 1; high: -2 + 1 (the low half of the constant).
    assert_eq!(vgpr(&outcome, 6), [0xbc00_4400; 32]);
    assert_eq!(vgpr(&outcome, 7), [f(2.5); 32]);
    let selected = |lane| if lane < 8 { f(-2.0) } else { f(1.5) };
    assert_eq!(vgpr(&outcome, 8), std::array::from_fn(selected));
    assert_eq!(vgpr(&outcome, 11), [0; 32]);
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

/// A generator of test data (xorshift, fixed seed).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }

    /// A small integer, exact in every float type.
    fn small(&mut self) -> i32 {
        self.next() as i32 % 8
    }
}

/// Element of a matrix operand, how to write it in bits.
struct Element {
    bits: u32,
    encode: fn(i32) -> u32,
}

fn check_product(name: &str, modifiers: &str, element: &Element, accumulator: Element) {
    let mut random = Random(0x1234_5678_9abc_def1);
    let signed = element.bits > 8 || !modifiers.is_empty();
    let mut matrix = |_| -> [[i32; 16]; 16] {
        std::array::from_fn(|_| {
            std::array::from_fn(|_| {
                let value = random.small();
                if signed { value } else { value.abs() }
            })
        })
    };
    let [a, b, c] = [(); 3].map(&mut matrix);
    let count = (element.bits / 2) as usize;
    let per_dword = (32 / element.bits) as usize;
    let mut state = WaveState::default();
    let mut fill = |register: usize, value: &dyn Fn(usize) -> u32| {
        let lanes = std::array::from_fn(|lane| Some(value(lane)));
        state.vgprs.insert(register as u8, lanes);
    };
    for r in 0..count {
        let pack = |value: &dyn Fn(usize) -> i32| {
            (0..per_dword).fold(0, |dword, part| {
                let shift = element.bits as usize * part;
                dword | (element.encode)(value(r * per_dword + part)) << shift
            })
        };
        fill(32 + r, &|lane| pack(&|k| a[lane % 16][k]));
        fill(48 + r, &|lane| pack(&|k| b[k][lane % 16]));
    }
    let high = modifiers.contains("op_sel");
    let shift = if high { 16 } else { 0 };
    let other = if accumulator.bits == 16 {
        0x5555 << (16 - shift)
    } else {
        0
    };
    for r in 0..8 {
        fill(8 + r, &|lane| {
            (accumulator.encode)(c[2 * r + lane / 16][lane % 16]) << shift | other
        });
    }
    let last = count - 1;
    let text = format!(
        "v_wmma_{name} v[8:15], v[32:{}], v[48:{}], v[8:15] {modifiers}\ns_endpgm",
        32 + last,
        48 + last
    );
    let outcome = wave(&text, state);
    for r in 0..8 {
        let got = vgpr(&outcome, 8 + r as u8);
        for (lane, got) in got.iter().enumerate() {
            let (row, column) = (2 * r + lane / 16, lane % 16);
            let sum: i32 = (0..16).map(|k| a[row][k] * b[k][column]).sum();
            let expected = (accumulator.encode)(sum + c[row][column]) << shift | other;
            assert_eq!(*got, expected, "{text} row {row} column {column}");
        }
    }
}

#[test]
fn matrix_products_follow_the_layout() {
    let f16 = |value: i32| u32::from(half::f16::from_f32(value as f32).to_bits());
    let bf16 = |value: i32| u32::from(half::bf16::from_f32(value as f32).to_bits());
    let of = |bits, encode| Element { bits, encode };
    let single = || of(32, |value| (value as f32).to_bits());
    let integer = || of(32, |value| value as u32);
    check_product("f32_16x16x16_f16", "", &of(16, f16), single());
    check_product("f32_16x16x16_bf16", "", &of(16, bf16), single());
    check_product("f16_16x16x16_f16", "", &of(16, f16), of(16, f16));
    check_product(
        "f16_16x16x16_f16",
        "op_sel:[0,0,1]",
        &of(16, f16),
        of(16, f16),
    );
    check_product("bf16_16x16x16_bf16", "", &of(16, bf16), of(16, bf16));
    let byte = || of(8, |value| value as u32 & 0xff);
    let nibble = || of(4, |value| value as u32 & 0xf);
    check_product("i32_16x16x16_iu8", "neg_lo:[1,1,0]", &byte(), integer());
    check_product("i32_16x16x16_iu8", "", &byte(), integer());
    check_product("i32_16x16x16_iu4", "neg_lo:[1,1,0]", &nibble(), integer());
    check_product("i32_16x16x16_iu4", "", &nibble(), integer());
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
