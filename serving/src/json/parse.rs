//! Parsing of an untrusted body: bounded depth, bounded size, no key twice.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::limits::{MAX_JSON_DEPTH, MAX_JSON_TREE_BYTES};

/// Parses one JSON value that fills `body`.
///
/// # Errors
/// What is wrong and where; beyond JSON's own rules: nesting over [`MAX_JSON_DEPTH`], values that take more than
/// [`MAX_JSON_TREE_BYTES`], or an object with the same key twice (which of the two counts would be a guess).
pub(crate) fn parse(body: &[u8]) -> serde_json::Result<Value> {
    let left = Cell::new(MAX_JSON_TREE_BYTES);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = Strict {
        depth: 0,
        left: &left,
    }
    .deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// A value in its list, and a text's or a number's allocation at its least.
const SLOT: usize = 32;
/// The least that a list allocates.
const LIST: usize = 4 * SLOT;
/// A node of a map (a B-tree's, of 11 keys and values), and a key's share of further nodes, which are half full.
const MAP: usize = 11 * (24 + SLOT) + SLOT;
const KEY: usize = MAP / 5 + SLOT;
const _: () = assert!(size_of::<Value>() <= SLOT && size_of::<String>() <= 24);

/// Builds a [`Value`] of the tree at `depth`, taking what it costs out of what is `left` of the body's allowance.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    left: &'a Cell<usize>,
}

impl Strict<'_> {
    fn pay<E: Error>(self, bytes: usize) -> Result<(), E> {
        let left = self.left.get().checked_sub(bytes).ok_or_else(|| {
            E::custom(format!(
                "its values take more than {MAX_JSON_TREE_BYTES} bytes"
            ))
        })?;
        self.left.set(left);
        Ok(())
    }

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
        self.pay(SLOT)?;
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

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.pay(SLOT)?;
        Ok(Value::String(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        self.pay(LIST)?;
        let mut list = Vec::new();
        while let Some(value) = access.next_element_seed(inner)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        self.pay(MAP)?;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            self.pay(KEY)?;
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
    use crate::limits::MAX_BODY_BYTES;
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
        let most = (MAX_JSON_TREE_BYTES - LIST) / SLOT;
        assert!(parse(wide(most).as_bytes()).is_ok());
        let (deep, wide) = (nested(MAX_JSON_DEPTH + 1), wide(most + 1));
        let many = |value: &str, count| format!("[{}0]", format!("{value},").repeat(count));
        // As much as a body may hold of what is small in JSON and large in memory.
        let [texts, lists, maps] = ["\"\"", "[1]", "{\"\":1}"].map(|value| {
            let text = many(value, MAX_BODY_BYTES / (value.len() + 1));
            assert!(parse(many(value, 1000).as_bytes()).is_ok(), "{value}");
            text
        });
        const COSTS: &str = "its values take more than 4194304 bytes";
        for (text, expected) in [
            (deep.as_str(), "more than 16 levels of nesting"),
            (wide.as_str(), COSTS),
            (texts.as_str(), COSTS),
            (lists.as_str(), COSTS),
            (maps.as_str(), COSTS),
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
