//! Clock gating: what has nothing to do gets no clock. Last of the bring-up, and the card works without.
//!
//! Sources: Linux `gfx_v11_0.c` (`gfx_v11_0_update_gfx_clock_gating`), `hdp_v6_0.c`; tinygrad `ip.py` `AM_GFX.init_hw`
//! (`_grbm`, the CGCG block), `AM_SOC`.

use core::time::Duration;

use amdgpu_registers::gc::{
    self, CP_INT_CNTL as CP, CP_RB_WPTR_POLL_CNTL as POLL, RLC_CGCG_CGLS_CTRL as COARSE,
    RLC_CGTT_MGCG_OVERRIDE as OVERRIDE, RLC_SAFE_MODE as SAFE,
};
use amdgpu_registers::hdp::{self, HDP_MEM_POWER_CTRL as HDP};
use amdgpu_registers::sdma::{self, SDMA0_RLC_CGCG_CTRL as SDMA};

use crate::{Device, Error};

/// Linux's `usec_timeout`.
const SAFE_LIMIT: Duration = Duration::from_millis(100);

/// Switches it on, while the RLC holds the block in safe mode.
///
/// # Errors
/// If the RLC does not answer in time.
pub fn enable(device: &mut Device) -> Result<(), Error> {
    device.write(gc::RLC_SAFE_MODE, SAFE::CMD.is(1) | SAFE::MESSAGE.is(1))?;
    let taken = (SAFE::CMD.mask(), 0);
    device.wait("RLC's safe mode", gc::RLC_SAFE_MODE, taken, SAFE_LIMIT)?;
    let enabled = set(device);
    // Whatever happened, safe mode ends.
    device.write(gc::RLC_SAFE_MODE, SAFE::CMD.is(1))?;
    enabled
}

fn set(device: &mut Device) -> Result<(), Error> {
    device.update(
        gc::RLC_CGCG_CGLS_CTRL,
        &[
            (COARSE::CGCG_EN, 1),
            (COARSE::CGLS_EN, 1),
            (COARSE::CGLS_REP_COMPANSAT_DELAY, 0xf),
            (COARSE::CGCG_GFX_IDLE_THRESHOLD, 0x36),
        ],
    )?;
    let poll = POLL::POLL_FREQUENCY.is(0x100) | POLL::IDLE_POLL_COUNT.is(0x90);
    device.write(gc::CP_RB_WPTR_POLL_CNTL, poll)?;
    // The RLC learns from the command processor when it is idle.
    device.update(
        gc::CP_INT_CNTL,
        &[
            (CP::CMP_BUSY_INT_ENABLE, 1),
            (CP::CNTX_BUSY_INT_ENABLE, 1),
            (CP::CNTX_EMPTY_INT_ENABLE, 1),
        ],
    )?;
    for register in [sdma::SDMA0_RLC_CGCG_CTRL, sdma::SDMA1_RLC_CGCG_CTRL] {
        device.update(register, &[(SDMA::CGCG_INT_ENABLE, 1)])?;
    }
    device.update(
        gc::RLC_CGTT_MGCG_OVERRIDE,
        &[
            (OVERRIDE::RLC_CGTT_SCLK_OVERRIDE, 0),
            (OVERRIDE::GFXIP_MGCG_OVERRIDE, 0),
            (OVERRIDE::GFXIP_CGCG_OVERRIDE, 0),
            (OVERRIDE::GFXIP_CGLS_OVERRIDE, 0),
            (OVERRIDE::GRBM_CGTT_SCLK_OVERRIDE, 0),
            (OVERRIDE::GFXIP_FGCG_OVERRIDE, 0),
            (OVERRIDE::GFXIP_REPEATER_FGCG_OVERRIDE, 0),
            (OVERRIDE::PERFMON_CLOCK_STATE, 1),
        ],
    )?;
    let sleep = [
        (HDP::ATOMIC_MEM_POWER_CTRL_EN, 1),
        (HDP::ATOMIC_MEM_POWER_DS_EN, 1),
    ];
    device.update(hdp::HDP_MEM_POWER_CTRL, &sleep)
}
