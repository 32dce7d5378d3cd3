//! Python's string operations, each keeping the origin of what it leaves of its text.
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use super::budget::Budget;
use super::error::ErrorKind;
use super::lexer::is_space;
use super::text::{Origin, Text, TextBuilder};
use super::value::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Both,
    Left,
    Right,
}

/// The range that is left without the given characters (white space if none are given) at the ends.
fn stripped(text: &str, chars: Option<&str>, side: Side) -> Range<usize> {
    let strip = |c: char| chars.map_or_else(|| is_space(c), |chars| chars.contains(c));
    let end = if side == Side::Left {
        text.len()
    } else {
        text.trim_end_matches(strip).len()
    };
    let kept = &text[..end];
    let start = if side == Side::Right {
        0
    } else {
        end - kept.trim_start_matches(strip).len()
    };
    start..end
}

pub(super) fn strip(
    text: &Text,
    chars: Option<&str>,
    side: Side,
    budget: &mut Budget,
) -> Result<Value, ErrorKind> {
    slice(text, stripped(text.as_str(), chars, side), budget)
}

/// A copy of a range, paid for.
pub(super) fn slice(
    text: &Text,
    range: Range<usize>,
    budget: &mut Budget,
) -> Result<Value, ErrorKind> {
    budget.memory(range.len() + 64)?;
    Ok(Value::Str(Arc::new(text.slice(range))))
}

/// A copy whose parts are changed one by one, paid for.
pub(super) fn map(
    text: &Text,
    change: impl FnMut(&str) -> String,
    budget: &mut Budget,
) -> Result<Value, ErrorKind> {
    budget.memory(text.len().saturating_mul(3))?;
    Ok(Value::Str(Arc::new(text.map(change))))
}

pub(super) fn capitalize(text: &Text, budget: &mut Budget) -> Result<Value, ErrorKind> {
    let mut first = true;
    let change = |part: &str| {
        let mut chars = part.chars();
        let head = if core::mem::take(&mut first) {
            chars.next()
        } else {
            None
        };
        let mut out: String = head.into_iter().flat_map(char::to_uppercase).collect();
        out.push_str(&chars.as_str().to_lowercase());
        out
    };
    map(text, change, budget)
}

/// `title`: a letter behind anything else is a capital. Jinja's filter counts only some characters as anything else.
pub(super) fn title(
    text: &Text,
    starts_word: fn(char) -> bool,
    budget: &mut Budget,
) -> Result<Value, ErrorKind> {
    let mut start = true;
    let change = |part: &str| {
        let mut out = String::with_capacity(part.len());
        for c in part.chars() {
            if start {
                out.extend(c.to_uppercase())
            } else {
                out.extend(c.to_lowercase())
            }
            start = starts_word(c);
        }
        out
    };
    map(text, change, budget)
}

/// `str.replace`; a negative count means all.
pub(super) fn replace(
    text: &Text,
    (old, new): (&str, &Text),
    count: i64,
    budget: &mut Budget,
) -> Result<Value, ErrorKind> {
    budget.steps(text.len() as u64 / 16)?;
    let limit = usize::try_from(count).unwrap_or(usize::MAX);
    let mut out = TextBuilder::new(budget);
    let mut done = 0;
    for (at, found) in text.as_str().match_indices(old).take(limit) {
        out.push_range(text, done..at)?;
        out.push_text(new)?;
        done = at + found.len();
    }
    out.push_range(text, done..text.len())?;
    Ok(Value::Str(out.finish()))
}

/// `str.split` and `str.rsplit`; a negative limit means all.
pub(super) fn split(
    text: &Text,
    separator: Option<&str>,
    limit: i64,
    side: Side,
    budget: &mut Budget,
) -> Result<Value, ErrorKind> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let ranges = match separator {
        None => split_words(text.as_str(), limit, side),
        Some("") => return Err(ErrorKind::arguments("split", "empty separator")),
        Some(separator) => split_at(text.as_str(), separator, limit, side),
    };
    let items = ranges
        .into_iter()
        .map(|range| slice(text, range, budget))
        .collect::<Result<_, _>>()?;
    Value::list(items, budget)
}

