//! RMS normalisation, the gate, quantising.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use cpu_fallback::reference;
use half::f16;

use crate::{
    Case, EPS, EPS_F16, Inputs, Launch, Near, Outputs, Recipes, Result, Size, TINY, TINY_F16,
    compare, ensure, exact, same,
};

/// Buffers of the outputs, the same in all these kernels.
const OUT: u32 = 3;
const OUT_BLOCKS: u32 = 4;

pub(crate) fn add(recipes: &mut Recipes) {
    let shapes = [(1, 64), (3, 288), (2, 2048), (1, 4096), (2, 5632)];
    for (number, (tokens, columns)) in shapes.into_iter().enumerate() {
        let size = Size::of_shape(number);
        for (output, kernels) in Output::ALL.into_iter().zip(RMS_NORM) {
            for (residual, kernel) in [false, true].into_iter().zip(kernels) {
                recipes.push(kernel, size, move |inputs| {
                    rms_norm(inputs, kernel, output, residual, tokens, columns)
                });
            }
        }
        for (output, kernel) in Output::ALL.into_iter().zip(SILU) {
            recipes.push(kernel, size, move |inputs| {
                silu(inputs, kernel, output, tokens, columns)
            });
        }
        recipes.push("quantise", size, move |inputs| {
            quantise(inputs, tokens, columns)
        });
    }
}

const RMS_NORM: [[&str; 2]; 3] = [
    ["rms_norm_f32", "rms_norm_f32_add"],
    ["rms_norm_f16", "rms_norm_f16_add"],
    ["rms_norm_q8", "rms_norm_q8_add"],
];
const SILU: [&str; 3] = ["silu_f32", "silu_f16", "silu_q8"];

/// In what type a kernel gives its result.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Output {
    F32,
    F16,
    /// In 8 bits, in the layout of `quantise.wgsl`.
    Q8,
}

impl Output {
    pub(crate) const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Q8];

    /// Adds the buffers for `tokens` tokens of `columns` numbers.
    pub(crate) fn buffers(self, launch: Launch, tokens: usize, columns: usize) -> Launch {
        match self {
            Self::F32 => launch.write(OUT, &vec![f32::NAN; tokens * columns]),
            Self::F16 => launch.write(OUT, &vec![f16::NAN; tokens * columns]),
            Self::Q8 => {
                let tiles = tokens * columns.div_ceil(1024);
                launch
                    .write(OUT, &vec![UNWRITTEN; tiles * 1024])
                    .write(OUT_BLOCKS, &vec![u32::MAX; tiles * 32])
            }
        }
    }

    pub(crate) fn check(self, outputs: &Outputs, expected: &[Near], columns: usize) -> Result<()> {
        match self {
            Self::F32 => compare("out", &outputs.get::<f32>(OUT)?, expected),
            Self::F16 => {
                let round = |near: &Near| Near {
                    value: near.value,
                    bound: near.bound + (near.value.abs() + near.bound) * EPS_F16 + TINY_F16,
                };
                let expected: Vec<_> = expected.iter().map(round).collect();
                compare("out", &outputs.get::<f16>(OUT)?, &expected)
            }
            Self::Q8 => {
                let quants = outputs.get::<i8>(OUT)?;
                let blocks = outputs.get::<u32>(OUT_BLOCKS)?;
                check_q8(&quants, &blocks, expected, columns)
            }
        }
    }
}

/// What the places of the last tile that no element has are filled with, and must keep.
const UNWRITTEN: i8 = -128;

/// Where element `k` of a token lies in the layout of `quantise.wgsl`.
fn place(k: usize) -> usize {
    k / 1024 * 1024 + k % 32 / 16 * 512 + k / 32 % 32 * 16 + k % 16
}

/// Each scale must be that of the block's largest magnitude, each quant the number nearest to its element in units of the
/// scale before that was rounded to f16, and each sum exactly that of the quants.
///
/// Bounds: the scale is divided once (2.5 units in the last place, which is what Vulkan asks of a division) and rounded to f16;
/// a quant may be off its element by half, plus the error of the reciprocal and of the product, 127 times 4 roundings.
fn check_q8(quants: &[i8], blocks: &[u32], expected: &[Near], columns: usize) -> Result<()> {
    let tiles = columns.div_ceil(1024);
    let mut unwritten = quants.iter().filter(|quant| **quant == UNWRITTEN).count();
    for (number, block) in expected.chunks(32).enumerate() {
        let (token, number) = (number / (columns / 32), number % (columns / 32));
        let largest = block
            .iter()
            .fold(0.0, |most: f64, near| most.max(near.value.abs()));
        let doubt = block
            .iter()
            .fold(0.0, |most: f64, near| most.max(near.bound));
        let found = blocks[token * tiles * 32 + number];
        let scale = f16::from_bits(found as u16).to_f64();
        let exact = largest / 127.0;
        let bound = exact * (EPS_F16 + 5.0 * EPS) + doubt / 127.0 + TINY_F16;
        ensure!(
            (scale - exact).abs() <= bound,
            "token {token}, block {number}: scale {scale:e} instead of {exact:e}"
        );
        let mut sum = 0;
        for (i, near) in block.iter().enumerate() {
            let quant = quants[token * tiles * 1024 + place(number * 32 + i)];
            let wanted = if exact < 1e-30 {
                0.0
            } else {
                near.value / exact
            };
            let bound = 0.5 + 127.0 * 8.0 * EPS + 2.0 * doubt / exact.max(1e-30);
            ensure!(
                (f64::from(quant) - wanted).abs() <= bound,
                "token {token}, block {number}: quant {i} is {quant} instead of {wanted}"
            );
            sum += i32::from(quant);
        }
        let found = found.cast_signed() >> 16;
        ensure!(
            found == sum,
            "token {token}, block {number}: sum {found} instead of {sum}"
        );
    }
    let tokens = expected.len() / columns;
    unwritten -= tokens * (tiles * 1024 - columns);
    ensure!(unwritten == 0, "{unwritten} quants were not written");
    Ok(())
}

