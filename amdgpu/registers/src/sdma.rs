//! The two SDMA engines, SDMA 6.0.0, whose registers lie in the address space of GC (`gc/gc_11_0_0_offset.h`,
//! `gc_11_0_0_sh_mask.h`, `gc_11_0_0_default.h`).

use crate::register::registers;

registers! {
    /// The two SDMA engines.
    TABLE of Gc:
    "Interrupts and modes of the engine." SDMA0_CNTL, 0, 0x1c, reset 0x2440 {
        TRAP_ENABLE 0 0, SEM_WAIT_INT_ENABLE 2 2, DATA_SWAP_ENABLE 3 3, FENCE_SWAP_ENABLE 4 4, MIDCMD_PREEMPT_ENABLE 5
        5, PIO_DONE_ACK_ENABLE 6 6, TMZ_MIDCMD_PREEMPT_ENABLE 8 8, MIDCMD_EXPIRE_ENABLE 9 9, CP_MES_INT_ENABLE 10 10,
        PAGE_RETRY_TIMEOUT_INT_ENABLE 11 11, PAGE_NULL_INT_ENABLE 12 12, PAGE_FAULT_INT_ENABLE 13 13,
        CH_PERFCNT_ENABLE 16 16, MIDCMD_WORLDSWITCH_ENABLE 17 17, CTXEMPTY_INT_ENABLE 28 28, FROZEN_INT_ENABLE 29 29,
        IB_PREEMPT_INT_ENABLE 30 30, RB_PREEMPT_INT_ENABLE 31 31
    }
    "Busy bits of the engine." SDMA0_STATUS_REG, 0, 0x25, reset 0x46dee557 {}
    "Freezes the engine." SDMA0_FREEZE, 0, 0x2b { FREEZE 1 1 }
    "Watchdog of the queues." SDMA0_WATCHDOG_CNTL, 0, 0x2e { QUEUE_HANG_COUNT 7 0, CMD_TIMEOUT_COUNT 15 8 }
    "Translation of addresses." SDMA0_UTCL1_CNTL, 0, 0x3c, reset 0x2c000288 {
        REDO_DELAY 4 0, PAGE_WAIT_DELAY 8 5, RESP_MODE 10 9, FORCE_INVALIDATION 14 14, FORCE_INVREQ_HEAVY 15 15,
        WR_EXE_PERMS_CTRL 16 16, RD_EXE_PERMS_CTRL 17 17, INVACK_DELAY 21 18, REQL2_CREDIT 29 24
    }
    "Cache policies of translated accesses." SDMA0_UTCL1_PAGE, 0, 0x3f, reset 0x10cec00 {
        VM_HOLE 0 0, REQ_TYPE 4 1, USE_MTYPE 9 6, USE_PT_SNOOP 10 10, USE_IO 11 11, RD_L2_POLICY 13 12, WR_L2_POLICY
        15 14, DMA_PAGE_SIZE 21 16, USE_BC 22 22, ADDR_IS_PA 23 23, LLC_NOALLOC 24 24
    }
    "Clock gating interrupt." SDMA0_RLC_CGCG_CTRL, 0, 0x5c, reset 0x400000 {
        CGCG_INT_ENABLE 1 1, CGCG_IDLE_HYSTERESIS 31 16
    }
    "Pending interrupts." SDMA0_INT_STATUS, 0, 0x70 {}
    "The engine's processor." SDMA0_F32_CNTL, 1, 0x589a, reset 0x8084001 {
        HALT 0 0, TH0_CHECKSUM_CLR 8 8, TH0_RESET 9 9, TH0_ENABLE 10 10, TH1_CHECKSUM_CLR 12 12, TH1_RESET 13 13,
        TH1_ENABLE 14 14, TH0_PRIORITY 23 16, TH1_PRIORITY 31 24
    }
    "Ring of a queue." SDMA0_QUEUE_RB_CNTL, 0, 0x80, repeats 8 by 88, reset 0x40800 {
        RB_ENABLE 0 0, RB_SIZE 5 1, WPTR_POLL_ENABLE 8 8, RB_SWAP_ENABLE 9 9, WPTR_POLL_SWAP_ENABLE 10 10,
        F32_WPTR_POLL_ENABLE 11 11, RPTR_WRITEBACK_ENABLE 12 12, RPTR_WRITEBACK_SWAP_ENABLE 13 13,
        RPTR_WRITEBACK_TIMER 20 16, RB_PRIV 23 23, RB_VMID 27 24
    }
    "Ring, in units of 256 bytes, low bits." SDMA0_QUEUE_RB_BASE, 0, 0x81, repeats 8 by 88 {}
    "The same, high bits." SDMA0_QUEUE_RB_BASE_HI, 0, 0x82, repeats 8 by 88 {}
    "Bytes read." SDMA0_QUEUE_RB_RPTR, 0, 0x83, repeats 8 by 88 {}
    "The same, high bits." SDMA0_QUEUE_RB_RPTR_HI, 0, 0x84, repeats 8 by 88 {}
    "Bytes written." SDMA0_QUEUE_RB_WPTR, 0, 0x85, repeats 8 by 88 {}
    "The same, high bits." SDMA0_QUEUE_RB_WPTR_HI, 0, 0x86, repeats 8 by 88 {}
    "Where the read pointer is written, high bits." SDMA0_QUEUE_RB_RPTR_ADDR_HI, 0, 0x88, repeats 8 by 88 {}
    "The same, low bits." SDMA0_QUEUE_RB_RPTR_ADDR_LO, 0, 0x89, repeats 8 by 88 {}
    "Indirect buffers of a queue." SDMA0_QUEUE_IB_CNTL, 0, 0x8a, repeats 8 by 88, reset 0x100 {
        IB_ENABLE 0 0, IB_SWAP_ENABLE 4 4, SWITCH_INSIDE_IB 8 8, CMD_VMID 19 16
    }
    "Read pointer of the indirect buffer." SDMA0_QUEUE_IB_RPTR, 0, 0x8b, repeats 8 by 88 {}
    "State of a queue." SDMA0_QUEUE_CONTEXT_STATUS, 0, 0x91, repeats 8 by 88, reset 0x804 {
        SELECTED 0 0, USE_IB 1 1, IDLE 2 2, EXPIRED 3 3, EXCEPTION 6 4, CTXSW_ABLE 7 7, PREEMPT_DISABLE 10 10,
        RPTR_WB_IDLE 11 11, WPTR_UPDATE_PENDING 12 12, WPTR_UPDATE_FAIL_COUNT 23 16
    }
    "Doorbell of a queue." SDMA0_QUEUE_DOORBELL, 0, 0x92, repeats 8 by 88 { ENABLE 28 28, CAPTURED 30 30 }
    "Its place." SDMA0_QUEUE_DOORBELL_OFFSET, 0, 0xab, repeats 8 by 88 { OFFSET 27 2 }
    "Preemption." SDMA0_QUEUE_PREEMPT, 0, 0xb0, repeats 8 by 88 { IB_PREEMPT 0 0 }
    "Where the write pointer is read, high bits." SDMA0_QUEUE_RB_WPTR_POLL_ADDR_HI, 0, 0xb2, repeats 8 by 88 {}
    "The same, low bits." SDMA0_QUEUE_RB_WPTR_POLL_ADDR_LO, 0, 0xb3, repeats 8 by 88 {}
    "Holds back half-written pointers." SDMA0_QUEUE_MINOR_PTR_UPDATE, 0, 0xb5, repeats 8 by 88 { ENABLE 0 0 }
    "Interrupts and modes of the engine." SDMA1_CNTL, 0, 0x61c, reset 0x2440 {
        TRAP_ENABLE 0 0, SEM_WAIT_INT_ENABLE 2 2, DATA_SWAP_ENABLE 3 3, FENCE_SWAP_ENABLE 4 4, MIDCMD_PREEMPT_ENABLE 5
        5, PIO_DONE_ACK_ENABLE 6 6, TMZ_MIDCMD_PREEMPT_ENABLE 8 8, MIDCMD_EXPIRE_ENABLE 9 9, CP_MES_INT_ENABLE 10 10,
        PAGE_RETRY_TIMEOUT_INT_ENABLE 11 11, PAGE_NULL_INT_ENABLE 12 12, PAGE_FAULT_INT_ENABLE 13 13,
        CH_PERFCNT_ENABLE 16 16, MIDCMD_WORLDSWITCH_ENABLE 17 17, CTXEMPTY_INT_ENABLE 28 28, FROZEN_INT_ENABLE 29 29,
        IB_PREEMPT_INT_ENABLE 30 30, RB_PREEMPT_INT_ENABLE 31 31
    }
    "Busy bits of the engine." SDMA1_STATUS_REG, 0, 0x625, reset 0x46dee557 {}
    "Freezes the engine." SDMA1_FREEZE, 0, 0x62b { FREEZE 1 1 }
    "Watchdog of the queues." SDMA1_WATCHDOG_CNTL, 0, 0x62e { QUEUE_HANG_COUNT 7 0, CMD_TIMEOUT_COUNT 15 8 }
    "Translation of addresses." SDMA1_UTCL1_CNTL, 0, 0x63c, reset 0x2c000288 {
        REDO_DELAY 4 0, PAGE_WAIT_DELAY 8 5, RESP_MODE 10 9, FORCE_INVALIDATION 14 14, FORCE_INVREQ_HEAVY 15 15,
        WR_EXE_PERMS_CTRL 16 16, RD_EXE_PERMS_CTRL 17 17, INVACK_DELAY 21 18, REQL2_CREDIT 29 24
    }
    "Cache policies of translated accesses." SDMA1_UTCL1_PAGE, 0, 0x63f, reset 0x10cec00 {
        VM_HOLE 0 0, REQ_TYPE 4 1, USE_MTYPE 9 6, USE_PT_SNOOP 10 10, USE_IO 11 11, RD_L2_POLICY 13 12, WR_L2_POLICY
        15 14, DMA_PAGE_SIZE 21 16, USE_BC 22 22, ADDR_IS_PA 23 23, LLC_NOALLOC 24 24
    }
    "Clock gating interrupt." SDMA1_RLC_CGCG_CTRL, 0, 0x65c, reset 0x400000 {
        CGCG_INT_ENABLE 1 1, CGCG_IDLE_HYSTERESIS 31 16
    }
    "Pending interrupts." SDMA1_INT_STATUS, 0, 0x670 {}
    "The engine's processor." SDMA1_F32_CNTL, 1, 0x58ba, reset 0x8084001 {
        HALT 0 0, TH0_CHECKSUM_CLR 8 8, TH0_RESET 9 9, TH0_ENABLE 10 10, TH1_CHECKSUM_CLR 12 12, TH1_RESET 13 13,
        TH1_ENABLE 14 14, TH0_PRIORITY 23 16, TH1_PRIORITY 31 24
    }
    "Ring of a queue." SDMA1_QUEUE_RB_CNTL, 0, 0x680, repeats 8 by 88, reset 0x40800 {
        RB_ENABLE 0 0, RB_SIZE 5 1, WPTR_POLL_ENABLE 8 8, RB_SWAP_ENABLE 9 9, WPTR_POLL_SWAP_ENABLE 10 10,
        F32_WPTR_POLL_ENABLE 11 11, RPTR_WRITEBACK_ENABLE 12 12, RPTR_WRITEBACK_SWAP_ENABLE 13 13,
        RPTR_WRITEBACK_TIMER 20 16, RB_PRIV 23 23, RB_VMID 27 24
    }
    "Ring, in units of 256 bytes, low bits." SDMA1_QUEUE_RB_BASE, 0, 0x681, repeats 8 by 88 {}
    "The same, high bits." SDMA1_QUEUE_RB_BASE_HI, 0, 0x682, repeats 8 by 88 {}
    "Bytes read." SDMA1_QUEUE_RB_RPTR, 0, 0x683, repeats 8 by 88 {}
    "The same, high bits." SDMA1_QUEUE_RB_RPTR_HI, 0, 0x684, repeats 8 by 88 {}
    "Bytes written." SDMA1_QUEUE_RB_WPTR, 0, 0x685, repeats 8 by 88 {}
    "The same, high bits." SDMA1_QUEUE_RB_WPTR_HI, 0, 0x686, repeats 8 by 88 {}
    "Where the read pointer is written, high bits." SDMA1_QUEUE_RB_RPTR_ADDR_HI, 0, 0x688, repeats 8 by 88 {}
    "The same, low bits." SDMA1_QUEUE_RB_RPTR_ADDR_LO, 0, 0x689, repeats 8 by 88 {}
    "Indirect buffers of a queue." SDMA1_QUEUE_IB_CNTL, 0, 0x68a, repeats 8 by 88, reset 0x100 {
        IB_ENABLE 0 0, IB_SWAP_ENABLE 4 4, SWITCH_INSIDE_IB 8 8, CMD_VMID 19 16
    }
    "Read pointer of the indirect buffer." SDMA1_QUEUE_IB_RPTR, 0, 0x68b, repeats 8 by 88 {}
    "State of a queue." SDMA1_QUEUE_CONTEXT_STATUS, 0, 0x691, repeats 8 by 88, reset 0x804 {
        SELECTED 0 0, USE_IB 1 1, IDLE 2 2, EXPIRED 3 3, EXCEPTION 6 4, CTXSW_ABLE 7 7, PREEMPT_DISABLE 10 10,
        RPTR_WB_IDLE 11 11, WPTR_UPDATE_PENDING 12 12, WPTR_UPDATE_FAIL_COUNT 23 16
    }
    "Doorbell of a queue." SDMA1_QUEUE_DOORBELL, 0, 0x692, repeats 8 by 88 { ENABLE 28 28, CAPTURED 30 30 }
    "Its place." SDMA1_QUEUE_DOORBELL_OFFSET, 0, 0x6ab, repeats 8 by 88 { OFFSET 27 2 }
    "Preemption." SDMA1_QUEUE_PREEMPT, 0, 0x6b0, repeats 8 by 88 { IB_PREEMPT 0 0 }
    "Where the write pointer is read, high bits." SDMA1_QUEUE_RB_WPTR_POLL_ADDR_HI, 0, 0x6b2, repeats 8 by 88 {}
    "The same, low bits." SDMA1_QUEUE_RB_WPTR_POLL_ADDR_LO, 0, 0x6b3, repeats 8 by 88 {}
    "Holds back half-written pointers." SDMA1_QUEUE_MINOR_PTR_UPDATE, 0, 0x6b5, repeats 8 by 88 { ENABLE 0 0 }
}
