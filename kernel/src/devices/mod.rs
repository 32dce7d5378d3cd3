//! The devices that the kernel drives: found by [`crate::pci`], spoken to through their registers and DMA.
//!
//! A driver trusts no answer of its device and waits for none without a deadline. What happens at the deadline: the
//! device loses its bus mastering, so that memory which it might still write to is safe again, and is not used any more.

#[cfg(not(test))]
pub mod block;
pub mod e1000e;
#[cfg(not(test))]
pub mod ecam;
#[cfg(not(test))]
pub mod nic;
#[cfg(not(test))]
pub mod virtio;
#[cfg(not(test))]
pub mod virtio_net;
