//! From logits to tokens.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use cpu_fallback::reference::sampling::{Choice, kept, penalised, ranking};

use crate::{Case, EPS, Inputs, Launch, Near, Recipes, Size, compare, ensure, same};

/// What stands for no token.
const NOBODY: u32 = u32::MAX;

pub(crate) fn add(recipes: &mut Recipes) {
    for (number, vocabulary) in [1000, 33, 32_000].into_iter().enumerate() {
        let size = Size::of_shape(number);
        recipes.push("argmax", size, move |inputs| argmax(inputs, vocabulary));
        let kinds = [
            (Logits::Model, size),
            (Logits::Ties, Size::Every),
            (Logits::Flat, Size::Every),
        ];
        for (kind, size) in kinds {
            recipes.push("sample", size, move |inputs| {
                sample(inputs, vocabulary, kind)
            });
        }
    }
    recipes.push("sample", Size::Every, |inputs| {
        sample(inputs, 128_256, Logits::Model)
    });
    recipes.push("bias", Size::Small, bias);
    recipes.push("penalties", Size::Small, penalties);
    recipes.push("count_tokens", Size::Small, count_tokens);
}

/// Rows with equals, with nothing, and with numbers that are none.
fn argmax(inputs: &mut Inputs, vocabulary: usize) -> Case {
    let stride = vocabulary + 7;
    let mut rows: Vec<Vec<f32>> = (0..9).map(|_| inputs.floats(stride, 20.0)).collect();
    let second = vocabulary - 1;
    // Where an invocation sees several tokens, the equals are two of one invocation's.
    let first = if vocabulary > 1024 {
        second % 1024
    } else {
        vocabulary / 3
    };
    // What lies past the vocabulary must not count.
    for row in &mut rows {
        row[vocabulary..].fill(100.0);
    }
    let mut expected = Vec::new();
    let set = |row: &mut Vec<f32>, values: &[(usize, f32)]| {
        for (at, value) in values {
            row[*at] = *value;
        }
    };
    set(&mut rows[0], &[(first, 30.0), (second, 30.0)]);
    expected.push(first as u32);
    set(&mut rows[1], &[(first, 30.0), (second, 30.5)]);
    expected.push(second as u32);
    rows[2][..vocabulary].fill(f32::NEG_INFINITY);
    expected.push(NOBODY);
    rows[3][..vocabulary].fill(f32::NEG_INFINITY);
    set(&mut rows[3], &[(second, -1e30)]);
    expected.push(second as u32);
    set(&mut rows[4], &[(first, f32::NAN)]);
    expected.push(NOBODY);
    set(&mut rows[5], &[(second, -f32::NAN)]);
    expected.push(NOBODY);
    set(&mut rows[6], &[(first, f32::INFINITY)]);
    expected.push(NOBODY);
    rows[7][..vocabulary].fill(-1.0);
    set(&mut rows[7], &[(first, -0.0), (second, 0.0)]);
    expected.push(first as u32);
    let largest = rows[8][..vocabulary]
        .iter()
        .copied()
        .fold(f32::MIN, f32::max);
    let at = rows[8].iter().position(|logit| *logit == largest);
    expected.push(at.expect("the largest is one of them") as u32);

    let launch = Launch::new("argmax", [rows.len() as u32, 1, 1])
        .immediate(vocabulary as u32)
        .immediate(stride as u32)
        .read(0, &rows.concat())
        .write(1, &vec![7u32; rows.len()]);
    Case::new(vocabulary, launch, move |outputs| {
        same("tokens", &outputs.get::<u32>(1)?, &expected)
    })
}

/// Kinds of logits.
#[derive(Clone, Copy, Debug)]
enum Logits {
    /// Some stand out.
    Model,
    /// In steps of a half, so that many are equal.
    Ties,
    /// All equal.
    Flat,
}

