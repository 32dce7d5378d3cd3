//! Merging neighbours in the order of their priority, which is what both algorithms come down to.
//!
//! The text is a doubly linked list of symbols, at first one for each character or byte. A priority queue holds every
//! pair of neighbours that may merge; the best is taken (the leftmost among equals), becomes one symbol, and the pairs
//! with its new neighbours are queued. A queued pair whose symbols changed meanwhile is recognised by where it ends and
//! dropped. Each merge removes a symbol and queues at most two pairs, so the work is n log n in the number of symbols,
//! and the memory at most 48 bytes for each.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::ops::Range;

/// The mark of a symbol whose text is no token.
pub(super) const NO_TOKEN: u32 = u32::MAX;
/// In `next`: there is none.
const END: u32 = u32::MAX;
/// In `next`: this symbol was merged into the one to its left.
const MERGED: u32 = u32::MAX - 1;

/// A stretch of text that is, or is not, one token.
#[derive(Clone, Copy)]
pub(super) struct Symbol {
    /// The token, or [`NO_TOKEN`].
    pub(super) token: u32,
    /// Where its text begins, in bytes.
    pub(super) start: u32,
    prev: u32,
    next: u32,
}

/// What two neighbours become.
#[derive(Clone, Copy)]
pub(super) struct Merge {
    /// Lower goes first.
    pub(super) priority: u32,
    pub(super) token: u32,
}

/// A pair of neighbours that may merge: (priority, left symbol, end of the right one's text, token).
type Candidate = Reverse<(u32, u32, u32, u32)>;

/// The working memory of one merge, kept from word to word.
#[derive(Default)]
pub(super) struct Merger {
    symbols: Vec<Symbol>,
    queue: BinaryHeap<Candidate>,
    length: u32,
}

impl Merger {
    /// Starts over with a text of `length` bytes. The caller keeps this below [`crate::limits::MAX_MERGE_BYTES`].
    pub(super) fn start(&mut self, length: usize) {
        self.symbols.clear();
        self.queue.clear();
        self.length = length as u32;
    }

    /// Appends a symbol that begins at byte `start` of the text.
    pub(super) fn push(&mut self, token: Option<u32>, start: usize) {
        let index = self.symbols.len() as u32;
        if let Some(last) = self.symbols.last_mut() {
            last.next = index;
        }
        let token = token.unwrap_or(NO_TOKEN);
        self.symbols.push(Symbol {
            token,
            start: start as u32,
            prev: index.wrapping_sub(1),
            next: END,
        });
    }

    /// Merges while `merge` knows what to do with any two neighbours: given the tokens of both and the range of their
    /// text.
    pub(super) fn run(&mut self, merge: impl Fn(u32, u32, Range<usize>) -> Option<Merge>) {
        let mut first = core::mem::take(&mut self.queue).into_vec();
        first
            .extend((0..self.symbols.len() as u32).filter_map(|left| self.candidate(left, &merge)));
        self.queue = first.into();
        while let Some(Reverse((_, left, end, token))) = self.queue.pop() {
            let Symbol {
                next: right, prev, ..
            } = self.symbols[left as usize];
            if right == MERGED || right == END || self.end_of(right) != end {
                continue;
            }
            let after = self.symbols[right as usize].next;
            self.symbols[right as usize].next = MERGED;
            self.symbols[left as usize].token = token;
            self.symbols[left as usize].next = after;
            if after != END {
                self.symbols[after as usize].prev = left;
            }
            if prev != END {
                self.queue.extend(self.candidate(prev, &merge));
            }
            self.queue.extend(self.candidate(left, &merge));
        }
    }

    /// The symbols that are left, each with the range of its text.
    pub(super) fn symbols(&self) -> impl Iterator<Item = (u32, Range<usize>)> {
        self.symbols
            .iter()
            .filter(|symbol| symbol.next != MERGED)
            .map(|symbol| {
                (
                    symbol.token,
                    symbol.start as usize..self.end(symbol) as usize,
                )
            })
    }

    fn candidate(
        &self,
        left: u32,
        merge: &impl Fn(u32, u32, Range<usize>) -> Option<Merge>,
    ) -> Option<Candidate> {
        let first = self.symbols[left as usize];
        let second = self.symbols.get(first.next as usize)?;
        let end = self.end(second);
        let Merge { priority, token } = merge(
            first.token,
            second.token,
            first.start as usize..end as usize,
        )?;
        Some(Reverse((priority, left, end, token)))
    }

    fn end_of(&self, symbol: u32) -> u32 {
        self.end(&self.symbols[symbol as usize])
    }

    fn end(&self, symbol: &Symbol) -> u32 {
        self.symbols
            .get(symbol.next as usize)
            .map_or(self.length, |next| next.start)
    }
}
