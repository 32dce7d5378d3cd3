//! The compute engine (MEC) and what surrounds it in GC: from what autoload leaves, halted and in reset, to running.
//!
//! Sources: Linux `gfx_v11_0.c` (`gfx_v11_0_hw_init` and what it calls); tinygrad `ip.py` `AM_GFX`.

use core::time::Duration;

use amdgpu_registers::gc::{
    self, CP_ME1_PIPE_INT_CNTL as INTERRUPTS, CP_MEC_RS64_CNTL as MEC, GRBM_GFX_CNTL as SELECT,
    GRBM_GFX_INDEX as INDEX, GRBM_SOFT_RESET as RESET, SH_MEM_BASES, SH_MEM_CONFIG,
};
use amdgpu_registers::{Field, Register};

use crate::discovery::Shape;
use crate::nbio::{DOORBELL_BYTES, DOORBELL_MEC_LAST};
use crate::{Device, Error};

/// Engine number of the first MEC.
const ME: u32 = 1;
/// Its pipes.
const PIPES: u32 = 4;
/// Contexts of memory.
const VMIDS: u32 = 16;

/// A real card needs 126 ms for all firmware and autoload; Linux waits 100 ms after the last of it, tinygrad 10 s.
const AUTOLOAD_LIMIT: Duration = Duration::from_secs(3);
/// After the start of the MEC: Linux 50 us, tinygrad 50 ms.
const START_TIME: Duration = Duration::from_millis(50);
/// How long a reset is held: tinygrad; Linux 50 us (`gfx_v11_0_soft_reset`).
const RESET_TIME: Duration = Duration::from_millis(50);

const RESETS: [Field; PIPES as usize] = [
    MEC::MEC_PIPE0_RESET,
    MEC::MEC_PIPE1_RESET,
    MEC::MEC_PIPE2_RESET,
    MEC::MEC_PIPE3_RESET,
];
const ACTIVE: [Field; PIPES as usize] = [
    MEC::MEC_PIPE0_ACTIVE,
    MEC::MEC_PIPE1_ACTIVE,
    MEC::MEC_PIPE2_ACTIVE,
    MEC::MEC_PIPE3_ACTIVE,
];

/// Waits until the RLC has loaded and started all engines (`gfx_v11_0_wait_for_rlc_autoload_complete`): the command processor is at rest
/// and the load is complete. tinygrad goes on when either holds, which is not what is needed.
///
/// # Errors
/// If they are not in time.
pub fn wait_for_autoload(device: &mut Device) -> Result<(), Error> {
    let complete = gc::RLC_RLCS_BOOTLOAD_STATUS::BOOTLOAD_COMPLETE.mask();
    let status = gc::RLC_RLCS_BOOTLOAD_STATUS;
    let what = "autoload by the RLC";
    device.wait(what, status, (complete, complete), AUTOLOAD_LIMIT)?;
    let what = "command processor, at rest after autoload";
    device.wait(what, gc::CP_STAT, (u32::MAX, 0), AUTOLOAD_LIMIT)?;
    Ok(())
}

/// Sets up what surrounds the MEC (`gfx_v11_0_constants_init`, `gfx_v11_0_rlc_resume`, golden registers).
///
/// # Errors
/// If the card has no such registers.
pub fn set_up(device: &mut Device) -> Result<(), Error> {
    // A golden value without a name (`golden_settings_gc_11_0`).
    let settings = device.read(gc::TCP_CNTL)? | 0x2000_0000;
    device.write(gc::TCP_CNTL, settings)?;
    let srm = [
        (gc::RLC_SRM_CNTL::SRM_ENABLE, 1),
        (gc::RLC_SRM_CNTL::AUTO_INCR_ADDR, 1),
    ];
    device.update(gc::RLC_SRM_CNTL, &srm)?;
    // No VMID: performance monitoring is not used.
    device.write(gc::RLC_SPM_MC_CNTL, 0xf)?;
    device.update(gc::GRBM_CNTL, &[(gc::GRBM_CNTL::READ_TIMEOUT, 0xff)])?;
    for vmid in 0..VMIDS {
        device.write_all(&[
            (gc::GRBM_GFX_CNTL, SELECT::VMID.is(vmid)),
            // 64-bit addresses, unaligned access, prefetch of instructions as after reset (`DEFAULT_SH_MEM_CONFIG`).
            (
                gc::SH_MEM_CONFIG,
                SH_MEM_CONFIG::ALIGNMENT_MODE.is(3) | SH_MEM_CONFIG::INITIAL_INST_PREFETCH.is(3),
            ),
            // Flat apertures of LDS and scratch, in units of 2^48, as tinygrad has them.
            (
                gc::SH_MEM_BASES,
                SH_MEM_BASES::SHARED_BASE.is(1) | SH_MEM_BASES::PRIVATE_BASE.is(2),
            ),
        ])?;
    }
    device.write_all(&[
        (gc::GRBM_GFX_CNTL, 0),
        (gc::CP_MEC_DOORBELL_RANGE_LOWER, 0),
        (
            gc::CP_MEC_DOORBELL_RANGE_UPPER,
            DOORBELL_MEC_LAST * DOORBELL_BYTES,
        ),
    ])
}

