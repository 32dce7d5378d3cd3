//! What hardware demands of an instruction: the rules that encoder and decoder check alike.
//!
//! Source: AMD "RDNA3 Instruction Set Architecture" (operand tables, VOPD, DPP); the limits are those of `llvm-mc-19`.

use std::fmt;

use crate::inst::{Dpp, Encoding, Inst, Place};
use crate::operand::Operand;
use crate::row::{Class, Field, Format, Row, Slot};
use crate::table::Op;
use crate::vopd;

/// A rule that an instruction breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It has no VOP3 form.
    NoVop3,
    /// `Inst::dual` is there without `V_DUAL`, or the other way round.
    Dual,
    /// The row has no operand at this place.
    Unexpected(Place),
    /// The field at this place cannot hold this operand.
    Field(Place, Field, Operand),
    /// A scalar tuple must start at a multiple of 2 (64 bits) or 4 (more), and stay within `s0` to `s105` or VCC, EXEC.
    ScalarTuple(Place, Operand, u8),
    /// A vector tuple must end at v255 or before.
    VectorTuple(Place, Operand, u8),
    /// A 16-bit operand of a one-word encoding must be v127 or below: bit 7 of the field selects the half.
    HighRegister(Place, Operand),
    /// There is room for one literal.
    TwoLiterals(u32, u32),
    /// The literal of a 16-bit operand must fit 16 bits.
    WideLiteral(u32),
    /// More different scalar registers and literals than the constant bus delivers.
    ConstantBus {
        /// How many there may be.
        limit: usize,
        /// How many there are.
        found: usize,
    },
    /// DPP takes its source 0, and its source 1 on gfx1100, from vector registers, and has no room for a literal.
    DppOperand(Place, Operand),
    /// There is no such DPP control.
    DppControl(u16),
    /// The instruction has no such modifier in this encoding.
    Modifier(&'static str),
    /// The immediate is out of its range.
    Immediate {
        /// What it is.
        found: i32,
        /// The least.
        low: i32,
        /// The greatest.
        high: i32,
    },
    /// MUBUF atomics return into the register that they take their data from.
    AtomicResult,
    /// No X or Y half of VOPD.
    NotDual(Op),
    /// One destination of VOPD must be even, the other odd.
    DualDestinations,
    /// These two sources of VOPD's halves lie in one bank.
    DualBank(Place, Place),
    /// K of fmaak or fmamk is missing, or there is one without them.
    DualLiteral,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoVop3 => write!(f, "it has no VOP3 form"),
            Self::Dual => write!(f, "the halves belong to v_dual, and to it alone"),
            Self::Unexpected(place) => write!(f, "it has no {place}"),
            Self::Field(place, field, operand) => {
                write!(f, "{place} cannot be {operand:?}: the field is {field:?}")
            }
            Self::ScalarTuple(place, operand, dwords) => write!(
                f,
                "{place}: no {dwords} scalar registers start at {operand:?}: pairs are aligned to 2, larger tuples to 4"
            ),
            Self::VectorTuple(place, operand, dwords) => {
                write!(
                    f,
                    "{place}: no {dwords} vector registers start at {operand:?}"
                )
            }
            Self::HighRegister(place, operand) => write!(
                f,
                "{place}: a 16-bit operand of a one-word encoding must be v127 or below, not {operand:?}"
            ),
            Self::TwoLiterals(a, b) => {
                write!(f, "two literals, {a:#x} and {b:#x}; there is room for one")
            }
            Self::WideLiteral(value) => {
                write!(
                    f,
                    "the literal {value:#x} of a 16-bit operand does not fit 16 bits"
                )
            }
            Self::ConstantBus { limit, found } => write!(
                f,
                "{found} scalar registers and literals; the constant bus delivers {limit}"
            ),
            Self::DppOperand(place, operand) => {
                write!(f, "{place} of a DPP instruction cannot be {operand:?}")
            }
            Self::DppControl(control) => write!(f, "no DPP control {control:#x}"),
            Self::Modifier(name) => write!(f, "no modifier {name} in this encoding"),
            Self::Immediate { found, low, high } => {
                write!(f, "immediate {found} is not in {low}..={high}")
            }
            Self::AtomicResult => write!(
                f,
                "a buffer atomic returns into its data register, and only with glc"
            ),
            Self::NotDual(op) => write!(f, "{} is not in this table of VOPD", op.row().name),
            Self::DualDestinations => {
                write!(f, "one destination of VOPD must be even and the other odd")
            }
            Self::DualBank(x, y) => write!(f, "{x} and {y} of VOPD lie in one bank"),
            Self::DualLiteral => write!(f, "VOPD has a K if and only if a half is fmaak or fmamk"),
        }
    }
}

