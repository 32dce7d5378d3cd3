//! What a model file says about its tokenizer, before any of it is checked.

use alloc::vec::Vec;

use crate::gguf::{Array, Header, KeyError, Strings, Value, optional};

/// The `tokenizer.ggml.*` items, borrowed from wherever they were read.
#[derive(Clone, Debug, Default)]
pub struct Metadata<'a> {
    /// `tokenizer.ggml.model`: the algorithm.
    pub model: &'a str,
    /// `tokenizer.ggml.pre`: how text is cut into words before merging.
    pub pre: Option<&'a str>,
    /// `tokenizer.ggml.tokens`: the text of every token.
    pub tokens: Vec<&'a str>,
    /// `tokenizer.ggml.scores`: higher merges first (`llama`).
    pub scores: Option<Vec<f32>>,
    /// `tokenizer.ggml.token_type`.
    pub token_types: Option<Vec<i32>>,
    /// `tokenizer.ggml.merges`: earlier merges first (`gpt2`).
    pub merges: Option<Vec<&'a str>>,
    /// The ids of tokens with a role, in the order of [`ROLE_KEYS`].
    pub roles: [Option<u32>; ROLE_KEYS.len()],
    /// `tokenizer.ggml.add_bos_token`.
    pub add_bos: Option<bool>,
    /// `tokenizer.ggml.add_eos_token`.
    pub add_eos: Option<bool>,
    /// `tokenizer.ggml.add_space_prefix`.
    pub add_space_prefix: Option<bool>,
}

impl<'a> Metadata<'a> {
    /// Collects the items from a file's header.
    ///
    /// # Errors
    /// [`KeyError`] if one has the wrong type, or the model or the tokens are missing.
    pub fn from_gguf(header: &'a Header) -> Result<Self, KeyError> {
        let scores = match header.get("tokenizer.ggml.scores") {
            Some(Value::Array(Array::I32(scores))) => {
                Some(scores.iter().map(|&score| score as f32).collect())
            }
            _ => optional(header.f32s("tokenizer.ggml.scores"))?.map(<[f32]>::to_vec),
        };
        let mut roles = [None; ROLE_KEYS.len()];
        for (role, key) in roles.iter_mut().zip(ROLE_KEYS) {
            *role = optional(header.u32(key))?;
        }
        let list = |strings: &'a Strings| strings.iter().collect::<Vec<_>>();
        Ok(Self {
            model: header.string("tokenizer.ggml.model")?,
            pre: optional(header.string("tokenizer.ggml.pre"))?,
            tokens: list(header.strings("tokenizer.ggml.tokens")?),
            scores,
            token_types: optional(header.i32s("tokenizer.ggml.token_type"))?.map(<[i32]>::to_vec),
            merges: optional(header.strings("tokenizer.ggml.merges"))?.map(list),
            roles,
            add_bos: optional(header.bool("tokenizer.ggml.add_bos_token"))?,
            add_eos: optional(header.bool("tokenizer.ggml.add_eos_token"))?,
            add_space_prefix: optional(header.bool("tokenizer.ggml.add_space_prefix"))?,
        })
    }
}

/// Index in [`ROLE_KEYS`] of the token that begins a text.
pub const BOS: usize = 0;
/// Index in [`ROLE_KEYS`] of the token that ends a text.
pub const EOS: usize = 1;
/// Index in [`ROLE_KEYS`] of the token for text that nothing else stands for.
pub const UNKNOWN: usize = 2;
/// Index in [`ROLE_KEYS`] of the first of the six fill-in-the-middle tokens.
pub(super) const FIRST_FILL_ROLE: usize = 5;
/// Indices in [`ROLE_KEYS`] of the tokens that end a generation.
pub(super) const END_ROLES: [usize; 6] = [EOS, 3, 4, 8, 9, 10];

/// The metadata keys of tokens with a role.
pub const ROLE_KEYS: [&str; 11] = [
    "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.eos_token_id",
    "tokenizer.ggml.unknown_token_id",
    "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.eom_token_id",
    "tokenizer.ggml.fim_pre_token_id",
    "tokenizer.ggml.fim_suf_token_id",
    "tokenizer.ggml.fim_mid_token_id",
    "tokenizer.ggml.fim_pad_token_id",
    "tokenizer.ggml.fim_rep_token_id",
    "tokenizer.ggml.fim_sep_token_id",
];
