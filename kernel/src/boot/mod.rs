//! How the kernel came to run: two doors (PVH and Limine) and the one [`BootInfo`] behind them. `entry.s` is the first code.

pub mod limine;
pub mod pvh;

use spin::Once;
use x86_64::PhysAddr;

use crate::memory::range::{PAGE_BYTES, PhysRange, RangeList};

/// Most entries that a memory map may have; firmware on large machines gives about a hundred.
pub const MEMORY_MAP_ENTRIES: usize = 512;

/// Longest command line that is kept, in bytes.
pub const COMMAND_LINE_BYTES: usize = 2048;

/// What the loader told, whichever it was. Copied out of the loader's memory, which is free afterwards.
pub struct BootInfo {
    /// Who loaded the kernel, for the log.
    pub loader: &'static str,
    /// RAM that is free once the loader's own structures are not needed any more; the image is not in it.
    pub usable: RangeList<MEMORY_MAP_ENTRIES>,
    /// RAM that holds ACPI tables or firmware data: to be mapped, not to be written.
    pub firmware: RangeList<MEMORY_MAP_ENTRIES>,
    /// RAM that is free at once, below 4 GiB and reachable before the kernel's own page tables.
    pub early: RangeList<MEMORY_MAP_ENTRIES>,
    /// A page of free RAM in the first MiB, for code that starts in real mode.
    pub trampoline: Option<PhysRange>,
    /// Where the image lies.
    pub image: PhysRange,
    /// The ACPI root pointer.
    pub rsdp: Option<PhysAddr>,
    /// What to add to a physical address to reach it under the loader's page tables.
    pub early_offset: u64,
    command_line: CommandLine,
}

impl BootInfo {
    /// The command line, without what follows an invalid byte or [`COMMAND_LINE_BYTES`].
    pub fn command_line(&self) -> &str {
        self.command_line.as_str()
    }
}

static INFO: Once<BootInfo> = Once::new();

/// Which code at the entry ran, as `entry.s` numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// `qemu -kernel`.
    Pvh,
    /// The Limine boot protocol.
    Limine,
}

impl Door {
    /// The door for the number that `entry.s` passes.
    pub fn from_entry(number: u32) -> Door {
        if number == 0 { Door::Pvh } else { Door::Limine }
    }
}

/// Why a loader's answer cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootError {
    /// The PVH start info does not begin with its magic number.
    StartInfoMagic(u32),
    /// The PVH start info is of a version without a memory map.
    StartInfoVersion(u32),
    /// The loader does not know base revision 3.
    LimineRevision,
    /// The loader left a request without an answer.
    LimineNoAnswer(&'static str),
}

impl core::fmt::Display for BootError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            BootError::StartInfoMagic(found) => write!(
                f,
                "PVH start info: magic is {found:#x}, expected 0x336ec578"
            ),
            BootError::StartInfoVersion(found) => {
                write!(
                    f,
                    "PVH start info: version is {found}, expected at least 1 (which has a memory map)"
                )
            }
            BootError::LimineRevision => f.write_str(
                "Limine: the loader does not know base revision 3; use Limine 8.4 or later",
            ),
            BootError::LimineNoAnswer(request) => {
                write!(f, "Limine: the loader did not answer the {request} request")
            }
        }
    }
}

/// Reads what the loader left, once. Later calls return the first answer.
///
/// # Safety
/// 1. The kernel was entered by `door` and still runs on the page tables of that entry.
/// 2. For PVH, `start_info` is the physical address that the loader passed.
pub unsafe fn init(door: Door, start_info: u32) -> Result<&'static BootInfo, BootError> {
    INFO.try_call_once(|| match door {
        // SAFETY: 1 and 2 are this function's own preconditions.
        Door::Pvh => unsafe { pvh::boot_info(start_info) },
        // SAFETY: 1 is this function's own precondition.
        Door::Limine => unsafe { limine::boot_info() },
    })
}

/// What the loader told.
///
/// # Panics
/// Before [`init`], which is the second step of the boot.
pub fn info() -> &'static BootInfo {
    INFO.get().expect("boot::info() before boot::init()")
}

/// The command line's bytes in fixed memory.
struct CommandLine {
    bytes: [u8; COMMAND_LINE_BYTES],
    length: usize,
}

impl CommandLine {
    fn new(text: impl Iterator<Item = u8>) -> CommandLine {
        let mut line = CommandLine {
            bytes: [0; COMMAND_LINE_BYTES],
            length: 0,
        };
        for byte in text.take(COMMAND_LINE_BYTES) {
            line.bytes[line.length] = byte;
            line.length += 1;
        }
        line
    }

    fn as_str(&self) -> &str {
        let bytes = &self.bytes[..self.length];
        match core::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => core::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
        }
    }
}

/// What a memory map entry means to the kernel; each door translates its own numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Free at once.
    Usable,
    /// Free when the loader's structures and page tables are not needed any more.
    LoaderData,
    /// ACPI tables and NVS.
    Firmware,
    /// Everything else.
    Reserved,
}

/// The parts of [`BootInfo`] that come from the memory map.
struct Ranges {
    usable: RangeList<MEMORY_MAP_ENTRIES>,
    firmware: RangeList<MEMORY_MAP_ENTRIES>,
    early: RangeList<MEMORY_MAP_ENTRIES>,
    trampoline: Option<PhysRange>,
}

/// The first MiB is never handed out: it holds the trampoline, the BIOS data area and, under PVH, the start info.
const LOW_MEMORY: PhysRange = PhysRange::new(0, 1 << 20);

/// Sorts the entries of a memory map. Where entries overlap, the one that forbids wins.
fn sort_memory_map(
    entries: impl Iterator<Item = (PhysRange, Kind)> + Clone,
    image: PhysRange,
) -> Ranges {
    let mut ranges = Ranges {
        usable: RangeList::new(),
        firmware: RangeList::new(),
        early: RangeList::new(),
        trampoline: None,
    };
    for (range, kind) in entries.clone() {
        match kind {
            Kind::Usable => {
                ranges.usable.push(range.pages_inside());
                ranges.early.push(
                    PhysRange::new(range.start_u64(), range.end_u64().min(1 << 32)).pages_inside(),
                );
            }
            Kind::LoaderData => ranges.usable.push(range.pages_inside()),
            Kind::Firmware => ranges.firmware.push(range.pages_touched()),
            Kind::Reserved => {}
        }
    }
    for (range, kind) in entries {
        if matches!(kind, Kind::Firmware | Kind::Reserved) {
            ranges.usable.subtract(range.pages_touched());
        }
        if kind != Kind::Usable {
            ranges.early.subtract(range.pages_touched());
        }
    }
    ranges.trampoline = ranges.usable.as_slice().iter().find_map(low_page);
    for hole in [LOW_MEMORY, image.pages_touched()] {
        ranges.usable.subtract(hole);
        ranges.early.subtract(hole);
    }
    for list in [&mut ranges.usable, &mut ranges.firmware, &mut ranges.early] {
        list.normalise();
    }
    ranges
}

/// A page inside of `range` that is also inside the memory which real mode reaches and which neither the interrupt table
/// (first page) nor the BIOS (from 0x9f000 on, at the latest) uses.
fn low_page(range: &PhysRange) -> Option<PhysRange> {
    let end = range.end_u64().min(0x9_f000);
    let page = PhysRange::new(end.saturating_sub(PAGE_BYTES), end);
    (page.start_u64() >= range.start_u64().max(PAGE_BYTES)).then_some(page)
}
