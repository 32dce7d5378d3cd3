//! Outstanding memory accesses: the counters vmcnt, lgkmcnt and vscnt, and the registers that wait for them.
//!
//! An access takes effect when it is issued; what is modelled is when its result may be used. Loads of one counter return in
//! order, but scalar and flat ones come back in any order: while one is outstanding, `lgkmcnt(n)` with n > 0 promises nothing
//! about it, and about LDS accesses only what holds if all of those came back first.

use super::{Context, Flow, Wave};
use crate::program::{Step, VgprSet};
use crate::rule::Rule;

/// The counters have 6 bits; hardware does not issue what they could not count.
const CAPACITY: usize = 64;

/// An outstanding access.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// VGPRs that it fills.
    first: u8,
    count: u8,
    /// Not ordered with the others of its counter.
    unordered: bool,
    /// A store to scratch.
    scratch: bool,
    /// Clock at which it is done.
    ready: u64,
}

/// Accesses of one counter, the oldest first.
#[derive(Clone, Debug)]
struct Queue {
    entries: [Entry; CAPACITY],
    head: usize,
    len: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            entries: [Entry::default(); CAPACITY],
            head: 0,
            len: 0,
        }
    }
}

impl Queue {
    fn pop(&mut self) -> Option<Entry> {
        self.len = self.len.checked_sub(1)?;
        let entry = self.entries[self.head];
        self.head = (self.head + 1) % CAPACITY;
        Some(entry)
    }

    fn push(&mut self, entry: Entry) {
        self.entries[(self.head + self.len) % CAPACITY] = entry;
        self.len += 1;
    }

    fn iter(&self) -> impl Iterator<Item = &Entry> {
        (0..self.len).map(|index| &self.entries[(self.head + index) % CAPACITY])
    }

    /// Takes out the oldest until at most `allowed` are left; returns when the last of them was done.
    fn settle(&mut self, allowed: usize) -> u64 {
        let mut ready = 0;
        while self.len > allowed
            && let Some(entry) = self.pop()
        {
            ready = ready.max(entry.ready);
        }
        ready
    }

    /// Takes out the `count` oldest that are ordered.
    fn settle_ordered(&mut self, mut count: usize) -> u64 {
        let mut ready = 0;
        for _ in 0..self.len {
            let Some(entry) = self.pop() else { break };
            if count > 0 && !entry.unordered {
                count -= 1;
                ready = ready.max(entry.ready);
            } else {
                self.push(entry);
            }
        }
        ready
    }

    fn unordered(&self) -> usize {
        self.iter().filter(|entry| entry.unordered).count()
    }

    fn registers(&self) -> VgprSet {
        let mut set = VgprSet::default();
        for entry in self.iter() {
            set.insert(entry.first, entry.count);
        }
        set
    }
}

/// Which counters an access counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    /// vmcnt: loads and atomics that return.
    Vm,
    /// lgkmcnt: LDS.
    Lds,
    /// vscnt: stores and atomics that return nothing.
    Store,
    /// vmcnt and lgkmcnt: flat loads.
    FlatLoad,
    /// vscnt and lgkmcnt: flat stores.
    FlatStore,
}

/// State of the counters of a wave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits {
    vm: Queue,
    lgkm: Queue,
    stores: Queue,
    vm_registers: VgprSet,
    lds_registers: VgprSet,
    /// SGPRs that scalar loads fill.
    smem_registers: u128,
    /// A wait for part of lgkmcnt was made while scalar loads were outstanding.
    partial: bool,
    /// Some register is pending.
    pub(crate) pending: bool,
}

impl Waits {
    /// Registers that an access of the counter must not fill now, with the rule that it would break.
    pub(crate) fn conflict(&self, counter: Counter, registers: &VgprSet) -> Option<(Rule, u8)> {
        let vm = || self.vm_registers.first_common(registers);
        let lds = || self.lds_registers.first_common(registers);
        let of_vm = || vm().map(|register| (Rule::PendingVmem, register));
        let of_lds = || lds().map(|register| (Rule::PendingLds, register));
        match counter {
            Counter::Vm => of_lds(),
            Counter::Lds => of_vm(),
            _ => of_vm().or_else(of_lds),
        }
    }

    /// The rule that touching the VGPR now would break.
    pub(crate) fn pending_rule(&self, register: u8) -> Option<Rule> {
        if self.vm_registers.contains(register) {
            Some(Rule::PendingVmem)
        } else {
            self.lds_registers
                .contains(register)
                .then_some(Rule::PendingLds)
        }
    }

    /// LDS accesses are outstanding.
    pub(crate) fn lds_outstanding(&self) -> bool {
        self.lgkm.iter().any(|entry| !entry.unordered)
    }

    /// Scratch stores are outstanding.
    pub(crate) fn scratch_outstanding(&self) -> bool {
        self.stores.iter().any(|entry| entry.scratch)
    }

