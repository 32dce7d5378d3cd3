//! The filters that walk a sequence: `map`, `select`, `sort` and their siblings.
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::arguments::{Args, string};
use super::budget::Budget;
use super::error::ErrorKind;
use super::filters::{Answer, apply, no_item};
use super::methods;
use super::operators::item;
use super::predicates;
use super::strings;
use super::value::{Sequence, SequenceKind, Value};

/// An attribute given by a dotted path, or the value itself without one.
pub(super) fn keyed(value: &Value, attribute: Option<&Value>, budget: &mut Budget) -> Answer {
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

pub(super) fn map(value: &Value, mut args: Args<'_>, budget: &mut Budget) -> Answer {
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
pub(super) fn select(
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

pub(super) fn sort(value: &Value, args: Args<'_>, budget: &mut Budget) -> Answer {
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

pub(super) fn dictsort(value: &Value, args: Args<'_>, budget: &mut Budget) -> Answer {
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

pub(super) fn unique(value: &Value, args: Args<'_>, budget: &mut Budget) -> Answer {
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

pub(super) fn extreme(
    value: &Value,
    args: Args<'_>,
    wanted: Ordering,
    budget: &mut Budget,
) -> Answer {
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
