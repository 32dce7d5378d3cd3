//! Attention of several tokens of a prompt, and products with many tokens.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use cpu_fallback::reference;
use half::f16;
use shaders::layout::Weights;

use crate::attention::{Cache, exp2_bound, score_bounds};
use crate::matvec::{assert_sizes, elements, magnitudes, planes, random_rows};
use crate::rope::BLOCK;
use crate::{Case, EPS, EPS_F16, Inputs, Launch, Near, Recipes, Size, TINY_F16, compare, exact};

pub(crate) fn add(recipes: &mut Recipes) {
    for (kernel, head, rows) in [
        ("attention_prefill_64", 64, 16),
        ("attention_prefill_128", 128, 16),
        ("attention_tiles_64", 64, 64),
        ("attention_tiles_128", 128, 64),
    ] {
        for (kv_heads, ratio) in [(1, 1), (2, 4)] {
            recipes.push(kernel, Size::of_shape(kv_heads - 1), move |inputs| {
                attention(inputs, kernel, head, rows, kv_heads, ratio)
            });
        }
    }
    let types = [
        (Weights::F16, "matmul_f16"),
        (Weights::Q8_0, "matmul_q8_0"),
        (Weights::Q4_0, "matmul_q4_0"),
        (Weights::Q4K, "matmul_q4_k"),
        (Weights::Q6K, "matmul_q6_k"),
    ];
    for (weights, name) in types {
        let kernels = shaders::VARIANTS
            .iter()
            .filter(|v| v.name.starts_with(name));
        for variant in kernels {
            // Rows, columns, granules of tokens, and whether the product is added.
            let mut shapes = vec![
                (16, 256, 1, true),
                (128, 256, 1, false),
                (208, 1280, 2, true),
            ];
            if variant.name.ends_with("_32") {
                shapes.extend([(48, 256, 4, true), (16, 256, 7, false)]);
            }
            if matches!(weights, Weights::Q8_0 | Weights::Q4_0 | Weights::F16) {
                shapes.push((16, 96, 3, false));
            }
            for (number, shape) in shapes.into_iter().enumerate() {
                recipes.push(variant.name, Size::of_shape(number), move |inputs| {
                    product(inputs, variant.name, weights, shape)
                });
            }
        }
    }
}

/// Chunks of two sequences: the beginning of one, a full part of `most` rows and five more, and the middle of another, which
/// ends before its last position.
///
/// Bounds: as for single tokens, with a power of two and two roundings more for each HEAD positions; the quotient; f16.
/// With tiles queries are rounded to f16, which a score feels in full; so are weights, to a rounding or, where they are small
/// beside the largest, which is half at least in the unit of the sums, to half of f16's least step. Scores may lie 8 above
/// that unit or, as it is rounded up, 1 further below it than below the largest; the sums are multiplied exactly.
fn attention(
    inputs: &mut Inputs,
    kernel: &'static str,
    head: usize,
    most: usize,
    kv_heads: usize,
    ratio: usize,
) -> Case {
    let tiles = kernel.starts_with("attention_tiles");
    let lengths = [most + 5, 2 * head + 9];
    let cache = Cache::new(inputs, &lengths, kv_heads, head);
    let tables = [0, lengths[0].div_ceil(BLOCK)];
    // Sequence and position of each row.
    let mut rows: Vec<(usize, usize)> = (0..most + 5).map(|position| (0, position)).collect();
    rows.extend((2 * head - 3..2 * head + 9).map(|position| (1, position)));
    let parts = [0, most, most, 5, most + 5, 12].map(|number| number as u32);
    let heads = kv_heads * ratio;
    let scale = core::f32::consts::LOG2_E / libm::sqrtf(head as f32);
    let queries: Vec<_> = inputs
        .floats(rows.len() * heads * head, 3.0)
        .into_iter()
        .map(|q| q * scale)
        .collect();
    let flat: Vec<u32> = rows
        .iter()
        .flat_map(|(sequence, position)| [*position as u32, tables[*sequence] as u32])
        .collect();
    let groups = [parts.len() as u32 / 2, ratio as u32, kv_heads as u32];
    let launch = Launch::new(kernel, groups)
        .immediate(kv_heads as u32)
        .immediate(ratio as u32)
        .read(0, &queries)
        .read(1, &cache.keys)
        .read(2, &flat)
        .read(3, &cache.tables)
        .read(4, &cache.values)
        .read(5, &parts)
        .write(6, &vec![f16::NAN; rows.len() * heads * head]);

    let mut expected = Vec::new();
    for (row, (sequence, position)) in rows.into_iter().enumerate() {
        for h in 0..heads {
            let query = exact(&queries[(row * heads + h) * head..][..head]);
            let (keys, values) = cache.rows(tables[sequence], h / ratio, 0..position + 1);
            let found = reference::attend(&query, &keys, &values);
            let sizes: Vec<_> = values.iter().map(|v| v.abs()).collect();
            let sizes = reference::attend(&query, &keys, &sizes).weighted;
            let spread = found.scores.iter().map(|s| found.largest - s);
            let spread = spread.fold(0.0, f64::max);
            let mut doubt = 2.0 * score_bounds(&query, &keys);
            let steps = (position / head + 2) as f64;
            let mut spread = spread;
            let (mut of_weights, mut lost) = (0.0, 0.0);
            if tiles {
                doubt += 2.0 * rounded_queries(&query, &keys);
                spread = (spread + 1.0).max(8.0);
                of_weights = EPS_F16;
                lost = (position + 1) as f64 * 2.0 * TINY_F16 * LARGEST_VALUE;
            }
            let relative = 2.0 * exp2_bound(spread, doubt)
                + 2.0 * steps * exp2_bound(spread, 0.0)
                + of_weights
                + (position as f64 + 2.0 * steps + 40.0) * EPS;
            for (weighted, size) in found.weighted.iter().zip(&sizes) {
                let value = weighted / found.sum;
                let bound = size / found.sum * relative + lost;
                expected.push(Near {
                    value,
                    bound: bound + (value.abs() + bound) * EPS_F16 + TINY_F16,
                });
            }
        }
    }
    Case::new(
        format!("{kv_heads} kv heads, ratio {ratio}"),
        launch,
        move |outputs| compare("out", &outputs.get::<f16>(6)?, &expected),
    )
}