/// The token that is drawn must be the one at that place of the ranking, up to what the masses may be off.
///
/// Bounds: a mass is cut off by less than one of 2^31, for each token; a weight is off by `3 + 2 x` units in the last place for
/// `2^-x`, at most 31, and by the roundings of x itself; their sum by as much and its roundings. A place is thus off by at most
/// `doubt`, relative to the mass that is kept; and the last token that top-p keeps may be one earlier or later if the sum there
/// is as near.
fn sample(inputs: &mut Inputs, vocabulary: usize, kind: Logits) -> Case {
    let stride = vocabulary + 1;
    let choices = [
        (1.0, 0, 1.0, 0.0),
        (1.0, 0, 1.0, 0.0),
        (0.7, 0, 1.0, 0.0),
        (1.3, 20, 1.0, 0.0),
        (1.0, 1, 1.0, 0.0),
        (1.0, 1_000_000, 1.0, 0.0),
        (1.0, 0, 0.9, 0.0),
        (1.0, 0, 0.0, 0.0),
        (0.8, 0, 1.0, 0.05),
        (0.8, 40, 0.95, 0.01),
        (2.0, 50, 0.5, 0.1),
        (0.0, 40, 0.9, 0.0),
    ];
    let largest = if matches!(kind, Logits::Model) {
        8.0
    } else {
        4.0
    };
    let mut logits = inputs.floats(choices.len() * stride, largest);
    for logit in &mut logits {
        match kind {
            Logits::Model => *logit += *logit * *logit * *logit / 64.0,
            Logits::Ties => *logit = libm::roundf(*logit * 2.0) / 2.0,
            Logits::Flat => *logit = 1.5,
        }
    }
    let draws: Vec<u32> = (0..choices.len())
        .map(|_| inputs.0.number() as u32)
        .collect();
    let flat: Vec<u32> = choices
        .iter()
        .zip(&draws)
        .flat_map(|((temperature, k, p, m), draw)| {
            let f = |x: &f64| (*x as f32).to_bits();
            [f(temperature), *k, f(p), f(m), *draw]
        })
        .collect();
    let id_shift = (vocabulary - 1)
        .checked_ilog2()
        .map_or(0, |bits| bits.saturating_sub(9));
    let launch = Launch::new("sample", [choices.len() as u32, 1, 1])
        .immediate(vocabulary as u32)
        .immediate(stride as u32)
        .immediate(id_shift)
        .read(0, &logits)
        .write(1, &vec![7u32; choices.len()])
        .read(2, &flat);

    let rows = choices.into_iter().zip(draws).enumerate();
    let allowed: Vec<_> = rows
        .map(|(row, ((temperature, top_k, top_p, min_p), draw))| {
            let logits = &logits[row * stride..][..vocabulary];
            if temperature == 0.0 {
                let (best, _) = ranking(logits, 1.0)[0];
                return vec![best as u32];
            }
            let choice = Choice {
                temperature,
                top_k: top_k as usize,
                top_p: f64::from(top_p as f32),
                min_p: f64::from(min_p as f32),
            };
            may_be_drawn(&ranking(logits, temperature), &choice, draw)
        })
        .collect();
    Case::new(format!("{vocabulary} {kind:?}"), launch, move |outputs| {
        let found = outputs.get::<u32>(1)?;
        for (row, (found, allowed)) in found.iter().zip(&allowed).enumerate() {
            ensure!(
                allowed.contains(found),
                "tokens[{row}] is {found}, none of {allowed:?}"
            );
        }
        Ok(())
    })
}

/// The tokens that may be at place `draw / 2^32` of what is kept.
fn may_be_drawn(ranking: &[(usize, f64)], choice: &Choice, draw: u32) -> Vec<u32> {
    let total: f64 = ranking.iter().map(|(_, weight)| weight).sum();
    let cut_off = ranking.len() as f64 / (1u64 << 31) as f64 * total;
    let relative = (3.0 + 2.0 * 31.0 + 31.0 + 80.0) * 2.0 * EPS;
    let place = f64::from(draw) / (1u64 << 32) as f64;
    let mut allowed = Vec::new();
    // The cut at top-p if the sums are off one way, and the other.
    let doubt_of_p = 2.0 * (relative + cut_off);
    for top_p in [
        choice.top_p - doubt_of_p,
        choice.top_p,
        choice.top_p + doubt_of_p,
    ] {
        let top_p = if choice.top_p < 1.0 {
            top_p.min(1.0 - 1e-12)
        } else {
            choice.top_p
        };
        let kept = kept(ranking, &Choice { top_p, ..*choice }).max(1);
        let mass: f64 = ranking[..kept].iter().map(|(_, weight)| weight).sum();
        let doubt = cut_off + mass * relative;
        let mut before = 0.0;
        for (token, weight) in &ranking[..kept] {
            let after = before + weight;
            if before - doubt <= place * mass && place * mass <= after + doubt {
                allowed.push(*token as u32);
            }
            before = after;
        }
    }
    allowed
}

