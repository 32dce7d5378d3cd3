//! Each rule is broken by a program, and a program next to it does the same rightly.
//!
//! All start from one state: `s[0:1]` point to 256 bytes of zeros (and 256 that nobody wrote behind them), `s[4:7]` describe
//! them as a buffer, s8 is the number of the wave, v0 is 4 times the lane, v1 and v2 are 1.0 and 2.0, v3 is the lane,
//! v4 to v47 are f16 ones; LDS has 256 bytes of zeros and 256 that nobody wrote; a lane has 64 bytes of scratch.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use gfx1100_interpreter::{
    Machine, Memory as _, Options, Outcome, Program, Regions, Rule, RuleClass, Strictness,
    WaveState, execute,
};
use gfx1100_isa::assemble_words;

const MEMORY: u32 = 0x1000;
const VGPRS: u32 = 72;

fn words(text: &str) -> Result<Vec<u32>, String> {
    let lines: Vec<&str> = text.split(';').map(str::trim).collect();
    assemble_words(&lines.join("\n")).map_err(|error| format!("{text}\n{error}"))
}

fn state(wave: u32) -> WaveState {
    let mut state = WaveState {
        vcc: [Some(0xffff), None],
        scc: Some(false),
        ..WaveState::default()
    };
    let sgprs = [MEMORY, 0, 0, 1, MEMORY, 0, 512, 0x3001_6fac, wave];
    for (register, value) in (0..).zip(sgprs) {
        state.sgprs.insert(register, value);
    }
    let lanes = |value: fn(u32) -> u32| std::array::from_fn(|lane| Some(value(lane as u32)));
    for register in 4..48 {
        state.vgprs.insert(register, lanes(|_| 0x3c00_3c00));
    }
    state.vgprs.insert(0, lanes(|lane| 4 * lane));
    state.vgprs.insert(1, lanes(|_| 1.0f32.to_bits()));
    state.vgprs.insert(2, lanes(|_| 2.0f32.to_bits()));
    state.vgprs.insert(3, lanes(|lane| lane));
    state
}

fn run(words: &[u32], waves: u32, strictness: Strictness) -> Outcome {
    let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let program = Program::new(&code, 0x10_0000, VGPRS).unwrap();
    let mut memory = Regions::new();
    memory.add_undefined(u64::from(MEMORY), 512).unwrap();
    memory.write(u64::from(MEMORY), &[0; 256]).unwrap();
    let machine = Machine {
        waves: (0..waves).map(state).collect(),
        lds: vec![0; 256],
        lds_undefined: 256,
        scratch_bytes: 64,
    };
    let options = Options {
        strictness,
        max_steps: 1000,
        ..Options::default()
    };
    execute(&program, &machine, &memory, &options)
}

/// A rule, the waves that it takes, a program that breaks it, and one that does not (empty: there is no such).
struct Case(Rule, u32, &'static str, &'static str);

