//! What a driver must do about the state of a dispatch.

use crate::rule::rules;

rules! { Gfx:
    INITIATOR, "dispatch-initiator", "a dispatch has COMPUTE_SHADER_EN and FORCE_START_AT_000",
        "AMDComputeQueue.exec in tinygrad; gfx_v11_0 shaders of Linux and RADV's radv_emit_dispatch_packets";
    WAVE32, "dispatch-wave32", "waves have 32 lanes: CS_W32_EN is set. Waves of 64 are not modelled",
        "kernel_code_properties bit 10, LLVM's User Guide for AMDGPU Backend";
    GROUP_THREADS, "group-threads", "a workgroup has 1 to 1024 threads",
        "LLVM's User Guide for AMDGPU Backend, amdhsa_max_flat_workgroup_size; maxComputeWorkGroupInvocations in RADV";
    GRID, "grid-not-empty", "a dispatch has workgroups in every dimension",
        "HSA System Architecture 1.2, 2.8.1",
        tolerated "a dispatch without workgroups does nothing: vkCmdDispatch allows 0 and RADV passes it on";
    GRID_SIZE, "grid-size", "a dispatch has at most 2^28 workgroups: more would keep this model busy for hours, and come of a slip",
        "a limit of the model: a product of matrices of 2^16 by 2^16 in tiles of 64 by 64 has 2^20";
    START, "dispatch-start", "a dispatch starts at workgroup 0 and restarts nowhere",
        "COMPUTE_START_* and COMPUTE_RESTART_* are 0 in tinygrad's AMDComputeQueue.exec and in RADV";
    PROGRAM, "program-address", "a program lies where its address says, in executable pages, and is code to its end",
        "COMPUTE_PGM_LO and HI in gc_11_0_0_offset.h of Linux: the address in units of 256 bytes";
    USER_DATA, "user-data", "as many user SGPRs are set as RSRC2 says",
        "LLVM's User Guide for AMDGPU Backend, Initial Kernel Execution State",
        tolerated "what is not set holds what was there; tinygrad sets the pointers that a kernel asks for and no more";
    VGPRS, "dispatch-vgprs", "a wave has at most 256 VGPRs",
        "granulated_workitem_vgpr_count for GFX10 and 11 in LLVM's User Guide for AMDGPU Backend";
    LDS, "dispatch-lds", "a workgroup has at most 64 KiB of LDS",
        "GRANULATED_LDS_SIZE in LLVM's User Guide for AMDGPU Backend; lds_size_in_kb in tinygrad";
    SCRATCH, "dispatch-scratch", "scratch for all waves of COMPUTE_TMPRING_SIZE is mapped where the dispatch says",
        "AMDDevice._ensure_has_local_memory in tinygrad; WAVES is for one shader engine since GFX11";
    PRIVILEGED, "dispatch-privileged", "programs run without privilege",
        "PRIV in compute_pgm_rsrc1, LLVM's User Guide for AMDGPU Backend: must be 0",
        tolerated "tinygrad sets it on GFX11 (AMDProgram)";
    TRAPS, "dispatch-traps", "no exception and no trap handler is enabled: the card has none set up",
        "ENABLE_TRAP_HANDLER and ENABLE_EXCEPTION_* in compute_pgm_rsrc2, LLVM's User Guide for AMDGPU Backend";
    UNITS, "dispatch-units", "some compute unit is enabled for the queue",
        "COMPUTE_STATIC_THREAD_MGMT_SE* are all ones in gfx_v11_0_compute_mqd_init of Linux and in tinygrad";
    APERTURES, "sh-mem", "SH_MEM_CONFIG and SH_MEM_BASES of the context are set: 64-bit addresses, unaligned access, two apertures",
        "gfx_v11_0_init_compute_vmid and gfx_v11_0_constants_init in Linux; AM_GFX.init_hw in tinygrad";
    SHADER, "shader", "a program keeps the rules of the instruction set",
        "RDNA3 Instruction Set Architecture; the rules of the interpreter",
        tolerated "hardware executes most of it in silence, with undefined results";
}
