//! The registers of both memory hubs by what they are for.

use amdgpu_registers::{Register, gc, mmhub};

use super::Hub;
use crate::fabric::Fabric;

/// A pair of registers, low and high half.
pub(super) type Pair = (Register, Register);

/// Registers that both hubs have.
pub(super) struct HubRegisters {
    pub(super) fb_base: Register,
    pub(super) fb_top: Register,
    pub(super) agp_top: Register,
    pub(super) agp_bottom: Register,
    pub(super) aperture_low: Register,
    pub(super) aperture_high: Register,
    pub(super) aperture_default: Pair,
    pub(super) l1_tlb: Register,
    pub(super) l2: Register,
    pub(super) l2_cntl2: Register,
    pub(super) l2_cntl3: Register,
    pub(super) l2_cntl4: Register,
    pub(super) fault_cntl: Register,
    pub(super) fault_status: Register,
    pub(super) fault_address: Pair,
    pub(super) fault_default: Pair,
    pub(super) identity_low: Pair,
    pub(super) identity_high: Pair,
    pub(super) context: Register,
    pub(super) semaphore: Register,
    pub(super) request: Register,
    pub(super) ack: Register,
    pub(super) range: Pair,
    pub(super) table: Pair,
    pub(super) start: Pair,
    pub(super) end: Pair,
}

macro_rules! hub {
    ($name:ident, $module:ident, $($field:ident: $($register:ident),+;)*) => {
        pub(super) const $name: HubRegisters = HubRegisters {
            $($field: ($($module::$register),+)),*
        };
    };
}

hub! { GC, gc,
    fb_base: GCMC_VM_FB_LOCATION_BASE;
    fb_top: GCMC_VM_FB_LOCATION_TOP;
    agp_top: GCMC_VM_AGP_TOP;
    agp_bottom: GCMC_VM_AGP_BOT;
    aperture_low: GCMC_VM_SYSTEM_APERTURE_LOW_ADDR;
    aperture_high: GCMC_VM_SYSTEM_APERTURE_HIGH_ADDR;
    aperture_default: GCMC_VM_SYSTEM_APERTURE_DEFAULT_ADDR_LSB, GCMC_VM_SYSTEM_APERTURE_DEFAULT_ADDR_MSB;
    l1_tlb: GCMC_VM_MX_L1_TLB_CNTL;
    l2: GCVM_L2_CNTL;
    l2_cntl2: GCVM_L2_CNTL2;
    l2_cntl3: GCVM_L2_CNTL3;
    l2_cntl4: GCVM_L2_CNTL4;
    fault_cntl: GCVM_L2_PROTECTION_FAULT_CNTL;
    fault_status: GCVM_L2_PROTECTION_FAULT_STATUS;
    fault_address: GCVM_L2_PROTECTION_FAULT_ADDR_LO32, GCVM_L2_PROTECTION_FAULT_ADDR_HI32;
    fault_default: GCVM_L2_PROTECTION_FAULT_DEFAULT_ADDR_LO32, GCVM_L2_PROTECTION_FAULT_DEFAULT_ADDR_HI32;
    identity_low: GCVM_L2_CONTEXT1_IDENTITY_APERTURE_LOW_ADDR_LO32, GCVM_L2_CONTEXT1_IDENTITY_APERTURE_LOW_ADDR_HI32;
    identity_high: GCVM_L2_CONTEXT1_IDENTITY_APERTURE_HIGH_ADDR_LO32, GCVM_L2_CONTEXT1_IDENTITY_APERTURE_HIGH_ADDR_HI32;
    context: GCVM_CONTEXT_CNTL;
    semaphore: GCVM_INVALIDATE_ENG_SEM;
    request: GCVM_INVALIDATE_ENG_REQ;
    ack: GCVM_INVALIDATE_ENG_ACK;
    range: GCVM_INVALIDATE_ENG_ADDR_RANGE_LO32, GCVM_INVALIDATE_ENG_ADDR_RANGE_HI32;
    table: GCVM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32, GCVM_CONTEXT_PAGE_TABLE_BASE_ADDR_HI32;
    start: GCVM_CONTEXT_PAGE_TABLE_START_ADDR_LO32, GCVM_CONTEXT_PAGE_TABLE_START_ADDR_HI32;
    end: GCVM_CONTEXT_PAGE_TABLE_END_ADDR_LO32, GCVM_CONTEXT_PAGE_TABLE_END_ADDR_HI32;
}

