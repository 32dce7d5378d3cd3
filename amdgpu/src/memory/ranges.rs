//! An allocator of ranges of a space that it never touches: video memory, and virtual addresses.
//!
//! Free ranges are kept by address, to join neighbours, and by length, to give out the smallest that fits (best fit). A range
//! that is as long as what is asked for but begins at the wrong place is passed over; one that is longer by the alignment
//! never is. So an allocation costs a few steps, and there are at most as many free ranges as allocations, and one more.

use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::Range;

use crate::Error;

/// Free ranges of a space. Everything is a multiple of [`Ranges::GRAIN`].
#[derive(Clone, Debug)]
pub(super) struct Ranges {
    what: &'static str,
    space: Range<u64>,
    /// Length by first address.
    by_address: BTreeMap<u64, u64>,
    /// Length and first address.
    by_length: BTreeSet<(u64, u64)>,
}

impl Ranges {
    /// What every range begins and ends at a multiple of: a page.
    pub(super) const GRAIN: u64 = 4096;

    /// A space that is free. Its ends are brought to whole pages inside it.
    pub(super) fn new(what: &'static str, space: Range<u64>) -> Self {
        let start = space.start.next_multiple_of(Self::GRAIN);
        let end = space.end - space.end % Self::GRAIN;
        let mut ranges = Self {
            what,
            space: start..end,
            by_address: BTreeMap::new(),
            by_length: BTreeSet::new(),
        };
        if start < end {
            ranges.insert(start, end - start);
        }
        ranges
    }

    /// Bytes that are free.
    pub(super) fn free_bytes(&self) -> u64 {
        self.by_address.values().sum()
    }

    /// Takes `bytes` (rounded up to pages) at an address that is `phase` modulo `align`, a power of two of a page or more.
    pub(super) fn take(&mut self, bytes: u64, align: u64, phase: u64) -> Result<u64, Error> {
        let no_room = Error::NoRoom {
            what: self.what,
            bytes,
        };
        debug_assert!(align.is_power_of_two() && align >= Self::GRAIN);
        debug_assert!(phase < align && phase.is_multiple_of(Self::GRAIN));
        let length = bytes.max(1).checked_next_multiple_of(Self::GRAIN);
        let length = length.ok_or(no_room.clone())?;
        let fits = self.by_length.range((length, 0)..).find_map(|range| {
            let (free, start) = *range;
            let skipped = phase.wrapping_sub(start) & (align - 1);
            (skipped <= free - length).then_some((free, start, skipped))
        });
        let (free, start, skipped) = fits.ok_or(no_room)?;
        self.remove(start, free);
        self.insert(start, skipped);
        self.insert(start + skipped + length, free - skipped - length);
        Ok(start + skipped)
    }

    /// Gives back what [`Ranges::take`] gave out.
    ///
    /// # Errors
    /// If some of it is free already, or was never part of the space.
    pub(super) fn give(&mut self, start: u64, bytes: u64) -> Result<(), Error> {
        let wrong = Error::Unexpected {
            what: self.what,
            found: start,
            expected: "a range that was given out",
        };
        let length = bytes.max(1).next_multiple_of(Self::GRAIN);
        let end = start.checked_add(length).ok_or(wrong.clone())?;
        let before = self.by_address.range(..=start).next_back();
        let before = before.map(|(start, length)| (*start, *length));
        let after = self.by_address.range(start..).next();
        let after = after.map(|(start, length)| (*start, *length));
        let overlaps = before.is_some_and(|(first, free)| first + free > start)
            || after.is_some_and(|(first, _)| first < end);
        if overlaps || start < self.space.start || end > self.space.end {
            return Err(wrong);
        }
        let (mut start, mut length) = (start, length);
        if let Some((first, free)) = before.filter(|(first, free)| first + free == start) {
            self.remove(first, free);
            (start, length) = (first, length + free);
        }
        if let Some((first, free)) = after.filter(|(first, _)| *first == end) {
            self.remove(first, free);
            length += free;
        }
        self.insert(start, length);
        Ok(())
    }

    fn insert(&mut self, start: u64, length: u64) {
        if length > 0 {
            self.by_address.insert(start, length);
            self.by_length.insert((length, start));
        }
    }

    fn remove(&mut self, start: u64, length: u64) {
        self.by_address.remove(&start);
        self.by_length.remove(&(length, start));
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::testing::Random;

    const PAGES: u64 = 512;

    /// The obvious allocator: a flag for each page.
    struct Pages([bool; PAGES as usize]);

    impl Pages {
        fn set(&mut self, start: u64, bytes: u64, used: bool) {
            for page in start / 4096..(start + bytes).div_ceil(4096) {
                assert_ne!(self.0[page as usize], used, "page {page}");
                self.0[page as usize] = used;
            }
        }

        /// Whether there is room anywhere.
        fn fits(&self, bytes: u64, align: u64, phase: u64) -> bool {
            let pages = bytes.div_ceil(4096) as usize;
            (0..self.0.len()).any(|first| {
                let place = first as u64 * 4096;
                let run = self.0.get(first..first + pages);
                place % align == phase && run.is_some_and(|run| !run.contains(&true))
            })
        }
    }

    #[test]
    fn random_use_agrees_with_a_flag_for_each_page() {
        for seed in 1..40 {
            let mut random = Random(seed);
            let mut pages = Pages([false; PAGES as usize]);
            let mut ranges = Ranges::new("a test", 0..PAGES * 4096);
            let mut held: Vec<(u64, u64)> = Vec::new();
            for _ in 0..2000 {
                if random.below(5) < 3 {
                    let bytes = 1 + random.of_any_size(18);
                    let align = 4096 << random.below(6);
                    let phase = random.below(align / 4096) * 4096;
                    match ranges.take(bytes, align, phase) {
                        Ok(start) => {
                            assert_eq!(start % align, phase);
                            pages.set(start, bytes, true);
                            held.push((start, bytes));
                        }
                        Err(_) => assert!(!pages.fits(bytes, align, phase)),
                    }
                } else if !held.is_empty() {
                    let at = random.below(held.len() as u64) as usize;
                    let (start, bytes) = held.swap_remove(at);
                    ranges.give(start, bytes).unwrap();
                    pages.set(start, bytes, false);
                }
                let free = pages.0.iter().filter(|used| !**used).count() as u64;
                assert_eq!(ranges.free_bytes(), free * 4096);
            }
            for (start, bytes) in held {
                ranges.give(start, bytes).unwrap();
            }
            assert_eq!(ranges.by_address.len(), 1, "all neighbours are joined");
        }
    }

    #[test]
    fn what_was_not_given_out_is_not_taken_back() {
        let mut ranges = Ranges::new("a test", 0x1_0000..0x2_0000);
        let start = ranges.take(0x3000, 4096, 0).unwrap();
        assert!(ranges.give(start + 0x1000, 0x3000).is_err());
        assert!(ranges.give(0, 4096).is_err());
        assert!(ranges.give(0x2_0000, 4096).is_err());
        assert!(ranges.give(u64::MAX - 10, 4096).is_err());
        ranges.give(start, 0x3000).unwrap();
        assert!(ranges.give(start, 0x3000).is_err());
        let all = ranges.take(0x1_0001, 4096, 0);
        let no_room = Error::NoRoom {
            what: "a test",
            bytes: 0x1_0001,
        };
        assert_eq!(all, Err(no_room));
        assert!(ranges.take(u64::MAX, 4096, 0).is_err());
    }
}
