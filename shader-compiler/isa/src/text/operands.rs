//! Operands and immediates of the assembler.

use super::parse::Reason;
use super::signs_on_operands;
use super::symbols::{self, Fields};
use crate::inst::{Inst, Place};
use crate::operand::Operand;
use crate::row::{Field, Format, Ty};
use crate::rules;

/// An integer: decimal, hexadecimal or binary, with a sign.
pub(super) fn number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (digits, radix) = match (digits.strip_prefix("0x"), digits.strip_prefix("0b")) {
        (Some(digits), _) => (digits, 16),
        (_, Some(digits)) => (digits, 2),
        _ => (digits, 10),
    };
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let value = i128::from(u64::from_str_radix(digits, radix).ok()?);
    i64::try_from(if negative { -value } else { value }).ok()
}

/// Takes the operand of a place, with its signs.
pub(super) fn place_operand(inst: &mut Inst, place: Place, text: &str) -> Result<(), Reason> {
    let wrong = || Reason::Operand(text.to_string());
    let row = inst.op.row();
    let slot = row.slot(place).ok_or_else(wrong)?;
    if text == "off" {
        // An address that is not there, or no scalar part of one.
        let absent = match (row.format, place) {
            (Format::Global | Format::Scratch, Place::Src2) => Operand::NULL,
            (Format::Mubuf | Format::Scratch, Place::Src0) => Operand::None,
            _ => return Err(wrong()),
        };
        inst.set(place, absent);
        return Ok(());
    }
    let (written, index) = place.index();
    let mut rest = text;
    if row.is_valu() && !written && signs_on_operands(inst.op) {
        let (neg, abs, inner) = signs(text);
        inst.mods.neg |= u8::from(neg) << index;
        inst.mods.abs |= u8::from(abs) << index;
        rest = inner;
    }
    if rules::short_16(inst, row, slot) {
        if let Some(register) = rest.strip_suffix(".h") {
            inst.mods.op_sel |= place.bit();
            rest = register;
        } else if let Some(register) = rest.strip_suffix(".l") {
            rest = register;
        }
    }
    let operand = if slot.field == Field::Literal {
        Operand::Literal(literal(rest, slot.ty)?)
    } else {
        // An address in a vector register that is going to be found: its width is known once the rest of the line is.
        if row.format == Format::Scratch && place == Place::Src0 {
            inst.src[0] = Operand::V(0);
        }
        self::operand(rest, inst.dwords(place), slot.ty)?
    };
    inst.set(place, operand);
    Ok(())
}

/// Takes signs off an operand: `-x`, `|x|`, `-|x|`, `neg(x)`, `abs(x)`. The minus of a number is part of it.
fn signs(text: &str) -> (bool, bool, &str) {
    let call = |text: &'_ str, name: &str| -> Option<(usize, usize)> {
        let inner = text
            .strip_prefix(name)?
            .strip_prefix('(')?
            .strip_suffix(')')?;
        Some((name.len() + 1, name.len() + 1 + inner.len()))
    };
    let (mut neg, mut abs, mut rest) = (false, false, text);
    if let Some((from, to)) = call(rest, "neg") {
        (neg, rest) = (true, &rest[from..to]);
    } else if let Some(inner) = rest.strip_prefix('-')
        && !inner.starts_with(|c: char| c.is_ascii_digit())
    {
        (neg, rest) = (true, inner);
    }
    if let Some((from, to)) = call(rest, "abs") {
        (abs, rest) = (true, &rest[from..to]);
    } else if let Some(inner) = rest
        .strip_prefix('|')
        .and_then(|rest| rest.strip_suffix('|'))
    {
        (abs, rest) = (true, inner);
    }
    (neg, abs, rest)
}

/// An operand of so many dwords: register, constant or literal.
pub(super) fn operand(text: &str, dwords: u8, ty: Ty) -> Result<Operand, Reason> {
    let wrong = || Reason::Operand(text.to_string());
    if text == "null" {
        return Ok(Operand::NULL);
    }
    if let Some((_, code, width)) = symbols::SCALARS.iter().find(|known| known.0 == text) {
        return if *width == dwords {
            Ok(Operand::S(*code))
        } else {
            Err(wrong())
        };
    }
    let special =
        |known: &&(&str, u8)| known.0 == text || known.0.strip_prefix("src_") == Some(text);
    if let Some((_, code)) = symbols::SPECIAL.iter().find(special) {
        return Ok(Operand::Inline(*code));
    }
    if let Some((file, first, width)) = register(text) {
        return match (file, width == u16::from(dwords)) {
            ('s', true) if first <= 105 => Ok(Operand::S(first)),
            ('v', true) => Ok(Operand::V(first)),
            _ => Err(wrong()),
        };
    }
    constant(text, ty).ok_or_else(wrong)
}

