//! What a model is once its file was checked: hyperparameters, tensors with known shapes, and the bytes they lie in.
//!
//! A [`Model`] can only be made from a checked GGUF header, so whoever holds one may trust every shape and range in it.
//! The way there has two steps, so that nothing large is read for a file that cannot be used: [`Plan::new`] checks the
//! header, then [`Plan::with_data`] takes the bytes. [`Model::check_weights`] looks at every weight, for whoever has the time.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use crate::gguf::Header;

mod error;
mod finite;
mod hyperparameters;
mod plan;
#[cfg(test)]
mod tests;

pub use error::ModelError;
pub use plan::{Data, Plan};

/// Element type of a stored tensor, with GGUF's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WeightType {
    /// IEEE binary32, little-endian.
    F32,
    /// IEEE binary16, little-endian.
    F16,
    /// Blocks of 32: one binary16 scale, then 32 signed bytes. 34 bytes.
    Q8_0,
    /// Blocks of 32: one binary16 scale, then 16 bytes; byte `i` holds element `i` in its low and element `i + 16` in its
    /// high nibble, each minus 8. 18 bytes.
    Q4_0,
}

impl WeightType {
    /// Elements per block.
    #[must_use]
    pub const fn block_elements(self) -> usize {
        match self {
            Self::F32 | Self::F16 => 1,
            Self::Q8_0 | Self::Q4_0 => 32,
        }
    }

    /// Bytes per block.
    #[must_use]
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::Q8_0 => 2 + 32,
            Self::Q4_0 => 2 + 16,
        }
    }
}

/// A matrix (or, with one row, a vector) inside the model's data. `columns` is the fast dimension, a multiple of the
/// type's block; row `r` starts at byte `r * row_bytes()` of the tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// How elements are stored.
    pub weight_type: WeightType,
    /// Output dimension of a product with this matrix (GGUF `ne[1]`); 1 for a vector.
    pub rows: usize,
    /// Input dimension of a product with this matrix (GGUF `ne[0]`).
    pub columns: usize,
    /// Where the tensor lies in [`Model::data`], in bytes.
    pub range: Range<usize>,
}

impl Tensor {
    /// Bytes of one row.
    #[must_use]
    pub const fn row_bytes(&self) -> usize {
        self.columns / self.weight_type.block_elements() * self.weight_type.block_bytes()
    }
}

/// Shape of a Llama-architecture model; names follow GGUF's `llama.*` keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hyperparameters {
    /// `context_length`: positions the model was trained for.
    pub context_length: usize,
    /// `embedding_length`: width of the residual stream.
    pub embedding_length: usize,
    /// `block_count`: layers.
    pub block_count: usize,
    /// `feed_forward_length`.
    pub feed_forward_length: usize,
    /// `attention.head_count`: query heads.
    pub head_count: usize,
    /// `attention.head_count_kv`: key and value heads; divides `head_count`.
    pub head_count_kv: usize,
    /// Elements per head, for keys, queries and values alike.
    pub head_length: usize,
    /// `attention.layer_norm_rms_epsilon`.
    pub rms_epsilon: f32,
    /// `rope.dimension_count`: leading elements of each head that are rotated; even.
    pub rope_dimensions: usize,
    /// `rope.freq_base`.
    pub rope_base: f32,
    /// Multiplies positions before rotation: 1 / `rope.scaling.factor` for linear scaling, else 1.
    pub rope_frequency_scale: f32,
    /// Tokens in the vocabulary: rows of the embedding.
    pub vocabulary: usize,
}

/// One transformer layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LlamaLayer {
    /// `attn_norm`, F32, `[embedding]`.
    pub attention_norm: Tensor,
    /// `attn_q`, `[head_count * head_length, embedding]` (rows, columns).
    pub query: Tensor,
    /// `attn_k`, `[head_count_kv * head_length, embedding]`.
    pub key: Tensor,
    /// `attn_v`, `[head_count_kv * head_length, embedding]`.
    pub value: Tensor,
    /// `attn_output`, `[embedding, head_count * head_length]`.
    pub attention_output: Tensor,
    /// `ffn_norm`, F32, `[embedding]`.
    pub feed_forward_norm: Tensor,
    /// `ffn_gate`, `[feed_forward, embedding]`.
    pub gate: Tensor,
    /// `ffn_up`, `[feed_forward, embedding]`.
    pub up: Tensor,
    /// `ffn_down`, `[embedding, feed_forward]`.
    pub down: Tensor,
}

/// A checked model with its weights in memory.
pub struct Model {
    plan: Plan,
    data: Arc<Data>,
}

impl Model {
    /// The model's shape.
    #[must_use]
    pub fn hyperparameters(&self) -> &Hyperparameters {
        &self.plan.hyperparameters
    }

    /// `token_embd`, `[vocabulary, embedding]`.
    #[must_use]
    pub fn token_embedding(&self) -> &Tensor {
        &self.plan.token_embedding
    }

    /// `output_norm`, F32, `[embedding]`.
    #[must_use]
    pub fn output_norm(&self) -> &Tensor {
        &self.plan.output_norm
    }

    /// The matrix that makes logits, `[vocabulary, embedding]`: `output`, or the embedding where the file ties them.
    #[must_use]
    pub fn output(&self) -> &Tensor {
        let plan = &self.plan;
        plan.output.as_ref().unwrap_or(&plan.token_embedding)
    }

    /// `rope_freqs`, F32, `[rope_dimensions / 2]`: each rotation's frequency is divided by its factor (Llama 3.1).
    #[must_use]
    pub fn rope_factors(&self) -> Option<&Tensor> {
        self.plan.rope_factors.as_ref()
    }

    /// The layers, first to last.
    #[must_use]
    pub fn layers(&self) -> &[LlamaLayer] {
        &self.plan.layers
    }

    /// The bytes of a tensor of this model.
    #[must_use]
    pub fn bytes(&self, tensor: &Tensor) -> &[u8] {
        // PANIC: a tensor's range was checked against the data when the model was made.
        &(*self.data).as_ref()[tensor.range.clone()]
    }
}

/// The model's name as clients and the `ready` line use it: `general.name` in letters, digits, `.`, `_` and `-` alone,
/// or `model` where the file gives none.
#[must_use]
pub fn name(header: &Header) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let name = header.string("general.name").unwrap_or_default();
    let parts = name.split(|c| !allowed(c)).filter(|part| !part.is_empty());
    let name = parts.collect::<Vec<_>>().join("-");
    if name.is_empty() {
        "model".into()
    } else {
        name
    }
}
