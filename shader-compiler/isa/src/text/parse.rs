//! The assembler.

use std::collections::HashMap;
use std::fmt;

use super::operands::{self, number, place_operand};
use super::{Argument, arguments, signs_on_operands, symbols};
use crate::encode::{EncodeError, encode};
use crate::inst::{Dpp, Encoding, Inst, Place};
use crate::operand::Operand;
use crate::row::{Class, Format};
use crate::rules::check;
use crate::table::Op;
use crate::vopd::Shape;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsmError {
    /// Line, from 1 on.
    pub line: usize,
    /// What is wrong with it.
    pub reason: Reason,
}

/// Why a line is no instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No such instruction in the table.
    Mnemonic(String),
    /// It has another number of operands: expected, found.
    Count(usize, usize),
    /// This is no operand for that place.
    Operand(String),
    /// This is no modifier, or its value is none.
    Modifier(String),
    /// A label that is not defined.
    Label(String),
    /// A label that is defined twice.
    LabelTwice(String),
    /// A branch to a label that is too far away, in dwords.
    Distance(i64),
    /// The instruction breaks a rule.
    Rule(EncodeError),
}

impl fmt::Display for AsmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.reason {
            Reason::Mnemonic(name) => write!(f, "no instruction {name}"),
            Reason::Count(expected, found) => {
                write!(f, "{found} operands, but the instruction has {expected}")
            }
            Reason::Operand(text) => write!(f, "{text:?} is no operand for its place"),
            Reason::Modifier(text) => write!(f, "{text:?} is no modifier"),
            Reason::Label(name) => write!(f, "label {name} is not defined"),
            Reason::LabelTwice(name) => write!(f, "label {name} is defined twice"),
            Reason::Distance(dwords) => write!(f, "the label is {dwords} dwords away"),
            Reason::Rule(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for AsmError {}

/// Assembles lines of instructions, labels (`name:`) and comments (after `;` or `//`).
///
/// # Errors
/// At the first line that is none of these, with the reason.
pub fn assemble(text: &str) -> Result<Vec<Inst>, AsmError> {
    let mut labels: HashMap<&str, usize> = HashMap::new();
    // Instructions with their lines, the dword each starts at, and the label that a branch names.
    let mut insts = Vec::new();
    let mut at = 0;
    for (index, line) in text.lines().enumerate() {
        let fail = |reason| AsmError {
            line: index + 1,
            reason,
        };
        let mut rest = line;
        for comment in [";", "//"] {
            rest = rest.split(comment).next().unwrap_or(rest);
        }
        rest = rest.trim();
        while let Some((name, after)) = label(rest) {
            if labels.insert(name, at).is_some() {
                return Err(fail(Reason::LabelTwice(name.to_string())));
            }
            rest = after.trim();
        }
        if rest.is_empty() {
            continue;
        }
        let (inst, target) = line_of(rest).map_err(fail)?;
        let words = encode(&inst).map_err(|error| fail(Reason::Rule(error)))?;
        at += words.len();
        insts.push((inst, index + 1, at, target));
    }
    let resolve = |(mut inst, line, end, target): (Inst, usize, usize, Option<&str>)| {
        let fail = |reason| AsmError { line, reason };
        if let Some(name) = target {
            let to = *labels
                .get(name)
                .ok_or_else(|| fail(Reason::Label(name.to_string())))?;
            let distance = to as i64 - end as i64;
            let short = i16::try_from(distance).map_err(|_| fail(Reason::Distance(distance)))?;
            inst.imm = i32::from(short as u16);
        }
        Ok(inst)
    };
    insts.into_iter().map(resolve).collect()
}

/// Assembles as [`assemble`] does, down to dwords.
///
/// # Errors
/// As [`assemble`].
pub fn assemble_words(text: &str) -> Result<Vec<u32>, AsmError> {
    let mut dwords = Vec::new();
    for inst in assemble(text)? {
        // What assembles was encoded once already; only branch distances changed since.
        let words = encode(&inst).map_err(|error| AsmError {
            line: 0,
            reason: Reason::Rule(error),
        })?;
        dwords.extend_from_slice(&words);
    }
    Ok(dwords)
}

/// A label at the start of a line, and the rest of it.
fn label(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.split_once(':')?;
    let good = is_name(name) && !rest.starts_with(':');
    good.then_some((name, rest))
}

fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == '.')
        && letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$'))
}

