//! How the kernels that multiply weights with tokens are launched: grid, immediates and buffers from the shape.

use crate::layout::Weights;
use crate::table::Variant;

/// A kernel of `matvec_*.wgsl` or `matmul.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Type of its weights.
    pub weights: Weights,
    /// Tokens of a workgroup.
    pub tokens: usize,
    /// The activations are padded to a multiple of this many tokens.
    pub granule: usize,
    /// It is of `matmul.wgsl`: the activations are f16 and `y` is padded.
    pub matmul: bool,
}

/// Shape of a product: `y[t][r] (+)= sum over k of w[r][k] * x[t][k]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductShape {
    /// Rows of the weights.
    pub rows: usize,
    /// Columns of the weights: a multiple of 32, for Q4_K and Q6_K of 256.
    pub columns: usize,
    /// Rows of `x` and `y`.
    pub tokens: usize,
    /// Elements of `y` from one token to the next, at least [`Product::least_stride`].
    pub stride: usize,
    /// Whether the product is added to `y`.
    pub add: bool,
}

/// A storage buffer of a launch: its binding and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductBuffer {
    /// `@binding`.
    pub binding: u32,
    /// Size.
    pub bytes: usize,
}

/// Columns of a tile of 8-bit activations.
const TILE: usize = 1024;
/// Rows of a workgroup of `matmul.wgsl`.
const MATMUL_ROWS: usize = 128;
/// Tokens of one.
const MATMUL_TOKENS: usize = 128;

impl Product {
    /// What the kernel multiplies, if it is such a kernel.
    #[must_use]
    pub fn of(variant: &Variant) -> Option<Self> {
        let constant = |name| {
            let found = variant.overrides.iter().find(|(at, _)| *at == name);
            found.map(|(_, value)| *value as usize)
        };
        let (weights, matmul) = match variant.entry {
            "matvec_f16" => (Weights::F16, false),
            "matvec_q8_0" => (Weights::Q8_0, false),
            "matvec_q4_0" => (Weights::Q4_0, false),
            "matvec_q4_k" => (Weights::Q4K, false),
            "matvec_q6_k" => (Weights::Q6K, false),
            "matmul" => (Weights::ALL[constant("WEIGHTS")?], true),
            _ => return None,
        };
        let granule = constant(if matmul { "GRANULE" } else { "TOKENS" })?;
        let tokens = if matmul { MATMUL_TOKENS } else { granule };
        Some(Self {
            weights,
            tokens,
            granule,
            matmul,
        })
    }

    /// Elements that `y` must have from one token to the next.
    #[must_use]
    pub const fn least_stride(&self, rows: usize) -> usize {
        if self.matmul {
            rows.next_multiple_of(MATMUL_ROWS)
        } else {
            rows
        }
    }

    /// Workgroups.
    #[must_use]
    pub const fn groups(&self, shape: &ProductShape) -> [u32; 3] {
        let rows = if self.matmul {
            shape.rows.div_ceil(MATMUL_ROWS)
        } else {
            shape.rows
        };
        [rows as u32, shape.tokens.div_ceil(self.tokens) as u32, 1]
    }

    /// The four words of immediates.
    #[must_use]
    pub const fn immediates(&self, shape: &ProductShape) -> [u32; 4] {
        let units = match self.weights {
            Weights::F16 if !self.matmul => shape.columns / 8,
            _ => shape.columns / 32,
        };
        let first = if self.matmul {
            [shape.rows, units]
        } else {
            [units, shape.tokens]
        };
        [
            first[0] as u32,
            first[1] as u32,
            shape.stride as u32,
            shape.add as u32,
        ]
    }

    /// The buffers: the planes of the weights, what holds the activations, and last `y`. Entries beyond are `None`.
    #[must_use]
    pub fn buffers(&self, shape: &ProductShape) -> [Option<ProductBuffer>; 7] {
        let planes = self.weights.plane_bytes(shape.columns);
        let padded = shape.tokens.next_multiple_of(self.granule);
        let plane_bindings: [u32; 4] = match (self.matmul, self.weights) {
            (false, _) => [0, 1, 5, 6],
            (true, Weights::Q4K) => [0, 2, 0, 0],
            (true, Weights::Q6K) => [0, 3, 4, 5],
            (true, _) => [0, 1, 0, 0],
        };
        let mut buffers = [None; 7];
        let mut count = 0;
        let mut push = |binding, bytes| {
            buffers[count] = Some(ProductBuffer { binding, bytes });
            count += 1;
        };
        for (binding, bytes) in plane_bindings.into_iter().zip(planes) {
            if bytes > 0 {
                push(binding, bytes * shape.rows);
            }
        }
        let tiles = padded * shape.columns.div_ceil(TILE);
        match (self.matmul, self.weights) {
            (true, _) => push(6, padded * shape.columns * 2),
            (false, Weights::F16) => push(2, padded * shape.columns * 4),
            (false, _) => {
                push(2, tiles * TILE);
                push(3, tiles * TILE / 32 * 4);
            }
        }
        let (binding, tokens) = if self.matmul {
            (7, padded)
        } else {
            (4, shape.tokens)
        };
        push(binding, tokens * shape.stride * 4);
        buffers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variant;

    #[test]
    fn buffers_hold_the_weights_once() {
        let shape = ProductShape {
            rows: 4096,
            columns: 4096,
            tokens: 1,
            stride: 4096,
            add: false,
        };
        for name in ["matvec_q4_0_1", "matmul_q4_0_128"] {
            let product = Product::of(variant(name).expect("it is in the table"));
            let product = product.expect("it is a product");
            let buffers = product.buffers(&shape);
            let weights: usize = buffers[..2].iter().flatten().map(|b| b.bytes).sum();
            assert_eq!(weights, 4096 * 4096 / 32 * 18, "{name}");
        }
        assert_eq!(
            Product::of(variant("silu_f32").expect("it is in the table")),
            None
        );
    }
}
