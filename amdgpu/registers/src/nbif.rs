//! Bus interface, NBIO 4.3.0 (`nbio/nbio_4_3_0_offset.h`, `nbio_4_3_0_sh_mask.h`).

use crate::register::registers;

registers! {
    /// The bus interface.
    TABLE of Nbif:
    "Video memory window: address, low bits." BIF_BX_PF0_MM_INDEX, 0, 0x0 { MM_OFFSET 30 0, MM_APER 31 31 }
    "Its data." BIF_BX_PF0_MM_DATA, 0, 0x1 {}
    "Its address from bit 31." BIF_BX_PF0_MM_INDEX_HI, 0, 0x6 {}
    "Indirect register window: byte address." BIF_BX0_PCIE_INDEX, 0, 0xc {}
    "Its data." BIF_BX0_PCIE_DATA, 0, 0xd {}
    "Its address from bit 32." BIF_BX0_PCIE_INDEX_HI, 0, 0x10 {}
    "Second indirect register window: byte address." BIF_BX0_PCIE_INDEX2, 0, 0xe {}
    "Its data." BIF_BX0_PCIE_DATA2, 0, 0xf {}
    "Its address from bit 32." BIF_BX0_PCIE_INDEX2_HI, 0, 0x11 {}
    "Indirect window for registers beyond BAR5: byte address." BIF_BX_PF0_RSMU_INDEX, 1, 0x0 {}
    "Its data." BIF_BX_PF0_RSMU_DATA, 1, 0x1 {}
    "Its address from bit 32." BIF_BX_PF0_RSMU_INDEX_HI, 1, 0x2 {}
    "Interrupt habits." BIF_BX0_INTERRUPT_CNTL, 2, 0xf1 {
        IH_DUMMY_RD_OVERRIDE 0 0, IH_DUMMY_RD_EN 1 1, IH_REQ_NONSNOOP_EN 3 3
    }
    "Page for dummy reads." BIF_BX0_INTERRUPT_CNTL2, 2, 0xf2 {}
    "Flushes the host data path's register writes." BIF_BX_PF0_HDP_REG_COHERENCY_FLUSH_CNTL, 2, 0xf6 {}
    "Flushes the host data path's memory writes." BIF_BX_PF0_HDP_MEM_COHERENCY_FLUSH_CNTL, 2, 0xf7 {}
    "Access to video memory." BIF_BX0_BIF_FB_EN, 2, 0x100 { FB_READ_EN 0 0, FB_WRITE_EN 1 1 }
    "Doorbell interrupts." BIF_BX0_BIF_DOORBELL_INT_CNTL, 2, 0xfe {}
    "Host data path flush, requested by an engine." BIF_BX_PF0_GPU_HDP_FLUSH_REQ, 2, 0x106 {
        CP0 0 0, CP1 1 1, CP2 2 2, CP3 3 3, CP4 4 4, CP5 5 5, CP6 6 6, CP7 7 7, CP8 8 8, CP9 9 9, SDMA0 10 10, SDMA1
        11 11, RSVD_ENG0 12 12, RSVD_ENG1 13 13, RSVD_ENG2 14 14, RSVD_ENG3 15 15, RSVD_ENG4 16 16, RSVD_ENG5 17 17,
        RSVD_ENG6 18 18, RSVD_ENG7 19 19, RSVD_ENG8 20 20, RSVD_ENG9 21 21, RSVD_ENG10 22 22, RSVD_ENG11 23 23,
        RSVD_ENG12 24 24, RSVD_ENG13 25 25, RSVD_ENG14 26 26, RSVD_ENG15 27 27, RSVD_ENG16 28 28, RSVD_ENG17 29 29,
        RSVD_ENG18 30 30, RSVD_ENG19 31 31
    }
    "Its completion." BIF_BX_PF0_GPU_HDP_FLUSH_DONE, 2, 0x107 {
        CP0 0 0, CP1 1 1, CP2 2 2, CP3 3 3, CP4 4 4, CP5 5 5, CP6 6 6, CP7 7 7, CP8 8 8, CP9 9 9, SDMA0 10 10, SDMA1
        11 11, RSVD_ENG0 12 12, RSVD_ENG1 13 13, RSVD_ENG2 14 14, RSVD_ENG3 15 15, RSVD_ENG4 16 16, RSVD_ENG5 17 17,
        RSVD_ENG6 18 18, RSVD_ENG7 19 19, RSVD_ENG8 20 20, RSVD_ENG9 21 21, RSVD_ENG10 22 22, RSVD_ENG11 23 23,
        RSVD_ENG12 24 24, RSVD_ENG13 25 25, RSVD_ENG14 26 26, RSVD_ENG15 27 27, RSVD_ENG16 28 28, RSVD_ENG17 29 29,
        RSVD_ENG18 30 30, RSVD_ENG19 31 31
    }
    "Byte address at which a write flushes the host data path." BIF_BX0_REMAP_HDP_MEM_FLUSH_CNTL, 2, 0x12d {
        ADDRESS 18 2
    }
    "The same for register writes." BIF_BX0_REMAP_HDP_REG_FLUSH_CNTL, 2, 0x12e { ADDRESS 18 2 }
    "Opens the doorbell aperture." RCC_DEV0_EPF0_RCC_DOORBELL_APER_EN, 2, 0xc0 { BIF_DOORBELL_APER_EN 0 0 }
    "Video memory in MiB." RCC_DEV0_EPF0_RCC_CONFIG_MEMSIZE, 2, 0xc3 {}
    "Routes doorbells to an engine." S2A_DOORBELL_ENTRY_CTRL, 3, 0x4f7640, repeats 16 by 1 {
        ENABLE 0 0, AWID 5 1, FENCE_ENABLE 6 6, RANGE_OFFSET 16 7, RANGE_SIZE 24 17, NEED_DEDUCT_RANGE_OFFSET 26 26, AWADDR_31_28_VALUE 31 28
    }
    "Interrupt vectors (MSI-X): address, low bits." RCC_DEV0_EPF0_GFXMSIX_VECT_ADDR_LO, 3, 0x400, repeats 4 by 4 {}
    "Address, high bits." RCC_DEV0_EPF0_GFXMSIX_VECT_ADDR_HI, 3, 0x401, repeats 4 by 4 {}
    "Data." RCC_DEV0_EPF0_GFXMSIX_VECT_MSG_DATA, 3, 0x402, repeats 4 by 4 {}
    "Masked if bit 0 is set." RCC_DEV0_EPF0_GFXMSIX_VECT_CONTROL, 3, 0x403, repeats 4 by 4, reset 1 { MASK_BIT 0 0 }
    "Vectors that wait while masked." RCC_DEV0_EPF0_GFXMSIX_PBA, 3, 0x800 {}
    "Straps of function 2." RCC_DEV0_EPF2_STRAP2, 5, 0xd102 { STRAP_NO_SOFT_RESET_DEV0_F2 7 7 }
}