/// Bound: a mean of `n` squares, added in any order by invocations that have `n / 256` each, has at most `n / 256 + 4 + 64`
/// roundings, which its root halves; then the reciprocal of the root (2 units in the last place, 4 `EPS`, is what Vulkan
/// asks), two products; and with a residual one rounding of the sum, which counts twice.
fn rms_norm(
    inputs: &mut Inputs,
    kernel: &'static str,
    output: Output,
    residual: bool,
    tokens: usize,
    columns: usize,
) -> Case {
    let epsilon = 1e-5f32;
    let x = inputs.floats(tokens * columns, 3.0);
    let delta = inputs.floats(tokens * columns, 0.5);
    let weight = inputs.floats(columns, 1.5);
    let mut launch = Launch::new(kernel, [tokens as u32, 1, 1])
        .immediate(columns as u32)
        .immediate(epsilon)
        .write(0, &x)
        .read(1, &delta)
        .read(2, &weight);
    launch = output.buffers(launch, tokens, columns);

    let sum: Vec<f32> = if residual {
        x.iter().zip(&delta).map(|(x, delta)| x + delta).collect()
    } else {
        x
    };
    let roundings = (columns as f64 / 256.0 + 68.0) / 2.0 + 4.0 + 2.0 + 2.0;
    let weight = exact(&weight);
    let expected: Vec<_> = sum
        .chunks(columns)
        .flat_map(|x| reference::rms_norm(&exact(x), &weight, f64::from(epsilon)))
        .map(|value| Near {
            value,
            bound: value.abs() * roundings * EPS + TINY,
        })
        .collect();
    Case::new(format!("{tokens}x{columns}"), launch, move |outputs| {
        same("x", &outputs.get::<f32>(0)?, &sum)?;
        output.check(outputs, &expected, columns)
    })
}

/// Bound: `exp` may be wrong by `3 + 2 |x|` units in the last place (Vulkan), an addition by half a unit, a division by 2.5,
/// a product by half; a unit is 2 `EPS`. What is below the smallest normal number may be flushed to zero.
fn silu(
    inputs: &mut Inputs,
    kernel: &'static str,
    output: Output,
    tokens: usize,
    columns: usize,
) -> Case {
    // Gate and up are halves of one product's result, as they are when a model runs.
    let both = inputs.floats(tokens * 2 * columns, 20.0);
    let gate: Vec<f32> = both
        .chunks(2 * columns)
        .flat_map(|row| &row[..columns])
        .copied()
        .collect();
    let up: Vec<f32> = both
        .chunks(2 * columns)
        .flat_map(|row| &row[columns..])
        .copied()
        .collect();
    let launch = Launch::new(kernel, [tokens as u32, columns.div_ceil(1024) as u32, 1])
        .immediate(columns as u32)
        .immediate((2 * columns / 4) as u32)
        .read(0, &both)
        .read(1, &both[columns..]);
    let launch = output.buffers(launch, tokens, columns);
    let values = reference::silu_times_up(&exact(&gate), &exact(&up));
    let expected: Vec<_> = values
        .into_iter()
        .zip(gate)
        .map(|(value, gate)| {
            let units = 3.0 + 2.0 * f64::from(gate).abs() + 0.5 + 2.5 + 0.5;
            Near {
                value,
                bound: value.abs() * units * 2.0 * EPS + 100.0 * TINY,
            }
        })
        .collect();
    Case::new(format!("{tokens}x{columns}"), launch, move |outputs| {
        output.check(outputs, &expected, columns)
    })
}

/// The elements are exact; one block is zero, and of several one tiny.
fn quantise(inputs: &mut Inputs, tokens: usize, columns: usize) -> Case {
    let mut x = inputs.floats(tokens * columns, 7.0);
    x[..32].fill(0.0);
    if x.len() > 64 {
        x[32..64].fill(1e-31);
    }
    let launch = Launch::new(
        "quantise",
        [tokens as u32, columns.div_ceil(1024) as u32, 1],
    )
    .immediate(columns as u32)
    .read(0, &x);
    let launch = Output::Q8.buffers(launch, tokens, columns);
    let expected: Vec<_> = x
        .iter()
        .map(|x| Near {
            value: f64::from(*x),
            bound: 0.0,
        })
        .collect();
    Case::new(format!("{tokens}x{columns}"), launch, move |outputs| {
        Output::Q8.check(outputs, &expected, columns)
    })
}
