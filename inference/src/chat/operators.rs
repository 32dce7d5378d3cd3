//! Operators, attributes, items and slices, as Python and Jinja's sandbox define them.
use alloc::format;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::ast::{BinaryOp, CompareOp};
use super::budget::Budget;
use super::error::ErrorKind;
use super::format::to_text;
use super::methods;
use super::strings;
use super::text::{Text, TextBuilder};
use super::value::{LoopState, Sequence, SequenceKind, Value};

type Answer = Result<Value, ErrorKind>;

const OVERFLOW: ErrorKind = ErrorKind::Arithmetic("an integer leaves the range of 64 bits");
const BY_ZERO: ErrorKind = ErrorKind::Arithmetic("division by zero");

pub(super) fn binary(op: BinaryOp, a: &Value, b: &Value, budget: &mut Budget) -> Answer {
    if op == BinaryOp::Concatenate {
        let (a, b) = (to_text(a, budget)?, to_text(b, budget)?);
        return concatenate(&a, &b, budget);
    }
    if let (Value::Undefined(name), _) | (_, Value::Undefined(name)) = (a, b) {
        return Err(ErrorKind::Undefined((**name).into()));
    }
    match op {
        BinaryOp::Add => add(a, b, budget),
        BinaryOp::Multiply => multiply(a, b, budget),
        BinaryOp::Modulo if matches!(a, Value::Str(_)) => {
            Err(ErrorKind::Unsupported("formatting a string with `%`"))
        }
        _ => arithmetic(op, a, b),
    }
}

fn concatenate(a: &Text, b: &Text, budget: &mut Budget) -> Answer {
    let mut out = TextBuilder::new(budget);
    out.push_text(a)?;
    out.push_text(b)?;
    Ok(Value::Str(out.finish()))
}

pub(super) fn add(a: &Value, b: &Value, budget: &mut Budget) -> Answer {
    match (a, b) {
        (Value::Str(a), Value::Str(b)) if a.markup != b.markup => {
            let escaped = strings::escape_html(if a.markup { b } else { a }, budget)?;
            let (a, b) = if a.markup {
                (a, &escaped)
            } else {
                (&escaped, b)
            };
            marked(concatenate(a, b, budget)?)
        }
        (Value::Str(a), Value::Str(b)) if a.markup => marked(concatenate(a, b, budget)?),
        (Value::Str(a), Value::Str(b)) => concatenate(a, b, budget),
        (Value::Sequence(a), Value::Sequence(b)) if a.kind == b.kind && is_list(a) => {
            Value::sequence(
                a.kind,
                a.items.iter().chain(&b.items).cloned().collect(),
                budget,
            )
        }
        _ => arithmetic(BinaryOp::Add, a, b),
    }
}

fn is_list(sequence: &Sequence) -> bool {
    matches!(sequence.kind, SequenceKind::List | SequenceKind::Tuple)
}

fn marked(value: Value) -> Answer {
    match value {
        Value::Str(text) => Ok(Value::Str(Arc::new(Arc::unwrap_or_clone(text).marked()))),
        other => Ok(other),
    }
}

fn multiply(a: &Value, b: &Value, budget: &mut Budget) -> Answer {
    let times = |count: &Value| {
        count
            .as_int()
            .map(|count| usize::try_from(count).unwrap_or(0))
    };
    match (a, b, times(a), times(b)) {
        (Value::Str(text), _, _, Some(count)) | (_, Value::Str(text), Some(count), _) => {
            let mut out = TextBuilder::new(budget);
            if text.len() > 0 {
                out.repeat(text, count)?;
            }
            Ok(Value::Str(out.finish()))
        }
        (Value::Sequence(list), _, _, Some(count)) | (_, Value::Sequence(list), Some(count), _)
            if is_list(list) =>
        {
            let total = list.items.len().saturating_mul(count);
            budget.memory(total.saturating_mul(size_of::<Value>()))?;
            Value::sequence(
                list.kind,
                list.items.iter().cycle().take(total).cloned().collect(),
                budget,
            )
        }
        _ => arithmetic(BinaryOp::Multiply, a, b),
    }
}

fn arithmetic(op: BinaryOp, a: &Value, b: &Value) -> Answer {
    if let (Some(a), Some(b)) = (a.as_int(), b.as_int()) {
        return integers(op, a, b);
    }
    match (a.as_float(), b.as_float()) {
        (Some(a), Some(b)) => floats(op, a, b).map(Value::Float),
        _ => {
            let operation = format!("{} {}", a.type_name(), symbol(op));
            Err(ErrorKind::of_type(&operation, b.type_name()))
        }
    }
}

