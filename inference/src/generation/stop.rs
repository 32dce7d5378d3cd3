//! Stop strings in a text that comes in pieces.

use alloc::string::String;
use alloc::vec::Vec;

/// Passes text on up to the first stop string, and holds back what may become one.
///
/// The first stop string is the one that is complete first, and of those that are complete at once the longest: so the
/// outcome depends on the text alone, not on how it was cut into pieces.
#[derive(Clone, Debug)]
pub struct StopFilter {
    stops: Vec<String>,
    /// Text that was not passed on: the beginning of a stop string.
    held: String,
    stopped: bool,
}

impl StopFilter {
    /// A filter for these strings; empty ones are ignored.
    #[must_use]
    pub fn new(mut stops: Vec<String>) -> Self {
        stops.retain(|stop| !stop.is_empty());
        Self {
            stops,
            held: String::new(),
            stopped: false,
        }
    }

    /// Takes a piece of text and appends what is certain to `out`. Returns whether a stop string has come; after that,
    /// nothing passes.
    pub fn push(&mut self, piece: &str, out: &mut String) -> bool {
        if self.stopped {
            return true;
        }
        self.held.push_str(piece);
        let matches = self.stops.iter().filter_map(|stop| {
            let start = self.held.find(stop.as_str())?;
            Some((start + stop.len(), start))
        });
        if let Some((_, start)) = matches.min() {
            out.push_str(&self.held[..start]);
            self.held.clear();
            self.stopped = true;
            return true;
        }
        let keep = self
            .stops
            .iter()
            .map(|stop| overlap(&self.held, stop))
            .max();
        let certain = self.held.len() - keep.unwrap_or(0);
        out.push_str(&self.held[..certain]);
        self.held.drain(..certain);
        false
    }

    /// Appends what was held back, because no text follows that would complete a stop string.
    pub fn finish(&mut self, out: &mut String) {
        out.push_str(&self.held);
        self.held.clear();
    }
}

/// Length of the longest proper beginning of `stop` that `text` ends with.
fn overlap(text: &str, stop: &str) -> usize {
    let beginnings = stop.char_indices().map(|(end, _)| end).rev();
    beginnings
        .into_iter()
        .find(|&end| text.ends_with(&stop[..end]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_random::Random;
    use alloc::string::ToString;
    use alloc::vec;
    use std::println;

    fn filtered(pieces: &[&str], stops: &[&str]) -> (Vec<String>, bool) {
        let mut filter = StopFilter::new(stops.iter().map(ToString::to_string).collect());
        let mut outs = vec![];
        for piece in pieces {
            let mut out = String::new();
            let stopped = filter.push(piece, &mut out);
            outs.push(out);
            if stopped {
                return (outs, true);
            }
        }
        let mut out = String::new();
        filter.finish(&mut out);
        outs.push(out);
        (outs, false)
    }

    #[test]
    fn text_passes_unless_it_may_become_a_stop_string() {
        type Words = &'static [&'static str];
        #[rustfmt::skip]
        let cases: [(Words, Words, Words, bool); 6] = [
            (&["one", " two"], &[], &["one", " two", ""], false),
            (&["one", " two"], &[""], &["one", " two", ""], false),
            (&["a\n", "\n", "b"], &["\n\n"], &["a", ""], true),
            (&["a\n", "b\n"], &["\n\n"], &["a", "\nb", "\n"], false),
            (&["STOP here"], &["STOP"], &[""], true),
            (&["x\u{e9}", "\u{e9}y"], &["\u{e9}\u{e9}\u{e9}"], &["x", "\u{e9}\u{e9}y", ""], false),
        ];
        for (pieces, stops, expected, stopped) in cases {
            let expected = expected.iter().map(ToString::to_string).collect();
            assert_eq!(filtered(pieces, stops), (expected, stopped), "{pieces:?}");
        }
    }

    /// The definition, character by character.
    fn reference(text: &str, stops: &[&str]) -> (String, bool) {
        for end in 1..=text.len() {
            let complete = stops.iter().filter(|stop| text[..end].ends_with(**stop));
            if let Some(longest) = complete.map(|stop| stop.len()).max() {
                return (text[..end - longest].into(), true);
            }
        }
        (text.into(), false)
    }

    #[test]
    fn the_outcome_does_not_depend_on_the_pieces() {
        let seed = 11;
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let stops = ["abab", "ba", "bbb", "aabb", "b", "abba"];
        for _ in 0..20_000 {
            let text: String = (0..random.below(14))
                .map(|_| ['a', 'b', 'c'][random.below(3)])
                .collect();
            let chosen = &stops[random.below(6)..];
            let mut pieces = vec![];
            let mut rest = text.as_str();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(random.below(rest.len()) + 1);
                pieces.push(piece);
                rest = after;
            }
            let (outs, stopped) = filtered(&pieces, chosen);
            assert_eq!(
                (outs.concat(), stopped),
                reference(&text, chosen),
                "{pieces:?} {chosen:?}"
            );
        }
    }
}
