//! One core: what it can do, its descriptor tables, its exceptions, its local APIC, and how it idles.

pub mod apic;
pub mod exceptions;
pub mod features;
pub mod tables;

use core::{
    arch::{
        asm,
        x86_64::{__cpuid, __cpuid_count},
    },
    time::Duration,
};

/// What a wake-up that a core missed costs at most. A core that waits for work costs a glance at it as often.
const WAKE_LIMIT: Duration = Duration::from_millis(100);

/// This core's APIC id, by CPUID.
pub fn apic_id() -> u32 {
    if __cpuid(0).eax >= 0xb && __cpuid_count(0xb, 0).ebx != 0 {
        __cpuid_count(0xb, 0).edx
    } else {
        __cpuid(1).ebx >> 24
    }
}

/// Halts this core until an interrupt comes or `limit` has passed; may return early, and does so at once where the local
/// APIC's timer does not run. Interrupts are taken here and nowhere else.
pub fn idle(limit: Duration) {
    if !apic::arm_timer(limit) {
        return;
    }
    // SAFETY: `sti` takes effect after the next instruction, so that an interrupt which is pending now ends the `hlt`. The
    // handlers run on stacks of their own and keep all registers and all memory that Rust knows of.
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
}

/// As [`idle`], when `awaited` does not hold already, for at most [`WAKE_LIMIT`]. Who makes it hold must then send
/// [`apic::wake`] to this core: an interrupt between the check and the halt is not lost, because interrupts are off from
/// before the check until the halt.
pub fn idle_unless(awaited: impl FnOnce() -> bool) {
    if !awaited() {
        idle(WAKE_LIMIT);
    }
}
