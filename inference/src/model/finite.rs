//! Looks at every weight for NaN and infinity, which make every answer worthless: a damaged or badly converted file.

use alloc::string::String;

use half::f16;

use super::{Model, ModelError, WeightType};
use crate::gguf::Header;

/// Blocks that are looked at between two branches, so that the compiler makes vector instructions of the rest.
const CHUNK: usize = 512;

const Q8_0_BYTES: usize = WeightType::Q8_0.block_bytes();
const Q4_0_BYTES: usize = WeightType::Q4_0.block_bytes();

impl Model {
    /// Checks that every weight is a finite number; `header` is the one that the model's plan was made of. It reads all
    /// tensors, at the pace of memory.
    ///
    /// # Errors
    /// [`ModelError::NotFinite`] names the tensor and the element or block.
    pub fn check_weights(&self, header: &Header) -> Result<(), ModelError> {
        let data = (*self.data).as_ref();
        for (name, info) in header.tensors() {
            // A tensor past the end belongs to another header.
            let end = (info.offset + info.length) as usize;
            let bytes = data
                .get(info.offset as usize..end)
                .ok_or(ModelError::DataLength {
                    found: data.len(),
                    expected: end,
                })?;
            if let Some((index, found)) = first_not_finite(info.weight_type, bytes) {
                return Err(ModelError::NotFinite {
                    name: String::from(name),
                    unit: match info.weight_type.block_elements() {
                        1 => "element",
                        _ => "block",
                    },
                    index,
                    found,
                });
            }
        }
        Ok(())
    }
}

/// The first block whose element, or whose scale, is no finite number.
fn first_not_finite(weight_type: WeightType, bytes: &[u8]) -> Option<(usize, f32)> {
    let half = |bytes: [u8; 2]| f16::from_le_bytes(bytes);
    let index = match weight_type {
        WeightType::F32 => position(bytes, |b| f32::from_le_bytes(*b).is_finite()),
        WeightType::F16 => position(bytes, |b| half(*b).is_finite()),
        WeightType::Q8_0 => position(bytes, |b: &[u8; Q8_0_BYTES]| half([b[0], b[1]]).is_finite()),
        WeightType::Q4_0 => position(bytes, |b: &[u8; Q4_0_BYTES]| half([b[0], b[1]]).is_finite()),
    }?;
    let block = &bytes[index * weight_type.block_bytes()..];
    let found = match (weight_type, block) {
        (WeightType::F32, [a, b, c, d, ..]) => f32::from_le_bytes([*a, *b, *c, *d]),
        (_, [a, b, ..]) => half([*a, *b]).to_f32(),
        _ => return None,
    };
    Some((index, found))
}

/// The first block of `N` bytes that is not finite.
fn position<const N: usize>(bytes: &[u8], is_finite: impl Fn(&[u8; N]) -> bool) -> Option<usize> {
    let blocks = bytes.as_chunks::<N>().0;
    let sound = |chunk: &[[u8; N]]| chunk.iter().fold(true, |all, block| all & is_finite(block));
    let first = blocks.chunks(CHUNK).position(|chunk| !sound(chunk))? * CHUNK;
    let bad = blocks[first..].iter().position(|block| !is_finite(block))?;
    Some(first + bad)
}
