//! The model's time: it passes by what happens, so that a run repeats exactly.

/// Nanoseconds that an access of a register or doorbell takes, from the 1 to 2 microseconds of a read over PCIe 4.0.
pub(crate) const ACCESS_NS: u64 = 1000;

/// Nanoseconds since power-on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    ns: u64,
}

impl Clock {
    /// Lets time pass.
    pub(crate) fn pass(&mut self, ns: u64) {
        self.ns = self.ns.saturating_add(ns);
    }

    /// Nanoseconds since power-on.
    pub(crate) fn ns(self) -> u64 {
        self.ns
    }

    /// The reference counter of 100 MHz, which timestamps show.
    pub(crate) fn reference(self) -> u64 {
        self.ns / 10
    }
}
