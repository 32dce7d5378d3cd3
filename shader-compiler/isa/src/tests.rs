//! Encoder against decoder, without an outside opinion: that is in `tests/llvm_mc.rs`.

use crate::{
    Class, DecodeError, Field, Format, Inst, Op, Operand, Place, Rigor, Row, Rule, Ty, assemble,
    decode, encode,
};

/// xorshift64*, by Vigna: the seed is printed by the tests that use it.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

#[test]
fn random_dwords_decode_to_what_encodes_to_them() {
    let seed = 0x9e37_79b9_7f4a_7c15;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let mut decoded = 0;
    for round in 0..2_000_000_u32 {
        let mut dwords = [
            random.next() as u32,
            (random.next() >> 8) as u32,
            random.next() as u32,
            7,
        ];
        if round % 2 == 0 {
            // More of them are instructions if most bits are 0.
            dwords[0] &= 0xfff0_0000 | random.next() as u32;
            dwords[1] &= random.next() as u32 & random.next() as u32;
        }
        for end in 0..=dwords.len() {
            let _ = decode(&dwords[..end], Rigor::Lenient);
        }
        if let Ok((inst, used)) = decode(&dwords, Rigor::Strict) {
            decoded += 1;
            let words = encode(&inst);
            assert_eq!(words.as_deref(), Ok(&dwords[..used]), "{inst:?}");
        }
        if let Ok((inst, _)) = decode(&dwords, Rigor::Lenient) {
            let words = match encode(&inst) {
                Ok(words) => words,
                Err(error) if matches!(error.rule, Rule::DualBank(..)) => continue,
                Err(error) => panic!("{inst:?}: {error}"),
            };
            assert_eq!(decode(&words, Rigor::Strict).map(|found| found.0), Ok(inst));
        }
    }
    println!("{decoded} instructions");
    assert!(decoded > 200_000);
}

#[test]
fn unused_fields_pass_leniently_only() {
    // ds_add_u32 v0, v1 with a destination; v_dual_mov_b32 with a second source; v_cmpx to another mask.
    for dwords in [
        [0xd800_0000, 0x0500_0100],
        [0xc800_0000 | 8 << 22 | 8 << 17 | 3 << 9 | 256, 257],
        [0xd491_0000 | 5, 258 << 9 | 257],
    ] {
        let strict = decode(&dwords, Rigor::Strict);
        assert!(
            matches!(strict, Err(DecodeError::NonCanonical(..))),
            "{strict:?}"
        );
        assert!(decode(&dwords, Rigor::Lenient).is_ok());
    }
}

#[test]
fn scalar_floats_of_rdna_3_5_are_refused() {
    // s_add_f32 s0, s1, s2 and s_cvt_f32_i32 s0, s1 of gfx1150.
    for dword in [0xa000_0201, 0xbe80_6401] {
        let found = decode(&[dword], Rigor::Lenient);
        assert!(matches!(found, Err(DecodeError::Opcode(..))), "{found:?}");
    }
}

#[test]
fn names_are_found() {
    for &op in Op::ALL {
        assert_eq!(Op::from_name(op.row().name), Some(op));
        assert_eq!(Op::find(op.row().format, op.row().opcode), Some(op));
    }
    assert_eq!(Op::from_name("s_add_f32"), None);
}

#[test]
fn an_unaligned_pair_is_refused_by_name() {
    let inst = Inst::new(Op::S_MOV_B64, &[Operand::S(1)], &[Operand::S(2)]);
    let error = encode(&inst).expect_err("s[1:2] is no pair").to_string();
    assert!(error.starts_with("s_mov_b64: destination 0"), "{error}");
}

