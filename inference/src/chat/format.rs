//! Values as text: Python's `str` and `repr`, and JSON as `json.dumps` writes it.
//!
//! Text inside of a container keeps its origin. The punctuation around it is the user's if any of the container's text
//! is, so that a tool definition of a request is one piece.
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use super::budget::Budget;
use super::error::ErrorKind;
use super::text::{Origin, Text, TextBuilder};
use super::value::{Map, Sequence, SequenceKind, Value};

/// How `tojson` writes.
#[derive(Clone, Debug)]
pub(super) struct JsonStyle {
    pub(super) indent: Option<usize>,
    pub(super) item_separator: String,
    pub(super) key_separator: String,
    pub(super) ascii: bool,
    pub(super) sort_keys: bool,
}

/// `str(value)`, where an undefined value is empty.
pub(super) fn to_text(value: &Value, budget: &mut Budget) -> Result<Arc<Text>, ErrorKind> {
    if let Value::Str(text) = value {
        return Ok(Arc::clone(text));
    }
    let origin = origin_of(value, budget)?;
    let mut out = TextBuilder::new(budget);
    if !matches!(value, Value::Undefined(_)) {
        write_repr(value, origin, &mut out)?;
    }
    Ok(out.finish())
}

/// `json.dumps(value)`
pub(super) fn to_json(
    value: &Value,
    style: &JsonStyle,
    budget: &mut Budget,
) -> Result<Value, ErrorKind> {
    let origin = origin_of(value, budget)?;
    let mut writer = JsonWriter {
        style,
        origin,
        out: TextBuilder::new(budget),
    };
    writer.value(value, 0)?;
    Ok(Value::Str(writer.out.finish()))
}

fn origin_of(value: &Value, budget: &mut Budget) -> Result<Origin, ErrorKind> {
    budget.steps(1)?;
    let mut any_user = false;
    match value {
        Value::Str(text) => return Ok(text.origin()),
        Value::Sequence(sequence) => {
            for item in &sequence.items {
                any_user |= origin_of(item, budget)? == Origin::User;
            }
        }
        Value::Map(map) => {
            for (key, value) in &map.members {
                any_user |= origin_of(key, budget)? == Origin::User
                    || origin_of(value, budget)? == Origin::User;
            }
        }
        _ => {}
    }
    Ok(if any_user {
        Origin::User
    } else {
        Origin::Template
    })
}

fn write_repr(value: &Value, origin: Origin, out: &mut TextBuilder<'_>) -> Result<(), ErrorKind> {
    match value {
        Value::None => out.push("None", origin),
        Value::Undefined(_) => out.push("Undefined", origin),
        Value::Bool(value) => out.push(if *value { "True" } else { "False" }, origin),
        Value::Int(value) => out.push(&format!("{value}"), origin),
        Value::Float(value) => out.push(&float(*value), origin),
        Value::Str(text) => write_quoted(text, out),
        Value::Sequence(sequence) => write_sequence(sequence, origin, out),
        Value::Map(map) => write_map(map, origin, out),
        other => Err(ErrorKind::of_type("conversion to text", other.type_name())),
    }
}

fn write_sequence(
    sequence: &Sequence,
    origin: Origin,
    out: &mut TextBuilder<'_>,
) -> Result<(), ErrorKind> {
    let (open, close) = match sequence.kind {
        SequenceKind::List => ("[", "]"),
        SequenceKind::Tuple if sequence.items.len() == 1 => ("(", ",)"),
        SequenceKind::Tuple => ("(", ")"),
        _ => {
            return Err(ErrorKind::Unsupported(
                "printing a range, dict view or lazy filter without `list`",
            ));
        }
    };
    out.push(open, origin)?;
    for (i, item) in sequence.items.iter().enumerate() {
        if i > 0 {
            out.push(", ", origin)?;
        }
        write_repr(item, origin, out)?;
    }
    out.push(close, origin)
}

fn write_map(map: &Map, origin: Origin, out: &mut TextBuilder<'_>) -> Result<(), ErrorKind> {
    out.push("{", origin)?;
    for (i, (key, value)) in map.members.iter().enumerate() {
        if i > 0 {
            out.push(", ", origin)?;
        }
        write_repr(key, origin, out)?;
        out.push(": ", origin)?;
        write_repr(value, origin, out)?;
    }
    out.push("}", origin)
}

/// `repr` of a string.
fn write_quoted(text: &Text, out: &mut TextBuilder<'_>) -> Result<(), ErrorKind> {
    let quote = if text.as_str().contains('\'') && !text.as_str().contains('"') {
        "\""
    } else {
        "'"
    };
    let origin = text.origin();
    out.push(quote, origin)?;
    for (part, origin) in text.parts(0..text.len()) {
        let mut escaped = String::with_capacity(part.len());
        for c in part.chars() {
            match c {
                '\n' => escaped.push_str("\\n"),
                '\r' => escaped.push_str("\\r"),
                '\t' => escaped.push_str("\\t"),
                '\\' => escaped.push_str("\\\\"),
                '\'' if quote == "'" => escaped.push_str("\\'"),
                c if is_printable(c) => escaped.push(c),
                c => match u32::from(c) {
                    code @ 0..=0xff => escaped.push_str(&format!("\\x{code:02x}")),
                    code @ 0x100..=0xffff => escaped.push_str(&format!("\\u{code:04x}")),
                    code => escaped.push_str(&format!("\\U{code:08x}")),
                },
            }
        }
        out.push(&escaped, origin)?;
    }
    out.push(quote, origin)
}

