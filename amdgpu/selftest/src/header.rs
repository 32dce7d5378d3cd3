//! What a report begins with, so that who reads it knows the card and can run the same again.

use core::fmt;

use amdgpu::Identity;
use shader_cases::Size;

use crate::Plan;

/// The first lines of a report.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// The card.
    pub identity: &'a Identity,
    /// What is run.
    pub plan: &'a Plan<'a>,
}

impl fmt::Display for Header<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identity, plan } = self;
        let ids = &identity.ids;
        writeln!(out, "Infernel {}, self-test", env!("CARGO_PKG_VERSION"))?;
        writeln!(
            out,
            "card      {}, {:04x}:{:04x} revision {:02x}, subsystem {:04x}:{:04x}",
            identity.asic, ids.vendor, ids.device, ids.revision, ids.subsystem[0], ids.subsystem[1]
        )?;
        writeln!(
            out,
            "          {} compute units, {} MiB of video memory, {} visible, found {:?}",
            identity.compute_units,
            identity.layout.bytes >> 20,
            identity.layout.visible >> 20,
            identity.found
        )?;
        let [program, major, minor, revision] = identity.smu;
        writeln!(
            out,
            "running   PSP sOS {:08x}, SMU {program}.{major}.{minor}.{revision}",
            identity.sos
        )?;
        for (name, version) in &identity.firmware {
            writeln!(out, "firmware  {name} {version:#x}")?;
        }
        let size = match plan.size {
            Size::Small => "the cheapest case of each kernel",
            Size::Every => "every case",
        };
        write!(out, "cases     {size}, seed {}", plan.seed)?;
        if !plan.only.is_empty() {
            write!(out, ", only those whose names begin with {:?}", plan.only)?;
        }
        Ok(())
    }
}
