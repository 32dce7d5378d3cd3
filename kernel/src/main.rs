//! The boot, as a list of steps.
#![no_std]
#![no_main]

extern crate alloc;

use core::{arch::global_asm, panic::PanicInfo};

use kernel::{
    boot::{self, Door},
    console, power, serial, time,
};

global_asm!(include_str!("boot/entry.s"));

/// `entry.s` comes here through both doors.
#[unsafe(no_mangle)]
extern "C" fn kernel_main(door: u32, start_info: u32, entry_tsc: u64) -> ! {
    serial::init();
    console::init();
    let clock = time::init(entry_tsc);
    log::info!(
        "infernel {}: clock {} MHz ({clock:?})",
        env!("CARGO_PKG_VERSION"),
        time::tsc_hz() / 1_000_000
    );
    // SAFETY: 1 and 2: `entry.s` passes its door and what the loader passed to it, and nothing changed the page tables.
    let info = match unsafe { boot::init(Door::from_entry(door), start_info) } {
        Ok(info) => info,
        Err(error) => panic!("boot: {error}"),
    };
    log::info!(
        "boot: by {}, {} MiB usable in {} ranges, command line \"{}\"",
        info.loader,
        info.usable.bytes() >> 20,
        info.usable.as_slice().len(),
        info.command_line()
    );
    power::exit_qemu(0)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    use core::fmt::Write;
    let _ = writeln!(serial::Unlocked, "\npanic: {info}");
    power::exit_qemu(power::QEMU_PANIC)
}

/// Named by the precompiled `core` for unwinding, which `panic = "abort"` never does.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// As `rust_eh_personality`.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    power::stop()
}

struct NoHeap;

// SAFETY: it never hands out memory.
unsafe impl core::alloc::GlobalAlloc for NoHeap {
    unsafe fn alloc(&self, _: core::alloc::Layout) -> *mut u8 {
        core::ptr::null_mut()
    }
    unsafe fn dealloc(&self, _: *mut u8, _: core::alloc::Layout) {}
}

#[global_allocator]
static HEAP: NoHeap = NoHeap;
