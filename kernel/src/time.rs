//! Time since kernel entry from the TSC, the wall clock from the CMOS, and the one way to wait for something.

use core::{
    arch::x86_64::{__cpuid, _rdtsc},
    fmt,
    hint::spin_loop,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use x86_64::instructions::port::Port;

static ENTRY_TSC: AtomicU64 = AtomicU64::new(0);
/// Zero until [`init`]: until then `now` is zero too.
static TSC_HZ: AtomicU64 = AtomicU64::new(0);
/// Unix time at kernel entry.
static UNIX_BASE: AtomicU64 = AtomicU64::new(0);

/// Where the TSC's frequency was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TscSource {
    /// CPUID leaf 0x15: crystal frequency and ratio.
    Crystal,
    /// CPUID leaf 0x40000010, which hypervisors fill.
    Hypervisor,
    /// Measured against the programmable interval timer.
    Pit,
    /// CPUID leaf 0x16: the nominal frequency, exact to a few parts in a thousand only.
    Nominal,
    /// Nothing tells: 1 GHz is assumed, and every duration may be wrong by a factor.
    Assumed,
}

fn tsc() -> u64 {
    // SAFETY: RDTSC reads a counter and has no precondition in ring 0.
    unsafe { _rdtsc() }
}

/// Finds the TSC's frequency. `entry_tsc` is its value at kernel entry.
pub fn init(entry_tsc: u64) -> TscSource {
    let (hz, source) = tsc_frequency();
    ENTRY_TSC.store(entry_tsc, Ordering::Relaxed);
    TSC_HZ.store(hz, Ordering::Relaxed);
    let wall = unix_from_cmos().unwrap_or(0);
    UNIX_BASE.store(wall.saturating_sub(now().as_secs()), Ordering::Relaxed);
    source
}

/// Time since kernel entry.
pub fn now() -> Duration {
    let hz = TSC_HZ.load(Ordering::Relaxed);
    if hz == 0 {
        return Duration::ZERO;
    }
    // The TSCs of two cores may differ by a few ticks: never go below the entry.
    let ticks = tsc().saturating_sub(ENTRY_TSC.load(Ordering::Relaxed));
    let nanoseconds = u128::from(ticks) * 1_000_000_000 / u128::from(hz);
    Duration::from_nanos(nanoseconds as u64)
}

/// TSC ticks per second; 0 before [`init`].
pub fn tsc_hz() -> u64 {
    TSC_HZ.load(Ordering::Relaxed)
}

/// The Unix time, in seconds, of kernel entry; 0 where the CMOS clock does not tell.
pub fn unix_base() -> u64 {
    UNIX_BASE.load(Ordering::Relaxed)
}

/// A wait that reached its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut {
    /// What was waited for.
    pub name: &'static str,
    /// How long.
    pub limit: Duration,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} did not happen within {:?}", self.name, self.limit)
    }
}

/// Polls `condition` until it holds, for at most `limit`.
pub fn wait_until(
    name: &'static str,
    limit: Duration,
    mut condition: impl FnMut() -> bool,
) -> Result<(), TimedOut> {
    let deadline = now() + limit;
    loop {
        // The clock is read first, so that a condition that came true in time is seen however late this core looks.
        let late = now() >= deadline;
        if condition() {
            return Ok(());
        }
        if late {
            return Err(TimedOut { name, limit });
        }
        spin_loop();
    }
}

/// Spins for `duration`.
pub fn delay(duration: Duration) {
    let end = now() + duration;
    while now() < end {
        spin_loop();
    }
}

fn tsc_frequency() -> (u64, TscSource) {
    let highest = __cpuid(0).eax;
    if highest >= 0x15 {
        let leaf = __cpuid(0x15);
        if leaf.eax != 0 && leaf.ebx != 0 && leaf.ecx != 0 {
            return (
                u64::from(leaf.ecx) * u64::from(leaf.ebx) / u64::from(leaf.eax),
                TscSource::Crystal,
            );
        }
    }
    let hypervisor_present = __cpuid(1).ecx & (1 << 31) != 0;
    if hypervisor_present && __cpuid(0x4000_0000).eax >= 0x4000_0010 {
        let khz = __cpuid(0x4000_0010).eax;
        if khz != 0 {
            return (u64::from(khz) * 1000, TscSource::Hypervisor);
        }
    }
    if let Some(hz) = pit::measure_tsc() {
        return (hz, TscSource::Pit);
    }
    if highest >= 0x16 {
        let mhz = __cpuid(0x16).eax & 0xffff;
        if mhz != 0 {
            return (u64::from(mhz) * 1_000_000, TscSource::Nominal);
        }
    }
    (1_000_000_000, TscSource::Assumed)
}

