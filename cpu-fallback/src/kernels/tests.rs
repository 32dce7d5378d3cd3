//! Every kernel against the scalar definition, bit for bit, and the definition against f64 within its derived bound.

use alloc::vec::Vec;
use std::println;

use inference::model::WeightType;

use super::*;

const SEED: u64 = 0x1f2e_3d4c;

const TYPES: [WeightType; 4] = [
    WeightType::F32,
    WeightType::F16,
    WeightType::Q8_0,
    WeightType::Q4_0,
];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From -1 to 1.
    fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.float()).collect()
    }

    /// A row with any bits that a finite weight may have.
    fn row(&mut self, weight_type: WeightType, columns: usize) -> Vec<u8> {
        let mut row = Vec::new();
        for _ in 0..columns / weight_type.block_elements() {
            let scale = half::f16::from_f32(self.float()).to_le_bytes();
            match weight_type {
                WeightType::F32 => row.extend(self.float().to_le_bytes()),
                WeightType::F16 => row.extend(scale),
                WeightType::Q8_0 | WeightType::Q4_0 => {
                    row.extend(scale);
                    row.extend((2..weight_type.block_bytes()).map(|_| self.next() as u8));
                }
            }
        }
        row
    }
}

/// Activations of some tokens, quantised where whole blocks are there.
struct Input {
    columns: usize,
    values: Vec<f32>,
    quants: Vec<i8>,
    scales: Vec<f32>,
}

impl Input {
    fn random(random: &mut Random, columns: usize, tokens: usize) -> Self {
        let values = random.floats(columns * tokens);
        let mut quants = alloc::vec![0; values.len()];
        let mut scales = alloc::vec![0.0; columns / 32 * tokens];
        if columns.is_multiple_of(32) {
            quantise(&values, &mut quants, &mut scales);
        }
        Self {
            columns,
            values,
            quants,
            scales,
        }
    }

    fn panel(&self) -> Panel<'_> {
        Panel {
            columns: self.columns,
            values: &self.values,
            quants: &self.quants,
            scales: &self.scales,
        }
    }

    /// What a kernel for this weight type sees of element `i` of `token`.
    fn seen(&self, weight_type: WeightType, token: usize, i: usize) -> f64 {
        let at = token * self.columns + i;
        match weight_type {
            WeightType::F32 | WeightType::F16 => f64::from(self.values[at]),
            WeightType::Q8_0 | WeightType::Q4_0 => {
                f64::from(self.quants[at]) * f64::from(self.scales[at / 32])
            }
        }
    }
}

/// `[token][row]`.
fn products(
    set: KernelSet,
    weight_type: WeightType,
    weights: &[u8],
    rows: usize,
    input: &Input,
    tokens: usize,
) -> Vec<f32> {
    let mut out = alloc::vec![f32::NAN; rows * tokens];
    let table = set.table().expect("only supported sets are tested");
    let kernel = table.rows_of(weight_type);
    let row_bytes = weights.len() / rows;
    kernel.multiply(weights, row_bytes, &input.panel(), tokens, |t, r, value| {
        out[t * rows + r] = value;
    });
    out
}

fn supported() -> impl Iterator<Item = KernelSet> {
    KernelSet::ALL.into_iter().filter(|set| set.is_supported())
}

#[test]
fn every_set_computes_the_same_bits() {
    let mut random = Random(SEED);
    println!("seed {SEED:#x}, sets {:?}", supported().collect::<Vec<_>>());
    for weight_type in TYPES {
        let widths: &[usize] = match weight_type.block_elements() {
            1 => &[1, 7, 16, 17, 48, 100, 256],
            _ => &[32, 64, 96, 288, 512],
        };
        for &columns in widths {
            for rows in [1, 2, 3, 4, 5, 8, 19] {
                for tokens in [1, 2, 3, 4, 5, 9] {
                    let input = Input::random(&mut random, columns, tokens);
                    let weights: Vec<u8> = (0..rows)
                        .flat_map(|_| random.row(weight_type, columns))
                        .collect();
                    let run = |set| products(set, weight_type, &weights, rows, &input, tokens);
                    let expected = run(KernelSet::Scalar);
                    for set in supported() {
                        let same = run(set)
                            .iter()
                            .zip(&expected)
                            .all(|(found, expected)| found.to_bits() == expected.to_bits());
                        assert!(same, "{set} {weight_type:?} {rows} x {columns} x {tokens}");
                    }
                }
            }
        }
    }
}

/// The bounds that `lanes` and `blocks` derive, in units of `2^-24 * sum |w x|`.
fn bound(weight_type: WeightType, columns: usize) -> f64 {
    match weight_type {
        WeightType::F32 | WeightType::F16 => columns.div_ceil(16) as f64 + 4.0,
        WeightType::Q8_0 | WeightType::Q4_0 => (columns / 32) as f64 + 4.0,
    }
}