/// Checks all of them.
pub(crate) fn check(inst: &Inst) -> Result<(), Rule> {
    let row = inst.op.row();
    if (row.format == Format::Vopd) != inst.dual.is_some() {
        return Err(Rule::Dual);
    }
    if inst.encoding == Encoding::Vop3 && !row.vop3 {
        return Err(Rule::NoVop3);
    }
    immediate(inst, row)?;
    if row.format == Format::Vopd {
        return vopd::check(inst);
    }
    for place in Place::ALL {
        operand(inst, row, place)?;
    }
    literals(inst, row)?;
    modifiers(inst, row)?;
    if row.is_valu() {
        dpp(inst, row)?;
        constant_bus(inst, row)?;
    }
    Ok(())
}

/// Checks the operand at one place.
fn operand(inst: &Inst, row: &Row, place: Place) -> Result<(), Rule> {
    let operand = inst.get(place);
    let dwords = inst.dwords(place);
    let Some(slot) = row.slot(place) else {
        return match operand {
            Operand::None => Ok(()),
            _ => Err(Rule::Unexpected(place)),
        };
    };
    if dwords == 0 {
        // An operand that this mode leaves out.
        return match operand {
            Operand::None => Ok(()),
            _ => Err(Rule::Unexpected(place)),
        };
    }
    if !fits(inst, row, place, slot) {
        return Err(Rule::Field(
            place,
            field_of(inst, row, place, slot),
            operand,
        ));
    }
    match operand {
        Operand::S(first) if !scalar_tuple(first, dwords) => {
            Err(Rule::ScalarTuple(place, operand, dwords))
        }
        Operand::V(first) if u16::from(first) + u16::from(dwords) > 256 => {
            Err(Rule::VectorTuple(place, operand, dwords))
        }
        Operand::V(128..) if short_16(inst, row, slot) => Err(Rule::HighRegister(place, operand)),
        _ => match (row.format, place) {
            (Format::Mubuf, Place::Dst0) if row.class == Class::VmemAtomic => {
                let same = operand == inst.src[1];
                if same {
                    Ok(())
                } else {
                    Err(Rule::AtomicResult)
                }
            }
            _ => Ok(()),
        },
    }
}

/// Whether the slot is the half of a register in a one-word encoding.
pub(crate) fn short_16(inst: &Inst, row: &Row, slot: Slot) -> bool {
    let short = matches!(row.format, Format::Vop1 | Format::Vop2 | Format::Vopc);
    short && inst.encoding == Encoding::Native && slot.ty.is_16()
}

/// Whether `first` may start a tuple of so many scalar registers.
fn scalar_tuple(first: u8, dwords: u8) -> bool {
    match (dwords, first) {
        (1, 0..=107 | 124..=127) => true,
        (2, 106 | 124 | 126) => true,
        (2, _) => first <= 104 && first.is_multiple_of(2),
        _ => first.is_multiple_of(4) && u16::from(first) + u16::from(dwords) <= 106,
    }
}

/// Whether a code of [`Operand::Inline`] is one: reserved codes, trap and graphics operands are not.
pub(crate) const fn is_inline(code: u8) -> bool {
    matches!(code, 128..=208 | 235..=238 | 240..=248 | 253)
}

/// Whether an inline code is a number, not a register of the constant bus (apertures, `scc`).
const fn is_number(code: u8) -> bool {
    matches!(code, 128..=208 | 240..=248)
}

/// What the field of this encoding can hold: source 1 of VOP2 and VOPC, a vector register there, is free in VOP3.
pub(crate) fn field_of(inst: &Inst, row: &Row, place: Place, slot: Slot) -> Field {
    let promoted = inst.encoding == Encoding::Vop3 && row.format != Format::Vop1;
    if promoted && place == Place::Src1 && slot.field == Field::Vgpr {
        return Field::Src;
    }
    slot.field
}

