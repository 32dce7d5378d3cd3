//! Jinja's tests: `value is defined`, `value is equalto 3`.
use super::arguments::Args;
use super::budget::Budget;
use super::error::ErrorKind;
use super::value::{SequenceKind, Value};
use core::cmp::Ordering;

pub(super) fn holds(value: &Value, args: Args<'_>, budget: &mut Budget) -> Result<bool, ErrorKind> {
    if let Some(answer) = of_one_value(value, args.of) {
        return if args.positional.is_empty() {
            Ok(answer)
        } else {
            Err(args.error("takes no argument"))
        };
    }
    let (name, missing) = (args.of, args.error("expected one argument"));
    if !is_binary(name) {
        return Err(ErrorKind::UnknownTest(name.into()));
    }
    let [other] = args.bind([""])?;
    let other = other.ok_or(missing)?;
    match name {
        "equalto" | "eq" | "==" => value.equals(&other, budget),
        "ne" | "!=" => Ok(!value.equals(&other, budget)?),
        "in" => other.contains(value, budget),
        "sameas" => Ok(value.type_name() == other.type_name() && value.equals(&other, budget)?),
        "divisibleby" => match (value.as_int(), other.as_int()) {
            (Some(a), Some(b)) => Ok(a
                .checked_rem(b)
                .ok_or(ErrorKind::Arithmetic("division by zero or overflow"))?
                == 0),
            _ => Err(ErrorKind::of_type(name, value.type_name())),
        },
        _ => {
            let ordering = value.compare(&other, budget)?;
            Ok(match name {
                "lt" | "lessthan" | "<" => ordering == Some(Ordering::Less),
                "le" | "<=" => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
                "gt" | "greaterthan" | ">" => ordering == Some(Ordering::Greater),
                _ => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
            })
        }
    }
}

fn is_binary(name: &str) -> bool {
    const BINARY: &str =
        "equalto eq == ne != in sameas divisibleby lt lessthan < le <= gt greaterthan > ge >=";
    BINARY.split(' ').any(|known| known == name)
}

/// The tests that take no argument; none if it is not one of them.
fn of_one_value(value: &Value, name: &str) -> Option<bool> {
    Some(match name {
        "defined" => !matches!(value, Value::Undefined(_)),
        "undefined" => matches!(value, Value::Undefined(_)),
        "none" => matches!(value, Value::None),
        "boolean" => matches!(value, Value::Bool(_)),
        "true" => matches!(value, Value::Bool(true)),
        "false" => matches!(value, Value::Bool(false)),
        "integer" => matches!(value, Value::Int(_)),
        "float" => matches!(value, Value::Float(_)),
        "number" => value.as_float().is_some(),
        "string" => matches!(value, Value::Str(_)),
        "mapping" => matches!(value, Value::Map(_)),
        "callable" => matches!(
            value,
            Value::Macro(_) | Value::Method(_) | Value::Function(_)
        ),
        "iterable" => {
            matches!(
                value,
                Value::Undefined(_)
                    | Value::Str(_)
                    | Value::Map(_)
                    | Value::Sequence(_)
                    | Value::Loop(_)
            )
        }
        "sequence" => match value {
            Value::Undefined(_) | Value::Str(_) | Value::Map(_) => true,
            Value::Sequence(sequence) => {
                !matches!(sequence.kind, SequenceKind::View | SequenceKind::Generator)
            }
            _ => false,
        },
        "odd" => value.as_int().is_some_and(|value| value % 2 != 0),
        "even" => value.as_int().is_some_and(|value| value % 2 == 0),
        "lower" => value.as_str().is_some_and(|text| {
            text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase)
        }),
        "upper" => value.as_str().is_some_and(|text| {
            text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase)
        }),
        _ => return None,
    })
}
