//! The MODE register: rounding, denormals, clamp of NaN, IEEE.

/// How inexact results are rounded; the numbers are MODE's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// To nearest, ties to even.
    NearestEven,
    /// Towards plus infinity.
    Up,
    /// Towards minus infinity.
    Down,
    /// Towards zero.
    Zero,
}

/// MODE as the hardware register holds it (hwreg id 1): rounding 3:0 (f32 1:0, f16 and f64 3:2), denormals 7:4 (f32 5:4,
/// f16 and f64 7:6; bit 0 keeps those of sources, bit 1 those of results), dx10_clamp 8, ieee 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Mode {
    /// Nearest even, all denormals kept, dx10_clamp, ieee 0: what our code objects ask for.
    pub const DEFAULT: Self = Self(0x1f0);
    /// What an `.amdhsa_kernel` block without directives asks for: f32 denormals flushed, f16 and f64 kept, dx10_clamp, ieee.
    pub const HSA: Self = Self(0x3c0);

    /// Rounding of f32.
    #[must_use]
    pub const fn round_f32(self) -> Round {
        round(self.0)
    }

    /// Rounding of f16 and f64.
    #[must_use]
    pub const fn round_f16_f64(self) -> Round {
        round(self.0 >> 2)
    }

    /// f32 denormals of sources become zero.
    #[must_use]
    pub const fn flushes_f32_sources(self) -> bool {
        self.0 >> 4 & 1 == 0
    }

    /// f32 denormal results become zero.
    #[must_use]
    pub const fn flushes_f32_results(self) -> bool {
        self.0 >> 5 & 1 == 0
    }

    /// f16 and f64 denormals of sources become zero.
    #[must_use]
    pub const fn flushes_f16_f64_sources(self) -> bool {
        self.0 >> 6 & 1 == 0
    }

    /// f16 and f64 denormal results become zero.
    #[must_use]
    pub const fn flushes_f16_f64_results(self) -> bool {
        self.0 >> 7 & 1 == 0
    }

    /// No denormal of any type is flushed.
    #[must_use]
    pub const fn keeps_denormals(self) -> bool {
        self.0 & 0xf0 == 0xf0
    }

    /// The clamp of a float turns NaN into 0.
    #[must_use]
    pub const fn dx10_clamp(self) -> bool {
        self.0 >> 8 & 1 == 1
    }

    /// min and max quiet signalling NaN.
    #[must_use]
    pub const fn ieee(self) -> bool {
        self.0 >> 9 & 1 == 1
    }
}

const fn round(bits: u32) -> Round {
    match bits & 3 {
        0 => Round::NearestEven,
        1 => Round::Up,
        2 => Round::Down,
        _ => Round::Zero,
    }
}