#[rustfmt::skip] // a case is read as a row
const CASES: &[Case] = &[
    Case(Rule::Unsupported, 1, "s_sethalt 1; s_endpgm", "s_setprio 1; s_endpgm"),
    Case(Rule::FallOffEnd, 1, "s_nop 0", "s_nop 0; s_endpgm"),
    Case(Rule::BranchTarget, 1, "s_branch 1; v_add_f32 v0, 0x42f00000, v1; s_endpgm", "s_branch 2; v_add_f32 v0, 0x42f00000, v1; s_endpgm"),
    Case(Rule::BranchTarget, 1, "s_setpc_b64 s[0:1]; s_endpgm", "s_getpc_b64 s[0:1]; s_add_u32 s0, s0, 8; s_setpc_b64 s[0:1]; s_endpgm"),
    Case(Rule::CodeEnd, 1, "s_nop 0; s_code_end", "s_endpgm; s_code_end"),
    Case(Rule::MemoryFault, 1, "global_load_b32 v5, v0, s[2:3]; s_endpgm", "global_load_b32 v5, v0, s[0:1]; s_endpgm"),
    Case(Rule::MemoryFault, 1, "s_load_b32 s9, s[0:1], 0x200; s_endpgm", "s_load_b32 s9, s[0:1], 0x10; s_endpgm"),
    Case(Rule::StepLimit, 1, "again:; s_branch again", ""),
    Case(Rule::RegisterRange, 1, "s_movk_i32 m0, 0x100; v_movrels_b32 v4, v1; s_endpgm", "s_movk_i32 m0, 1; v_movrels_b32 v4, v1; s_endpgm"),
    Case(Rule::MisalignedAtomic, 1, "global_atomic_add_u32 v0, v1, s[0:1] offset:2; s_endpgm", "global_atomic_add_u32 v0, v1, s[0:1] offset:4; s_endpgm"),

    Case(Rule::UndefinedSgpr, 1, "s_add_u32 s9, s10, s3; s_endpgm", "s_add_u32 s9, s8, s3; s_endpgm"),
    Case(Rule::UndefinedSgpr, 1, "v_add_f32 v4, s10, v1; s_endpgm", "v_add_f32 v4, s8, v1; s_endpgm"),
    Case(Rule::UndefinedSgpr, 1, "s_mov_b32 m0, s9; s_endpgm", "s_mov_b32 m0, s8; s_endpgm"),
    // The arm that is not selected may be undefined.
    Case(Rule::UndefinedSgpr, 1, "s_cselect_b32 s9, s8, s10; s_endpgm", "s_cselect_b32 s9, s10, s8; s_endpgm"),
    Case(Rule::UndefinedVgpr, 1, "v_add_f32 v4, v1, v60; s_endpgm", "v_add_f32 v60, v1, v2; v_add_f32 v4, v1, v60; s_endpgm"),
    // Only active lanes count.
    Case(Rule::UndefinedVgpr, 1, "s_mov_b32 exec_lo, 1; v_mov_b32 v60, 0; s_mov_b32 exec_lo, 3; v_add_f32 v4, v1, v60; s_endpgm",
                                 "s_mov_b32 exec_lo, 3; v_mov_b32 v60, 0; s_mov_b32 exec_lo, 1; v_add_f32 v4, v1, v60; s_endpgm"),
    // Of v_cndmask the selected arm: VCC is 0xffff.
    Case(Rule::UndefinedVgpr, 1, "v_cndmask_b32 v4, v1, v60, vcc_lo; s_endpgm",
                                 "s_mov_b32 exec_lo, 0xffff0000; v_cndmask_b32 v4, v1, v60, vcc_lo; s_endpgm"),
    // Of a 16-bit operation its half.
    Case(Rule::UndefinedVgpr, 1, "global_load_d16_b16 v60, v0, s[0:1]; s_waitcnt vmcnt(0); v_add_nc_u32 v4, v60, v3; s_endpgm",
                                 "global_load_d16_b16 v60, v0, s[0:1]; s_waitcnt vmcnt(0); v_add_f16 v4, v60, v4; v_and_b32 v5, 0xffff, v60; v_lshlrev_b32 v6, 16, v60; s_endpgm"),
    Case(Rule::UndefinedVgpr, 1, "v_add_f16 v60, v4, v5; v_pk_add_f16 v6, v60, v7; s_endpgm",
                                 "v_add_f16 v60, v4, v5; v_pk_add_f16 v6, v60, v7 op_sel_hi:[0,1]; s_endpgm"),
    // With DPP the lanes that deliver.
    Case(Rule::UndefinedVgpr, 1, "s_mov_b32 exec_lo, 0xaaaaaaaa; v_mov_b32 v60, 0; s_mov_b32 exec_lo, -1; v_mov_b32_dpp v61, v60 quad_perm:[1,0,3,2] row_mask:0xf bank_mask:0xf; s_endpgm",
                                 "s_mov_b32 exec_lo, 0xaaaaaaaa; v_mov_b32 v60, 0; s_mov_b32 exec_lo, -1; v_mov_b32_dpp v61, v60 quad_perm:[1,1,3,3] row_mask:0xf bank_mask:0xf; s_endpgm"),
    Case(Rule::UndefinedVgpr, 1, "v_readlane_b32 s9, v60, 3; s_endpgm", "v_writelane_b32 v60, s8, 3; v_readlane_b32 s9, v60, 3; s_endpgm"),
    Case(Rule::UndefinedVgpr, 1, "global_store_b32 v0, v60, s[0:1]; s_endpgm", "s_mov_b32 exec_lo, 0; global_store_b32 v0, v60, s[0:1]; s_endpgm"),
    Case(Rule::UndefinedVgpr, 1, "ds_bpermute_b32 v4, v0, v60; s_endpgm", "ds_bpermute_b32 v4, v0, v1; s_endpgm"),
    Case(Rule::UndefinedLds, 1, "ds_load_b32 v4, v0 offset:256; s_waitcnt lgkmcnt(0); v_add_nc_u32 v5, v4, v3; s_endpgm",
                                "ds_store_b32 v0, v1 offset:256; ds_load_b32 v4, v0 offset:256; s_waitcnt lgkmcnt(0); v_add_nc_u32 v5, v4, v3; s_endpgm"),
    Case(Rule::UndefinedLds, 1, "ds_add_u32 v0, v1 offset:256; s_endpgm", "ds_add_u32 v0, v1; s_endpgm"),
    // Loading what nobody wrote is no use of it.
    Case(Rule::UndefinedMemory, 1, "global_load_b32 v4, v0, s[0:1] offset:256; s_waitcnt vmcnt(0); v_add_nc_u32 v5, v4, v3; s_endpgm",
                                   "global_load_b32 v4, v0, s[0:1] offset:256; s_waitcnt vmcnt(0); s_endpgm"),
    Case(Rule::UndefinedMemory, 1, "s_load_b64 s[10:11], s[0:1], 0xfc; s_waitcnt lgkmcnt(0); s_mov_b32 s12, s11; s_endpgm",
                                   "s_load_b64 s[10:11], s[0:1], 0xfc; s_waitcnt lgkmcnt(0); s_mov_b32 s12, s10; s_endpgm"),
    Case(Rule::UndefinedScratch, 1, "scratch_load_b32 v4, off, off; s_waitcnt vmcnt(0); v_add_nc_u32 v5, v4, v3; s_endpgm",
                                    "scratch_store_b32 off, v1, off; scratch_load_b32 v4, off, off; s_waitcnt vmcnt(0); v_add_nc_u32 v5, v4, v3; s_endpgm"),

    Case(Rule::PendingVmem, 1, "global_load_b32 v4, v0, s[0:1]; v_add_nc_u32 v5, v4, v3; s_endpgm",
                               "global_load_b32 v4, v0, s[0:1]; s_waitcnt vmcnt(0); v_add_nc_u32 v5, v4, v3; s_endpgm"),
    // In order: one of two may be outstanding.
    Case(Rule::PendingVmem, 1, "global_load_b32 v4, v0, s[0:1]; global_load_b32 v5, v0, s[0:1]; s_waitcnt vmcnt(1); v_add_nc_u32 v6, v5, v3; s_endpgm",
                               "global_load_b32 v4, v0, s[0:1]; global_load_b32 v5, v0, s[0:1]; s_waitcnt vmcnt(1); v_add_nc_u32 v6, v4, v3; s_endpgm"),
    // Writing is as bad as reading, even in lanes that the load leaves alone; another load of the counter may.
    Case(Rule::PendingVmem, 1, "s_mov_b32 exec_lo, 1; global_load_b32 v4, v0, s[0:1]; s_mov_b32 exec_lo, 2; v_mov_b32 v4, 0; s_endpgm",
                               "global_load_d16_b16 v4, v0, s[0:1]; global_load_d16_hi_b16 v4, v0, s[0:1]; s_endpgm"),
    Case(Rule::PendingVmem, 1, "global_load_b32 v4, v0, s[0:1]; ds_load_b32 v4, v0; s_endpgm", "ds_load_b32 v4, v0; ds_load_b32 v4, v0; s_endpgm"),
    Case(Rule::PendingVmem, 1, "global_atomic_add_u32 v4, v0, v1, s[0:1] glc; v_mov_b32 v5, v4; s_endpgm", "global_atomic_add_u32 v0, v1, s[0:1]; v_mov_b32 v1, v4; s_endpgm"),
    Case(Rule::PendingVmem, 1, "v_mov_b32 v46, 0x1000; v_mov_b32 v47, 0; flat_load_b32 v4, v[46:47]; s_waitcnt lgkmcnt(0); v_mov_b32 v5, v4; s_endpgm",
                               "v_mov_b32 v46, 0x1000; v_mov_b32 v47, 0; flat_load_b32 v4, v[46:47]; s_waitcnt vmcnt(0) lgkmcnt(0); v_mov_b32 v5, v4; s_endpgm"),
    Case(Rule::PendingLds, 1, "ds_load_b32 v4, v0; v_add_nc_u32 v5, v4, v3; s_endpgm", "ds_load_b32 v4, v0; s_waitcnt lgkmcnt(0); v_add_nc_u32 v5, v4, v3; s_endpgm"),
    Case(Rule::PendingLds, 1, "ds_swizzle_b32 v4, v1 offset:0x401f; v_mov_b32 v5, v4; s_endpgm", "ds_load_b32 v4, v0; ds_load_b32 v5, v0; s_waitcnt lgkmcnt(1); v_mov_b32 v6, v4; s_endpgm"),
    // A scalar load outstanding may be the one that has not come back.
    Case(Rule::PendingLds, 1, "ds_load_b32 v4, v0; s_load_b32 s9, s[0:1], 0x0; s_waitcnt lgkmcnt(1); v_mov_b32 v5, v4; s_endpgm",
                              "ds_load_b32 v4, v0; ds_load_b32 v6, v0; s_load_b32 s9, s[0:1], 0x0; s_waitcnt lgkmcnt(1); v_mov_b32 v5, v4; s_endpgm"),
    Case(Rule::PendingSmem, 1, "s_load_b32 s9, s[0:1], 0x0; s_add_u32 s9, s8, s3; s_endpgm", "s_load_b32 s9, s[0:1], 0x0; s_waitcnt lgkmcnt(0); s_add_u32 s9, s9, s3; s_endpgm"),
    Case(Rule::PendingSmem, 1, "s_load_b64 s[10:11], s[0:1], 0x0; v_mov_b32 v4, s11; s_endpgm", "s_load_b64 s[10:11], s[0:1], 0x0; v_mov_b32 v4, s8; s_endpgm"),
    Case(Rule::SmemOrder, 1, "s_load_b32 s9, s[0:1], 0x0; s_load_b32 s10, s[0:1], 0x4; s_waitcnt lgkmcnt(1); s_mov_b32 s11, s9; s_endpgm",
                             "s_load_b32 s9, s[0:1], 0x0; s_load_b32 s10, s[0:1], 0x4; s_waitcnt lgkmcnt(0); s_mov_b32 s11, s9; s_endpgm"),

    Case(Rule::TransUse, 1, "v_exp_f32 v4, v1; v_add_f32 v5, v4, v1; s_endpgm", "v_exp_f32 v4, v1; s_waitcnt_depctr 0xfff; v_add_f32 v5, v4, v1; s_endpgm"),
    Case(Rule::TransUse, 1, "v_exp_f32 v4, v1; v_mov_b32 v5, 0; v_mov_b32 v5, 0; v_mov_b32 v5, 0; v_mov_b32 v5, 0; v_mov_b32 v5, 0; v_add_f32 v5, v4, v1; s_endpgm",
                            "v_exp_f32 v4, v1; v_mov_b32 v5, 0; v_mov_b32 v5, 0; v_mov_b32 v5, 0; v_mov_b32 v5, 0; v_mov_b32 v5, 0; v_mov_b32 v5, 0; v_add_f32 v5, v4, v1; s_endpgm"),
    Case(Rule::TransUse, 1, "v_exp_f32 v4, v1; v_exp_f32 v5, v1; v_add_f32 v6, v4, v1; s_endpgm", "v_exp_f32 v4, v1; v_exp_f32 v5, v1; v_exp_f32 v6, v1; v_add_f32 v7, v4, v1; s_endpgm"),
    Case(Rule::TransUse, 1, "v_exp_f32 v4, v1; s_nop 7; v_dual_mul_f32 v6, v4, v1 :: v_dual_mov_b32 v7, v2; s_endpgm", "v_exp_f32 v4, v1; ds_store_b32 v0, v1; v_add_f32 v5, v4, v1; s_endpgm"),
    Case(Rule::CmpxPermlane, 1, "v_cmpx_eq_u32 v1, v1; v_permlane16_b32 v4, v1, s2, s3; s_endpgm", "v_cmpx_eq_u32 v1, v1; v_mov_b32 v5, v5; v_permlane16_b32 v4, v1, s2, s3; s_endpgm"),
    // The sequencer may drop v_nop.
    Case(Rule::CmpxPermlane, 1, "v_cmpx_eq_u32 v1, v1; v_nop; v_permlanex16_b32 v4, v1, s2, s3; s_endpgm", "v_cmp_eq_u32 vcc_lo, v1, v1; v_permlanex16_b32 v4, v1, s2, s3; s_endpgm"),
    Case(Rule::CmpxPermlane, 1, "v_cmpx_eq_u32 v1, v1; v_permlane64_b32 v4, v1; s_endpgm", "v_cmpx_eq_u32 v1, v1; v_mov_b32 v5, v5; v_permlane64_b32 v4, v1; s_endpgm"),
    Case(Rule::WmmaForward, 1, "v_wmma_f32_16x16x16_f16 v[4:11], v[12:19], v[20:27], 0; v_wmma_f32_16x16x16_f16 v[28:35], v[4:11], v[20:27], 0; s_endpgm",
                               "v_wmma_f32_16x16x16_f16 v[4:11], v[12:19], v[20:27], 0; v_wmma_f32_16x16x16_f16 v[4:11], v[12:19], v[20:27], v[4:11]; s_endpgm"),
    Case(Rule::WmmaForward, 1, "v_wmma_f32_16x16x16_f16 v[4:11], v[12:19], v[20:27], 0; s_nop 7; v_wmma_f32_16x16x16_f16 v[28:35], v[20:27], v[10:17], 0; s_endpgm", ""),
    Case(Rule::MadOverlap, 1, "v_mad_u64_u32 v[4:5], null, v4, v6, v[8:9]; s_endpgm", "v_mad_u64_u32 v[4:5], null, v7, v6, v[8:9]; s_endpgm"),
    Case(Rule::DotOpSel, 1, "v_dot2_f16_f16 v4, v5, v6, v7 op_sel:[0,0,1,0]; s_endpgm", "v_dot2_f16_f16 v4, v5, v6, v7; v_dot4_i32_iu8 v4, v5, v6, v7 neg_lo:[1,1,0]; s_endpgm"),
    Case(Rule::DeallocNop, 1, "s_sendmsg sendmsg(MSG_DEALLOC_VGPRS); s_endpgm", "s_nop 0; s_sendmsg sendmsg(MSG_DEALLOC_VGPRS); s_endpgm"),
    Case(Rule::DeallocScratch, 1, "scratch_store_b32 off, v1, off; s_nop 0; s_sendmsg sendmsg(MSG_DEALLOC_VGPRS); s_endpgm",
                                  "scratch_store_b32 off, v1, off; s_waitcnt_vscnt null, 0x0; s_nop 0; s_sendmsg sendmsg(MSG_DEALLOC_VGPRS); s_endpgm"),
    Case(Rule::ScratchCarry, 1, "v_mov_b32 v60, 3; scratch_load_u8 v4, v60, s3; s_endpgm", "v_mov_b32 v60, 2; scratch_load_u8 v4, v60, s3; s_endpgm"),

    Case(Rule::RegisterAllocation, 1, "v_mov_b32 v72, 0; s_endpgm", "v_mov_b32 v71, 0; s_endpgm"),
    Case(Rule::ExecHi, 1, "s_mov_b32 exec_hi, 0; s_endpgm", "s_mov_b32 exec_lo, 0; s_endpgm"),
    Case(Rule::ExecHi, 1, "s_mov_b64 exec, -1; s_endpgm", ""),
    Case(Rule::VccHi, 1, "s_mov_b64 vcc, 0; s_endpgm", "s_mov_b32 vcc_lo, 0; s_endpgm"),
    Case(Rule::WmmaOverlap, 1, "v_wmma_f32_16x16x16_f16 v[4:11], v[10:17], v[20:27], 0; s_endpgm", "v_wmma_f32_16x16x16_f16 v[4:11], v[12:19], v[20:27], 0; s_endpgm"),
    Case(Rule::WmmaOverlap, 1, "v_wmma_f32_16x16x16_f16 v[4:11], v[12:19], v[20:27], v[5:12]; s_endpgm", "v_wmma_f32_16x16x16_f16 v[4:11], v[12:19], v[12:19], v[28:35]; s_endpgm"),
    Case(Rule::WmmaExec, 1, "s_mov_b32 exec_lo, 0x7fffffff; v_wmma_f32_16x16x16_f16 v[4:11], v[12:19], v[20:27], 0; s_endpgm", ""),
    Case(Rule::WmmaHalves, 1, "v_writelane_b32 v13, s3, 5; v_wmma_f32_16x16x16_f16 v[4:11], v[12:19], v[20:27], 0; s_endpgm",
                              "v_writelane_b32 v13, s3, 5; v_writelane_b32 v13, s3, 21; v_wmma_f32_16x16x16_f16 v[4:11], v[12:19], v[20:27], 0; s_endpgm"),

    Case(Rule::MisalignedAccess, 1, "global_load_b32 v4, v0, s[0:1] offset:2; s_endpgm", "global_load_u16 v4, v0, s[0:1] offset:2; s_endpgm"),
    Case(Rule::MisalignedAccess, 1, "ds_store_b16 v0, v1 offset:1; s_endpgm", "ds_store_b8 v0, v1 offset:1; s_endpgm"),
    Case(Rule::MisalignedScalar, 1, "s_load_b32 s9, s[0:1], 0x2; s_endpgm", "s_load_b32 s9, s[0:1], 0x4; s_endpgm"),
    Case(Rule::MisalignedScalar, 1, "s_load_b32 s9, s[0:1], -0x4; s_endpgm", ""),
    Case(Rule::LdsRange, 1, "ds_load_b32 v4, v0 offset:512; s_endpgm", "ds_load_b32 v4, v0 offset:384; s_endpgm"),
    Case(Rule::ScratchRange, 1, "scratch_load_b32 v4, off, off offset:64; s_endpgm", "scratch_load_b32 v4, off, off offset:60; s_endpgm"),
    Case(Rule::BufferRange, 1, "buffer_load_b32 v4, v0, s[4:7], 0 offen offset:388; s_endpgm", "buffer_load_b32 v4, v0, s[4:7], 0 offen offset:384; s_endpgm"),
    // The scalar offset counts too.
    Case(Rule::BufferRange, 1, "s_movk_i32 s9, 0x100; buffer_store_b128 v[4:7], v0, s[4:7], s9 offen offset:120; s_endpgm",
                               "s_movk_i32 s9, 0x100; buffer_store_b128 v[4:7], v0, s[4:7], s9 offen offset:116; s_endpgm"),
    Case(Rule::BufferRange, 1, "s_buffer_load_b64 s[10:11], s[4:7], 0x1fc; s_endpgm", "s_buffer_load_b64 s[10:11], s[4:7], 0xf8; s_endpgm"),
    Case(Rule::BufferDescriptor, 1, "s_mov_b32 s5, 0x100000; buffer_load_b32 v4, off, s[4:7], 0; s_endpgm", "buffer_load_b32 v4, off, s[4:7], 0; s_endpgm"),

    Case(Rule::LdsRace, 2, "ds_store_b32 v0, v1; s_waitcnt lgkmcnt(0); ds_load_b32 v4, v0; s_endpgm",
                           "s_lshl_b32 s9, s8, 7; v_add_nc_u32 v60, s9, v0; ds_store_b32 v60, v1; s_waitcnt lgkmcnt(0); s_barrier; ds_load_b32 v4, v0; s_endpgm"),
    Case(Rule::LdsRace, 2, "ds_load_b32 v4, v0; ds_store_b32 v0, v1; s_endpgm", "ds_load_b32 v4, v0; s_endpgm"),
    Case(Rule::LdsRace, 2, "ds_add_u32 v0, v1; ds_store_b32 v0, v1; s_endpgm", "ds_add_u32 v0, v1; s_endpgm"),
    Case(Rule::BarrierOutstanding, 2, "ds_add_u32 v0, v1; s_barrier; s_endpgm", "ds_add_u32 v0, v1; s_waitcnt lgkmcnt(0); s_barrier; s_endpgm"),
    Case(Rule::BarrierExited, 2, "s_cmp_eq_u32 s8, 0; s_cbranch_scc1 end; s_barrier; end:; s_endpgm", "s_cmp_eq_u32 s8, 0; s_cbranch_scc1 end; s_nop 0; end:; s_barrier; s_endpgm"),
    Case(Rule::BarrierDiverged, 2, "s_cmp_eq_u32 s8, 0; s_cbranch_scc1 other; s_barrier; s_endpgm; other:; s_barrier; s_endpgm", ""),
    Case(Rule::Clause, 1, "s_clause 0x1; global_load_b32 v4, v0, s[0:1]; s_nop 0; global_load_b32 v5, v0, s[0:1]; s_endpgm",
                          "s_clause 0x1; global_load_b32 v4, v0, s[0:1]; global_load_b32 v5, v0, s[0:1]; s_nop 0; s_endpgm"),
    Case(Rule::Clause, 1, "s_clause 0x0; global_load_b32 v4, v0, s[0:1]; s_endpgm", ""),
    Case(Rule::Clause, 1, "s_clause 0x1; global_load_b32 v4, v0, s[0:1]; s_load_b32 s9, s[0:1], 0x0; s_endpgm", ""),
];

