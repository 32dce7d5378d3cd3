//! The kernels: which entry point of which WGSL file with which constants, and what for. `build.rs` compiles every row.

/// A WGSL file.
macro_rules! file {
    ($name:literal) => {
        ($name, include_str!(concat!("../wgsl/", $name)))
    };
}

/// Name and text of each WGSL file.
pub const SOURCES: &[(&str, &str)] = &[
    file!("matvec_f16.wgsl"),
    file!("matvec_q4_0.wgsl"),
    file!("matvec_q4_k.wgsl"),
    file!("matvec_q6_k.wgsl"),
    file!("matvec_q8_0.wgsl"),
    file!("quantise.wgsl"),
    file!("rms_norm.wgsl"),
    file!("rope.wgsl"),
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
const HEAD_64: Overrides = &[("HEAD", 64.0), ("ROTATED", 64.0)];
const HEAD_64_NEOX: Overrides = &[("HEAD", 64.0), ("ROTATED", 64.0), ("NEOX", 1.0)];
const HEAD_128: Overrides = &[("HEAD", 128.0), ("ROTATED", 128.0)];
const HEAD_128_NEOX: Overrides = &[("HEAD", 128.0), ("ROTATED", 128.0), ("NEOX", 1.0)];

/// Every kernel.
#[rustfmt::skip]
pub const VARIANTS: &[Variant] = &[
    variant("matvec_f16_1", "matvec_f16.wgsl", "matvec_f16", TOKENS_1, "product of F16 weights with one token"),
    variant("matvec_f16_2", "matvec_f16.wgsl", "matvec_f16", TOKENS_2, "with two tokens"),
    variant("matvec_f16_4", "matvec_f16.wgsl", "matvec_f16", TOKENS_4, "with four tokens"),
    variant("matvec_f16_8", "matvec_f16.wgsl", "matvec_f16", TOKENS_8, "with eight tokens"),
    variant("matvec_q4_0_1", "matvec_q4_0.wgsl", "matvec_q4_0", TOKENS_1, "product of Q4_0 weights with one token"),
    variant("matvec_q4_0_2", "matvec_q4_0.wgsl", "matvec_q4_0", TOKENS_2, "with two tokens"),
    variant("matvec_q4_0_4", "matvec_q4_0.wgsl", "matvec_q4_0", TOKENS_4, "with four tokens"),
    variant("matvec_q4_0_8", "matvec_q4_0.wgsl", "matvec_q4_0", TOKENS_8, "with eight tokens"),
    variant("matvec_q4_k_1", "matvec_q4_k.wgsl", "matvec_q4_k", TOKENS_1, "product of Q4_K weights with one token"),
    variant("matvec_q4_k_2", "matvec_q4_k.wgsl", "matvec_q4_k", TOKENS_2, "with two tokens"),
    variant("matvec_q4_k_4", "matvec_q4_k.wgsl", "matvec_q4_k", TOKENS_4, "with four tokens"),
    variant("matvec_q4_k_8", "matvec_q4_k.wgsl", "matvec_q4_k", TOKENS_8, "with eight tokens"),
    variant("matvec_q6_k_1", "matvec_q6_k.wgsl", "matvec_q6_k", TOKENS_1, "product of Q6_K weights with one token"),
    variant("matvec_q6_k_2", "matvec_q6_k.wgsl", "matvec_q6_k", TOKENS_2, "with two tokens"),
    variant("matvec_q6_k_4", "matvec_q6_k.wgsl", "matvec_q6_k", TOKENS_4, "with four tokens"),
    variant("matvec_q6_k_8", "matvec_q6_k.wgsl", "matvec_q6_k", TOKENS_8, "with eight tokens"),
    variant("matvec_q8_0_1", "matvec_q8_0.wgsl", "matvec_q8_0", TOKENS_1, "product of Q8_0 weights with one token"),
    variant("matvec_q8_0_2", "matvec_q8_0.wgsl", "matvec_q8_0", TOKENS_2, "with two tokens"),
    variant("matvec_q8_0_4", "matvec_q8_0.wgsl", "matvec_q8_0", TOKENS_4, "with four tokens"),
    variant("matvec_q8_0_8", "matvec_q8_0.wgsl", "matvec_q8_0", TOKENS_8, "with eight tokens"),
    variant("quantise", "quantise.wgsl", "quantise", NONE, "activations to 8 bits"),
    variant("rms_norm_f16", "rms_norm.wgsl", "rms_norm_f16", NONE, "RMS normalisation, to f16"),
    variant("rms_norm_f16_add", "rms_norm.wgsl", "rms_norm_f16", RESIDUAL, "residual add, then that"),
    variant("rms_norm_f32", "rms_norm.wgsl", "rms_norm_f32", NONE, "RMS normalisation, to f32"),
    variant("rms_norm_f32_add", "rms_norm.wgsl", "rms_norm_f32", RESIDUAL, "residual add, then that"),
    variant("rms_norm_q8", "rms_norm.wgsl", "rms_norm_q8", NONE, "RMS normalisation, to 8 bits"),
    variant("rms_norm_q8_add", "rms_norm.wgsl", "rms_norm_q8", RESIDUAL, "residual add, then that"),
    variant("rope_64", "rope.wgsl", "rope", HEAD_64, "rotation of neighbours and write to the cache, heads of 64"),
    variant("rope_64_neox", "rope.wgsl", "rope", HEAD_64_NEOX, "rotation of halves and write to the cache, heads of 64"),
    variant("rope_128", "rope.wgsl", "rope", HEAD_128, "rotation of neighbours and write to the cache, heads of 128"),
    variant("rope_128_neox", "rope.wgsl", "rope", HEAD_128_NEOX, "rotation of halves and write to the cache, heads of 128"),
    variant("silu_f16", "silu.wgsl", "silu_f16", NONE, "silu(gate) * up, to f16"),
    variant("silu_f32", "silu.wgsl", "silu_f32", NONE, "silu(gate) * up, to f32"),
    variant("silu_q8", "silu.wgsl", "silu_q8", NONE, "silu(gate) * up, to 8 bits"),
];
