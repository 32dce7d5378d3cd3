//! ACPI: what the firmware's tables tell about processors, PCIe and the ways to end.
//!
//! No AML is interpreted; `sleep` finds the one constant that powering off needs.

pub mod sleep;
pub mod tables;

pub use tables::{AcpiError, AcpiInfo, EcamRegion};

#[cfg(not(test))]
pub use machine::{info, init};

#[cfg(not(test))]
mod machine {
    use core::slice;

    use spin::Once;
    use x86_64::PhysAddr;

    use super::tables::{self, AcpiError, AcpiInfo, PhysicalMemory};
    use crate::memory::space;

    static INFO: Once<AcpiInfo> = Once::new();

    /// This machine's physical memory.
    struct Mapped;

    impl PhysicalMemory for Mapped {
        fn bytes(&self, start: u64, length: usize) -> Option<&'static [u8]> {
            let start = PhysAddr::try_new(start).ok()?;
            let pointer = space::map_firmware(start, length as u64).ok()?;
            // SAFETY: all these bytes were mapped just now, to be read, and stay so. The tables lie in memory that the memory
            // map keeps from the frame allocator.
            Some(unsafe { slice::from_raw_parts(pointer.as_ptr(), length) })
        }
    }

    /// Reads the tables, once.
    pub fn init(rsdp: PhysAddr) -> Result<&'static AcpiInfo, AcpiError> {
        INFO.try_call_once(|| tables::read(&Mapped, rsdp.as_u64()))
    }

    /// What the tables tell; empty where there are none.
    pub fn info() -> &'static AcpiInfo {
        static NOTHING: AcpiInfo = AcpiInfo::none();
        INFO.get().unwrap_or(&NOTHING)
    }
}
