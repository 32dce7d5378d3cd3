//! The kernel: everything between the hardware and the inference engine.
//!
//! Two kinds of module. Those that touch no hardware (parsers, allocators, tables) are compiled for the host's tests as well
//! and are tested there; the rest is left out of them. Start reading at `main.rs`, which is the boot as a list of steps.
//!
//! It never knows what a token is: models, sequences and requests are `inference`'s and `serving`'s.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

// Without hardware.
pub mod acpi;
pub mod budget;
pub mod calendar;
pub mod disk;
pub mod fork_join;
pub mod net;
pub mod options;
pub mod pci;
pub mod ring;
mod runtime;
pub mod shell;
pub mod symbols;

pub mod devices;
pub mod memory;

// On hardware.
#[cfg(not(test))]
pub mod boot;
#[cfg(not(test))]
pub mod console;
#[cfg(not(test))]
pub mod cores;
#[cfg(not(test))]
pub mod cpu;
#[cfg(not(test))]
pub mod crash;
#[cfg(not(test))]
pub mod panic;
#[cfg(not(test))]
pub mod power;
#[cfg(not(test))]
pub mod serial;
#[cfg(not(test))]
pub mod serve;
#[cfg(not(test))]
pub mod time;