/// Whether the field can hold the operand.
fn fits(inst: &Inst, row: &Row, place: Place, slot: Slot) -> bool {
    let operand = inst.get(place);
    let inline = matches!(operand, Operand::Inline(code) if is_inline(code));
    let number = matches!(operand, Operand::Inline(code) if is_number(code));
    let scalar = matches!(operand, Operand::S(0..=107 | 124..=127));
    let vector = matches!(operand, Operand::V(_));
    let literal = matches!(operand, Operand::Literal(_));
    let native = inst.encoding == Encoding::Native;
    match field_of(inst, row, place, slot) {
        Field::Sdst if row.format == Format::Smem => {
            matches!(operand, Operand::S(0..=107 | 124))
        }
        Field::Sdst => scalar,
        // The counters of gfx11 are compared with the immediate alone.
        Field::Ssrc if row.format == Format::Sopk && row.class == Class::Control => {
            operand == Operand::NULL
        }
        Field::Ssrc if row.format == Format::Sopk => scalar,
        Field::Ssrc => scalar || inline || literal,
        Field::Sinline => scalar || inline,
        Field::Sreg => match (row.format, place) {
            (Format::Smem, Place::Src0) | (Format::Mubuf, Place::Src2) => {
                scalar && operand != Operand::NULL
            }
            (Format::Scratch, _) => scalar && operand != Operand::S(127),
            _ => scalar,
        },
        Field::Vgpr => vector,
        Field::Src => vector || scalar || inline || literal,
        Field::Vinline => vector || number,
        Field::Mask if matches!(row.format, Format::Vop1 | Format::Vop2) && native => {
            operand == Operand::VCC
        }
        Field::Mask if row.format == Format::Vopc && row.effects.writes_exec => {
            operand == Operand::EXEC
        }
        Field::Mask if row.format == Format::Vopc && native => operand == Operand::VCC,
        Field::Mask if place == Place::Src2 => matches!(operand, Operand::S(0..=107 | 124 | 125)),
        Field::Mask => scalar,
        Field::Literal => literal,
        Field::Unused => false,
    }
}

/// One literal, and none that a 16-bit operand would cut.
fn literals(inst: &Inst, row: &Row) -> Result<(), Rule> {
    let mut first = None;
    for (source, slot) in inst.src.iter().zip(row.src) {
        let Operand::Literal(value) = *source else {
            continue;
        };
        match first {
            Some(other) if other != value => return Err(Rule::TwoLiterals(other, value)),
            _ => first = Some(value),
        }
        if slot.ty.is_16() && value > 0xffff {
            return Err(Rule::WideLiteral(value));
        }
    }
    Ok(())
}

/// The range of `imm`.
fn immediate(inst: &Inst, row: &Row) -> Result<(), Rule> {
    let (low, high) = match row.format {
        Format::Sopp
            if matches!(
                inst.op,
                Op::S_WAIT_IDLE | Op::S_CODE_END | Op::S_WAKEUP | Op::S_ICACHE_INV | Op::S_BARRIER
            ) =>
        {
            (0, 0)
        }
        Format::Ds if inst.op == Op::DS_NOP => (0, 0),
        Format::Sopk | Format::Sopp | Format::Ds => (0, 0xffff),
        Format::Sop1 if crate::layout::is_message_return(inst.op) => (0, 0xff),
        Format::Smem if row.bytes == 0 => (0, 0),
        // The buffer loads add an unsigned offset to the descriptor's base.
        Format::Smem if row.src[0].ty.dwords() == 4 => (0, 0xf_ffff),
        Format::Smem => (-0x10_0000, 0xf_ffff),
        Format::Flat => (0, 0xfff),
        Format::Scratch | Format::Global => (-0x1000, 0xfff),
        Format::Mubuf if row.bytes != 0 => (0, 0xfff),
        _ => (0, 0),
    };
    if (low..=high).contains(&inst.imm) {
        Ok(())
    } else {
        Err(Rule::Immediate {
            found: inst.imm,
            low,
            high,
        })
    }
}

