//! The order in which weights lie in the card's memory, and the way there from GGUF's blocks and back.
//!
//! GGUF's blocks hold a scale and then the quants, so that 16-byte loads are never aligned and neighbouring lanes read
//! neighbouring blocks with gaps. On the card a tensor is a few *planes* without gaps: one with all quants, so that the lanes
//! of a wave load consecutive 16 bytes, and others with scales. Row by row, each plane has the same number of bytes for each
//! row, and all planes together as many as GGUF's blocks: nothing is padded and nothing lost, which the tests show by the way
//! back. The formulas stand in the module of each type, and again in the kernels that read them.
//!
//! Columns are a multiple of 32, for Q4_K and Q6_K of 256.

mod nibbles;
mod q4_0;
mod q4_k;
mod q6_k;
mod q8_0;

/// Most planes that a tensor has.
pub const PLANES: usize = 4;

/// A type of weights that kernels exist for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// One plane, as in GGUF.
    F32,
    /// One plane, as in GGUF.
    F16,
    /// Quants; scales in f16.
    Q8_0,
    /// Quants; scales in f16.
    Q4_0,
    /// Quants; 16 bytes per super-block of 256.
    Q4K,
    /// Low four bits of quants; high two bits; scales in i8; scales of super-blocks in f16.
    Q6K,
}

impl Weights {
    /// Every type.
    pub const ALL: [Self; 6] = [
        Self::F32,
        Self::F16,
        Self::Q8_0,
        Self::Q4_0,
        Self::Q4K,
        Self::Q6K,
    ];

    /// GGUF's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Q8_0 => "Q8_0",
            Self::Q4_0 => "Q4_0",
            Self::Q4K => "Q4_K",
            Self::Q6K => "Q6_K",
        }
    }

    /// Elements of a block in GGUF, and its bytes.
    #[must_use]
    pub const fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 => (1, 2),
            Self::Q8_0 => (32, 34),
            Self::Q4_0 => (32, 18),
            Self::Q4K => (256, 144),
            Self::Q6K => (256, 210),
        }
    }

    /// Bytes of a row in each plane, of which those that the type lacks have none.
    #[must_use]
    pub const fn plane_bytes(self, columns: usize) -> [usize; PLANES] {
        let blocks = columns / 32;
        match self {
            Self::F32 => [columns * 4, 0, 0, 0],
            Self::F16 => [columns * 2, 0, 0, 0],
            Self::Q8_0 => [blocks * 32, blocks * 2, 0, 0],
            Self::Q4_0 => [blocks * 16, blocks * 2, 0, 0],
            Self::Q4K => [blocks * 16, blocks * 2, 0, 0],
            Self::Q6K => [blocks * 16, blocks * 8, blocks * 2, blocks / 8 * 2],
        }
    }

    /// Brings a row from GGUF's blocks into planes.
    ///
    /// # Panics
    /// If the row is not whole blocks and a multiple of 32 elements, or a plane has not [`Self::plane_bytes`].
    pub fn pack(self, row: &[u8], planes: [&mut [u8]; PLANES]) {
        let columns = self.columns(row.len());
        check(self, columns, planes.each_ref().map(|plane| plane.len()));
        let [first, second, third, fourth] = planes;
        match self {
            Self::F32 | Self::F16 => first.copy_from_slice(row),
            Self::Q8_0 => q8_0::pack(row, first, second),
            Self::Q4_0 => q4_0::pack(row, first, second),
            Self::Q4K => q4_k::pack(row, first, second),
            Self::Q6K => q6_k::pack(row, first, second, third, fourth),
        }
    }

    /// The way back of [`Self::pack`].
    ///
    /// # Panics
    /// As [`Self::pack`].
    pub fn unpack(self, planes: [&[u8]; PLANES], row: &mut [u8]) {
        let columns = self.columns(row.len());
        check(self, columns, planes.map(<[u8]>::len));
        let [first, second, third, fourth] = planes;
        match self {
            Self::F32 | Self::F16 => row.copy_from_slice(first),
            Self::Q8_0 => q8_0::unpack(first, second, row),
            Self::Q4_0 => q4_0::unpack(first, second, row),
            Self::Q4K => q4_k::unpack(first, second, row),
            Self::Q6K => q6_k::unpack(first, second, third, fourth, row),
        }
    }

    /// Elements of a row of so many bytes.
    const fn columns(self, row_bytes: usize) -> usize {
        let (elements, bytes) = self.block();
        assert!(row_bytes.is_multiple_of(bytes), "a row is whole blocks");
        row_bytes / bytes * elements
    }
}

fn check(weights: Weights, columns: usize, planes: [usize; PLANES]) {
    assert!(columns.is_multiple_of(32), "{columns} columns");
    assert_eq!(planes, weights.plane_bytes(columns), "bytes of planes");
}

#[cfg(test)]
mod tests;
