//! From dwords to an [`Inst`].
//!
//! What is decoded is checked by the rules of the encoder, so that encoding it again gives the same dwords; under
//! [`Rigor::Lenient`], the canonical ones of the same meaning (but for VOPD with bank conflicts, which has none).

use std::fmt;

use crate::encode::has_literal_slot;
use crate::inst::{Dpp, Dual, Encoding, Inst, Mods, Place};
use crate::layout::{self, Bits, Part};
use crate::operand::Operand;
use crate::row::{Class, Field, Format, Row};
use crate::rules::{self, Rule};
use crate::table::Op;
use crate::vopd::{self, Shape};

/// What to do about fields that hardware ignores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rigor {
    /// They must be as an assembler writes them.
    Strict,
    /// They may hold anything; and the halves of VOPD may read the same bank, which code for tests does.
    Lenient,
}

/// Why dwords are no instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// They end before the instruction does.
    Short,
    /// The format has no such opcode on gfx1100, or the table leaves it out (graphics, traps, debugging).
    Opcode(Format, u16),
    /// The prefix is that of no format in the table.
    Format(u32),
    /// A reserved operand code, or one of trap handlers or graphics.
    Code(Op, Place, u16),
    /// A field that hardware ignores is not as an assembler writes it. [`Rigor::Lenient`] lets it pass.
    NonCanonical(Op, &'static str),
    /// It breaks a rule.
    Rule(Op, Rule),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Short => write!(f, "the code ends within an instruction"),
            Self::Opcode(format, opcode) => {
                write!(f, "gfx1100 has no {format:?} opcode {opcode} for compute")
            }
            Self::Format(word) => write!(f, "{word:#010x} starts no compute instruction"),
            Self::Code(op, place, code) => {
                write!(f, "{}: {place} has the reserved code {code}", op.row().name)
            }
            Self::NonCanonical(op, what) => write!(f, "{}: {what}", op.row().name),
            Self::Rule(op, rule) => write!(f, "{}: {rule}", op.row().name),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Decodes the instruction at the start of `dwords`; with it, the number of dwords that it takes.
///
/// # Errors
/// If it is none of the table, breaks a rule, or, unless lenient, is written in an unusual way.
pub fn decode(dwords: &[u32], rigor: Rigor) -> Result<(Inst, usize), DecodeError> {
    let first = *dwords.first().ok_or(DecodeError::Short)?;
    let (op, encoding) = opcode(first)?;
    let row = op.row();
    let layout = layout::of(op, row, encoding);
    let mut bits = u64::from(first);
    if layout.words == 2 {
        bits |= u64::from(*dwords.get(1).ok_or(DecodeError::Short)?) << 32;
    }
    let mut decoder = Decoder {
        inst: Inst::new(op, &[], &[]),
        row,
        rigor,
        rest: &dwords[layout.words..],
        used: layout.words,
        literal: None,
        dpp: None,
    };
    decoder.inst.encoding = encoding;
    decoder.inst.mods = Mods::default();
    let mut known = layout.prefix.1;
    let mut raw = [0_u32; 16];
    for (raw, &Bits(_, low, width)) in raw.iter_mut().zip(layout.bits) {
        known |= ((1 << width) - 1) << low;
        *raw = (bits >> low) as u32 & ((1 << width) - 1);
    }
    let width = 32 * layout.words as u32;
    if bits & !known & (u64::MAX >> (64 - width)) != 0 {
        decoder.unusual("a reserved bit is set")?;
    }
    // Modifiers first: they say which operands there are.
    for (&Bits(part, _, width), &raw) in layout.bits.iter().zip(&raw) {
        decoder.modifier(part, raw, width);
    }
    if let Format::Vopd = row.format {
        let value = |part| {
            let index = layout.bits.iter().position(|bits| bits.0 == part);
            index.map_or(0, |index| raw[index])
        };
        decoder.halves(value(Part::DualX), value(Part::DualY))?;
    }
    for (&Bits(part, _, width), &raw) in layout.bits.iter().zip(&raw) {
        decoder.operand(part, raw, width)?;
    }
    decoder.finish()
}

/// Tells opcode and encoding.
fn opcode(first: u32) -> Result<(Op, Encoding), DecodeError> {
    let (format, layout) = layout::format(first).ok_or(DecodeError::Format(first))?;
    if format == Format::Vopd {
        return Ok((Op::V_DUAL, Encoding::Native));
    }
    let opcode = layout.bits.iter().find_map(|&Bits(part, low, width)| {
        (part == Part::Opcode).then_some((first >> low & ((1 << width) - 1)) as u16)
    });
    let opcode = opcode.unwrap_or(0);
    let (row_format, row_opcode, encoding) = match (format, opcode) {
        (Format::Vop3, 0..256) => (Format::Vopc, opcode, Encoding::Vop3),
        (Format::Vop3, 256..384) => (Format::Vop2, opcode - 256, Encoding::Vop3),
        (Format::Vop3, 384..512) => (Format::Vop1, opcode - 384, Encoding::Vop3),
        _ => (format, opcode, Encoding::Native),
    };
    let op = Op::find(row_format, row_opcode);
    let op = op.filter(|op| encoding == Encoding::Native || op.row().vop3);
    op.map(|op| (op, encoding))
        .ok_or(DecodeError::Opcode(format, opcode))
}

/// An instruction that is being taken apart.
struct Decoder<'a> {
    inst: Inst,
    row: &'static Row,
    rigor: Rigor,
    /// The dwords after those of the layout.
    rest: &'a [u32],
    /// Dwords taken so far.
    used: usize,
    literal: Option<u32>,
    dpp: Option<u32>,
}

