//! How PSP reads video memory: by MC address, and only what was written.

use std::fmt;

use crate::fabric::Fabric;
use crate::rule::{Rule, Violation, rules};
use crate::vram::Vram;

rules! { Psp:
    WRITTEN, "psp-memory-written", "what PSP reads was written since power-on or reset",
        "Linux amdgpu_psp.c clears buffers (memset of fw_pri_buf and cmd_buf_mem) and copies images in whole";
}

/// MC address of video memory's first byte, as kernel logs of RX 7900 XTX cards show it.
pub(crate) const VRAM_MC: u64 = 0x80_0000_0000;

/// The offset in video memory of an MC address with so many bytes behind it.
pub(crate) fn offset(mc: u64, bytes: u64) -> Option<u64> {
    let offset = mc.checked_sub(VRAM_MC)?;
    Vram::holds(offset, usize::try_from(bytes).ok()?).then_some(offset)
}

/// The same, for an address that a driver gave under a rule.
pub(crate) fn place(
    fabric: &mut Fabric,
    mc: u64,
    bytes: u64,
    rule: Rule,
    what: fmt::Arguments<'_>,
) -> Result<u64, Violation> {
    let found = offset(mc, bytes);
    let why =
        format_args!("{what}: {mc:#x} with {bytes:#x} bytes is no MC address in video memory");
    fabric.require(found.is_some(), rule, why)?;
    Ok(found.unwrap_or(0))
}

/// Reads bytes, which may lie outside video memory: then nobody wrote them.
pub(crate) fn load(
    fabric: &mut Fabric,
    offset: u64,
    out: &mut [u8],
    what: fmt::Arguments<'_>,
) -> Result<(), Violation> {
    let inside = Vram::holds(offset, out.len());
    if inside {
        fabric.vram_load(offset, out)?;
    }
    let written = inside && !fabric.vram.undefined(offset, out.len());
    fabric.require(
        written,
        WRITTEN,
        format_args!(
            "{what}: some of {:#x} bytes at {offset:#x} of video memory were never written",
            out.len()
        ),
    )
}

/// The dword at a byte of what was read; 0 beyond its end.
pub(crate) fn dword(bytes: &[u8], offset: usize) -> u32 {
    let found = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    found.map_or(0, |dword| u32::from_le_bytes(*dword))
}
