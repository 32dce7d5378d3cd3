//! Graphics and compute, GC 11.0.0 (`gc/gc_11_0_0_offset.h`, `gc_11_0_0_sh_mask.h`, `gc_11_0_0_default.h`).

use crate::register::registers;

registers! {
    /// Command processor, dispatch, RLC and the memory hub of graphics.
    TABLE of Gc:
    "Access control of the register bus." GRBM_CNTL, 0, 0xda0, reset 0x18 {
        READ_TIMEOUT 7 0, REPORT_LAST_RDERR 31 31
    }
    "Busy bits of the block." GRBM_STATUS, 0, 0xda4 {
        ME0PIPE0_CMDFIFO_AVAIL 3 0, SDMA_RQ_PENDING 6 6, ME0PIPE0_CF_RQ_PENDING 7 7, ME0PIPE0_PF_RQ_PENDING 8 8,
        GDS_DMA_RQ_PENDING 9 9, DB_CLEAN 12 12, CB_CLEAN 13 13, TA_BUSY 14 14, GDS_BUSY 15 15, GE_BUSY_NO_DMA 16 16,
        SX_BUSY 20 20, GE_BUSY 21 21, SPI_BUSY 22 22, BCI_BUSY 23 23, SC_BUSY 24 24, PA_BUSY 25 25, DB_BUSY 26 26,
        ANY_ACTIVE 27 27, CP_COHERENCY_BUSY 28 28, CP_BUSY 29 29, CB_BUSY 30 30, GUI_ACTIVE 31 31
    }
    "Busy bits, continued." GRBM_STATUS2, 0, 0xda2 {
        ME0PIPE1_CMDFIFO_AVAIL 3 0, ME0PIPE1_CF_RQ_PENDING 4 4, ME0PIPE1_PF_RQ_PENDING 5 5, ME1PIPE0_RQ_PENDING 6 6,
        ME1PIPE1_RQ_PENDING 7 7, ME1PIPE2_RQ_PENDING 8 8, ME1PIPE3_RQ_PENDING 9 9, RLC_RQ_PENDING 14 14, UTCL2_BUSY 15
        15, EA_BUSY 16 16, RMI_BUSY 17 17, UTCL2_RQ_PENDING 18 18, SDMA_SCH_RQ_PENDING 19 19, EA_LINK_BUSY 20 20,
        SDMA_BUSY 21 21, SDMA0_RQ_PENDING 22 22, SDMA1_RQ_PENDING 23 23, RLC_BUSY 26 26, TCP_BUSY 27 27, CPF_BUSY 28
        28, CPC_BUSY 29 29, CPG_BUSY 30 30
    }
    "Busy bits of a shader engine." GRBM_STATUS_SE0, 0, 0xda5 {}
    "Resets engines while a bit is set." GRBM_SOFT_RESET, 0, 0xda8 {
        SOFT_RESET_CP 0 0, SOFT_RESET_RLC 2 2, SOFT_RESET_UTCL2 15 15, SOFT_RESET_GFX 16 16, SOFT_RESET_CPF 17 17,
        SOFT_RESET_CPC 18 18, SOFT_RESET_CPG 19 19, SOFT_RESET_CAC 20 20, SOFT_RESET_EA 22 22, SOFT_RESET_SDMA0 23 23,
        SOFT_RESET_SDMA1 24 24
    }
    "The last read that timed out." GRBM_READ_ERROR, 0, 0xdb6 {
        READ_ADDRESS 19 2, READ_PIPEID 21 20, READ_MEID 23 22, READ_ERROR 31 31
    }
    "Interrupts of the register bus." GRBM_INT_CNTL, 0, 0xdb8 {}
    "Which pipe, queue and VMID banked registers mean." GRBM_GFX_CNTL, 1, 0x900 {
        PIPEID 1 0, MEID 3 2, VMID 7 4, QUEUEID 10 8, CTXID 13 11
    }
    "Which shader engine, array and instance banked registers mean." GRBM_GFX_INDEX, 1, 0x2200, reset 0xe0000000 {
        INSTANCE_INDEX 7 0, SA_INDEX 15 8, SE_INDEX 23 16, SA_BROADCAST_WRITES 29 29, INSTANCE_BROADCAST_WRITES 30 30,
        SE_BROADCAST_WRITES 31 31
    }
    "Kill and debug waves." SQ_CMD, 0, 0x111b { CMD 3 0, MODE 6 4, CHECK_VMID 7 7, VM_ID 31 28 }
    "Busy bits of the command processor." CP_STAT, 0, 0xf40 {
        ROQ_DB_BUSY 5 5, ROQ_CE_DB_BUSY 6 6, ROQ_RING_BUSY 9 9, ROQ_INDIRECT1_BUSY 10 10, ROQ_INDIRECT2_BUSY 11 11,
        ROQ_STATE_BUSY 12 12, DC_BUSY 13 13, UTCL2IU_BUSY 14 14, PFP_BUSY 15 15, MEQ_BUSY 16 16, ME_BUSY 17 17,
        QUERY_BUSY 18 18, SEMAPHORE_BUSY 19 19, INTERRUPT_BUSY 20 20, SURFACE_SYNC_BUSY 21 21, DMA_BUSY 22 22,
        RCIU_BUSY 23 23, SCRATCH_RAM_BUSY 24 24, GCRIU_BUSY 25 25, CE_BUSY 26 26, TCIU_BUSY 27 27, ROQ_CE_RING_BUSY 28
        28, ROQ_CE_INDIRECT1_BUSY 29 29, ROQ_CE_INDIRECT2_BUSY 30 30, CP_BUSY 31 31
    }
    "Status of the compute front end." CP_CPC_STATUS, 0, 0xe24 {}
    "What it is busy with." CP_CPC_BUSY_STAT, 0, 0xe25 {}
    "What it waits for." CP_CPC_STALLED_STAT1, 0, 0xe26 {}
    "Status of the fetcher." CP_CPF_STATUS, 0, 0xe27 {}
    "What it is busy with." CP_CPF_BUSY_STAT, 0, 0xe28 {}
    "What it waits for." CP_CPF_STALLED_STAT1, 0, 0xe29 {}
    "Debug switches." CP_DEBUG, 0, 0x1e1f, reset 0x400000 {}
    "Interrupts of the graphics ring." CP_INT_CNTL, 0, 0x1de9 {
        CNTX_BUSY_INT_ENABLE 19 19, CNTX_EMPTY_INT_ENABLE 20 20, CMP_BUSY_INT_ENABLE 18 18
    }
    "Fatal errors." CP_FATAL_ERROR, 0, 0x1df0 {}
    "Polling of the graphics ring." CP_RB_WPTR_POLL_CNTL, 0, 0xf62, reset 0x400000 {
        POLL_FREQUENCY 15 0, IDLE_POLL_COUNT 31 16
    }
    "Doorbells of compute queues." CP_PQ_STATUS, 0, 0x1e58 { DOORBELL_UPDATED 0 0, DOORBELL_ENABLE 1 1 }
    "Polling of compute write pointers." CP_PQ_WPTR_POLL_CNTL, 0, 0x1e23, reset 0x1 { PERIOD 7 0, EN 31 31 }
    "Interrupts of a pipe of the first MEC." CP_ME1_PIPE_INT_CNTL, 0, 0x1e25, repeats 4 by 1 {
        PRIV_INSTR_INT_ENABLE 22 22, PRIV_REG_INT_ENABLE 23 23, OPCODE_ERROR_INT_ENABLE 24 24, TIME_STAMP_INT_ENABLE
        26 26
    }
    "Pending interrupts of a pipe." CP_ME1_PIPE_INT_STATUS, 0, 0x1e2d, repeats 4 by 1 {}
    "Interrupts of the compute front end." CPC_INT_CNTL, 0, 0x1e54 {
        PRIV_INSTR_INT_ENABLE 22 22, PRIV_REG_INT_ENABLE 23 23, OPCODE_ERROR_INT_ENABLE 24 24, TIME_STAMP_INT_ENABLE
        26 26
    }
    "Pending ones." CPC_INT_STATUS, 0, 0x1e55 {}
    "Resets VMIDs." CP_VMID_RESET, 0, 0x1e53 {}
    "Resets within the command processor." CP_SOFT_RESET_CNTL, 0, 0x1f59 {}
    "First doorbell that the MEC takes, in bytes." CP_MEC_DOORBELL_RANGE_LOWER, 0, 0x1dfc, reset 0x110 {
        DOORBELL_RANGE_LOWER 11 2
    }
    "Last one." CP_MEC_DOORBELL_RANGE_UPPER, 0, 0x1dfd, reset 0xffc { DOORBELL_RANGE_UPPER 11 2 }
    "The older MEC engine." CP_MEC_CNTL, 1, 0x802, reset 0x50000000 {}
    "PFP and ME." CP_ME_CNTL, 1, 0x803, reset 0x15000000 {}
    "The MEC engine: halt, reset, activity." CP_MEC_RS64_CNTL, 1, 0x2904, reset 0x40000000 {
        MEC_INVALIDATE_ICACHE 4 4, MEC_PIPE0_RESET 16 16, MEC_PIPE1_RESET 17 17, MEC_PIPE2_RESET 18 18,
        MEC_PIPE3_RESET 19 19, MEC_PIPE0_ACTIVE 26 26, MEC_PIPE1_ACTIVE 27 27, MEC_PIPE2_ACTIVE 28 28,
        MEC_PIPE3_ACTIVE 29 29, MEC_HALT 30 30, MEC_STEP 31 31
    }
    "The MEC's instruction set." CP_MEC_ISA_CNTL, 1, 0x2903 {}
    "Where the MEC's program starts, in dwords, low bits." CP_MEC_RS64_PRGRM_CNTR_START, 1, 0x2900, reset 0x800 {}
    "The same, high bits." CP_MEC_RS64_PRGRM_CNTR_START_HI, 1, 0x2938 {}
    "Where the MEC's program is." CP_MEC_RS64_INSTR_PNTR, 1, 0x2908 {}
    "Where the PFP's program starts." CP_PFP_PRGRM_CNTR_START, 0, 0x1e44 {}
    "The same, high bits." CP_PFP_PRGRM_CNTR_START_HI, 0, 0x1e59 {}
    "Where the ME's program starts." CP_ME_PRGRM_CNTR_START, 0, 0x1e45 {}
    "The same, high bits." CP_ME_PRGRM_CNTR_START_HI, 0, 0x1e79 {}
    "MC address of the memory queue descriptor, low bits." CP_MQD_BASE_ADDR, 0, 0x1fa9 {}
    "Hardware queue descriptor." CP_MQD_BASE_ADDR_HI, 0, 0x1faa {}
    "The selected queue is mapped." CP_HQD_ACTIVE, 0, 0x1fab { ACTIVE 0 0, BUSY_GATE 1 1 }
    "Hardware queue descriptor." CP_HQD_VMID, 0, 0x1fac { VMID 3 0, IB_VMID 11 8, VQID 25 16 }
    "Hardware queue descriptor." CP_HQD_PERSISTENT_STATE, 0, 0x1fad, reset 0xbe05501 {
        PRELOAD_REQ 0 0, TMZ_CONNECT_OVERRIDE 1 1, SUSPEND_STATUS 7 7, PRELOAD_SIZE 17 8, TMZ_SWITCH_EXEMPT 18 18,
        TMZ_MATCH_DIS 19 19, WPP_CLAMP_EN 20 20, WPP_SWITCH_QOS_EN 21 21, IQ_SWITCH_QOS_EN 22 22, IB_SWITCH_QOS_EN 23
        23, EOP_SWITCH_QOS_EN 24 24, PQ_SWITCH_QOS_EN 25 25, TC_OFFLOAD_QOS_EN 26 26, CACHE_FULL_PACKET_EN 27 27,
        RESTORE_ACTIVE 28 28, RELAUNCH_WAVES 29 29, QSWITCH_MODE 30 30, DISP_ACTIVE 31 31
    }
    "Hardware queue descriptor." CP_HQD_PIPE_PRIORITY, 0, 0x1fae {}
    "Hardware queue descriptor." CP_HQD_QUEUE_PRIORITY, 0, 0x1faf {}
    "Hardware queue descriptor." CP_HQD_QUANTUM, 0, 0x1fb0 {
        QUANTUM_EN 0 0, QUANTUM_SCALE 4 4, QUANTUM_DURATION 13 8, QUANTUM_ACTIVE 31 31
    }
    "Ring, in units of 256 bytes, low bits." CP_HQD_PQ_BASE, 0, 0x1fb1 {}
    "Hardware queue descriptor." CP_HQD_PQ_BASE_HI, 0, 0x1fb2 {}
    "Dword that is read next." CP_HQD_PQ_RPTR, 0, 0x1fb3 {}
    "Hardware queue descriptor." CP_HQD_PQ_RPTR_REPORT_ADDR, 0, 0x1fb4 {}
    "Hardware queue descriptor." CP_HQD_PQ_RPTR_REPORT_ADDR_HI, 0, 0x1fb5 {}
    "Hardware queue descriptor." CP_HQD_PQ_WPTR_POLL_ADDR, 0, 0x1fb6 {}
    "Hardware queue descriptor." CP_HQD_PQ_WPTR_POLL_ADDR_HI, 0, 0x1fb7 {}
    "Doorbell of the queue." CP_HQD_PQ_DOORBELL_CONTROL, 0, 0x1fb8 {
        DOORBELL_MODE 0 0, DOORBELL_BIF_DROP 1 1, DOORBELL_OFFSET 27 2, DOORBELL_SOURCE 28 28, DOORBELL_SCHD_HIT 29
        29, DOORBELL_EN 30 30, DOORBELL_HIT 31 31
    }
    "No name in AMD's headers; kgd_hqd_load in Linux and tinygrad write it as part of the block." CP_HQD_UNNAMED_1FB9, 0, 0x1fb9 {}
    "Ring size and habits." CP_HQD_PQ_CONTROL, 0, 0x1fba, reset 0x308509 {
        QUEUE_SIZE 5 0, WPTR_CARRY 6 6, RPTR_CARRY 7 7, RPTR_BLOCK_SIZE 13 8, QUEUE_FULL_EN 14 14, PQ_EMPTY 15 15,
        SLOT_BASED_WPTR 19 18, MIN_AVAIL_SIZE 21 20, TMZ 22 22, EXE_DISABLE 23 23, CACHE_POLICY 25 24, PQ_VOLATILE 26
        26, NO_UPDATE_RPTR 27 27, UNORD_DISPATCH 28 28, TUNNEL_DISPATCH 29 29, PRIV_STATE 30 30, KMD_QUEUE 31 31
    }
    "Hardware queue descriptor." CP_HQD_IB_BASE_ADDR, 0, 0x1fbb {}
    "Hardware queue descriptor." CP_HQD_IB_BASE_ADDR_HI, 0, 0x1fbc {}
    "Hardware queue descriptor." CP_HQD_IB_RPTR, 0, 0x1fbd {}
    "Hardware queue descriptor." CP_HQD_IB_CONTROL, 0, 0x1fbe, reset 0x300000 {
        IB_SIZE 19 0, MIN_IB_AVAIL_SIZE 21 20, IB_EXE_DISABLE 23 23, IB_CACHE_POLICY 25 24, IB_VOLATILE 26 26,
        PROCESSING_IB 31 31
    }
    "Hardware queue descriptor." CP_HQD_IQ_TIMER, 0, 0x1fbf {}
    "Hardware queue descriptor." CP_HQD_IQ_RPTR, 0, 0x1fc0 {}
    "Takes the queue off." CP_HQD_DEQUEUE_REQUEST, 0, 0x1fc1 {
        DEQUEUE_REQ 3 0, IQ_REQ_PEND 4 4, DEQUEUE_INT 8 8, IQ_REQ_PEND_EN 9 9, DEQUEUE_REQ_EN 10 10
    }
    "Hardware queue descriptor." CP_HQD_DMA_OFFLOAD, 0, 0x1fc2 {}
    "Hardware queue descriptor." CP_HQD_SEMA_CMD, 0, 0x1fc3 {}
    "Hardware queue descriptor." CP_HQD_MSG_TYPE, 0, 0x1fc4 {}
    "Hardware queue descriptor." CP_HQD_ATOMIC0_PREOP_LO, 0, 0x1fc5 {}
    "Hardware queue descriptor." CP_HQD_ATOMIC0_PREOP_HI, 0, 0x1fc6 {}
    "Hardware queue descriptor." CP_HQD_ATOMIC1_PREOP_LO, 0, 0x1fc7 {}
    "Hardware queue descriptor." CP_HQD_ATOMIC1_PREOP_HI, 0, 0x1fc8 {}
    "Hardware queue descriptor." CP_HQD_HQ_STATUS0, 0, 0x1fc9, reset 0x40000000 {}
    "Hardware queue descriptor." CP_HQD_HQ_CONTROL0, 0, 0x1fca {}
    "Hardware queue descriptor." CP_MQD_CONTROL, 0, 0x1fcb, reset 0x100 {
        VMID 3 0, PRIV_STATE 8 8, PROCESSING_MQD 12 12, PROCESSING_MQD_EN 13 13, EXE_DISABLE 23 23, CACHE_POLICY 25
        24, MQD_VOLATILE 26 26
    }
    "Hardware queue descriptor." CP_HQD_HQ_STATUS1, 0, 0x1fcc {}
    "Hardware queue descriptor." CP_HQD_HQ_CONTROL1, 0, 0x1fcd {}
    "Hardware queue descriptor." CP_HQD_EOP_BASE_ADDR, 0, 0x1fce {}
    "Hardware queue descriptor." CP_HQD_EOP_BASE_ADDR_HI, 0, 0x1fcf {}
    "Hardware queue descriptor." CP_HQD_EOP_CONTROL, 0, 0x1fd0, reset 0x6 {
        EOP_SIZE 5 0, PROCESSING_EOP 8 8, PROCESS_EOP_EN 12 12, PROCESSING_EOPIB 13 13, PROCESS_EOPIB_EN 14 14,
        HALT_FETCHER 21 21, HALT_FETCHER_EN 22 22, EXE_DISABLE 23 23, CACHE_POLICY 25 24, EOP_VOLATILE 26 26,
        SIG_SEM_RESULT 30 29, PEND_SIG_SEM 31 31
    }
    "Hardware queue descriptor." CP_HQD_EOP_RPTR, 0, 0x1fd1, reset 0x40000000 {
        RPTR 12 0, RESET_FETCHER 28 28, DEQUEUE_PEND 29 29, RPTR_EQ_CSMD_WPTR 30 30, INIT_FETCHER 31 31
    }
    "Hardware queue descriptor." CP_HQD_EOP_WPTR, 0, 0x1fd2, reset 0x8000 {}
    "Hardware queue descriptor." CP_HQD_EOP_EVENTS, 0, 0x1fd3 {}
    "Hardware queue descriptor." CP_HQD_CTX_SAVE_BASE_ADDR_LO, 0, 0x1fd4 {}
    "Hardware queue descriptor." CP_HQD_CTX_SAVE_BASE_ADDR_HI, 0, 0x1fd5 {}
    "Hardware queue descriptor." CP_HQD_CTX_SAVE_CONTROL, 0, 0x1fd6 {}
    "Hardware queue descriptor." CP_HQD_CNTL_STACK_OFFSET, 0, 0x1fd7 {}
    "Hardware queue descriptor." CP_HQD_CNTL_STACK_SIZE, 0, 0x1fd8 {}
    "Hardware queue descriptor." CP_HQD_WG_STATE_OFFSET, 0, 0x1fd9 {}
    "Hardware queue descriptor." CP_HQD_CTX_SAVE_SIZE, 0, 0x1fda {}
    "Hardware queue descriptor." CP_HQD_GDS_RESOURCE_STATE, 0, 0x1fdb {}
    "What stopped the queue." CP_HQD_ERROR, 0, 0x1fdc {
        EDC_ERROR_ID 3 0, SUA_ERROR 4 4, AQL_ERROR 5 5, PQ_UTCL1_ERROR 8 8, IB_UTCL1_ERROR 9 9, EOP_UTCL1_ERROR 10 10,
        IQ_UTCL1_ERROR 11 11, RRPT_UTCL1_ERROR 12 12, WPP_UTCL1_ERROR 13 13, SEM_UTCL1_ERROR 14 14,
        DMA_SRC_UTCL1_ERROR 15 15, DMA_DST_UTCL1_ERROR 16 16, SR_UTCL1_ERROR 17 17, QU_UTCL1_ERROR 18 18,
        TC_UTCL1_ERROR 19 19
    }
    "Hardware queue descriptor." CP_HQD_EOP_WPTR_MEM, 0, 0x1fdd {}
    "Hardware queue descriptor." CP_HQD_AQL_CONTROL, 0, 0x1fde {
        CONTROL0 14 0, CONTROL0_EN 15 15, CONTROL1 30 16, CONTROL1_EN 31 31
    }
    "Dwords written to the ring, low bits." CP_HQD_PQ_WPTR_LO, 0, 0x1fdf {}
    "Hardware queue descriptor." CP_HQD_PQ_WPTR_HI, 0, 0x1fe0 {}
    "Resets the waves of the selected queue." SPI_COMPUTE_QUEUE_RESET, 0, 0x1f73 { RESET 0 0 }
    "Debug settings per VMID." SPI_GDBG_PER_VMID_CNTL, 0, 0x1f72 {}
    "Address layout of memory channels." GB_ADDR_CONFIG, 0, 0x13de, reset 0x545 {}
    "Work-group processors of an array that are fused off." CC_GC_SHADER_ARRAY_CONFIG, 0, 0x100f, reset 0xfff00000 {
        INACTIVE_WGPS 31 16
    }
    "The same that software switched off." GC_USER_SHADER_ARRAY_CONFIG, 1, 0x5b90 { INACTIVE_WGPS 31 16 }
    "Shader arrays that are fused off; the value is that of a real RX 7900 XTX, which has twelve." CC_GC_SA_UNIT_DISABLE, 0, 0xfe9, reset 0xf00000 {
        SA_DISABLE 23 8
    }
    "The same that software switched off." GC_USER_SA_UNIT_DISABLE, 1, 0x5b92, reset 0xf00000 { SA_DISABLE 23 8 }
    "The RLC engine." RLC_CNTL, 1, 0x4c00, reset 0x1 {
        RLC_ENABLE_F32 0 0, FORCE_RETRY 1 1, READ_CACHE_DISABLE 2 2, RLC_STEP_F32 3 3, RESERVED 31 4
    }
    "Status of the RLC." RLC_STAT, 1, 0x4c04 {
        RLC_BUSY 0 0, RLC_SRM_BUSY 1 1, RLC_GPM_BUSY 2 2, RLC_SPM_BUSY 3 3, MC_BUSY 4 4, RLC_THREAD_0_BUSY 5 5,
        RLC_THREAD_1_BUSY 6 6, RLC_THREAD_2_BUSY 7 7, RESERVED 31 8
    }
    "Safe mode of clock gating." RLC_SAFE_MODE, 1, 0x980 {
        CMD 0 0, MESSAGE 4 1, RESERVED1 7 5, RESPONSE 11 8, RESERVED 31 12
    }
    "Save and restore of registers." RLC_SRM_CNTL, 1, 0x4c80, reset 0x2 { SRM_ENABLE 0 0, AUTO_INCR_ADDR 1 1 }
    "Memory context of performance monitoring." RLC_SPM_MC_CNTL, 1, 0x982 {}
    "The queues that schedule others." RLC_CP_SCHEDULERS, 1, 0x98a, reset 0x3038 {}
    "Overrides of clock gating." RLC_CGTT_MGCG_OVERRIDE, 1, 0x4c48, reset 0x607ff {
        RLC_REPEATER_FGCG_OVERRIDE 0 0, RLC_CGTT_SCLK_OVERRIDE 1 1, GFXIP_MGCG_OVERRIDE 2 2, GFXIP_CGCG_OVERRIDE 3 3,
        GFXIP_CGLS_OVERRIDE 4 4, GRBM_CGTT_SCLK_OVERRIDE 5 5, GFXIP_MGLS_OVERRIDE 6 6, GFXIP_GFX3D_CG_OVERRIDE 7 7,
        GFXIP_FGCG_OVERRIDE 8 8, GFXIP_REPEATER_FGCG_OVERRIDE 9 9, PERFMON_CLOCK_STATE 10 10, RESERVED_16_11 16 11,
        GC_CAC_MGCG_CLK_CNTL 17 17, SE_CAC_MGCG_CLK_CNTL 18 18, RESERVED_31_19 31 19
    }
    "Coarse clock gating." RLC_CGCG_CGLS_CTRL, 1, 0x4c49, reset 0x1003c {
        CGCG_EN 0 0, CGLS_EN 1 1, CGLS_REP_COMPANSAT_DELAY 7 2, CGCG_GFX_IDLE_THRESHOLD 26 8, CGCG_CONTROLLER 27 27,
        CGCG_REG_CTRL 28 28, SLEEP_MODE 30 29, SIM_SILICON_EN 31 31
    }
    "How far autoload has come." RLC_RLCS_BOOTLOAD_STATUS, 1, 0x4e82 {
        GFX_INIT_DONE 0 0, RLC_GPM_IRAM_LOADED 3 3, RLC_GPM_IRAM_DONE 4 4, RESERVED 30 5, BOOTLOAD_COMPLETE 31 31
    }
    "Power state of the block." RLC_RLCS_GPM_STAT, 1, 0x4e6b, reset 0xb40016 {}
    "Clock counter of 100 MHz, low bits, as captured." RLC_GPU_CLOCK_COUNT_LSB, 1, 0x4c24 {}
    "The same, high bits." RLC_GPU_CLOCK_COUNT_MSB, 1, 0x4c25 {}
    "Captures the clock counter." RLC_CAPTURE_GPU_CLOCK_COUNT, 1, 0x4c26 {}
    "Apertures of LDS and scratch in flat addresses, per VMID." SH_MEM_BASES, 1, 0x9e3 {
        PRIVATE_BASE 15 0, SHARED_BASE 31 16
    }
    "Memory mode of shaders, per VMID." SH_MEM_CONFIG, 1, 0x9e4, reset 0xc000 {
        ADDRESS_MODE 0 0, ALIGNMENT_MODE 3 2, INITIAL_INST_PREFETCH 15 14, ICACHE_USE_GL1 18 18
    }
    "Vector memory caches." TCP_CNTL, 1, 0x19a2 {}
    "Scratch for software." SCRATCH_REG, 1, 0x2040, repeats 8 by 1 {}
    "Starts a dispatch." COMPUTE_DISPATCH_INITIATOR, 0, 0x1ba0 {
        COMPUTE_SHADER_EN 0 0, PARTIAL_TG_EN 1 1, FORCE_START_AT_000 2 2, ORDERED_APPEND_ENBL 3 3, ORDERED_APPEND_MODE
        4 4, USE_THREAD_DIMENSIONS 5 5, ORDER_MODE 6 6, SCALAR_L1_INV_VOL 10 10, VECTOR_L1_INV_VOL 11 11, RESERVED 12
        12, TUNNEL_ENABLE 13 13, RESTORE 14 14, CS_W32_EN 15 15, AMP_SHADER_EN 16 16, DISABLE_DISP_PREMPT_EN 17 17
    }
    "Dispatch state." COMPUTE_DIM_X, 0, 0x1ba1 {}
    "Dispatch state." COMPUTE_DIM_Y, 0, 0x1ba2 {}
    "Dispatch state." COMPUTE_DIM_Z, 0, 0x1ba3 {}
    "Dispatch state." COMPUTE_START_X, 0, 0x1ba4 {}
    "Dispatch state." COMPUTE_START_Y, 0, 0x1ba5 {}
    "Dispatch state." COMPUTE_START_Z, 0, 0x1ba6 {}
    "Invocations of a workgroup." COMPUTE_NUM_THREAD_X, 0, 0x1ba7 { NUM_THREAD_FULL 15 0, NUM_THREAD_PARTIAL 31 16 }
    "Dispatch state." COMPUTE_NUM_THREAD_Y, 0, 0x1ba8 { NUM_THREAD_FULL 15 0, NUM_THREAD_PARTIAL 31 16 }
    "Dispatch state." COMPUTE_NUM_THREAD_Z, 0, 0x1ba9 { NUM_THREAD_FULL 15 0, NUM_THREAD_PARTIAL 31 16 }
    "Dispatch state." COMPUTE_PIPELINESTAT_ENABLE, 0, 0x1baa {}
    "Dispatch state." COMPUTE_PERFCOUNT_ENABLE, 0, 0x1bab {}
    "Code, in units of 256 bytes, low bits." COMPUTE_PGM_LO, 0, 0x1bac {}
    "Dispatch state." COMPUTE_PGM_HI, 0, 0x1bad {}
    "Dispatch state." COMPUTE_DISPATCH_PKT_ADDR_LO, 0, 0x1bae {}
    "Dispatch state." COMPUTE_DISPATCH_PKT_ADDR_HI, 0, 0x1baf {}
    "Dispatch state." COMPUTE_DISPATCH_SCRATCH_BASE_LO, 0, 0x1bb0 {}
    "Dispatch state." COMPUTE_DISPATCH_SCRATCH_BASE_HI, 0, 0x1bb1 {}
    "Registers and modes of a shader." COMPUTE_PGM_RSRC1, 0, 0x1bb2 {
        VGPRS 5 0, SGPRS 9 6, PRIORITY 11 10, FLOAT_MODE 19 12, PRIV 20 20, DX10_CLAMP 21 21, IEEE_MODE 23 23, BULKY
        24 24, FP16_OVFL 26 26, WGP_MODE 29 29, MEM_ORDERED 30 30, FWD_PROGRESS 31 31
    }
    "User registers, ids and LDS of a shader." COMPUTE_PGM_RSRC2, 0, 0x1bb3 {
        SCRATCH_EN 0 0, USER_SGPR 5 1, TRAP_PRESENT 6 6, TGID_X_EN 7 7, TGID_Y_EN 8 8, TGID_Z_EN 9 9, TG_SIZE_EN 10
        10, TIDIG_COMP_CNT 12 11, EXCP_EN_MSB 14 13, LDS_SIZE 23 15, EXCP_EN 30 24
    }
    "Dispatch state." COMPUTE_VMID, 0, 0x1bb4 {}
    "Dispatch state." COMPUTE_RESOURCE_LIMITS, 0, 0x1bb5 {
        WAVES_PER_SH 9 0, TG_PER_CU 15 12, LOCK_THRESHOLD 21 16, SIMD_DEST_CNTL 22 22, FORCE_SIMD_DIST 23 23,
        CU_GROUP_COUNT 26 24
    }
    "Dispatch state." COMPUTE_STATIC_THREAD_MGMT_SE0, 0, 0x1bb6 {}
    "Dispatch state." COMPUTE_STATIC_THREAD_MGMT_SE1, 0, 0x1bb7 {}
    "Scratch memory." COMPUTE_TMPRING_SIZE, 0, 0x1bb8 { WAVES 11 0, WAVESIZE 26 12 }
    "Dispatch state." COMPUTE_STATIC_THREAD_MGMT_SE2, 0, 0x1bb9 {}
    "Dispatch state." COMPUTE_STATIC_THREAD_MGMT_SE3, 0, 0x1bba {}
    "Dispatch state." COMPUTE_RESTART_X, 0, 0x1bbb {}
    "Dispatch state." COMPUTE_RESTART_Y, 0, 0x1bbc {}
    "Dispatch state." COMPUTE_RESTART_Z, 0, 0x1bbd {}
    "Dispatch state." COMPUTE_THREAD_TRACE_ENABLE, 0, 0x1bbe {}
    "Dispatch state." COMPUTE_MISC_RESERVED, 0, 0x1bbf {}
    "Dispatch state." COMPUTE_DISPATCH_ID, 0, 0x1bc0 {}
    "Dispatch state." COMPUTE_THREADGROUP_ID, 0, 0x1bc1 {}
    "Dispatch state." COMPUTE_REQ_CTRL, 0, 0x1bc2 {}
    "Dispatch state." COMPUTE_USER_ACCUM_0, 0, 0x1bc4 {}
    "Dispatch state." COMPUTE_USER_ACCUM_1, 0, 0x1bc5 {}
    "Dispatch state." COMPUTE_USER_ACCUM_2, 0, 0x1bc6 {}
    "Dispatch state." COMPUTE_USER_ACCUM_3, 0, 0x1bc7 {}
    "Prefetch of a shader." COMPUTE_PGM_RSRC3, 0, 0x1bc8 {
        SHARED_VGPR_CNT 3 0, INST_PREF_SIZE 9 4, TRAP_ON_START 10 10, TRAP_ON_END 11 11, IMAGE_OP 31 31
    }
    "Dispatch state." COMPUTE_DDID_INDEX, 0, 0x1bc9 {}
    "Dispatch state." COMPUTE_SHADER_CHKSUM, 0, 0x1bca {}
    "Dispatch state." COMPUTE_STATIC_THREAD_MGMT_SE4, 0, 0x1bcb {}
    "Dispatch state." COMPUTE_STATIC_THREAD_MGMT_SE5, 0, 0x1bcc {}
    "Dispatch state." COMPUTE_STATIC_THREAD_MGMT_SE6, 0, 0x1bcd {}
    "Dispatch state." COMPUTE_STATIC_THREAD_MGMT_SE7, 0, 0x1bce {}
    "Dispatch state." COMPUTE_DISPATCH_INTERLEAVE, 0, 0x1bcf {}
    "Dispatch state." COMPUTE_RELAUNCH, 0, 0x1bd0 {}
    "Dispatch state." COMPUTE_WAVE_RESTORE_ADDR_LO, 0, 0x1bd1 {}
    "Dispatch state." COMPUTE_WAVE_RESTORE_ADDR_HI, 0, 0x1bd2 {}
    "Dispatch state." COMPUTE_RELAUNCH2, 0, 0x1bd3 {}
    "Dispatch state." COMPUTE_DISPATCH_TUNNEL, 0, 0x1c1d {}
    "Dispatch state." COMPUTE_DISPATCH_END, 0, 0x1c1e {}
    "Dispatch state." COMPUTE_NOWHERE, 0, 0x1c1f {}
    "User data, which waves find in their first SGPRs." COMPUTE_USER_DATA, 0, 0x1be0, repeats 16 by 1 {}
    "Where video memory starts, in units of 16 MiB of MC addresses." GCMC_VM_FB_LOCATION_BASE, 0, 0x1678 {
        FB_BASE 23 0
    }
    "Where it ends, in the same units; inclusive." GCMC_VM_FB_LOCATION_TOP, 0, 0x1679 { FB_TOP 23 0 }
    "Added to addresses in page tables." GCMC_VM_FB_OFFSET, 0, 0x15a7 { FB_OFFSET 23 0 }
    "Top of the AGP aperture." GCMC_VM_AGP_TOP, 0, 0x167a {}
    "Bottom of the AGP aperture." GCMC_VM_AGP_BOT, 0, 0x167b {}
    "Base of the AGP aperture." GCMC_VM_AGP_BASE, 0, 0x167c {}
    "First MC address that bypasses page tables, in units of 256 KiB." GCMC_VM_SYSTEM_APERTURE_LOW_ADDR, 0, 0x167d {}
    "Last such address." GCMC_VM_SYSTEM_APERTURE_HIGH_ADDR, 0, 0x167e {}
    "Page that stray accesses of the system aperture go to, low bits." GCMC_VM_SYSTEM_APERTURE_DEFAULT_ADDR_LSB, 0, 0x15a8 {}
    "The same, high bits." GCMC_VM_SYSTEM_APERTURE_DEFAULT_ADDR_MSB, 0, 0x15a9 {}
    "Level 1 TLB." GCMC_VM_MX_L1_TLB_CNTL, 0, 0x167f, reset 0x501 {
        ENABLE_L1_TLB 0 0, SYSTEM_ACCESS_MODE 4 3, SYSTEM_APERTURE_UNMAPPED_ACCESS 5 5, ENABLE_ADVANCED_DRIVER_MODEL 6
        6, ECO_BITS 10 7, MTYPE 13 11
    }
    "Level 2 cache of translations." GCVM_L2_CNTL, 0, 0x15bc, reset 0x80602 {
        ENABLE_L2_CACHE 0 0, ENABLE_L2_FRAGMENT_PROCESSING 1 1, L2_CACHE_PTE_ENDIAN_SWAP_MODE 3 2,
        L2_CACHE_PDE_ENDIAN_SWAP_MODE 5 4, L2_PDE0_CACHE_TAG_GENERATION_MODE 8 8,
        ENABLE_L2_PTE_CACHE_LRU_UPDATE_BY_WRITE 9 9, ENABLE_L2_PDE0_CACHE_LRU_UPDATE_BY_WRITE 10 10,
        ENABLE_DEFAULT_PAGE_OUT_TO_SYSTEM_MEMORY 11 11, L2_PDE0_CACHE_SPLIT_MODE 14 12, EFFECTIVE_L2_QUEUE_SIZE 17 15,
        PDE_FAULT_CLASSIFICATION 18 18, CONTEXT1_IDENTITY_ACCESS_MODE 20 19, IDENTITY_MODE_FRAGMENT_SIZE 25 21,
        L2_PTE_CACHE_ADDR_MODE 27 26
    }
    "Its invalidation." GCVM_L2_CNTL2, 0, 0x15bd {
        INVALIDATE_ALL_L1_TLBS 0 0, INVALIDATE_L2_CACHE 1 1, DISABLE_INVALIDATE_PER_DOMAIN 21 21,
        DISABLE_BIGK_CACHE_OPTIMIZATION 22 22, L2_PTE_CACHE_VMID_MODE 25 23, INVALIDATE_CACHE_MODE 27 26,
        PDE_CACHE_EFFECTIVE_SIZE 30 28
    }
    "Its geometry." GCVM_L2_CNTL3, 0, 0x15be, reset 0x80120007 {
        BANK_SELECT 5 0, L2_CACHE_UPDATE_MODE 7 6, L2_CACHE_UPDATE_WILDCARD_REFERENCE_VALUE 12 8,
        L2_CACHE_BIGK_FRAGMENT_SIZE 19 15, L2_CACHE_BIGK_ASSOCIATIVITY 20 20, L2_CACHE_4K_EFFECTIVE_SIZE 23 21,
        L2_CACHE_BIGK_EFFECTIVE_SIZE 27 24, L2_CACHE_4K_FORCE_MISS 28 28, L2_CACHE_BIGK_FORCE_MISS 29 29,
        PDE_CACHE_FORCE_MISS 30 30, L2_CACHE_4K_ASSOCIATIVITY 31 31
    }
    "Its partition." GCVM_L2_CNTL4, 0, 0x15d4, reset 0xc1 {
        L2_CACHE_4K_PARTITION_COUNT 5 0, VMC_TAP_PDE_REQUEST_PHYSICAL 6 6, VMC_TAP_PTE_REQUEST_PHYSICAL 7 7,
        MM_NONRT_IFIFO_ACTIVE_TRANSACTION_LIMIT 17 8, MM_SOFTRT_IFIFO_ACTIVE_TRANSACTION_LIMIT 27 18,
        BPM_CGCGLS_OVERRIDE 28 28, GC_CH_FGCG_OFF 29 29, VFIFO_HEAD_OF_QUEUE 30 30, VFIFO_VISIBLE_BANK_SILOS 31 31
    }
    "Its walkers." GCVM_L2_CNTL5, 0, 0x15da, reset 0x3fe0 {
        L2_CACHE_SMALLK_FRAGMENT_SIZE 4 0, WALKER_PRIORITY_CLIENT_ID 13 5, WALKER_FETCH_PDE_NOALLOC_ENABLE 14 14,
        WALKER_FETCH_PDE_MTYPE_ENABLE 15 15, UTCL2_ATC_REQ_FGCG_OFF 16 16
    }
    "What page faults do." GCVM_L2_PROTECTION_FAULT_CNTL, 0, 0x15c4, reset 0x3ffffffc {
        CLEAR_PROTECTION_FAULT_STATUS_ADDR 0 0, ALLOW_SUBSEQUENT_PROTECTION_FAULT_STATUS_ADDR_UPDATES 1 1,
        RANGE_PROTECTION_FAULT_ENABLE_DEFAULT 2 2, PDE0_PROTECTION_FAULT_ENABLE_DEFAULT 3 3,
        PDE1_PROTECTION_FAULT_ENABLE_DEFAULT 4 4, PDE2_PROTECTION_FAULT_ENABLE_DEFAULT 5 5,
        TRANSLATE_FURTHER_PROTECTION_FAULT_ENABLE_DEFAULT 6 6, NACK_PROTECTION_FAULT_ENABLE_DEFAULT 7 7,
        DUMMY_PAGE_PROTECTION_FAULT_ENABLE_DEFAULT 8 8, VALID_PROTECTION_FAULT_ENABLE_DEFAULT 9 9,
        READ_PROTECTION_FAULT_ENABLE_DEFAULT 10 10, WRITE_PROTECTION_FAULT_ENABLE_DEFAULT 11 11,
        EXECUTE_PROTECTION_FAULT_ENABLE_DEFAULT 12 12, CLIENT_ID_NO_RETRY_FAULT_INTERRUPT 28 13,
        OTHER_CLIENT_ID_NO_RETRY_FAULT_INTERRUPT 29 29, CRASH_ON_NO_RETRY_FAULT 30 30, CRASH_ON_RETRY_FAULT 31 31
    }
    "What page faults do, continued." GCVM_L2_PROTECTION_FAULT_CNTL2, 0, 0x15c5, reset 0xa0000 {
        CLIENT_ID_PRT_FAULT_INTERRUPT 15 0, OTHER_CLIENT_ID_PRT_FAULT_INTERRUPT 16 16, ACTIVE_PAGE_MIGRATION_PTE 17
        17, ACTIVE_PAGE_MIGRATION_PTE_READ_RETRY 18 18, ENABLE_RETRY_FAULT_INTERRUPT 19 19
    }
    "The first page fault since it was cleared." GCVM_L2_PROTECTION_FAULT_STATUS, 0, 0x15c8 {
        MORE_FAULTS 0 0, WALKER_ERROR 3 1, PERMISSION_FAULTS 7 4, MAPPING_ERROR 8 8, CID 17 9, RW 18 18, ATOMIC 19 19,
        VMID 23 20, VF 24 24, VFID 28 25, PRT 29 29
    }
    "Its address in pages, low bits." GCVM_L2_PROTECTION_FAULT_ADDR_LO32, 0, 0x15c9 {}
    "Its address in pages, high bits." GCVM_L2_PROTECTION_FAULT_ADDR_HI32, 0, 0x15ca {}
    "Page that faulting accesses go to, low bits." GCVM_L2_PROTECTION_FAULT_DEFAULT_ADDR_LO32, 0, 0x15cb {}
    "The same, high bits." GCVM_L2_PROTECTION_FAULT_DEFAULT_ADDR_HI32, 0, 0x15cc {}
    "Identity aperture of context 1, first page, low bits." GCVM_L2_CONTEXT1_IDENTITY_APERTURE_LOW_ADDR_LO32, 0, 0x15ce {}
    "The same, high bits." GCVM_L2_CONTEXT1_IDENTITY_APERTURE_LOW_ADDR_HI32, 0, 0x15cf {}
    "Identity aperture of context 1, last page, low bits." GCVM_L2_CONTEXT1_IDENTITY_APERTURE_HIGH_ADDR_LO32, 0, 0x15d0 {}
    "The same, high bits." GCVM_L2_CONTEXT1_IDENTITY_APERTURE_HIGH_ADDR_HI32, 0, 0x15d1 {}
    "Offset of the identity aperture, low bits." GCVM_L2_CONTEXT_IDENTITY_PHYSICAL_OFFSET_LO32, 0, 0x15d2 {}
    "The same, high bits." GCVM_L2_CONTEXT_IDENTITY_PHYSICAL_OFFSET_HI32, 0, 0x15d3 {}
    "Private invalidation of the reserved cache." GCVM_L2_BANK_SELECT_RESERVED_CID2, 0, 0x15d7 {
        RESERVED_READ_CLIENT_ID 8 0, RESERVED_WRITE_CLIENT_ID 18 10, ENABLE 20 20, RESERVED_CACHE_INVALIDATION_MODE 24
        24, RESERVED_CACHE_PRIVATE_INVALIDATION 25 25, RESERVED_CACHE_FRAGMENT_SIZE 30 26
    }
    "A context (VMID)." GCVM_CONTEXT_CNTL, 0, 0x1688, repeats 16 by 1, reset 0x1fffe00 {
        ENABLE_CONTEXT 0 0, PAGE_TABLE_DEPTH 2 1, PAGE_TABLE_BLOCK_SIZE 6 3, RETRY_PERMISSION_OR_INVALID_PAGE_FAULT 7
        7, RETRY_OTHER_FAULT 8 8, RANGE_PROTECTION_FAULT_ENABLE_INTERRUPT 9 9, RANGE_PROTECTION_FAULT_ENABLE_DEFAULT
        10 10, DUMMY_PAGE_PROTECTION_FAULT_ENABLE_INTERRUPT 11 11, DUMMY_PAGE_PROTECTION_FAULT_ENABLE_DEFAULT 12 12,
        PDE0_PROTECTION_FAULT_ENABLE_INTERRUPT 13 13, PDE0_PROTECTION_FAULT_ENABLE_DEFAULT 14 14,
        VALID_PROTECTION_FAULT_ENABLE_INTERRUPT 15 15, VALID_PROTECTION_FAULT_ENABLE_DEFAULT 16 16,
        READ_PROTECTION_FAULT_ENABLE_INTERRUPT 17 17, READ_PROTECTION_FAULT_ENABLE_DEFAULT 18 18,
        WRITE_PROTECTION_FAULT_ENABLE_INTERRUPT 19 19, WRITE_PROTECTION_FAULT_ENABLE_DEFAULT 20 20,
        EXECUTE_PROTECTION_FAULT_ENABLE_INTERRUPT 21 21, EXECUTE_PROTECTION_FAULT_ENABLE_DEFAULT 22 22
    }
    "Semaphore of an invalidation engine: reads 1 when acquired." GCVM_INVALIDATE_ENG_SEM, 0, 0x1699, repeats 18 by 1 {
        SEMAPHORE 0 0
    }
    "Request to an invalidation engine." GCVM_INVALIDATE_ENG_REQ, 0, 0x16ab, repeats 18 by 1 {
        PER_VMID_INVALIDATE_REQ 15 0, FLUSH_TYPE 18 16, INVALIDATE_L2_PTES 19 19, INVALIDATE_L2_PDE0 20 20,
        INVALIDATE_L2_PDE1 21 21, INVALIDATE_L2_PDE2 22 22, INVALIDATE_L1_PTES 23 23,
        CLEAR_PROTECTION_FAULT_STATUS_ADDR 24 24, LOG_REQUEST 25 25, INVALIDATE_4K_PAGES_ONLY 26 26
    }
    "Its answer." GCVM_INVALIDATE_ENG_ACK, 0, 0x16bd, repeats 18 by 1 {
        PER_VMID_INVALIDATE_ACK 15 0, SEMAPHORE 16 16
    }
    "Range of an invalidation engine, low bits." GCVM_INVALIDATE_ENG_ADDR_RANGE_LO32, 0, 0x16cf, repeats 18 by 2 {}
    "The same, high bits." GCVM_INVALIDATE_ENG_ADDR_RANGE_HI32, 0, 0x16d0, repeats 18 by 2 {}
    "Root page table of a context, low bits." GCVM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32, 0, 0x16f3, repeats 16 by 2 {}
    "The same, high bits." GCVM_CONTEXT_PAGE_TABLE_BASE_ADDR_HI32, 0, 0x16f4, repeats 16 by 2 {}
    "First page of a context, low bits." GCVM_CONTEXT_PAGE_TABLE_START_ADDR_LO32, 0, 0x1713, repeats 16 by 2 {}
    "The same, high bits." GCVM_CONTEXT_PAGE_TABLE_START_ADDR_HI32, 0, 0x1714, repeats 16 by 2 {}
    "Last page of a context, low bits." GCVM_CONTEXT_PAGE_TABLE_END_ADDR_LO32, 0, 0x1733, repeats 16 by 2 {}
    "The same, high bits." GCVM_CONTEXT_PAGE_TABLE_END_ADDR_HI32, 0, 0x1734, repeats 16 by 2 {}
    "Contexts switched off." GCVM_CONTEXTS_DISABLE, 0, 0x1698 {}
    "Level 2 busy." GCVM_L2_STATUS, 0, 0x15bf {}
}
