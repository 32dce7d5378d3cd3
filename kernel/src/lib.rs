//! The parts of the kernel that need no hardware, so that they run under the host's tests.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod disk;
pub mod pci;
