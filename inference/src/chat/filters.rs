//! Jinja's filters: `value | name(arguments)`.
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::arguments::{Args, int_or_none, string, string_or_none};
use super::budget::Budget;
use super::error::ErrorKind;
use super::format::{JsonStyle, to_json, to_text};
use super::methods;
use super::operators::{add, attribute, negate};
use super::sequences::{dictsort, extreme, keyed, map, select, sort, unique};
use super::strings::{self, Side};
use super::text::Text;
use super::value::{SequenceKind, Value};

pub(super) type Answer = Result<Value, ErrorKind>;
type Filter = fn(&Value, Args<'_>, &mut Budget) -> Answer;

const FILTERS: [(&str, Filter); 40] = [
    ("abs", abs),
    ("capitalize", |value, _, budget| {
        strings::capitalize(&*to_text(value, budget)?, budget)
    }),
    ("count", length),
    ("d", default),
    ("default", default),
    ("dictsort", dictsort),
    ("e", escape),
    ("escape", escape),
    ("first", |value, _, budget| {
        Ok(value
            .iterate(budget)?
            .items
            .first()
            .cloned()
            .unwrap_or(no_item()))
    }),
    ("float", float),
    ("indent", indent),
    ("int", int),
    ("items", items),
    ("join", join),
    ("last", last),
    ("length", length),
    ("list", |value, _, budget| {
        Value::list(value.iterate(budget)?.items.clone(), budget)
    }),
    ("lower", |value, _, budget| {
        strings::map(&*to_text(value, budget)?, str::to_lowercase, budget)
    }),
    ("map", map),
    ("max", |value, args, budget| {
        extreme(value, args, Ordering::Greater, budget)
    }),
    ("min", |value, args, budget| {
        extreme(value, args, Ordering::Less, budget)
    }),
    ("reject", |value, args, budget| {
        select(value, args, (false, false), budget)
    }),
    ("rejectattr", |value, args, budget| {
        select(value, args, (true, false), budget)
    }),
    ("replace", replace),
    ("reverse", reverse),
    ("round", round),
    ("safe", safe),
    ("select", |value, args, budget| {
        select(value, args, (false, true), budget)
    }),
    ("selectattr", |value, args, budget| {
        select(value, args, (true, true), budget)
    }),
    ("sort", sort),
    ("string", string_filter),
    ("sum", sum),
    ("title", |value, _, budget| {
        strings::title(&*to_text(value, budget)?, starts_word, budget)
    }),
    ("tojson", tojson),
    ("trim", trim),
    ("unique", unique),
    ("upper", |value, _, budget| {
        strings::map(&*to_text(value, budget)?, str::to_uppercase, budget)
    }),
    ("wordcount", |value, _, budget| {
        Ok(Value::Int(
            to_text(value, budget)?.as_str().split_whitespace().count() as i64,
        ))
    }),
    ("attr", attr),
    ("forceescape", escape),
];

pub(super) fn apply(value: &Value, args: Args<'_>, budget: &mut Budget) -> Answer {
    let filter = FILTERS.iter().find(|(name, _)| *name == args.of);
    let (_, filter) = filter.ok_or_else(|| ErrorKind::UnknownFilter(args.of.into()))?;
    if let Value::Str(text) = value {
        budget.steps(text.len() as u64 / 64)?;
    }
    filter(value, args, budget)
}

pub(super) fn no_item() -> Value {
    Value::undefined("no item in the sequence")
}

fn abs(value: &Value, _: Args<'_>, _: &mut Budget) -> Answer {
    match value.as_float() {
        Some(number) if number < 0.0 => negate(value),
        Some(_) => Ok(value.clone()),
        None => Err(ErrorKind::of_type("abs", value.type_name())),
    }
}

fn starts_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '(' | '{' | '[' | '<')
}

fn default(value: &Value, args: Args<'_>, _: &mut Budget) -> Answer {
    let [default, boolean] = args.bind(["default_value", "boolean"])?;
    let replaced = matches!(value, Value::Undefined(_))
        || (boolean.is_some_and(|b| b.is_true()) && !value.is_true());
    Ok(if replaced {
        default.unwrap_or(Value::template(""))
    } else {
        value.clone()
    })
}

