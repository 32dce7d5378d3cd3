//! What a driver must do about memory hubs, page tables and translations.

use crate::rule::rules;

rules! { Gmc:
    AGP_OFF, "agp-off", "a hub is used with its AGP aperture disabled: bottom above top",
        "mmhub_v3_0_init_system_aperture_regs, gfxhub_v3_0 in Linux; AM_GMC.init_hub in tinygrad";
    SYSTEM_APERTURE, "system-aperture", "the system aperture lies within video memory's MC addresses when a hub is used",
        "mmhub_v3_0_init_system_aperture_regs in Linux; AM_GMC.init_hub in tinygrad";
    DEFAULT_PAGES, "default-pages", "stray and faulting accesses have a page of video memory of their own when a hub is used",
        "SYSTEM_APERTURE_DEFAULT_ADDR and L2_PROTECTION_FAULT_DEFAULT_ADDR in mmhub_v3_0.c of Linux and in tinygrad's AM_GMC.init_hub";
    L1_TLB, "l1-tlb-control", "the L1 TLB is on, with system access mode 3 and the advanced driver model, when a hub is used",
        "mmhub_v3_0_init_tlb_regs in Linux; MX_L1_TLB_CNTL in tinygrad's AM_GMC.init_hub";
    L2_CACHE, "l2-cache-control", "the L2 cache of translations is on and has the geometry of both known drivers when a hub is used",
        "mmhub_v3_0_init_cache_regs in Linux; VM_L2_CNTL to VM_L2_CNTL4 in tinygrad's AM_GMC.init_hub";
    IDENTITY_OFF, "identity-aperture-off", "the identity aperture of context 1 is disabled when a hub is used: low above high",
        "mmhub_v3_0_disable_identity_aperture in Linux; AM_GMC.init_hub in tinygrad";
    CONTEXT, "context-control", "a context in use has tables of 512 entries, and its range of addresses is not empty",
        "mmhub_v3_0_setup_vmid_config in Linux; AM_GMC.enable_vm_addressing in tinygrad";
    ROOT_TABLE, "root-table", "the root of a context in use is an entry with its valid bit",
        "amdgpu_gmc_pd_addr in Linux; AM_GMC.enable_vm_addressing in tinygrad";
    TABLE_ADDRESS, "page-table-address", "a page table is a page of video or host memory",
        "amdgpu_vm_pt.c in Linux: tables are buffers aligned to their size";
    PTE_RESERVED, "pte-reserved-bits", "no bit without a meaning is set in the entry of a page",
        "AMDGPU_PTE_* in amdgpu_vm.h of Linux";
    PTE_ADDRESS, "pte-address", "a page lies in video memory, or below 2^44 on the bus",
        "dma_bits 44 in gmc_v11_0_sw_init of Linux; address_space_mask in tinygrad's AM_GMC";
    HUGE_LEAF, "huge-page-alignment", "a page above 4 KiB is aligned to its size",
        "amdgpu_vm_pte_update_flags and amdgpu_vm_pt.c in Linux",
        tolerated "tinygrad maps huge pages by the alignment of the virtual address alone (PageTableTraverseContext.next), and its \
            results on real cards are right: the offset in the page is added";
    FRAGMENT, "fragment-run", "the pages of a fragment are aligned and contiguous, and have the same flags",
        "amdgpu_vm_pte_fragment in Linux",
        tolerated "tinygrad takes fragment sizes from a virtual address that it has already advanced and never looks at the \
            physical one (MemoryManager.map_range); it runs with ENABLE_L2_FRAGMENT_PROCESSING 0";
    SYSTEM_SNOOPED, "system-page-snooped", "a host page that caches may keep is snooped",
        "AMDGPU_PTE_SNOOPED for cached TTM pages, amdgpu_ttm_tt_pde_flags in Linux";
    STALE_TRANSLATION, "stale-translation", "no translation is used that a TLB holds and page tables no longer say",
        "amdgpu_vm_flush and gmc_v11_0_flush_gpu_tlb in Linux",
        tolerated "tinygrad unmaps without a flush and relies on the one of its next mapping (MemoryManager.unmap_range)";
    FLUSH_HUB, "flush-before-hub", "no TLB of a hub is flushed whose context 0 is not enabled yet",
        "hub_initted in tinygrad's AM_GMC.flush_tlb; gmc_v11_0_flush_gpu_tlb in Linux returns while the ring is not ready";
    FLUSH_SEMAPHORE, "flush-semaphore", "an invalidation of the MM hub is requested under its semaphore",
        "gmc_v11_0_flush_gpu_tlb in Linux: without it an entry may be lost when the hub leaves a power-gated state";
    FLUSH_RANGE, "flush-range", "an invalidation engine has every page for its range; ranges are not modelled",
        "mmhub_v3_0_program_invalidation and gfxhub_v3_0 in Linux; ADDR_RANGE in tinygrad's AM_GMC.init_hub: both 0x1fffffffff";
    FLUSH_REQUEST, "flush-request", "an invalidation names a context, all levels of page tables and the L1 TLBs, and pages of any size",
        "mmhub_v3_0_get_invalidate_req in Linux; AM_GMC.flush_tlb in tinygrad";
    BUS_MASTER, "bus-mastering", "host memory is accessed only with bus mastering on in the command register",
        "PCI Local Bus Specification 3.0, 6.2.2";
    HOST_PAGE, "host-memory", "a bus address that is accessed is memory of the machine",
        "a read of nothing is an unsupported request, PCI Express Base Specification 4.0, 2.3.1";
}
