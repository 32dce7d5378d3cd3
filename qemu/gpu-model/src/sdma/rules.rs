//! What a driver must do about SDMA engines, their queues and packets.

use crate::rule::rules;

rules! { Sdma:
    RUNS, "sdma-runs", "a queue is enabled while its engine is neither halted nor in reset",
        "sdma_v6_0_enable and sdma_v6_0_gfx_resume in Linux; AM_SDMA.init_hw in tinygrad";
    TRANSLATION, "sdma-translation", "an engine's translation has RESP_MODE 3 and REDO_DELAY 9 before a queue is enabled",
        "SDMA0_UTCL1_CNTL in sdma_v6_0_gfx_resume of Linux and in tinygrad's AM_SDMA.init_hw";
    RING, "sdma-ring", "a queue has a ring: a base, and 2^RB_SIZE dwords from 64 to 2^26",
        "sdma_v6_0_gfx_resume in Linux; AM_SDMA.setup_ring in tinygrad";
    POINTERS, "sdma-pointers", "a queue is enabled empty, with pointers that are multiples of 4",
        "sdma_v6_0_gfx_resume in Linux; AM_SDMA.setup_ring in tinygrad";
    REPORT, "sdma-report", "a queue that writes its read pointer or polls its write pointer has an aligned place for it",
        "SDMA0_QUEUE0_RB_RPTR_ADDR and RB_WPTR_POLL_ADDR in sdma_v6_0_gfx_resume of Linux";
    VMID, "sdma-vmid", "the context of a queue is enabled in the GC hub when the queue is enabled",
        "gfxhub_v3_0_gart_enable before sdma_v6_0_start in Linux";
    DOORBELL, "sdma-doorbell", "a queue has its doorbell enabled before it is enabled",
        "SDMA0_QUEUE0_DOORBELL in sdma_v6_0_gfx_resume of Linux; AM_SDMA.setup_ring in tinygrad";
    WIDTH, "sdma-doorbell-width", "an SDMA doorbell is written as 64 bits at once",
        "WDOORBELL64 in sdma_v6_0_ring_set_wptr of Linux";
    ALIGNED, "sdma-wptr-aligned", "a write pointer is a multiple of 4 bytes",
        "sdma_v6_0_ring_set_wptr in Linux: wptr << 2";
    BACKWARDS, "sdma-wptr-backwards", "a write pointer never moves backwards",
        "amdgpu_ring_commit in Linux";
    OVERFLOW, "sdma-ring-overflow", "a write pointer is at most one ring ahead of the read pointer",
        "amdgpu_ring_alloc in Linux; AMDCopyQueue._submit in tinygrad waits for room";
    WPTR_MEMORY, "sdma-wptr-in-memory", "the write pointer is in memory before the doorbell carries it, where the engine polls it",
        "sdma_v6_0_ring_set_wptr in Linux; AMDQueueDesc.signal_doorbell in tinygrad",
        tolerated "the doorbell carries the same value";
    STRADDLE, "sdma-straddle", "no packet goes on from the end of the ring at its beginning",
        "sdma_v6_0_ring_insert_nop in Linux; AMDCopyQueue._submit in tinygrad fills the rest with zeros";
    LENGTH, "sdma-packet-length", "a packet ends before the write pointer, or before the end of its buffer",
        "amdgpu_ring_commit in Linux: whole packets are committed";
    OPCODE, "sdma-opcode", "opcodes are those that the engine knows, and of their kinds those that are modelled: linear copies, plain writes, fills, polls",
        "sdma_v6_0_0_pkt_open.h in Linux";
    DWORDS, "sdma-dword-aligned", "WRITE, FENCE, FILL of dwords and polls of memory go to multiples of 4",
        "sdma_v6_0_0_pkt_open.h in Linux; sdma_v6_0_ring_emit_fence has it as an assertion";
    STAMP, "sdma-timestamp-aligned", "a timestamp goes to a multiple of 8",
        "SDMA_PKT_TIMESTAMP_GET_GLOBAL: address bits 31:3 in sdma_v6_0_0_pkt_open.h of Linux";
    INDIRECT_END, "sdma-indirect-end", "an INDIRECT packet ends at a multiple of 8 dwords",
        "sdma_v6_0_ring_emit_ib in Linux; AMDCopyQueue._submit in tinygrad";
    INDIRECT_FORM, "sdma-indirect-form", "indirect buffers are enabled, start at multiples of 32 bytes and have multiples of 8 dwords",
        "sdma_v6_0_ring_emit_ib and sdma_v6_0_ring_pad_ib in Linux";
    SRBM, "sdma-register-write", "SRBM_WRITE writes all four bytes",
        "sdma_v6_0_ring_emit_wreg in Linux";
    POLL, "sdma-poll", "a poll has a function that exists",
        "sdma_v6_0_0_pkt_open.h in Linux";
    FOREVER, "sdma-wait-forever", "no queue waits for more than 10 seconds",
        "lockup_timeout in amdgpu_drv.c of Linux: 10 s for SDMA by default; SDMA0_WATCHDOG_CNTL of both drivers says the same",
        tolerated "a poll with retry count 0xfff goes on";
}
