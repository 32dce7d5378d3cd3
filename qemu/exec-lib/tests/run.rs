//! The C function as a harness calls it: code, arguments and results in memory of this process.

use std::ffi::c_void;

use gfx1100_exec::gfx1100_run;
use gfx1100_isa::assemble_words;

/// USER_SGPR 2, workgroup ids x, y, z, 512 bytes of LDS.
const RSRC2: u32 = 2 << 1 | 7 << 7 | 1 << 15;

fn run(words: &[u32], grid: [u32; 3], block: [u32; 3], arguments: &mut [u64]) -> i32 {
    let [gx, gy, gz] = grid;
    let [lx, ly, lz] = block;
    let size = 4 * words.len() as u32;
    let code = words.as_ptr().cast::<c_void>();
    let arguments = arguments.as_mut_ptr().cast::<c_void>();
    // SAFETY: code and arguments live through the call, and the programs below reach for no other memory of ours.
    unsafe { gfx1100_run(code, size, gx, gy, gz, lx, ly, lz, arguments, RSRC2, 16) }
}

fn words(text: &str) -> Vec<u32> {
    assemble_words(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn a_grid_writes_where_its_arguments_point() {
    // out[48 * group + thread] += group + 256 * packed id, without a single wait; LDS and v9 read as 0.
    let code = words(
        "s_load_b64 s[6:7], s[0:1], 0x0
         v_and_b32 v1, 0x3ff, v0
         v_bfe_u32 v2, v0, 10, 10
         v_mad_u32_u24 v1, v2, 16, v1
         s_mul_i32 s5, s2, 48
         v_add_lshl_u32 v1, v1, s5, 2
         v_lshl_or_b32 v2, v0, 8, s2
         ds_load_b32 v3, v9
         v_add3_u32 v2, v2, v3, v9
         global_atomic_add_u32 v1, v2, s[6:7]
         s_endpgm",
    );
    let mut out = vec![0u32; 48 * 5];
    let mut arguments = [out.as_mut_ptr() as u64];
    assert_eq!(run(&code, [5, 1, 1], [16, 3, 1], &mut arguments), 0);
    for (index, value) in (0..).zip(&out) {
        let (group, thread) = (index / 48, index % 48);
        let id = (thread % 16) | ((thread / 16) << 10);
        assert_eq!(*value, group | id << 8, "index {index}");
    }
}

#[test]
fn f32_denormals_are_flushed_and_f16_ones_kept() {
    let code = words(
        "s_load_b64 s[6:7], s[0:1], 0x0
         v_mov_b32 v1, 0
         v_add_f32 v2, 5, v1
         v_add_f16 v3, 5, v1
         global_store_b64 v1, v[2:3], s[6:7]
         s_endpgm",
    );
    let mut out = [7u32; 2];
    let mut arguments = [out.as_mut_ptr() as u64];
    assert_eq!(run(&code, [1; 3], [1; 3], &mut arguments), 0);
    assert_eq!(out, [0, 5]);
}

#[test]
fn failures_come_back_as_numbers() {
    let fails = |words: &[u32]| run(words, [1; 3], [1; 3], &mut [0]) != 0;
    // Memory that is not mapped, no instruction, nothing after the code, no code.
    assert!(fails(&words(
        "global_load_b32 v1, v0, s[2:3] offset:64\ns_endpgm"
    )));
    assert!(fails(&[0xffff_ffff]));
    assert!(fails(&words("s_nop 0")));
    assert!(fails(&[]));
    assert_ne!(run(&words("s_endpgm"), [1; 3], [2000, 1, 1], &mut [0]), 0);
}