/// One instruction, and the label that it branches to.
fn line_of(line: &str) -> Result<(Inst, Option<&str>), Reason> {
    if let Some((x, y)) = line.split_once("::") {
        return Ok((halves(x.trim(), y.trim())?, None));
    }
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let (pieces, words) = split(rest.trim());
    let (op, encodings) = mnemonic(name, &words)?;
    let mut failure = None;
    for &encoding in encodings {
        let mut inst = Inst::new(op, &[], &[]);
        inst.encoding = encoding;
        let result = fill(&mut inst, &pieces, &words).and_then(|target| {
            check(&inst).map_err(|rule| Reason::Rule(EncodeError { op, rule }))?;
            Ok(target)
        });
        match result {
            Ok(target) => return Ok((inst, target)),
            Err(reason) => failure = Some(reason),
        }
    }
    Err(failure.unwrap_or_else(|| Reason::Mnemonic(name.to_string())))
}

/// The opcode of a mnemonic, and the encodings that its suffix leaves, the shorter first.
fn mnemonic(name: &str, words: &[&str]) -> Result<(Op, &'static [Encoding]), Reason> {
    const NATIVE: &[Encoding] = &[Encoding::Native];
    const VOP3: &[Encoding] = &[Encoding::Vop3];
    const BOTH: &[Encoding] = &[Encoding::Native, Encoding::Vop3];
    let unknown = || Reason::Mnemonic(name.to_string());
    // A suffix of the encoding; whether it says that the lanes are exchanged.
    for (suffix, short, dpp) in [
        ("_e64_dpp", false, true),
        ("_dpp", true, true),
        ("_e32", true, false),
        ("_e64", false, false),
    ] {
        let Some(op) = name.strip_suffix(suffix).and_then(Op::from_name) else {
            continue;
        };
        let exchanged = words.iter().any(|word| is_exchange(word));
        if dpp != exchanged {
            return Err(unknown());
        }
        let promoted = op.row().vop3;
        let only_long = matches!(
            op.row().format,
            Format::Vop3 | Format::Vop3sd | Format::Vop3p
        );
        return match (short, promoted, only_long) {
            (true, _, false) => Ok((op, NATIVE)),
            (false, true, _) => Ok((op, VOP3)),
            (false, _, true) => Ok((op, NATIVE)),
            _ => Err(unknown()),
        };
    }
    let op = Op::from_name(name)
        .filter(|op| *op != Op::V_DUAL)
        .ok_or_else(unknown)?;
    Ok((op, if op.row().vop3 { BOTH } else { NATIVE }))
}

/// Whether a modifier names an exchange of lanes.
fn is_exchange(word: &str) -> bool {
    let name = word.split(':').next().unwrap_or(word);
    matches!(name, "dpp8" | "quad_perm")
        || symbols::ROW_CONTROLS
            .iter()
            .any(|control| control.0 == name)
        || symbols::ROW_MIRRORS.iter().any(|mirror| mirror.0 == name)
}

/// Splits at commas and, after the last of them, at spaces: operands, and modifiers. What stands in brackets, bars or
/// quotes stays together.
fn split(text: &str) -> (Vec<&str>, Vec<&str>) {
    let mut depth = 0_i32;
    let mut quoted = false;
    let mut pieces = Vec::new();
    let mut words = Vec::new();
    let mut start = 0;
    let mut spaces = Vec::new();
    for (at, letter) in text.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 && !quoted => {
                pieces.push(text[start..at].trim());
                start = at + 1;
                spaces.clear();
            }
            _ if letter.is_whitespace() && depth == 0 && !quoted => spaces.push(at),
            _ => {}
        }
    }
    let mut from = start;
    for at in spaces.into_iter().chain([text.len()]) {
        let word = text.get(from..at).unwrap_or_default().trim();
        if !word.is_empty() {
            words.push(word);
        }
        from = at;
    }
    if !words.is_empty() {
        pieces.push(words.remove(0));
    }
    (pieces, words)
}

