//! Models with random weights, in every weight type and shape: what a test needs and nobody would train.
//!
//! The files are whole: llama.cpp loads them. Weights are scaled as a trained model's are at the start of training, so
//! that activations neither vanish nor explode, and logits spread enough that the best token is clearly best.

use half::f16;
use inference::gguf::{Builder, Value};
use inference::model::WeightType;

use crate::random::Random;

/// Shape and type of a random model.
#[derive(Clone, Copy, Debug)]
pub struct RandomModel {
    /// Type of every matrix.
    pub weight_type: WeightType,
    /// Width of the residual stream.
    pub embedding: usize,
    /// Layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Elements per head.
    pub head_length: usize,
    /// Width of the feed-forward part.
    pub feed_forward: usize,
    /// Tokens, at least 260.
    pub vocabulary: usize,
    /// Whether the output matrix is the embedding.
    pub tied: bool,
    /// Whether the file carries rotation factors, as Llama 3.1 does.
    pub rope_factors: bool,
    /// Largest number of positions.
    pub context: usize,
    /// What the weights depend on.
    pub seed: u64,
}

impl Default for RandomModel {
    fn default() -> Self {
        Self {
            weight_type: WeightType::F32,
            embedding: 128,
            layers: 3,
            heads: 4,
            kv_heads: 1,
            head_length: 32,
            feed_forward: 352,
            vocabulary: 512,
            tied: false,
            rope_factors: false,
            context: 256,
            seed: 1,
        }
    }
}

/// Length of an embedding. It leaves so much of a token in the residual stream that the output row which equals its
/// embedding is the best one most of the time, and clearly: as in a trained model, most best tokens lead by much.
const EMBEDDING_LENGTH: f32 = 7.0;

impl RandomModel {
    /// The file.
    #[must_use]
    pub fn gguf(&self) -> Vec<u8> {
        let mut random = Random::new(self.seed);
        let mut file = Builder::new();
        self.keys(&mut file);
        vocabulary(&mut file, self.vocabulary);

        let (width, queries) = (self.embedding, self.heads * self.head_length);
        let kv = self.kv_heads * self.head_length;
        let ff = self.feed_forward;
        let own = self.weight_type;
        let mut values = |rows: usize, columns: usize, length: f32| -> Vec<f32> {
            let spread = length / (columns as f32).sqrt();
            (0..rows * columns)
                .map(|_| normal(&mut random) * spread)
                .collect()
        };
        let mut matrix = |name: &str, rows: usize, columns: usize, values: &[f32]| {
            let shape = [columns as u64, rows as u64];
            file.tensor(name, &shape, own, encode(own, values));
        };
        let mut embedding = values(self.vocabulary, width, EMBEDDING_LENGTH);
        matrix("token_embd.weight", self.vocabulary, width, &embedding);
        if !self.tied {
            // The output row of a token is the embedding of the next.
            embedding.rotate_left(width);
            matrix("output.weight", self.vocabulary, width, &embedding);
        }
        for layer in 0..self.layers {
            let mut part = |part: &str, rows, columns, length| {
                let name = format!("blk.{layer}.{part}.weight");
                matrix(&name, rows, columns, &values(rows, columns, length));
            };
            part("attn_q", queries, width, 1.5);
            part("attn_k", kv, width, 1.5);
            part("attn_v", kv, width, 1.0);
            part("attn_output", width, queries, 1.0);
            part("ffn_gate", ff, width, 1.0);
            part("ffn_up", ff, width, 1.0);
            part("ffn_down", width, ff, 1.0);
        }

        let mut vector = |name: &str, length: usize, center: f32, spread: f32| {
            let values: Vec<f32> = (0..length)
                .map(|_| center + spread * normal(&mut random))
                .collect();
            let data = encode(WeightType::F32, &values);
            file.tensor(name, &[length as u64], WeightType::F32, data);
        };
        vector("output_norm.weight", width, 1.0, 0.1);
        for layer in 0..self.layers {
            for part in ["attn_norm", "ffn_norm"] {
                vector(&format!("blk.{layer}.{part}.weight"), width, 1.0, 0.1);
            }
        }
        if self.rope_factors {
            vector("rope_freqs.weight", self.head_length / 2, 2.0, 0.2);
        }
        file.bytes()
    }

