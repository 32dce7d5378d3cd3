//! Which frames of physical memory are free: one bit each, first fit.
//!
//! A bitmap and not a buddy tree, because what matters here is a few very long runs (a model of gigabytes, the KV cache) taken
//! at boot, next to some small ones: a run of any length is found in one pass, nothing is rounded up to a power of two, and the
//! whole state is 32 KiB for each GiB of memory.

use super::range::{PAGE_BYTES, PhysRange};

const WORD: usize = u64::BITS as usize;

/// The free frames from physical address zero on.
pub struct FrameBitmap<'a> {
    /// Bit `i % 64` of word `i / 64` is set when frame `i` is free.
    words: &'a mut [u64],
    free_frames: u64,
    /// No word below this one has a free frame.
    first_free_word: usize,
}

impl<'a> FrameBitmap<'a> {
    /// Words that a bitmap needs for memory that ends at `end`.
    pub const fn words_for(end: u64) -> usize {
        end.div_ceil(PAGE_BYTES * WORD as u64) as usize
    }

    /// A map in `words` with nothing free.
    pub fn new(words: &'a mut [u64]) -> FrameBitmap<'a> {
        words.fill(0);
        let first_free_word = words.len();
        FrameBitmap {
            words,
            free_frames: 0,
            first_free_word,
        }
    }

    /// Bytes in free frames.
    pub fn free_bytes(&self) -> u64 {
        self.free_frames * PAGE_BYTES
    }

    /// The lowest run of free frames that holds `bytes` bytes and starts at a multiple of `align`, which must be a power of
    /// two. `None` where there is none, or where `bytes` is zero.
    pub fn allocate(&mut self, bytes: u64, align: u64) -> Option<PhysRange> {
        assert!(
            align.is_power_of_two(),
            "frame alignment {align} is not a power of two"
        );
        let count = usize::try_from(bytes.div_ceil(PAGE_BYTES)).ok()?;
        let align = usize::try_from(align.div_ceil(PAGE_BYTES)).ok()?;
        if count == 0 || count as u64 > self.free_frames {
            return None;
        }
        let mut start = self.next_free(self.first_free_word * WORD)?;
        loop {
            start = start.checked_next_multiple_of(align)?;
            let end = start.checked_add(count)?;
            if end > self.words.len() * WORD {
                return None;
            }
            match self.last_used(start, end) {
                None => break,
                Some(used) => start = self.next_free(used + 1)?,
            }
        }
        self.set(start, start + count, false);
        while self.words.get(self.first_free_word) == Some(&0) {
            self.first_free_word += 1;
        }
        Some(PhysRange::of_length(
            start as u64 * PAGE_BYTES,
            count as u64 * PAGE_BYTES,
        ))
    }

    /// Makes the frames of `range` free. All of them must be in use: freeing a free frame, half a frame or one that is not
    /// memory would hand the same frame out twice, so it panics instead.
    pub fn free(&mut self, range: PhysRange) {
        assert!(
            range.pages_inside() == range,
            "freed range {range:?} is not made of whole frames"
        );
        let (start, end) = (range.start_u64() / PAGE_BYTES, range.end_u64() / PAGE_BYTES);
        let (start, end) = (start as usize, end as usize);
        assert!(
            end <= self.words.len() * WORD,
            "freed range {range:?} is outside of memory"
        );
        if start == end {
            return;
        }
        assert!(!self.any_free(start, end), "range {range:?} is freed twice");
        self.set(start, end, true);
        self.first_free_word = self.first_free_word.min(start / WORD);
    }

    /// The bits of word `index` that belong to the frames `start..end`.
    fn mask(index: usize, start: usize, end: usize) -> u64 {
        let low = start.saturating_sub(index * WORD).min(WORD);
        let high = (end - index * WORD).min(WORD);
        let below = |bits: usize| {
            if bits == WORD {
                u64::MAX
            } else {
                (1 << bits) - 1
            }
        };
        below(high) & !below(low)
    }

    fn set(&mut self, start: usize, end: usize, free: bool) {
        for index in start / WORD..end.div_ceil(WORD) {
            let mask = Self::mask(index, start, end);
            if free {
                self.words[index] |= mask;
            } else {
                self.words[index] &= !mask;
            }
        }
        let count = (end - start) as u64;
        self.free_frames = if free {
            self.free_frames + count
        } else {
            self.free_frames - count
        };
    }

    fn any_free(&self, start: usize, end: usize) -> bool {
        (start / WORD..end.div_ceil(WORD))
            .any(|index| self.words[index] & Self::mask(index, start, end) != 0)
    }

    /// The highest frame of `start..end` that is in use.
    fn last_used(&self, start: usize, end: usize) -> Option<usize> {
        (start / WORD..end.div_ceil(WORD)).rev().find_map(|index| {
            let used = !self.words[index] & Self::mask(index, start, end);
            (used != 0).then(|| index * WORD + used.ilog2() as usize)
        })
    }

    /// The lowest free frame from `start` on.
    fn next_free(&self, start: usize) -> Option<usize> {
        let words = self.words.len();
        (start / WORD..words).find_map(|index| {
            let free = self.words[index] & Self::mask(index, start, words * WORD);
            (free != 0).then(|| index * WORD + free.trailing_zeros() as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(start: u64, end: u64) -> PhysRange {
        PhysRange::new(start * PAGE_BYTES, end * PAGE_BYTES)
    }

    #[test]
    fn allocates_lowest_first_and_whole_runs() {
        let mut words = [0; 4];
        let mut map = FrameBitmap::new(&mut words);
        assert_eq!(map.allocate(1, 1), None);
        map.free(frames(3, 10));
        map.free(frames(60, 200));
        assert_eq!(map.free_bytes(), 147 * PAGE_BYTES);
        assert_eq!(map.allocate(1, 1), Some(frames(3, 4)));
        assert_eq!(map.allocate(8 * PAGE_BYTES, 1), Some(frames(60, 68)));
        assert_eq!(
            map.allocate(PAGE_BYTES + 1, 8 * PAGE_BYTES),
            Some(frames(8, 10))
        );
        assert_eq!(
            map.allocate(64 * PAGE_BYTES, 64 * PAGE_BYTES),
            Some(frames(128, 192))
        );
        assert_eq!(map.allocate(64 * PAGE_BYTES, 1), None);
        map.free(frames(60, 68));
        assert_eq!(map.allocate(68 * PAGE_BYTES, 1), Some(frames(60, 128)));
    }

    #[test]
    fn requests_that_cannot_be_met() {
        let mut words = [0; 2];
        let mut map = FrameBitmap::new(&mut words);
        map.free(frames(0, 128));
        for (bytes, align) in [(0, 1), (129 * PAGE_BYTES, 1), (u64::MAX, 1), (1, 1 << 63)] {
            // Frame 0 lies at a multiple of any alignment.
            let expected = (bytes == 1).then(|| frames(0, 1));
            assert_eq!(
                map.allocate(bytes, align),
                expected,
                "{bytes} bytes at {align}"
            );
        }
        assert_eq!(map.allocate(1, 1 << 63), None);
    }

    #[test]
    #[should_panic(expected = "freed twice")]
    fn a_double_free_panics() {
        let mut words = [0; 2];
        let mut map = FrameBitmap::new(&mut words);
        map.free(frames(0, 100));
        map.free(frames(99, 101));
    }

    /// Against a list of flags, searched frame by frame.
    #[test]
    fn random_operations_equal_a_list_of_flags() {
        const FRAMES: usize = 64 * 5;
        for seed in 1..=40_u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut random = |below: usize| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state % below as u64) as usize
            };
            let mut words = [0; FRAMES / 64];
            let mut map = FrameBitmap::new(&mut words);
            let mut flags = [false; FRAMES];
            let mut held: Vec<PhysRange> = Vec::new();
            map.free(frames(2, 150));
            map.free(frames(155, 319));
            flags[2..150].fill(true);
            flags[155..319].fill(true);
            for step in 0..400 {
                if random(5) < 3 {
                    let most = 1 + random(90);
                    let (count, align) = (1 + random(most), 1 << random(7));
                    let expected = (0..=FRAMES - count)
                        .step_by(align)
                        .find(|&start| flags[start..start + count].iter().all(|&free| free))
                        .map(|start| frames(start as u64, (start + count) as u64));
                    let got = map.allocate(count as u64 * PAGE_BYTES, align as u64 * PAGE_BYTES);
                    assert_eq!(
                        got, expected,
                        "seed {seed} step {step}: {count} frames at {align}"
                    );
                    held.extend(got);
                    if let Some(range) = got {
                        let start = (range.start_u64() / PAGE_BYTES) as usize;
                        flags[start..start + count].fill(false);
                    }
                } else if !held.is_empty() {
                    let range = held.swap_remove(random(held.len()));
                    map.free(range);
                    let (start, end) =
                        (range.start_u64() / PAGE_BYTES, range.end_u64() / PAGE_BYTES);
                    flags[start as usize..end as usize].fill(true);
                }
                let free = flags.iter().filter(|&&free| free).count() as u64;
                assert_eq!(
                    map.free_bytes(),
                    free * PAGE_BYTES,
                    "seed {seed} step {step}"
                );
            }
        }
    }
}
