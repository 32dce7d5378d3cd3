//! The disassembler.

use std::fmt::{self, Display, Write};

use super::symbols::{self, Fields};
use super::{Argument, arguments, signs_on_operands};
use crate::decode::{Rigor, decode};
use crate::inst::{Dpp, Encoding, Inst, Mods, Place};
use crate::operand::Operand;
use crate::row::{Format, Row, Ty};
use crate::vopd::{self, Shape};

/// Disassembles dwords, a line per instruction; what is none becomes a comment with the reason.
#[must_use]
pub fn disassemble(dwords: &[u32], rigor: Rigor) -> String {
    let mut text = String::new();
    let mut rest = dwords;
    while let Some(&first) = rest.first() {
        let used = match decode(rest, rigor) {
            Ok((inst, used)) => {
                let _ = writeln!(text, "{inst}");
                used
            }
            Err(error) => {
                let _ = writeln!(text, "; {first:#010x}: {error}");
                1
            }
        };
        rest = rest.get(used..).unwrap_or_default();
    }
    text
}

impl Display for Inst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dual.is_some() {
            return halves(self, f);
        }
        let row = self.op.row();
        write!(f, "{}{}", row.name, suffix(self, row))?;
        let mut separator = " ";
        for argument in arguments(self) {
            let mut text = String::new();
            write_argument(self, row, argument, &mut text)?;
            if !text.is_empty() {
                write!(f, "{separator}{text}")?;
                separator = ", ";
            }
        }
        modifiers(self, row, f)
    }
}

/// What the mnemonic says about the encoding.
fn suffix(inst: &Inst, row: &Row) -> &'static str {
    let dpp = inst.mods.dpp.is_some();
    let packed = matches!(row.format, Format::Vop3 | Format::Vop3sd | Format::Vop3p);
    match inst.encoding {
        Encoding::Native if packed && dpp => "_e64_dpp",
        Encoding::Native if dpp => "_dpp",
        Encoding::Native if row.vop3 => "_e32",
        Encoding::Native => "",
        Encoding::Vop3 if dpp => "_e64_dpp",
        Encoding::Vop3 => "_e64",
    }
}

/// Both halves of VOPD.
fn halves(inst: &Inst, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(dual) = inst.dual else {
        return Err(fmt::Error);
    };
    let sides = [
        (dual.x, Place::Dst0, Place::Src0, Place::Src1, " :: "),
        (dual.y, Place::Dst1, Place::Src2, Place::Src3, ""),
    ];
    for (op, dst, src0, src1, end) in sides {
        let mut text = format!("v_dual_{}", &op.row().name[2..]);
        let ty = op.row().src[0].ty;
        let k = format!("{:#x}", dual.literal.unwrap_or(0));
        operand(&mut text, " ", inst.get(dst), 1, ty)?;
        operand(&mut text, ", ", inst.get(src0), 1, ty)?;
        match vopd::shape(op) {
            Shape::Move => {}
            Shape::Two(_) | Shape::Select => operand(&mut text, ", ", inst.get(src1), 1, ty)?,
            Shape::AddK => {
                operand(&mut text, ", ", inst.get(src1), 1, ty)?;
                write!(text, ", {k}")?;
            }
            Shape::MulK => {
                write!(text, ", {k}")?;
                operand(&mut text, ", ", inst.get(src1), 1, ty)?;
            }
        }
        write!(f, "{text}{end}")?;
    }
    Ok(())
}

fn write_argument(inst: &Inst, row: &Row, argument: Argument, text: &mut String) -> fmt::Result {
    match argument {
        Argument::Place(place) => place_text(inst, row, place, text),
        Argument::ScalarOffset if inst.src[1] != Operand::NULL => {
            operand(text, "", inst.src[1], 1, Ty::U32)
        }
        Argument::ScalarOffset if inst.imm < 0 => write!(text, "-{:#x}", inst.imm.unsigned_abs()),
        Argument::ScalarOffset | Argument::Hex => write!(text, "{:#x}", inst.imm),
        Argument::Optional if inst.imm == 0 => Ok(()),
        Argument::Optional | Argument::Decimal | Argument::Target => write!(text, "{}", inst.imm),
        Argument::HardwareRegister => {
            let (id, low, size) = (inst.imm & 63, inst.imm >> 6 & 31, (inst.imm >> 11 & 31) + 1);
            let known = symbols::HARDWARE_REGISTERS;
            match known.iter().find(|known| i32::from(known.1) == id) {
                Some((name, _)) => write!(text, "hwreg({name}, {low}, {size})"),
                None => write!(text, "hwreg({id}, {low}, {size})"),
            }
        }
        Argument::Message => {
            let known = symbols::MESSAGES;
            match known.iter().find(|known| i32::from(known.1) == inst.imm) {
                Some((name, _)) => write!(text, "sendmsg({name})"),
                None => write!(text, "{}", inst.imm),
            }
        }
        Argument::Fields(fields) => immediate_fields(text, fields, inst.imm as u16),
    }
}

