//! Ranges of physical memory, and what is left of the usable ones when everything else is taken out.

use core::fmt;

use x86_64::PhysAddr;

/// Bytes in a frame and in the smallest page.
pub const PAGE_BYTES: u64 = 4096;

/// A range of physical memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PhysRange {
    start: u64,
    end: u64,
}

impl PhysRange {
    /// The range from `start` to `end` (exclusive), cut to what a physical address can name; empty if `end <= start`.
    pub const fn new(start: u64, end: u64) -> PhysRange {
        const LIMIT: u64 = 1 << 52;
        let end = if end < LIMIT { end } else { LIMIT };
        PhysRange {
            start: if start < end { start } else { end },
            end,
        }
    }

    /// The range of `bytes` bytes from `start` on.
    pub const fn of_length(start: u64, bytes: u64) -> PhysRange {
        PhysRange::new(start, start.saturating_add(bytes))
    }

    /// The first address.
    pub fn start(&self) -> PhysAddr {
        PhysAddr::new(self.start)
    }

    /// The first address as a number.
    pub const fn start_u64(&self) -> u64 {
        self.start
    }

    /// The address after the last as a number.
    pub const fn end_u64(&self) -> u64 {
        self.end
    }

    /// The length in bytes.
    pub const fn bytes(&self) -> u64 {
        self.end - self.start
    }

    /// Whether it holds no byte.
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether `address` lies inside.
    pub const fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }

    /// The whole pages inside it.
    pub const fn pages_inside(&self) -> PhysRange {
        let start = self.start.next_multiple_of(PAGE_BYTES);
        PhysRange::new(start, self.end & !(PAGE_BYTES - 1))
    }

    /// The pages that it touches.
    pub const fn pages_touched(&self) -> PhysRange {
        PhysRange {
            start: self.start & !(PAGE_BYTES - 1),
            end: self.end.next_multiple_of(PAGE_BYTES),
        }
    }
}

impl fmt::Debug for PhysRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start, self.end)
    }
}

/// A list of ranges in fixed memory, for the time before there is a heap.
pub struct RangeList<const CAPACITY: usize> {
    ranges: [PhysRange; CAPACITY],
    length: usize,
    dropped_bytes: u64,
}

impl<const CAPACITY: usize> RangeList<CAPACITY> {
    /// An empty list.
    pub const fn new() -> Self {
        RangeList {
            ranges: [PhysRange { start: 0, end: 0 }; CAPACITY],
            length: 0,
            dropped_bytes: 0,
        }
    }

    /// Adds a range; empty ones are ignored. When the list is full the smallest range goes, and is counted as dropped.
    pub fn push(&mut self, range: PhysRange) {
        if range.is_empty() {
            return;
        }
        if self.length < CAPACITY {
            self.ranges[self.length] = range;
            self.length += 1;
            return;
        }
        let mut dropped = range;
        if let Some(smallest) = self.ranges.iter_mut().min_by_key(|held| held.bytes())
            && smallest.bytes() < range.bytes()
        {
            dropped = core::mem::replace(smallest, range);
        }
        self.dropped_bytes += dropped.bytes();
    }

    /// Takes the bytes of `hole` out of every range.
    pub fn subtract(&mut self, hole: PhysRange) {
        if hole.is_empty() {
            return;
        }
        let mut index = 0;
        while index < self.length {
            let range = self.ranges[index];
            if hole.end <= range.start || range.end <= hole.start {
                index += 1;
                continue;
            }
            let below = PhysRange::new(range.start, hole.start.max(range.start));
            let above = PhysRange::new(hole.end.min(range.end), range.end);
            self.length -= 1;
            self.ranges[index] = self.ranges[self.length];
            // Neither piece meets the hole again, so that visiting them once more is harmless.
            self.push(below);
            self.push(above);
        }
    }

