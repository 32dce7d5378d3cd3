//! Gfx.

use crate::fabric::{Block, Event, Fabric};
use crate::register_file::At;
use crate::rule::Violation;

/// The block's state beyond its registers.
#[derive(Default)]
pub(crate) struct Gfx {}

impl Block for Gfx {
    fn write(&mut self, at: At, value: u32, fabric: &mut Fabric) -> Result<(), Violation> {
        fabric.registers.store(at, value);
        Ok(())
    }

    fn event(&mut self, event: Event, fabric: &mut Fabric) -> Result<(), Violation> {
        let _ = (event, fabric);
        Ok(())
    }
}
