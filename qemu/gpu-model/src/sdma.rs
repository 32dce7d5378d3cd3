//! Sdma.

use crate::fabric::{Block, Event, Fabric};
use crate::register_file::At;
use crate::rule::Violation;

/// The block's state beyond its registers.
#[derive(Default)]
pub(crate) struct Sdma {}

impl Block for Sdma {
    fn write(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        fabric.registers.store(at, value);
        Ok(())
    }

    fn event(&mut self, event: Event, fabric: &mut Fabric) -> Result<(), Violation> {
        let _ = (event, fabric);
        Ok(())
    }
}

impl Sdma {
    /// Lets queues that wait look again. Whether any went on.
    pub(crate) fn resume(&mut self, fabric: &mut Fabric) -> Result<bool, Violation> {
        let _ = fabric;
        Ok(false)
    }

    /// Whether any queue waits.
    pub(crate) fn waits(&self) -> bool {
        false
    }
}
