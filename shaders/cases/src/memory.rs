//! Kernels that move more than they compute: embedding, residual add, cache blocks.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use shaders::layout::Weights;

use crate::matvec::{elements, magnitudes, planes, random_rows};
use crate::{Case, EPS, Inputs, Launch, Near, Recipes, Size, TINY, compare, same};

pub(crate) fn add(recipes: &mut Recipes) {
    let kernels = [
        "embedding_f32",
        "embedding_f16",
        "embedding_q8_0",
        "embedding_q4_0",
        "embedding_q4_k",
        "embedding_q6_k",
    ];
    for (weights, kernel) in Weights::ALL.into_iter().zip(kernels) {
        let shapes = [(3, 1280), (40, 256), (5, 2816)];
        for (number, (rows, columns)) in shapes.into_iter().enumerate() {
            recipes.push(kernel, Size::of_shape(number), move |inputs| {
                embedding(inputs, kernel, weights, rows, columns)
            });
        }
    }
    for weights in [Weights::Q8_0, Weights::Q4_0] {
        let kernel = if weights == Weights::Q8_0 {
            "embedding_q8_0"
        } else {
            "embedding_q4_0"
        };
        recipes.push(kernel, Size::Every, move |inputs| {
            embedding(inputs, kernel, weights, 5, 96)
        });
    }
    let kernels: [(_, Move); 3] = [
        ("add", residual_add),
        ("block_clear", block_clear),
        ("block_copy", block_copy),
    ];
    for (kernel, make) in kernels {
        for (number, vectors) in [255, 1, 256, 1027].into_iter().enumerate() {
            recipes.push(kernel, Size::of_shape(number), move |inputs| {
                make(inputs, vectors)
            });
        }
    }
}

/// A kernel that moves so many vectors of 16 bytes.
type Move = fn(&mut Inputs, usize) -> Case;

/// Bound: an element is a product of at most four factors less another of three.
fn embedding(
    inputs: &mut Inputs,
    kernel: &'static str,
    weights: Weights,
    rows: usize,
    columns: usize,
) -> Case {
    let gguf = random_rows(inputs, weights, rows * columns);
    let mut planes = planes(weights, &gguf, columns);
    for plane in &mut planes {
        plane.resize(plane.len().next_multiple_of(4).max(4), 0xff);
    }
    let tokens = [rows as u32 - 1, 0, u32::MAX, 1, rows as u32];
    let [a, b, c, d] = &planes;
    let launch = Launch::new(
        kernel,
        [tokens.len() as u32, columns.div_ceil(1024) as u32, 1],
    )
    .immediate(columns as u32)
    .immediate(rows as u32)
    .read(0, &tokens)
    .read(1, a)
    .read(2, b)
    .read(3, c)
    .read(4, d)
    .write(5, &vec![f32::NAN; tokens.len() * columns]);
    let matrix = elements(weights, &gguf);
    let sizes = magnitudes(weights, &gguf);
    let expected: Vec<_> = tokens
        .into_iter()
        .flat_map(|token| (0..columns).map(move |column| (token as usize, column)))
        .map(|(token, column)| {
            let at = token * columns + column;
            if token < rows {
                Near {
                    value: matrix[at],
                    bound: sizes[at] * 5.0 * EPS + TINY,
                }
            } else {
                Near {
                    value: 0.0,
                    bound: 0.0,
                }
            }
        })
        .collect();
    Case::new(format!("{rows}x{columns}"), launch, move |outputs| {
        compare("x", &outputs.get::<f32>(5)?, &expected)
    })
}

/// One addition, which is rounded the same everywhere.
fn residual_add(inputs: &mut Inputs, vectors: usize) -> Case {
    let x = inputs.floats(vectors * 4 + 8, 5.0);
    let delta = inputs.floats(vectors * 4 + 8, 5.0);
    let launch = Launch::new("add", [vectors.div_ceil(256) as u32, 1, 1])
        .immediate(vectors as u32)
        .write(0, &x)
        .read(1, &delta);
    let mut expected = x;
    for (x, delta) in expected.iter_mut().zip(&delta).take(vectors * 4) {
        *x += delta;
    }
    Case::new(vectors, launch, move |outputs| {
        same("x", &outputs.get::<f32>(0)?, &expected)
    })
}

/// Blocks of a cache of seven.
const BLOCKS: usize = 7;

fn block_clear(inputs: &mut Inputs, vectors: usize) -> Case {
    let bytes = vectors * 16;
    let cache = inputs.bytes(BLOCKS * bytes);
    let list = [6u32, 0, 3];
    let launch = Launch::new("block_clear", [3, vectors.div_ceil(256) as u32, 1])
        .immediate(vectors as u32)
        .write(0, &cache)
        .read(1, &list);
    let mut expected = cache;
    for block in list {
        expected[block as usize * bytes..][..bytes].fill(0);
    }
    Case::new(vectors, launch, move |outputs| {
        same("cache", &outputs.get::<u8>(0)?, &expected)
    })
}

fn block_copy(inputs: &mut Inputs, vectors: usize) -> Case {
    let bytes = vectors * 16;
    let cache = inputs.bytes(BLOCKS * bytes);
    let pairs = [(5u32, 1u32), (2, 6), (5, 0)];
    let list: Vec<u32> = pairs.iter().flat_map(|(from, to)| [*from, *to]).collect();
    let launch = Launch::new("block_copy", [3, vectors.div_ceil(256) as u32, 1])
        .immediate(vectors as u32)
        .write(0, &cache)
        .read(1, &list);
    let mut expected = cache;
    for (from, to) in pairs {
        let from = from as usize * bytes;
        expected.copy_within(from..from + bytes, to as usize * bytes);
    }
    Case::new(vectors, launch, move |outputs| {
        same("cache", &outputs.get::<u8>(0)?, &expected)
    })
}
