//! Bus interface (NBIO): doorbells and where they are led, the place of the host data path's flush.
//!
//! Sources: Linux `nbio_v4_3.c` (`nbio_v4_3_init_registers`, `_enable_doorbell_aperture`, `_remap_hdp_registers`,
//! `_gc_doorbell_init`, `_sdma_doorbell_range`), `hdp_v6_0.c`; tinygrad `ip.py` `AM_SOC`.

use amdgpu_registers::nbif::{self, S2A_DOORBELL_ENTRY_CTRL as ENTRY};

use crate::{Device, Error};

/// Bytes of a doorbell: its place in BAR2 is its number times this.
pub const DOORBELL_BYTES: u32 = 8;
/// The first doorbell of compute (`AMDGPU_NAVI10_DOORBELL_MEC_RING0`).
pub const DOORBELL_MEC: u32 = 3;
/// The last one that the MEC takes (`AMDGPU_NAVI10_DOORBELL_USERQUEUE_END`).
pub const DOORBELL_MEC_LAST: u32 = 0x8a;
/// The first doorbell of each SDMA engine (`AMDGPU_NAVI10_DOORBELL_sDMA_ENGINE0` and `1`).
pub const DOORBELL_SDMA: [u32; 2] = [0x100, 0x10a];

/// Doorbells of SDMA in dwords: from the first of engine 0, ten for each engine.
const SDMA_FIRST: u32 = DOORBELL_SDMA[0] * 2;
const SDMA_DWORDS: u32 = 2 * 10 * 2;

/// Where in BAR5, past all registers, writes flush the host data path (`MMIO_REG_HOLE_OFFSET` rounded to a page).
const FLUSH_PAGE: u32 = 0x7_f000;

/// Whom entries of the doorbell router name (AWID): the command processor, its scheduler, SDMA.
const AWID_CP: u32 = 3;
const AWID_CP_SCHEDULER: u32 = 6;
const AWID_SDMA: u32 = 14;

/// Opens doorbells and places the flush, before anything else of the card is set up.
///
/// # Errors
/// If the card has no such registers.
pub fn set_up(device: &mut Device) -> Result<(), Error> {
    let strap = nbif::RCC_DEV0_EPF2_STRAP2::STRAP_NO_SOFT_RESET_DEV0_F2;
    device.update(nbif::RCC_DEV0_EPF2_STRAP2, &[(strap, 0)])?;
    let open = nbif::RCC_DEV0_EPF0_RCC_DOORBELL_APER_EN::BIF_DOORBELL_APER_EN.is(1);
    device.write_all(&[
        (nbif::RCC_DEV0_EPF0_RCC_DOORBELL_APER_EN, open),
        (nbif::BIF_BX0_REMAP_HDP_MEM_FLUSH_CNTL, FLUSH_PAGE),
        (nbif::BIF_BX0_REMAP_HDP_REG_FLUSH_CNTL, FLUSH_PAGE + 4),
    ])
}

/// Leads doorbells to their engines. An entry without a range takes what no other has; the values are Linux's for
/// NBIO 4.3, and tinygrad's but for the range of SDMA, which there holds one engine.
///
/// # Errors
/// If the card has no such registers.
pub fn lead_doorbells(device: &mut Device) -> Result<(), Error> {
    let entry = |awid| ENTRY::ENABLE.is(1) | ENTRY::AWID.is(awid) | ENTRY::AWADDR_31_28_VALUE.is(3);
    let sdma = ENTRY::RANGE_OFFSET.is(SDMA_FIRST) | ENTRY::RANGE_SIZE.is(SDMA_DWORDS);
    let first = nbif::S2A_DOORBELL_ENTRY_CTRL;
    device.write_all(&[
        (first, entry(AWID_CP)),
        (first.plus(3), entry(AWID_CP_SCHEDULER)),
        (first.plus(2), entry(AWID_SDMA) | sdma),
    ])
}