/// One addition.
fn bias(inputs: &mut Inputs) -> Case {
    let (vocabulary, rows) = (300, 2);
    let logits = inputs.floats(rows * vocabulary, 10.0);
    let entries: Vec<_> = (0..100)
        .map(|i| (i % 2, i * 2 + 1, inputs.unit() * 50.0))
        .collect();
    let flat: Vec<u32> = entries
        .iter()
        .flat_map(|(row, token, value)| [*row as u32, *token as u32, value.to_bits(), 0])
        .collect();
    let launch = Launch::new("bias", [2, 1, 1])
        .immediate(vocabulary as u32)
        .immediate(vocabulary as u32)
        .immediate(entries.len() as u32)
        .write(0, &logits)
        .read(1, &flat);
    let mut expected = logits;
    for (row, token, value) in entries {
        expected[row * vocabulary + token] += value;
    }
    Case::new(vocabulary, launch, move |outputs| {
        same("logits", &outputs.get::<f32>(0)?, &expected)
    })
}

/// Bound: a division (2.5 units in the last place, 5 `EPS`), a product and two sums, relative to the terms.
fn penalties(inputs: &mut Inputs) -> Case {
    let (vocabulary, rows) = (700, 3);
    let stride = vocabulary + 2;
    let logits = inputs.floats(rows * stride, 10.0);
    let counts: Vec<u32> = (0..4 * vocabulary)
        .map(|_| {
            let in_answer = inputs.0.below(6).saturating_sub(3) as u32;
            in_answer | (inputs.0.below(2) as u32) << 31
        })
        .collect();
    let factors = [
        (2usize, 1.3f32, 0.5f32, 0.25f32),
        (0, 1.0, -1.5, 0.0),
        (3, 0.5, 0.0, 2.0),
    ];
    let flat: Vec<u32> = factors
        .iter()
        .flat_map(|(slot, r, f, p)| [*slot as u32, r.to_bits(), f.to_bits(), p.to_bits()])
        .collect();
    let launch = Launch::new(
        "penalties",
        [rows as u32, vocabulary.div_ceil(256) as u32, 1],
    )
    .immediate(vocabulary as u32)
    .immediate(stride as u32)
    .immediate(rows as u32)
    .write(0, &logits)
    .read(2, &flat)
    .write(3, &counts);
    let mut expected: Vec<_> = logits
        .iter()
        .map(|logit| Near {
            value: f64::from(*logit),
            bound: 0.0,
        })
        .collect();
    for (row, (slot, repetition, frequency, presence)) in factors.into_iter().enumerate() {
        let [repetition, frequency, presence] = [repetition, frequency, presence].map(f64::from);
        for token in 0..vocabulary {
            let count = counts[slot * vocabulary + token];
            if count == 0 {
                continue;
            }
            let near = &mut expected[row * stride + token];
            let in_answer = count & (u32::MAX >> 1);
            let terms = near.value.abs() * repetition.max(1.0 / repetition)
                + (frequency * f64::from(in_answer)).abs()
                + presence;
            near.value = penalised(near.value, in_answer, repetition, frequency, presence);
            near.bound = 8.0 * EPS * terms;
        }
    }
    Case::new(vocabulary, launch, move |outputs| {
        same("counts", &outputs.get::<u32>(3)?, &counts)?;
        compare("logits", &outputs.get::<f32>(0)?, &expected)
    })
}

/// A token outside the vocabulary is not counted, not even the one just behind it.
fn count_tokens(inputs: &mut Inputs) -> Case {
    let vocabulary = 50;
    let slots = [4u32, 0, 2, 3];
    let tokens = [7u32, vocabulary as u32, 49, NOBODY];
    let counts: Vec<u32> = (0..5 * vocabulary)
        .map(|_| inputs.0.number() as u32)
        .collect();
    let flat: Vec<u32> = slots.iter().flat_map(|slot| [*slot, 0, 0, 0]).collect();
    let launch = Launch::new("count_tokens", [1, 1, 1])
        .immediate(vocabulary as u32)
        .immediate(vocabulary as u32)
        .immediate(slots.len() as u32)
        .read(2, &flat)
        .write(3, &counts)
        .read(4, &tokens);
    let mut expected = counts;
    for (slot, token) in slots.into_iter().zip(tokens) {
        if (token as usize) < vocabulary {
            expected[slot as usize * vocabulary + token as usize] += 1;
        }
    }
    Case::new(vocabulary, launch, move |outputs| {
        same("counts", &outputs.get::<u32>(3)?, &expected)
    })
}
