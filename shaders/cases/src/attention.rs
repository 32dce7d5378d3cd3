//! Attention: of single tokens over splits of their contexts, and the sum over the splits.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use cpu_fallback::reference;
use half::f16;

use crate::elementwise::Output;
use crate::rope::{BLOCK, NOBODY, places};
use crate::{Case, EPS, Inputs, Launch, Near, Recipes, Size, TINY, compare, exact};

pub(crate) fn add(recipes: &mut Recipes) {
    for head in [64, 128] {
        for group in [1, 2, 4, 8] {
            let kernel = named(&format!("attention_decode_{head}_{group}"));
            for (kv_heads, ratio) in [(1, group), (2, group.max(2) - 1)] {
                recipes.push(kernel, Size::of_shape(kv_heads - 1), move |inputs| {
                    decode(inputs, kernel, head, kv_heads, ratio)
                });
            }
        }
        for (output, name) in Output::ALL.into_iter().zip(["f32", "f16", "q8"]) {
            let kernel = named(&format!("attention_reduce_{head}_{name}"));
            for (shape, (heads, splits)) in [(1, 1), (3, 21), (8, 40)].into_iter().enumerate() {
                recipes.push(kernel, Size::of_shape(shape), move |inputs| {
                    reduce(inputs, kernel, output, head, heads, splits)
                });
            }
        }
    }
}

/// The name of a kernel as the table has it, which lives as long as the program.
fn named(name: &str) -> &'static str {
    let found = shaders::variant(name);
    found
        .expect("the table has every head, group and output that is tested")
        .name
}

/// A paged cache of random numbers for one layer, and the block tables of some sequences in it.
pub(crate) struct Cache {
    pub(crate) keys: Vec<f16>,
    pub(crate) values: Vec<f16>,
    pub(crate) tables: Vec<u32>,
    kv_heads: usize,
    head: usize,
}

impl Cache {
    /// Tables for sequences of so many positions, one after the other; blocks are handed out in a mixed order. Places that
    /// no position has hold large numbers, which must not be seen.
    pub(crate) fn new(
        inputs: &mut Inputs,
        lengths: &[usize],
        kv_heads: usize,
        head: usize,
    ) -> Self {
        let needed: usize = lengths.iter().map(|length| length.div_ceil(BLOCK)).sum();
        let blocks = needed + 3;
        let mut order: Vec<u32> = (0..blocks as u32).collect();
        for i in (1..blocks).rev() {
            order.swap(i, inputs.0.below(i + 1));
        }
        order.truncate(needed);
        let filler = vec![f16::from_f32(1000.0); blocks * kv_heads * head * BLOCK];
        let mut cache = Self {
            keys: filler.clone(),
            values: filler,
            tables: order,
            kv_heads,
            head,
        };
        let mut first = 0;
        for &length in lengths {
            for position in 0..length {
                let block = cache.tables[first + position / BLOCK] as usize;
                for kv_head in 0..kv_heads {
                    for d in 0..head {
                        let (key, value) = cache.place(block, kv_head, position % BLOCK, d);
                        cache.keys[key] = f16::from_f32(inputs.unit() * 2.0);
                        cache.values[value] = f16::from_f32(inputs.unit() * 3.0);
                    }
                }
            }
            first += length.div_ceil(BLOCK);
        }
        cache
    }

    fn place(&self, block: usize, kv_head: usize, slot: usize, d: usize) -> (usize, usize) {
        let base = (block * self.kv_heads + kv_head) * self.head * BLOCK;
        let (key, value) = places(slot, d);
        (base + key, base + value)
    }

    /// Keys and values of a head at positions of the sequence whose table begins at `table`, `[position][element]`.
    pub(crate) fn rows(
        &self,
        table: usize,
        kv_head: usize,
        positions: core::ops::Range<usize>,
    ) -> (Vec<f64>, Vec<f64>) {
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for position in positions {
            let block = self.tables[table + position / BLOCK] as usize;
            for d in 0..self.head {
                let (key, value) = self.place(block, kv_head, position % BLOCK, d);
                keys.push(self.keys[key].to_f64());
                values.push(self.values[value].to_f64());
            }
        }
        (keys, values)
    }
}

/// How far a score may be off: a chain of one rounding for each element, relative to the magnitudes.
pub(crate) fn score_bounds(query: &[f64], keys: &[f64]) -> f64 {
    let magnitude =
        |key: &[f64]| -> f64 { query.iter().zip(key).map(|(q, k)| (q * k).abs()).sum() };
    let largest = keys.chunks(query.len()).map(magnitude).fold(0.0, f64::max);
    largest * (query.len() as f64 + 1.0) * EPS
}

/// How far 2^-gap may be off, relative, if its exponent may be off by `doubt`: that, the rounding of the subtraction, and 3 + 2
/// gap units in the last place (Vulkan).
pub(crate) fn exp2_bound(gap: f64, doubt: f64) -> f64 {
    libm::expm1((doubt + gap * EPS) * core::f64::consts::LN_2) + (3.0 + 2.0 * gap) * 2.0 * EPS
}

