//! The kernel's own address space: built once at boot, added to by device mappings and stacks.

use core::{
    ptr::NonNull,
    sync::atomic::{AtomicBool, Ordering},
};

use spin::Mutex;
use x86_64::{
    PhysAddr,
    registers::control::{Cr3, Cr3Flags},
    structures::paging::{PhysFrame, Size4KiB},
};

use super::{
    DIRECT_MAP, PAGE_BYTES, frames,
    image::{self, IMAGE_BASE},
    paging::{Access, AddressSpace, Caching, MapError},
    range::{PhysRange, RangeList},
};
use crate::{
    boot::{BootInfo, MEMORY_MAP_ENTRIES},
    cpu::features,
};

/// Where device registers are mapped, one after the other.
const DEVICES: Window = Window {
    start: 0xffff_c000_0000_0000,
    end: 0xffff_d000_0000_0000,
};
/// Where stacks are mapped, an unmapped page below each.
const STACKS: Window = Window {
    start: 0xffff_e000_0000_0000,
    end: 0xffff_e100_0000_0000,
};

struct Window {
    start: u64,
    end: u64,
}

struct Space {
    tables: AddressSpace,
    next_device: u64,
    next_stack: u64,
}

static SPACE: Mutex<Option<Space>> = Mutex::new(None);

/// Whether the kernel's own tables are in use.
static READY: AtomicBool = AtomicBool::new(false);

/// What [`init`] found, for the log.
pub struct Summary {
    /// Bytes of RAM that the frame allocator got.
    pub usable_bytes: u64,
    /// In how many ranges.
    pub ranges: usize,
    /// Bytes that the fixed-size list of ranges had no room for.
    pub dropped_bytes: u64,
}

/// Builds the kernel's page tables, switches to them, and starts the frame allocator.
///
/// # Safety
/// 1. `info` is this boot's, and the page tables that the kernel was entered with are in use.
/// 2. The processor has NX enabled, and this core's descriptor tables are the kernel's: the loader's memory is reused.
/// 3. No other core runs.
pub unsafe fn init(info: &BootInfo, gib_pages: bool) -> Result<Summary, MapError> {
    let mut early = EarlyFrames::new(info);
    let root = early.take().ok_or(MapError::OutOfFrames)?;
    // SAFETY: 1: the frame is zeroed. 2: `EarlyFrames` gives only frames that are mapped at `early_offset`.
    let mut tables = unsafe { AddressSpace::new(root, info.early_offset, gib_pages) };
    let mut new_table = || early.take();
    for (virt, range, access) in kernel_mappings(info) {
        tables.map(virt, range, access, Caching::WriteBack, &mut new_table)?;
    }

    let root = PhysFrame::<Size4KiB>::containing_address(PhysAddr::new(root));
    // SAFETY: the new tables map the code, the data and the stack in use at the same addresses as the old ones.
    unsafe { Cr3::write(root, Cr3Flags::empty()) };
    // SAFETY: all the mappings above select entry 0, which is write-back before and after.
    unsafe { features::set_page_attribute_table() };

    // SAFETY: 1: the tree just built. 2: the direct map holds all RAM, table frames included.
    let tables = unsafe { AddressSpace::new(tables.root(), DIRECT_MAP, gib_pages) };
    READY.store(true, Ordering::Release);
    *SPACE.lock() = Some(Space {
        tables,
        next_device: DEVICES.start,
        next_stack: STACKS.start,
    });
    let mut usable = RangeList::<MEMORY_MAP_ENTRIES>::new();
    for range in info.usable.as_slice() {
        usable.push(*range);
    }
    usable.subtract(early.taken());
    usable.normalise();
    // SAFETY: this is RAM that the memory map calls free, less the image (`BootInfo`) and the tables; the loader's own
    // structures were copied (1) and its tables are not in use any more (2).
    unsafe { frames::init(&usable) };
    Ok(Summary {
        usable_bytes: frames::free_bytes(),
        ranges: usable.as_slice().len(),
        dropped_bytes: info.usable.dropped_bytes(),
    })
}

