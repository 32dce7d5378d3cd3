//! All cores: started one after the other, each with its own tables and stacks, then parked in the fork-join pool.

use core::{
    arch::global_asm,
    ptr,
    sync::atomic::{AtomicPtr, AtomicU8, Ordering},
    time::Duration,
};

use alloc::{boxed::Box, vec::Vec};
use cpu_fallback::fork_join::ForkJoin;
use spin::Once;

use crate::{
    cpu::{
        self, apic,
        features::{self, Features},
        tables,
    },
    fork_join::{Parking, Rounds},
    memory::{MapError, PAGE_BYTES, PhysRange, direct_map, space},
    power, time,
};

global_asm!(include_str!("trampoline.s"));

/// Most cores that are started; each costs about half a MiB of stacks.
pub const MAX_CORES: usize = 256;

/// The stack on which a core runs its jobs.
const STACK_BYTES: u64 = 256 * 1024;

/// How long a core may take from its startup interrupt to Rust. Emulation on a busy host needs most of it.
const START_DEADLINE: Duration = Duration::from_secs(2);

/// How often a core looks for its job, or for the others' end, before it halts: about two milliseconds on a machine of our
/// own. A hypervisor's processors are shared: with 4 cores on a busy host of 2, spinning 3000 times instead of 300 made a
/// round more than ten times longer (0.4 ms with 300).
const SPINS: u32 = 50_000;
const SPINS_UNDER_HYPERVISOR: u32 = 300;

mod trampoline {
    unsafe extern "C" {
        pub(super) static trampoline_start: u8;
        pub(super) static trampoline_long_mode: u8;
        pub(super) static trampoline_gdt: u8;
        pub(super) static trampoline_parameters: u8;
        pub(super) static trampoline_end: u8;
        pub(super) fn core_start();
    }
}

/// What `trampoline.s` reads; the layout is written down there.
#[repr(C)]
struct Parameters {
    cr3: u64,
    gdt_limit: u16,
    gdt_address: [u16; 2],
    _pad: u16,
    long_mode: u32,
    long_mode_segment: u16,
    _pad_2: u16,
    stack: u64,
    entry: u64,
}

static FEATURES: Once<Features> = Once::new();
/// What the core that is being started takes over.
static NEXT: AtomicPtr<NextCore> = AtomicPtr::new(ptr::null_mut());
/// Whether that core came in time. Two may change it from [`WAITING`], and only one of them does: the core itself to
/// [`CAME`], or the first core to [`GONE`], after which it resets the core.
static ARRIVAL: AtomicU8 = AtomicU8::new(GONE);
const WAITING: u8 = 0;
const CAME: u8 = 1;
const GONE: u8 = 2;
static ROUNDS: Once<Rounds<Cores>> = Once::new();

/// A core that is to be started: its number in the pool and its memory, all of which is there before it runs.
struct NextCore {
    worker: usize,
    stack: u64,
    tables: tables::Reserved,
}

impl NextCore {
    fn allocate(worker: usize) -> Result<&'static NextCore, MapError> {
        let next = NextCore {
            worker,
            stack: space::allocate_stack(STACK_BYTES)?,
            tables: tables::Reserved::allocate()?,
        };
        Ok(Box::leak(Box::new(next)))
    }
}

/// How the start of a core ended.
enum Outcome {
    /// It runs.
    Came,
    /// It did not come in time, and was reset: it uses no memory.
    Gone,
    /// It did not come in time and cannot be reset: it may come through the trampoline at any time.
    Lost,
}

/// The cores that run, by worker number.
struct Cores {
    apic_ids: Vec<u32>,
}

impl Parking for Cores {
    fn park(&self, _worker: usize, awaited: &dyn Fn() -> bool) {
        cpu::idle_unless(awaited);
    }

    fn wake(&self, worker: usize) {
        apic::wake(self.apic_ids[worker]);
    }
}

