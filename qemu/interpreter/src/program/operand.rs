//! Operands as the loop takes them: a VGPR, an SGPR to broadcast, or a constant that was broadcast beforehand.

use std::collections::HashMap;

use gfx1100_isa::{Operand, Ty};

use crate::alu::Lanes;

/// Where a vector operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// There is none: zeros.
    None,
    /// A VGPR, and the next one if it is wide.
    V(u8),
    /// An SGPR in all lanes, and the next one if it is wide.
    S(u8),
    /// Entry of [`Constants`], and the next one if it is wide.
    K(u32),
    /// A source code whose value the wave knows: apertures, `vccz`, `execz`, `scc`.
    Special(u8),
}

/// Where a scalar operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScalarSource {
    /// There is none: zero.
    None,
    /// One SGPR.
    S(u8),
    /// Two SGPRs.
    Pair(u8),
    /// A constant.
    K(u64),
    /// As [`Source::Special`].
    Special(u8),
}

/// Constants of a program, each in all lanes.
#[derive(Debug, Default)]
pub(crate) struct Constants {
    lanes: Vec<Lanes>,
    /// Entry of each value, and of each wide one.
    known: HashMap<(u64, bool), u32>,
}

impl Constants {
    /// The lanes of entry `index`.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> &Lanes {
        &self.lanes[index as usize]
    }

    /// The entry of a constant; of a wide one the low half, with the high half behind it.
    fn intern(&mut self, value: u64, wide: bool) -> u32 {
        let lanes = &mut self.lanes;
        *self.known.entry((value, wide)).or_insert_with(|| {
            let halves = [[value as u32; 32], [(value >> 32) as u32; 32]];
            lanes.extend_from_slice(&halves[..1 + usize::from(wide)]);
            (lanes.len() - 1 - usize::from(wide)) as u32
        })
    }
}

/// Values of the inline floats 240 to 248.
const FLOATS: [f64; 9] = [
    0.5,
    -0.5,
    1.0,
    -1.0,
    2.0,
    -2.0,
    4.0,
    -4.0,
    std::f64::consts::FRAC_1_PI * 0.5,
];
const INVERSE_TWO_PI: usize = 8;

/// The bits of an inline constant in an operand of this type; `None` if the code is none of a constant.
pub(crate) fn inline_bits(code: u8, ty: Ty) -> Option<u64> {
    let integer = match code {
        128..=192 => Some(i64::from(code) - 128),
        193..=208 => Some(192 - i64::from(code)),
        _ => None,
    };
    if let Some(integer) = integer {
        return Some(match ty {
            Ty::B16 | Ty::I16 | Ty::U16 | Ty::F16 | Ty::Bf16 => integer as u64 & 0xffff,
            _ if ty.dwords() == 2 => integer as u64,
            _ => integer as u64 & 0xffff_ffff,
        });
    }
    let index = usize::from(code.checked_sub(240)?);
    let value = *FLOATS.get(index)?;
    Some(match ty {
        // The hardware's 1/(2 pi) in 16 bits is 0x3118, the nearest value.
        Ty::B16 | Ty::I16 | Ty::U16 | Ty::F16 | Ty::F16x2 => {
            u64::from(half::f16::from_f64(value).to_bits())
        }
        Ty::Bf16 | Ty::Bf16x2 => u64::from(half::bf16::from_f64(value).to_bits()),
        _ if ty.dwords() == 2 && index == INVERSE_TWO_PI => 0x3fc4_5f30_6dc9_c882,
        _ if ty.dwords() == 2 => value.to_bits(),
        _ if index == INVERSE_TWO_PI => 0x3e22_f983,
        _ => u64::from((value as f32).to_bits()),
    })
}

/// A 32-bit literal in an operand of this type: an f64 takes it as its high half, a signed 64-bit integer extends it.
pub(crate) fn literal_bits(literal: u32, ty: Ty) -> u64 {
    match ty {
        Ty::F64 => u64::from(literal) << 32,
        Ty::I64 => literal as i32 as i64 as u64,
        Ty::B16 | Ty::I16 | Ty::U16 | Ty::F16 | Ty::Bf16 => u64::from(literal) & 0xffff,
        _ => u64::from(literal),
    }
}

/// The vector source of an operand.
pub(crate) fn source(operand: Operand, ty: Ty, constants: &mut Constants) -> Source {
    let wide = ty.dwords() == 2;
    match operand {
        Operand::None => Source::None,
        Operand::V(register) => Source::V(register),
        Operand::S(code) => Source::S(code),
        Operand::Literal(literal) => Source::K(constants.intern(literal_bits(literal, ty), wide)),
        Operand::Inline(code) => match inline_bits(code, ty) {
            Some(bits) => Source::K(constants.intern(bits, wide)),
            None => Source::Special(code),
        },
    }
}

/// The scalar source of an operand.
pub(crate) fn scalar_source(operand: Operand, ty: Ty) -> ScalarSource {
    match operand {
        Operand::None | Operand::V(_) => ScalarSource::None,
        Operand::S(code) if ty.dwords() == 2 => ScalarSource::Pair(code),
        Operand::S(code) => ScalarSource::S(code),
        Operand::Literal(literal) => ScalarSource::K(literal_bits(literal, ty)),
        Operand::Inline(code) => {
            inline_bits(code, ty).map_or(ScalarSource::Special(code), ScalarSource::K)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_constants_take_the_type_of_the_operand() {
        assert_eq!(inline_bits(242, Ty::F32), Some(0x3f80_0000));
        assert_eq!(inline_bits(242, Ty::F16), Some(0x3c00));
        assert_eq!(inline_bits(242, Ty::F16x2), Some(0x3c00));
        assert_eq!(inline_bits(242, Ty::F64), Some(0x3ff0_0000_0000_0000));
        assert_eq!(inline_bits(248, Ty::F32), Some(0x3e22_f983));
        assert_eq!(inline_bits(248, Ty::F16), Some(0x3118));
        assert_eq!(inline_bits(193, Ty::I32), Some(0xffff_ffff));
        assert_eq!(inline_bits(208, Ty::I64), Some(-16i64 as u64));
        assert_eq!(inline_bits(192, Ty::U16), Some(64));
        assert_eq!(inline_bits(253, Ty::U32), None);
    }

    #[test]
    fn a_wide_constant_lies_in_two_entries() {
        let mut constants = Constants::default();
        let first = source(Operand::Inline(193), Ty::I64, &mut constants);
        let Source::K(index) = first else {
            unreachable!("a constant")
        };
        assert_eq!(constants.get(index)[0], u32::MAX);
        assert_eq!(constants.get(index + 1)[31], u32::MAX);
        assert_eq!(source(Operand::Inline(193), Ty::I64, &mut constants), first);
    }
}