/// What the kernel's address space starts with: the direct map, and the image's sections.
fn kernel_mappings(info: &BootInfo) -> impl Iterator<Item = (u64, PhysRange, Access)> {
    let layout = image::layout();
    let to_phys = info.image.start_u64().wrapping_sub(layout.text);
    let sections = [
        (layout.text, layout.rodata, Access::Execute),
        (layout.rodata, layout.data, Access::Read),
        (layout.data, layout.boot_stack_guard, Access::Write),
        (
            layout.boot_stack_guard + PAGE_BYTES,
            layout.symbols,
            Access::Write,
        ),
        (layout.symbols, layout.end, Access::Read),
    ];
    let sections = sections.into_iter().map(move |(start, end, access)| {
        (
            start,
            PhysRange::new(start.wrapping_add(to_phys), end.wrapping_add(to_phys)),
            access,
        )
    });
    // The first MiB holds the trampoline's page and BIOS tables.
    let mut ram = RangeList::<MEMORY_MAP_ENTRIES>::new();
    let mut firmware = RangeList::<MEMORY_MAP_ENTRIES>::new();
    ram.push(PhysRange::new(0, 1 << 20));
    for range in info.usable.as_slice() {
        ram.push(*range);
    }
    for range in info.firmware.as_slice() {
        firmware.push(*range);
    }
    for range in info.usable.as_slice() {
        firmware.subtract(*range);
    }
    firmware.subtract(PhysRange::new(0, 1 << 20));
    ram.normalise();
    firmware.normalise();
    let direct = |list: RangeList<MEMORY_MAP_ENTRIES>, access| {
        (0..list.as_slice().len()).map(move |index| {
            let range = list.as_slice()[index];
            (DIRECT_MAP + range.start_u64(), range, access)
        })
    };
    sections
        .chain(direct(ram, Access::Write))
        .chain(direct(firmware, Access::Read))
}

/// The address at which the direct map holds `physical`. Reading or writing there is for who owns that RAM; there is nothing
/// at the image's own frames nor at what is not RAM.
pub fn direct_map(physical: PhysAddr) -> *mut u8 {
    (DIRECT_MAP + physical.as_u64()) as *mut u8
}

/// The physical address behind a mapped kernel address.
pub fn virt_to_phys<T>(pointer: *const T) -> Option<PhysAddr> {
    translate(pointer as u64).map(|(physical, _)| PhysAddr::new(physical))
}

/// The physical address behind `virt`, and what may be done there. Takes no lock, so that a panic can ask.
pub fn translate(virt: u64) -> Option<(u64, Access)> {
    if !READY.load(Ordering::Acquire) {
        return None;
    }
    let root = root();
    // SAFETY: 1 and 2: after `init` CR3 holds the kernel's own tree on every core, and the direct map holds its tables. They
    // are only read here; other cores change entries from absent to present, by one store.
    unsafe { AddressSpace::new(root, DIRECT_MAP, false) }.translate(virt)
}

/// Whether an address, where nothing is mapped, is the page below a stack.
pub fn is_stack_guard(virt: u64) -> bool {
    let page = virt & !(PAGE_BYTES - 1);
    page == image::layout().boot_stack_guard || (STACKS.start..STACKS.end).contains(&virt)
}

/// Maps device memory, anew on each call. `start` and `bytes` need no alignment.
pub fn map_device(start: PhysAddr, bytes: u64, caching: Caching) -> Result<NonNull<u8>, MapError> {
    map_window(start, bytes, Access::Write, caching)
}

/// Maps firmware tables that the memory map does not call memory, to be read.
pub fn map_firmware(start: PhysAddr, bytes: u64) -> Result<NonNull<u8>, MapError> {
    map_window(start, bytes, Access::Read, Caching::WriteBack)
}

/// Whether this processor can name all these addresses: an entry for one past its width is a fault when it is used.
pub fn is_addressable(start: u64, bytes: u64) -> bool {
    start
        .checked_add(bytes)
        .is_some_and(|end| end <= 1 << features::physical_address_bits())
}

