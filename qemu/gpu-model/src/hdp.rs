//! Host data path: the processor's way to video memory.

use crate::fabric::Fabric;
use crate::rule::Violation;

/// What the path holds back.
#[derive(Default)]
pub(crate) struct Hdp {}

impl Hdp {
    /// A read through BAR0 or MM_DATA.
    pub(crate) fn read(
        &mut self,
        offset: u64,
        out: &mut [u8],
        fabric: &mut Fabric,
    ) -> Result<(), Violation> {
        fabric.vram.read(offset, out);
        Ok(())
    }

    /// A write through BAR0 or MM_DATA.
    pub(crate) fn write(
        &mut self,
        offset: u64,
        data: &[u8],
        fabric: &mut Fabric,
    ) -> Result<(), Violation> {
        fabric.vram.write(offset, data);
        Ok(())
    }

    /// Everything held back becomes visible to the card.
    pub(crate) fn flush(&mut self, fabric: &mut Fabric) {
        let _ = fabric;
    }
}
