//! Memory hubs: what an engine's address means, and the accesses of engines.

use crate::fabric::{Block, Event, Fabric};
use crate::register_file::At;
use crate::rule::Violation;

/// Which hub translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hub {
    /// Graphics, compute and SDMA.
    Gc,
    /// Everything else.
    Mm,
}

/// Who accesses memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) hub: Hub,
    pub(crate) vmid: u8,
    /// The client id that a page fault shows (CID).
    pub(crate) id: u8,
    /// Goes through GL2; otherwise straight to memory.
    pub(crate) gl2: bool,
}

/// The block's state beyond its registers.
#[derive(Default)]
pub(crate) struct Gmc {}

impl Block for Gmc {
    fn write(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        fabric.registers.store(at, value);
        Ok(())
    }

    fn event(&mut self, event: Event, fabric: &mut Fabric) -> Result<(), Violation> {
        let _ = (event, fabric);
        Ok(())
    }
}

impl Fabric {
    /// An engine reads at a virtual address. A page fault is latched and told as an interrupt, and the dummy page is read.
    pub(crate) fn load(
        &mut self,
        client: Client,
        va: u64,
        out: &mut [u8],
    ) -> Result<(), Violation> {
        let _ = (client, va);
        out.fill(0);
        Ok(())
    }

    /// An engine writes at a virtual address. A page fault is latched and told as an interrupt, and nothing is written.
    pub(crate) fn store(&mut self, client: Client, va: u64, data: &[u8]) -> Result<(), Violation> {
        let _ = (client, va, data);
        Ok(())
    }
}
