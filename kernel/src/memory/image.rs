//! Where the linker put the image's sections, and how long the image is.

use core::slice;

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
        end: (symbols + symbol_table().len() as u64).next_multiple_of(super::PAGE_BYTES),
    }
}

/// The symbol table at the end of the image, in the format of [`symbols`].
pub fn symbol_table() -> &'static [u8] {
    // Not by the name of the Rust static: the compiler would believe that it knows the bytes, which the builder replaces.
    let start = &raw const linker::symbols_start;
    // SAFETY: the loader mapped the segment, which has a header at least; its start is on a page boundary.
    let length = unsafe { start.add(symbols::MAGIC.len()).cast::<u32>().read() };
    // SAFETY: the builder writes the segment's length there, the loader mapped all of it, and nothing writes it.
    unsafe { slice::from_raw_parts(start, length as usize) }
}

/// The physical addresses that the image is linked for, and where the PVH loader puts it.
pub fn linked_physical() -> PhysRange {
    let layout = layout();
    PhysRange::new(layout.text - IMAGE_BASE, layout.end - IMAGE_BASE)
}
