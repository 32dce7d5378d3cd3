//! Methods of strings, dicts, lists and loops.
//!
//! `message.items` is the method of a dict even where the dict has a key `items`, as in Python; so the names of all
//! methods that Python knows are listed, those too that cannot be called here. Methods that change their value are
//! undefined, as in Jinja's immutable sandbox.
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::arguments::{Args, int_or_none, string, string_or_none};
use super::budget::Budget;
use super::error::ErrorKind;
use super::format::to_text;
use super::lexer::is_space;
use super::strings::{self, Side};
use super::text::{Origin, Text, TextBuilder};
use super::value::{LoopState, Map, SequenceKind, Value};

const STRING: &str = "capitalize casefold center count encode endswith expandtabs find format format_map index isalnum \
    isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower \
    lstrip maketrans partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split \
    splitlines startswith strip swapcase title translate upper zfill";
const DICT: &str = "copy fromkeys get items keys values";
const CHANGES_DICT: &str = "clear pop popitem setdefault update";
const LIST: &str = "copy count index";
const CHANGES_LIST: &str = "append clear extend insert pop remove reverse sort";
const TUPLE: &str = "count index";
const INT: &str = "as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag numerator real to_bytes";
const FLOAT: &str = "as_integer_ratio conjugate fromhex hex imag is_integer real";
const LOOP: &str = "changed cycle";

/// Does the value have a method of this name?
pub(super) fn exists(value: &Value, name: &str) -> bool {
    let names = match value {
        Value::Str(_) => STRING,
        Value::Map(_) => DICT,
        Value::Sequence(sequence) => match sequence.kind {
            SequenceKind::List => LIST,
            SequenceKind::Tuple | SequenceKind::Range => TUPLE,
            SequenceKind::View | SequenceKind::Generator => "",
        },
        Value::Int(_) | Value::Bool(_) => INT,
        Value::Float(_) => FLOAT,
        Value::Loop(_) => LOOP,
        _ => "",
    };
    lists(names, name)
}

/// Is there a method of this name that a template may not call, since it changes the value?
pub(super) fn is_forbidden(value: &Value, name: &str) -> bool {
    match value {
        Value::Map(_) => lists(CHANGES_DICT, name),
        Value::Sequence(sequence) => {
            sequence.kind == SequenceKind::List && lists(CHANGES_LIST, name)
        }
        _ => false,
    }
}

fn lists(names: &str, name: &str) -> bool {
    names.split_ascii_whitespace().any(|method| method == name)
}

pub(super) fn call(
    receiver: &Value,
    args: Args<'_>,
    budget: &mut Budget,
) -> Result<Value, ErrorKind> {
    let unknown = || ErrorKind::UnknownMethod {
        of: receiver.type_name(),
        name: args.of.into(),
    };
    match receiver {
        Value::Str(text) => string_method(text, args, budget),
        Value::Map(map) => match args.of {
            "get" => get(map, args, budget),
            "items" => items(map, budget),
            "keys" => Value::sequence(
                SequenceKind::View,
                map.members.iter().map(|m| m.0.clone()).collect(),
                budget,
            ),
            "values" => Value::sequence(
                SequenceKind::View,
                map.members.iter().map(|m| m.1.clone()).collect(),
                budget,
            ),
            "copy" => Ok(receiver.clone()),
            _ => Err(unknown()),
        },
        Value::Sequence(sequence) => match args.of {
            "copy" => Ok(receiver.clone()),
            "count" | "index" => search(&sequence.items, args, budget),
            _ => Err(unknown()),
        },
        Value::Loop(state) if args.of == "cycle" => cycle(state, args),
        _ => Err(unknown()),
    }
}

fn get(map: &Map, args: Args<'_>, budget: &mut Budget) -> Result<Value, ErrorKind> {
    let missing = args.error("expected a key");
    let [key, default] = args.bind(["", ""])?;
    let found = map.get(&key.ok_or(missing)?, budget)?.cloned();
    Ok(found.or(default).unwrap_or(Value::None))
}

/// `dict.items()`
pub(super) fn items(map: &Map, budget: &mut Budget) -> Result<Value, ErrorKind> {
    let mut pairs = Vec::with_capacity(map.members.len());
    for (key, value) in &map.members {
        pairs.push(Value::sequence(
            SequenceKind::Tuple,
            Vec::from([key.clone(), value.clone()]),
            budget,
        )?);
    }
    Value::sequence(SequenceKind::View, pairs, budget)
}

