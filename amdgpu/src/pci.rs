//! The card's configuration space: who may do what, and what a reset must not lose.
//!
//! Source: PCI Local Bus Specification 3.0, 6.2.

use crate::Device;

/// Vendor and device, command and status, class and revision, subsystem.
const ID: u16 = 0x00;
const COMMAND: u16 = 0x04;
const CLASS: u16 = 0x08;
const BARS: u16 = 0x10;
const BAR_COUNT: usize = 6;
const SUBSYSTEM: u16 = 0x2c;

const MEMORY_SPACE: u32 = 1 << 1;
const BUS_MASTER: u32 = 1 << 2;
/// The pin is not used: interrupts are polled.
const INTERRUPT_DISABLE: u32 = 1 << 10;

/// What the card is, by its own configuration space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Vendor, 0x1002.
    pub vendor: u16,
    /// Device.
    pub device: u16,
    /// Revision, which tells cards with the same chip apart.
    pub revision: u8,
    /// Vendor and model of the board.
    pub subsystem: [u16; 2],
}

/// Reads what the card is.
pub fn ids(device: &mut Device) -> Ids {
    let bus = device.bus();
    let (id, class, subsystem) = (
        bus.config_read(ID),
        bus.config_read(CLASS),
        bus.config_read(SUBSYSTEM),
    );
    Ids {
        vendor: id as u16,
        device: (id >> 16) as u16,
        revision: class as u8,
        subsystem: [subsystem as u16, (subsystem >> 16) as u16],
    }
}

/// Lets the card answer accesses of its apertures and, if `master`, access host memory. The status in the upper half keeps
/// what zeros are written to.
pub fn enable(device: &mut Device, master: bool) {
    let bus = device.bus();
    let old = bus.config_read(COMMAND) & 0xffff & !BUS_MASTER;
    let master = if master { BUS_MASTER } else { 0 };
    let command = old | MEMORY_SPACE | INTERRUPT_DISABLE | master;
    bus.config_write(COMMAND, command);
}

/// Where the apertures are: what a reset could lose (Linux saves the whole space, `amdgpu_device_cache_pci_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Apertures([u32; BAR_COUNT]);

fn bar(n: usize) -> u16 {
    BARS + 4 * n as u16
}

impl Apertures {
    /// Remembers them.
    pub fn save(device: &mut Device) -> Self {
        Self(core::array::from_fn(|n| device.bus().config_read(bar(n))))
    }

    /// Puts them back if they changed, with the apertures switched off meanwhile.
    pub fn restore(self, device: &mut Device) {
        if Self::save(device) == self {
            return;
        }
        device.bus().config_write(COMMAND, 0);
        for (n, value) in self.0.into_iter().enumerate() {
            device.bus().config_write(bar(n), value);
        }
    }
}
