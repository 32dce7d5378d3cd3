//! Our logits against llama.cpp's, on the demo model and on random models of every weight type, with every kernel set that
//! this machine has.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use cpu_fallback::KernelSet;
use inference::model::{Model, WeightType};
use tests::evaluation::{continuation, logits, model_file};
use tests::hosted::demo_model;
use tests::oracles::llama_cpp_logits;
use tests::random::Random;
use tests::random_model::RandomModel;

/// Positions compared on each model, in sequences that each begin with an empty cache.
const POSITIONS: usize = 1000;
const SEQUENCES: usize = 20;

/// Least share of positions with the same best token.
const SAME_BEST: f64 = 0.995;

/// Logits nearer to each other than this differ only by the order in which f32s were added.
const SAME_NUMBER: f32 = 1e-4;

/// Least share of positions whose logits are such. Block weights are added in llama.cpp's order, so that most are; the
/// others came under the influence of an activation or key that lay between two roundings and went the other way.
fn needed_same_numbers(weight_type: WeightType) -> f64 {
    match weight_type {
        WeightType::F32 | WeightType::F16 => 0.01,
        WeightType::Q8_0 | WeightType::Q4_0 => 0.75,
    }
}

/// Largest mean of the Kullback-Leibler divergence from llama.cpp's distribution, in nats.
fn allowed_divergence(weight_type: WeightType) -> f64 {
    match weight_type {
        WeightType::F32 | WeightType::F16 => 1e-4,
        WeightType::Q8_0 | WeightType::Q4_0 => 1e-3,
    }
}

/// How two tables of logits differ.
struct Difference {
    same_best: f64,
    mean_divergence: f64,
    /// Share of rows that hold the same numbers but for the rounding of f32 sums.
    same_numbers: f64,
}

fn best(row: &[f32]) -> usize {
    let better = |best: usize, i: usize| if row[i] > row[best] { i } else { best };
    (0..row.len()).fold(0, better)
}

fn log_softmax(row: &[f32]) -> Vec<f64> {
    let largest = f64::from(row[best(row)]);
    let sum: f64 = row.iter().map(|x| (f64::from(*x) - largest).exp()).sum();
    let log = largest + sum.ln();
    row.iter().map(|x| f64::from(*x) - log).collect()
}

fn difference(expected: &[f32], found: &[f32], vocabulary: usize) -> Difference {
    assert_eq!(expected.len(), found.len());
    let rows = expected.chunks(vocabulary).zip(found.chunks(vocabulary));
    let count = rows.len() as f64;
    let (mut same, mut divergence, mut numbers) = (0.0, 0.0, 0.0);
    for (expected, found) in rows {
        same += f64::from(u8::from(best(expected) == best(found)));
        let near = expected
            .iter()
            .zip(found)
            .all(|(a, b)| (a - b).abs() < SAME_NUMBER);
        numbers += f64::from(u8::from(near));
        let (p, q) = (log_softmax(expected), log_softmax(found));
        divergence += p
            .iter()
            .zip(&q)
            .map(|(p, q)| p.exp() * (p - q))
            .sum::<f64>();
    }
    Difference {
        same_best: same / count,
        mean_divergence: divergence / count,
        same_numbers: numbers / count,
    }
}

/// Sequences of any tokens.
fn random_sequences(model: &Model, seed: u64) -> Vec<Vec<u32>> {
    let mut random = Random::new(seed);
    let mut token = || random.below(model.hyperparameters().vocabulary) as u32;
    let mut sequence = || (0..POSITIONS / SEQUENCES).map(|_| token()).collect();
    (0..SEQUENCES).map(|_| sequence()).collect()
}

