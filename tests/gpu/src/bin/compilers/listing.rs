//! Loops in assembly text, LLVM's or ACO's: labels end in a colon, branches name them.

use std::collections::HashMap;

/// The instructions of a kernel, as far as its loops need them.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Instructions in all.
    count: usize,
    /// First and last instruction of each loop: from the label that a branch goes back to, to that branch.
    loops: Vec<(usize, usize)>,
}

impl Listing {
    /// Reads a listing. Directives, comments and what follows the end of the code are passed over.
    pub(crate) fn of(text: &str) -> Self {
        let mut listing = Self::default();
        let mut labels = HashMap::new();
        for line in text.lines() {
            let line = line.split(';').next().unwrap_or_default();
            if let Some(label) = line.trim().strip_suffix(':') {
                labels.insert(label.to_owned(), listing.count);
                continue;
            }
            let mut words = line.split_whitespace();
            let Some(name) = words.next() else { continue };
            if !line.starts_with(char::is_whitespace)
                || !name.starts_with(|c: char| c.is_ascii_lowercase())
            {
                continue;
            }
            let branches = name.starts_with("s_branch") || name.starts_with("s_cbranch");
            if let Some(start) = words
                .next()
                .filter(|_| branches)
                .and_then(|label| labels.get(label))
            {
                listing.extend_loop(*start);
            }
            listing.count += 1;
        }
        listing
    }

    /// A branch at the current place goes back to `start`: several to one label are one loop.
    fn extend_loop(&mut self, start: usize) {
        match self.loops.iter_mut().find(|(first, _)| *first == start) {
            Some((_, last)) => *last = self.count,
            None => self.loops.push((start, self.count)),
        }
    }

    /// Instructions of the deepest loop; of several, of the longest.
    pub(crate) fn inner_loop(&self) -> u32 {
        let contains = |outer: &(usize, usize), inner: &(usize, usize)| {
            outer.0 <= inner.0 && inner.1 <= outer.1
        };
        let depth = |l: &(usize, usize)| self.loops.iter().filter(|o| contains(o, l)).count();
        let sizes = self.loops.iter().map(|l| (depth(l), l.1 - l.0 + 1));
        sizes.max().map_or(0, |(_, size)| size as u32)
    }
}

/// The number behind `name` in LLVM's comments: `; NumVgprs: 12` or `; codeLenInByte = 364`.
pub(crate) fn comment(text: &str, name: &str) -> Option<u32> {
    let line = text.lines().find(|line| line.contains(name))?;
    let (_, rest) = line.split_once(name)?;
    let digits: String = rest
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_loop_is_the_inner_one() {
        let text = "k:\n\ts_mov_b32 s0, 0\n.LBB0_1: ; outer\n\tv_nop\n.LBB0_2:\n\tv_nop\n\tv_nop\n\ts_cbranch_scc1 .LBB0_2\n\
                    \t.p2align 6\n\ts_cbranch_scc0 .LBB0_1\n\ts_endpgm\n";
        assert_eq!(Listing::of(text).inner_loop(), 3);
        assert_eq!(Listing::of("a:\n\ts_endpgm\n").inner_loop(), 0);
    }

    #[test]
    fn comments_tell_numbers() {
        let text = "; codeLenInByte = 364\n; NumVgprs: 12\n";
        assert_eq!(comment(text, "NumVgprs"), Some(12));
        assert_eq!(comment(text, "codeLenInByte"), Some(364));
        assert_eq!(comment(text, "Occupancy"), None);
    }
}
