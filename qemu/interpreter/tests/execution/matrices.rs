//! Matrix products, against plain sums over integers that every type holds exactly.

use gfx1100_interpreter::WaveState;

use crate::{vgpr, wave};

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
