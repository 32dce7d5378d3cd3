//! Registers as packets name them, and what those of a queue hold after reset.

use amdgpu_registers::{gc, tables};

use super::{HQD, slot};
use crate::fabric::Fabric;

/// First register of SET_SH_REG, in dwords of the aperture.
pub(super) const SH: u32 = 0x2c00;
/// How many there are.
pub(super) const SH_COUNT: u32 = 0x400;
/// First register of SET_UCONFIG_REG.
pub(super) const UCONFIG: u32 = 0xc000;
/// First base address of GC.
const GC0: u32 = 0x1260;

/// What the registers of a queue hold before anybody writes them.
pub(super) fn reset_values(fabric: &Fabric) -> [u32; HQD as usize] {
    let _ = fabric;
    let mut values = [0; HQD as usize];
    for info in tables().into_iter().flatten() {
        if let Some(slot) = slot(info.register) {
            values[slot] = info.reset;
        }
    }
    values
}

/// The place of a register among those of SET_SH_REG.
pub(super) const fn sh(register: amdgpu_registers::Register) -> usize {
    (GC0 + register.offset - SH) as usize
}

/// The first and the last place that compute has among them.
pub(super) const COMPUTE: (usize, usize) =
    (sh(gc::COMPUTE_DISPATCH_INITIATOR), sh(gc::COMPUTE_NOWHERE));

/// Those of an MQD that a queue is given when it is loaded: dword 1 of it is the first register of compute.
pub(super) const MQD_COMPUTE: std::ops::Range<usize> = 1..0x51;