/// The pool of all cores. Before [`start`] it is the core that asks.
#[derive(Clone, Copy, Debug)]
pub struct Pool;

impl ForkJoin for Pool {
    fn workers(&self) -> usize {
        ROUNDS.get().map_or(1, |rounds| rounds.workers())
    }

    fn run(&self, job: &(dyn Fn(usize) + Sync)) {
        match ROUNDS.get() {
            Some(rounds) => rounds.run(job),
            None => job(0),
        }
    }
}

/// The pool of all cores.
pub fn pool() -> Pool {
    Pool
}

/// Interrupts every other core that runs, by NMI. Takes no lock, so that a panic can ask.
pub fn interrupt_others() {
    let me = cpu::apic_id();
    if let Some(rounds) = ROUNDS.get() {
        let others = rounds.parking().apic_ids.iter().filter(|&&core| core != me);
        others.for_each(|&core| apic::send_nmi(core));
    }
}

/// How many cores run, and which ones did not start.
pub struct Started {
    /// Cores that run, this one included.
    pub running: usize,
    /// The APIC ids of those that did not come up.
    pub missing: Vec<u32>,
}

/// Starts up to `limit - 1` of the cores with the APIC ids of `processors`, and makes the pool of them and this core.
///
/// # Safety
/// 1. `page` is free RAM in the first MiB, in the direct map.
/// 2. The local APIC of this core is on, and no other core runs.
pub unsafe fn start(
    processors: &[u32],
    limit: usize,
    page: Option<PhysRange>,
    features: &Features,
) -> Result<Started, MapError> {
    FEATURES.call_once(|| *features);
    let me = cpu::apic_id();
    let mut cores = Cores {
        apic_ids: alloc::vec![me],
    };
    let mut missing = Vec::new();
    if let Some(page) = page {
        space::map_trampoline(page)?;
        let (mut spare, mut lost) = (None, false);
        for &core in processors.iter().filter(|&&core| core != me) {
            let worker = cores.apic_ids.len();
            if worker >= limit.min(MAX_CORES) || lost {
                break;
            }
            if !apic::reaches(core) {
                missing.push(core);
                continue;
            }
            let next = match spare.take().map_or_else(|| NextCore::allocate(worker), Ok) {
                Ok(next) => next,
                Err(error) => {
                    log::warn!("cores: no stacks for another one: {error}");
                    missing.push(core);
                    break;
                }
            };
            // SAFETY: 1 and 2 are this function's own preconditions; cores are started one at a time, and after one that does
            // not come and cannot be reset there is no other, so that the page and `next` have one user.
            match unsafe { start_one(core, page, next) } {
                Outcome::Came => cores.apic_ids.push(core),
                Outcome::Gone => {
                    missing.push(core);
                    spare = Some(next);
                }
                Outcome::Lost => {
                    missing.push(core);
                    lost = true;
                }
            }
        }
        if !lost {
            space::unmap_trampoline(page);
        }
    }
    let running = cores.apic_ids.len();
    let spins = if features.hypervisor {
        SPINS_UNDER_HYPERVISOR
    } else {
        SPINS
    };
    let rounds = ROUNDS.call_once(|| Rounds::new(running, spins, cores));
    rounds.wake_all();
    Ok(Started { running, missing })
}