fn length(value: &Value, args: Args<'_>, _: &mut Budget) -> Answer {
    args.bind([]).map(|[]| ())?;
    Ok(Value::Int(value.length()? as i64))
}

fn last(value: &Value, _: Args<'_>, budget: &mut Budget) -> Answer {
    if matches!(value, Value::Sequence(sequence) if sequence.kind == SequenceKind::Generator) {
        return Err(ErrorKind::of_type("last", value.type_name()));
    }
    Ok(value
        .iterate(budget)?
        .items
        .last()
        .cloned()
        .unwrap_or(no_item()))
}

fn reverse(value: &Value, _: Args<'_>, budget: &mut Budget) -> Answer {
    if let Value::Str(text) = value {
        budget.memory(text.len().saturating_mul(8))?;
        let indices: Vec<usize> = (0..text.as_str().chars().count()).rev().collect();
        return strings::slice_chars(text, &indices, budget);
    }
    let items = value.iterate(budget)?.items.iter().rev().cloned().collect();
    Value::sequence(SequenceKind::Generator, items, budget)
}

fn items(value: &Value, _: Args<'_>, budget: &mut Budget) -> Answer {
    let pairs = match value {
        Value::Undefined(_) => Vec::new(),
        Value::Map(map) => methods::items(map, budget)?.iterate(budget)?.items.clone(),
        other => return Err(ErrorKind::of_type("items", other.type_name())),
    };
    Value::sequence(SequenceKind::Generator, pairs, budget)
}

fn join(value: &Value, args: Args<'_>, budget: &mut Budget) -> Answer {
    let [separator, attribute] = args.bind(["d", "attribute"])?;
    let separator = to_text(&separator.unwrap_or(Value::template("")), budget)?;
    let mut texts = Vec::new();
    for item in &value.iterate(budget)?.items {
        budget.memory(16)?;
        texts.push(to_text(&keyed(item, attribute.as_ref(), budget)?, budget)?);
    }
    strings::join(&separator, texts.into_iter().map(Ok), budget)
}

fn trim(value: &Value, args: Args<'_>, budget: &mut Budget) -> Answer {
    let [chars] = args.bind(["chars"])?;
    let chars = string_or_none("trim", chars)?;
    let text = to_text(value, budget)?;
    strings::strip(
        &text,
        chars.as_ref().map(|chars| chars.as_str()),
        Side::Both,
        budget,
    )
}

fn replace(value: &Value, args: Args<'_>, budget: &mut Budget) -> Answer {
    let missing = || ErrorKind::arguments("replace", "expected two strings");
    let [old, new, count] = args.bind(["old", "new", "count"])?;
    let (old, new) = (
        to_text(&old.ok_or_else(missing)?, budget)?,
        to_text(&new.ok_or_else(missing)?, budget)?,
    );
    let count = int_or_none("replace", count)?.unwrap_or(-1);
    let text = to_text(value, budget)?;
    strings::replace(&text, (old.as_str(), &new), count, budget)
}

fn string_filter(value: &Value, _: Args<'_>, budget: &mut Budget) -> Answer {
    Ok(Value::Str(to_text(value, budget)?))
}

fn safe(value: &Value, _: Args<'_>, budget: &mut Budget) -> Answer {
    let text = to_text(value, budget)?;
    budget.memory(text.len())?;
    Ok(Value::Str(Arc::new((*text).clone().marked())))
}

fn escape(value: &Value, _: Args<'_>, budget: &mut Budget) -> Answer {
    let text = to_text(value, budget)?;
    if text.markup {
        Ok(Value::Str(text))
    } else {
        Ok(Value::Str(strings::escape_html(&text, budget)?))
    }
}

fn indent(value: &Value, args: Args<'_>, budget: &mut Budget) -> Answer {
    let [width, first, blank] = args.bind(["width", "first", "blank"])?;
    let by = match width {
        Some(Value::Str(text)) => text,
        width => {
            let width = usize::try_from(int_or_none("indent", width)?.unwrap_or(4)).unwrap_or(0);
            budget.memory(width)?;
            Arc::new(Text::template(" ".repeat(width)))
        }
    };
    let flag = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let text = string("indent", Some(value.clone()))?;
    strings::indent(&text, &by, (flag(first), flag(blank)), budget)
}

