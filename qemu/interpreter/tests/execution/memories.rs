//! Global, buffer, flat, local and scratch memory.

use gfx1100_interpreter::{Machine, Options, Rule, Strictness, execute};

use crate::{dwords, memory, program, vgpr, wave, with_vgprs};

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
