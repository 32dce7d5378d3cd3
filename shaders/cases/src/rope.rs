//! Rotation, and the way into the paged cache.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use cpu_fallback::reference;
use half::f16;

use crate::{
    Case, EPS, EPS_F16, Inputs, Launch, Near, Recipes, Size, TINY, TINY_F16, compare, ensure, exact,
};

/// Positions of a block.
pub(crate) const BLOCK: usize = 16;
/// Position of a row that is no token.
pub(crate) const NOBODY: u32 = u32::MAX;

pub(crate) fn add(recipes: &mut Recipes) {
    let kernels = [
        ("rope_64", 64, false),
        ("rope_64_neox", 64, true),
        ("rope_128", 128, false),
        ("rope_128_neox", 128, true),
    ];
    for (kernel, head, halves) in kernels {
        for (number, (heads, kv_heads)) in [(1, 1), (4, 1), (8, 2)].into_iter().enumerate() {
            recipes.push(kernel, Size::of_shape(number), move |inputs| {
                case(inputs, kernel, head, halves, heads, kv_heads)
            });
        }
    }
}

/// Where element `d` of position `slot` of a block lies in the cache, for one head: among keys, and among values.
pub(crate) fn places(slot: usize, d: usize) -> (usize, usize) {
    (d / 8 * 128 + slot * 8 + d % 8, d * BLOCK + slot)
}

/// Bound: two products and a sum, each rounded, and for queries the scale; keys and values are rounded to f16.
fn case(
    inputs: &mut Inputs,
    kernel: &'static str,
    head: usize,
    halves: bool,
    heads: usize,
    kv_heads: usize,
) -> Case {
    let all = heads + 2 * kv_heads;
    let stride = all * head + 5;
    let scale = core::f32::consts::LOG2_E / libm::sqrtf(head as f32);
    // Two sequences of tables of four blocks among 9, and a row that is no token.
    let tables = [3u32, 7, 0, 5, 8, 2, 6, 1];
    let rows = [(17u32, 0u32), (NOBODY, 0), (63, 4), (18, 0), (0, 4)];
    let tokens = rows.len();
    let qkv = inputs.floats(tokens * stride, 4.0);
    let turns: Vec<(f32, f32)> = (0..64 * head / 2)
        .map(|_| {
            let angle = inputs.unit() * 3.2;
            (libm::cosf(angle), libm::sinf(angle))
        })
        .collect();
    let cache = vec![f16::from_f32(0.125); 9 * kv_heads * head * BLOCK];

    let flat: Vec<f32> = turns.iter().flat_map(|(c, s)| [*c, *s]).collect();
    let flat_rows: Vec<u32> = rows.iter().flat_map(|(p, t)| [*p, *t]).collect();
    let launch = Launch::new(
        kernel,
        [tokens as u32, (all * head).div_ceil(128) as u32, 1],
    )
    .immediate(heads as u32)
    .immediate(kv_heads as u32)
    .immediate(stride as u32)
    .immediate(scale)
    .read(0, &qkv)
    .read(1, &flat)
    .read(2, &flat_rows)
    .read(3, &tables)
    .write(4, &vec![0.5f32; tokens * heads * head])
    .write(5, &cache)
    .write(6, &cache);

    let unchanged = |value| Near { value, bound: 0.0 };
    let mut queries = vec![unchanged(0.5); tokens * heads * head];
    let mut keys = vec![unchanged(0.125); cache.len()];
    let mut values = keys.clone();
    for (token, (position, table)) in rows.into_iter().enumerate() {
        if position == NOBODY {
            continue;
        }
        let turns: Vec<_> = turns[position as usize * head / 2..][..head / 2]
            .iter()
            .map(|(c, s)| (f64::from(*c), f64::from(*s)))
            .collect();
        let block = tables[table as usize + position as usize / BLOCK] as usize;
        for h in 0..all {
            let x = exact(&qkv[token * stride + h * head..][..head]);
            let turned = reference::rope(&x, &turns, halves);
            let sizes: Vec<_> = x.iter().map(|x| x.abs()).collect();
            let absolute: Vec<_> = turns.iter().map(|(c, s)| (c.abs(), s.abs())).collect();
            let sizes = rotated_sizes(&sizes, &absolute, halves);
            for d in 0..head {
                if h < heads {
                    queries[(token * heads + h) * head + d] = Near {
                        value: turned[d] * f64::from(scale),
                        bound: sizes[d] * f64::from(scale) * 3.0 * EPS + TINY,
                    };
                    continue;
                }
                let is_key = h < heads + kv_heads;
                let kv_head = (h - heads) % kv_heads;
                let base = (block * kv_heads + kv_head) * head * BLOCK;
                let (key, value) = places(position as usize % BLOCK, d);
                let near = |value: f64, bound: f64| Near {
                    value,
                    bound: bound + (value.abs() + bound) * EPS_F16 + TINY_F16,
                };
                if is_key {
                    keys[base + key] = near(turned[d], sizes[d] * 2.0 * EPS);
                } else {
                    values[base + value] = near(x[d], 0.0);
                }
            }
        }
    }
    Case::new(
        format!("{heads} heads, {kv_heads} kv"),
        launch,
        move |outputs| {
            ensure!(
                outputs.0.len() == 3,
                "{} buffers written instead of 3",
                outputs.0.len()
            );
            compare("queries", &outputs.get::<f32>(4)?, &queries)?;
            compare("keys", &outputs.get::<f16>(5)?, &keys)?;
            compare("values", &outputs.get::<f16>(6)?, &values)
        },
    )
}

/// `|a c| + |b s|` and `|a s| + |b c|`: what the roundings of a turn are relative to.
fn rotated_sizes(x: &[f64], turns: &[(f64, f64)], halves: bool) -> Vec<f64> {
    let (cosines, sines): (Vec<_>, Vec<_>) =
        turns.iter().map(|(c, s)| ((*c, 0.0), (0.0, *s))).unzip();
    let first = reference::rope(x, &cosines, halves);
    let second = reference::rope(x, &sines, halves);
    first
        .iter()
        .zip(second)
        .map(|(a, b)| a.abs() + b.abs())
        .collect()
}