/// Sequences that the model itself writes after a random token, at temperature 0.5: text as its users see it.
fn own_sequences(model: &Arc<Model>, seed: u64) -> Vec<Vec<u32>> {
    let mut random = Random::new(seed);
    let sequence = |_| {
        let first = random.below(model.hyperparameters().vocabulary) as u32;
        let choose = |logits: &[f32]| {
            let mut rest = random.below(1 << 24) as f64 / f64::from(1 << 24);
            let reached = |log: &f64| {
                rest -= log.exp();
                rest < 0.0
            };
            let sharper: Vec<f32> = logits.iter().map(|x| x / 0.5).collect();
            let chosen = log_softmax(&sharper).iter().position(reached);
            chosen.unwrap_or_else(|| best(logits)) as u32
        };
        let length = POSITIONS / SEQUENCES;
        continuation(model.clone(), KernelSet::detect(), first, length, choose)
            .expect("we evaluate the model")
    };
    (0..SEQUENCES).map(sequence).collect()
}

/// Compares on these sequences, with every kernel set of this machine.
fn compare(name: &str, path: &Path, model: &Arc<Model>, sequences: &[Vec<u32>], kind: WeightType) {
    let vocabulary = model.hyperparameters().vocabulary;
    let expected = llama_cpp_logits(path, sequences).expect("llama.cpp evaluates the model");
    assert_eq!(expected.len(), POSITIONS * vocabulary);
    let found = logits(model.clone(), KernelSet::detect(), sequences).expect("we evaluate it");
    let Difference {
        same_best,
        mean_divergence,
        same_numbers,
    } = difference(&expected, &found, vocabulary);
    println!(
        "{name}: same best {same_best:.4}, same numbers {same_numbers:.4}, mean divergence {mean_divergence:.2e}"
    );
    assert!(same_best >= SAME_BEST, "{name}: same best only {same_best}");
    let allowed = allowed_divergence(kind);
    assert!(
        mean_divergence <= allowed,
        "{name}: mean divergence {mean_divergence:e}"
    );

    assert!(
        same_numbers >= needed_same_numbers(kind),
        "{name}: same numbers only in {same_numbers}"
    );

    let first = &sequences[..1];
    for set in KernelSet::ALL.into_iter().filter(|set| set.is_supported()) {
        let own = logits(model.clone(), set, first).expect("we evaluate it with every set");
        let same = own
            .iter()
            .zip(&found)
            .all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same, "{name}: {set} differs from {}", KernelSet::detect());
    }
}

fn compare_random(random: RandomModel) -> Result<()> {
    let name = format!(
        "{:?} {}x{} heads{}{}",
        random.weight_type,
        random.heads,
        random.kv_heads,
        if random.tied { " tied" } else { "" },
        if random.rope_factors {
            " rope factors"
        } else {
            ""
        },
    );
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("{}.gguf", name.replace(' ', "-")));
    fs::write(&path, random.gguf())?;
    let model = model_file(&path)?;
    let sequences = random_sequences(&model, random.seed);
    compare(&name, &path, &model, &sequences, random.weight_type);
    fs::remove_file(path)?;
    Ok(())
}

fn compare_type(weight_type: WeightType) {
    for (kv_heads, tied, rope_factors) in [(4, false, false), (1, true, true)] {
        let random = RandomModel {
            weight_type,
            kv_heads,
            tied,
            rope_factors,
            seed: 7,
            ..RandomModel::default()
        };
        compare_random(random).expect("the model is written and read");
    }
}

#[test]
fn f32_agrees() {
    compare_type(WeightType::F32);
}

#[test]
fn f16_agrees() {
    compare_type(WeightType::F16);
}

#[test]
fn q8_0_agrees() {
    compare_type(WeightType::Q8_0);
}

#[test]
fn q4_0_agrees() {
    compare_type(WeightType::Q4_0);
}

#[test]
fn the_demo_model_agrees() {
    let path = demo_model();
    let model = model_file(&path).expect("the demo model is in the repository");
    let kind = model.output().weight_type;
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("demo.gguf");
    fs::copy(&path, &copy).expect("the demo model is copied");
    compare("demo", &copy, &model, &own_sequences(&model, 3), kind);
}

#[test]
fn the_measure_notices_a_wrong_row() {
    let right = [1.0, 2.0, 3.0, 3.0, 2.0, 1.0];
    let wrong = [1.0, 2.0, 3.0, 1.0, 2.0, 3.0];
    let difference = difference(&right, &wrong, 3);
    assert_eq!(difference.same_best, 0.5);
    assert!(difference.mean_divergence > 0.1);
}
