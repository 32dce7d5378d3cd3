//! What a driver engineer asks for when a card does not do what it should: registers, faults, and what was done last.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;

use amdgpu_registers::{Register, gc, mp, nbif, sdma};

use crate::hub::{self, Hub, PageFault};
use crate::ih::Interrupt;
use crate::{Access, Device, pci};

/// Registers that are read without any other having to be written before.
const REGISTERS: &[Register] = &[
    nbif::RCC_DEV0_EPF0_RCC_CONFIG_MEMSIZE,
    mp::PSP_IFWI,
    mp::PSP_BOOTLOADER,
    mp::PSP_SOS_VERSION,
    mp::PSP_RING_COMMAND,
    mp::PSP_RING_WPTR,
    mp::PSP_SOS_ALIVE,
    mp::SMU_MESSAGE,
    mp::SMU_ARGUMENT,
    mp::SMU_RESPONSE,
    gc::RLC_RLCS_BOOTLOAD_STATUS,
    gc::RLC_STAT,
    gc::GRBM_STATUS,
    gc::GRBM_STATUS2,
    gc::GRBM_READ_ERROR,
    gc::CP_STAT,
    gc::CP_CPC_STATUS,
    gc::CP_CPC_BUSY_STAT,
    gc::CP_CPC_STALLED_STAT1,
    gc::CP_CPF_STATUS,
    gc::CP_CPF_BUSY_STAT,
    gc::CP_CPF_STALLED_STAT1,
    gc::CP_MEC_RS64_CNTL,
    gc::CP_MEC_RS64_INSTR_PNTR,
    sdma::SDMA0_STATUS_REG,
    sdma::SDMA1_STATUS_REG,
    gc::SCRATCH_REG.plus(6),
    gc::SCRATCH_REG.plus(7),
];

/// The state of a card.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What it is; none if it is off the bus.
    pub ids: Option<pci::Ids>,
    /// Registers with what they hold.
    pub registers: Vec<(Register, u32)>,
    /// Page faults that the hubs hold.
    pub faults: Vec<PageFault>,
    /// The last interrupts that nobody asked for, oldest first.
    pub interrupts: Vec<Interrupt>,
    /// The last accesses of registers before the report, oldest first.
    pub history: Vec<Access>,
}

impl Report {
    /// Looks at a card, changing nothing. Of one that is off the bus, only what was done before is told.
    #[must_use]
    pub fn new(device: &mut Device, interrupts: Vec<Interrupt>) -> Self {
        let history = device.history().copied().collect();
        let mut report = Self {
            history,
            interrupts,
            ..Self::default()
        };
        if device.is_gone() {
            return report;
        }
        report.ids = Some(pci::ids(device));
        for register in REGISTERS {
            // Before discovery, blocks have no addresses; what cannot be read is left out.
            if let Ok(value) = device.read(*register) {
                report.registers.push((*register, value));
            }
        }
        for hub in [Hub::Gc, Hub::Mm] {
            if let Ok(Some(fault)) = hub::look_at_fault(device, hub) {
                report.faults.push(fault);
            }
        }
        report
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ids {
            None => writeln!(f, "the card is off the bus")?,
            Some(pci::Ids {
                vendor,
                device,
                revision,
                ..
            }) => writeln!(f, "card {vendor:04x}:{device:04x} revision {revision:02x}")?,
        }
        for (register, value) in &self.registers {
            writeln!(f, "  {:<32} {value:#010x}", register.to_string())?;
        }
        for fault in &self.faults {
            writeln!(f, "  {fault}")?;
        }
        for interrupt in &self.interrupts {
            writeln!(f, "  interrupt: {interrupt}")?;
        }
        writeln!(f, "  last accesses:")?;
        for access in &self.history {
            let arrow = if access.write { "<-" } else { "->" };
            let (at, register) = (access.at, access.register.to_string());
            writeln!(
                f,
                "  {at:>12?} {register:<32} {arrow} {:#010x}",
                access.value
            )?;
        }
        Ok(())
    }
}
