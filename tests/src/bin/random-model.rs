//! Writes a model with random weights in a published model's shape: to see a size load, run and be measured.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use inference::model::WeightType;
use tests::random_model::RandomModel;

const HELP: &str = "\
Write a GGUF model with random weights.

usage: cargo run --release --package tests --bin random-model -- SHAPE TYPE F.gguf

  SHAPE  small (110 M parameters) or tinyllama (1.1 B, the shape of TinyLlama)
  TYPE   f32, f16, q8_0 or q4_0

example:
  cargo run --release --package tests --bin random-model -- tinyllama q4_0 big.gguf
  cargo boot -- --model big.gguf --memory 2G
";

const SHAPES: [(&str, RandomModel); 2] = [
    (
        "small",
        RandomModel {
            embedding: 768,
            layers: 12,
            heads: 12,
            kv_heads: 4,
            feed_forward: 2048,
            ..TINYLLAMA
        },
    ),
    ("tinyllama", TINYLLAMA),
];

const TINYLLAMA: RandomModel = RandomModel {
    weight_type: WeightType::F32,
    embedding: 2048,
    layers: 22,
    heads: 32,
    kv_heads: 4,
    head_length: 64,
    feed_forward: 5632,
    vocabulary: 32_000,
    tied: false,
    rope_factors: false,
    context: 2048,
    seed: 1,
};

const TYPES: [(&str, WeightType); 4] = [
    ("f32", WeightType::F32),
    ("f16", WeightType::F16),
    ("q8_0", WeightType::Q8_0),
    ("q4_0", WeightType::Q4_0),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [shape, weight_type, out] = arguments.as_slice() else {
        print!("{HELP}");
        bail!("expected SHAPE TYPE F.gguf");
    };
    let shape = pick("SHAPE", shape, &SHAPES)?;
    let weight_type = pick("TYPE", weight_type, &TYPES)?;
    let out = PathBuf::from(out);
    eprintln!("drawing weights");
    let bytes = RandomModel {
        weight_type,
        ..shape
    }
    .gguf();
    std::fs::write(&out, &bytes).with_context(|| format!("cannot write {}", out.display()))?;
    eprintln!("wrote {} ({} MiB)", out.display(), bytes.len() >> 20);
    Ok(())
}

fn pick<T: Copy>(what: &str, name: &str, rows: &[(&str, T)]) -> Result<T> {
    let names: Vec<&str> = rows.iter().map(|row| row.0).collect();
    let row = rows.iter().find(|row| row.0 == name);
    row.map(|row| row.1)
        .with_context(|| format!("{what} {name}: expected one of {}", names.join(", ")))
}