fn search(items: &[Value], args: Args<'_>, budget: &mut Budget) -> Result<Value, ErrorKind> {
    let (missing, absent, counts) = (
        args.error("expected one argument"),
        args.error("not in the list"),
        args.of == "count",
    );
    let [needle] = args.bind([""])?;
    let needle = needle.ok_or(missing)?;
    let mut count = 0;
    for (i, item) in items.iter().enumerate() {
        if item.equals(&needle, budget)? {
            if !counts {
                return Ok(Value::Int(i as i64));
            }
            count += 1;
        }
    }
    if counts {
        Ok(Value::Int(count))
    } else {
        Err(absent)
    }
}

fn cycle(state: &LoopState, args: Args<'_>) -> Result<Value, ErrorKind> {
    let index = state
        .index
        .checked_rem(args.positional.len())
        .ok_or_else(|| args.error("expected arguments"))?;
    args.positional
        .get(index)
        .cloned()
        .ok_or_else(|| args.error("expected arguments"))
}

fn string_method(
    text: &Arc<Text>,
    args: Args<'_>,
    budget: &mut Budget,
) -> Result<Value, ErrorKind> {
    let name = args.of;
    budget.steps(text.len() as u64 / 64)?;
    match name {
        "strip" => stripped(text, Side::Both, args, budget),
        "lstrip" => stripped(text, Side::Left, args, budget),
        "rstrip" => stripped(text, Side::Right, args, budget),
        "upper" => no_arguments(args).and_then(|()| strings::map(text, str::to_uppercase, budget)),
        "lower" => no_arguments(args).and_then(|()| strings::map(text, str::to_lowercase, budget)),
        "title" => {
            no_arguments(args).and_then(|()| strings::title(text, |c| !c.is_alphabetic(), budget))
        }
        "capitalize" => no_arguments(args).and_then(|()| strings::capitalize(text, budget)),
        "split" | "rsplit" => split(text, args, budget),
        "splitlines" => {
            no_arguments(args)?;
            let lines = strings::lines(text.as_str());
            let items = lines
                .into_iter()
                .map(|line| strings::slice(text, line, budget))
                .collect::<Result<_, _>>()?;
            Value::list(items, budget)
        }
        "partition" | "rpartition" => partition(text, args, budget),
        "startswith" => affix(args, |affix| text.as_str().starts_with(affix)),
        "endswith" => affix(args, |affix| text.as_str().ends_with(affix)),
        "removeprefix" | "removesuffix" => without_affix(text, args, budget),
        "replace" => {
            let [old, new, count] = args.bind(["", "", "count"])?;
            let (old, new) = (string(name, old)?, string(name, new)?);
            strings::replace(
                text,
                (old.as_str(), &new),
                int_or_none(name, count)?.unwrap_or(-1),
                budget,
            )
        }
        "find" | "rfind" | "index" | "rindex" | "count" => find(text, args),
        "join" => {
            let missing = args.error("expected something to iterate over");
            let [items] = args.bind([""])?;
            let items = items.ok_or(missing)?.iterate(budget)?;
            strings::join(
                text,
                items
                    .items
                    .iter()
                    .map(|item| string(name, Some(item.clone()))),
                budget,
            )
        }
        "format" => format(text, args, budget),
        "isdigit" | "isalpha" | "isalnum" | "isspace" | "isupper" | "islower" => {
            no_arguments(args)?;
            Ok(Value::Bool(classified(text.as_str(), name)))
        }
        _ => Err(ErrorKind::UnknownMethod {
            of: "string",
            name: name.into(),
        }),
    }
}

fn no_arguments(args: Args<'_>) -> Result<(), ErrorKind> {
    args.bind([]).map(|[]| ())
}

fn split(text: &Text, args: Args<'_>, budget: &mut Budget) -> Result<Value, ErrorKind> {
    let name = args.of;
    let [separator, limit] = args.bind(["sep", "maxsplit"])?;
    let separator = string_or_none(name, separator)?;
    let separator = separator.as_ref().map(|separator| separator.as_str());
    let side = match name {
        "split" => Side::Left,
        _ => Side::Right,
    };
    let limit = int_or_none(name, limit)?.unwrap_or(-1);
    strings::split(text, separator, limit, side, budget)
}

/// `removeprefix` and `removesuffix`.
fn without_affix(text: &Text, args: Args<'_>, budget: &mut Budget) -> Result<Value, ErrorKind> {
    let name = args.of;
    let [affix] = args.bind([""])?;
    let affix = string(name, affix)?;
    let (start, end) = (affix.as_str(), text.len());
    let range = match name {
        "removeprefix" if text.as_str().starts_with(start) => affix.len()..end,
        "removesuffix" if text.as_str().ends_with(start) => 0..end - affix.len(),
        _ => 0..end,
    };
    strings::slice(text, range, budget)
}

fn stripped(
    text: &Text,
    side: Side,
    args: Args<'_>,
    budget: &mut Budget,
) -> Result<Value, ErrorKind> {
    let name = args.of;
    let [chars] = args.bind([""])?;
    let chars = string_or_none(name, chars)?;
    strings::strip(
        text,
        chars.as_ref().map(|chars| chars.as_str()),
        side,
        budget,
    )
}

