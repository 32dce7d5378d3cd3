//! The card's registers as storage: which dword addresses are registers, and what they hold.

use std::collections::HashMap;

use amdgpu_registers::{Bases, Info, Register, tables};

use crate::NAVI31;

/// A register as an access meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    /// The row's register, the first one if it repeats: what blocks match on.
    pub(crate) register: Register,
    /// Which one of those that repeat.
    pub(crate) index: u32,
    /// Its dword address.
    pub(crate) dword: u32,
}

struct Slot {
    at: At,
    info: &'static Info,
    value: u32,
}

/// The registers.
pub(crate) struct RegisterFile {
    slots: HashMap<u32, Slot>,
}

impl RegisterFile {
    /// All registers at their reset values.
    pub(crate) fn new() -> Self {
        let mut slots = HashMap::new();
        for info in tables().into_iter().flatten() {
            for index in 0..info.count {
                let register = info.register.plus(index * info.stride);
                // PANIC: the tables name only segments that the card has; a test builds this.
                let address = NAVI31.address(register).expect("a segment of Navi 31");
                let at = At {
                    register: info.register,
                    index,
                    dword: address,
                };
                slots.insert(
                    address,
                    Slot {
                        at,
                        info,
                        value: info.reset,
                    },
                );
            }
        }
        Self { slots }
    }

    /// The register at a dword address.
    pub(crate) fn find(&self, dword: u32) -> Option<(At, &'static Info)> {
        self.slots.get(&dword).map(|slot| (slot.at, slot.info))
    }

    fn address(register: Register) -> u32 {
        // PANIC: as in `new`.
        NAVI31.address(register).expect("a segment of Navi 31")
    }

    /// What it holds.
    pub(crate) fn get(&self, register: Register) -> u32 {
        self.slots[&Self::address(register)].value
    }

    /// Lets it hold `value`.
    pub(crate) fn set(&mut self, register: Register, value: u32) {
        let slot = self.slots.get_mut(&Self::address(register));
        // PANIC: blocks name registers by the constants of the tables.
        slot.expect("a register of the tables").value = value;
    }

    /// Lets a register that repeats hold `value`.
    pub(crate) fn store(&mut self, at: At, value: u32) {
        let found = self.slots.get_mut(&at.dword);
        // PANIC: an `At` comes from `find`.
        found.expect("a register of the tables").value = value;
    }

    /// What low and high registers hold together.
    pub(crate) fn pair(&self, low: Register, high: Register) -> u64 {
        u64::from(self.get(high)) << 32 | u64::from(self.get(low))
    }

    /// Puts registers that `which` chooses back to their reset values.
    pub(crate) fn reset(&mut self, which: impl Fn(Register) -> bool) {
        for slot in self.slots.values_mut() {
            if which(slot.at.register) {
                slot.value = slot.info.reset;
            }
        }
    }
}