/// No element of a cache's values is larger.
const LARGEST_VALUE: f64 = 3.0;

/// How far a score may be off by rounding the query to f16: a rounding of each product, and a step of f16 for what is tiny.
fn rounded_queries(query: &[f64], keys: &[f64]) -> f64 {
    let off = |key: &[f64]| -> f64 {
        let pairs = query.iter().zip(key);
        let products = pairs.map(|(q, k)| (q * k).abs() * EPS_F16 + k.abs() * TINY_F16);
        products.sum()
    };
    keys.chunks(query.len()).map(off).fold(0.0, f64::max)
}

/// Bounds: a weight of F16, Q8_0 and Q4_0 is its exact value rounded to f16, which is done here too. Of Q6_K and Q4_K the
/// scale is rounded to f16 as well, and the minimum of Q4_K: two roundings relative to the magnitudes, or, where a scale is
/// below the smallest normal f16, half the distance of f16s there times the quant, which is at most 32, once more for the
/// minimum and once for the weight. The products of two f16 are exact in f32, and adding them, in any order, is at most a
/// rounding for each column.
fn product(
    inputs: &mut Inputs,
    kernel: &'static str,
    weights: Weights,
    (rows, columns, granules, add): (usize, usize, usize, bool),
) -> Case {
    let table = shaders::variant(kernel).and_then(shaders::Product::of);
    let table = table.expect("the kernel is a product");
    let tokens = granules * table.granule;
    let stride = rows.next_multiple_of(128);
    let gguf = random_rows(inputs, weights, rows * columns);
    let planes = planes(weights, &gguf, columns);
    let x: Vec<_> = inputs
        .floats(tokens * columns, 2.0)
        .into_iter()
        .map(f16::from_f32)
        .collect();
    let before = inputs.floats(tokens * stride, 1.0);
    let shape = shaders::ProductShape {
        rows,
        columns,
        tokens,
        stride,
        add,
    };
    let mut launch = Launch::new(kernel, table.groups(&shape));
    for word in table.immediates(&shape) {
        launch = launch.immediate(word);
    }
    launch = launch.read(0, &planes[0]).read(6, &x).write(7, &before);
    launch = match weights {
        Weights::Q8_0 | Weights::Q4_0 => launch.read(1, &planes[1]),
        Weights::Q4K => launch.read(2, &planes[1]),
        Weights::Q6K => launch
            .read(3, &planes[1])
            .read(4, &planes[2])
            .read(5, &planes[3]),
        Weights::F32 | Weights::F16 => launch,
    };
    assert_sizes(&launch, &table.buffers(&shape));

    let rounded = !matches!(weights, Weights::Q4K | Weights::Q6K);
    let mut matrix = elements(weights, &gguf);
    if rounded {
        let round = |w: &mut f64| *w = f16::from_f64(*w).to_f64();
        matrix.iter_mut().for_each(round);
    }
    let (roundings, distances) = if rounded { (0.0, 0.0) } else { (2.0, 34.0) };
    let sizes = magnitudes(weights, &gguf);
    let x: Vec<_> = x.iter().map(|x| x.to_f64()).collect();
    let absolute: Vec<_> = x.iter().map(|x| x.abs()).collect();
    let products = reference::product(&matrix, &x, columns);
    let sizes = reference::product(&sizes, &absolute, columns);
    let relative = (columns as f64 + 4.0) * EPS + roundings * EPS_F16 * 1.001;
    let tiny: Vec<f64> = absolute
        .chunks(columns)
        .map(|x| distances * TINY_F16 * x.iter().sum::<f64>())
        .collect();
    Case::new(
        format!("{rows}x{columns}, {tokens} tokens"),
        launch,
        move |outputs| {
            let y = outputs.get::<f32>(7)?;
            // What lies beyond the rows is of no meaning.
            let found: Vec<_> = y.chunks(stride).flat_map(|y| &y[..rows]).copied().collect();
            let mut expected = Vec::new();
            for (i, (product, size)) in products.iter().zip(&sizes).enumerate() {
                let before = f64::from(before[i / rows * stride + i % rows]);
                let value = if add { before + product } else { *product };
                expected.push(Near {
                    value,
                    bound: size * relative + value.abs() * EPS + tiny[i / rows],
                });
            }
            compare("y", &found, &expected)
        },
    )
}