/// Fills in operands and modifiers.
fn fill<'a>(
    inst: &mut Inst,
    pieces: &[&'a str],
    words: &[&'a str],
) -> Result<Option<&'a str>, Reason> {
    let row = inst.op.row();
    // Immediates of fields are words with spaces between them.
    let fields = arguments(inst).iter().find_map(|argument| match argument {
        Argument::Fields(fields) => Some(*fields),
        _ => None,
    });
    if let Some(fields) = fields {
        let all: Vec<&str> = pieces.iter().chain(words).copied().collect();
        inst.imm = operands::immediate_fields(fields, &all)?;
        return Ok(None);
    }
    for word in words {
        modifier(inst, word)?;
    }
    let arguments = arguments(inst);
    let optional = usize::from(arguments.contains(&Argument::Optional));
    if pieces.len() != arguments.len() && pieces.len() + optional != arguments.len() {
        return Err(Reason::Count(arguments.len(), pieces.len()));
    }
    if row.format == Format::Vopc && row.effects.writes_exec {
        inst.dst[0] = Operand::EXEC;
    }
    let mut target = None;
    // Registers of a tuple are counted by the type, which for an address depends on the operands after it.
    for (argument, piece) in arguments.iter().zip(pieces).rev() {
        match argument {
            Argument::Place(place) => place_operand(inst, *place, piece)?,
            Argument::ScalarOffset => scalar_offset(inst, piece)?,
            Argument::Hex | Argument::Decimal | Argument::Optional => {
                inst.imm = immediate(piece, -0x8000..=0xffff)? & 0xffff;
            }
            Argument::Target if number(piece).is_none() && is_name(piece) => target = Some(*piece),
            Argument::Target => inst.imm = immediate(piece, -0x8000..=0xffff)? & 0xffff,
            Argument::HardwareRegister => inst.imm = operands::hardware_register(piece)?,
            Argument::Message => inst.imm = operands::message(piece)?,
            Argument::Fields(_) => {}
        }
    }
    if row.format == Format::Mubuf && row.class == Class::VmemAtomic && inst.mods.glc {
        inst.dst[0] = inst.src[1];
    }
    Ok(target)
}

/// A number within a range.
fn immediate(text: &str, range: std::ops::RangeInclusive<i64>) -> Result<i32, Reason> {
    let value = number(text).filter(|value| range.contains(value));
    let value = value.and_then(|value| i32::try_from(value).ok());
    value.ok_or_else(|| Reason::Operand(text.to_string()))
}

/// The last operand of SMEM.
fn scalar_offset(inst: &mut Inst, text: &str) -> Result<(), Reason> {
    if number(text).is_some() {
        inst.imm = immediate(text, -0x10_0000..=0xf_ffff)?;
        inst.src[1] = Operand::NULL;
        return Ok(());
    }
    place_operand(inst, Place::Src1, text)
}

/// The halves of VOPD.
fn halves(x: &str, y: &str) -> Result<Inst, Reason> {
    let mut inst = Inst::new(Op::V_DUAL, &[], &[]);
    let sides = [
        (x, Place::Dst0, Place::Src0, Place::Src1),
        (y, Place::Dst1, Place::Src2, Place::Src3),
    ];
    let mut ops = [Op::V_MOV_B32; 2];
    let mut literal = None;
    for ((text, dst, src0, src1), op) in sides.into_iter().zip(&mut ops) {
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let plain = name.strip_prefix("v_dual_").map(|name| format!("v_{name}"));
        let found = plain.and_then(|name| Op::from_name(&name));
        *op = found.ok_or_else(|| Reason::Mnemonic(name.to_string()))?;
        let row = op.row();
        if !row.effects.dual_y {
            return Err(Reason::Mnemonic(name.to_string()));
        }
        let (pieces, words) = split(rest.trim());
        if let Some(word) = words.first() {
            return Err(Reason::Modifier((*word).to_string()));
        }
        let order: &[Option<Place>] = match crate::vopd::shape(*op) {
            Shape::Move => &[Some(dst), Some(src0)],
            Shape::Two(_) | Shape::Select => &[Some(dst), Some(src0), Some(src1)],
            Shape::AddK => &[Some(dst), Some(src0), Some(src1), None],
            Shape::MulK => &[Some(dst), Some(src0), None, Some(src1)],
        };
        if order.len() != pieces.len() {
            return Err(Reason::Count(order.len(), pieces.len()));
        }
        for (place, piece) in order.iter().zip(pieces) {
            let ty = row.src[0].ty;
            match place {
                Some(place) => inst.set(*place, operands::operand(piece, 1, ty)?),
                None => {
                    let value = operands::literal(piece, ty)?;
                    if let Some(other) = literal.filter(|other| *other != value) {
                        let rule = crate::rules::Rule::TwoLiterals(other, value);
                        let op = Op::V_DUAL;
                        return Err(Reason::Rule(EncodeError { op, rule }));
                    }
                    literal = Some(value);
                }
            }
        }
    }
    let [x, y] = ops;
    inst.dual = Some(crate::inst::Dual { x, y, literal });
    check(&inst).map_err(|rule| {
        Reason::Rule(EncodeError {
            op: Op::V_DUAL,
            rule,
        })
    })?;
    Ok(inst)
}