    fn keys(&self, file: &mut Builder) {
        file.value("general.architecture", "llama")
            .value("general.name", "random")
            .value("llama.vocab_size", self.vocabulary as u32)
            .value("llama.context_length", self.context as u32)
            .value("llama.embedding_length", self.embedding as u32)
            .value("llama.block_count", self.layers as u32)
            .value("llama.feed_forward_length", self.feed_forward as u32)
            .value("llama.attention.head_count", self.heads as u32)
            .value("llama.attention.head_count_kv", self.kv_heads as u32)
            .value("llama.attention.key_length", self.head_length as u32)
            .value("llama.attention.value_length", self.head_length as u32)
            .value("llama.attention.layer_norm_rms_epsilon", 1e-5f32)
            .value("llama.rope.dimension_count", self.head_length as u32)
            .value("llama.rope.freq_base", 10_000f32);
    }
}

/// Nearly normal, with variance 1: a sum of four uniform numbers.
fn normal(random: &mut Random) -> f32 {
    let bits = random.number();
    let sum: u64 = (0..4).map(|i| bits >> (16 * i) & 0xffff).sum();
    (sum as f32 / 65536.0 - 2.0) * 3f32.sqrt()
}

/// A byte-level vocabulary: 256 bytes, a merge of two of them, an end token, and names that no text reaches.
fn vocabulary(file: &mut Builder, size: usize) {
    /// GGUF's token types.
    const NORMAL: i32 = 1;
    const CONTROL: i32 = 3;

    // GPT-2 writes bytes that are no printable character as the characters from 256 on.
    let mut next = 256;
    let mut tokens: Vec<String> = (0..256u32)
        .map(|byte| {
            let printable = matches!(byte, 33..=126 | 161..=172 | 174..=255);
            let code = if printable { byte } else { next };
            next += u32::from(!printable);
            char::from_u32(code).map(String::from).unwrap_or_default()
        })
        .collect();
    tokens.push("ab".into());
    tokens.push("<|end|>".into());
    let end = tokens.len() - 1;
    tokens.extend((tokens.len()..size).map(|id| format!("<unreached {id}>")));
    let mut types = vec![NORMAL; size];
    types[end] = CONTROL;
    file.value("tokenizer.ggml.model", "gpt2")
        .value("tokenizer.ggml.pre", "gpt-2")
        .value(
            "tokenizer.ggml.tokens",
            tokens.iter().map(String::as_str).collect::<Value>(),
        )
        .value("tokenizer.ggml.token_type", types)
        .value(
            "tokenizer.ggml.merges",
            ["a b"].into_iter().collect::<Value>(),
        )
        .value("tokenizer.ggml.bos_token_id", end as u32)
        .value("tokenizer.ggml.eos_token_id", end as u32);
}

/// Stores values in a weight type; whole blocks.
#[must_use]
pub fn encode(weight_type: WeightType, values: &[f32]) -> Vec<u8> {
    let blocks = values.chunks(weight_type.block_elements());
    match weight_type {
        WeightType::F32 => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        WeightType::F16 => values
            .iter()
            .flat_map(|x| f16::from_f32(*x).to_le_bytes())
            .collect(),
        WeightType::Q8_0 => blocks.flat_map(q8_0).collect(),
        WeightType::Q4_0 => blocks.flat_map(q4_0).collect(),
    }
}

/// The element of the largest magnitude.
fn largest(block: &[f32]) -> f32 {
    let larger = |a: f32, b: &f32| if b.abs() > a.abs() { *b } else { a };
    block.iter().fold(0.0, larger)
}

fn q8_0(block: &[f32]) -> Vec<u8> {
    let scale = largest(block).abs() / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    let mut out = f16::from_f32(scale).to_le_bytes().to_vec();
    out.extend(block.iter().map(|x| (x * inverse).round() as i8 as u8));
    out
}

fn q4_0(block: &[f32]) -> Vec<u8> {
    let scale = largest(block) / -8.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    let nibble = |x: f32| ((x * inverse).round() + 8.0).clamp(0.0, 15.0) as u8;
    let mut out = f16::from_f32(scale).to_le_bytes().to_vec();
    let (low, high) = block.split_at(block.len() / 2);
    let pairs = low.iter().zip(high);
    out.extend(pairs.map(|(low, high)| nibble(*low) | nibble(*high) << 4));
    out
}