/// `startswith` and `endswith`: one string or a tuple of them.
fn affix(args: Args<'_>, has: impl Fn(&str) -> bool) -> Result<Value, ErrorKind> {
    let wrong = args.error("expected a string or a tuple of strings");
    let [affix] = args.bind([""])?;
    match affix {
        Some(Value::Str(affix)) => Ok(Value::Bool(has(affix.as_str()))),
        Some(Value::Sequence(affixes)) if affixes.kind == SequenceKind::Tuple => Ok(Value::Bool(
            affixes.items.iter().filter_map(Value::as_str).any(has),
        )),
        _ => Err(wrong),
    }
}

fn partition(text: &Text, args: Args<'_>, budget: &mut Budget) -> Result<Value, ErrorKind> {
    let name = args.of;
    let [separator] = args.bind([""])?;
    let separator = string(name, separator)?;
    let whole = text.as_str();
    let (found, otherwise) = match name {
        "partition" => (whole.find(separator.as_str()), [0..whole.len(), 0..0, 0..0]),
        _ => (
            whole.rfind(separator.as_str()),
            [0..0, 0..0, 0..whole.len()],
        ),
    };
    let ranges = found.map_or(otherwise, |at| {
        [
            0..at,
            at..at + separator.len(),
            at + separator.len()..whole.len(),
        ]
    });
    let items = ranges
        .into_iter()
        .map(|range| strings::slice(text, range, budget))
        .collect::<Result<_, _>>()?;
    Value::sequence(SequenceKind::Tuple, items, budget)
}

fn find(text: &Text, args: Args<'_>) -> Result<Value, ErrorKind> {
    let (name, absent) = (args.of, args.error("substring not found"));
    let [needle] = args.bind([""])?;
    let (whole, needle) = (text.as_str(), string(name, needle)?);
    let at = match name {
        "count" => return Ok(Value::Int(whole.matches(needle.as_str()).count() as i64)),
        "find" | "index" => whole.find(needle.as_str()),
        _ => whole.rfind(needle.as_str()),
    };
    match at {
        Some(at) => Ok(Value::Int(whole[..at].chars().count() as i64)),
        None if name.ends_with("find") => Ok(Value::Int(-1)),
        None => Err(absent),
    }
}

fn classified(text: &str, name: &str) -> bool {
    let all = |is: fn(char) -> bool| !text.is_empty() && text.chars().all(is);
    match name {
        "isdigit" => all(char::is_numeric),
        "isalpha" => all(char::is_alphabetic),
        "isalnum" => all(char::is_alphanumeric),
        "isspace" => all(is_space),
        "isupper" => text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase),
        _ => text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase),
    }
}

/// `str.format` with fields that are empty, a number or a name, without conversions and format specifications.
fn format(text: &Text, args: Args<'_>, budget: &mut Budget) -> Result<Value, ErrorKind> {
    let bad = |reason| ErrorKind::arguments("format", reason);
    let (whole, mut at, mut automatic) = (text.as_str(), 0, 0);
    let mut pieces = Vec::new();
    while let Some(brace) = whole[at..].find(['{', '}']).map(|brace| at + brace) {
        pieces.push(Arc::new(text.slice(at..brace)));
        if whole[brace + 1..].starts_with(&whole[brace..=brace]) {
            pieces.push(Arc::new(text.slice(brace..brace + 1)));
            at = brace + 2;
            continue;
        }
        let end = whole[brace..]
            .find('}')
            .map(|end| brace + end)
            .filter(|end| *end > brace);
        let end = end.ok_or(bad("single brace in the format"))?;
        let field = &whole[brace + 1..end];
        if field.contains(['!', ':', '.', '[', '{']) {
            return Err(ErrorKind::Unsupported(
                "conversions and specifications in `format`",
            ));
        }
        if field.is_empty() {
            automatic += 1;
        }
        let number = if field.is_empty() {
            Ok(automatic - 1)
        } else {
            field.parse::<usize>()
        };
        let value = match number {
            Ok(number) => args.positional.get(number),
            Err(_) => args
                .named
                .iter()
                .find(|(name, _)| &**name == field)
                .map(|(_, value)| value),
        };
        pieces.push(to_text(
            value.ok_or(bad("no argument for a field"))?,
            budget,
        )?);
        budget.memory(64)?;
        at = end + 1;
    }
    pieces.push(Arc::new(text.slice(at..whole.len())));
    let mut out = TextBuilder::new(budget);
    out.push("", Origin::Template)?;
    pieces.iter().try_for_each(|piece| out.push_text(piece))?;
    Ok(Value::Str(out.finish()))
}