/// Takes one modifier.
fn modifier(inst: &mut Inst, word: &str) -> Result<(), Reason> {
    let wrong = || Reason::Modifier(word.to_string());
    let (name, value) = match word.split_once(':') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let mods = &mut inst.mods;
    let format = inst.op.row().format;
    let plain = number(value.unwrap_or(""));
    match (name, value) {
        ("clamp", None) => mods.clamp = true,
        ("glc", None) => mods.glc = true,
        ("slc", None) => mods.slc = true,
        ("dlc", None) => mods.dlc = true,
        ("gds", None) => mods.gds = true,
        ("offen", None) => mods.offen = true,
        ("idxen", None) => mods.idxen = true,
        ("mul" | "div", Some(_)) => {
            let known = symbols::OUTPUT.iter().find(|output| output.0 == word);
            mods.omod = known.ok_or_else(wrong)?.1;
        }
        ("offset", Some(value)) => inst.imm = offset(inst.op, value).ok_or_else(wrong)?,
        ("offset0" | "offset1", Some(_)) if format == Format::Ds => {
            let byte = plain
                .filter(|value| (0..=255).contains(value))
                .ok_or_else(wrong)? as i32;
            inst.imm |= if name == "offset0" { byte } else { byte << 8 };
        }
        ("op_sel", Some(value)) => {
            let bits = operands::bits(value).ok_or_else(wrong)?;
            mods.op_sel = op_sel(inst.op, bits.0, bits.1).ok_or_else(wrong)?;
        }
        ("op_sel_hi", Some(value)) => {
            let (bits, count) = operands::bits(value).ok_or_else(wrong)?;
            // Sources that are not there keep the default.
            mods.op_sel_hi = bits | mods.op_sel_hi & !((1 << count) - 1);
        }
        ("neg_lo", Some(value)) if !signs_on_operands(inst.op) => {
            mods.neg = operands::bits(value).ok_or_else(wrong)?.0;
        }
        ("neg_hi", Some(value)) if !signs_on_operands(inst.op) => {
            mods.abs = operands::bits(value).ok_or_else(wrong)?.0;
        }
        _ => exchange(&mut mods.dpp, name, value, plain).ok_or_else(wrong)?,
    }
    Ok(())
}

/// The bits of `op_sel`: those of the sources, then that of the destination.
fn op_sel(op: Op, bits: u8, count: usize) -> Option<u8> {
    let row = op.row();
    if row.format == Format::Vop3p {
        return Some(bits);
    }
    // An accumulator is listed as a third source; its half is that of the destination.
    let sources = row.src.len() + usize::from(row.effects.reads_dst && row.vop3);
    let low = bits & ((1 << row.src.len()) - 1);
    match count {
        _ if count <= sources => Some(low),
        _ if count == sources + 1 => Some(low | (bits >> sources & 1) << 3),
        _ => None,
    }
}

/// `offset:`, of memory or of a swizzle.
fn offset(op: Op, text: &str) -> Option<i32> {
    if op == Op::DS_SWIZZLE_B32 && text.starts_with("swizzle(") {
        return operands::swizzle(text);
    }
    i32::try_from(number(text)?).ok()
}

/// The modifiers of lane exchange.
fn exchange(
    dpp: &mut Option<Dpp>,
    name: &str,
    value: Option<&str>,
    plain: Option<i64>,
) -> Option<()> {
    let row = |ctrl: u16| Dpp::Row {
        ctrl,
        row_mask: 15,
        bank_mask: 15,
        bound_ctrl: false,
        fetch_inactive: false,
    };
    let start = match (name, value) {
        ("dpp8", Some(value)) => Some(Dpp::Eight {
            selectors: operands::digits(value, 8, 3)?,
            fetch_inactive: false,
        }),
        ("quad_perm", Some(value)) => Some(row(operands::digits(value, 4, 2)? as u16)),
        _ => {
            let mirror = symbols::ROW_MIRRORS.iter().find(|mirror| mirror.0 == name);
            let control = symbols::ROW_CONTROLS
                .iter()
                .find(|control| control.0 == name);
            match (mirror, control, plain) {
                (Some((_, ctrl)), _, None) => Some(row(*ctrl)),
                (_, Some((_, ctrl)), Some(lanes @ 0..=15)) => Some(row(ctrl | lanes as u16)),
                _ => None,
            }
        }
    };
    if let Some(start) = start {
        // Masks stand after the control.
        return dpp.replace(start).is_none().then_some(());
    }
    match (name, plain?, dpp.as_mut()?) {
        ("fi", on @ 0..=1, Dpp::Row { fetch_inactive, .. } | Dpp::Eight { fetch_inactive, .. }) => {
            *fetch_inactive = on == 1;
        }
        ("row_mask", mask @ 0..=15, Dpp::Row { row_mask, .. }) => *row_mask = mask as u8,
        ("bank_mask", mask @ 0..=15, Dpp::Row { bank_mask, .. }) => *bank_mask = mask as u8,
        // LLVM takes 0 for on too: it was written so for older generations.
        ("bound_ctrl", 0..=1, Dpp::Row { bound_ctrl, .. }) => *bound_ctrl = true,
        _ => return None,
    }
    Some(())
}
