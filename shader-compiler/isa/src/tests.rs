//! Encoder against decoder, without an outside opinion: that is in `tests/llvm_mc.rs`.

use crate::{DecodeError, Inst, Op, Operand, Rigor, decode, encode};

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
            let words = encode(&inst).unwrap_or_else(|error| panic!("{inst:?}: {error}"));
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
