//! Page faults: the status registers, and the interrupt.

use amdgpu_registers::gc::GCVM_L2_PROTECTION_FAULT_STATUS;

use super::hub::HubRegisters;
use super::{Hub, Intent, Miss, PageFault, canonical};
use crate::fabric::{Event, Fabric, Vector};
use crate::vram::Vram;

/// Events of one access after which further faults are not told.
const MOST_EVENTS: usize = 1 << 14;

impl Fabric {
    /// The offset of the page that faulting accesses of a hub go to.
    pub(crate) fn dummy_page(&self, hub: Hub) -> u64 {
        let page = HubRegisters::pair(self, hub.registers().fault_default) << 12;
        if Vram::holds(page, 4096) { page } else { 0 }
    }

    /// A page fault: latched if it is the first, and told as an interrupt.
    pub(crate) fn fault(&mut self, fault: PageFault) {
        use amdgpu_registers::gc::GCVM_L2_PROTECTION_FAULT_STATUS as status;
        let registers = fault.client.hub.registers();
        let va = canonical(fault.va);
        let known = self.registers.get(registers.fault_status);
        if known == 0 {
            let value = status_of(&fault);
            self.registers.set(registers.fault_status, value);
            let (low, high) = registers.fault_address;
            self.registers.set(low, (va >> 12) as u32);
            self.registers.set(high, (va >> 44) as u32);
        } else {
            let value = status::MORE_FAULTS.set(known, 1);
            self.registers.set(registers.fault_status, value);
        }
        let control = registers.context_of(self, fault.client.vmid & 15);
        let enabled = match (fault.miss, fault.intent) {
            (Some(Miss::Range), _) => 9,
            (Some(Miss::Invalid(0)), _) => 15,
            (Some(Miss::Invalid(_)), _) => 13,
            (None, Intent::Read) => 17,
            (None, Intent::Write) => 19,
            (None, Intent::Execute) => 21,
        };
        // A ring of interrupts holds fewer.
        let room = self.events.len() < MOST_EVENTS;
        if control >> enabled & 1 == 1 && room {
            let mm_hub = fault.client.hub == Hub::Mm;
            self.events.push(Event::Interrupt(Vector {
                client: if mm_hub { 0x12 } else { 0xa },
                source: 0,
                ring: 0,
                vmid: fault.client.vmid,
                mm_hub,
                data: [(va >> 12) as u32, (va >> 44) as u32 & 0xf, 0, 0],
            }));
        }
    }

    pub(super) fn clear_fault(&mut self, hub: Hub) {
        let registers = hub.registers();
        let (low, high) = registers.fault_address;
        for register in [registers.fault_status, low, high] {
            self.registers.set(register, 0);
        }
    }
}

/// What the status register shows of a fault. Bits of permissions are those of samples that real cards logged: 1 invalid,
/// 2 read, 4 write, 8 execute.
fn status_of(fault: &PageFault) -> u32 {
    use GCVM_L2_PROTECTION_FAULT_STATUS as status;
    let access = match fault.intent {
        Intent::Read => 2,
        Intent::Write => 4,
        Intent::Execute => 8,
    };
    let (walker, permissions) = match fault.miss {
        None => (0, access),
        Some(Miss::Invalid(level)) => (u32::from(level), access | 1),
        Some(Miss::Range) => (0, access | 1),
    };
    status::WALKER_ERROR.is(walker)
        | status::PERMISSION_FAULTS.is(permissions)
        | status::MAPPING_ERROR.is(u32::from(walker != 0))
        | status::CID.is(u32::from(fault.client.id))
        | status::RW.is(u32::from(fault.intent == Intent::Write))
        | status::VMID.is(u32::from(fault.client.vmid))
}
