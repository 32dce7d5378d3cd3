//! Fences: numbers that a queue writes when it has come so far, one more for each batch.

use alloc::vec::Vec;
use core::fmt;

use crate::Error;

/// The end of a batch. Fences of a queue come one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub(super) u64);

/// How far a queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Dwords that it has read, as far as it told.
    pub read: u64,
    /// Dwords that it was told of.
    pub written: u64,
    /// The last fence that it came to.
    pub reached: u64,
    /// The last that it was asked for.
    pub issued: u64,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            read,
            written,
            reached,
            issued,
        } = self;
        write!(
            f,
            "{read} of {written} dwords read, fence {reached} of {issued}"
        )
    }
}

/// The fences of a queue. Numbers have 64 bits; of what is in memory only the low half is looked at, which is never torn, and
/// which says all as long as fewer than 2^31 batches are under way.
#[derive(Debug, Default)]
pub(super) struct Fences {
    /// The last that was asked for.
    issued: u64,
    /// The last that was seen.
    reached: u64,
    /// Those that never come, because the queue was made anew meanwhile: each time after the first, up to the second.
    lost: Vec<(u64, u64)>,
}

impl Fences {
    /// The next to be asked for.
    pub(super) const fn next(&self) -> Fence {
        Fence(self.issued + 1)
    }

    /// [`Fences::next`] was asked for.
    pub(super) const fn issue(&mut self, fence: Fence) {
        self.issued = fence.0;
    }

    /// Takes what is in memory; numbers that were never asked for do not count. The last one that was seen.
    pub(super) const fn see(&mut self, low: u32) -> u64 {
        let ahead = low.wrapping_sub(self.reached as u32) as u64;
        if self.reached + ahead <= self.issued {
            self.reached += ahead;
        }
        self.reached
    }

    /// The last that was asked for.
    pub(super) const fn last(&self) -> u64 {
        self.issued
    }

    /// Whether it came. One that was given up never does.
    pub(super) fn is_done(&self, fence: Fence) -> bool {
        self.reached >= fence.0 && !self.is_lost(fence)
    }

    fn is_lost(&self, fence: Fence) -> bool {
        let mut lost = self.lost.iter();
        lost.any(|(after, last)| (after + 1..=*last).contains(&fence.0))
    }

    /// Gives up all that has not come, for a queue that is made anew: what is to be in memory then.
    pub(super) fn give_up(&mut self) -> u64 {
        if self.reached < self.issued {
            self.lost.push((self.reached, self.issued));
        }
        self.reached = self.issued;
        self.issued
    }

    /// # Errors
    /// If the fence was given up.
    pub(super) fn check(&self, fence: Fence) -> Result<(), Error> {
        if self.is_lost(fence) {
            return Err(Error::Unexpected {
                what: "fence of a queue",
                found: fence.0,
                expected: "one of a batch since the queue was made anew",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_come_over_the_end_of_32_bits() {
        let start = u64::from(u32::MAX) - 1;
        let mut fences = Fences {
            issued: start,
            reached: start,
            lost: Vec::new(),
        };
        let wanted = [1, 2, 3].map(|_| {
            let fence = fences.next();
            fences.issue(fence);
            fence
        });
        assert_eq!(fences.see(u32::MAX), start + 1);
        assert!(fences.is_done(wanted[0]) && !fences.is_done(wanted[1]));
        assert_eq!(fences.see(0), start + 2);
        assert_eq!(fences.see(7), start + 2, "never asked for");
        assert_eq!(fences.see(u32::MAX), start + 2, "never back");
        assert_eq!(fences.give_up(), start + 3);
        assert!(fences.check(wanted[2]).is_err() && !fences.is_done(wanted[2]));
        fences.issue(fences.next());
        fences.give_up();
        for lost in [wanted[2], Fence(start + 4)] {
            assert!(fences.check(lost).is_err() && !fences.is_done(lost));
        }
        assert!(fences.is_done(wanted[1]));
        assert!(fences.check(wanted[1]).is_ok() && fences.check(fences.next()).is_ok());
    }
}
