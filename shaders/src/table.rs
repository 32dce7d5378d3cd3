//! The kernels: which entry point of which WGSL file with which constants, and what for. `cargo shaders -- build` compiles
//! every row.

/// A WGSL file.
macro_rules! file {
    ($name:literal) => {
        ($name, include_str!(concat!("../wgsl/", $name)))
    };
}

/// Name and text of each WGSL file.
pub const SOURCES: &[(&str, &str)] = &[
    file!("add.wgsl"),
    file!("argmax.wgsl"),
    file!("attention_decode.wgsl"),
    file!("attention_prefill.wgsl"),
    file!("attention_reduce.wgsl"),
    file!("attention_tiles.wgsl"),
    file!("blocks.wgsl"),
    file!("embedding.wgsl"),
    file!("matmul.wgsl"),
    file!("matvec_f16.wgsl"),
    file!("matvec_q4_0.wgsl"),
    file!("matvec_q4_k.wgsl"),
    file!("matvec_q6_k.wgsl"),
    file!("matvec_q8_0.wgsl"),
    file!("penalties.wgsl"),
    file!("quantise.wgsl"),
    file!("rms_norm.wgsl"),
    file!("rope.wgsl"),
    file!("sample.wgsl"),
    file!("silu.wgsl"),
];

/// A kernel before it is compiled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variant {
    /// Unique name.
    pub name: &'static str,
    /// WGSL file, a name of [`SOURCES`].
    pub file: &'static str,
    /// Entry point in it.
    pub entry: &'static str,
    /// Values of override constants that differ from the defaults.
    pub overrides: &'static [(&'static str, f64)],
    /// What it computes.
    pub purpose: &'static str,
}

type Overrides = &'static [(&'static str, f64)];

const fn variant(
    name: &'static str,
    file: &'static str,
    entry: &'static str,
    overrides: Overrides,
    purpose: &'static str,
) -> Variant {
    Variant {
        name,
        file,
        entry,
        overrides,
        purpose,
    }
}

const NONE: Overrides = &[];
const RESIDUAL: Overrides = &[("RESIDUAL", 1.0)];
const TOKENS_1: Overrides = &[("TOKENS", 1.0)];
const TOKENS_2: Overrides = &[("TOKENS", 2.0)];
const TOKENS_4: Overrides = &[("TOKENS", 4.0)];
const TOKENS_8: Overrides = &[("TOKENS", 8.0)];
const HEAD_64: Overrides = &[("HEAD", 64.0)];
const ROTATE_64: Overrides = &[("HEAD", 64.0), ("ROTATED", 64.0)];
const ROTATE_64_NEOX: Overrides = &[("HEAD", 64.0), ("ROTATED", 64.0), ("NEOX", 1.0)];
const HEAD_64_GROUP_1: Overrides = &[("HEAD", 64.0), ("GROUP", 1.0)];
const HEAD_64_GROUP_2: Overrides = &[("HEAD", 64.0), ("GROUP", 2.0)];
const HEAD_64_GROUP_4: Overrides = &[("HEAD", 64.0), ("GROUP", 4.0)];
const HEAD_64_GROUP_8: Overrides = &[("HEAD", 64.0), ("GROUP", 8.0)];
const HEAD_128: Overrides = &[("HEAD", 128.0)];
const ROTATE_128: Overrides = &[("HEAD", 128.0), ("ROTATED", 128.0)];
const ROTATE_128_NEOX: Overrides = &[("HEAD", 128.0), ("ROTATED", 128.0), ("NEOX", 1.0)];
const HEAD_128_GROUP_1: Overrides = &[("HEAD", 128.0), ("GROUP", 1.0)];
const HEAD_128_GROUP_2: Overrides = &[("HEAD", 128.0), ("GROUP", 2.0)];
const HEAD_128_GROUP_4: Overrides = &[("HEAD", 128.0), ("GROUP", 4.0)];
const HEAD_128_GROUP_8: Overrides = &[("HEAD", 128.0), ("GROUP", 8.0)];
const F32: Overrides = &[("WEIGHTS", 0.0)];
const F16: Overrides = &[("WEIGHTS", 1.0)];
const Q8_0: Overrides = &[("WEIGHTS", 2.0)];
const Q4_0: Overrides = &[("WEIGHTS", 3.0)];
const Q4_K: Overrides = &[("WEIGHTS", 4.0)];
const Q6_K: Overrides = &[("WEIGHTS", 5.0)];
const F16_BY_32: Overrides = &[("WEIGHTS", 1.0), ("GRANULE", 32.0)];
const F16_BY_128: Overrides = &[("WEIGHTS", 1.0), ("GRANULE", 128.0)];
const Q8_0_BY_32: Overrides = &[("WEIGHTS", 2.0), ("GRANULE", 32.0)];
const Q8_0_BY_128: Overrides = &[("WEIGHTS", 2.0), ("GRANULE", 128.0)];
const Q4_0_BY_32: Overrides = &[("WEIGHTS", 3.0), ("GRANULE", 32.0)];
const Q4_0_BY_128: Overrides = &[("WEIGHTS", 3.0), ("GRANULE", 128.0)];
const Q4_K_BY_32: Overrides = &[("WEIGHTS", 4.0), ("GRANULE", 32.0)];
const Q4_K_BY_128: Overrides = &[("WEIGHTS", 4.0), ("GRANULE", 128.0)];
const Q6_K_BY_32: Overrides = &[("WEIGHTS", 5.0), ("GRANULE", 32.0)];
const Q6_K_BY_128: Overrides = &[("WEIGHTS", 5.0), ("GRANULE", 128.0)];

