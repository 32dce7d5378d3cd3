//! Where the linker put the image's sections, and how long the image is.

use super::range::PhysRange;
use crate::symbols;

/// `link.ld` links physical address `p` at `p + IMAGE_BASE`.
pub const IMAGE_BASE: u64 = 0xffff_ffff_8000_0000;

mod linker {
    unsafe extern "C" {
        pub(super) static image_start: u8;
        pub(super) static rodata_start: u8;
        pub(super) static data_start: u8;
        pub(super) static boot_stack_guard: u8;
        pub(super) static symbols_start: u8;
    }
}

/// The section boundaries, as virtual addresses on page boundaries.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Start of the code, which is the image's start.
    pub text: u64,
    /// Start of the constants.
    pub rodata: u64,
    /// Start of the variables.
    pub data: u64,
    /// The page below the boot stack, which stays unmapped. The stack ends where `symbols` starts.
    pub boot_stack_guard: u64,
    /// Start of the symbol table.
    pub symbols: u64,
    /// The address after the image.
    pub end: u64,
}

/// The image's layout.
pub fn layout() -> Layout {
    let symbols = &raw const linker::symbols_start as u64;
    Layout {
        text: &raw const linker::image_start as u64,
        rodata: &raw const linker::rodata_start as u64,
        data: &raw const linker::data_start as u64,
        boot_stack_guard: &raw const linker::boot_stack_guard as u64,
        symbols,
        end: (symbols + symbols::embedded().len() as u64).next_multiple_of(super::PAGE_BYTES),
    }
}

/// The physical addresses that the image is linked for, and where the PVH loader puts it.
pub fn linked_physical() -> PhysRange {
    let layout = layout();
    PhysRange::new(layout.text - IMAGE_BASE, layout.end - IMAGE_BASE)
}