/// Bounds: a score is a chain of HEAD roundings; a weight depends on two scores, its own and the largest; a sum of at most HEAD
/// weighted values has as many roundings again.
fn decode(
    inputs: &mut Inputs,
    kernel: &'static str,
    head: usize,
    kv_heads: usize,
    ratio: usize,
) -> Case {
    let lengths = [1, head, 2 * head + 37];
    let cache = Cache::new(inputs, &lengths, kv_heads, head);
    let heads = kv_heads * ratio;
    let splits = 4;
    let mut rows = vec![(NOBODY, 0)];
    let mut table = 0;
    for length in lengths {
        rows.push((length as u32 - 1, table as u32));
        table += length.div_ceil(BLOCK);
    }
    let scale = core::f32::consts::LOG2_E / libm::sqrtf(head as f32);
    let queries: Vec<_> = inputs
        .floats(rows.len() * heads * head, 3.0)
        .into_iter()
        .map(|q| q * scale)
        .collect();
    let flat_rows: Vec<u32> = rows.iter().flat_map(|(p, t)| [*p, *t]).collect();
    let places = rows.len() * heads * splits;
    let launch = Launch::new(kernel, [rows.len() as u32, kv_heads as u32, splits as u32])
        .immediate(kv_heads as u32)
        .immediate(ratio as u32)
        .immediate(splits as u32)
        .immediate(0u32)
        .read(0, &queries)
        .read(1, &cache.keys)
        .read(2, &flat_rows)
        .read(3, &cache.tables)
        .read(4, &cache.values)
        .write(5, &vec![0.5f32; places * head])
        .write(6, &vec![0.5f32; places * 2]);

    let unwritten = Near {
        value: 0.5,
        bound: 0.0,
    };
    let mut partials = vec![unwritten; places * head];
    let mut stats = vec![unwritten; places * 2];
    for (row, (position, table)) in rows.into_iter().enumerate() {
        let positions = position.wrapping_add(1) as usize;
        for h in 0..heads {
            let query = exact(&queries[(row * heads + h) * head..][..head]);
            for split in 0..positions.div_ceil(head) {
                let range = split * head..positions.min((split + 1) * head);
                let (keys, values) = cache.rows(table as usize, h / ratio, range);
                let part = reference::attend(&query, &keys, &values);
                let doubt = score_bounds(&query, &keys);
                let spread = part
                    .scores
                    .iter()
                    .map(|s| part.largest - s)
                    .fold(0.0, f64::max);
                let relative = exp2_bound(spread, 2.0 * doubt) + (head as f64 + 1.0) * EPS;
                let sizes: Vec<_> = values.iter().map(|v| v.abs()).collect();
                let sizes = reference::attend(&query, &keys, &sizes).weighted;
                let at = (row * heads + h) * splits + split;
                stats[2 * at] = Near {
                    value: part.largest,
                    bound: doubt,
                };
                stats[2 * at + 1] = Near {
                    value: part.sum,
                    bound: part.sum * relative,
                };
                for d in 0..head {
                    partials[at * head + d] = Near {
                        value: part.weighted[d],
                        bound: sizes[d] * relative + TINY,
                    };
                }
            }
        }
    }
    Case::new(
        format!("{kv_heads} kv heads, ratio {ratio}"),
        launch,
        move |outputs| {
            compare("stats", &outputs.get::<f32>(6)?, &stats)?;
            compare("partials", &outputs.get::<f32>(5)?, &partials)
        },
    )
}

/// Bounds: each split is multiplied by a power of two, then by one for each later largest score of its part, and by one for its
/// part, of which all exponents add up to its gap; products and sums have a rounding each.
fn reduce(
    inputs: &mut Inputs,
    kernel: &'static str,
    output: Output,
    head: usize,
    heads: usize,
    splits: usize,
) -> Case {
    let positions = [0, 1, head * (splits - 1) + 1, head * splits];
    let places = positions.len() * heads * splits;
    let partials = inputs.floats(places * head, 9.0);
    let stats: Vec<f32> = (0..places)
        .flat_map(|_| [inputs.unit() * 12.0, inputs.unit() + 2.0])
        .collect();
    let rows: Vec<u32> = positions
        .iter()
        .flat_map(|count| [(*count as u32).wrapping_sub(1), 0])
        .collect();
    let launch = Launch::new(kernel, [positions.len() as u32, heads as u32, 1])
        .immediate(heads as u32)
        .immediate(splits as u32)
        .read(0, &partials)
        .read(1, &stats)
        .read(2, &rows);
    let launch = output.buffers(launch, positions.len(), heads * head);

    let mut expected = Vec::new();
    for (row, count) in positions.iter().enumerate() {
        for h in 0..heads {
            let start = (row * heads + h) * splits;
            let used = start..start + count.div_ceil(head);
            let of = |s: usize| (f64::from(stats[2 * s]), f64::from(stats[2 * s + 1]));
            let largest = used
                .clone()
                .map(|s| of(s).0)
                .fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = used
                .clone()
                .map(|s| libm::exp2(of(s).0 - largest) * of(s).1)
                .sum();
            let steps = splits as f64 / 8.0 + 2.0;
            let relative =
                2.0 * (exp2_bound(24.0, 0.0) + steps * exp2_bound(0.0, 0.0)) + 80.0 * EPS;
            for d in 0..head {
                let (mut sum, mut size) = (0.0, 0.0);
                for s in used.clone() {
                    let term = libm::exp2(of(s).0 - largest) * f64::from(partials[s * head + d]);
                    sum += term;
                    size += term.abs();
                }
                expected.push(if *count == 0 {
                    Near {
                        value: 0.0,
                        bound: 0.0,
                    }
                } else {
                    Near {
                        value: sum / total,
                        bound: size / total * relative + TINY,
                    }
                });
            }
        }
    }
    Case::new(
        format!("{heads} heads, {splits} splits"),
        launch,
        move |outputs| output.check(outputs, &expected, heads * head),
    )
}