#[test]
fn the_definition_keeps_its_error_bound() {
    let mut random = Random(SEED + 1);
    println!("seed {:#x}", SEED + 1);
    let columns = 512;
    for weight_type in TYPES {
        let mut worst = 0.0f64;
        for _ in 0..200 {
            let input = Input::random(&mut random, columns, 1);
            let row = random.row(weight_type, columns);
            let mut weights = alloc::vec![0.0; columns];
            dequantise(weight_type, &row, &mut weights);
            let found = products(KernelSet::Scalar, weight_type, &row, 1, &input, 1)[0];
            let (mut exact, mut magnitude) = (0.0, 0.0);
            for (i, &w) in weights.iter().enumerate() {
                let product = f64::from(w) * input.seen(weight_type, 0, i);
                exact += product;
                magnitude += product.abs();
            }
            let unit = magnitude / f64::from(1 << 24);
            worst = worst.max((f64::from(found) - exact).abs() / unit);
        }
        println!(
            "{weight_type:?}: worst {worst:.3} of {}",
            bound(weight_type, columns)
        );
        assert!(worst > 0.0 && worst <= bound(weight_type, columns));
    }
}

/// Half a scale, and what rounding the scale to F16 does to 127 of it: 2^-11 of it, or 2^-25 where F16 is subnormal.
#[test]
fn quantised_activations_keep_their_error_bound() {
    let mut random = Random(SEED + 2);
    for magnitude in [1e-35, 1e-9, 1e-3, 1.0, 1e9, 1e38] {
        let values: Vec<f32> = random.floats(320).iter().map(|x| x * magnitude).collect();
        let (mut quants, mut scales) = ([0; 320], [0.0; 10]);
        quantise(&values, &mut quants, &mut scales);
        for (i, x) in values.iter().enumerate() {
            let largest = values[i / 32 * 32..][..32]
                .iter()
                .fold(0.0f64, |largest, x| largest.max(f64::from(x.abs())));
            let back = f64::from(quants[i]) * f64::from(scales[i / 32]);
            let rounding = (largest / 2048.0).max(127.0 / 2f64.powi(25));
            let allowed = largest * 0.500_02 / 127.0 + rounding;
            assert!((back - f64::from(*x)).abs() <= allowed, "{x} {back}");
        }
    }
}

/// In every set, damage reaches every product of the damaged token, and no product of another.
#[test]
fn activations_that_are_not_finite_give_nan() {
    let mut random = Random(SEED + 4);
    println!("seed {:#x}", SEED + 4);
    let (columns, rows, tokens, damaged) = (96, 19, 5, 2);
    for weight_type in [WeightType::Q8_0, WeightType::Q4_0] {
        let weights: Vec<u8> = (0..rows)
            .flat_map(|_| random.row(weight_type, columns))
            .collect();
        for bits in [0x7f80_0000, 0xff80_0000, 0x7f80_0001, 0x7fff_ffff, u32::MAX] {
            let mut input = Input::random(&mut random, columns, tokens);
            let sound = products(
                KernelSet::Scalar,
                weight_type,
                &weights,
                rows,
                &input,
                tokens,
            );
            let at = damaged * columns + (random.next() % columns as u64) as usize;
            input.values[at] = f32::from_bits(bits);
            quantise(&input.values, &mut input.quants, &mut input.scales);
            for set in supported() {
                let found = products(set, weight_type, &weights, rows, &input, tokens);
                for (i, (found, sound)) in found.iter().zip(&sound).enumerate() {
                    let right = match i / rows == damaged {
                        true => found.to_bits() == f32::NAN.to_bits(),
                        false => found.to_bits() == sound.to_bits(),
                    };
                    assert!(
                        right,
                        "{set} {weight_type:?} {bits:#x}: product {i} is {found}"
                    );
                }
            }
        }
    }
}

#[test]
fn weighted_sums_are_the_same_bits() {
    let mut random = Random(SEED + 3);
    for columns in [1, 8, 16, 40, 64, 128] {
        for rows in [0, 1, 5, 16] {
            let values: Vec<u8> = (0..rows)
                .flat_map(|_| random.row(WeightType::F16, columns))
                .collect();
            let weights = random.floats(rows);
            let start = random.floats(columns);
            let run = |set: KernelSet| {
                let mut sum = start.clone();
                let table = set.table().expect("only supported sets are tested");
                table.weighted_sum(&values, &weights, &mut sum);
                sum.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
            };
            let expected = run(KernelSet::Scalar);
            for set in supported() {
                assert_eq!(run(set), expected, "{set} {rows} x {columns}");
            }
        }
    }
}

#[test]
fn a_block_becomes_the_numbers_of_its_format() {
    let one = half::f16::from_f32(0.5).to_le_bytes();
    let mut q8_0: Vec<u8> = one.to_vec();
    q8_0.extend((0..32u8).map(|i| i.wrapping_sub(16)));
    let mut q4_0: Vec<u8> = one.to_vec();
    q4_0.extend((0..16u8).map(|i| i | (15 - i) << 4));
    let mut out = [0.0; 32];
    dequantise(WeightType::Q8_0, &q8_0, &mut out);
    assert_eq!((out[0], out[31]), (-8.0, 7.5));
    dequantise(WeightType::Q4_0, &q4_0, &mut out);
    assert_eq!((out[0], out[15], out[16], out[31]), (-4.0, 3.5, 3.5, -4.0));
}