fn map_window(
    start: PhysAddr,
    bytes: u64,
    access: Access,
    caching: Caching,
) -> Result<NonNull<u8>, MapError> {
    let range = PhysRange::of_length(start.as_u64(), bytes);
    if !is_addressable(start.as_u64(), bytes) {
        return Err(MapError::TooLarge(range));
    }
    let pages = range.pages_touched();
    let mut guard = SPACE.lock();
    let space = guard.as_mut().ok_or(MapError::OutOfFrames)?;
    // The same place inside a large page as in physical memory, so that large pages can be used.
    let large = if pages.bytes() >= 1 << 21 {
        1 << 21
    } else {
        PAGE_BYTES
    };
    let virt = space.next_device.next_multiple_of(large) + pages.start_u64() % large;
    let end = virt
        .checked_add(pages.bytes() + PAGE_BYTES)
        .filter(|end| *end <= DEVICES.end);
    space.next_device = end.ok_or(MapError::TooLarge(range))?;
    space
        .tables
        .map(virt, pages, access, caching, &mut table_frame)?;
    let address = virt + (range.start_u64() - pages.start_u64());
    NonNull::new(address as *mut u8).ok_or(MapError::TooLarge(range))
}

/// A stack of at least `bytes`, zeroed, with an unmapped page below it; the result is its top. Stacks are never freed.
pub fn allocate_stack(bytes: u64) -> Result<u64, MapError> {
    let frames = frames::allocate_zeroed(bytes, PAGE_BYTES).ok_or(MapError::OutOfFrames)?;
    let mut guard = SPACE.lock();
    let space = guard.as_mut().ok_or(MapError::OutOfFrames)?;
    let bottom = space.next_stack + PAGE_BYTES;
    let top = bottom + frames.bytes();
    if top > STACKS.end {
        return Err(MapError::TooLarge(frames));
    }
    space.tables.map(
        bottom,
        frames,
        Access::Write,
        Caching::WriteBack,
        &mut table_frame,
    )?;
    space.next_stack = top;
    Ok(top)
}

/// Maps one page of low memory at its own address, executable, for cores that switch paging on in it.
pub fn map_trampoline(page: PhysRange) -> Result<(), MapError> {
    let mut guard = SPACE.lock();
    let space = guard.as_mut().ok_or(MapError::OutOfFrames)?;
    space.tables.map(
        page.start_u64(),
        page,
        Access::Execute,
        Caching::WriteBack,
        &mut table_frame,
    )
}

/// Takes the trampoline's mapping away again, on this core.
pub fn unmap_trampoline(page: PhysRange) {
    if let Some(space) = SPACE.lock().as_mut() {
        space.tables.unmap_page(page.start_u64());
        x86_64::instructions::tlb::flush_all();
    }
}

/// The physical address of the root table, for the CR3 of other cores.
pub fn root() -> u64 {
    Cr3::read().0.start_address().as_u64()
}

fn table_frame() -> Option<u64> {
    frames::allocate_zeroed(PAGE_BYTES, PAGE_BYTES).map(|frame| frame.start_u64())
}

/// Frames for the first page tables: a run taken from the start of the largest early range.
struct EarlyFrames {
    start: u64,
    next: u64,
    end: u64,
    offset: u64,
}

impl EarlyFrames {
    fn new(info: &BootInfo) -> EarlyFrames {
        let largest = info
            .early
            .as_slice()
            .iter()
            .max_by_key(|range| range.bytes());
        let range = largest.copied().unwrap_or(PhysRange::new(0, 0));
        EarlyFrames {
            start: range.start_u64(),
            next: range.start_u64(),
            end: range.end_u64(),
            offset: info.early_offset,
        }
    }

    fn take(&mut self) -> Option<u64> {
        let frame = self.next;
        if frame + PAGE_BYTES > self.end {
            return None;
        }
        self.next += PAGE_BYTES;
        // SAFETY: early ranges are free RAM that the loader mapped at the offset, and each frame is given out once.
        unsafe { ((self.offset + frame) as *mut u8).write_bytes(0, PAGE_BYTES as usize) };
        Some(frame)
    }

    fn taken(&self) -> PhysRange {
        PhysRange::new(self.start, self.next)
    }
}

const _: () =
    assert!(IMAGE_BASE > STACKS.end && STACKS.start >= DEVICES.end && DEVICES.start > DIRECT_MAP);