    fn refresh(&mut self) {
        let none = VgprSet::default();
        self.pending =
            self.smem_registers != 0 || self.vm_registers != none || self.lds_registers != none;
    }
}

impl Wave {
    /// Counts an access that fills `count` VGPRs from `first` after `latency` clocks.
    pub(crate) fn issue(&mut self, counter: Counter, first: u8, count: u8, latency: u64) {
        let entry = Entry {
            first,
            count,
            unordered: matches!(counter, Counter::FlatLoad | Counter::FlatStore),
            scratch: false,
            ready: self.clock + latency,
        };
        let waits = &mut self.waits;
        let [vm, lgkm, stores] = match counter {
            Counter::Vm => [true, false, false],
            Counter::Lds => [false, true, false],
            Counter::Store => [false, false, true],
            Counter::FlatLoad => [true, true, false],
            Counter::FlatStore => [false, true, true],
        };
        let mut stalled = 0;
        for (queue, counts) in [
            (&mut waits.vm, vm),
            (&mut waits.lgkm, lgkm),
            (&mut waits.stores, stores),
        ] {
            if counts {
                stalled = stalled.max(queue.settle(CAPACITY - 1));
                queue.push(entry);
            }
        }
        if vm {
            waits.vm_registers.insert(first, count);
        }
        if lgkm {
            waits.lds_registers.insert(first, count);
        }
        waits.pending |= count > 0;
        self.clock = self.clock.max(stalled);
    }

    /// Counts a store to scratch.
    pub(crate) fn issue_scratch_store(&mut self, latency: u64) {
        self.issue(Counter::Store, 0, 0, latency);
        let stores = &mut self.waits.stores;
        let last = (stores.head + stores.len + CAPACITY - 1) % CAPACITY;
        stores.entries[last].scratch = true;
    }

    /// Counts a scalar load that fills these SGPRs.
    pub(crate) fn issue_scalar(&mut self, registers: u128, latency: u64) {
        let waits = &mut self.waits;
        let stalled = waits.lgkm.settle(CAPACITY - 1);
        waits.lgkm.push(Entry {
            unordered: true,
            ready: self.clock + latency,
            ..Entry::default()
        });
        waits.smem_registers |= registers;
        waits.pending = true;
        self.clock = self.clock.max(stalled);
    }

    /// Waits until at most so many accesses are outstanding.
    pub(crate) fn wait(&mut self, vm: u8, lgkm: u8, vs: u8) {
        let waits = &mut self.waits;
        let [vm, lgkm, vs] = [vm, lgkm, vs].map(usize::from);
        let mut ready = waits.stores.settle(vs);
        if waits.vm.len > vm {
            ready = ready.max(waits.vm.settle(vm));
            waits.vm_registers = waits.vm.registers();
        }
        if waits.lgkm.len > lgkm {
            let unordered = waits.lgkm.unordered();
            if lgkm == 0 {
                waits.smem_registers = 0;
                waits.partial = false;
                ready = ready.max(waits.lgkm.settle(0));
            } else if unordered == 0 {
                ready = ready.max(waits.lgkm.settle(lgkm));
            } else {
                let done = (waits.lgkm.len - lgkm).saturating_sub(unordered);
                ready = ready.max(waits.lgkm.settle_ordered(done));
                waits.partial = true;
            }
            waits.lds_registers = waits.lgkm.registers();
        }
        waits.refresh();
        self.clock = self.clock.max(ready);
    }

    /// Stops if the step touches a register that is still to be filled.
    #[cold]
    pub(crate) fn check_waits(&self, context: &Context<'_>, step: &Step) -> Flow {
        let waits = &self.waits;
        if let Some(register) = waits.vm_registers.first_common(&step.vector_touches) {
            context.violate(Rule::PendingVmem, None, || {
                format!("v{register} is the destination of a load that s_waitcnt vmcnt has not waited for")
            })?;
        }
        if let Some(register) = waits.lds_registers.first_common(&step.vector_touches) {
            context.violate(Rule::PendingLds, None, || {
                format!("v{register} is the destination of an LDS access that s_waitcnt lgkmcnt has not waited for")
            })?;
        }
        let scalars = waits.smem_registers & step.scalar_touches;
        if scalars == 0 {
            return Ok(());
        }
        let name = super::undefined::scalar_name(scalars.trailing_zeros());
        if waits.partial {
            context.violate(Rule::SmemOrder, None, || {
                format!(
                    "{name} is the destination of a scalar load, and these return in any order: \
                     only lgkmcnt(0) waits for it"
                )
            })
        } else {
            context.violate(Rule::PendingSmem, None, || {
                format!("{name} is the destination of a scalar load that s_waitcnt lgkmcnt(0) has not waited for")
            })
        }
    }
}
