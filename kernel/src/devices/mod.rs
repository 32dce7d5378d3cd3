//! The devices that the kernel drives: found by [`crate::pci`], spoken to through their registers and DMA.
//!
//! A driver trusts no answer of its device and waits for none without a deadline. What happens at the deadline: the
//! device loses its bus mastering, so that memory which it might still write to is safe again, and is not used any more.

#[cfg(not(test))]
pub mod block;
pub mod e1000e;
#[cfg(not(test))]
pub mod ecam;
pub mod gpu;
#[cfg(not(test))]
pub mod nic;
pub mod nvme;
#[cfg(not(test))]
pub mod virtio;
#[cfg(not(test))]
pub mod virtio_blk;
#[cfg(not(test))]
pub mod virtio_net;

/// The address that a device reaches a buffer at.
#[cfg(not(test))]
fn dma_address(first: *mut u8) -> u64 {
    let physical = crate::memory::virt_to_phys(first);
    // PANIC: every buffer that is passed to a driver is a mapped one.
    let physical = physical.expect("a mapped buffer");
    assert!(
        crate::memory::direct_map(physical) == first,
        "a DMA buffer must lie in the direct map, where neighbouring addresses are neighbours in memory"
    );
    physical.as_u64()
}