hub! { MM, mmhub,
    fb_base: MMMC_VM_FB_LOCATION_BASE;
    fb_top: MMMC_VM_FB_LOCATION_TOP;
    agp_top: MMMC_VM_AGP_TOP;
    agp_bottom: MMMC_VM_AGP_BOT;
    aperture_low: MMMC_VM_SYSTEM_APERTURE_LOW_ADDR;
    aperture_high: MMMC_VM_SYSTEM_APERTURE_HIGH_ADDR;
    aperture_default: MMMC_VM_SYSTEM_APERTURE_DEFAULT_ADDR_LSB, MMMC_VM_SYSTEM_APERTURE_DEFAULT_ADDR_MSB;
    l1_tlb: MMMC_VM_MX_L1_TLB_CNTL;
    l2: MMVM_L2_CNTL;
    l2_cntl2: MMVM_L2_CNTL2;
    l2_cntl3: MMVM_L2_CNTL3;
    l2_cntl4: MMVM_L2_CNTL4;
    fault_cntl: MMVM_L2_PROTECTION_FAULT_CNTL;
    fault_status: MMVM_L2_PROTECTION_FAULT_STATUS;
    fault_address: MMVM_L2_PROTECTION_FAULT_ADDR_LO32, MMVM_L2_PROTECTION_FAULT_ADDR_HI32;
    fault_default: MMVM_L2_PROTECTION_FAULT_DEFAULT_ADDR_LO32, MMVM_L2_PROTECTION_FAULT_DEFAULT_ADDR_HI32;
    identity_low: MMVM_L2_CONTEXT1_IDENTITY_APERTURE_LOW_ADDR_LO32, MMVM_L2_CONTEXT1_IDENTITY_APERTURE_LOW_ADDR_HI32;
    identity_high: MMVM_L2_CONTEXT1_IDENTITY_APERTURE_HIGH_ADDR_LO32, MMVM_L2_CONTEXT1_IDENTITY_APERTURE_HIGH_ADDR_HI32;
    context: MMVM_CONTEXT_CNTL;
    semaphore: MMVM_INVALIDATE_ENG_SEM;
    request: MMVM_INVALIDATE_ENG_REQ;
    ack: MMVM_INVALIDATE_ENG_ACK;
    range: MMVM_INVALIDATE_ENG_ADDR_RANGE_LO32, MMVM_INVALIDATE_ENG_ADDR_RANGE_HI32;
    table: MMVM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32, MMVM_CONTEXT_PAGE_TABLE_BASE_ADDR_HI32;
    start: MMVM_CONTEXT_PAGE_TABLE_START_ADDR_LO32, MMVM_CONTEXT_PAGE_TABLE_START_ADDR_HI32;
    end: MMVM_CONTEXT_PAGE_TABLE_END_ADDR_LO32, MMVM_CONTEXT_PAGE_TABLE_END_ADDR_HI32;
}

impl Hub {
    pub(super) fn registers(self) -> &'static HubRegisters {
        match self {
            Self::Gc => &GC,
            Self::Mm => &MM,
        }
    }
}

impl HubRegisters {
    /// What a pair holds.
    pub(super) fn pair(fabric: &Fabric, (low, high): Pair) -> u64 {
        fabric.registers.pair(low, high)
    }

    /// What the pair of a context, or of an invalidation engine, holds.
    pub(super) fn pair_of(fabric: &Fabric, (low, high): Pair, n: u8) -> u64 {
        let at = 2 * u32::from(n);
        fabric.registers.pair(low.plus(at), high.plus(at))
    }

    /// CONTEXTn_CNTL.
    pub(super) fn context_of(&self, fabric: &Fabric, vmid: u8) -> u32 {
        fabric.registers.get(self.context.plus(u32::from(vmid)))
    }

    /// First and last MC address of video memory.
    pub(super) fn video_memory(&self, fabric: &Fabric) -> (u64, u64) {
        let unit = |register| u64::from(fabric.registers.get(register) & 0xff_ffff) << 24;
        (unit(self.fb_base), unit(self.fb_top) | 0xff_ffff)
    }

    /// First and last MC address that bypasses page tables.
    pub(super) fn aperture(&self, fabric: &Fabric) -> (u64, u64) {
        let unit = |register| u64::from(fabric.registers.get(register)) << 18;
        (unit(self.aperture_low), unit(self.aperture_high) | 0x3_ffff)
    }
}
