//! ACQUIRE_MEM and RELEASE_MEM: caches, fences, timestamps.

use amdgpu_registers::gc;

use super::Gfx;
use super::pm4::wide;
use super::queue::{Key, Queue};
use super::rules::*;
use crate::caches::Actions;
use crate::fabric::Fabric;
use crate::fault::FaultKind;
use crate::rule::Violation;

/// Fields of GCR_CNTL that make it mean only some lines, or lose what is dirty: GL1_RANGE, GL2_US, GL2_RANGE, GL2_DISCARD,
/// RANGE_IS_PA.
pub(crate) const PARTS: u32 = 3 << 2 | 1 << 10 | 3 << 11 | 1 << 13 | 1 << 18;
/// The same in the first dword of RELEASE_MEM: GL2_US, GL2_RANGE, GL2_DISCARD.
const RELEASE_PARTS: u32 = 1 << 16 | 3 << 17 | 1 << 19;

impl Gfx {
    /// ACQUIRE_MEM.
    pub(super) fn acquire(
        &mut self,
        key: Key,
        data: &[u32],
        fabric: &mut Fabric,
    ) -> Result<(), Violation> {
        let control = data[6];
        let bit = |at: u32| control >> at & 1 == 1;
        let [bytes, first] = [1, 3].map(|at| wide(data[at], data[at + 1]));
        // Bytes have 40 bits in Linux's header; drivers set all of the second dword, or 24 or 32 of its bits.
        let everywhere = bytes & 0xff_ffff_ffff == 0xff_ffff_ffff && first == 0;
        fabric.require(
            everywhere && control & PARTS == 0 && control & 3 < 2,
            GCR_WHOLE,
            format_args!(
                "{key}: ACQUIRE_MEM, GCR_CNTL {control:#x}, {bytes:#x} bytes at {first:#x}"
            ),
        )?;
        fabric.require(
            bit(4) == bit(5),
            GCR_GLM,
            format_args!("{key}: ACQUIRE_MEM, GCR_CNTL {control:#x}"),
        )?;
        if control & 3 != 0 {
            self.programs.invalidate();
        }
        fabric.cache_control(Actions {
            k: bit(7),
            l0: bit(8),
            l1: bit(9),
            l2_invalidate: bit(14),
            l2_write_back: bit(15),
        })
    }

    /// RELEASE_MEM.
    pub(super) fn release(
        &mut self,
        key: Key,
        queue: &mut Queue,
        data: &[u32],
        fabric: &mut Fabric,
    ) -> Result<(), Violation> {
        let bit = |at: u32| data[0] >> at & 1 == 1;
        let (event, index) = (data[0] & 0x3f, data[0] >> 8 & 0xf);
        fabric.require(
            event == 0x14 && index == 5,
            RELEASE_EVENT,
            format_args!("{key}: event {event:#x}, index {index}"),
        )?;
        fabric.require(
            bit(12) == bit(13),
            GCR_GLM,
            format_args!("{key}: RELEASE_MEM {:#x}", data[0]),
        )?;
        fabric.require(
            data[0] & RELEASE_PARTS == 0,
            GCR_WHOLE,
            format_args!("{key}: RELEASE_MEM {:#x}", data[0]),
        )?;
        fabric.cache_control(Actions {
            k: false,
            l0: bit(14),
            l1: bit(15),
            l2_invalidate: bit(20),
            l2_write_back: bit(21),
        })?;
        let (what, interrupt) = (data[1] >> 29, data[1] >> 24 & 7);
        let address = wide(data[2], data[3]);
        let bytes = if what == 1 { 4 } else { 8 };
        fabric.require(
            what == 0 || address.is_multiple_of(bytes),
            RELEASE_ALIGNMENT,
            format_args!("{key}: {bytes} bytes at {address:#x}"),
        )?;
        let value = match what {
            0 => None,
            1 | 2 => Some(wide(data[4], data[5])),
            _ => Some(fabric.clock.reference()),
        };
        if let Some(value) = value {
            let fence = matches!(what, 1 | 2);
            if !(fence && fabric.faults.happens(FaultKind::FenceLost)) {
                let bytes = &value.to_le_bytes()[..bytes as usize];
                fabric.store_release(queue.client(), address, bytes)?;
            }
        }
        if matches!(interrupt, 1 | 2) {
            let enable = gc::CPC_INT_CNTL::TIME_STAMP_INT_ENABLE;
            Self::interrupt(key, 181, enable, data[6], queue.vmid, fabric);
        }
        Ok(())
    }
}
