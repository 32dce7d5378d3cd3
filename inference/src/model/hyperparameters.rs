//! Reads a model's shape from the `llama.*` keys and refuses every value that the computation could not stand.

use alloc::format;
use alloc::string::ToString;

use super::{Hyperparameters, ModelError};
use crate::gguf::{Header, optional};
use crate::limits::{
    MAX_CONTEXT, MAX_EMBEDDING, MAX_FEED_FORWARD, MAX_HEAD_LENGTH, MAX_HEADS, MAX_LAYERS,
    MAX_VOCABULARY,
};

/// The base where a file does not name one, as in the first Llama.
const DEFAULT_ROPE_BASE: f32 = 10_000.0;

/// Bounds of linear scaling: models have 1 to 64, and the quotient of a position and such a factor never overflows.
const ABOVE_SCALING: f32 = 1e-3;
const MOST_SCALING: f32 = 1e6;

impl Hyperparameters {
    /// Reads and checks all of them.
    pub(super) fn read(header: &Header) -> Result<Self, ModelError> {
        let architecture = header.string("general.architecture")?;
        if architecture != "llama" {
            return Err(ModelError::Architecture {
                found: architecture.into(),
            });
        }
        refuse_variants(header)?;
        let embedding_length = required(header, "embedding_length", MAX_EMBEDDING)?;
        let head_count = required(header, "attention.head_count", MAX_HEADS)?;
        let head_count_kv =
            integer(header, "attention.head_count_kv", 1, head_count)?.unwrap_or(head_count);
        if !head_count.is_multiple_of(head_count_kv) {
            return Err(ModelError::HeadGroups {
                head_count,
                head_count_kv,
            });
        }
        let head_length = head_length(header, embedding_length, head_count)?;
        let rope_dimensions =
            integer(header, "rope.dimension_count", 2, head_length)?.unwrap_or(head_length);
        if !rope_dimensions.is_multiple_of(2) {
            return Err(ModelError::OddRotation {
                found: rope_dimensions,
            });
        }
        let epsilon = "attention.layer_norm_rms_epsilon";
        let rms_epsilon = float(header, epsilon, 0.0, 0.1)?.ok_or_else(|| missing(epsilon))?;
        Ok(Self {
            context_length: required(header, "context_length", MAX_CONTEXT)?,
            embedding_length,
            block_count: required(header, "block_count", MAX_LAYERS)?,
            feed_forward_length: required(header, "feed_forward_length", MAX_FEED_FORWARD)?,
            head_count,
            head_count_kv,
            head_length,
            rms_epsilon,
            rope_dimensions,
            rope_base: float(header, "rope.freq_base", 1.0, 1e12)?.unwrap_or(DEFAULT_ROPE_BASE),
            rope_frequency_scale: rope_frequency_scale(header)?,
            vocabulary: vocabulary(header)?,
        })
    }
}

fn head_length(
    header: &Header,
    embedding_length: usize,
    head_count: usize,
) -> Result<usize, ModelError> {
    let key_length = match integer(header, "attention.key_length", 1, MAX_HEAD_LENGTH)? {
        Some(found) => found,
        None if embedding_length.is_multiple_of(head_count) => embedding_length / head_count,
        None => {
            return Err(ModelError::HeadLength {
                embedding_length,
                head_count,
            });
        }
    };
    let value_length = integer(header, "attention.value_length", 1, MAX_HEAD_LENGTH)?;
    match value_length {
        Some(value_length) if value_length != key_length => Err(ModelError::ValueLength {
            key_length,
            value_length,
        }),
        _ => Ok(key_length),
    }
}

/// Refuses what would make this another computation than the one that the backends do.
fn refuse_variants(header: &Header) -> Result<(), ModelError> {
    for name in ["expert_count", "expert_used_count"] {
        let key = format!("llama.{name}");
        match optional(header.u32(&key))? {
            None | Some(0) => {}
            Some(found) => return Err(unsupported(name, found, "0 (no mixture of experts)")),
        }
    }
    if optional(header.bool("llama.attention.causal"))? == Some(false) {
        return Err(unsupported("attention.causal", false, "true"));
    }
    match optional(header.f32("llama.rope.scaling.attn_factor"))? {
        None | Some(1.0) => Ok(()),
        Some(found) => Err(unsupported("rope.scaling.attn_factor", found, "1")),
    }
}

fn rope_frequency_scale(header: &Header) -> Result<f32, ModelError> {
    let kind = optional(header.string("llama.rope.scaling.type"))?;
    let factor = match float(header, "rope.scaling.factor", ABOVE_SCALING, MOST_SCALING)? {
        Some(factor) => Some(factor),
        // What old converters wrote instead.
        None => float(header, "rope.scale_linear", ABOVE_SCALING, MOST_SCALING)?,
    };
    match kind {
        Some("none") => Ok(1.0),
        // A factor without a type means linear scaling, too.
        None | Some("linear") => Ok(factor.map_or(1.0, |factor| 1.0 / factor)),
        Some(found) => Err(unsupported(
            "rope.scaling.type",
            format!("{found:?}"),
            "none or linear (Llama 3 scaling comes as tensor rope_freqs.weight)",
        )),
    }
}

/// The number of tokens: as declared, which must agree with the tokenizer's list where both are there.
fn vocabulary(header: &Header) -> Result<usize, ModelError> {
    let tokens = optional(header.strings("tokenizer.ggml.tokens"))?.map(|strings| strings.len());
    match (integer(header, "vocab_size", 1, MAX_VOCABULARY)?, tokens) {
        (Some(declared), Some(tokens)) if declared != tokens => {
            Err(ModelError::Vocabulary { tokens, declared })
        }
        (Some(count), _) | (None, Some(count)) if count > 0 => Ok(count),
        _ => Err(missing("vocab_size")),
    }
}

fn missing(name: &str) -> ModelError {
    ModelError::Key(crate::gguf::KeyError::Missing {
        key: format!("llama.{name}"),
    })
}

fn unsupported(name: &str, found: impl ToString, expected: &'static str) -> ModelError {
    ModelError::Unsupported {
        key: format!("llama.{name}"),
        found: found.to_string(),
        expected,
    }
}

/// The integer `llama.{name}`, from 1 to `most`.
fn required(header: &Header, name: &str, most: usize) -> Result<usize, ModelError> {
    integer(header, name, 1, most)?.ok_or_else(|| missing(name))
}

/// The integer `llama.{name}` where it is there, from `least` to `most`.
fn integer(
    header: &Header,
    name: &str,
    least: usize,
    most: usize,
) -> Result<Option<usize>, ModelError> {
    let key = format!("llama.{name}");
    match optional(header.u32(&key))? {
        Some(found) if !(least..=most).contains(&(found as usize)) => Err(ModelError::Integer {
            key,
            found,
            least,
            most,
        }),
        found => Ok(found.map(|found| found as usize)),
    }
}

/// The float `llama.{name}` where it is there, above `above` and at most `most`; so never NaN.
fn float(header: &Header, name: &str, above: f32, most: f32) -> Result<Option<f32>, ModelError> {
    let key = format!("llama.{name}");
    match optional(header.f32(&key))? {
        Some(found) if !(found > above && found <= most) => Err(ModelError::Float {
            key,
            found,
            above,
            most,
        }),
        found => Ok(found),
    }
}
