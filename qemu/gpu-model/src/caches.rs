//! Caches between engines and video memory.

use crate::fabric::Fabric;
use crate::rule::Violation;

impl Fabric {
    /// Somebody outside of the caches of graphics reads video memory.
    pub(crate) fn outside_read(
        &mut self,
        offset: u64,
        out: &mut [u8],
        who: &'static str,
    ) -> Result<(), Violation> {
        let _ = who;
        self.vram_load(offset, out)?;
        Ok(())
    }

    /// Somebody outside of the caches of graphics writes video memory.
    pub(crate) fn outside_write(
        &mut self,
        offset: u64,
        data: &[u8],
        who: &'static str,
    ) -> Result<(), Violation> {
        let _ = who;
        self.vram_store(offset, data)?;
        Ok(())
    }

    /// An engine reads video memory through GL2.
    pub(crate) fn gl2_read(
        &mut self,
        offset: u64,
        out: &mut [u8],
        who: &'static str,
    ) -> Result<(), Violation> {
        self.outside_read(offset, out, who)
    }

    /// An engine writes video memory through GL2.
    pub(crate) fn gl2_write(
        &mut self,
        offset: u64,
        data: &[u8],
        who: &'static str,
    ) -> Result<(), Violation> {
        self.outside_write(offset, data, who)
    }
}
