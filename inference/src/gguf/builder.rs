//! Writes GGUF files: for tests of every room, and to show that reading is the inverse of writing.

use alloc::string::String;
use alloc::vec::Vec;

use super::tensor::type_id;
use super::value::{Value, write_string};
use super::{DEFAULT_ALIGNMENT, MAGIC};
use crate::model::WeightType;

/// Collects keys and tensors, then makes the bytes of a file. Nothing is checked: that is the reader's work.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    values: Vec<(String, Value)>,
    tensors: Vec<(String, Vec<u64>, WeightType, Vec<u8>)>,
}

impl Builder {
    /// An empty file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `key`, or replaces its value.
    pub fn value(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.values.retain(|(existing, _)| existing != key);
        self.values.push((key.into(), value.into()));
        self
    }

    /// Removes `key`.
    pub fn without(&mut self, key: &str) -> &mut Self {
        self.values.retain(|(existing, _)| existing != key);
        self
    }

    /// Adds a tensor with its data, or replaces one; `dimensions` has the fast one first.
    pub fn tensor(
        &mut self,
        name: &str,
        dimensions: &[u64],
        weight_type: WeightType,
        data: Vec<u8>,
    ) -> &mut Self {
        self.tensors.retain(|(existing, ..)| existing != name);
        self.tensors
            .push((name.into(), dimensions.into(), weight_type, data));
        self
    }

    /// Removes a tensor.
    pub fn without_tensor(&mut self, name: &str) -> &mut Self {
        self.tensors.retain(|(existing, ..)| existing != name);
        self
    }

    /// The file, version 3.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(MAGIC);
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.values.len() as u64).to_le_bytes());
        for (key, value) in &self.values {
            write_string(key, &mut out);
            out.extend(value.type_id().to_le_bytes());
            value.write(&mut out);
        }
        let mut offset = 0;
        for (name, dimensions, weight_type, data) in &self.tensors {
            write_string(name, &mut out);
            out.extend((dimensions.len() as u32).to_le_bytes());
            dimensions.iter().for_each(|d| out.extend(d.to_le_bytes()));
            out.extend(type_id(*weight_type).to_le_bytes());
            out.extend((offset as u64).to_le_bytes());
            offset = (offset + data.len()).next_multiple_of(DEFAULT_ALIGNMENT as usize);
        }
        for (_, _, _, data) in &self.tensors {
            out.resize(out.len().next_multiple_of(DEFAULT_ALIGNMENT as usize), 0);
            out.extend(data);
        }
        out
    }
}
