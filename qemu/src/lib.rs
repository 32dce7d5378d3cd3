//! Host tools around the kernel image.
//!
//! What it is for: building the kernel ([`kernel`]), laying out disks ([`image`]), and running a guest in QEMU with its
//! console, its forwarded port and its clean end in hand ([`guest`]). The programs `cargo boot` and `cargo image` are thin
//! shells over this library, and the whole-system tests use the same calls.
//!
//! What it never does: it is not linked into the kernel, and needs no privilege but the package manager's where QEMU
//! has to be installed ([`setup`]).
//!
//! Where to start reading: [`guest::Guest::start`].
#![forbid(unsafe_code)]

pub mod cache;
pub mod debian;
pub mod firmware;
pub mod guest;
pub mod image;
pub mod kernel;
pub mod options;
pub mod setup;
pub mod symbols;
