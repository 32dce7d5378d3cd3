//! From a header to a model: which tensor is which, and whether each has the type and shape that the graph needs.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Hyperparameters, LlamaLayer, Model, ModelError, Tensor, WeightType};
use crate::gguf::{Header, TensorInfo};

/// Bytes that a model keeps alive: a vector, a mapped file, a region of physical memory.
pub type Data = dyn AsRef<[u8]> + Send + Sync;

/// Bounds of what a rotation's frequency is divided by: models have 1 to 64, and no angle of any position overflows.
const LEAST_ROPE_FACTOR: f32 = 1e-6;
const MOST_ROPE_FACTOR: f32 = 1e6;

/// A checked header: everything of a model but its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(super) hyperparameters: Hyperparameters,
    pub(super) token_embedding: Tensor,
    pub(super) output_norm: Tensor,
    pub(super) output: Option<Tensor>,
    pub(super) rope_factors: Option<Tensor>,
    pub(super) layers: Vec<LlamaLayer>,
    data_length: usize,
}

impl Plan {
    /// Checks that `header` describes a model that the backends can compute.
    ///
    /// # Errors
    /// [`ModelError`] names the key or tensor that is absent, wrong or unknown.
    pub fn new(header: &Header) -> Result<Self, ModelError> {
        let data_length =
            usize::try_from(header.data_length()).map_err(|_| ModelError::TooLarge {
                bytes: header.data_length(),
            })?;
        let shape = Hyperparameters::read(header)?;
        let mut tensors = Tensors {
            unused: header.tensors().collect(),
        };
        let embedding = shape.embedding_length;
        let plan = Self {
            hyperparameters: shape,
            token_embedding: tensors.matrix("token_embd.weight", shape.vocabulary, embedding)?,
            output_norm: tensors.vector("output_norm.weight", embedding)?,
            output: tensors.optional(|t| t.matrix("output.weight", shape.vocabulary, embedding))?,
            rope_factors: tensors
                .optional(|t| t.vector("rope_freqs.weight", shape.rope_dimensions / 2))?,
            layers: (0..shape.block_count)
                .map(|index| layer(&mut tensors, index, &shape))
                .collect::<Result<_, _>>()?,
            data_length,
        };
        match tensors.unused.first_key_value() {
            Some((name, _)) => Err(ModelError::UnknownTensor {
                name: String::from(*name),
            }),
            None => Ok(plan),
        }
    }

    /// The model's shape.
    #[must_use]
    pub fn hyperparameters(&self) -> &Hyperparameters {
        &self.hyperparameters
    }

    /// Bytes of tensor data that [`Plan::with_data`] takes.
    #[must_use]
    pub fn data_length(&self) -> usize {
        self.data_length
    }

    /// Joins the plan with the file's bytes from [`Header::data_offset`] on; more bytes than needed may follow.
    ///
    /// # Errors
    /// [`ModelError::DataLength`] if there are too few, [`ModelError::RopeFactor`] if one of those is out of
    /// bounds.
    pub fn with_data(self, data: Arc<Data>) -> Result<Model, ModelError> {
        let found = (*data).as_ref().len();
        if found < self.data_length {
            return Err(ModelError::DataLength {
                found,
                expected: self.data_length,
            });
        }
        let model = Model { plan: self, data };
        if let Some(tensor) = model.rope_factors() {
            for (index, bytes) in model.bytes(tensor).as_chunks().0.iter().enumerate() {
                let found = f32::from_le_bytes(*bytes);
                if !(LEAST_ROPE_FACTOR..=MOST_ROPE_FACTOR).contains(&found) {
                    return Err(ModelError::RopeFactor {
                        index,
                        found,
                        least: LEAST_ROPE_FACTOR,
                        most: MOST_ROPE_FACTOR,
                    });
                }
            }
        }
        Ok(model)
    }
}

fn layer(
    tensors: &mut Tensors<'_>,
    index: usize,
    shape: &Hyperparameters,
) -> Result<LlamaLayer, ModelError> {
    let embedding = shape.embedding_length;
    let feed_forward = shape.feed_forward_length;
    let queries = shape.head_count * shape.head_length;
    let keys = shape.head_count_kv * shape.head_length;
    let name = |part: &str| format!("blk.{index}.{part}.weight");
    Ok(LlamaLayer {
        attention_norm: tensors.vector(&name("attn_norm"), embedding)?,
        query: tensors.matrix(&name("attn_q"), queries, embedding)?,
        key: tensors.matrix(&name("attn_k"), keys, embedding)?,
        value: tensors.matrix(&name("attn_v"), keys, embedding)?,
        attention_output: tensors.matrix(&name("attn_output"), embedding, queries)?,
        feed_forward_norm: tensors.vector(&name("ffn_norm"), embedding)?,
        gate: tensors.matrix(&name("ffn_gate"), feed_forward, embedding)?,
        up: tensors.matrix(&name("ffn_up"), feed_forward, embedding)?,
        down: tensors.matrix(&name("ffn_down"), embedding, feed_forward)?,
    })
}

/// The file's tensors that no part of the model has claimed yet.
struct Tensors<'a> {
    unused: BTreeMap<&'a str, &'a TensorInfo>,
}

impl Tensors<'_> {
    fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<Tensor, ModelError> {
        let info = self
            .unused
            .remove(name)
            .ok_or_else(|| ModelError::MissingTensor { name: name.into() })?;
        let expected = [columns as u64, rows as u64, 1, 1];
        if info.dimensions != expected {
            return Err(ModelError::Shape {
                name: name.into(),
                found: info.dimensions,
                expected,
            });
        }
        // The header saw that the tensor ends inside the data, whose length fits into `usize`.
        let start = info.offset as usize;
        Ok(Tensor {
            weight_type: info.weight_type,
            rows,
            columns,
            range: start..start + info.length as usize,
        })
    }

    fn vector(&mut self, name: &str, length: usize) -> Result<Tensor, ModelError> {
        let tensor = self.matrix(name, 1, length)?;
        match tensor.weight_type {
            WeightType::F32 => Ok(tensor),
            found => Err(ModelError::NormType {
                name: name.into(),
                found,
            }),
        }
    }

    fn optional(
        &mut self,
        take: impl FnOnce(&mut Self) -> Result<Tensor, ModelError>,
    ) -> Result<Option<Tensor>, ModelError> {
        match take(self) {
            Ok(tensor) => Ok(Some(tensor)),
            Err(ModelError::MissingTensor { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