/// An immediate of fields, by name if nothing is lost so.
fn immediate_fields(text: &mut String, fields: &Fields, imm: u16) -> fmt::Result {
    let value = |field: &symbols::Field| usize::from(imm >> field.low & ((1 << field.width) - 1));
    let mask = |field: &symbols::Field| ((1 << field.width) - 1) << field.low;
    let named: u16 = fields.fields.iter().map(mask).sum();
    let known = fields
        .fields
        .iter()
        .all(|field| field.values.is_empty() || value(field) < field.values.len());
    if !fields.symbolic || !known || (imm ^ fields.default) & !named != 0 || imm == fields.default {
        return write!(text, "{imm:#x}");
    }
    let mut separator = "";
    for field in fields.fields {
        if (imm ^ fields.default) & mask(field) == 0 {
            continue;
        }
        let value = value(field);
        match field.values.get(value) {
            Some(name) => write!(text, "{separator}{}({name})", field.name)?,
            None => write!(text, "{separator}{}({value})", field.name)?,
        }
        separator = fields.separator;
    }
    Ok(())
}

/// An operand with its signs, or the word for its absence.
fn place_text(inst: &Inst, row: &Row, place: Place, text: &mut String) -> fmt::Result {
    let Some(slot) = row.slot(place) else {
        return Ok(());
    };
    let value = inst.get(place);
    let memory = matches!(row.format, Format::Global | Format::Scratch | Format::Mubuf);
    if memory && place == Place::Src0 && inst.dwords(place) == 0
        || memory && place == Place::Src2 && value == Operand::NULL
    {
        text.push_str("off");
        return Ok(());
    }
    let (written, index) = place.index();
    let signs = row.is_valu() && !written && signs_on_operands(inst.op);
    let has = |bits: u8| signs && bits >> index & 1 != 0;
    let (neg, abs) = (has(inst.mods.neg), has(inst.mods.abs));
    let number = matches!(value, Operand::Inline(_) | Operand::Literal(_));
    let (open, close) = match (neg, abs, number) {
        (false, false, _) => ("", ""),
        (true, false, true) => ("neg(", ")"),
        (true, false, false) => ("-", ""),
        (false, true, _) => ("|", "|"),
        (true, true, _) => ("-|", "|"),
    };
    operand(text, open, value, inst.dwords(place), slot.ty)?;
    if crate::rules::short_16(inst, row, slot)
        && inst.mods.op_sel != 0
        && matches!(value, Operand::V(_))
    {
        let high = inst.mods.op_sel & place.bit() != 0;
        text.push_str(if high { ".h" } else { ".l" });
    }
    text.push_str(close);
    Ok(())
}

/// An operand of so many dwords, after some text.
fn operand(text: &mut String, before: &str, value: Operand, dwords: u8, ty: Ty) -> fmt::Result {
    text.push_str(before);
    match value {
        Operand::None => write!(text, "none"),
        Operand::S(124) => write!(text, "null"),
        Operand::S(code) => {
            let known = symbols::SCALARS;
            match known
                .iter()
                .find(|known| known.1 == code && known.2 == dwords)
            {
                Some((name, _, _)) => write!(text, "{name}"),
                None => register(text, 's', code, dwords),
            }
        }
        Operand::V(code) => register(text, 'v', code, dwords),
        Operand::Inline(code) => {
            let special = symbols::SPECIAL.iter().find(|special| special.1 == code);
            match special {
                Some((name, _)) => write!(text, "{name}"),
                None => write!(text, "{}", symbols::number_text(code, ty)),
            }
        }
        Operand::Literal(value) => write!(text, "{value:#x}"),
    }
}

fn register(text: &mut String, file: char, first: u8, dwords: u8) -> fmt::Result {
    match dwords {
        0 | 1 => write!(text, "{file}{first}"),
        _ => {
            let last = u16::from(first) + u16::from(dwords) - 1;
            write!(text, "{file}[{first}:{last}]")
        }
    }
}