/// Starts all pipes at the byte address that the firmware names (`gfx_v11_0_config_gfx_rs64`,
/// `gfx_v11_0_cp_compute_enable`), and has them report what they cannot execute (`gfx_v11_0_set_bad_op_fault_state`).
///
/// # Errors
/// If the card has no such registers.
pub fn start(device: &mut Device, address: u64) -> Result<(), Error> {
    // Programs are addressed in dwords.
    let start = address >> 2;
    for pipe in 0..PIPES {
        device.write_all(&[
            (
                gc::GRBM_GFX_CNTL,
                SELECT::MEID.is(ME) | SELECT::PIPEID.is(pipe),
            ),
            (gc::CP_MEC_RS64_PRGRM_CNTR_START, start as u32),
            (gc::CP_MEC_RS64_PRGRM_CNTR_START_HI, (start >> 32) as u32),
        ])?;
    }
    device.write(gc::GRBM_GFX_CNTL, 0)?;
    // A reset takes the addresses over.
    device.update(gc::CP_MEC_RS64_CNTL, &RESETS.map(|field| (field, 1)))?;
    device.update(gc::CP_MEC_RS64_CNTL, &RESETS.map(|field| (field, 0)))?;
    let run = [(MEC::MEC_INVALIDATE_ICACHE, 0), (MEC::MEC_HALT, 0)];
    let mut fields = [run[0]; 6];
    fields[..4].copy_from_slice(&ACTIVE.map(|field| (field, 1)));
    fields[4..].copy_from_slice(&run);
    device.update(gc::CP_MEC_RS64_CNTL, &fields)?;
    device.bus().pause(START_TIME);
    for pipe in 0..PIPES {
        let errors = [
            (INTERRUPTS::OPCODE_ERROR_INT_ENABLE, 1),
            (INTERRUPTS::PRIV_REG_INT_ENABLE, 1),
            (INTERRUPTS::PRIV_INSTR_INT_ENABLE, 1),
        ];
        device.update(gc::CP_ME1_PIPE_INT_CNTL.plus(pipe), &errors)?;
    }
    Ok(())
}

/// Halts the MEC and resets it with all its queues, which must not be used any more (tinygrad `AM_GFX.reset_mec`; Linux
/// `gfx_v11_0_soft_reset`). [`start`] brings it back.
///
/// # Errors
/// If the card has no such registers.
pub fn reset(device: &mut Device) -> Result<(), Error> {
    device.update(gc::CP_MEC_RS64_CNTL, &[(MEC::MEC_HALT, 1)])?;
    let engines = RESET::SOFT_RESET_CP.is(1) | RESET::SOFT_RESET_CPC.is(1);
    soft_reset(device, engines, RESET_TIME)?;
    device.write(gc::GRBM_GFX_CNTL, 0)
}

/// Holds engines in reset for a while.
pub(crate) fn soft_reset(device: &mut Device, engines: u32, time: Duration) -> Result<(), Error> {
    for held in [engines, 0] {
        device.write(gc::GRBM_SOFT_RESET, held)?;
        device.read(gc::GRBM_SOFT_RESET)?;
        device.bus().pause(time);
    }
    Ok(())
}

/// Compute units that are neither fused off nor switched off (`gfx_v11_0_get_cu_info`).
///
/// # Errors
/// If the card has no such registers.
pub fn compute_units(device: &mut Device, shape: &Shape) -> Result<u32, Error> {
    use gc::{CC_GC_SA_UNIT_DISABLE, CC_GC_SHADER_ARRAY_CONFIG};
    let arrays = [CC_GC_SA_UNIT_DISABLE, gc::GC_USER_SA_UNIT_DISABLE];
    let arrays = off(device, arrays, CC_GC_SA_UNIT_DISABLE::SA_DISABLE)?;
    let mut units = 0;
    for number in 0..shape.engines * shape.arrays {
        if arrays >> number & 1 == 1 {
            continue;
        }
        let select = INDEX::SE_INDEX.is(number / shape.arrays)
            | INDEX::SA_INDEX.is(number % shape.arrays)
            | INDEX::INSTANCE_BROADCAST_WRITES.is(1);
        device.write(gc::GRBM_GFX_INDEX, select)?;
        let wgps = [CC_GC_SHADER_ARRAY_CONFIG, gc::GC_USER_SHADER_ARRAY_CONFIG];
        let wgps = off(device, wgps, CC_GC_SHADER_ARRAY_CONFIG::INACTIVE_WGPS)?;
        units += 2 * (!wgps & ((1 << shape.wgps) - 1)).count_ones();
    }
    let broadcast = INDEX::SE_BROADCAST_WRITES.is(1)
        | INDEX::SA_BROADCAST_WRITES.is(1)
        | INDEX::INSTANCE_BROADCAST_WRITES.is(1);
    device.write(gc::GRBM_GFX_INDEX, broadcast)?;
    if units == 0 {
        return Err(Error::Unexpected {
            what: "compute units",
            found: 0,
            expected: "some that are not fused off",
        });
    }
    Ok(units)
}

/// What is fused off or switched off, a bit each.
fn off(device: &mut Device, registers: [Register; 2], field: Field) -> Result<u32, Error> {
    let [fused, switched] = registers;
    Ok(field.of(device.read(fused)? | device.read(switched)?))
}
