//! Jinja's filters: `value | name(arguments)`.
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::arguments::{Args, int_or_none, string, string_or_none};
use super::budget::Budget;
use super::error::ErrorKind;
use super::format::{JsonStyle, to_json, to_text};
use super::methods;
use super::operators::{add, attribute, item, negate};
use super::predicates;
use super::strings::{self, Side};
use super::text::Text;
use super::value::{Sequence, SequenceKind, Value};

type Answer = Result<Value, ErrorKind>;
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

fn no_item() -> Value {
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

/// An attribute given by a dotted path, or the value itself without one.
fn keyed(value: &Value, attribute: Option<&Value>, budget: &mut Budget) -> Answer {
    match attribute {
        None | Some(Value::None) => Ok(value.clone()),
        Some(Value::Str(path)) => {
            let mut value = value.clone();
            for name in path.as_str().split('.') {
                let key = name
                    .parse()
                    .map_or_else(|_| Value::template(name), Value::Int);
                value = item(&value, &key, budget)?;
            }
            Ok(value)
        }
        Some(index @ Value::Int(_)) => item(value, index, budget),
        Some(other) => Err(ErrorKind::of_type("attribute", other.type_name())),
    }
}

/// What the lazy filters walk: they do not even look into a value that counts as false, such as `none`.
fn walked(value: &Value, budget: &mut Budget) -> Result<Rc<Sequence>, ErrorKind> {
    if value.is_true() {
        value.iterate(budget)
    } else {
        no_item().iterate(budget)
    }
}

fn map(value: &Value, mut args: Args<'_>, budget: &mut Budget) -> Answer {
    let items = walked(value, budget)?;
    let mut out = Vec::with_capacity(items.items.len());
    if args.positional.is_empty() {
        let [attribute, default] = args.bind(["attribute", "default"])?;
        let attribute = attribute.ok_or(ErrorKind::arguments(
            "map",
            "expected a filter or an attribute",
        ))?;
        for item in &items.items {
            out.push(match (keyed(item, Some(&attribute), budget)?, &default) {
                (Value::Undefined(_), Some(default)) => default.clone(),
                (value, _) => value,
            });
        }
    } else {
        let filter = string("map", Some(args.positional.remove(0)))?;
        for item in &items.items {
            budget.enter()?;
            let of = filter.as_str();
            out.push(apply(
                item,
                Args {
                    of,
                    positional: args.positional.clone(),
                    named: args.named.clone(),
                },
                budget,
            )?);
            budget.leave();
        }
    }
    Value::sequence(SequenceKind::Generator, out, budget)
}

/// `select`, `reject` and the same by an attribute: keeps the items for which a test answers as wanted.
fn select(
    value: &Value,
    mut args: Args<'_>,
    (by_attribute, wanted): (bool, bool),
    budget: &mut Budget,
) -> Answer {
    let missing = args.error("expected an attribute");
    let mut next = || {
        if args.positional.is_empty() {
            None
        } else {
            Some(args.positional.remove(0))
        }
    };
    let attribute = if by_attribute {
        Some(next().ok_or(missing)?)
    } else {
        None
    };
    let test = next().map(|test| string(args.of, Some(test))).transpose()?;
    let mut kept = Vec::new();
    for item in &walked(value, budget)?.items {
        let tested = keyed(item, attribute.as_ref(), budget)?;
        let answer = match &test {
            None => tested.is_true(),
            Some(test) => {
                let (positional, named) = (args.positional.clone(), args.named.clone());
                predicates::holds(
                    &tested,
                    Args {
                        of: test.as_str(),
                        positional,
                        named,
                    },
                    budget,
                )?
            }
        };
        if answer == wanted {
            kept.push(item.clone());
        }
    }
    Value::sequence(SequenceKind::Generator, kept, budget)
}

/// What an item is ordered by: strings without case unless told otherwise.
fn sort_key(
    item: &Value,
    attribute: Option<&Value>,
    case_sensitive: bool,
    budget: &mut Budget,
) -> Answer {
    let key = keyed(item, attribute, budget)?;
    match &key {
        Value::Str(text) if !case_sensitive => strings::map(text, str::to_lowercase, budget),
        _ => Ok(key),
    }
}

/// Sorts by keys, stable. By insertion, since the standard library's sorts may panic on keys without a total order.
fn sort_by_keys(
    keyed: Vec<(Value, Value)>,
    reverse: bool,
    budget: &mut Budget,
) -> Result<Vec<Value>, ErrorKind> {
    let before = if reverse {
        Ordering::Greater
    } else {
        Ordering::Less
    };
    let mut sorted: Vec<(Value, Value)> = Vec::with_capacity(keyed.len());
    for entry in keyed {
        budget.steps(sorted.len() as u64 / 16)?;
        let (mut low, mut high) = (0, sorted.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if entry.0.compare(&sorted[middle].0, budget)? == Some(before) {
                high = middle
            } else {
                low = middle + 1
            }
        }
        sorted.insert(low, entry);
    }
    Ok(sorted.into_iter().map(|(_, item)| item).collect())
}

fn keys_of(
    items: &Rc<Sequence>,
    attribute: Option<&Value>,
    case_sensitive: bool,
    budget: &mut Budget,
) -> Result<Vec<(Value, Value)>, ErrorKind> {
    items
        .items
        .iter()
        .map(|item| {
            Ok((
                sort_key(item, attribute, case_sensitive, budget)?,
                item.clone(),
            ))
        })
        .collect()
}

fn sort(value: &Value, args: Args<'_>, budget: &mut Budget) -> Answer {
    let [reverse, case_sensitive, attribute] =
        args.bind(["reverse", "case_sensitive", "attribute"])?;
    let flag = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let keyed = keys_of(
        &value.iterate(budget)?,
        attribute.as_ref(),
        flag(case_sensitive),
        budget,
    )?;
    let items = sort_by_keys(keyed, flag(reverse), budget)?;
    Value::list(items, budget)
}

fn dictsort(value: &Value, args: Args<'_>, budget: &mut Budget) -> Answer {
    let [case_sensitive, by, reverse] = args.bind(["case_sensitive", "by", "reverse"])?;
    let flag = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let by = match by.as_ref().map(|by| by.as_str()) {
        None | Some(Some("key")) => 0,
        Some(Some("value")) => 1,
        _ => {
            return Err(ErrorKind::arguments(
                "dictsort",
                "`by` must be `key` or `value`",
            ));
        }
    };
    let Value::Map(map) = value else {
        return Err(ErrorKind::of_type("dictsort", value.type_name()));
    };
    let case_sensitive = flag(case_sensitive);
    let mut keyed = Vec::with_capacity(map.members.len());
    for (pair, (key, value)) in methods::items(map, budget)?
        .iterate(budget)?
        .items
        .iter()
        .zip(&map.members)
    {
        keyed.push((
            sort_key(
                if by == 0 { key } else { value },
                None,
                case_sensitive,
                budget,
            )?,
            pair.clone(),
        ));
    }
    let items = sort_by_keys(keyed, flag(reverse), budget)?;
    Value::list(items, budget)
}

fn unique(value: &Value, args: Args<'_>, budget: &mut Budget) -> Answer {
    let [case_sensitive, attribute] = args.bind(["case_sensitive", "attribute"])?;
    let case_sensitive = case_sensitive.is_some_and(|value| value.is_true());
    let (mut seen, mut out): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    'items: for (key, item) in keys_of(
        &value.iterate(budget)?,
        attribute.as_ref(),
        case_sensitive,
        budget,
    )? {
        for other in &seen {
            if other.equals(&key, budget)? {
                continue 'items;
            }
        }
        seen.push(key);
        out.push(item);
    }
    Value::sequence(SequenceKind::Generator, out, budget)
}

fn extreme(value: &Value, args: Args<'_>, wanted: Ordering, budget: &mut Budget) -> Answer {
    let [case_sensitive, attribute] = args.bind(["case_sensitive", "attribute"])?;
    let case_sensitive = case_sensitive.is_some_and(|value| value.is_true());
    let mut best: Option<(Value, Value)> = None;
    for (key, item) in keys_of(
        &value.iterate(budget)?,
        attribute.as_ref(),
        case_sensitive,
        budget,
    )? {
        let better = match &best {
            None => true,
            Some((best, _)) => key.compare(best, budget)? == Some(wanted),
        };
        if better {
            best = Some((key, item));
        }
    }
    Ok(best.map_or_else(no_item, |(_, item)| item))
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