fn int(value: &Value, args: Args<'_>, _: &mut Budget) -> Answer {
    let [default, base] = args.bind(["default", "base"])?;
    if base.is_some_and(|base| base.as_int() != Some(10)) {
        return Err(ErrorKind::Unsupported("`int` with a base other than 10"));
    }
    let parsed = match value {
        Value::Str(text) => {
            let text = text.as_str().trim();
            text.parse()
                .ok()
                .or_else(|| text.parse::<f64>().ok().and_then(truncated))
        }
        Value::Float(value) => truncated(*value),
        other => other.as_int(),
    };
    Ok(parsed.map(Value::Int).or(default).unwrap_or(Value::Int(0)))
}

fn truncated(value: f64) -> Option<i64> {
    let whole = libm::trunc(value);
    (whole.abs() < 9.2e18).then_some(whole as i64)
}

fn float(value: &Value, args: Args<'_>, _: &mut Budget) -> Answer {
    let [default] = args.bind(["default"])?;
    let parsed = value
        .as_str()
        .map_or_else(|| value.as_float(), |text| text.trim().parse().ok());
    Ok(parsed
        .map(Value::Float)
        .or(default)
        .unwrap_or(Value::Float(0.0)))
}

fn round(value: &Value, args: Args<'_>, _: &mut Budget) -> Answer {
    let [precision, method] = args.bind(["precision", "method"])?;
    let places = int_or_none("round", precision)?.unwrap_or(0);
    let method = string_or_none("round", method)?;
    let value = value
        .as_float()
        .ok_or_else(|| ErrorKind::of_type("round", value.type_name()))?;
    let factor = libm::pow(10.0, places.clamp(-300, 300) as f64);
    let rounded = match method.as_ref().map_or("common", |method| method.as_str()) {
        "common" => libm::rint(value * factor) / factor,
        "ceil" => libm::ceil(value * factor) / factor,
        "floor" => libm::floor(value * factor) / factor,
        _ => {
            return Err(ErrorKind::arguments(
                "round",
                "method must be common, ceil or floor",
            ));
        }
    };
    Ok(Value::Float(rounded))
}

fn sum(value: &Value, args: Args<'_>, budget: &mut Budget) -> Answer {
    let [attribute, start] = args.bind(["attribute", "start"])?;
    let mut total = start.unwrap_or(Value::Int(0));
    for item in &value.iterate(budget)?.items {
        total = add(&total, &keyed(item, attribute.as_ref(), budget)?, budget)?;
    }
    Ok(total)
}

fn attr(value: &Value, args: Args<'_>, budget: &mut Budget) -> Answer {
    let [name] = args.bind(["name"])?;
    let name = string("attr", name)?;
    if methods::exists(value, name.as_str()) {
        attribute(value, &name.as_str().into(), budget)
    } else {
        Ok(Value::undefined(name.as_str()))
    }
}

/// Hugging Face's `tojson`: `json.dumps` that leaves Unicode as it is, and not Jinja's, which escapes HTML.
fn tojson(value: &Value, args: Args<'_>, budget: &mut Budget) -> Answer {
    let [ascii, indent, separators, sort_keys] =
        args.bind(["ensure_ascii", "indent", "separators", "sort_keys"])?;
    let flag = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let indent = int_or_none("tojson", indent)?.map(|indent| usize::try_from(indent).unwrap_or(0));
    let mut item_separator = String::from(if indent.is_some() { "," } else { ", " });
    let mut key_separator = String::from(": ");
    match separators {
        None | Some(Value::None) => {}
        Some(Value::Sequence(pair)) => match pair.items.as_slice() {
            [Value::Str(item), Value::Str(key)] => {
                (item_separator, key_separator) = (item.as_str().into(), key.as_str().into());
            }
            _ => {
                return Err(ErrorKind::arguments(
                    "tojson",
                    "`separators` must be two strings",
                ));
            }
        },
        Some(_) => {
            return Err(ErrorKind::arguments(
                "tojson",
                "`separators` must be two strings",
            ));
        }
    }
    let style = JsonStyle {
        indent,
        item_separator,
        key_separator,
        ascii: flag(ascii),
        sort_keys: flag(sort_keys),
    };
    to_json(value, &style, budget)
}
