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

/// Dwords of BAR5: the registers that are reached most.
const NEAR: usize = 0x4_0000;

/// The registers.
pub(crate) struct RegisterFile {
    slots: Vec<Slot>,
    /// For each dword of BAR5 the register there, counted from 1; 0 for none.
    near: Vec<u16>,
    /// The same for what lies beyond.
    far: HashMap<u32, u16>,
}

impl RegisterFile {
    /// All registers at their reset values.
    pub(crate) fn new() -> Self {
        let mut file = Self {
            slots: Vec::new(),
            near: vec![0; NEAR],
            far: HashMap::new(),
        };
        for info in tables().into_iter().flatten() {
            for index in 0..info.count {
                let register = info.register.plus(index * info.stride);
                let at = At {
                    register: info.register,
                    index,
                    dword: Self::address(register),
                };
                file.slots.push(Slot {
                    at,
                    info,
                    value: info.reset,
                });
                // PANIC: the tables have some thousands of registers; a test builds this.
                let number = u16::try_from(file.slots.len()).expect("fewer than 65536 registers");
                match file.near.get_mut(at.dword as usize) {
                    Some(place) => *place = number,
                    None => {
                        file.far.insert(at.dword, number);
                    }
                }
            }
        }
        file
    }

    /// The place in `slots` of the register at a dword address.
    fn place(&self, dword: u32) -> Option<usize> {
        let number = match self.near.get(dword as usize) {
            Some(number) => *number,
            None => self.far.get(&dword).copied().unwrap_or(0),
        };
        usize::from(number).checked_sub(1)
    }

    /// The register at a dword address.
    pub(crate) fn find(&self, dword: u32) -> Option<(At, &'static Info)> {
        let slot = &self.slots[self.place(dword)?];
        Some((slot.at, slot.info))
    }

    fn address(register: Register) -> u32 {
        // PANIC: the tables name only segments that the card has; a test builds this.
        NAVI31.address(register).expect("a segment of Navi 31")
    }

    fn known(&self, dword: u32) -> usize {
        // PANIC: blocks name registers by the constants of the tables, and an `At` comes from `find`.
        self.place(dword).expect("a register of the tables")
    }

    /// What it holds.
    pub(crate) fn get(&self, register: Register) -> u32 {
        self.slots[self.known(Self::address(register))].value
    }

    /// Lets it hold `value`.
    pub(crate) fn set(&mut self, register: Register, value: u32) {
        let place = self.known(Self::address(register));
        self.slots[place].value = value;
    }

    /// Lets a register that repeats hold `value`.
    pub(crate) fn store(&mut self, at: At, value: u32) {
        let place = self.known(at.dword);
        self.slots[place].value = value;
    }

    /// What low and high registers hold together.
    pub(crate) fn pair(&self, low: Register, high: Register) -> u64 {
        u64::from(self.get(high)) << 32 | u64::from(self.get(low))
    }

    /// Puts registers that `which` chooses back to their reset values.
    pub(crate) fn reset(&mut self, which: impl Fn(Register) -> bool) {
        for slot in &mut self.slots {
            if which(slot.at.register) {
                slot.value = slot.info.reset;
            }
        }
    }
}