fn split_at(text: &str, separator: &str, limit: usize, side: Side) -> Vec<Range<usize>> {
    let mut cuts: Vec<usize> = if side == Side::Right {
        text.rmatch_indices(separator)
            .map(|(at, _)| at)
            .take(limit)
            .collect()
    } else {
        text.match_indices(separator)
            .map(|(at, _)| at)
            .take(limit)
            .collect()
    };
    cuts.sort_unstable();
    let mut ranges = Vec::with_capacity(cuts.len() + 1);
    let mut start = 0;
    for cut in cuts {
        ranges.push(start..cut);
        start = cut + separator.len();
    }
    ranges.push(start..text.len());
    ranges
}

fn split_words(text: &str, limit: usize, side: Side) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut rest = stripped(text, None, side);
    while !rest.is_empty() && ranges.len() < limit {
        let slice = &text[rest.clone()];
        let cut = if side == Side::Right {
            slice.rfind(is_space)
        } else {
            slice.find(is_space)
        };
        let Some(cut) = cut.map(|cut| rest.start + cut) else {
            break;
        };
        if side == Side::Right {
            let word = cut + text[cut..].chars().next().map_or(0, char::len_utf8);
            ranges.push(word..rest.end);
            rest.end = rest.start + text[rest.start..cut].trim_end_matches(is_space).len();
        } else {
            ranges.push(rest.start..cut);
            rest.start = rest.end - text[cut..rest.end].trim_start_matches(is_space).len();
        }
    }
    if !rest.is_empty() {
        ranges.push(rest);
    }
    if side == Side::Right {
        ranges.reverse();
    }
    ranges
}

/// `str.splitlines` without line ends.
pub(super) fn lines(text: &str) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if !matches!(
            c,
            '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
        ) {
            continue;
        }
        lines.push(start..at);
        if c == '\r' && chars.peek().is_some_and(|(_, next)| *next == '\n') {
            chars.next();
        }
        start = chars.peek().map_or(text.len(), |(next, _)| *next);
    }
    if start < text.len() {
        lines.push(start..text.len());
    }
    lines
}

/// `text[start:stop:step]`
pub(super) fn slice_chars(
    text: &Text,
    indices: &[usize],
    budget: &mut Budget,
) -> Result<Value, ErrorKind> {
    budget.memory(text.len().saturating_mul(16))?;
    let chars: Vec<(usize, char)> = text.as_str().char_indices().collect();
    let mut out = TextBuilder::new(budget);
    for (at, c) in indices.iter().filter_map(|index| chars.get(*index)) {
        out.push_range(text, *at..at + c.len_utf8())?;
    }
    Ok(Value::Str(out.finish()))
}

/// `separator.join(items)`
pub(super) fn join(
    separator: &Text,
    items: impl Iterator<Item = Result<Arc<Text>, ErrorKind>>,
    budget: &mut Budget,
) -> Result<Value, ErrorKind> {
    let mut out = TextBuilder::new(budget);
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push_text(separator)?;
        }
        out.push_text(&*item?)?;
    }
    Ok(Value::Str(out.finish()))
}

/// What Python's `markupsafe.escape` does to the text that is added to `Markup`.
pub(super) fn escape_html(text: &Text, budget: &mut Budget) -> Result<Arc<Text>, ErrorKind> {
    let mut out = TextBuilder::new(budget);
    for (part, origin) in text.parts(0..text.len()) {
        for c in part.chars() {
            let mut plain = [0; 4];
            let escaped = match c {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '"' => "&#34;",
                '\'' => "&#39;",
                _ => c.encode_utf8(&mut plain),
            };
            out.push(escaped, origin)?;
        }
    }
    out.text.markup = true;
    Ok(out.finish())
}

/// Jinja's `indent`.
pub(super) fn indent(
    text: &Text,
    by: &Text,
    (first, blank): (bool, bool),
    budget: &mut Budget,
) -> Result<Value, ErrorKind> {
    let lines = lines(text.as_str());
    budget.memory(lines.len().saturating_mul(16))?;
    // The filter adds a newline before it cuts lines, so that a line end at the very end begins one more line.
    let ends_with_line = lines.last().is_none_or(|last| last.end < text.len());
    let mut out = TextBuilder::new(budget);
    for (i, line) in lines
        .iter()
        .cloned()
        .chain(ends_with_line.then_some(text.len()..text.len()))
        .enumerate()
    {
        if i > 0 {
            out.push("\n", Origin::Template)?;
        }
        if (i > 0 && (blank || !line.is_empty())) || (i == 0 && first) {
            out.push_text(by)?;
        }
        out.push_range(text, line)?;
    }
    Ok(Value::Str(out.finish()))
}
