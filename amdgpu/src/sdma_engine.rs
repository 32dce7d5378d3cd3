//! The two SDMA engines: out of reset after autoload, and back into it when one hangs.
//!
//! Sources: Linux `sdma_v6_0.c` (`sdma_v6_0_gfx_resume`, `sdma_v6_0_enable`, `sdma_v6_0_soft_reset`); tinygrad `ip.py` `AM_SDMA`.

use core::time::Duration;

use amdgpu_registers::gc::GRBM_SOFT_RESET as RESET;
use amdgpu_registers::sdma::{
    self, SDMA0_CNTL as CNTL, SDMA0_F32_CNTL as F32, SDMA0_FREEZE as FREEZE,
    SDMA0_UTCL1_CNTL as UTCL1, SDMA0_UTCL1_PAGE as PAGE, SDMA0_WATCHDOG_CNTL as WATCHDOG,
};

use crate::{Device, Error, mec};

/// Engines.
pub const ENGINES: u32 = 2;
/// Dwords from a register of engine 0 to that of engine 1, and the same of its processor's control (`gc_11_0_0_offset.h`).
const STRIDE: u32 = sdma::SDMA1_CNTL.offset - sdma::SDMA0_CNTL.offset;
const F32_STRIDE: u32 = sdma::SDMA1_F32_CNTL.offset - sdma::SDMA0_F32_CNTL.offset;

/// Hundreds of milliseconds after which the watchdog tells that a queue hangs.
const HANG: u32 = 100;
/// L2 policies: reads allocate nothing, writes go past GL2 (tinygrad). Large uploads would only push out what kernels use; whoever
/// reads with a kernel what SDMA wrote, or the other way round, invalidates or writes back GL2.
const READ_NO_ALLOCATE: u32 = 2;
const WRITE_BYPASS: u32 = 3;
/// How long a reset is held (`sdma_v6_0_soft_reset`).
const RESET_TIME: Duration = Duration::from_micros(100);

/// Starts an engine, whose queues are off.
///
/// # Errors
/// If the card has no such registers.
pub fn start(device: &mut Device, engine: u32) -> Result<(), Error> {
    let of = |register: amdgpu_registers::Register| register.plus(engine * STRIDE);
    device.update(
        of(sdma::SDMA0_WATCHDOG_CNTL),
        &[(WATCHDOG::QUEUE_HANG_COUNT, HANG)],
    )?;
    device.update(
        of(sdma::SDMA0_UTCL1_CNTL),
        &[(UTCL1::RESP_MODE, 3), (UTCL1::REDO_DELAY, 9)],
    )?;
    device.update(
        of(sdma::SDMA0_UTCL1_PAGE),
        &[
            (PAGE::RD_L2_POLICY, READ_NO_ALLOCATE),
            (PAGE::WR_L2_POLICY, WRITE_BYPASS),
            (PAGE::LLC_NOALLOC, 1),
        ],
    )?;
    let run = [(F32::HALT, 0), (F32::TH1_RESET, 0)];
    device.update(sdma::SDMA0_F32_CNTL.plus(engine * F32_STRIDE), &run)?;
    device.update(of(sdma::SDMA0_CNTL), &[(CNTL::TRAP_ENABLE, 1)])
}

/// Stops and resets an engine with all its queues, which must be set up anew after [`start`].
///
/// # Errors
/// If the card has no such registers.
pub fn reset(device: &mut Device, engine: u32) -> Result<(), Error> {
    let freeze = sdma::SDMA0_FREEZE.plus(engine * STRIDE);
    device.update(freeze, &[(FREEZE::FREEZE, 1)])?;
    let halt = [(F32::HALT, 1), (F32::TH1_RESET, 1)];
    device.update(sdma::SDMA0_F32_CNTL.plus(engine * F32_STRIDE), &halt)?;
    let bit = RESET::SOFT_RESET_SDMA0.mask() << engine;
    mec::soft_reset(device, bit, RESET_TIME)?;
    device.update(freeze, &[(FREEZE::FREEZE, 0)])
}
