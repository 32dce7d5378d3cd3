//! The local APIC: which core this is, interrupts from core to core, and a timer to wake from idling.
//!
//! In x2APIC mode where the firmware left it so or the processor can; else by its memory-mapped registers. Delivery is
//! polled with a deadline in the latter, as the registers demand.

use core::{
    ptr::NonNull,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use x86_64::{PhysAddr, instructions::port::Port, registers::model_specific::Msr};

use super::tables::{SPURIOUS_VECTOR, WAKE_VECTOR};
use crate::{
    memory::{self, Caching, MapError},
    time::{self, TimedOut},
};

const IA32_APIC_BASE: u32 = 0x1b;
const APIC_ENABLE: u64 = 1 << 11;
const X2APIC_ENABLE: u64 = 1 << 10;
const X2APIC_FIRST_MSR: u32 = 0x800;

/// Register numbers: the x2APIC register is 0x800 plus it, the mapped one lies at 16 times it.
mod register {
    pub(super) const VERSION: u32 = 0x03;
    pub(super) const TASK_PRIORITY: u32 = 0x08;
    pub(super) const EOI: u32 = 0x0b;
    pub(super) const SPURIOUS: u32 = 0x0f;
    pub(super) const ICR: u32 = 0x30;
    pub(super) const ICR_HIGH: u32 = 0x31;
    pub(super) const LVT_TIMER: u32 = 0x32;
    pub(super) const LVT_THERMAL: u32 = 0x33;
    pub(super) const LVT_PERFORMANCE: u32 = 0x34;
    pub(super) const LVT_LINT0: u32 = 0x35;
    pub(super) const LVT_ERROR: u32 = 0x37;
    pub(super) const TIMER_INITIAL: u32 = 0x38;
    pub(super) const TIMER_CURRENT: u32 = 0x39;
    pub(super) const TIMER_DIVIDE: u32 = 0x3e;
}

const SOFTWARE_ENABLE: u32 = 1 << 8;
const LVT_MASKED: u32 = 1 << 16;
/// The delivery mode of a local interrupt that is the firmware's business.
const LVT_MODE: u32 = 7 << 8;
const LVT_MODE_SMI: u32 = 2 << 8;
/// The local interrupts that nothing here uses, each with the least "highest entry" of the version register of an APIC
/// that has it. The error's is the first, because masking another may raise one. LINT1 is left as it is: it carries NMIs.
const LVT_UNUSED: [(u32, u32); 4] = [
    (register::LVT_ERROR, 3),
    (register::LVT_LINT0, 0),
    (register::LVT_PERFORMANCE, 4),
    (register::LVT_THERMAL, 5),
];
const DIVIDE_BY_16: u32 = 0x3;

const ICR_NMI: u32 = 0x400;
const ICR_INIT: u32 = 0x500;
const ICR_STARTUP: u32 = 0x600;
const ICR_PENDING: u32 = 1 << 12;
const ICR_ASSERT: u32 = 1 << 14;

/// Where the registers are mapped; zero in x2APIC mode. The same on all cores.
static REGISTERS: AtomicUsize = AtomicUsize::new(0);
/// Timer ticks a second; zero until [`calibrate_timer`].
static TIMER_HZ: AtomicU64 = AtomicU64::new(0);

/// Where an interrupt handler writes its end of interrupt; zero in x2APIC mode. `exceptions.s` reads it.
#[unsafe(no_mangle)]
static apic_eoi_address: AtomicUsize = AtomicUsize::new(0);

/// Finds the registers, once, on the first core, and takes the interrupt lines away from the older controllers.
pub fn init(x2apic: bool) -> Result<(), MapError> {
    mask_legacy_controllers();
    // SAFETY: every x86-64 processor has this register; reading it changes nothing.
    let base = unsafe { Msr::new(IA32_APIC_BASE).read() };
    if !x2apic && base & X2APIC_ENABLE == 0 {
        let registers: NonNull<u8> = memory::map_device(
            PhysAddr::new_truncate(base & !0xfff),
            4096,
            Caching::Uncached,
        )?;
        REGISTERS.store(registers.as_ptr() as usize, Ordering::Relaxed);
        apic_eoi_address.store(
            registers.as_ptr() as usize + 16 * register::EOI as usize,
            Ordering::Relaxed,
        );
    }
    Ok(())
}

/// Masks every line of both 8259s. The firmware leaves its timer on, at a vector that is the double fault's.
fn mask_legacy_controllers() {
    const MASKS: [u16; 2] = [0x21, 0xa1];
    for port in MASKS {
        // SAFETY: the mask registers of the 8259s; nothing of this kernel uses their interrupts.
        unsafe { Port::<u8>::new(port).write(0xff) };
    }
}

/// Switches the local APIC of the core that runs this on, open for all interrupts, its own ones and its timer off.
pub fn init_core() {
    let mode = if REGISTERS.load(Ordering::Relaxed) == 0 {
        APIC_ENABLE | X2APIC_ENABLE
    } else {
        APIC_ENABLE
    };
    // SAFETY: the enable bits are set only, from off or xAPIC to xAPIC or x2APIC, in an order that is always allowed: first
    // on, then x2APIC, which `init` chose only where the processor has it.
    unsafe {
        let mut base = Msr::new(IA32_APIC_BASE);
        let value = base.read();
        base.write(value | APIC_ENABLE);
        base.write(value | mode);
    }
    write(
        register::SPURIOUS,
        SOFTWARE_ENABLE | u32::from(SPURIOUS_VECTOR),
    );
    let highest_entry = read(register::VERSION) >> 16 & 0xff;
    for (entry, least) in LVT_UNUSED {
        if highest_entry >= least && read(entry) & LVT_MODE != LVT_MODE_SMI {
            write(entry, read(entry) | LVT_MASKED);
        }
    }
    write(register::TASK_PRIORITY, 0);
    write(register::TIMER_INITIAL, 0);
    write(register::LVT_TIMER, u32::from(WAKE_VECTOR));
    write(register::TIMER_DIVIDE, DIVIDE_BY_16);
}

/// Whether interrupts can be sent to the core of this id: without x2APIC it has eight bits, of which all ones mean all cores.
pub fn reaches(core: u32) -> bool {
    REGISTERS.load(Ordering::Relaxed) == 0 || core < 0xff
}

/// Resets another core, which then waits for [`send_startup`].
pub fn send_init(core: u32) -> Result<(), TimedOut> {
    send(core, ICR_INIT | ICR_ASSERT)
}

/// Starts a core that was reset at the physical address `page * 4096`, in real mode.
pub fn send_startup(core: u32, page: u8) -> Result<(), TimedOut> {
    send(core, ICR_STARTUP | ICR_ASSERT | u32::from(page))
}

/// Ends another core's `hlt`.
pub fn wake(core: u32) {
    // Delivery that times out is not tried again: no core halts for long, and it looks for its work when it wakes by itself.
    let _ = send(core, ICR_ASSERT | u32::from(WAKE_VECTOR));
}

/// Interrupts another core, whatever it does. It must run this kernel: one that still waits in the firmware has nobody to
/// take an NMI, and resets the machine.
pub fn send_nmi(core: u32) {
    // Delivery that times out leaves the core running, which the sender must not wait for.
    let _ = send(core, ICR_NMI | ICR_ASSERT);
}

/// Counts timer ticks for 10 ms.
pub fn calibrate_timer() {
    write(register::TIMER_INITIAL, u32::MAX);
    let start = time::now();
    time::delay(Duration::from_millis(10));
    let ticks = u64::from(u32::MAX - read(register::TIMER_CURRENT));
    let nanoseconds = (time::now() - start).as_nanos() as u64;
    write(register::TIMER_INITIAL, 0);
    TIMER_HZ.store(ticks * 1_000_000_000 / nanoseconds, Ordering::Relaxed);
}

/// Lets the timer interrupt this core once after `limit`, instead of when it was to before; `false` before
/// [`calibrate_timer`].
pub(super) fn arm_timer(limit: Duration) -> bool {
    let hz = TIMER_HZ.load(Ordering::Relaxed);
    if hz == 0 {
        return false;
    }
    let ticks =
        (u128::from(hz) * limit.as_nanos() / 1_000_000_000).clamp(1, u128::from(u32::MAX)) as u32;
    write(register::TIMER_INITIAL, ticks);
    true
}

fn send(core: u32, command: u32) -> Result<(), TimedOut> {
    if REGISTERS.load(Ordering::Relaxed) == 0 {
        // SAFETY: a write to an x2APIC register is not ordered after earlier stores, which the receiver is to see: the fences
        // order it. x2APIC mode is on. An interrupt to another core only makes it run handlers of this kernel; the callers
        // that reset or start one answer for that.
        unsafe {
            core::arch::x86_64::_mm_mfence();
            core::arch::x86_64::_mm_lfence();
            Msr::new(X2APIC_FIRST_MSR + register::ICR)
                .write(u64::from(core) << 32 | u64::from(command));
        }
        return Ok(());
    }
    let idle = || read(register::ICR) & ICR_PENDING == 0;
    time::wait_until(
        "delivery of an earlier interrupt to a core",
        Duration::from_millis(10),
        idle,
    )?;
    write(register::ICR_HIGH, core << 24);
    write(register::ICR, command);
    time::wait_until(
        "delivery of an interrupt to a core",
        Duration::from_millis(10),
        idle,
    )
}

fn read(register: u32) -> u32 {
    let registers = REGISTERS.load(Ordering::Relaxed) as *const u32;
    if registers.is_null() {
        // SAFETY: x2APIC mode is on, and the numbers above are registers that exist in it.
        return unsafe { Msr::new(X2APIC_FIRST_MSR + register).read() } as u32;
    }
    // SAFETY: `init` mapped the page of registers, each on a 16-byte boundary.
    unsafe { registers.add(4 * register as usize).read_volatile() }
}

fn write(register: u32, value: u32) {
    let registers = REGISTERS.load(Ordering::Relaxed) as *mut u32;
    if registers.is_null() {
        // SAFETY: as in `read`; the values written are valid for their registers.
        unsafe { Msr::new(X2APIC_FIRST_MSR + register).write(u64::from(value)) };
        return;
    }
    // SAFETY: as in `read`.
    unsafe { registers.add(4 * register as usize).write_volatile(value) };
}
