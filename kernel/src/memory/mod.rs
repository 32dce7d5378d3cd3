//! Physical and virtual memory.
//!
//! The virtual address space, from below: nothing in the lower half (a null pointer faults); all RAM at
//! [`DIRECT_MAP`], writable and never executable; device registers; stacks with unmapped pages between them; the image at the
//! top, each section with its own permission and nothing both writable and executable. All cores share the one tree of page
//! tables. RAM is writable at one address, but for stacks, whose frames keep their place in the direct map, where nothing
//! uses it; and while other cores start, the page that they start in is executable in the lower half besides.
//!
//! `bitmap`, `paging` and `range` are the algorithms, free of hardware; `frames`, `space`, `image` and `heap` are the one
//! instance of each that the kernel runs on.

pub mod bitmap;
pub mod paging;
pub mod range;

#[cfg(not(test))]
pub mod frames;
#[cfg(not(test))]
pub mod heap;
#[cfg(not(test))]
pub mod image;
#[cfg(not(test))]
pub mod space;

pub use paging::{Access, Caching, MapError};
pub use range::{PAGE_BYTES, PhysRange};
#[cfg(not(test))]
pub use space::{direct_map, map_device, virt_to_phys};

/// Where all of physical RAM is mapped.
pub const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;
