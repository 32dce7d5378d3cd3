//! The table of tensors: names, shapes, types and where the data lies.

use alloc::string::String;

use super::error::GgufError;
use super::reader::Reader;
use crate::limits::{MAX_GGUF_NAME_BYTES, MAX_GGUF_RANK};
use crate::model::WeightType;

/// Where a tensor lies and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Elements per dimension, the fast one first; dimensions that the file does not give are 1.
    pub dimensions: [u64; MAX_GGUF_RANK],
    /// How elements are stored.
    pub weight_type: WeightType,
    /// First byte, counted from [`super::Header::data_offset`].
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

/// Names of the element types that GGUF defines, by id, so that an error can name what it refuses.
const TYPE_NAMES: [(u32, &str); 34] = [
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (6, "Q5_0"),
    (7, "Q5_1"),
    (8, "Q8_0"),
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (12, "Q4_K"),
    (13, "Q5_K"),
    (14, "Q6_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (30, "BF16"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
    (40, "NVFP4"),
    (41, "Q1_0"),
];

/// The element types that this program computes with, and their ids.
const WEIGHT_TYPES: [(u32, WeightType); 4] = [
    (0, WeightType::F32),
    (1, WeightType::F16),
    (2, WeightType::Q4_0),
    (8, WeightType::Q8_0),
];

/// The id of a type in a file.
pub(super) fn type_id(wanted: WeightType) -> u32 {
    // PANIC: every variant stands in the table, which a test checks.
    WEIGHT_TYPES
        .iter()
        .find(|(_, weight_type)| *weight_type == wanted)
        .map_or(u32::MAX, |(id, _)| *id)
}

impl TensorInfo {
    /// Reads one entry of the table; whether the range lies in the file is for the header to check.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<(String, Self), GgufError> {
        let mut name = String::new();
        reader.string(MAX_GGUF_NAME_BYTES, "a tensor's name", &mut name)?;
        let rank = reader.u32()?;
        if rank == 0 || rank as usize > MAX_GGUF_RANK {
            return Err(GgufError::TensorRank { name, found: rank });
        }
        let mut dimensions = [1; MAX_GGUF_RANK];
        for dimension in &mut dimensions[..rank as usize] {
            *dimension = reader.u64()?;
            if *dimension == 0 {
                return Err(GgufError::EmptyTensor { name });
            }
        }
        let id = reader.u32()?;
        let Some((_, weight_type)) = WEIGHT_TYPES.iter().find(|row| row.0 == id) else {
            let type_name = TYPE_NAMES.iter().find(|row| row.0 == id).map(|row| row.1);
            return Err(GgufError::TensorType {
                name,
                id,
                type_name,
            });
        };
        let length = match byte_length(*weight_type, &dimensions) {
            Ok(length) => length,
            Err(ShapeError::PartialBlock) => {
                return Err(GgufError::PartialBlock {
                    name,
                    columns: dimensions[0],
                    block: weight_type.block_elements(),
                });
            }
            Err(ShapeError::Overflow) => {
                return Err(GgufError::TensorTooLarge { name, dimensions });
            }
        };
        let offset = reader.u64()?;
        let info = Self {
            dimensions,
            weight_type: *weight_type,
            offset,
            length,
        };
        Ok((name, info))
    }
}

enum ShapeError {
    PartialBlock,
    Overflow,
}

fn byte_length(
    weight_type: WeightType,
    dimensions: &[u64; MAX_GGUF_RANK],
) -> Result<u64, ShapeError> {
    let block = weight_type.block_elements() as u64;
    if !dimensions[0].is_multiple_of(block) {
        return Err(ShapeError::PartialBlock);
    }
    let row = (dimensions[0] / block).checked_mul(weight_type.block_bytes() as u64);
    dimensions[1..]
        .iter()
        .try_fold(row.ok_or(ShapeError::Overflow)?, |bytes, &d| {
            bytes.checked_mul(d)
        })
        .ok_or(ShapeError::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weight_type_has_an_id_and_a_name() {
        for weight_type in [
            WeightType::F32,
            WeightType::F16,
            WeightType::Q8_0,
            WeightType::Q4_0,
        ] {
            let id = type_id(weight_type);
            let name = TYPE_NAMES.iter().find(|row| row.0 == id).unwrap().1;
            assert_eq!(name, std::format!("{weight_type:?}"));
        }
    }
}
