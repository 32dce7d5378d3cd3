//! Parsing of an untrusted body: bounded depth, bounded size, no key twice.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::limits::{MAX_JSON_DEPTH, MAX_JSON_VALUES};

/// Parses one JSON value that fills `body`.
///
/// # Errors
/// What is wrong and where; beyond JSON's own rules: nesting over [`MAX_JSON_DEPTH`], more than [`MAX_JSON_VALUES`]
/// values, or an object with the same key twice (which of the two counts would be a guess).
pub(crate) fn parse(body: &[u8]) -> serde_json::Result<Value> {
    let values = Cell::new(0);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = Strict {
        depth: 0,
        values: &values,
    }
    .deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Builds a [`Value`] of the tree at `depth`, counting all values of the body in `values`.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    values: &'a Cell<usize>,
}

impl Strict<'_> {
    fn inner<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_JSON_DEPTH {
            return Err(E::custom(format!(
                "more than {MAX_JSON_DEPTH} levels of nesting"
            )));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > MAX_JSON_VALUES {
            return Err(D::Error::custom(format!(
                "more than {MAX_JSON_VALUES} values"
            )));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(value) = access.next_element_seed(inner)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} occurs twice")));
            }
            let value = access.next_value_seed(inner)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn same_as_serde_json_where_nothing_is_refused() {
        for text in [
            "null",
            "[]",
            "-1",
            "18446744073709551615",
            "1.5e3",
            r#" {"a":[true,false,{"b":"\u00e9\ud83d\ude00\n"}],"c":-9223372036854775808} "#,
        ] {
            assert_eq!(
                parse(text.as_bytes()).unwrap(),
                serde_json::from_str::<Value>(text).unwrap()
            );
        }
    }

    #[test]
    fn refusals() {
        let nested = |levels| "[".repeat(levels) + &"]".repeat(levels);
        assert!(parse(nested(MAX_JSON_DEPTH).as_bytes()).is_ok());
        let wide = |values: usize| format!("[{}1]", "1,".repeat(values - 2));
        assert!(parse(wide(MAX_JSON_VALUES).as_bytes()).is_ok());
        let (deep, wide) = (nested(MAX_JSON_DEPTH + 1), wide(MAX_JSON_VALUES + 1));
        for (text, expected) in [
            (deep.as_str(), "more than 16 levels of nesting"),
            (wide.as_str(), "more than 262144 values"),
            (r#"{"a":1,"a":1}"#, r#"the key "a" occurs twice"#),
            (r#"{"a":{"b":1,"b":2}}"#, r#"the key "b" occurs twice"#),
            ("", "EOF while parsing a value"),
            ("{", "EOF while parsing an object"),
            ("{} {}", "trailing characters"),
            ("1e999", "number out of range"),
            ("NaN", "expected value"),
            (r#""\ud800""#, "unexpected end of hex escape"),
            ("\"\u{1}\"", "control character"),
            ("{'a':1}", "key must be a string"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(
                error.contains(expected),
                "{}: {error}",
                &text[..text.len().min(40)]
            );
        }
        assert!(parse(b"\"\xff\"").is_err() && parse(b"\xef\xbb\xbf{}").is_err());
    }
}