/// Every kernel.
#[rustfmt::skip]
pub const VARIANTS: &[Variant] = &[
    variant("add", "add.wgsl", "add", NONE, "residual add"),
    variant("argmax", "argmax.wgsl", "argmax", NONE, "token with the largest logit"),
    variant("attention_decode_64_1", "attention_decode.wgsl", "attention_decode", HEAD_64_GROUP_1, "attention of single tokens, heads of 64, 1 query heads at a time"),
    variant("attention_decode_64_2", "attention_decode.wgsl", "attention_decode", HEAD_64_GROUP_2, "attention of single tokens, heads of 64, 2 query heads at a time"),
    variant("attention_decode_64_4", "attention_decode.wgsl", "attention_decode", HEAD_64_GROUP_4, "attention of single tokens, heads of 64, 4 query heads at a time"),
    variant("attention_decode_64_8", "attention_decode.wgsl", "attention_decode", HEAD_64_GROUP_8, "attention of single tokens, heads of 64, 8 query heads at a time"),
    variant("attention_decode_128_1", "attention_decode.wgsl", "attention_decode", HEAD_128_GROUP_1, "attention of single tokens, heads of 128, 1 query heads at a time"),
    variant("attention_decode_128_2", "attention_decode.wgsl", "attention_decode", HEAD_128_GROUP_2, "attention of single tokens, heads of 128, 2 query heads at a time"),
    variant("attention_decode_128_4", "attention_decode.wgsl", "attention_decode", HEAD_128_GROUP_4, "attention of single tokens, heads of 128, 4 query heads at a time"),
    variant("attention_decode_128_8", "attention_decode.wgsl", "attention_decode", HEAD_128_GROUP_8, "attention of single tokens, heads of 128, 8 query heads at a time"),
    variant("attention_prefill_64", "attention_prefill.wgsl", "attention_prefill", HEAD_64, "attention of a prompt's tokens, heads of 64"),
    variant("attention_prefill_128", "attention_prefill.wgsl", "attention_prefill", HEAD_128, "attention of a prompt's tokens, heads of 128"),
    variant("attention_reduce_64_f16", "attention_reduce.wgsl", "attention_reduce_f16", HEAD_64, "sum over the splits of that, heads of 64, to f16"),
    variant("attention_reduce_64_f32", "attention_reduce.wgsl", "attention_reduce_f32", HEAD_64, "sum over the splits of that, heads of 64, to f32"),
    variant("attention_reduce_64_q8", "attention_reduce.wgsl", "attention_reduce_q8", HEAD_64, "sum over the splits of that, heads of 64, to 8 bits"),
    variant("attention_reduce_128_f16", "attention_reduce.wgsl", "attention_reduce_f16", HEAD_128, "sum over the splits of that, heads of 128, to f16"),
    variant("attention_reduce_128_f32", "attention_reduce.wgsl", "attention_reduce_f32", HEAD_128, "sum over the splits of that, heads of 128, to f32"),
    variant("attention_reduce_128_q8", "attention_reduce.wgsl", "attention_reduce_q8", HEAD_128, "sum over the splits of that, heads of 128, to 8 bits"),
    variant("attention_tiles_64", "attention_tiles.wgsl", "attention_tiles", HEAD_64, "attention of a prompt's tokens by cooperative matrices, heads of 64"),
    variant("attention_tiles_128", "attention_tiles.wgsl", "attention_tiles", HEAD_128, "attention of a prompt's tokens by cooperative matrices, heads of 128"),
    variant("bias", "penalties.wgsl", "bias", NONE, "logit bias of single tokens"),
    variant("block_clear", "blocks.wgsl", "block_clear", NONE, "zeros into cache blocks"),
    variant("block_copy", "blocks.wgsl", "block_copy", NONE, "copies of cache blocks"),
    variant("count_tokens", "penalties.wgsl", "count_tokens", NONE, "occurrences of tokens in the answers"),
    variant("embedding_f32", "embedding.wgsl", "embedding", F32, "rows of an embedding in F32"),
    variant("embedding_f16", "embedding.wgsl", "embedding", F16, "rows of an embedding in F16"),
    variant("embedding_q8_0", "embedding.wgsl", "embedding", Q8_0, "rows of an embedding in Q8_0"),
    variant("embedding_q4_0", "embedding.wgsl", "embedding", Q4_0, "rows of an embedding in Q4_0"),
    variant("embedding_q4_k", "embedding.wgsl", "embedding", Q4_K, "rows of an embedding in Q4_K"),
    variant("embedding_q6_k", "embedding.wgsl", "embedding", Q6_K, "rows of an embedding in Q6_K"),
    variant("matmul_f16_32", "matmul.wgsl", "matmul", F16_BY_32, "product of F16 weights with many tokens, a multiple of 32"),
    variant("matmul_f16_128", "matmul.wgsl", "matmul", F16_BY_128, "product of F16 weights with many tokens, a multiple of 128"),
    variant("matmul_q4_0_32", "matmul.wgsl", "matmul", Q4_0_BY_32, "product of Q4_0 weights with many tokens, a multiple of 32"),
    variant("matmul_q4_0_128", "matmul.wgsl", "matmul", Q4_0_BY_128, "product of Q4_0 weights with many tokens, a multiple of 128"),
    variant("matmul_q4_k_32", "matmul.wgsl", "matmul", Q4_K_BY_32, "product of Q4_K weights with many tokens, a multiple of 32"),
    variant("matmul_q4_k_128", "matmul.wgsl", "matmul", Q4_K_BY_128, "product of Q4_K weights with many tokens, a multiple of 128"),
    variant("matmul_q6_k_32", "matmul.wgsl", "matmul", Q6_K_BY_32, "product of Q6_K weights with many tokens, a multiple of 32"),
    variant("matmul_q6_k_128", "matmul.wgsl", "matmul", Q6_K_BY_128, "product of Q6_K weights with many tokens, a multiple of 128"),
    variant("matmul_q8_0_32", "matmul.wgsl", "matmul", Q8_0_BY_32, "product of Q8_0 weights with many tokens, a multiple of 32"),
    variant("matmul_q8_0_128", "matmul.wgsl", "matmul", Q8_0_BY_128, "product of Q8_0 weights with many tokens, a multiple of 128"),
    variant("matvec_f16_1", "matvec_f16.wgsl", "matvec_f16", TOKENS_1, "product of F16 weights with one token"),
    variant("matvec_f16_2", "matvec_f16.wgsl", "matvec_f16", TOKENS_2, "product of F16 weights with two tokens"),
    variant("matvec_f16_4", "matvec_f16.wgsl", "matvec_f16", TOKENS_4, "product of F16 weights with four tokens"),
    variant("matvec_f16_8", "matvec_f16.wgsl", "matvec_f16", TOKENS_8, "product of F16 weights with eight tokens"),
    variant("matvec_q4_0_1", "matvec_q4_0.wgsl", "matvec_q4_0", TOKENS_1, "product of Q4_0 weights with one token"),
    variant("matvec_q4_0_2", "matvec_q4_0.wgsl", "matvec_q4_0", TOKENS_2, "product of Q4_0 weights with two tokens"),
    variant("matvec_q4_0_4", "matvec_q4_0.wgsl", "matvec_q4_0", TOKENS_4, "product of Q4_0 weights with four tokens"),
    variant("matvec_q4_0_8", "matvec_q4_0.wgsl", "matvec_q4_0", TOKENS_8, "product of Q4_0 weights with eight tokens"),
    variant("matvec_q4_k_1", "matvec_q4_k.wgsl", "matvec_q4_k", TOKENS_1, "product of Q4_K weights with one token"),
    variant("matvec_q4_k_2", "matvec_q4_k.wgsl", "matvec_q4_k", TOKENS_2, "product of Q4_K weights with two tokens"),
    variant("matvec_q4_k_4", "matvec_q4_k.wgsl", "matvec_q4_k", TOKENS_4, "product of Q4_K weights with four tokens"),
    variant("matvec_q4_k_8", "matvec_q4_k.wgsl", "matvec_q4_k", TOKENS_8, "product of Q4_K weights with eight tokens"),
    variant("matvec_q6_k_1", "matvec_q6_k.wgsl", "matvec_q6_k", TOKENS_1, "product of Q6_K weights with one token"),
    variant("matvec_q6_k_2", "matvec_q6_k.wgsl", "matvec_q6_k", TOKENS_2, "product of Q6_K weights with two tokens"),
    variant("matvec_q6_k_4", "matvec_q6_k.wgsl", "matvec_q6_k", TOKENS_4, "product of Q6_K weights with four tokens"),
    variant("matvec_q6_k_8", "matvec_q6_k.wgsl", "matvec_q6_k", TOKENS_8, "product of Q6_K weights with eight tokens"),
    variant("matvec_q8_0_1", "matvec_q8_0.wgsl", "matvec_q8_0", TOKENS_1, "product of Q8_0 weights with one token"),
    variant("matvec_q8_0_2", "matvec_q8_0.wgsl", "matvec_q8_0", TOKENS_2, "product of Q8_0 weights with two tokens"),
    variant("matvec_q8_0_4", "matvec_q8_0.wgsl", "matvec_q8_0", TOKENS_4, "product of Q8_0 weights with four tokens"),
    variant("matvec_q8_0_8", "matvec_q8_0.wgsl", "matvec_q8_0", TOKENS_8, "product of Q8_0 weights with eight tokens"),
    variant("penalties", "penalties.wgsl", "penalties", NONE, "penalties for tokens that occurred"),
    variant("quantise", "quantise.wgsl", "quantise", NONE, "activations to 8 bits"),
    variant("rms_norm_f16", "rms_norm.wgsl", "rms_norm_f16", NONE, "RMS normalisation, to f16"),
    variant("rms_norm_f16_add", "rms_norm.wgsl", "rms_norm_f16", RESIDUAL, "residual add, then RMS normalisation, to f16"),
    variant("rms_norm_f32", "rms_norm.wgsl", "rms_norm_f32", NONE, "RMS normalisation, to f32"),
    variant("rms_norm_f32_add", "rms_norm.wgsl", "rms_norm_f32", RESIDUAL, "residual add, then RMS normalisation, to f32"),
    variant("rms_norm_q8", "rms_norm.wgsl", "rms_norm_q8", NONE, "RMS normalisation, to 8 bits"),
    variant("rms_norm_q8_add", "rms_norm.wgsl", "rms_norm_q8", RESIDUAL, "residual add, then RMS normalisation, to 8 bits"),
    variant("rope_64", "rope.wgsl", "rope", ROTATE_64, "rotation of neighbours and write to the cache, heads of 64"),
    variant("rope_64_neox", "rope.wgsl", "rope", ROTATE_64_NEOX, "rotation of halves and write to the cache, heads of 64"),
    variant("rope_128", "rope.wgsl", "rope", ROTATE_128, "rotation of neighbours and write to the cache, heads of 128"),
    variant("rope_128_neox", "rope.wgsl", "rope", ROTATE_128_NEOX, "rotation of halves and write to the cache, heads of 128"),
    variant("sample", "sample.wgsl", "sample", NONE, "temperature, top-k, top-p, min-p and draw"),
    variant("silu_f16", "silu.wgsl", "silu_f16", NONE, "silu(gate) * up, to f16"),
    variant("silu_f32", "silu.wgsl", "silu_f32", NONE, "silu(gate) * up, to f32"),
    variant("silu_q8", "silu.wgsl", "silu_q8", NONE, "silu(gate) * up, to 8 bits"),
];