/// The modifiers after the operands.
fn modifiers(inst: &Inst, row: &Row, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mods = &inst.mods;
    match row.format {
        Format::Smem if inst.src[1] != Operand::NULL && inst.imm != 0 && inst.imm < 0 => {
            write!(f, " offset:-{:#x}", inst.imm.unsigned_abs())?;
        }
        Format::Smem if inst.src[1] != Operand::NULL && inst.imm != 0 => {
            write!(f, " offset:{:#x}", inst.imm)?;
        }
        Format::Mubuf => {
            for (name, set) in [("idxen", mods.idxen), ("offen", mods.offen)] {
                if set {
                    write!(f, " {name}")?;
                }
            }
        }
        _ => {}
    }
    offset(inst, row, f)?;
    if row.is_valu() {
        halves_and_signs(inst, row, f)?;
    }
    if mods.clamp {
        write!(f, " clamp")?;
    }
    if let Some((name, _)) = symbols::OUTPUT.iter().find(|omod| omod.1 == mods.omod) {
        write!(f, " {name}")?;
    }
    for (name, set) in [
        ("glc", mods.glc),
        ("slc", mods.slc),
        ("dlc", mods.dlc),
        ("gds", mods.gds),
    ] {
        if set {
            write!(f, " {name}")?;
        }
    }
    match mods.dpp {
        Some(dpp) => exchange(dpp, f),
        None => Ok(()),
    }
}

/// The offsets of vector memory and of the local data share.
fn offset(inst: &Inst, row: &Row, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let memory = matches!(
        row.format,
        Format::Ds | Format::Flat | Format::Global | Format::Scratch | Format::Mubuf
    );
    if !memory || inst.imm == 0 {
        return Ok(());
    }
    if !row.name.contains("_2addr_") {
        return write!(f, " offset:{}", inst.imm);
    }
    for (name, value) in [("offset0", inst.imm & 255), ("offset1", inst.imm >> 8)] {
        if value != 0 {
            write!(f, " {name}:{value}")?;
        }
    }
    Ok(())
}

/// The lists of bits per operand.
fn halves_and_signs(inst: &Inst, row: &Row, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mods = &inst.mods;
    let sources = row.src.len();
    let one_word = matches!(row.format, Format::Vop1 | Format::Vop2 | Format::Vopc)
        && inst.encoding == Encoding::Native;
    let mut list = |name: &str, bits: u8, sources: usize, result: Option<u8>| -> fmt::Result {
        let bits = (0..sources).map(|source| bits >> source & 1).chain(result);
        let bits: Vec<String> = bits.map(|bit| bit.to_string()).collect();
        write!(f, " {name}:[{}]", bits.join(","))
    };
    if row.format != Format::Vop3p {
        if mods.op_sel != 0 && !one_word {
            // A compare has no half of a register as its result, nor has the selection of lanes, which lists two sources.
            // An accumulator is listed as a third; its half is that of the destination.
            let accepts = row.accepts.op_sel;
            let wrong = mods.op_sel & !accepts != 0;
            let result = (accepts >> 3 != 0 || wrong).then_some(mods.op_sel >> 3);
            let sources = sources + usize::from(row.effects.reads_dst && row.vop3);
            let sources = if accepts == 3 && !wrong { 2 } else { sources };
            list("op_sel", mods.op_sel, sources, result)?;
        }
        return Ok(());
    }
    let default = Mods::default_of(inst.op);
    let signs = !signs_on_operands(inst.op);
    for (name, bits, write) in [
        ("op_sel", mods.op_sel, mods.op_sel != 0),
        (
            "op_sel_hi",
            mods.op_sel_hi,
            mods.op_sel_hi != default.op_sel_hi,
        ),
        ("neg_lo", mods.neg, signs && mods.neg != 0),
        ("neg_hi", mods.abs, signs && mods.abs != 0),
    ] {
        if write {
            list(name, bits, sources, None)?;
        }
    }
    Ok(())
}

/// Lane exchange.
fn exchange(dpp: Dpp, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let digits = |selectors: u32, count: u32, width: u32| {
        let digit = |index: u32| (selectors >> (index * width) & ((1 << width) - 1)).to_string();
        (0..count).map(digit).collect::<Vec<_>>().join(",")
    };
    let fetch_inactive = match dpp {
        Dpp::Eight {
            selectors,
            fetch_inactive,
        } => {
            write!(f, " dpp8:[{}]", digits(selectors, 8, 3))?;
            fetch_inactive
        }
        Dpp::Row {
            ctrl,
            row_mask,
            bank_mask,
            bound_ctrl,
            fetch_inactive,
        } => {
            let mirror = symbols::ROW_MIRRORS.iter().find(|mirror| mirror.1 == ctrl);
            let row = symbols::ROW_CONTROLS
                .iter()
                .find(|row| row.1 == ctrl & 0xff0);
            match (mirror, row) {
                (Some((name, _)), _) => write!(f, " {name}")?,
                (_, Some((name, _))) => write!(f, " {name}:{}", ctrl & 15)?,
                _ => write!(f, " quad_perm:[{}]", digits(u32::from(ctrl), 4, 2))?,
            }
            write!(f, " row_mask:{row_mask:#x} bank_mask:{bank_mask:#x}")?;
            if bound_ctrl {
                write!(f, " bound_ctrl:1")?;
            }
            fetch_inactive
        }
    };
    if fetch_inactive {
        write!(f, " fi:1")?;
    }
    Ok(())
}
