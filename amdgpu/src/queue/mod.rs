//! Queues of work: compute queues, which run kernels, and SDMA queues, which copy.
//!
//! # Caches
//!
//! Who writes where, and who must be told. Waves read through the caches of their compute units (GLV vector, GLK scalar, GLI
//! instructions), then GL1, then GL2. All write through to GL2, which writes back to video memory when it likes or is told.
//! Host memory is mapped uncached: GL2 does not keep it, but what is above GL2 does, until it is invalidated. SDMA goes past
//! GL2 (SDMA0_UTCL1_PAGE), and so does the processor through BAR0. The infinity cache (MALL) belongs to memory: all see it
//! alike. No kernel stores through the scalar cache (gfx11 has no such instruction), so GLK is never written back. GLM keeps
//! metadata of compressed surfaces, of which there are none; every driver invalidates it with GL2, and so do we.
//!
//! | written by | read by | what it takes | where |
//! |---|---|---|---|
//! | the processor: arguments, inputs in host memory | kernels of the next batch | GLV, GLK, GL1 invalidated | [`ComputeQueue::submit`] begins so |
//! | kernels | later kernels of the batch | CS_PARTIAL_FLUSH, then GLV, GLK, GL1 invalidated; GL2 has the data | [`Commands::barrier`] |
//! | kernels | kernels of later batches | the same: CP does not wait for the end of a batch by itself | `submit` begins so |
//! | SDMA, or the processor through BAR0 | kernels | besides, GL2 written back and invalidated: it may have old lines | [`ComputeQueue::memory_changed`] before `submit` |
//! | the same: programs | instruction fetch | besides, GLI invalidated | [`ComputeQueue::code_changed`] |
//! | kernels | SDMA, or the processor through BAR0 | GL2 written back when the batch is done | [`Release::Memory`] |
//! | kernels: host memory | the processor | that the batch is done: GL2 never had it | [`Release::Host`] |
//! | the processor: rings, indirect buffers | CP and SDMA | nothing: host memory is snooped, CP reads past the caches of waves | |
//! | the processor: MQD, page tables in video memory | CP, hubs | the host data path flushed, TLBs too | `mqd`, `memory` |
//!
//! Independent kernels need no barrier, and a batch that only they are in has none. Sources: `gfx10_cs_emit_cache_flush` in
//! Mesa's `radv_cs.c` (INV_SCACHE, INV_VCACHE, INV_L2, WB_L2 and their registers), `gfx_v11_0_emit_mem_sync` and
//! `gfx_v11_0_ring_emit_fence` in Linux, "Memory Model GFX10-GFX11" in LLVM's User Guide for AMDGPU Backend.

mod compute;
mod dispatch;
mod fence;
mod hang;
mod mqd;
pub mod pm4;
mod ring;
mod sdma;
mod sdma_packets;
mod staging;

pub use compute::{ComputeQueue, Placement, Prebuilt, Release};
pub use dispatch::{Commands, KernelCode, Needs};
pub use fence::{Fence, Progress};
pub use hang::{Hang, Reading};
pub use sdma::SdmaQueue;
pub use staging::{Slot, Staging};

use pm4::Caches;

/// What must be invalidated before a kernel sees what kernels or the processor wrote.
const FROM_KERNELS: Caches = Caches::GLV_INV.and(Caches::GLK_INV).and(Caches::GL1_INV);
/// Besides, before it sees what was written to video memory past GL2.
const FROM_OUTSIDE: Caches = Caches::GL2_WB
    .and(Caches::GL2_INV)
    .and(Caches::GLM_WB)
    .and(Caches::GLM_INV);
/// What must be written back before anybody past GL2 sees what kernels wrote.
const TO_OUTSIDE: Caches = Caches::GL2_WB.and(Caches::GLM_WB).and(Caches::GLM_INV);
