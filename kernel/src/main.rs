//! The boot, as a list of steps.
#![no_std]
#![no_main]

extern crate alloc;

use core::{arch::global_asm, panic::PanicInfo};

use kernel::{
    acpi,
    boot::{self, BootInfo, Door},
    console, cores,
    cpu::{self, apic, features::Features, tables},
    memory::{heap::Heap, space},
    power, serial, time,
};

global_asm!(include_str!("boot/entry.s"));

#[global_allocator]
static HEAP: Heap = Heap;

/// `entry.s` comes here through both doors.
#[unsafe(no_mangle)]
extern "C" fn kernel_main(door: u32, start_info: u32, entry_tsc: u64) -> ! {
    serial::init();
    console::init();
    tables::init_first_core_early();
    let clock = time::init(entry_tsc);
    log::info!(
        "infernel {}: clock {} MHz ({clock:?})",
        env!("CARGO_PKG_VERSION"),
        time::tsc_hz() / 1_000_000
    );

    let features = Features::detect();
    let (brand, length) = cpu::features::brand();
    log::info!(
        "cpu: {}: {features}",
        brand[..length].trim_ascii().escape_ascii()
    );
    // SAFETY: 1 and 2: `entry.s` passes its door and what the loader passed to it, and nothing changed the page tables.
    let info = match unsafe { boot::init(Door::from_entry(door), start_info) } {
        Ok(info) => info,
        Err(error) => panic!("boot: {error}"),
    };
    log::info!(
        "boot: by {}, command line \"{}\"",
        info.loader,
        info.command_line()
    );
    // SAFETY: the loaders' tables use no reserved bit, and map the kernel's variables writable.
    unsafe { cpu::features::enable_protection(&features) };
    // SAFETY: 1: it is this boot's. 2: both were set just now. 3: no other core was started.
    let memory = match unsafe { space::init(info, features.gib_pages) } {
        Ok(summary) => summary,
        Err(error) => panic!("memory: {error}"),
    };
    log::info!(
        "memory: {} MiB usable in {} ranges",
        memory.usable_bytes >> 20,
        memory.ranges
    );
    if memory.dropped_bytes > 0 {
        log::warn!(
            "memory: {} KiB in small ranges are left unused",
            memory.dropped_bytes >> 10
        );
    }
    if let Err(error) = tables::init_core() {
        panic!("cpu: no interrupt stacks: {error}");
    }
    read_acpi(info);
    start_cores(info, features);
    power::shutdown()
}

fn read_acpi(info: &BootInfo) {
    let Some(rsdp) = info.rsdp else {
        return log::warn!("acpi: the loader knows no tables: one core, no PCIe, no power off");
    };
    match acpi::init(rsdp) {
        Ok(found) => {
            let (cores, regions) = (found.processors.len(), found.ecam.len());
            log::info!("acpi: {cores} processors, {regions} regions of PCIe configuration space");
            found
                .problems
                .iter()
                .for_each(|problem| log::warn!("acpi: {problem}"));
        }
        Err(error) => log::warn!("acpi: {error}: one core, no PCIe, no power off"),
    }
}

fn start_cores(info: &BootInfo, features: Features) {
    if let Err(error) = apic::init(features.x2apic) {
        return log::warn!("cores: no local APIC ({error}): one core");
    }
    apic::init_core();
    apic::calibrate_timer();
    // SAFETY: 1: `BootInfo` keeps the first MiB from all others. 2: it was switched on just now, and this is the first start.
    match unsafe {
        cores::start(
            &acpi::info().processors,
            usize::MAX,
            info.trampoline,
            features,
        )
    } {
        Ok(started) => {
            log::info!("cores: {} running", started.running);
            if !started.missing.is_empty() {
                log::warn!("cores: did not start: APIC ids {:?}", started.missing);
            }
        }
        Err(error) => log::warn!("cores: {error}: one core"),
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    kernel::panic::panic(info)
}

/// Named by the precompiled `core` for unwinding, which `panic = "abort"` never does.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// As `rust_eh_personality`.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    power::stop()
}