/// Starts one core by INIT and two startup interrupts, as Intel's manual has it.
///
/// # Safety
/// As [`start`], no other core is on its way through the page, and none that runs has taken `next`.
unsafe fn start_one(core: u32, page: PhysRange, next: &'static NextCore) -> Outcome {
    // SAFETY: the page is free RAM that no core runs in now.
    unsafe { fill_trampoline(page, next.stack) };
    NEXT.store(ptr::from_ref(next).cast_mut(), Ordering::Release);
    ARRIVAL.store(WAITING, Ordering::Release);
    let came = || ARRIVAL.load(Ordering::Acquire) == CAME;
    let page_number = (page.start_u64() / PAGE_BYTES) as u8;
    let started = apic::send_init(core).and_then(|()| {
        time::delay(Duration::from_millis(10));
        apic::send_startup(core, page_number)?;
        if time::wait_until("a core's start", Duration::from_millis(10), came).is_err() {
            apic::send_startup(core, page_number)?;
        }
        time::wait_until("a core's start", START_DEADLINE, came)
    });
    let Err(late) = started else {
        return Outcome::Came;
    };
    if ARRIVAL
        .compare_exchange(WAITING, GONE, Ordering::AcqRel, Ordering::Acquire)
        .is_err()
    {
        return Outcome::Came;
    }
    log::warn!("cores: APIC id {core}: {late}");
    // Back to waiting for a startup interrupt: a core that came late would run into the next one's parameters.
    if let Err(error) = apic::send_init(core) {
        log::warn!("cores: APIC id {core}: no reset ({error}): no other core is started");
        return Outcome::Lost;
    }
    time::delay(Duration::from_millis(10));
    Outcome::Gone
}

/// Copies the trampoline to its page and fills in its parameters.
///
/// # Safety
/// 1. `page` is free RAM in the first MiB, in the direct map, and no core executes in it.
/// 2. `stack` is the top of a stack for one core.
unsafe fn fill_trampoline(page: PhysRange, stack: u64) {
    let start = &raw const trampoline::trampoline_start;
    let offset = |symbol: *const u8| symbol as usize - start as usize;
    let address = |symbol: *const u8| page.start_u64() as u32 + offset(symbol) as u32;
    let gdt = address(&raw const trampoline::trampoline_gdt);
    let parameters = Parameters {
        cr3: space::root(),
        gdt_limit: 15,
        gdt_address: [gdt as u16, (gdt >> 16) as u16],
        _pad: 0,
        long_mode: address(&raw const trampoline::trampoline_long_mode),
        long_mode_segment: 8,
        _pad_2: 0,
        stack,
        entry: trampoline::core_start as *const () as u64,
    };
    let bytes = offset(&raw const trampoline::trampoline_end);
    let target = direct_map(page.start());
    let at = offset(&raw const trampoline::trampoline_parameters);
    // SAFETY: the trampoline is shorter than a page (it ends in `Parameters`, at an offset the assembler computed), and the
    // page is writable there and unused (1).
    unsafe {
        ptr::copy_nonoverlapping(start, target, bytes);
        target
            .add(at)
            .cast::<Parameters>()
            .write_unaligned(parameters);
    }
}

/// `core_start` comes here on every core but the first.
#[unsafe(no_mangle)]
extern "C" fn core_main() -> ! {
    if let Some(features) = FEATURES.get() {
        // SAFETY: this core runs on the kernel's own tables, with no-execute on.
        unsafe { features::enable_protection(features) };
    }
    // SAFETY: the kernel maps RAM by entry 0, which is write-back before and after; this core has used no other page.
    unsafe { features::set_page_attribute_table() };
    // SAFETY: `start_one` stored a value that is never freed, before it sent this core here.
    let Some(next) = (unsafe { NEXT.load(Ordering::Acquire).as_ref() }) else {
        power::stop();
    };
    // SAFETY: they are for this core; another gets them only after this one was reset.
    unsafe { next.tables.load() };
    apic::init_core();
    if ARRIVAL
        .compare_exchange(WAITING, CAME, Ordering::AcqRel, Ordering::Acquire)
        .is_err()
    {
        // Too late: the first core goes on without this one, and is about to reset it.
        power::stop();
    }
    let rounds = loop {
        match ROUNDS.get() {
            Some(rounds) => break rounds,
            None => cpu::idle_unless(|| ROUNDS.is_completed()),
        }
    };
    rounds.work(next.worker, || true);
    unreachable!("a core's work never ends");
}
