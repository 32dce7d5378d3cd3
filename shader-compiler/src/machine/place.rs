//! Gives each group of registers its place in the register file.
//!
//! # Problem
//! Groups are runs of dwords with ranges that have holes; the fullest point says how few registers could do, but runs need
//! neighbours that are free together, so an unlucky order of placing wastes registers. There is no spilling: what does not
//! fit is refused.
//!
//! # Idea
//! Greedy placement in an order, repaired: groups are placed one by one, each at the first free place. If one finds no place
//! below the limit, it goes to the head of the order and all is placed anew ("squeaky wheel": Joslin and Clements, 1999).
//! After some attempts the limit rises by a step. Steps are those at which the number of waves per SIMD changes: fewer
//! registers within a step are worth nothing, but a review compares the count, so first fit keeps it low.
//! Then [`super::pairs`] moves groups to places that let more operations issue together.
//!
//! # Invariant
//! A dword of a group is put on a register only if its ranges meet none of those on it, by the rule of
//! [`super::liveness`]: own ranges against own ranges, parked ones against parked ones where either is whole-wave.

use super::File;
use super::coalesce::{Group, Groups};
use super::liveness::Ranges;

/// Attempts per limit.
const ATTEMPTS: usize = 24;

/// Positions at which each register is taken.
#[derive(Clone)]
struct Taken {
    words: usize,
    bits: Vec<u64>,
}

impl Taken {
    fn new(registers: usize, positions: u32) -> Self {
        let words = positions as usize / 64 + 1;
        Self {
            words,
            bits: vec![0; words * registers],
        }
    }

    /// Calls `f` with the index and mask of each word of `register` that `ranges` touch, until it says true.
    fn any(
        words: usize,
        register: usize,
        ranges: &Ranges,
        mut f: impl FnMut(usize, u64) -> bool,
    ) -> bool {
        for &(start, end) in ranges {
            let (first, last) = (start as usize / 64, (end as usize - 1) / 64);
            for word in first..=last {
                let low = if word == first { start % 64 } else { 0 };
                let high = if word == last { (end - 1) % 64 } else { 63 };
                let mask = (u64::MAX >> (63 - (high - low))) << low;
                if f(register * words + word, mask) {
                    return true;
                }
            }
        }
        false
    }

    fn clear(&mut self, register: usize, ranges: &Ranges) {
        let bits = &mut self.bits;
        Self::any(self.words, register, ranges, |word, mask| {
            bits[word] &= !mask;
            false
        });
    }

    fn meets(&self, register: usize, ranges: &Ranges) -> bool {
        Self::any(self.words, register, ranges, |word, mask| {
            self.bits[word] & mask != 0
        })
    }

    fn take(&mut self, register: usize, ranges: &Ranges) {
        let bits = &mut self.bits;
        Self::any(self.words, register, ranges, |word, mask| {
            bits[word] |= mask;
            false
        });
    }
}

/// A register file while groups are placed on it.
#[derive(Clone)]
pub(super) struct Board {
    /// Own ranges of registers that are not whole-wave.
    own: Taken,
    /// Their parked ranges.
    parked: Taken,
    /// Parked ranges of whole-wave registers.
    whole: Taken,
}

impl Board {
    pub(super) fn new(registers: usize, positions: u32) -> Self {
        let taken = Taken::new(registers, positions);
        Self {
            own: taken.clone(),
            parked: taken.clone(),
            whole: taken,
        }
    }

    /// Takes a register of the machine that instructions name themselves, for all lanes.
    pub(super) fn reserve(&mut self, register: usize, ranges: &Ranges) {
        self.whole.take(register, ranges);
    }

    pub(super) fn fits(&self, group: &Group, start: usize) -> bool {
        let clash = |(index, dword): (usize, &super::coalesce::Dword)| {
            let register = start + index;
            self.whole.meets(register, &dword.parked)
                || match group.whole_wave {
                    true => self.parked.meets(register, &dword.parked),
                    false => self.own.meets(register, &dword.own),
                }
        };
        !group.dwords.iter().enumerate().any(clash)
    }

    pub(super) fn take(&mut self, group: &Group, start: usize) {
        for (index, dword) in group.dwords.iter().enumerate() {
            if group.whole_wave {
                self.whole.take(start + index, &dword.parked);
            } else {
                self.own.take(start + index, &dword.own);
                self.parked.take(start + index, &dword.parked);
            }
        }
    }

