//! An object of a request, taken apart field by field until nothing is left that was not understood.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::problem::Problem;

/// Fields that were not taken yet. A field that is `null` counts as absent, as in OpenAI's API.
#[derive(Debug)]
pub(crate) struct Fields {
    map: Map<String, Value>,
    /// What stands before a field's name in `param`: nothing, or a path that ends with a dot.
    prefix: String,
}

/// A parameter of OpenAI's API that this server cannot honour, and whether a value of it asks for nothing: such a value
/// is accepted.
pub(crate) struct Unsupported {
    pub(crate) name: &'static str,
    pub(crate) asks_nothing: fn(&Value) -> bool,
}

impl Fields {
    /// The fields of a whole body.
    pub(crate) fn of_body(value: Value) -> Result<Self, Problem> {
        match value {
            Value::Object(map) => Ok(Self {
                map,
                prefix: String::new(),
            }),
            other => Err(Problem::NotAnObject {
                found: type_of(&other),
            }),
        }
    }

    /// The fields of an object at `path` inside the body.
    pub(crate) fn of(value: Value, path: &str) -> Result<Self, Problem> {
        match value {
            Value::Object(map) => Ok(Self {
                map,
                prefix: format!("{path}."),
            }),
            other => Err(wrong_type(path.into(), "an object", &other)),
        }
    }

    /// The name by which errors call a field.
    pub(crate) fn param(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    pub(crate) fn require(&mut self, name: &str) -> Result<Value, Problem> {
        self.take(name).ok_or_else(|| Problem::Missing {
            param: self.param(name),
        })
    }

    pub(crate) fn string(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong_type(self.param(name), "a string", &other)),
        }
    }

    pub(crate) fn require_string(&mut self, name: &str) -> Result<String, Problem> {
        self.string(name)?.ok_or_else(|| Problem::Missing {
            param: self.param(name),
        })
    }

    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(wrong_type(self.param(name), "a boolean", &other)),
        }
    }

    pub(crate) fn number(
        &mut self,
        name: &str,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f64>, Problem> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        number(self.param(name), &value, range).map(Some)
    }

    pub(crate) fn integer(
        &mut self,
        name: &str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<i64>, Problem> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        integer(self.param(name), &value, range).map(Some)
    }

    /// Takes what cannot be honoured, if it asks for nothing; then refuses whatever is left.
    pub(crate) fn finish(mut self, unsupported: &[Unsupported]) -> Result<(), Problem> {
        for Unsupported { name, asks_nothing } in unsupported {
            if self.take(name).is_some_and(|value| !asks_nothing(&value)) {
                return Err(Problem::Unsupported {
                    param: self.param(name),
                });
            }
        }
        match self.map.iter().find(|(_, value)| !value.is_null()) {
            None => Ok(()),
            Some((name, _)) => Err(Problem::Unknown {
                param: self.param(name),
            }),
        }
    }
}

/// A number in `range`.
pub(crate) fn number(
    param: String,
    value: &Value,
    range: RangeInclusive<f64>,
) -> Result<f64, Problem> {
    let Some(found) = value.as_f64() else {
        return Err(wrong_type(param, "a decimal", value));
    };
    let (minimum, maximum) = range.into_inner();
    if found < minimum {
        return Err(Problem::BelowMinimum {
            param,
            minimum,
            found,
            integer: false,
        });
    }
    if found > maximum {
        return Err(Problem::AboveMaximum {
            param,
            maximum,
            found,
            integer: false,
        });
    }
    Ok(found)
}

/// A number without a fraction in `range`.
pub(crate) fn integer(
    param: String,
    value: &Value,
    range: RangeInclusive<i64>,
) -> Result<i64, Problem> {
    let found = match value {
        // A number over i64::MAX is over every range there is; the rounded one serves the message.
        Value::Number(number) if number.is_i64() || number.is_u64() => number.as_f64(),
        _ => None,
    };
    let Some(found) = found else {
        return Err(wrong_type(param, "an integer", value));
    };
    let (minimum, maximum) = range.into_inner();
    match value.as_i64() {
        Some(exact) if exact < minimum => Err(Problem::BelowMinimum {
            param,
            minimum: minimum as f64,
            found,
            integer: true,
        }),
        Some(exact) if exact <= maximum => Ok(exact),
        _ => Err(Problem::AboveMaximum {
            param,
            maximum: maximum as f64,
            found,
            integer: true,
        }),
    }
}

/// A string, or every string of a list.
pub(crate) fn string_or_list(param: &str, value: Value) -> Result<Vec<String>, Problem> {
    match value {
        Value::String(text) => Ok([text].into()),
        Value::Array(list) => list
            .into_iter()
            .enumerate()
            .map(|(index, value)| match value {
                Value::String(text) => Ok(text),
                other => Err(wrong_type(format!("{param}[{index}]"), "a string", &other)),
            })
            .collect(),
        other => Err(wrong_type(
            param.into(),
            "a string or a list of strings",
            &other,
        )),
    }
}

pub(crate) fn wrong_type(param: String, expected: &'static str, found: &Value) -> Problem {
    Problem::WrongType {
        param,
        expected,
        found: type_of(found),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