impl Decoder<'_> {
    /// A field that hardware ignores is not zero, or whatever an assembler writes.
    fn unusual(&self, what: &'static str) -> Result<(), DecodeError> {
        match self.rigor {
            Rigor::Strict => Err(DecodeError::NonCanonical(self.inst.op, what)),
            Rigor::Lenient => Ok(()),
        }
    }

    fn next(&mut self) -> Result<u32, DecodeError> {
        let (&first, rest) = self.rest.split_first().ok_or(DecodeError::Short)?;
        self.rest = rest;
        self.used += 1;
        Ok(first)
    }

    /// The literal; all fields that name one share it.
    fn literal(&mut self) -> Result<u32, DecodeError> {
        match self.literal {
            Some(literal) => Ok(literal),
            None => {
                let literal = self.next()?;
                self.literal = Some(literal);
                Ok(literal)
            }
        }
    }

    /// Takes a field that holds no operand.
    fn modifier(&mut self, part: Part, raw: u32, width: u8) {
        let mods = &mut self.inst.mods;
        let bit = raw != 0;
        match part {
            Part::Signed => self.inst.imm = (raw << (32 - width)) as i32 >> (32 - width),
            Part::Unsigned => self.inst.imm = raw as i32,
            Part::Clamp => mods.clamp = bit,
            Part::Omod => mods.omod = raw as u8,
            Part::Neg => mods.neg = raw as u8,
            Part::Abs => mods.abs = raw as u8,
            Part::OpSel => mods.op_sel |= raw as u8,
            Part::OpSelHi => mods.op_sel_hi |= raw as u8,
            Part::OpSelHi2 => mods.op_sel_hi |= (raw << 2) as u8,
            Part::Glc => mods.glc = bit,
            Part::Dlc => mods.dlc = bit,
            Part::Slc => mods.slc = bit,
            Part::Gds => mods.gds = bit,
            Part::Offen => mods.offen = bit,
            Part::Idxen => mods.idxen = bit,
            Part::Opcode | Part::Code(_) | Part::Pair(_) | Part::Quad(_) => {}
            Part::Tfe | Part::Sve | Part::DualX | Part::DualY | Part::DualDst => {}
        }
    }

    /// Takes the opcodes of VOPD.
    fn halves(&mut self, x: u32, y: u32) -> Result<(), DecodeError> {
        let op = |opcode, second| {
            let op = vopd::op(opcode, second);
            op.ok_or(DecodeError::Opcode(Format::Vopd, opcode as u16))
        };
        let (x, y) = (op(x, false)?, op(y, true)?);
        let k = [x, y].map(vopd::shape);
        let literal = if k.iter().any(|k| matches!(k, Shape::AddK | Shape::MulK)) {
            Some(self.literal()?)
        } else {
            None
        };
        self.inst.dual = Some(Dual { x, y, literal });
        Ok(())
    }

    /// Takes a field that holds an operand.
    fn operand(&mut self, part: Part, raw: u32, width: u8) -> Result<(), DecodeError> {
        match part {
            Part::Code(place) => self.code(place, raw, width),
            Part::Pair(place) => self.tuple(place, raw * 2),
            Part::Quad(place) => self.tuple(place, raw * 4),
            Part::DualDst => {
                // The first destination is in the highest bits, and decoded after this: its parity is seen to later.
                self.inst.dst[1] = Operand::V((raw * 2) as u8);
                Ok(())
            }
            Part::Tfe if raw != 0 => Err(DecodeError::Rule(self.inst.op, Rule::Modifier("tfe"))),
            Part::Sve => {
                let scratch = self.row.format == Format::Scratch;
                if raw == 0 && scratch && self.inst.src[0] != Operand::None {
                    if self.inst.src[0] != Operand::V(0) {
                        self.unusual("an address register that is not used")?;
                    }
                    self.inst.src[0] = Operand::None;
                }
                if raw != 0 && !scratch {
                    self.unusual("the bit for an address register is set")?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Takes the first register of a scalar tuple.
    fn tuple(&mut self, place: Place, code: u32) -> Result<(), DecodeError> {
        if self.row.slot(place).is_none() {
            return if code == 0 {
                Ok(())
            } else {
                self.unusual("an operand field that is not used is not 0")
            };
        }
        let operand = self.scalar(place, code)?;
        self.inst.set(place, operand);
        Ok(())
    }

    /// Takes an operand code.
    fn code(&mut self, place: Place, raw: u32, width: u8) -> Result<(), DecodeError> {
        let slot = self.row.slot(place);
        let there = match self.row.format {
            Format::Vopd => {
                let shapes = self.inst.dual.map(|dual| [dual.x, dual.y].map(vopd::shape));
                let moves = shapes.map_or([false; 2], |shapes| shapes.map(|s| s == Shape::Move));
                !(moves[0] && place == Place::Src1 || moves[1] && place == Place::Src3)
            }
            // Whether the address is there is seen by another bit.
            Format::Scratch if place == Place::Src0 => slot.is_some(),
            _ => slot.is_some() && (self.inst.dwords(place) != 0 || self.returns(place)),
        };
        if !there {
            if raw != layout::unused(self.row.format, Part::Code(place)) {
                self.unusual("an operand field that is not used is not 0")?;
            }
            return Ok(());
        }
        let short = slot.is_some_and(|slot| rules::short_16(&self.inst, self.row, slot));
        let vector = slot.is_none_or(|slot| match slot.field {
            Field::Vgpr | Field::Src | Field::Vinline => true,
            Field::Mask => width == 9,
            _ => false,
        });
        let operand = match (width, raw) {
            (9, 256..) => self.vector(place, raw - 256, short),
            (9, 233 | 234 | 250) if place == Place::Src0 => self.exchange(place, raw, short)?,
            (9, _) => self.scalar(place, raw)?,
            (8, _) if vector => self.vector(place, raw, short),
            _ => self.scalar(place, raw)?,
        };
        self.inst.set(place, operand);
        Ok(())
    }

    /// Whether the place is the result of an atomic, which is there if `glc` is set.
    fn returns(&self, place: Place) -> bool {
        let atomic = self.row.class == Class::VmemAtomic;
        atomic && place == Place::Dst0 && self.inst.mods.glc
    }

    /// A vector register; of a half if the field has the half in bit 7.
    fn vector(&mut self, place: Place, raw: u32, short: bool) -> Operand {
        let raw = raw as u8;
        if short && raw >= 128 {
            self.inst.mods.op_sel |= place.bit();
            return Operand::V(raw - 128);
        }
        Operand::V(raw)
    }

    /// A scalar register, constant or literal.
    fn scalar(&mut self, place: Place, raw: u32) -> Result<Operand, DecodeError> {
        let code = raw as u8;
        match code {
            _ if raw > 255 => Err(DecodeError::Code(self.inst.op, place, raw as u16)),
            0..=107 | 124..=127 => Ok(Operand::S(code)),
            255 => self.literal().map(Operand::Literal),
            _ if rules::is_inline(code) => Ok(Operand::Inline(code)),
            _ => Err(DecodeError::Code(self.inst.op, place, raw as u16)),
        }
    }

    /// The dword of lane exchange, and source 0 in it.
    fn exchange(&mut self, place: Place, raw: u32, short: bool) -> Result<Operand, DecodeError> {
        if !self.row.accepts.dpp {
            return Err(DecodeError::Code(self.inst.op, place, raw as u16));
        }
        let word = self.next()?;
        self.dpp = Some(word);
        if raw == 250 {
            let bit = |bit: u32| word >> bit & 1 != 0;
            self.inst.mods.dpp = Some(Dpp::Row {
                ctrl: (word >> 8 & 0x1ff) as u16,
                row_mask: (word >> 28) as u8,
                bank_mask: (word >> 24 & 15) as u8,
                bound_ctrl: bit(19),
                fetch_inactive: bit(18),
            });
            if bit(17) {
                self.unusual("a reserved bit of the DPP dword is set")?;
            }
            let native = matches!(self.row.format, Format::Vop1 | Format::Vop2 | Format::Vopc)
                && self.inst.encoding == Encoding::Native;
            if native {
                let pair = |low: u32| (word >> low & 1 | word >> (low + 1) & 2) as u8;
                self.inst.mods.neg = pair(20);
                self.inst.mods.abs = pair(21);
            } else if word >> 20 & 15 != 0 {
                self.unusual("signs stand in the DPP dword of a VOP3 instruction")?;
            }
        } else {
            self.inst.mods.dpp = Some(Dpp::Eight {
                selectors: word >> 8,
                fetch_inactive: raw == 234,
            });
        }
        Ok(self.vector(place, word & 255, short))
    }

    /// Adds what the encoding implies, and checks the rules.
    fn finish(mut self) -> Result<(Inst, usize), DecodeError> {
        let row = self.row;
        if row.format == Format::Vopd {
            let even = matches!(self.inst.dst[0], Operand::V(x) if x % 2 == 0);
            if let Operand::V(y) = &mut self.inst.dst[1] {
                *y |= u8::from(even);
            }
        }
        if has_literal_slot(row) {
            let literal = Operand::Literal(self.literal()?);
            for (source, slot) in self.inst.src.iter_mut().zip(row.src) {
                if slot.field == Field::Literal {
                    *source = literal;
                }
            }
        }
        self.masks()?;
        if row.format == Format::Mubuf && self.returns(Place::Dst0) {
            self.inst.dst[0] = self.inst.src[1];
        }
        if self.rigor == Rigor::Lenient {
            self.forget_ignored();
        }
        let op = self.inst.op;
        match (rules::check(&self.inst), self.rigor) {
            (Ok(()), _) | (Err(Rule::DualBank(..)), Rigor::Lenient) => Ok((self.inst, self.used)),
            (Err(rule), _) => Err(DecodeError::Rule(op, rule)),
        }
    }

    /// The masks that one-word encodings do not name, and EXEC of `v_cmpx`.
    fn masks(&mut self) -> Result<(), DecodeError> {
        let row = self.row;
        let compare = row.format == Format::Vopc;
        if compare && row.effects.writes_exec {
            if self.inst.encoding == Encoding::Vop3 && self.inst.dst[0] != Operand::EXEC {
                self.unusual("the destination of v_cmpx is not exec_lo")?;
            }
            self.inst.dst[0] = Operand::EXEC;
        } else if self.inst.encoding == Encoding::Native
            && matches!(row.format, Format::Vopc | Format::Vop2)
        {
            for place in [Place::Dst0, Place::Dst1, Place::Src2] {
                if row
                    .slot(place)
                    .is_some_and(|slot| slot.field == Field::Mask)
                {
                    self.inst.set(place, Operand::VCC);
                }
            }
        }
        Ok(())
    }

    /// Clears the modifiers that the operation does not heed.
    fn forget_ignored(&mut self) {
        let accepts = &self.row.accepts;
        let mods = &mut self.inst.mods;
        mods.neg &= accepts.neg;
        mods.abs &= accepts.abs;
        mods.op_sel &= accepts.op_sel;
        mods.clamp &= accepts.clamp;
        if !accepts.omod {
            mods.omod = 0;
        }
        if self.row.format == Format::Vop3p && accepts.op_sel & 3 != 3 {
            mods.op_sel_hi = 7;
        }
    }
}
