//! Products of weights with few tokens.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use cpu_fallback::reference;
use half::f16;
use shaders::layout::{PLANES, Weights};

use crate::{Case, EPS, Inputs, Launch, Near, Recipes, Size, compare, exact};

pub(crate) fn add(recipes: &mut Recipes) {
    let types = [
        (Weights::F16, "matvec_f16"),
        (Weights::Q8_0, "matvec_q8_0"),
        (Weights::Q4_0, "matvec_q4_0"),
        (Weights::Q4K, "matvec_q4_k"),
        (Weights::Q6K, "matvec_q6_k"),
    ];
    for (weights, entry) in types {
        for variant in shaders::VARIANTS.iter().filter(|v| v.entry == entry) {
            // Rows, columns, tokens beyond a full group of them, and whether the product is added.
            let (_, width) = variant.overrides[0];
            let shapes = [
                (3, 256, 0, false),
                (2, 1024 + 256, 1, true),
                (2, 2048, 0, true),
                (1, 4096, 0, false),
                (1, 5632, 0, false),
            ];
            for (number, (rows, columns, more, add)) in shapes.into_iter().enumerate() {
                let tokens = width as usize + more;
                let shape = Shape {
                    rows,
                    columns,
                    tokens,
                    width: width as usize,
                    add,
                };
                recipes.push(variant.name, Size::of_shape(number), move |inputs| {
                    case(inputs, variant.name, weights, &shape)
                });
            }
            if variant.name.ends_with("_1") && matches!(weights, Weights::Q8_0 | Weights::Q4_0) {
                let shape = Shape {
                    rows: 5,
                    columns: 32,
                    tokens: 1,
                    width: 1,
                    add: false,
                };
                recipes.push(variant.name, Size::Every, move |inputs| {
                    case(inputs, variant.name, weights, &shape)
                });
            }
        }
    }
}

struct Shape {
    rows: usize,
    columns: usize,
    tokens: usize,
    /// Tokens that a workgroup has.
    width: usize,
    add: bool,
}

/// The rows of a random matrix, as GGUF's blocks, with elements of about the size of 0.1.
pub(crate) fn random_rows(inputs: &mut Inputs, weights: Weights, elements: usize) -> Vec<u8> {
    let (block, bytes) = weights.block();
    (0..elements / block)
        .flat_map(|_| match weights {
            Weights::F32 => (inputs.unit() * 0.1).to_le_bytes().to_vec(),
            Weights::F16 => inputs.half(0.1).to_vec(),
            Weights::Q8_0 | Weights::Q4_0 => {
                let largest = if weights == Weights::Q8_0 { 1e-3 } else { 1e-2 };
                let mut block = inputs.half(largest).to_vec();
                block.extend(inputs.bytes(bytes - 2));
                block
            }
            Weights::Q4K => {
                let mut block = inputs.half(2e-4).to_vec();
                block.extend(inputs.half(2e-3));
                block.extend(inputs.bytes(bytes - 4));
                block
            }
            Weights::Q6K => {
                let mut block = inputs.bytes(bytes - 2);
                block.extend(inputs.half(3e-5));
                block
            }
        })
        .collect()
}

/// The planes of a matrix.
pub(crate) fn planes(weights: Weights, rows: &[u8], columns: usize) -> [Vec<u8>; PLANES] {
    let (elements, bytes) = weights.block();
    let mut planes: [Vec<u8>; PLANES] = Default::default();
    for row in rows.chunks(columns / elements * bytes) {
        let mut of_row = weights.plane_bytes(columns).map(|bytes| vec![0; bytes]);
        let [a, b, c, d] = &mut of_row;
        weights.pack(row, [a, b, c, d]);
        for (plane, of_row) in planes.iter_mut().zip(of_row) {
            plane.extend(of_row);
        }
    }
    planes
}

/// The elements of a matrix, exactly.
pub(crate) fn elements(weights: Weights, rows: &[u8]) -> Vec<f64> {
    match weights {
        Weights::F32 => reference::f32(rows),
        Weights::F16 => reference::f16(rows),
        Weights::Q8_0 => reference::q8_0(rows),
        Weights::Q4_0 => reference::q4_0(rows),
        Weights::Q4K => reference::q4_k(rows),
        Weights::Q6K => reference::q6_k(rows),
    }
}