/// `s5`, `s[5]` or `s[4:7]`: file, first register, number of them.
fn register(text: &str) -> Option<(char, u8, u16)> {
    let file = text
        .chars()
        .next()
        .filter(|file| matches!(file, 's' | 'v'))?;
    let rest = &text[1..];
    let plain = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u8>().ok().filter(|_| digits)
    };
    if let Some(range) = rest
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        let (first, last) = (plain(first.trim())?, plain(last.trim())?);
        let width = u16::from(last.checked_sub(first)?) + 1;
        return Some((file, first, width));
    }
    Some((file, plain(rest)?, 1))
}

/// A number: the inline constant that it is, else a literal.
fn constant(text: &str, ty: Ty) -> Option<Operand> {
    if text == symbols::INVERSE_TWO_PI_64 || text == "0.15915494" {
        return Some(Operand::Inline(248));
    }
    let (bits, literal) = value(text, ty)?;
    if let Some(integer) = number(text).and_then(|value| i32::try_from(value).ok())
        && let Some(inline) = Operand::inline_int(integer)
    {
        return Some(inline);
    }
    // Bits of all ones down to -16 in the operand's width are small integers too.
    let signed = match ty.dwords() {
        _ if ty.is_16() => i64::from(bits as i16),
        1 => i64::from(bits as i32),
        _ => bits as i64,
    };
    let integer = i32::try_from(signed).ok().and_then(Operand::inline_int);
    if let Some(inline) = integer {
        return Some(inline);
    }
    match symbols::inline_bits(bits, ty) {
        Some(code) => Some(Operand::Inline(code)),
        None => Some(Operand::Literal(literal?)),
    }
}

/// A number that stays a literal: K.
pub(super) fn literal(text: &str, ty: Ty) -> Result<u32, Reason> {
    let value = value(text, ty).and_then(|(_, literal)| literal);
    value.ok_or_else(|| Reason::Operand(text.to_string()))
}

/// The bits of a number as an operand of this type, and the literal that stands for them, if one does.
fn value(text: &str, ty: Ty) -> Option<(u64, Option<u32>)> {
    if let Some(integer) = number(text) {
        let bits = integer as u64;
        let literal = match ty.dwords() {
            _ if ty.is_16() => {
                let fits = (-0x8000..=0xffff).contains(&integer);
                fits.then_some(u32::from(bits as u16))
            }
            _ => {
                let fits = (-0x8000_0000..=0xffff_ffff).contains(&integer);
                fits.then_some(bits as u32)
            }
        };
        let bits = match ty.dwords() {
            _ if ty.is_16() => bits & 0xffff,
            1 => bits & 0xffff_ffff,
            _ => bits,
        };
        return Some((bits, literal));
    }
    let looks = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'e' | b'+'));
    let float: f64 = text.parse().ok().filter(|_| looks && text.contains('.'))?;
    if ty.is_16() || ty.halves() {
        // Only the floats that have a constant: there is no need to round to f16 here.
        let known = symbols::FLOATS.iter().find(|known| known.0 == text);
        return known.map(|known| (u64::from(known.2), Some(u32::from(known.2))));
    }
    if ty.dwords() > 1 {
        let bits = float.to_bits();
        return Some((bits, Some((bits >> 32) as u32)));
    }
    let bits = (float as f32).to_bits();
    Some((u64::from(bits), Some(bits)))
}

/// A list `[1,0,1]`: the bits, the first lowest, and how many there are.
pub(super) fn bits(text: &str) -> Option<(u8, usize)> {
    let list = text.strip_prefix('[')?.strip_suffix(']')?;
    let mut bits = 0;
    let mut count = 0;
    for digit in list.split(',') {
        bits |= match digit.trim() {
            "0" => 0,
            "1" if count < 4 => 1 << count,
            _ => return None,
        };
        count += 1;
    }
    (count <= 4).then_some((bits, count))
}

/// A list of so many numbers of so many bits each.
pub(super) fn digits(text: &str, count: usize, width: u32) -> Option<u32> {
    let list = text.strip_prefix('[')?.strip_suffix(']')?;
    let list: Vec<&str> = list.split(',').map(str::trim).collect();
    if list.len() != count {
        return None;
    }
    let mut packed = 0;
    for (digit, low) in list.into_iter().zip((0..).step_by(width as usize)) {
        let digit: u32 = digit.parse().ok().filter(|digit| digit >> width == 0)?;
        packed |= digit << low;
    }
    Some(packed)
}