fn integers(op: BinaryOp, a: i64, b: i64) -> Answer {
    let result = match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Subtract => a.checked_sub(b),
        BinaryOp::Multiply => a.checked_mul(b),
        BinaryOp::FloorDivide | BinaryOp::Modulo if b == 0 => return Err(BY_ZERO),
        // Python rounds down, and the remainder has the sign of the divisor.
        BinaryOp::FloorDivide => a.checked_div(b).map(|q| {
            if (a % b != 0) && ((a < 0) != (b < 0)) {
                q - 1
            } else {
                q
            }
        }),
        BinaryOp::Modulo => a.checked_rem(b).map(|r| {
            if r != 0 && ((r < 0) != (b < 0)) {
                r + b
            } else {
                r
            }
        }),
        BinaryOp::Power if b >= 0 => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
        _ => return floats(op, a as f64, b as f64).map(Value::Float),
    };
    result.map(Value::Int).ok_or(OVERFLOW)
}

fn floats(op: BinaryOp, a: f64, b: f64) -> Result<f64, ErrorKind> {
    if b == 0.0
        && matches!(
            op,
            BinaryOp::Divide | BinaryOp::FloorDivide | BinaryOp::Modulo
        )
    {
        return Err(BY_ZERO);
    }
    Ok(match op {
        BinaryOp::Add => a + b,
        BinaryOp::Subtract => a - b,
        BinaryOp::Multiply => a * b,
        BinaryOp::Divide => a / b,
        BinaryOp::FloorDivide => libm::floor(a / b),
        BinaryOp::Modulo => a - b * libm::floor(a / b),
        _ => libm::pow(a, b),
    })
}

fn symbol(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Subtract => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::FloorDivide => "//",
        BinaryOp::Modulo => "%",
        BinaryOp::Power => "**",
        BinaryOp::Concatenate => "~",
    }
}

pub(super) fn negate(value: &Value) -> Answer {
    match value {
        Value::Float(value) => Ok(Value::Float(-value)),
        other => match other.as_int() {
            Some(value) => value.checked_neg().map(Value::Int).ok_or(OVERFLOW),
            None => Err(ErrorKind::of_type("-", other.type_name())),
        },
    }
}

pub(super) fn compare(
    op: CompareOp,
    a: &Value,
    b: &Value,
    budget: &mut Budget,
) -> Result<bool, ErrorKind> {
    match op {
        CompareOp::Equal => a.equals(b, budget),
        CompareOp::NotEqual => Ok(!a.equals(b, budget)?),
        CompareOp::In => b.contains(a, budget),
        CompareOp::NotIn => Ok(!b.contains(a, budget)?),
        _ => {
            let ordering = a.compare(b, budget)?;
            Ok(ordering.is_some_and(|ordering| match op {
                CompareOp::Less => ordering == Ordering::Less,
                CompareOp::LessEqual => ordering != Ordering::Greater,
                CompareOp::Greater => ordering == Ordering::Greater,
                _ => ordering != Ordering::Less,
            }))
        }
    }
}

/// `value.name`: a method, else what `value[name]` is.
pub(super) fn attribute(value: &Value, name: &Arc<str>, budget: &mut Budget) -> Answer {
    if methods::exists(value, name) {
        return Ok(Value::Method(Rc::new((value.clone(), Arc::clone(name)))));
    }
    if methods::is_forbidden(value, name) {
        return Ok(Value::undefined(&format!(
            "{name}, which would change a {},",
            value.type_name()
        )));
    }
    match value {
        Value::Undefined(of) => Err(ErrorKind::Undefined((**of).into())),
        Value::Map(map) => Ok(map
            .get_str(name, budget)?
            .cloned()
            .unwrap_or_else(|| Value::undefined(name))),
        Value::Namespace(namespace) => Ok(namespace
            .get(name)
            .unwrap_or_else(|| Value::undefined(name))),
        Value::Loop(state) => Ok(loop_attribute(state, name)),
        Value::Macro(closure) if &**name == "name" => {
            Ok(Value::template(&*closure.definition.name))
        }
        _ => Ok(Value::undefined(name)),
    }
}

