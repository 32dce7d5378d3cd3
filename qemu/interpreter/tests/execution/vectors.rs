//! Lane exchange, modifiers and halves of vector instructions.

use crate::{vgpr, wave, with_vgprs};

#[test]
fn lanes_are_exchanged() {
    // The sum over a wave as LLVM and ACO reduce it, and single moves.
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
