//! The memory of the KV cache: F16 keys and values in blocks of [`KV_BLOCK_TOKENS`] positions.
//!
//! Both halves are `[layer][block][kv head][position in block][element]`, so that what attention reads of a block for one
//! head is one run of bytes, in the layout that row kernels expect of F16 weights.

use alloc::vec::Vec;
use core::ops::Range;

use inference::ids::BlockId;
use inference::limits::KV_BLOCK_TOKENS;
use inference::model::Hyperparameters;

use crate::memory::{CpuError, product, zeroed};

/// Bytes of an element.
const F16_BYTES: usize = 2;

pub(crate) struct KvCache {
    keys: Vec<u8>,
    values: Vec<u8>,
    blocks: usize,
    heads: usize,
    head_bytes: usize,
}

impl KvCache {
    /// Bytes of a cache, keys and values together.
    pub(crate) fn bytes(shape: &Hyperparameters, blocks: usize) -> Result<usize, CpuError> {
        product(&[
            2,
            shape.block_count,
            blocks,
            shape.head_count_kv,
            KV_BLOCK_TOKENS,
            shape.head_length,
            F16_BYTES,
        ])
    }

    pub(crate) fn new(shape: &Hyperparameters, blocks: usize) -> Result<Self, CpuError> {
        let half = Self::bytes(shape, blocks)? / 2;
        Ok(Self {
            keys: zeroed("the keys of the KV cache", half)?,
            values: zeroed("the values of the KV cache", half)?,
            blocks,
            heads: shape.head_count_kv,
            head_bytes: shape.head_length * F16_BYTES,
        })
    }

    /// Where a block's rows of one head lie.
    fn rows(&self, layer: usize, block: BlockId, head: usize) -> Range<usize> {
        let bytes = KV_BLOCK_TOKENS * self.head_bytes;
        let start = ((layer * self.blocks + block.0 as usize) * self.heads + head) * bytes;
        start..start + bytes
    }

    /// Key rows of a block: one for each of its positions.
    pub(crate) fn keys(&self, layer: usize, block: BlockId, head: usize) -> &[u8] {
        &self.keys[self.rows(layer, block, head)]
    }

    /// Value rows of a block: one for each of its positions.
    pub(crate) fn values(&self, layer: usize, block: BlockId, head: usize) -> &[u8] {
        &self.values[self.rows(layer, block, head)]
    }

    /// Stores the keys and values, `[kv head][element]`, of one position.
    pub(crate) fn store(
        &mut self,
        layer: usize,
        block: BlockId,
        slot: usize,
        keys: &[f32],
        values: &[f32],
    ) {
        let head_length = self.head_bytes / F16_BYTES;
        for head in 0..self.heads {
            let start = self.rows(layer, block, head).start + slot * self.head_bytes;
            let elements = head * head_length..(head + 1) * head_length;
            let bytes = start..start + self.head_bytes;
            encode(&keys[elements.clone()], &mut self.keys[bytes.clone()]);
            encode(&values[elements], &mut self.values[bytes]);
        }
    }
}

/// Converts to F16, rounding to the nearest.
fn encode(values: &[f32], out: &mut [u8]) {
    for (value, out) in values.iter().zip(out.chunks_exact_mut(F16_BYTES)) {
        out.copy_from_slice(&half::f16::from_f32(*value).to_le_bytes());
    }
}
