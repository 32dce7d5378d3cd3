//! What a driver must do about the compute engine, its queues, packets and dispatches.

use crate::rule::rules;

rules! { Gfx:
    GC_DOWN, "gc-before-autoload", "registers of GC are written only after the RLC has loaded its engines",
        "gfx_v11_0_wait_for_rlc_autoload_complete comes first in gfx_v11_0_hw_init of Linux";
    MEC_START, "mec-start", "the MEC starts where its firmware says, in dwords",
        "gfx_v11_0_config_gfx_rs64 in Linux; AM_GFX._config_mec in tinygrad";
    MEC_RUNS, "mec-runs", "a queue is activated on a pipe that is active, not in reset and not halted",
        "gfx_v11_0_cp_compute_enable before gfx_v11_0_kcq_resume in Linux; AM_GFX._enable_mec in tinygrad";
    HQD_SELECT, "hqd-select", "registers of a queue are written with a compute pipe selected in GRBM_GFX_CNTL",
        "soc21_grbm_select(adev, 1, pipe, queue, 0) in gfx_v11_0 of Linux";
    HQD_VMID, "hqd-vmid", "the context of a queue is enabled in the GC hub when the queue is activated",
        "gfxhub_v3_0_gart_enable before gfx_v11_0_cp_resume in Linux";
    HQD_RING, "hqd-ring", "a queue has a ring: a base, and 2^(QUEUE_SIZE + 1) dwords from 256 to 2^27",
        "gfx_v11_0_compute_mqd_init in Linux";
    HQD_POINTERS, "hqd-pointers", "a queue is activated with read and write pointer at 0",
        "gfx_v11_0_compute_mqd_init in Linux resets both";
    HQD_REPORT, "hqd-report", "a queue has an aligned place for its read pointer and one of 8 bytes for its write pointer",
        "cp_hqd_pq_rptr_report_addr and cp_hqd_pq_wptr_poll_addr in gfx_v11_0_compute_mqd_init of Linux";
    HQD_EOP, "hqd-eop", "a queue has a buffer for end-of-pipe events",
        "AMDComputeQueue.signal in tinygrad: without one RELEASE_MEM uses a null pointer; gfx_v11_0_mec_init in Linux";
    HQD_DOORBELL, "hqd-doorbell", "the doorbell of a queue is enabled and lies in the range that the MEC takes",
        "CP_MEC_DOORBELL_RANGE_* in gfx_v11_0_cp_set_doorbell_range of Linux";
    MQD_PLACE, "mqd-place", "a queue's MQD is in video memory, by MC address, aligned to 256 bytes",
        "amdgpu_gfx_mqd_sw_init in Linux; AM_GFX.setup_ring in tinygrad";
    MQD_HEADER, "mqd-header", "an MQD begins with 0xC0310800",
        "gfx_v11_0_compute_mqd_init in Linux; AM_GFX.setup_ring in tinygrad";
    MQD_MATCHES, "mqd-matches", "when work comes to a queue, its MQD in memory says what its registers say",
        "gfx_v11_0_kcq_init_queue in Linux writes memory first and loads registers from it; AM_GFX.setup_ring in tinygrad";
    DOORBELL_WIDTH, "compute-doorbell-width", "a compute doorbell is written as 64 bits at once",
        "WDOORBELL64 in gfx_v11_0_ring_set_wptr_compute of Linux";
    WPTR_BACKWARDS, "wptr-backwards", "a write pointer never moves backwards",
        "amdgpu_ring_commit in Linux";
    RING_OVERFLOW, "ring-overflow", "a write pointer is at most one ring ahead of the read pointer",
        "amdgpu_ring_alloc in Linux";
    WPTR_MEMORY, "wptr-in-memory", "the write pointer is in memory before the doorbell carries it",
        "gfx_v11_0_ring_set_wptr_compute in Linux",
        tolerated "the doorbell carries the same value; CP_PQ_WPTR_POLL_CNTL is off in gfx_v11_0_kiq_init_register of Linux";
    PACKET_TYPE, "packet-type", "packets are of type 3, or of type 2 as filler",
        "nvd.h in Linux: PACKET_TYPE0 to PACKET_TYPE3; no driver of this card sends 0 or 1",
        tolerated "the MEC stops the queue and tells it by interrupt";
    PACKET_LENGTH, "packet-length", "a packet ends before the write pointer, or before the end of its buffer",
        "amdgpu_ring_commit and amdgpu_ib_schedule in Linux: whole packets are committed",
        tolerated "the MEC waits for the rest";
    PACKET_OPCODE, "packet-opcode", "opcodes are those that the MEC knows",
        "CP_BAD_OPCODE_ERROR, irqsrcs_gfx_11_0_0.h in Linux",
        tolerated "the MEC stops the queue and tells it by interrupt 183, gfx_v11_0_bad_op_irq in Linux";
    PACKET_SIZE, "packet-size", "a packet has as many dwords as its opcode needs",
        "nvd.h in Linux";
    PACKET_REGISTER, "packet-register", "packets name registers that exist, and write those of GC but for queues', the MM hub's and GPU_HDP_FLUSH_REQ",
        "SET_SH_REG and SET_UCONFIG_REG ranges in nvd.h of Linux; COPY_DATA, WRITE_DATA and WAIT_REG_MEM name dwords of the aperture",
        tolerated "tinygrad writes performance counters and thread trace registers that this model does not have";
    SH_REGISTER, "sh-register", "SET_SH_REG on a compute queue writes registers of compute",
        "COMPUTE_* lie in the range of SET_SH_REG, gc_11_0_0_offset.h in Linux";
    IB_VALID, "ib-valid", "an indirect buffer is valid, aligned to dwords and not empty, and nests at most twice",
        "INDIRECT_BUFFER_VALID in nvd.h and gfx_v11_0_ring_emit_ib_compute in Linux";
    WRITE_DATA_FORM, "write-data", "WRITE_DATA goes to a register or to memory that is aligned to dwords",
        "gfx_v11_0_ring_emit_wreg and nvd.h in Linux";
    RELEASE_EVENT, "release-event", "RELEASE_MEM has event CACHE_FLUSH_AND_INV_TS with index 5",
        "gfx_v11_0_ring_emit_fence in Linux; AMDComputeQueue.release_mem in tinygrad";
    RELEASE_ALIGNMENT, "release-alignment", "RELEASE_MEM writes 4 bytes at a multiple of 4, and 8 at a multiple of 8",
        "gfx_v11_0_ring_emit_fence in Linux has both as assertions";
    GCR_GLM, "gcr-glm", "GLM_WB and GLM_INV come together",
        "gfx_v11_0_ring_emit_fence in Linux sets both; SI_CONTEXT_INV_L2_METADATA in Mesa's si_gfx_cs.c: GLM doesn't support WB alone";
    GCR_WHOLE, "gcr-whole", "caches are invalidated and written back whole: GLI_INV ALL, ranges ALL and everywhere, no US, no DISCARD",
        "gfx_v11_0_emit_mem_sync in Linux and AMDComputeQueue.acquire_mem in tinygrad; fields: PACKET3_ACQUIRE_MEM in nvd.h of Linux",
        tolerated "a cache may lose or write back any line at any time, so all of them is within what a part may do";
    EVENT_INDEX, "event-index", "CS_PARTIAL_FLUSH has event index 4",
        "EVENT_INDEX in nvd.h of Linux; AMDComputeQueue.exec in tinygrad";
    WAIT_FORM, "wait-form", "WAIT_REG_MEM polls a register or aligned memory, with a function that exists",
        "gfx_v11_0_wait_reg_mem in Linux has the alignment as an assertion";
    WAIT_FOREVER, "wait-forever", "no queue waits for more than a minute",
        "lockup_timeout in amdgpu_drv.c of Linux: 60 s for compute by default",
        tolerated "hardware polls on";
    DEQUEUE_ACTIVE, "dequeue-active", "only an active queue is asked to dequeue",
        "gfx_v11_0_compute_mqd_init callers and kgd_gfx_v11 hqd_destroy in Linux look at CP_HQD_ACTIVE first";
}
