//! Interrupt handler, OSSSYS 6.0.0 (`oss/osssys_6_0_0_offset.h`, `osssys_6_0_0_sh_mask.h`).

use crate::register::registers;

registers! {
    /// The interrupt handler.
    TABLE of Osssys:
    "Ring 0." IH_RB_CNTL, 0, 0x80 {
        RB_ENABLE 0 0, RB_SIZE 5 1, WPTR_WRITEBACK_ENABLE 8 8, RB_FULL_DRAIN_ENABLE 9 9, FULL_DRAIN_CLEAR 10 10,
        PAGE_RB_CLEAR 11 11, RB_USED_INT_THRESHOLD 15 12, WPTR_OVERFLOW_ENABLE 16 16, ENABLE_INTR 17 17, MC_SWAP 19
        18, MC_SNOOP 20 20, RPTR_REARM 21 21, MC_RO 22 22, MC_VMID 27 24, MC_SPACE 30 28, WPTR_OVERFLOW_CLEAR 31 31
    }
    "Ring 0, in units of 256 bytes." IH_RB_BASE, 0, 0x81 {}
    "The same, high bits." IH_RB_BASE_HI, 0, 0x82 {}
    "Bytes read." IH_RB_RPTR, 0, 0x83 { OFFSET 17 2 }
    "Bytes written." IH_RB_WPTR, 0, 0x84 { RB_OVERFLOW 0 0, OFFSET 17 2, RB_LEFT_NONE 18 18, RB_MAY_OVERFLOW 19 19 }
    "Where the write pointer is written, high bits." IH_RB_WPTR_ADDR_HI, 0, 0x85 {}
    "The same, low bits." IH_RB_WPTR_ADDR_LO, 0, 0x86 {}
    "Doorbell of the read pointer." IH_DOORBELL_RPTR, 0, 0x87 { OFFSET 25 0, ENABLE 28 28 }
    "Ring 1." IH_RB_CNTL_RING1, 0, 0x8c {
        RB_ENABLE 0 0, RB_SIZE 5 1, RB_FULL_DRAIN_ENABLE 9 9, FULL_DRAIN_CLEAR 10 10, PAGE_RB_CLEAR 11 11,
        RB_USED_INT_THRESHOLD 15 12, WPTR_OVERFLOW_ENABLE 16 16, MC_SWAP 19 18, MC_SNOOP 20 20, MC_RO 22 22, MC_VMID
        27 24, MC_SPACE 30 28, WPTR_OVERFLOW_CLEAR 31 31
    }
    "Ring 1, in units of 256 bytes." IH_RB_BASE_RING1, 0, 0x8d {}
    "The same, high bits." IH_RB_BASE_HI_RING1, 0, 0x8e {}
    "Bytes read." IH_RB_RPTR_RING1, 0, 0x8f { OFFSET 17 2 }
    "Bytes written." IH_RB_WPTR_RING1, 0, 0x90 {
        RB_OVERFLOW 0 0, OFFSET 17 2, RB_LEFT_NONE 18 18, RB_MAY_OVERFLOW 19 19
    }
    "Doorbell of the read pointer." IH_DOORBELL_RPTR_RING1, 0, 0x93 { OFFSET 25 0, ENABLE 28 28 }
    "Credits and status." IH_CNTL, 0, 0xc0 {}
    "Forced updates of the write pointer." IH_CNTL2, 0, 0xc1 {
        SELF_IV_FORCE_WPTR_UPDATE_TIMEOUT 4 0, SELF_IV_FORCE_WPTR_UPDATE_ENABLE 8 8
    }
    "Flood control." IH_INT_FLOOD_CNTL, 0, 0xd5 { HIGHWATER 2 0, FLOOD_CNTL_ENABLE 3 3, CLEAR_INT_FLOOD_STATUS 4 4 }
    "Clients that may storm." IH_STORM_CLIENT_LIST_CNTL, 0, 0xda { CLIENT18_IS_STORM_CLIENT 18 18 }
    "Delay of message signalled interrupts." IH_MSI_STORM_CTRL, 0, 0xf1 { DELAY 11 0 }
    "Which clients use ring 1: row." IH_RING1_CLIENT_CFG_INDEX, 0, 0x185 { INDEX 2 0 }
    "Its content." IH_RING1_CLIENT_CFG_DATA, 0, 0x186 { CLIENT_ID 7 0, SOURCE_ID 15 8, SOURCE_ID_MATCH_ENABLE 16 16 }
    "Debug switches." IH_CHICKEN, 0, 0x18d {
        CROSS_TRIGGER_ENABLE 2 2, MC_SPACE_FBPA_ENABLE 3 3, MC_SPACE_GPA_ENABLE 4 4
    }
}