/// `value[key]`: an item, else the method of that name.
pub(super) fn item(value: &Value, key: &Value, budget: &mut Budget) -> Answer {
    let found = match value {
        Value::Undefined(of) => return Err(ErrorKind::Undefined((**of).into())),
        Value::Map(map) => map.get(key, budget)?.cloned(),
        Value::Sequence(sequence)
            if !matches!(sequence.kind, SequenceKind::View | SequenceKind::Generator) =>
        {
            key.as_int().and_then(|index| {
                sequence
                    .items
                    .get(place(index, sequence.items.len())?)
                    .cloned()
            })
        }
        Value::Str(text) => match key.as_int() {
            Some(index) => {
                budget.steps(text.len() as u64 / 64)?;
                let place = place(index, text.as_str().chars().count());
                let found = place.and_then(|place| text.as_str().char_indices().nth(place));
                found
                    .map(|(at, c)| strings::slice(text, at..at + c.len_utf8(), budget))
                    .transpose()?
            }
            None => None,
        },
        _ => None,
    };
    match (found, key) {
        (Some(found), _) => Ok(found),
        (None, Value::Str(name))
            if !matches!(value, Value::Map(_))
                || methods::exists(value, name.as_str())
                || methods::is_forbidden(value, name.as_str()) =>
        {
            attribute(value, &name.as_str().into(), budget)
        }
        (None, Value::Str(name)) => Ok(Value::undefined(name.as_str())),
        (None, _) => Ok(Value::undefined("an item")),
    }
}

/// The place of an index that counts from the end where it is negative.
fn place(index: i64, length: usize) -> Option<usize> {
    let from_end = index.checked_add(i64::try_from(length).ok()?)?;
    usize::try_from(if index < 0 { from_end } else { index }).ok()
}

fn loop_attribute(state: &LoopState, name: &str) -> Value {
    let (index, length) = (state.index, state.items.items.len());
    let number = |value: usize| Value::Int(value as i64);
    let at = |place: Option<usize>| place.and_then(|place| state.items.items.get(place).cloned());
    match name {
        "index" => number(index + 1),
        "index0" => number(index),
        "first" => Value::Bool(index == 0),
        "last" => Value::Bool(index + 1 == length),
        "length" => number(length),
        "revindex" => number(length - index),
        "revindex0" => number(length - index - 1),
        "depth" => Value::Int(1),
        "depth0" => Value::Int(0),
        "previtem" => at(index.checked_sub(1)).unwrap_or_else(|| Value::undefined("loop.previtem")),
        "nextitem" => at(Some(index + 1)).unwrap_or_else(|| Value::undefined("loop.nextitem")),
        _ => Value::undefined(name),
    }
}

/// `value[start:stop:step]`
pub(super) fn slice(value: &Value, bounds: [Option<i64>; 3], budget: &mut Budget) -> Answer {
    let length = match value {
        Value::Undefined(of) => return Err(ErrorKind::Undefined((**of).into())),
        Value::Sequence(sequence)
            if matches!(sequence.kind, SequenceKind::View | SequenceKind::Generator) =>
        {
            return Err(ErrorKind::of_type("slice", value.type_name()));
        }
        Value::Str(_) | Value::Sequence(_) => value.length()?,
        _ => return Err(ErrorKind::of_type("slice", value.type_name())),
    };
    budget.memory(length.saturating_mul(8))?;
    let indices = slice_indices(bounds, length)?;
    match value {
        Value::Str(text) => strings::slice_chars(text, &indices, budget),
        Value::Sequence(sequence) => {
            let items = indices
                .into_iter()
                .filter_map(|index| sequence.items.get(index).cloned())
                .collect();
            Value::sequence(sequence.kind, items, budget)
        }
        _ => Err(ErrorKind::of_type("slice", value.type_name())),
    }
}

fn slice_indices(
    [start, stop, step]: [Option<i64>; 3],
    length: usize,
) -> Result<Vec<usize>, ErrorKind> {
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(ErrorKind::arguments("slice", "the step is zero"));
    }
    let length = i64::try_from(length).map_err(|_| OVERFLOW)?;
    // Where a bound may lie: one further down than the first item for a step that goes down.
    let (lowest, highest) = if step > 0 {
        (0, length)
    } else {
        (-1, length - 1)
    };
    let bound = |bound: Option<i64>, default: i64| {
        bound.map_or(default, |bound| {
            if bound < 0 {
                bound.saturating_add(length)
            } else {
                bound
            }
            .clamp(lowest, highest)
        })
    };
    let (first, end) = if step > 0 {
        (lowest, highest)
    } else {
        (highest, lowest)
    };
    let (mut at, stop) = (bound(start, first), bound(stop, end));
    let mut indices = Vec::new();
    while if step > 0 { at < stop } else { at > stop } {
        indices.extend(usize::try_from(at));
        at = at.saturating_add(step);
    }
    Ok(indices)
}
