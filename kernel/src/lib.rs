//! The parts of the kernel that need no hardware, so that they run under the host's tests.
#![cfg_attr(not(test), no_std)]
