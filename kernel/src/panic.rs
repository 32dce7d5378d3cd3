//! The end: what happened, the registers, and the way there by name, on the serial console; then QEMU ends with status 99.
//!
//! Uses no heap, takes no lock and waits for nothing without a bound, because any of these may be what broke. The first core
//! to come here reports; it stops the others by NMI. A panic while reporting ends with one line.

use core::{
    arch::asm,
    fmt::{self, Write},
    panic::PanicInfo,
    sync::atomic::{AtomicU32, Ordering},
};

use x86_64::registers::control::{Cr2, Cr3, Cr4};

use crate::{
    cores,
    cpu::{self, exceptions::Frame},
    memory::{image, space},
    power,
    serial::Unlocked,
    symbols::Symbols,
    time,
};

const NOBODY: u32 = u32::MAX;
/// Most frames of a backtrace.
const MAX_FRAMES: usize = 48;

/// The APIC id of the core that reports.
static REPORTER: AtomicU32 = AtomicU32::new(NOBODY);

/// Ends the kernel because of a Rust panic.
pub fn panic(info: &PanicInfo<'_>) -> ! {
    become_reporter(info);
    let (rsp, rbp): (u64, u64);
    // SAFETY: copies two registers.
    unsafe {
        asm!("mov {}, rsp", "mov {}, rbp", out(reg) rsp, out(reg) rbp, options(nomem, nostack, preserves_flags))
    };
    // A serial console cannot fail, it can only be absent.
    let _ = write!(Unlocked, "{info}\n  rsp {rsp:016x}  rbp {rbp:016x}");
    finish(None, rbp)
}

/// Ends the kernel because of an exception.
pub fn exception(frame: &Frame) -> ! {
    become_reporter(frame);
    let _ = write!(Unlocked, "{frame}");
    if frame.is_page_fault() && space::is_stack_guard(Cr2::read_raw()) {
        let _ = write!(
            Unlocked,
            "\n  stack overflow: this is the unmapped page below a stack"
        );
    }
    finish(Some(frame.rip), frame.rbp)
}

/// Called on each NMI: does not return where another core reports a panic, which is what it then stands for.
pub fn stop_if_another_core_panics() {
    let reporter = REPORTER.load(Ordering::Acquire);
    if reporter != NOBODY && reporter != cpu::apic_id() {
        power::stop();
    }
}

fn become_reporter(what: &dyn fmt::Display) {
    let me = cpu::apic_id();
    match REPORTER.compare_exchange(NOBODY, me, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {}
        Err(reporter) if reporter == me => {
            let _ = writeln!(Unlocked, "\npanic while reporting a panic: {what}");
            power::exit_qemu(power::QEMU_PANIC);
        }
        Err(_) => power::stop(),
    }
    cores::interrupt_others();
    let now = time::now();
    let _ = write!(
        Unlocked,
        "\n[{:4}.{:03}] panic on core {me}: ",
        now.as_secs(),
        now.subsec_millis()
    );
}

fn finish(rip: Option<u64>, rbp: u64) -> ! {
    let (cr3, cr4) = (Cr3::read().0.start_address().as_u64(), Cr4::read_raw());
    let _ = write!(
        Unlocked,
        "\n  cr2 {:016x}  cr3 {cr3:016x}  cr4 {cr4:08x}\nbacktrace:\n",
        Cr2::read_raw()
    );
    let symbols = Symbols::new(image::symbol_table());
    // A return address may be the first of the next function, after a call that does not return: look up the call.
    let calls = frames(rbp).map(|address| (address, address.wrapping_sub(1)));
    let (mut last, mut repeated) = (0, 0);
    for (address, lookup) in rip.map(|rip| (rip, rip)).into_iter().chain(calls) {
        if address == last {
            repeated += 1;
            continue;
        }
        show_repeated(repeated);
        (last, repeated) = (address, 0);
        let _ = writeln!(Unlocked, "  {address:016x} {}", Named(symbols, lookup));
    }
    show_repeated(repeated);
    if symbols.is_none_or(|symbols| symbols.is_empty()) {
        let _ = writeln!(
            Unlocked,
            "  (this image has no symbol table; addr2line -e the linked file tells the names)"
        );
    }
    power::exit_qemu(power::QEMU_PANIC)
}

fn show_repeated(times: usize) {
    if times > 0 {
        let _ = writeln!(Unlocked, "  ... and {times} times more");
    }
}

/// The return addresses on the stack, found by the chain of saved frame pointers, as long as they make sense.
fn frames(rbp: u64) -> impl Iterator<Item = u64> {
    let read = |address: u64| -> Option<u64> {
        space::translate(address)?;
        // SAFETY: the address is mapped, on an 8-byte boundary (checked below) and so in one page, and below the image or in
        // it are no device registers that a frame pointer could reach by its chain of rising addresses; a stray read of one
        // would harm nothing that still matters.
        Some(unsafe { (address as *const u64).read_volatile() })
    };
    let mut frame = rbp;
    core::iter::from_fn(move || {
        if !frame.is_multiple_of(8) || frame == 0 {
            return None;
        }
        let return_address = read(frame.checked_add(8)?)?;
        let caller = read(frame)?;
        // The chain rises on a stack; anything else ends it after this frame.
        frame = if caller > frame { caller } else { 0 };
        (return_address != 0).then_some(return_address)
    })
    .take(MAX_FRAMES)
}

/// An address as function and offset.
struct Named<'a>(Option<Symbols<'a>>, u64);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = self
            .1
            .checked_sub(image::layout().text)
            .and_then(|offset| u32::try_from(offset).ok());
        match offset.and_then(|offset| self.0?.find(offset)) {
            Some((name, inside)) => write!(f, "{name} +{inside:#x}"),
            None => f.write_str("?"),
        }
    }
}