/// What no assembler writes: the instruction, the dword and the bits to replace in it.
struct Patch(Rule, &'static str, usize, u32, u32);

#[rustfmt::skip] // as above
const PATCHES: &[Patch] = &[
    // SOP2 70 is s_fmamk_f32 of RDNA 3.5.
    Patch(Rule::ReservedEncoding, "s_add_u32 s2, s0, s1", 0, u32::MAX, 0xa302_0100),
    // Source code 209 is reserved.
    Patch(Rule::ReservedEncoding, "v_mov_b32 v4, v1", 0, 0x1ff, 209),
    // Both sources 0 in bank 1.
    Patch(Rule::VopdBanks, "v_dual_mul_f32 v4, v1, v2 :: v_dual_mul_f32 v5, v4, v3", 1, 0x1ff, 0x100 + 5),
    Patch(Rule::ScalarOperands, "v_fma_f32 v4, s0, s2, v1", 1, 0x1ff << 18, 3 << 18),
    Patch(Rule::Literals, "v_add_f16 v4, 0x1234, v5", 1, u32::MAX, 0x1_1234),
    Patch(Rule::MisalignedSgprs, "s_mov_b64 s[10:11], s[4:5]", 0, 0x7f << 16, 11 << 16),
    Patch(Rule::RegisterRange, "v_lshlrev_b64 v[4:5], v3, v[8:9]", 0, 0xff, 255),
    // The second source of v_mov is not used.
    Patch(Rule::NonCanonical, "v_dual_mov_b32 v4, v1 :: v_dual_mov_b32 v5, v2", 0, 0xff << 9, 3 << 9),
];

/// What is wrong with a program that should break a rule, and nothing once the rule is switched off.
fn check_broken(rule: Rule, waves: u32, words: &[u32]) -> Result<(), String> {
    let outcome = run(words, waves, Strictness::strict());
    let stop = outcome
        .stop
        .ok_or_else(|| format!("{} was expected", rule.name()))?;
    if stop.rule != rule {
        return Err(format!("{} was expected: {stop}", rule.name()));
    }
    if rule.class() == RuleClass::Always {
        return Ok(());
    }
    let without = run(words, waves, Strictness::strict().without(rule));
    match without.stop {
        Some(stop) if stop.rule == rule => Err(format!("{} is switched off", rule.name())),
        _ => Ok(()),
    }
}

/// Checks every item, and fails with all complaints.
fn check_all<T>(items: impl IntoIterator<Item = T>, check: impl Fn(&T) -> Result<(), String>) {
    let complaints: Vec<String> = items
        .into_iter()
        .filter_map(|item| check(&item).err())
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

#[test]
fn every_rule_is_found_broken() {
    check_all(CASES, |Case(rule, waves, wrong, _)| {
        check_broken(*rule, *waves, &words(wrong)?).map_err(|error| format!("{wrong}\n{error}"))
    });
}

#[test]
fn the_same_done_rightly_runs() {
    let given = CASES.iter().filter(|case| !case.3.is_empty());
    check_all(given, |Case(_, waves, _, right)| {
        match run(&words(right)?, *waves, Strictness::strict()).stop {
            Some(stop) => Err(format!("{right}\n{stop}")),
            None => Ok(()),
        }
    });
}

#[test]
fn encodings_that_are_none_are_found() {
    check_all(PATCHES, |Patch(rule, text, dword, mask, bits)| {
        let mut words = words(text)?;
        words[*dword] = words[*dword] & !mask | bits;
        words.push(0xbfb0_0000);
        check_broken(*rule, 1, &words).map_err(|error| format!("{text}\n{error}"))
    });
}

#[test]
fn no_rule_is_left_out() {
    check_all(Rule::ALL, |rule| {
        let broken = CASES.iter().any(|case| case.0 == **rule);
        let patched = PATCHES.iter().any(|patch| patch.0 == **rule);
        if broken || patched {
            Ok(())
        } else {
            Err(format!("no case breaks {}", rule.name()))
        }
    });
}

#[test]
fn a_stop_names_instruction_lane_and_rule() {
    let words = words("s_mov_b32 exec_lo, 0x30; v_add_f32 v4, v1, v60; s_endpgm");
    let stop = run(&words.unwrap(), 1, Strictness::strict()).stop.unwrap();
    assert_eq!(
        stop.to_string(),
        "undefined-vgpr: `v_add_f32_e32 v4, v1, v60` at 0x4 (workgroup 0 0 0, wave 0, lane 4): \
         v60 was never written"
    );
}

#[test]
fn lenient_runs_let_all_pass_that_can_be_switched_off() {
    let switched = CASES
        .iter()
        .filter(|case| case.0.class() != RuleClass::Always);
    check_all(switched, |Case(_, waves, wrong, _)| {
        // Without checks the program may still reach for memory that is not there.
        match run(&words(wrong)?, *waves, Strictness::lenient()).stop {
            Some(stop) if stop.rule != Rule::MemoryFault => Err(format!("{wrong}\n{stop}")),
            _ => Ok(()),
        }
    });
}