/// An immediate of fields: the number, or names with values.
pub(super) fn immediate_fields(fields: &Fields, words: &[&str]) -> Result<i32, Reason> {
    if let [word] = words
        && let Some(value @ 0..=0xffff) = number(word)
    {
        return Ok(value as i32);
    }
    let mut imm = fields.default;
    let text = words.join(" ");
    let mut found = false;
    for part in text
        .split([' ', '|', '&', ','])
        .filter(|part| !part.is_empty())
    {
        let wrong = || Reason::Operand(part.to_string());
        let call = part.strip_suffix(')').and_then(|part| part.split_once('('));
        let (name, value) = call.ok_or_else(wrong)?;
        let field = fields.fields.iter().find(|field| field.name == name);
        let field = field.ok_or_else(wrong)?;
        let named = field.values.iter().position(|known| *known == value);
        let value = named.map(|value| value as i64).or_else(|| number(value));
        let range = 0..1_i64 << field.width;
        let value = value
            .filter(|value| range.contains(value))
            .ok_or_else(wrong)?;
        imm &= !(((1 << field.width) - 1) << field.low);
        imm |= (value as u16) << field.low;
        found = true;
    }
    if found {
        Ok(i32::from(imm))
    } else {
        Err(Reason::Operand(text))
    }
}

/// The arguments of `name(...)`.
fn call<'a>(text: &'a str, name: &str) -> Option<Vec<&'a str>> {
    let inner = text
        .strip_prefix(name)?
        .strip_prefix('(')?
        .strip_suffix(')')?;
    Some(inner.split(',').map(str::trim).collect())
}

/// A named number or a plain one.
fn named(text: &str, names: &[(&str, u16)]) -> Option<i64> {
    let known = names.iter().find(|known| known.0 == text);
    known
        .map(|known| i64::from(known.1))
        .or_else(|| number(text))
}

/// `hwreg(id, low, size)`, or the number of all that.
pub(super) fn hardware_register(text: &str) -> Result<i32, Reason> {
    let wrong = || Reason::Operand(text.to_string());
    if let Some(value @ 0..=0xffff) = number(text) {
        return Ok(value as i32);
    }
    let arguments = call(text, "hwreg").ok_or_else(wrong)?;
    let id = |text| named(text, symbols::HARDWARE_REGISTERS);
    let (id, low, size) = match arguments[..] {
        [register] => (id(register), Some(0), Some(32)),
        [register, low, size] => (id(register), number(low), number(size)),
        _ => return Err(wrong()),
    };
    match (id, low, size) {
        (Some(id @ 0..=63), Some(low @ 0..=31), Some(size @ 1..=32)) => {
            Ok((id | low << 6 | (size - 1) << 11) as i32)
        }
        _ => Err(wrong()),
    }
}

/// `sendmsg(name)`, or the number. The operation and stream of a geometry shader's messages are no business of compute:
/// they must be 0.
pub(super) fn message(text: &str) -> Result<i32, Reason> {
    let wrong = || Reason::Operand(text.to_string());
    if let Some(value @ 0..=0xffff) = number(text) {
        return Ok(value as i32);
    }
    let arguments = call(text, "sendmsg").ok_or_else(wrong)?;
    let (first, rest) = arguments.split_first().ok_or_else(wrong)?;
    match named(first, symbols::MESSAGES) {
        Some(id @ 0..=255) if rest.iter().all(|rest| *rest == "0") => Ok(id as i32),
        _ => Err(wrong()),
    }
}

/// `swizzle(...)` of `ds_swizzle_b32`, by LLVM's names for its modes.
pub(super) fn swizzle(text: &str) -> Option<i32> {
    let arguments = call(text, "swizzle")?;
    let value = |index: usize, most: i64| {
        let value = number(arguments.get(index)?)?;
        (0..=most).contains(&value).then_some(value as i32)
    };
    // Lane' = ((lane and a) or o) xor x within 32 lanes.
    let mask = |a: i32, o: i32, x: i32| a | o << 5 | x << 10;
    let group = || value(1, 32).filter(|size| size.count_ones() == 1 && *size > 1);
    match (arguments[0], arguments.len()) {
        ("QUAD_PERM", 5) => {
            let lane = |index| value(index, 3);
            Some(0x8000 | lane(1)? | lane(2)? << 2 | lane(3)? << 4 | lane(4)? << 6)
        }
        ("SWAP", 2) => {
            let size = value(1, 16).filter(|size| size.count_ones() == 1)?;
            Some(mask(31, 0, size))
        }
        ("REVERSE", 2) => Some(mask(31, 0, group()? - 1)),
        ("BROADCAST", 3) => {
            let size = group()?;
            Some(mask(31 & !(size - 1), value(2, i64::from(size) - 1)?, 0))
        }
        ("BITMASK_PERM", 2) => {
            let bits = arguments[1].strip_prefix('"')?.strip_suffix('"')?;
            let (mut a, mut o, mut x) = (0, 0, 0);
            if bits.len() != 5 {
                return None;
            }
            for (letter, bit) in bits.chars().zip((0..5).rev()) {
                match letter {
                    '0' => {}
                    '1' => o |= 1 << bit,
                    'p' => a |= 1 << bit,
                    'i' => (a, x) = (a | 1 << bit, x | 1 << bit),
                    _ => return None,
                }
            }
            Some(mask(a, o, x))
        }
        _ => None,
    }
}
