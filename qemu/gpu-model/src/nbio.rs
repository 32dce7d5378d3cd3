//! Bus interface: windows, doorbells, memory size.

use amdgpu_registers::nbif;

use crate::fabric::{Block, Event, Fabric};
use crate::register_file::At;
use crate::rule::Violation;

/// The block's state beyond its registers.
#[derive(Default)]
pub(crate) struct Nbio {}

impl Nbio {
    /// Whether a write to this dword flushes the host data path: the place is what REMAP_HDP_MEM_FLUSH_CNTL holds.
    pub(crate) fn is_hdp_flush(&self, dword: u32, fabric: &Fabric) -> bool {
        fabric.registers.get(nbif::BIF_BX0_REMAP_HDP_MEM_FLUSH_CNTL) / 4 == dword
    }

    /// The dword address of the register that an indirect window's data register means.
    pub(crate) fn indirect(&mut self, at: At, fabric: &mut Fabric) -> Result<u32, Violation> {
        let index = match at.register {
            nbif::BIF_BX_PF0_RSMU_DATA => nbif::BIF_BX_PF0_RSMU_INDEX,
            nbif::BIF_BX0_PCIE_DATA => nbif::BIF_BX0_PCIE_INDEX,
            _ => nbif::BIF_BX0_PCIE_INDEX2,
        };
        Ok(fabric.registers.get(index) / 4)
    }

    /// The offset in video memory that MM_DATA means.
    pub(crate) fn mm_address(&mut self, fabric: &mut Fabric) -> Result<u64, Violation> {
        let low = fabric.registers.get(nbif::BIF_BX_PF0_MM_INDEX) & 0x7fff_ffff;
        let high = fabric.registers.get(nbif::BIF_BX_PF0_MM_INDEX_HI);
        Ok(u64::from(high) << 31 | u64::from(low))
    }

    /// A write to BAR2.
    pub(crate) fn doorbell(
        &mut self,
        offset: u64,
        data: &[u8],
        fabric: &mut Fabric,
    ) -> Result<(), Violation> {
        let mut value = [0; 8];
        value[..data.len()].copy_from_slice(data);
        fabric.events.push(Event::Doorbell {
            offset: offset as u32,
            value: u64::from_le_bytes(value),
            bytes: data.len(),
        });
        Ok(())
    }
}

impl Block for Nbio {
    fn write(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        fabric.registers.store(at, value);
        Ok(())
    }

    fn event(&mut self, event: Event, fabric: &mut Fabric) -> Result<(), Violation> {
        let _ = (event, fabric);
        Ok(())
    }
}
