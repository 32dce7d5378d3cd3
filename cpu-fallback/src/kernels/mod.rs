//! The few loops where nearly all time is spent: dot products of weight rows with activations.
//!
//! A [`Kernels`] table holds, for one instruction set, one [`RowKernel`] per weight type. The set is chosen once, when a
//! backend is made, by CPUID. All sets compute the same bits, because each follows the order of [`lanes`]: the scalar code
//! is the definition, and the tests compare the others with it for equality.
//!
//! Where to start reading: [`lanes`], then [`floats`] (F32 and F16) and [`blocks`] (Q8_0 and Q4_0), each with scalar,
//! AVX2 and AVX-512 side by side; the files named after a weight type say how its bytes become numbers.

mod blocks;
mod detect;
mod f16_weights;
mod f32_weights;
mod floats;
pub(crate) mod lanes;
mod q4_0;
mod q8_0;

use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
use core::fmt;

use inference::model::WeightType;

use f16_weights::F16;
use f32_weights::F32;
use q4_0::Q4_0;
use q8_0::Q8_0;

pub(crate) use blocks::quantise;

/// An instruction set that kernels exist for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KernelSet {
    /// Plain Rust: the definition that the others are compared with.
    Scalar,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// AVX-512 F, BW, VL and VNNI.
    Avx512,
}

impl KernelSet {
    /// Every set, slowest first.
    pub const ALL: [Self; 3] = [Self::Scalar, Self::Avx2, Self::Avx512];

    /// The fastest set that this processor executes.
    #[must_use]
    pub fn detect() -> Self {
        let mut best = Self::Scalar;
        for set in Self::ALL {
            if set.is_supported() {
                best = set;
            }
        }
        best
    }

    /// Whether this processor executes the set and its register state is enabled.
    #[must_use]
    pub fn is_supported(self) -> bool {
        match self {
            Self::Scalar => true,
            Self::Avx2 => detect::features().avx2,
            Self::Avx512 => detect::features().avx512,
        }
    }

    /// Name on command lines: `scalar`, `avx2` or `avx512`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// The set of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.name() == name)
    }

    /// The set's table, if this processor executes it: the only way to get one.
    pub(crate) fn table(self) -> Option<&'static Kernels> {
        let table = match self {
            Self::Scalar => &SCALAR,
            Self::Avx2 => &AVX2,
            Self::Avx512 => &AVX512,
        };
        self.is_supported().then_some(table)
    }
}

impl fmt::Display for KernelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Activations of some tokens, as [`RowKernel`]s read them: `[tokens][columns]`.
#[derive(Clone, Copy)]
pub(crate) struct Panel<'a> {
    /// Length of a token's vector.
    pub(crate) columns: usize,
    /// The activations, for float weights.
    pub(crate) values: &'a [f32],
    /// The activations in units of their block's scale, for block weights.
    pub(crate) quants: &'a [i8],
    /// `[tokens][columns / 32]`.
    pub(crate) scales: &'a [f32],
}