/// Modifiers that the row or the encoding lacks.
fn modifiers(inst: &Inst, row: &Row) -> Result<(), Rule> {
    let mods = &inst.mods;
    let accepts = &row.accepts;
    let valu = row.is_valu();
    let native = matches!(row.format, Format::Vop1 | Format::Vop2 | Format::Vopc)
        && inst.encoding == Encoding::Native;
    // A one-word instruction takes signs from its DPP dword, and halves from bit 7 of a register.
    let signs = match (native, mods.dpp) {
        (false, _) => 0b111,
        (true, Some(Dpp::Row { .. })) => 0b011,
        (true, _) => 0,
    };
    let mut halves = accepts.op_sel;
    if native {
        for place in [Place::Dst0, Place::Src0, Place::Src1, Place::Src2] {
            if !matches!(inst.get(place), Operand::V(_)) {
                halves &= !place.bit();
            }
        }
    }
    let packed = row.format == Format::Vop3p;
    let free = if accepts.op_sel & 3 == 3 {
        accepts.op_sel
    } else {
        0
    };
    let memory = matches!(
        row.format,
        Format::Flat | Format::Scratch | Format::Global | Format::Mubuf
    ) && row.bytes != 0;
    let smem = row.format == Format::Smem && row.bytes != 0;
    let buffer = row.format == Format::Mubuf && row.bytes != 0;
    let wrong = [
        ("neg", mods.neg & !(accepts.neg & signs) != 0),
        ("abs", mods.abs & !(accepts.abs & signs) != 0),
        ("op_sel", mods.op_sel & !halves != 0),
        ("op_sel_hi", !packed && mods.op_sel_hi != 0),
        (
            "op_sel_hi",
            packed && (mods.op_sel_hi > 7 || mods.op_sel_hi & !free != 7 & !free),
        ),
        ("clamp", mods.clamp && (native || !accepts.clamp)),
        ("omod", mods.omod != 0 && (native || !accepts.omod)),
        ("omod", mods.omod > 3),
        ("dpp", mods.dpp.is_some() && !(valu && accepts.dpp)),
        ("glc", mods.glc && !(memory || smem)),
        ("dlc", mods.dlc && !(memory || smem)),
        ("slc", mods.slc && !memory),
        ("gds", mods.gds),
        ("offen", mods.offen && !buffer),
        ("idxen", mods.idxen && !buffer),
    ];
    match wrong.iter().find(|(_, wrong)| *wrong) {
        Some((name, _)) => Err(Rule::Modifier(name)),
        None => Ok(()),
    }
}

/// The rules of lane exchange.
fn dpp(inst: &Inst, row: &Row) -> Result<(), Rule> {
    match inst.mods.dpp {
        None => return Ok(()),
        Some(Dpp::Row {
            ctrl,
            row_mask,
            bank_mask,
            ..
        }) => {
            let known = matches!(ctrl, 0..=0xff | 0x101..=0x10f | 0x111..=0x11f | 0x121..=0x12f | 0x140 | 0x141 | 0x150..=0x16f);
            if !known {
                return Err(Rule::DppControl(ctrl));
            }
            if row_mask > 15 {
                return Err(Rule::Modifier("row_mask"));
            }
            if bank_mask > 15 {
                return Err(Rule::Modifier("bank_mask"));
            }
        }
        Some(Dpp::Eight { selectors, .. }) => {
            if selectors >> 24 != 0 {
                return Err(Rule::Modifier("dpp8"));
            }
        }
    }
    for (place, source) in [Place::Src0, Place::Src1, Place::Src2]
        .into_iter()
        .zip(inst.src)
    {
        let vector = matches!(source, Operand::V(_)) || row.slot(place).is_none();
        let literal = matches!(source, Operand::Literal(_));
        let mask = row
            .slot(place)
            .is_some_and(|slot| slot.field == Field::Mask);
        if literal || !vector && place != Place::Src2 && !mask {
            return Err(Rule::DppOperand(place, source));
        }
    }
    Ok(())
}

/// Counts what the constant bus delivers: different scalar registers and literals, VCC where it is read unnamed too.
fn constant_bus(inst: &Inst, row: &Row) -> Result<(), Rule> {
    let limit = match inst.op {
        Op::V_LSHLREV_B64 | Op::V_LSHRREV_B64 | Op::V_ASHRREV_I64 => 1,
        _ => 2,
    };
    let mut seen = [(Operand::None, 0); 5];
    let mut found = 0;
    let mut add = |operand: Operand, dwords: u8| {
        let counts = match operand {
            Operand::S(_) => operand != Operand::NULL,
            Operand::Inline(code) => !is_number(code),
            Operand::Literal(_) => true,
            Operand::V(_) | Operand::None => false,
        };
        // A register is one value, whatever its width, only if it has no number.
        let dwords = if matches!(operand, Operand::Inline(_)) {
            0
        } else {
            dwords
        };
        if counts && !seen[..found].contains(&(operand, dwords)) {
            seen[found] = (operand, dwords);
            found += 1;
        }
    };
    if row.effects.reads_vcc {
        // As LLVM does, apart from a vcc_lo that is named: it counts the pair.
        add(Operand::VCC, 2);
    }
    for place in [Place::Src0, Place::Src1, Place::Src2] {
        add(inst.get(place), inst.dwords(place));
    }
    if found > limit {
        return Err(Rule::ConstantBus { limit, found });
    }
    Ok(())
}
