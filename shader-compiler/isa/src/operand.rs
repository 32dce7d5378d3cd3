//! Operands: what a source or destination field can name.

/// A source or destination. Only the first register of a tuple is named: the width is the instruction's, from its row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Operand {
    /// The field is unused.
    #[default]
    None,
    /// A scalar register by its code: 0 to 105 `s0`.., 106/107 `vcc_lo`/`vcc_hi`, 124 `null`, 125 `m0`, 126/127
    /// `exec_lo`/`exec_hi` (RDNA3 manual, table of scalar operands).
    S(u8),
    /// A vector register, 0 to 255.
    V(u8),
    /// A source code that is not a register: inline integers 128 to 208, inline floats 240 to 248, apertures 235 to 238,
    /// `scc` 253. What number it is depends on the operand's type.
    Inline(u8),
    /// The 32-bit literal that follows the instruction.
    Literal(u32),
}

impl Operand {
    /// `vcc_lo`, the carry and condition mask of wave32.
    pub const VCC: Self = Self::S(106);
    /// Reads as 0; writes are discarded.
    pub const NULL: Self = Self::S(124);
    /// The scalar register of indexed moves and of messages.
    pub const M0: Self = Self::S(125);
    /// The mask of active lanes of wave32.
    pub const EXEC: Self = Self::S(126);
    /// Scalar condition code, as a source.
    pub const SCC: Self = Self::Inline(253);

    /// The integer as an inline constant, if there is one for it (-16 to 64).
    #[must_use]
    pub const fn inline_int(value: i32) -> Option<Self> {
        match value {
            0..=64 => Some(Self::Inline(128 + value as u8)),
            -16..=-1 => Some(Self::Inline((192 - value) as u8)),
            _ => None,
        }
    }

    /// The f32 as an inline constant, if there is one for its bits.
    #[must_use]
    pub const fn inline_f32(bits: u32) -> Option<Self> {
        let code = match bits {
            0x3f00_0000 => 240,
            0xbf00_0000 => 241,
            0x3f80_0000 => 242,
            0xbf80_0000 => 243,
            0x4000_0000 => 244,
            0xc000_0000 => 245,
            0x4080_0000 => 246,
            0xc080_0000 => 247,
            0x3e22_f983 => 248,
            _ => return None,
        };
        Some(Self::Inline(code))
    }
}
