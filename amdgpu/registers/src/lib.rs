//! The registers of RDNA3 cards that driver and device model use: names, places, reset values and fields, as tables.
//!
//! Names and numbers are those of AMD's headers in Linux (`drivers/gpu/drm/amd/include/asic_reg`); each file names its own.
//! A register's place is relative to the base addresses of its IP block, which a card lists in its discovery table, so that
//! one table serves every card with the same version of a block. [`Bases`] makes addresses of places.
//!
//! What it never does: access anything.
//!
//! Start reading at [`Register`]; [`tables`] lists everything.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod register;

pub mod gc;
pub mod hdp;
pub mod mmhub;
pub mod mp;
pub mod nbif;
pub mod osssys;
pub mod sdma;
pub mod smuio;

pub use register::{Bases, Field, Info, Ip, Register};

/// Every table.
#[must_use]
pub const fn tables() -> [&'static [Info]; 8] {
    [
        gc::TABLE,
        sdma::TABLE,
        mmhub::TABLE,
        nbif::TABLE,
        mp::TABLE,
        osssys::TABLE,
        hdp::TABLE,
        smuio::TABLE,
    ]
}