/// `str.isprintable` of one character. Rust escapes for debugging what Python calls unprintable, and combining marks at
/// the start of a string, hence the letter in front.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        !c.is_ascii_control()
    } else {
        String::from_iter(['a', c]).escape_debug().count() == 2
    }
}

/// `repr` of a float: the shortest digits that read back the same, with an exponent where Python writes one.
pub(super) fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 {
            "inf".into()
        } else {
            "-inf".into()
        };
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => format!("{value:?}"),
    }
}

struct JsonWriter<'a> {
    style: &'a JsonStyle,
    origin: Origin,
    out: TextBuilder<'a>,
}

impl JsonWriter<'_> {
    fn value(&mut self, value: &Value, level: usize) -> Result<(), ErrorKind> {
        match value {
            Value::Str(text) => self.string(text),
            Value::Sequence(sequence)
                if matches!(sequence.kind, SequenceKind::List | SequenceKind::Tuple) =>
            {
                self.array(sequence, level)
            }
            Value::Map(map) => self.object(map, level),
            _ => match scalar(value) {
                Some(text) => self.out.push(&text, self.origin),
                None => Err(ErrorKind::of_type("tojson", value.type_name())),
            },
        }
    }

    fn array(&mut self, sequence: &Sequence, level: usize) -> Result<(), ErrorKind> {
        self.out.push("[", self.origin)?;
        for (i, item) in sequence.items.iter().enumerate() {
            self.separate(i > 0, level + 1)?;
            self.value(item, level + 1)?;
        }
        self.close(sequence.items.is_empty(), level)?;
        self.out.push("]", self.origin)
    }

    fn object(&mut self, map: &Map, level: usize) -> Result<(), ErrorKind> {
        let mut members: alloc::vec::Vec<_> = map.members.iter().collect();
        if self.style.sort_keys {
            self.out.budget.steps(members.len() as u64)?;
            members.sort_by(|a, b| a.0.as_str().cmp(&b.0.as_str()));
        }
        self.out.push("{", self.origin)?;
        for (i, (key, value)) in members.into_iter().enumerate() {
            self.separate(i > 0, level + 1)?;
            match key {
                Value::Str(text) => self.string(text)?,
                _ => {
                    let text = scalar(key)
                        .ok_or_else(|| ErrorKind::of_type("a key of tojson", key.type_name()))?;
                    self.out.push(&format!("\"{text}\""), self.origin)?;
                }
            }
            self.out.push(&self.style.key_separator, self.origin)?;
            self.value(value, level + 1)?;
        }
        self.close(map.members.is_empty(), level)?;
        self.out.push("}", self.origin)
    }

    fn separate(&mut self, not_first: bool, level: usize) -> Result<(), ErrorKind> {
        if not_first {
            self.out.push(&self.style.item_separator, self.origin)?;
        }
        self.new_line(level)
    }

    fn close(&mut self, empty: bool, level: usize) -> Result<(), ErrorKind> {
        if empty { Ok(()) } else { self.new_line(level) }
    }

    fn new_line(&mut self, level: usize) -> Result<(), ErrorKind> {
        let Some(indent) = self.style.indent else {
            return Ok(());
        };
        self.out.push("\n", self.origin)?;
        let spaces = Text::new(" ", self.origin);
        self.out.repeat(&spaces, indent.saturating_mul(level))
    }

    fn string(&mut self, text: &Text) -> Result<(), ErrorKind> {
        let outer = if text.len() == 0 {
            self.origin
        } else {
            text.origin()
        };
        self.out.push("\"", outer)?;
        for (part, origin) in text.parts(0..text.len()) {
            let mut escaped = String::with_capacity(part.len());
            part.chars()
                .for_each(|c| json_escape(c, self.style.ascii, &mut escaped));
            self.out.push(&escaped, origin)?;
        }
        self.out.push("\"", outer)
    }
}

fn json_escape(c: char, ascii: bool, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0c' => out.push_str("\\f"),
        '\x08' => out.push_str("\\b"),
        c if c < ' ' || (ascii && !(' '..='~').contains(&c)) => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
        c => out.push(c),
    }
}

/// Numbers and constants in JSON, also as the key of an object.
fn scalar(value: &Value) -> Option<String> {
    Some(match value {
        Value::None => "null".into(),
        Value::Bool(value) => format!("{value}"),
        Value::Int(value) => format!("{value}"),
        Value::Float(value) if value.is_nan() => "NaN".into(),
        Value::Float(value) if value.is_infinite() => (if *value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        })
        .into(),
        Value::Float(value) => float(*value),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values are what Python 3.11 prints.
    #[test]
    fn floats_are_written_as_python_writes_them() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e-5, "1.5e-05"),
            (0.0001, "0.0001"),
            (1.0 / 3.0, "0.3333333333333333"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
        ];
        for (value, expected) in cases {
            assert_eq!(float(value), expected);
        }
    }

    #[test]
    fn unprintable_characters_are_those_of_python() {
        for c in ['a', 'é', '\u{301}', '中', '😀'] {
            assert!(is_printable(c), "{c:?}");
        }
        for c in ['\u{7f}', '\u{a0}', '\u{200b}', '\u{2028}', '\u{e000}'] {
            assert!(!is_printable(c), "{c:?}");
        }
    }
}