/// Tokens in 8 bits, in the layout of `quantise.wgsl`: quants, and scales with sums.
fn activations(x: &[f32], columns: usize) -> (Vec<i8>, Vec<u32>, Vec<f64>) {
    let (mut quants, mut blocks, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for x in x.chunks(columns) {
        let quantised = reference::quantise(x);
        let tiles = columns.div_ceil(1024);
        let mut placed = vec![0; tiles * 1024];
        for (k, quant) in quantised.quants.iter().enumerate() {
            placed[k / 1024 * 1024 + k % 32 / 16 * 512 + k / 32 % 32 * 16 + k % 16] = *quant;
        }
        quants.extend(placed);
        let mut of_token: Vec<_> = quantised
            .quants
            .chunks(32)
            .zip(&quantised.scales)
            .map(|(quants, scale)| {
                let sum: i32 = quants.iter().map(|quant| i32::from(*quant)).sum();
                u32::from(f16::from_f32(*scale).to_bits()) | sum.cast_unsigned() << 16
            })
            .collect();
        of_token.resize(tiles * 32, 0);
        blocks.extend(of_token);
        values.extend(quantised.values());
    }
    (quants, blocks, values)
}

/// Bound: with 8-bit activations a block of 32 gives an exact integer; converting it, both scales and the sum of the halves or
/// minima are at most 8 roundings; an invocation adds one block in 32, the workgroup its 32 sums in any order, and one more
/// for `add`. With F16 an invocation adds 8 elements in 256, each with one rounding. All relative to the sum of magnitudes.
fn case(inputs: &mut Inputs, kernel: &'static str, weights: Weights, shape: &Shape) -> Case {
    let &Shape {
        rows,
        columns,
        tokens,
        width,
        add,
    } = shape;
    let stride = rows + 3;
    let groups = tokens.div_ceil(width);
    let gguf = random_rows(inputs, weights, rows * columns);
    let planes = planes(weights, &gguf, columns);
    let x = inputs.floats(groups * width * columns, 2.0);
    let before = inputs.floats(tokens * stride, 1.0);

    let product = shaders::variant(kernel).and_then(shaders::Product::of);
    let product = product.expect("the kernel is a product");
    let product_shape = shaders::ProductShape {
        rows,
        columns,
        tokens,
        stride,
        add,
    };
    let mut launch = Launch::new(kernel, product.groups(&product_shape));
    for word in product.immediates(&product_shape) {
        launch = launch.immediate(word);
    }
    launch = launch.read(0, &planes[0]).write(4, &before);
    let (mut launch, x) = if weights == Weights::F16 {
        (launch.read(2, &x), exact(&x))
    } else {
        let (quants, blocks, values) = activations(&x, columns);
        let launch = launch.read(1, &planes[1]).read(2, &quants).read(3, &blocks);
        (launch, values)
    };
    if weights == Weights::Q6K {
        launch = launch.read(5, &planes[2]).read(6, &planes[3]);
    }
    assert_sizes(&launch, &product.buffers(&product_shape));

    let roundings = if weights == Weights::F16 {
        columns as f64 / 32.0 + 33.0
    } else {
        8.0 + columns as f64 / 1024.0 + 33.0
    };
    let matrix = elements(weights, &gguf);
    let magnitudes = magnitudes(weights, &gguf);
    let x = &x[..tokens * columns];
    let products = reference::product(&matrix, x, columns);
    let sizes: Vec<_> = x.iter().map(|x| x.abs()).collect();
    let sizes = reference::product(&magnitudes, &sizes, columns);
    let mut expected: Vec<_> = before
        .iter()
        .map(|before| Near {
            value: f64::from(*before),
            bound: 0.0,
        })
        .collect();
    for (i, (product, size)) in products.into_iter().zip(sizes).enumerate() {
        let near = &mut expected[i / rows * stride + i % rows];
        let before = if add { near.value } else { 0.0 };
        near.value = before + product;
        near.bound = (size * roundings + near.value.abs()) * EPS;
    }
    let shape = format!("{rows}x{columns}, {tokens} tokens");
    Case::new(shape, launch, move |outputs| {
        compare("y", &outputs.get::<f32>(4)?, &expected)
    })
}

/// The buffers are as large as the table of products says.
pub(crate) fn assert_sizes(launch: &Launch, expected: &[Option<shaders::ProductBuffer>]) {
    let mut found: Vec<_> = launch
        .buffers
        .iter()
        .map(|b| (b.binding, b.bytes.len()))
        .collect();
    let mut expected: Vec<_> = expected
        .iter()
        .flatten()
        .map(|b| (b.binding, b.bytes))
        .collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{}", launch.kernel);
}

/// At least the magnitudes that roundings are relative to: for Q4_K, where an element is a difference, the sum of both terms.
pub(crate) fn magnitudes(weights: Weights, rows: &[u8]) -> Vec<f64> {
    if weights != Weights::Q4K {
        return elements(weights, rows).iter().map(|w| w.abs()).collect();
    }
    let mut minima_only = rows.to_vec();
    for block in minima_only.chunks_exact_mut(144) {
        block[..2].fill(0);
    }
    let differences = elements(weights, rows);
    let minima = elements(weights, &minima_only);
    let pairs = differences.iter().zip(&minima);
    pairs
        .map(|(difference, minimum)| (difference - minimum).abs() + minimum.abs())
        .collect()
}
