//! Gives each group of registers its place in the register file.
//!
//! # Problem
//! Groups are runs of dwords with ranges that have holes; the fullest point says how few registers could do, but runs need
//! neighbours that are free together, so an unlucky order of placing wastes registers. There is no spilling: what does not
//! fit is refused.
//!
//! # Idea
//! Greedy placement in an order, repaired: groups are placed one by one, each at the free place that its hints like best.
//! If one finds no place below the limit, it goes to the head of the order and all is placed anew ("squeaky wheel": Joslin
//! and Clements, 1999). After some attempts without hints and with, the limit rises by a step. Steps are those at which the
//! number of waves per SIMD changes, so fewer registers within a step are worth nothing, and hints may use all of it.
//!
//! # Invariant
//! A dword of a group is put on a register only if its ranges meet none of those on it, by the rule of
//! [`super::liveness`]: own ranges against own ranges, parked ones against parked ones where either is whole-wave.

use super::coalesce::Group;
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

    /// Nothing is on the register at these positions, along any path.
    pub(super) fn idle(&self, register: usize, ranges: &Ranges) -> bool {
        !self.whole.meets(register, ranges) && !self.parked.meets(register, ranges)
    }
}

/// What places are good beside being free: the cost of starting group `group` at a register, given the places of others.
pub(super) type Cost<'a> = &'a dyn Fn(usize, usize, &[Option<u8>]) -> u32;

/// Places all `groups` (indices into `all`) on registers below `limit`, or says how far it came: the group that fits
/// nowhere. Pinned groups and those already placed in `places` stay.
fn attempt(
    all: &[Group],
    order: &[usize],
    limit: usize,
    board: &Board,
    places: &[Option<u8>],
    cost: Option<Cost<'_>>,
) -> Result<(Board, Vec<Option<u8>>), usize> {
    let (mut board, mut places) = (board.clone(), places.to_vec());
    for &index in order {
        if places[index].is_some() {
            continue;
        }
        let group = &all[index];
        let (modulus, rest) = (usize::from(group.align.0), usize::from(group.align.1));
        let starts = (rest..=limit.saturating_sub(group.dwords.len())).step_by(modulus);
        let mut free =
            starts.filter(|start| group.dwords.len() + start <= limit && board.fits(group, *start));
        let start = match cost {
            None => free.next(),
            Some(cost) => free.min_by_key(|start| cost(index, *start, &places)),
        };
        let start = start.ok_or(index)?;
        board.take(group, start);
        places[index] = Some(start as u8);
    }
    Ok((board, places))
}

/// Limits to try, in order, and the hints.
pub(super) struct Plan<'a> {
    pub(super) limits: &'a [usize],
    pub(super) cost: Option<Cost<'a>>,
}

/// Places `groups` under the first limit that works; `Err` if none does.
pub(super) fn place(
    all: &[Group],
    groups: &[usize],
    board: &Board,
    places: &[Option<u8>],
    plan: &Plan<'_>,
) -> Result<(Board, Vec<Option<u8>>), ()> {
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
    for &limit in plan.limits {
        let mut costs = vec![None];
        if plan.cost.is_some() {
            costs.insert(0, plan.cost);
        }
        for cost in costs {
            for first in [&by_area, &by_begin] {
                let mut order = first.clone();
                for _ in 0..ATTEMPTS {
                    match attempt(all, &order, limit, board, places, cost) {
                        Ok(done) => return Ok(done),
                        Err(stuck) => {
                            let at = order.iter().position(|index| *index == stuck);
                            order[..=at.unwrap_or(0)].rotate_right(1);
                        }
                    }
                }
            }
        }
    }
    Err(())
}