    /// Takes a group from its place. Own ranges on a register are disjoint, and so are whole-wave ones; parked ranges of
    /// others may overlap those of the group and are put back.
    pub(super) fn leave(&mut self, all: &[Group], places: &[Option<u8>], index: usize) {
        let Some(start) = places[index].map(usize::from) else {
            return;
        };
        let group = &all[index];
        for (offset, dword) in group.dwords.iter().enumerate() {
            let register = start + offset;
            if group.whole_wave {
                self.whole.clear(register, &dword.parked);
                continue;
            }
            self.own.clear(register, &dword.own);
            self.parked.clear(register, &dword.parked);
            for (other, place) in all.iter().zip(places) {
                let there = place.and_then(|place| register.checked_sub(usize::from(place)));
                let not =
                    std::ptr::eq(other, group) || other.whole_wave || other.file != group.file;
                if let (Some(dword), false) = (there.and_then(|o| other.dwords.get(o)), not) {
                    self.parked.take(register, &dword.parked);
                }
            }
        }
    }

    /// Nothing is on the register at these positions, along any path.
    pub(super) fn idle(&self, register: usize, ranges: &Ranges) -> bool {
        !self.whole.meets(register, ranges) && !self.parked.meets(register, ranges)
    }
}

/// Places all `groups` (indices into `all`) on registers below `limit`, or says how far it came: the group that fits
/// nowhere. Pinned groups and those already placed in `places` stay.
fn attempt(
    all: &[Group],
    order: &[usize],
    limit: usize,
    board: &Board,
    places: &[Option<u8>],
) -> Result<(Board, Vec<Option<u8>>), usize> {
    let (mut board, mut places) = (board.clone(), places.to_vec());
    for &index in order {
        if places[index].is_some() {
            continue;
        }
        let group = &all[index];
        let (modulus, rest) = (usize::from(group.align.0), usize::from(group.align.1));
        let starts = (rest..=limit.saturating_sub(group.dwords.len())).step_by(modulus);
        let mut starts = starts.filter(|start| group.dwords.len() + start <= limit);
        let start = starts.find(|start| board.fits(group, *start));
        let start = start.ok_or(index)?;
        board.take(group, start);
        places[index] = Some(start as u8);
    }
    Ok((board, places))
}

/// Where everything stands.
pub(super) struct Placed {
    pub(super) board: Board,
    pub(super) places: Vec<Option<u8>>,
}

impl Placed {
    /// One more than the highest register that a group of the file is on.
    pub(super) fn reach(&self, groups: &Groups, file: File) -> usize {
        let placed = groups.all.iter().zip(&self.places);
        let of_file = placed.filter(|(group, _)| group.file == file);
        let ends = of_file.filter_map(|(group, place)| {
            place.map(|place| usize::from(place) + group.dwords.len())
        });
        ends.max().unwrap_or(0)
    }
}

/// Places `groups` under the first of the limits that works; `None` if none does.
pub(super) fn place(
    all: &[Group],
    groups: &[usize],
    board: &Board,
    places: &[Option<u8>],
    limits: &[usize],
) -> Option<Placed> {
    let length = |ranges: &Ranges| ranges.iter().map(|(s, e)| u64::from(e - s)).sum::<u64>();
    let area = |index: &usize| {
        let dwords = all[*index].dwords.iter();
        let area: u64 = dwords.map(|dword| length(&dword.own)).sum();
        area * all[*index].dwords.len() as u64
    };
    let begin = |index: &usize| {
        let dwords = all[*index].dwords.iter();
        dwords.filter_map(|d| d.own.first()).map(|r| r.0).min()
    };
    let mut by_area = groups.to_vec();
    by_area.sort_by_key(|index| std::cmp::Reverse(area(index)));
    let mut by_begin = groups.to_vec();
    by_begin.sort_by_key(begin);
    for &limit in limits {
        for first in [&by_area, &by_begin] {
            let mut order = first.clone();
            for _ in 0..ATTEMPTS {
                match attempt(all, &order, limit, board, places) {
                    Ok((board, places)) => {
                        return Some(Placed { board, places });
                    }
                    Err(stuck) => {
                        let at = order.iter().position(|index| *index == stuck);
                        order[..=at.unwrap_or(0)].rotate_right(1);
                    }
                }
            }
        }
    }
    None
}