#[test]
fn random_text_never_panics() {
    let seed = 0x0dd_ba11_5eed;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let pieces = [
        "v_add_f32",
        "_e32",
        "_e64",
        "_dpp",
        "s_",
        "v_dual_mov_b32",
        "ds_load_2addr_b32",
        " ",
        " ",
        ", ",
        ",",
        "v1",
        "v[2:3]",
        "v[300:1]",
        "s[4:7]",
        "vcc_lo",
        "-",
        "|",
        "neg(",
        "(",
        ")",
        "[",
        "]",
        "::",
        ":",
        "0x",
        "0xffffffffffffffff",
        "-16",
        "1.0",
        "1e400",
        "0.15915494",
        "op_sel:[1,0]",
        "quad_perm:[0,1,2,3]",
        "dpp8:[",
        "row_mask:0x",
        "offset:",
        "swizzle(",
        "\"",
        "p",
        "hwreg(",
        "sendmsg(",
        "vmcnt(",
        "label",
        "\n",
        ";",
        "//",
        "é",
        "\u{10ffff}",
        "s_waitcnt",
        "s_branch",
        "clamp",
        "mul:2",
    ];
    for _ in 0..100_000 {
        let length = random.next() % 12;
        let text: String = (0..length)
            .map(|_| pieces[random.next() as usize % pieces.len()])
            .collect();
        let _ = assemble(&text);
    }
    // Real instructions with one byte changed.
    for &op in Op::ALL.iter().filter(|op| **op != Op::V_DUAL) {
        let text = Inst::new(op, &[Operand::V(1)], &[Operand::V(2), Operand::V(3)]).to_string();
        for _ in 0..50 {
            let mut bytes = text.clone().into_bytes();
            let at = random.next() as usize % bytes.len();
            bytes[at] = (random.next() % 128) as u8;
            let _ = assemble(&String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn labels_become_distances_in_dwords() {
    let text = "start: s_nop 0\n v_add_f32 v0, 0x1234, v1 ; two dwords\n s_cbranch_scc1 start\n s_branch end // on\n\
                s_nop 1\nend:\n s_endpgm";
    let insts = assemble(text).expect("it assembles");
    assert_eq!([insts[2].imm, insts[3].imm], [0xfffc, 1]);
    let error = assemble("s_nop 0\ns_branch nowhere").expect_err("there is no such label");
    assert_eq!(error.to_string(), "line 2: label nowhere is not defined");
}

#[test]
fn errors_name_line_and_rule() {
    for (text, expected) in [
        ("\ns_add_f32 s0, s1, s2", "line 2: no instruction s_add_f32"),
        (
            "v_add_f32 v0, v1",
            "line 1: 2 operands, but the instruction has 3",
        ),
        (
            "v_add_f32_e32 v0, v1, s2",
            "line 1: v_add_f32: source 1 cannot be S(2): the field is Vgpr",
        ),
        (
            "v_fma_f32 v0, s1, s2, s3",
            "line 1: v_fma_f32: 3 scalar registers and literals; the constant bus delivers 2",
        ),
        (
            "v_dual_mov_b32 v0, v1 :: v_dual_mov_b32 v2, v2",
            "line 1: v_dual: one destination of VOPD must be even and the other odd",
        ),
        (
            "v_dual_mov_b32 v0, v1 :: v_dual_mov_b32 v3, v5",
            "line 1: v_dual: source 0 and source 2 of VOPD lie in one bank",
        ),
        (
            "global_load_b32 v0, v1, s[2:3] offset:4096",
            "line 1: global_load_b32: immediate 4096 is not in -4096..=4095",
        ),
    ] {
        let error = assemble(text).expect_err(text);
        assert_eq!(error.to_string(), expected);
    }
}

/// Rows whose name matches, for the tests that derive an effect from names.
fn rows(matches: impl Fn(&str) -> bool) -> Vec<&'static Row> {
    let all = Op::ALL.iter().map(|op| op.row());
    all.filter(|row| matches(row.name)).collect()
}

/// The effect is said of exactly the rows whose name matches.
fn exactly(effect: impl Fn(&Row) -> bool, matches: impl Fn(&str) -> bool) {
    for row in rows(|_| true) {
        assert_eq!(effect(row), matches(row.name), "{}", row.name);
    }
}

#[test]
fn effects_follow_from_names() {
    let any = |name: &str, parts: &[&str]| parts.iter().any(|part| name.contains(part));
    let scalar = |name: &str| name.starts_with("s_");
    exactly(
        |row| row.effects.reads_scc,
        |name| {
            any(
                name,
                &[
                    "s_addc_",
                    "s_subb_",
                    "s_cselect_",
                    "s_cmov",
                    "s_cbranch_scc",
                ],
            )
        },
    );
    exactly(
        |row| row.effects.writes_exec,
        |name| any(name, &["saveexec", "wrexec", "v_cmpx_"]),
    );
    exactly(
        |row| row.effects.reads_vcc,
        |name| any(name, &["v_div_fmas_", "s_cbranch_vcc"]),
    );
    exactly(
        |row| row.effects.ignores_exec,
        |name| any(name, &["lane_b32", "v_permlane64_", "v_wmma_"]),
    );
    exactly(
        |row| row.effects.reads_m0,
        |name| {
            any(
                name,
                &[
                    "movrel",
                    "swaprel",
                    "s_sendmsg",
                    "ds_load_addtid",
                    "ds_store_addtid",
                ],
            ) && !name.contains("_rtn_")
        },
    );
    exactly(
        |row| row.class == Class::Trans,
        |name| {
            any(
                name,
                &[
                    "_exp_f", "_log_f", "_rcp_", "_rsq_", "_sqrt_", "_sin_", "_cos_",
                ],
            ) && !name.contains("frexp")
        },
    );
    // SCC: all bit logic, shifts and sums of two scalars; not products, selections, field masks and packing.
    for row in rows(scalar) {
        let silent = any(row.name, &["s_mul_", "s_cselect_", "s_bfm_", "s_pack_"]);
        match row.format {
            Format::Sop2 => assert_eq!(row.effects.writes_scc, !silent, "{}", row.name),
            Format::Sopc => assert!(row.effects.writes_scc, "{}", row.name),
            Format::Sopk => {
                let writes = any(row.name, &["s_cmpk_", "s_addk_"]);
                assert_eq!(row.effects.writes_scc, writes, "{}", row.name);
            }
            Format::Sopp | Format::Smem => assert!(!row.effects.writes_scc, "{}", row.name),
            _ => {}
        }
    }
}

#[test]
fn rows_agree_with_themselves() {
    let duals = |y: bool| {
        let all = rows(|_| true).into_iter();
        let there = move |row: &&Row| {
            if y {
                row.effects.dual_y
            } else {
                row.effects.dual_x
            }
        };
        let mut opcodes: Vec<u8> = all.filter(there).map(|row| row.dual).collect();
        opcodes.sort_unstable();
        opcodes
    };
    assert_eq!(duals(false), (0..13).collect::<Vec<u8>>());
    assert_eq!(duals(true), (0..13).chain(16..19).collect::<Vec<u8>>());
    for row in rows(|_| true) {
        let name = row.name;
        if row.effects.commutes {
            assert_eq!(row.src[0].ty, row.src[1].ty, "{name}");
            assert!(!name.contains("sub") && !name.contains("rev_"), "{name}");
            assert_eq!(row.accepts.neg & 1, row.accepts.neg >> 1 & 1, "{name}");
        }
        if row.effects.dual_y {
            assert!(row.src.iter().all(|slot| slot.ty.dwords() == 1), "{name}");
        }
        // What is read before it is written must be written, and vectors in one piece of memory fill their registers.
        assert!(!row.effects.reads_dst || !row.dst.is_empty(), "{name}");
        let loads =
            matches!(row.class, Class::LdsLoad | Class::VmemLoad | Class::Smem) && row.bytes != 0;
        if loads {
            let dwords = row.dst[0].ty.dwords();
            assert_eq!(dwords, row.bytes.div_ceil(4), "{name}");
            assert_eq!(row.effects.reads_dst, row.dst[0].ty == Ty::B16, "{name}");
        }
        if matches!(row.class, Class::LdsStore | Class::VmemStore) && !name.contains("2addr") {
            let data = row.slot(Place::Src1).expect("a store has data");
            assert_eq!(data.ty.dwords(), row.bytes.div_ceil(4), "{name}");
        }
        let mask = |slots: &[crate::Slot]| {
            slots
                .iter()
                .any(|slot| (slot.field == Field::Mask) != (slot.ty == Ty::Mask))
        };
        assert!(!mask(row.dst) && !mask(row.src), "{name}");
    }
}
