//! The PVH door: `qemu -kernel` reads the entry point from an ELF note and passes the physical address of a start info.

use core::ptr;

use x86_64::PhysAddr;

use super::{BootError, BootInfo, CommandLine, Kind, Ranges, sort_memory_map};
use crate::memory::{self, range::PhysRange};

/// `struct hvm_start_info` of Xen's public headers, version 1.
#[repr(C)]
#[derive(Clone, Copy)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    nr_modules: u32,
    modlist_paddr: u64,
    cmdline_paddr: u64,
    rsdp_paddr: u64,
    memmap_paddr: u64,
    memmap_entries: u32,
    reserved: u32,
}

/// `struct hvm_memmap_table_entry`.
#[repr(C)]
#[derive(Clone, Copy)]
struct MemoryMapEntry {
    addr: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

const MAGIC: u32 = 0x336e_c578;

/// `entry.s` maps the first 4 GiB here, where the kernel's own tables will map all memory.
const EARLY_OFFSET: u64 = memory::DIRECT_MAP;

/// A copy of the `T` at a physical address below 4 GiB.
///
/// # Safety
/// The address holds a `T`, for which any bytes are valid.
unsafe fn read<T: Copy>(physical: u64) -> T {
    // SAFETY: `entry.s` maps the first 4 GiB at the offset; that a `T` lies there is the caller's promise.
    unsafe { ptr::read_unaligned((EARLY_OFFSET + physical) as *const T) }
}

/// # Safety
/// `start_info` is the address that the loader passed, and the page tables of `entry.s` are in use.
pub(super) unsafe fn boot_info(start_info: u32) -> Result<BootInfo, BootError> {
    // SAFETY: the loader put a start info there.
    let info: StartInfo = unsafe { read(u64::from(start_info)) };
    if info.magic != MAGIC {
        return Err(BootError::StartInfoMagic(info.magic));
    }
    if info.version == 0 {
        return Err(BootError::StartInfoVersion(info.version));
    }
    let entries = (0..u64::from(info.memmap_entries)).map(|index| {
        // SAFETY: the start info says that this many entries lie there.
        let entry: MemoryMapEntry =
            unsafe { read(info.memmap_paddr + index * size_of::<MemoryMapEntry>() as u64) };
        let kind = match entry.kind {
            1 => Kind::Usable,
            3 | 4 => Kind::Firmware,
            _ => Kind::Reserved,
        };
        (PhysRange::of_length(entry.addr, entry.size), kind)
    });
    let image = memory::image::linked_physical();
    let Ranges {
        usable,
        firmware,
        early,
        trampoline,
    } = sort_memory_map(entries, image);
    let command_line = (0..).map_while(|index| {
        // SAFETY: the command line is a string that ends in a zero byte, before which the iterator stops.
        let byte: u8 = unsafe { read(info.cmdline_paddr + index) };
        (info.cmdline_paddr != 0 && byte != 0).then_some(byte)
    });
    Ok(BootInfo {
        loader: "PVH",
        usable,
        firmware,
        early,
        trampoline,
        image,
        rsdp: (info.rsdp_paddr != 0).then(|| PhysAddr::new_truncate(info.rsdp_paddr)),
        early_offset: EARLY_OFFSET,
        command_line: CommandLine::new(command_line),
    })
}
