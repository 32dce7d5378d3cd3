//! Text that remembers, byte range by byte range, whether the template or a user wrote it.
//!
//! Every string value of the interpreter is a [`Text`]. All operations that cut, join or change text go through the few
//! primitives here, so that the origin survives them.
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use super::budget::Budget;
use super::error::ErrorKind;

/// Who wrote a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The chat template, or a constant that it was given (such as the text of the BOS token): control tokens count.
    Template,
    /// A message, a tool definition or another part of the request: it stays text, whatever it looks like.
    User,
}

/// A piece of the rendered prompt, all of one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The text.
    pub text: String,
    /// Who wrote it.
    pub origin: Origin,
}

/// A string and the origins of its parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Text {
    string: String,
    /// End offset and origin of each part; neighbours differ, and the last end is the length of the string.
    runs: Vec<(usize, Origin)>,
    /// What Python calls `Markup`: adding other text to it escapes that text for HTML.
    pub(super) markup: bool,
}

impl Text {
    pub(super) fn new(string: impl Into<String>, origin: Origin) -> Text {
        let string = string.into();
        let runs = if string.is_empty() {
            Vec::new()
        } else {
            Vec::from([(string.len(), origin)])
        };
        Text {
            string,
            runs,
            markup: false,
        }
    }

    pub(super) fn template(string: impl Into<String>) -> Text {
        Text::new(string, Origin::Template)
    }

    /// The same text as `Markup`.
    pub(super) fn marked(mut self) -> Text {
        self.markup = true;
        self
    }

    pub(super) fn as_str(&self) -> &str {
        &self.string
    }

    pub(super) fn len(&self) -> usize {
        self.string.len()
    }

    /// The origin that text derived from the whole of this has: a user's if any of it is.
    pub(super) fn origin(&self) -> Origin {
        if self.runs.iter().any(|(_, origin)| *origin == Origin::User) {
            Origin::User
        } else {
            Origin::Template
        }
    }

    pub(super) fn push(&mut self, text: &str, origin: Origin) {
        if text.is_empty() {
            return;
        }
        self.string.push_str(text);
        let end = self.string.len();
        match self.runs.last_mut() {
            Some(last) if last.1 == origin => last.0 = end,
            _ => self.runs.push((end, origin)),
        }
    }

    /// The parts of a byte range. The range must lie on character boundaries.
    pub(super) fn parts(&self, range: Range<usize>) -> impl Iterator<Item = (&str, Origin)> {
        let first = self.runs.partition_point(|(end, _)| *end <= range.start);
        let mut start = range.start;
        self.runs[first..].iter().map_while(move |(end, origin)| {
            let end = (*end).min(range.end);
            let part = self.string.get(start..end).filter(|part| !part.is_empty());
            start = end;
            part.map(|part| (part, *origin))
        })
    }

    /// A copy of a byte range. The range must lie on character boundaries.
    pub(super) fn slice(&self, range: Range<usize>) -> Text {
        let mut out = Text {
            markup: self.markup,
            ..Text::default()
        };
        for (part, origin) in self.parts(range) {
            out.push(part, origin);
        }
        out
    }

    /// A copy whose parts are changed one by one.
    pub(super) fn map(&self, mut change: impl FnMut(&str) -> String) -> Text {
        let mut out = Text {
            markup: self.markup,
            ..Text::default()
        };
        for (part, origin) in self.parts(0..self.len()) {
            out.push(&change(part), origin);
        }
        out
    }

    pub(super) fn into_segments(self) -> Vec<Segment> {
        self.parts(0..self.len())
            .map(|(text, origin)| Segment {
                text: text.into(),
                origin,
            })
            .collect()
    }
}

/// Builds a text whose length the inputs do not bound: every push is paid for.
pub(super) struct TextBuilder<'b> {
    pub(super) text: Text,
    pub(super) budget: &'b mut Budget,
}

impl<'b> TextBuilder<'b> {
    pub(super) fn new(budget: &'b mut Budget) -> TextBuilder<'b> {
        TextBuilder {
            text: Text::default(),
            budget,
        }
    }

    pub(super) fn push(&mut self, text: &str, origin: Origin) -> Result<(), ErrorKind> {
        self.budget.memory(text.len())?;
        self.budget.steps(1)?;
        self.text.push(text, origin);
        Ok(())
    }

    pub(super) fn push_range(&mut self, text: &Text, range: Range<usize>) -> Result<(), ErrorKind> {
        text.parts(range)
            .try_for_each(|(part, origin)| self.push(part, origin))
    }

    pub(super) fn push_text(&mut self, text: &Text) -> Result<(), ErrorKind> {
        self.push_range(text, 0..text.len())
    }

    pub(super) fn repeat(&mut self, text: &Text, count: usize) -> Result<(), ErrorKind> {
        self.budget.afford(text.len().saturating_mul(count))?;
        (0..count).try_for_each(|_| self.push_text(text))
    }

    pub(super) fn finish(self) -> Arc<Text> {
        Arc::new(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn sample() -> Text {
        let mut text = Text::template("ab");
        text.push("cd", Origin::User);
        text.push("ef", Origin::User);
        text.push("gh", Origin::Template);
        text
    }

    #[test]
    fn neighbours_of_one_origin_are_merged() {
        let segment = |text: &str, origin| Segment {
            text: text.into(),
            origin,
        };
        let expected = vec![
            segment("ab", Origin::Template),
            segment("cdef", Origin::User),
            segment("gh", Origin::Template),
        ];
        assert_eq!(sample().into_segments(), expected);
    }

    #[test]
    fn slices_keep_origins_at_every_boundary() {
        let text = sample();
        for start in 0..=8 {
            for end in start..=8 {
                let slice = text.slice(start..end);
                assert_eq!(slice.as_str(), &text.as_str()[start..end]);
                let user: String = slice
                    .parts(0..slice.len())
                    .filter(|(_, origin)| *origin == Origin::User)
                    .map(|(t, _)| t)
                    .collect();
                assert_eq!(user, text.as_str()[start.clamp(2, 6)..end.clamp(2, 6)]);
            }
        }
    }
}