/// Channel 2 of the interval timer: a 16-bit counter that runs down at a known rate and needs no interrupt.
mod pit {
    use super::{Port, tsc};

    const HZ: u64 = 1_193_182;
    const GATE: u16 = 0x61;
    const COMMAND: u16 = 0x43;
    const CHANNEL2: u16 = 0x42;
    /// 10 ms: long against the time of one read, short against the boot.
    const TICKS: u64 = HZ / 100;
    /// Reads until a timer that does not count is given up: they take at least 0.5 us each, so a second and more.
    const POLLS: u32 = 2_000_000;
    /// Readings at either end, of which the quickest counts: a hypervisor may stop this core in the middle of one.
    const READINGS: usize = 8;

    fn write(port: u16, value: u8) {
        // SAFETY: these are the interval timer's ports and its gate; they raise no interrupt and touch no memory.
        unsafe { Port::new(port).write(value) }
    }

    fn read(port: u16) -> u8 {
        // SAFETY: as for `write`; reading changes only the timer's byte order latch.
        unsafe { Port::new(port).read() }
    }

    /// The count, the TSC at the middle of asking for it, and how long that took.
    fn sample() -> (u64, u64, u64) {
        let before = tsc();
        write(COMMAND, 0x80); // latch channel 2
        let took = tsc() - before;
        let count = u64::from(read(CHANNEL2)) | u64::from(read(CHANNEL2)) << 8;
        (count, before + took / 2, took)
    }

    fn best_sample() -> (u64, u64) {
        let samples = [(); READINGS].map(|()| sample());
        let best = samples.into_iter().min_by_key(|&(_, _, took)| took);
        best.map_or((0, 0), |(count, at, _)| (count, at))
    }

    /// The median of three measurements.
    pub(super) fn measure_tsc() -> Option<u64> {
        let mut measured = [measure_once()?, measure_once()?, measure_once()?];
        measured.sort_unstable();
        Some(measured[1])
    }

    fn measure_once() -> Option<u64> {
        write(GATE, (read(GATE) & !0x02) | 0x01); // gate on, speaker off
        write(COMMAND, 0xb0); // channel 2, both bytes, mode 0: count down once from the value written
        write(CHANNEL2, 0xff);
        write(CHANNEL2, 0xff);
        let (first, first_at) = best_sample();
        let counted = |count: u64| first.checked_sub(count).is_some_and(|ticks| ticks >= TICKS);
        (0..POLLS).find(|_| counted(sample().0))?;
        let (last, last_at) = best_sample();
        let ticks = first.checked_sub(last).filter(|ticks| *ticks > 0)?;
        Some(
            (u128::from(last_at.checked_sub(first_at)?) * u128::from(HZ) / u128::from(ticks))
                as u64,
        )
    }
}

/// The CMOS clock as Unix time; `None` where the answer is not a date.
fn unix_from_cmos() -> Option<u64> {
    // Two equal readings in a row cannot have been cut by the clock's update; it ticks once a second.
    let mut previous = cmos_fields();
    for _ in 0..8 {
        let fields = cmos_fields();
        if fields == previous {
            return crate::calendar::unix_from_rtc(&fields);
        }
        previous = fields;
    }
    None
}

fn cmos_fields() -> crate::calendar::RtcFields {
    let read = |index: u8| -> u8 {
        // SAFETY: 0x70 selects a CMOS byte (bit 7, which would keep NMIs off, is clear) and 0x71 reads it; both touch no memory.
        unsafe {
            Port::new(0x70).write(index);
            Port::new(0x71).read()
        }
    };
    crate::calendar::RtcFields {
        second: read(0),
        minute: read(2),
        hour: read(4),
        day: read(7),
        month: read(8),
        year: read(9),
        status_b: read(11),
    }
}
