//! How PSP sees memory: video memory by MC address, without what the host data path still holds back; and the part of it
//! that is PSP's own (TMR).

use std::fmt;
use std::ops::Range;

use crate::fabric::Fabric;
use crate::rule::{Rule, Violation, rules};
use crate::vram::Vram;

rules! { Psp:
    VISIBLE, "psp-memory-visible", "what PSP reads was written and HDP was flushed since",
        "Linux amdgpu_psp.c flushes HDP (amdgpu_device_flush_hdp) before a component or frame is announced; tinygrad ip.py _prep_msg1";
    TMR_ACCESS, "psp-tmr-access", "after SETUP_TMR only the card's firmware accesses the trusted memory region",
        "Linux amdgpu_psp.c: the TMR is allocated for PSP alone and never mapped for the processor";
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

/// Whether all these bytes, which lie in video memory or not, can be read.
pub(crate) fn visible(
    fabric: &mut Fabric,
    offset: u64,
    bytes: u64,
    what: fmt::Arguments<'_>,
) -> Result<(), Violation> {
    let inside = usize::try_from(bytes).is_ok_and(|bytes| Vram::holds(offset, bytes));
    let holds = inside && !fabric.vram.undefined(offset, bytes as usize);
    fabric.require(
        holds,
        VISIBLE,
        format_args!(
            "{what}: of {bytes:#x} bytes at {offset:#x} of video memory some were never written as PSP sees it; HDP not flushed?"
        ),
    )
}

impl Fabric {
    /// Somebody but the firmware accesses video memory: not in the trusted memory region.
    pub(crate) fn outside_tmr(
        &mut self,
        offset: u64,
        bytes: usize,
        who: &str,
    ) -> Result<(), Violation> {
        let Range { start, end } = self.tmr;
        let outside = offset >= end || offset.saturating_add(bytes as u64) <= start;
        self.require(
            outside,
            TMR_ACCESS,
            format_args!(
                "{who} accesses {offset:#x} of video memory, the region is {start:#x} to {end:#x}"
            ),
        )
    }
}
