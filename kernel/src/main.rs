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
    crash,
    memory::{heap::Heap, space},
    options::{self, Options},
    power, serial, serve, time,
};

global_asm!(include_str!("boot/entry.s"));

#[global_allocator]
static HEAP: Heap = Heap;

/// `entry.s` comes here through both doors.
#[unsafe(no_mangle)]
extern "C" fn kernel_main(door: u32, start_info: u32, entry_tsc: u64) -> ! {
    start_console(entry_tsc);
    tables::init_first_core_early();
    let features = describe_processor();
    // SAFETY: 1 and 2: `entry.s` passes its door and what the loader gave it, and nothing changed the page tables.
    let info = unsafe { boot::init(Door::from_entry(door), start_info) };
    let info = info.unwrap_or_else(|error| panic!("boot: {error}"));
    start_memory(info, &features);
    let options = read_options(info);
    read_acpi(info);
    start_cores(info, &features, &options);
    if let Some(crash) = options.crash {
        crash::now(crash);
    }
    serve::run(options)
}

fn start_console(entry_tsc: u64) {
    serial::init();
    console::init();
    let source = time::init(entry_tsc);
    let mhz = time::tsc_hz() / 1_000_000;
    log::info!(
        "infernel {}: clock {mhz} MHz ({source:?})",
        env!("CARGO_PKG_VERSION")
    );
    if source == time::TscSource::Assumed {
        log::warn!("time: nothing tells the clock's frequency: all times may be wrong by a factor");
    }
}

fn describe_processor() -> Features {
    let features = Features::detect();
    let (brand, length) = cpu::features::brand();
    let brand = brand[..length].trim_ascii();
    log::info!("cpu: {}: {features}", brand.escape_ascii());
    features
}

fn start_memory(info: &BootInfo, features: &Features) {
    assert!(
        features.no_execute,
        "cpu: no-execute pages (NX) are missing: switch them on in the firmware, or give the virtual machine such a processor"
    );
    // SAFETY: the loaders' tables use no reserved bit, and map the kernel's variables writable.
    unsafe { cpu::features::enable_protection(features) };
    // SAFETY: 1: it is this boot's. 2: both were set just now. 3: no other core was started.
    let memory = unsafe { space::init(info, features.gib_pages) };
    let memory = memory.unwrap_or_else(|error| panic!("memory: {error}"));
    let (mib, ranges) = (memory.usable_bytes >> 20, memory.ranges);
    log::info!(
        "memory: {mib} MiB usable in {ranges} ranges, loaded by {}",
        info.loader
    );
    if memory.dropped_bytes > 0 {
        let kib = memory.dropped_bytes >> 10;
        log::warn!("memory: {kib} KiB in small ranges are left unused");
    }
    tables::init_first_core().unwrap_or_else(|error| panic!("cpu: no interrupt stacks: {error}"));
}

fn read_options(info: &BootInfo) -> Options {
    let (options, errors) = options::parse(info.command_line());
    console::set_level(options.log);
    errors.iter().for_each(|error| log::warn!("{error}"));
    options
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

fn start_cores(info: &BootInfo, features: &Features, options: &Options) {
    if let Err(error) = apic::init(features.x2apic) {
        return log::warn!("cores: no local APIC ({error}): one core");
    }
    apic::init_core();
    apic::calibrate_timer();
    let limit = options.cores.unwrap_or(cores::MAX_CORES);
    let processors = &acpi::info().processors;
    // SAFETY: 1: `BootInfo` keeps the first MiB from all others. 2: it was switched on just now; this is the first start.
    match unsafe { cores::start(processors, limit, info.trampoline, features) } {
        Ok(started) => {
            log::info!(
                "cores: {} of {} running",
                started.running,
                processors.len().max(1)
            );
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
