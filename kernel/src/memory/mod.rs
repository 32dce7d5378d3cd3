//! Physical and virtual memory.
//!
//! The virtual address space, from below: nothing in the lower half (so that a null pointer faults); all RAM at
//! [`DIRECT_MAP`]; the image at the top, each section with its own permission.

#[cfg(not(test))]
pub mod image;
pub mod range;

pub use range::{PAGE_BYTES, PhysRange};

/// Where all of physical RAM is mapped.
pub const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;
