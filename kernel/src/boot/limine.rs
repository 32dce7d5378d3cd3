//! The Limine door: requests are structures in the image that the loader finds by magic numbers and answers in place.
//!
//! Base revision 3. The RSDP address is physical in it (virtual in 2 and 4), and the direct map covers usable, reclaimable
//! and image memory, but not ACPI tables: those are read under the kernel's own page tables only.

use limine::{
    BaseRevision,
    memory_map::EntryType,
    request::{
        ExecutableAddressRequest, ExecutableCmdlineRequest, HhdmRequest, MemoryMapRequest,
        RsdpRequest,
    },
};
use x86_64::PhysAddr;

use super::{BootError, BootInfo, CommandLine, Kind, Ranges, sort_memory_map};
use crate::memory::{self, range::PhysRange};

#[used]
#[unsafe(link_section = ".limine_requests")]
static BASE_REVISION: BaseRevision = BaseRevision::with_revision(3);
#[used]
#[unsafe(link_section = ".limine_requests")]
static MEMORY_MAP: MemoryMapRequest = MemoryMapRequest::new();
#[used]
#[unsafe(link_section = ".limine_requests")]
static HHDM: HhdmRequest = HhdmRequest::new();
#[used]
#[unsafe(link_section = ".limine_requests")]
static RSDP: RsdpRequest = RsdpRequest::new();
#[used]
#[unsafe(link_section = ".limine_requests")]
static EXECUTABLE_ADDRESS: ExecutableAddressRequest = ExecutableAddressRequest::new();
#[used]
#[unsafe(link_section = ".limine_requests")]
static COMMAND_LINE: ExecutableCmdlineRequest = ExecutableCmdlineRequest::new();

/// # Safety
/// The kernel was loaded by Limine, whose page tables are in use: only then are the answers valid references.
pub(super) unsafe fn boot_info() -> Result<BootInfo, BootError> {
    if !BASE_REVISION.is_supported() {
        return Err(BootError::LimineRevision);
    }
    let entries = MEMORY_MAP
        .get_response()
        .ok_or(BootError::LimineNoAnswer("memory map"))?
        .entries();
    let hhdm = HHDM
        .get_response()
        .ok_or(BootError::LimineNoAnswer("HHDM"))?;
    let address = EXECUTABLE_ADDRESS
        .get_response()
        .ok_or(BootError::LimineNoAnswer("executable address"))?;
    let image = PhysRange::of_length(
        address.physical_base(),
        memory::image::linked_physical().bytes(),
    );

    let entries = entries.iter().map(|entry| {
        let kind = match entry.entry_type {
            EntryType::USABLE => Kind::Usable,
            EntryType::BOOTLOADER_RECLAIMABLE => Kind::LoaderData,
            EntryType::ACPI_RECLAIMABLE | EntryType::ACPI_NVS => Kind::Firmware,
            _ => Kind::Reserved,
        };
        (PhysRange::of_length(entry.base, entry.length), kind)
    });
    let Ranges {
        usable,
        firmware,
        early,
        trampoline,
    } = sort_memory_map(entries, image);
    let command_line = COMMAND_LINE
        .get_response()
        .map_or(&[][..], |answer| answer.cmdline().to_bytes());
    Ok(BootInfo {
        loader: "Limine",
        usable,
        firmware,
        early,
        trampoline,
        image,
        rsdp: RSDP
            .get_response()
            .map(|answer| PhysAddr::new_truncate(answer.address() as u64)),
        early_offset: hhdm.offset(),
        command_line: CommandLine::new(command_line.iter().copied()),
    })
}
