//! A configuration space made of numbers, for tests.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use pci_types::{ConfigRegionAccess, PciAddress};

use super::offset;

pub(crate) fn address(bus: u8, device: u8, function: u8) -> PciAddress {
    PciAddress::new(0, bus, device, function)
}

/// Registers that were set answer their value, others of a present function 0, absent functions all ones.
#[derive(Default)]
pub(crate) struct FakeBus {
    registers: RefCell<BTreeMap<(PciAddress, u16), u32>>,
    /// Which bits of a BAR register a write changes.
    writable: RefCell<BTreeMap<(PciAddress, u16), u32>>,
    sized_while_decoding: Cell<bool>,
    noise: u64,
}

impl FakeBus {
    /// Every register of every function holds a word that depends on the seed and where it is.
    pub(crate) fn noise(seed: u64) -> Self {
        Self {
            noise: seed,
            ..Self::default()
        }
    }

    pub(crate) fn set(&self, at: PciAddress, register: u16, value: u32) {
        self.registers.borrow_mut().insert((at, register), value);
    }

    pub(crate) fn get(&self, at: PciAddress, register: u16) -> u32 {
        let registers = self.registers.borrow();
        if let Some(&value) = registers.get(&(at, register)) {
            return value;
        }
        if self.noise != 0 {
            let place = u64::from(at.bus()) << 32
                | u64::from(at.device()) << 24
                | u64::from(at.function()) << 16
                | u64::from(register);
            let mixed = (place ^ self.noise << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            return (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) as u32;
        }
        if registers.contains_key(&(at, 0)) {
            0
        } else {
            u32::MAX
        }
    }

    pub(crate) fn endpoint(&self, at: PciAddress, id: u32, class: u32) {
        self.set(at, 0x00, id);
        self.set(at, 0x08, class);
    }

    pub(crate) fn multifunction(&self, at: PciAddress) {
        self.set(at, 0x0c, 1 << 23);
    }

    pub(crate) fn bridge(&self, at: PciAddress, secondary: u8, subordinate: u8) {
        self.endpoint(at, 0x000c_1b36, 0x0604_0000);
        self.set(at, 0x0c, 1 << 16);
        self.set(
            at,
            0x18,
            u32::from(secondary) << 8 | u32::from(subordinate) << 16,
        );
    }

    pub(crate) fn bar(&self, at: PciAddress, slot: u8, value: u32, writable: u32) {
        let register = offset::BAR0 + 4 * u16::from(slot);
        self.set(at, register, value);
        self.writable.borrow_mut().insert((at, register), writable);
    }

    pub(crate) fn sized_while_decoding(&self) -> bool {
        self.sized_while_decoding.get()
    }
}

impl ConfigRegionAccess for FakeBus {
    unsafe fn read(&self, at: PciAddress, register: u16) -> u32 {
        self.get(at, register)
    }

    unsafe fn write(&self, at: PciAddress, register: u16, value: u32) {
        let old = self.get(at, register);
        let is_bar = (offset::BAR0..offset::BAR0 + 24).contains(&register);
        if is_bar && value != old && self.get(at, offset::COMMAND) & 3 != 0 {
            self.sized_while_decoding.set(true);
        }
        let writable = match self.writable.borrow().get(&(at, register)) {
            Some(&bits) => bits,
            None if is_bar => 0,
            None => u32::MAX,
        };
        self.set(at, register, old & !writable | value & writable);
    }
}
