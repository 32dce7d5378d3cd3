//! From an [`Inst`] to its dwords.

use std::fmt;

use crate::inst::{Dpp, Encoding, Inst, Place};
use crate::layout::{self, Bits, Part};
use crate::operand::Operand;
use crate::row::{Field, Format, Row};
use crate::rules::{self, Rule};
use crate::table::Op;

/// The dwords of one instruction: one to three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    dwords: [u32; 3],
    len: u8,
}

impl Words {
    fn push(&mut self, dword: u32) {
        self.dwords[usize::from(self.len)] = dword;
        self.len += 1;
    }
}

impl std::ops::Deref for Words {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        &self.dwords[..usize::from(self.len)]
    }
}

/// An instruction that hardware has no encoding for, or forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeError {
    /// The instruction.
    pub op: Op,
    /// The rule that it breaks.
    pub rule: Rule,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.op.row().name, self.rule)
    }
}

impl std::error::Error for EncodeError {}

/// Encodes an instruction in the encoding that it names.
///
/// # Errors
/// If it breaks a [`Rule`].
pub fn encode(inst: &Inst) -> Result<Words, EncodeError> {
    let fail = |rule| EncodeError { op: inst.op, rule };
    rules::check(inst).map_err(fail)?;
    let row = inst.op.row();
    let layout = layout::of(inst.op, row, inst.encoding);
    let mut bits = layout.prefix.0;
    for &Bits(part, low, width) in layout.bits {
        let value = value(inst, row, part, width);
        debug_assert!(value >> width == 0, "{part:?} of {inst:?}");
        bits |= u64::from(value) << low;
    }
    let mut words = Words {
        dwords: [0; 3],
        len: 0,
    };
    words.push(bits as u32);
    if layout.words == 2 {
        words.push((bits >> 32) as u32);
    }
    if let Some(dpp) = inst.mods.dpp {
        words.push(dpp_word(inst, row, dpp));
    }
    if let Some(literal) = inst.literal() {
        words.push(literal);
    }
    Ok(words)
}

/// The shortest encoding of an instruction that is one: the one-word form of VOP1, VOP2 and VOPC where operands and
/// modifiers allow it, else as it is.
#[must_use]
pub fn shortest(inst: &Inst) -> Inst {
    let native = Inst {
        encoding: Encoding::Native,
        ..*inst
    };
    // In the one-word form a half is chosen by the register field, in VOP3 by a field of its own: the same meaning.
    if inst.encoding == Encoding::Vop3 && rules::check(&native).is_ok() {
        return native;
    }
    *inst
}

/// The value of a field.
fn value(inst: &Inst, row: &Row, part: Part, width: u8) -> u32 {
    let mods = &inst.mods;
    match part {
        Part::Opcode => u32::from(layout::opcode(row, inst.encoding)),
        Part::Code(place) => code(inst, row, place, width),
        Part::Pair(place) | Part::Quad(place) if row.slot(place).is_none() => 0,
        Part::Pair(place) => register(inst.get(place)) / 2,
        Part::Quad(place) => register(inst.get(place)) / 4,
        Part::Signed => inst.imm as u32 & ((1 << width) - 1),
        Part::Unsigned => inst.imm as u32,
        Part::Clamp => u32::from(mods.clamp),
        Part::Omod => u32::from(mods.omod),
        Part::Neg => u32::from(mods.neg),
        Part::Abs => u32::from(mods.abs),
        Part::OpSel => u32::from(mods.op_sel),
        Part::OpSelHi => u32::from(mods.op_sel_hi & 3),
        Part::OpSelHi2 => u32::from(mods.op_sel_hi >> 2),
        Part::Glc => u32::from(mods.glc),
        Part::Dlc => u32::from(mods.dlc),
        Part::Slc => u32::from(mods.slc),
        Part::Gds => u32::from(mods.gds),
        Part::Offen => u32::from(mods.offen),
        Part::Idxen => u32::from(mods.idxen),
        Part::Tfe => 0,
        Part::Sve => u32::from(row.format == Format::Scratch && inst.src[0] != Operand::None),
        Part::DualX => inst.dual.map_or(0, |dual| u32::from(dual.x.row().dual)),
        Part::DualY => inst.dual.map_or(0, |dual| u32::from(dual.y.row().dual)),
        Part::DualDst => register(inst.dst[1]) / 2,
    }
}

/// The code of an operand in a field of so many bits.
fn code(inst: &Inst, row: &Row, place: Place, width: u8) -> u32 {
    let slot = row.slot(place);
    if slot.is_none() && row.format != Format::Vopd {
        return layout::unused(row.format, Part::Code(place));
    }
    if place == Place::Src0
        && let Some(dpp) = inst.mods.dpp
    {
        return match dpp {
            Dpp::Row { .. } => 250,
            Dpp::Eight { fetch_inactive, .. } => 233 + u32::from(fetch_inactive),
        };
    }
    match inst.get(place) {
        Operand::V(_) if width == 9 => 256 + vector(inst, row, place),
        Operand::V(_) => vector(inst, row, place),
        Operand::Literal(_) => 255,
        other => register(other),
    }
}

/// The number of a vector register, with the half in bit 7 where it goes there.
fn vector(inst: &Inst, row: &Row, place: Place) -> u32 {
    let half = row.slot(place).is_some_and(|slot| {
        rules::short_16(inst, row, slot) && inst.mods.op_sel & place.bit() != 0
    });
    register(inst.get(place)) + 128 * u32::from(half)
}

/// The number of a register or the code of an inline constant.
fn register(operand: Operand) -> u32 {
    match operand {
        Operand::S(code) | Operand::V(code) | Operand::Inline(code) => u32::from(code),
        Operand::None | Operand::Literal(_) => 0,
    }
}

/// The dword of lane exchange, with source 0.
fn dpp_word(inst: &Inst, row: &Row, dpp: Dpp) -> u32 {
    let source = vector(inst, row, Place::Src0);
    match dpp {
        Dpp::Row {
            ctrl,
            row_mask,
            bank_mask,
            bound_ctrl,
            fetch_inactive,
        } => {
            let mut word = source | u32::from(ctrl) << 8;
            word |= u32::from(fetch_inactive) << 18 | u32::from(bound_ctrl) << 19;
            word |= u32::from(bank_mask) << 24 | u32::from(row_mask) << 28;
            if matches!(row.format, Format::Vop1 | Format::Vop2 | Format::Vopc)
                && inst.encoding == Encoding::Native
            {
                for source in 0..2 {
                    word |= u32::from(inst.mods.neg >> source & 1) << (20 + 2 * source);
                    word |= u32::from(inst.mods.abs >> source & 1) << (21 + 2 * source);
                }
            }
            word
        }
        Dpp::Eight { selectors, .. } => source | selectors << 8,
    }
}

/// Whether the row keeps a literal in a slot of its own.
pub(crate) fn has_literal_slot(row: &Row) -> bool {
    row.src.iter().any(|slot| slot.field == Field::Literal)
}