/// Dot products of a tile: `R` rows of weights, which lie one after the other, with `T` tokens of `panel` from `token` on.
/// The product of row `r` and token `t` goes to `sums[t * R + r]`.
///
/// # Safety
/// The processor must execute the instruction set in whose table the function stands.
type Tile = unsafe fn(weights: &[u8], panel: &Panel<'_>, token: usize, sums: &mut Sums);

/// Room for the largest tile.
type Sums = [f32; 32];

/// Dot products with rows of one weight type in one instruction set.
pub(crate) struct RowKernel {
    /// Shape of the largest tile, which `full` computes: as many products as registers hold.
    rows: usize,
    tokens: usize,
    full: Tile,
    /// `rows` rows and one token.
    one_token: Tile,
    /// One row and one token.
    one: Tile,
}

/// Adds `weight * value` to each element of `sum`, for each of some rows of F16 values in ascending order; `rows` holds
/// one row after the other, each as long as `sum`.
///
/// # Safety
/// The processor must execute the instruction set in whose table the function stands.
type WeightedSum = unsafe fn(rows: &[u8], weights: &[f32], sum: &mut [f32]);

/// All kernels of one instruction set.
pub(crate) struct Kernels {
    f32: RowKernel,
    f16: RowKernel,
    q8_0: RowKernel,
    q4_0: RowKernel,
    weighted_sum: WeightedSum,
}

static SCALAR: Kernels = Kernels {
    f32: floats::scalar_kernel::<F32>(),
    f16: floats::scalar_kernel::<F16>(),
    q8_0: blocks::scalar_kernel::<Q8_0>(),
    q4_0: blocks::scalar_kernel::<Q4_0>(),
    weighted_sum: f16_weights::weighted_sum_scalar,
};

static AVX2: Kernels = Kernels {
    f32: floats::avx2_kernel::<F32>(),
    f16: floats::avx2_kernel::<F16>(),
    q8_0: blocks::avx2_kernel::<Q8_0>(),
    q4_0: blocks::avx2_kernel::<Q4_0>(),
    weighted_sum: f16_weights::weighted_sum_avx2,
};

static AVX512: Kernels = Kernels {
    f32: floats::avx512_kernel::<F32>(),
    f16: floats::avx512_kernel::<F16>(),
    q8_0: blocks::avx512_kernel::<Q8_0>(),
    q4_0: blocks::avx512_kernel::<Q4_0>(),
    weighted_sum: f16_weights::weighted_sum_avx512,
};

impl Kernels {
    /// The kernel for rows of `weight_type`.
    pub(crate) fn rows_of(&self, weight_type: WeightType) -> &RowKernel {
        match weight_type {
            WeightType::F32 => &self.f32,
            WeightType::F16 => &self.f16,
            WeightType::Q8_0 => &self.q8_0,
            WeightType::Q4_0 => &self.q4_0,
        }
    }

    /// `sum[d] += weights[p] * rows[p][d]`, `p` ascending, `rows` in F16.
    pub(crate) fn weighted_sum(&self, rows: &[u8], weights: &[f32], sum: &mut [f32]) {
        // SAFETY: `self` is a table, which `KernelSet::table` gives out only where CPUID reports the set.
        unsafe { (self.weighted_sum)(rows, weights, sum) }
    }
}

impl RowKernel {
    /// Multiplies each row of `weights` (`row_bytes` each) with each token of `panel` and hands the products to
    /// `store(token, row, product)`. The order within a product does not depend on the tiling.
    #[inline]
    pub(crate) fn multiply(
        &self,
        weights: &[u8],
        row_bytes: usize,
        panel: &Panel<'_>,
        tokens: usize,
        mut store: impl FnMut(usize, usize, f32),
    ) {
        let mut sums = [0.0; 32];
        let mut first_row = 0;
        for tile in weights.chunks(self.rows * row_bytes) {
            let rows = tile.len() / row_bytes;
            let mut token = 0;
            while token < tokens {
                let (kernel, width) = if rows < self.rows {
                    (self.one, 1)
                } else if tokens - token < self.tokens {
                    (self.one_token, 1)
                } else {
                    (self.full, self.tokens)
                };
                let height = if rows < self.rows { 1 } else { rows };
                for (step, rows) in tile.chunks_exact(height * row_bytes).enumerate() {
                    // SAFETY: `self` stands in a table, which `KernelSet::table` gives out only where CPUID reports
                    // the set.
                    unsafe { kernel(rows, panel, token, &mut sums) };
                    for t in 0..width {
                        for r in 0..height {
                            let row = first_row + step * height + r;
                            store(token + t, row, sums[t * height + r]);
                        }
                    }
                }
                token += width;
            }
            first_row += rows;
        }
    }
}

/// Asks for the memory `distance` bytes after `bytes`: with one token, where memory sets the pace, a kernel asks for the
/// next tile's rows while it works on this one's, because a processor's own prefetching begins anew with each row.
#[inline]
fn prefetch(bytes: *const u8, distance: usize) {
    // SAFETY: a prefetch reads nothing and cannot fault, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(bytes.wrapping_add(distance).cast()) }
}

/// Writes row `row` of a tensor of `weight_type` to `out` as f32: the look-up of an embedding.
pub(crate) fn dequantise(weight_type: WeightType, row: &[u8], out: &mut [f32]) {
    match weight_type {
        WeightType::F32 => floats::dequantise::<F32>(row, out),
        WeightType::F16 => floats::dequantise::<F16>(row, out),
        WeightType::Q8_0 => blocks::dequantise::<Q8_0>(row, out),
        WeightType::Q4_0 => blocks::dequantise::<Q4_0>(row, out),
    }
}

#[cfg(test)]
mod tests;