    /// Sorts by address and joins ranges that touch or overlap.
    pub fn normalise(&mut self) {
        let ranges = &mut self.ranges[..self.length];
        ranges.sort_unstable_by_key(|range| range.start);
        let mut kept = 0;
        for index in 1..self.length {
            let range = self.ranges[index];
            if range.start <= self.ranges[kept].end {
                self.ranges[kept].end = self.ranges[kept].end.max(range.end);
            } else {
                kept += 1;
                self.ranges[kept] = range;
            }
        }
        self.length = self.length.min(kept + 1);
    }

    /// The ranges.
    pub fn as_slice(&self) -> &[PhysRange] {
        &self.ranges[..self.length]
    }

    /// The sum of their lengths.
    pub fn bytes(&self) -> u64 {
        self.as_slice().iter().map(PhysRange::bytes).sum()
    }

    /// Bytes that were lost because the list was full.
    pub fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes
    }
}

impl<const CAPACITY: usize> Default for RangeList<CAPACITY> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(ranges: &[(u64, u64)]) -> RangeList<32> {
        let mut list = RangeList::new();
        for &(start, end) in ranges {
            list.push(PhysRange::new(start, end));
        }
        list
    }

    fn pairs<const N: usize>(list: &RangeList<N>) -> Vec<(u64, u64)> {
        list.as_slice()
            .iter()
            .map(|range| (range.start, range.end))
            .collect()
    }

    #[test]
    fn pages() {
        assert_eq!(
            PhysRange::new(1, 0x2fff).pages_inside(),
            PhysRange::new(0x1000, 0x2000)
        );
        assert_eq!(
            PhysRange::new(1, 0x2001).pages_touched(),
            PhysRange::new(0, 0x3000)
        );
        assert!(PhysRange::new(0x1001, 0x1fff).pages_inside().is_empty());
        assert!(PhysRange::new(5, 5).pages_inside().is_empty());
        assert_eq!(PhysRange::of_length(u64::MAX, u64::MAX).bytes(), 0);
    }

    #[test]
    fn subtract_cuts_and_splits() {
        let mut ranges = list(&[(0, 100), (200, 300), (400, 500)]);
        ranges.subtract(PhysRange::new(50, 60));
        ranges.subtract(PhysRange::new(190, 210));
        ranges.subtract(PhysRange::new(290, 1000));
        ranges.normalise();
        assert_eq!(pairs(&ranges), [(0, 50), (60, 100), (210, 290)]);
    }

    #[test]
    fn a_full_list_loses_the_smallest_and_says_so() {
        let mut ranges = RangeList::<2>::new();
        ranges.push(PhysRange::new(0, 10));
        ranges.push(PhysRange::new(100, 103));
        ranges.push(PhysRange::new(200, 220));
        ranges.push(PhysRange::new(300, 301));
        assert_eq!((ranges.bytes(), ranges.dropped_bytes()), (30, 4));
    }

    /// Against a map with one flag a byte.
    #[test]
    fn random_maps_equal_a_byte_map() {
        let mut state = 0x1234_5678_9abc_def1_u64;
        let mut random = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        for round in 0..500 {
            let mut bytes = [false; 256];
            let mut ranges = RangeList::<64>::new();
            for step in 0..12 {
                let start = random(256);
                let end = start + random(257 - start);
                let add = step < 6;
                bytes[start as usize..end as usize].fill(add);
                if add {
                    ranges.push(PhysRange::new(start, end));
                } else {
                    ranges.subtract(PhysRange::new(start, end));
                }
            }
            ranges.normalise();
            let held = |at: u64| ranges.as_slice().iter().any(|range| range.contains(at));
            assert!(
                (0..256).all(|at| held(at) == bytes[at as usize]),
                "round {round}"
            );
            assert!(
                ranges
                    .as_slice()
                    .windows(2)
                    .all(|pair| pair[0].end < pair[1].start),
                "round {round}"
            );
        }
    }
}
