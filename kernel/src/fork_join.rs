//! The fork-join between cores, without the cores: who waits for what, and why no job and no wake-up is lost.
//!
//! A round is: the caller stores the job, adds one to `round`, and wakes the workers that sleep; each worker runs the job and
//! counts itself off in `running`; the caller returns when the count is zero. Three orderings carry it:
//! - The job is written before `round` is (release) and read after it (acquire): a worker sees the job of its round.
//! - A worker counts off after its job (release), and the caller reads zero (acquire): what jobs wrote happens-before the
//!   return. No worker touches the job afterwards, so that the borrow may end.
//! - A worker announces that it sleeps, then looks at `round` once more; the caller changes `round`, then looks who sleeps.
//!   All four are sequentially consistent, so that at least one of the two sees the other: no wake-up is lost. The caller
//!   sleeps in the same way while it waits for `running`: on a host with fewer processors than this machine has cores, a
//!   core that spins keeps another from working.

use alloc::{boxed::Box, vec::Vec};
use core::{
    cell::UnsafeCell,
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::*},
};

use cpu_fallback::fork_join::ForkJoin;

/// How a worker that found nothing to do waits, and how it is woken; cores and test threads differ here only.
pub trait Parking: Sync {
    /// Waits until [`wake`](Parking::wake) was called for `worker`, unless `awaited` holds. May return early.
    fn park(&self, worker: usize, awaited: &dyn Fn() -> bool);

    /// Ends `park` of `worker`, or keeps the next one from waiting when `awaited` was seen not to hold.
    fn wake(&self, worker: usize);
}

/// The worker that is the caller itself.
const CALLER: usize = 0;

type Job<'a> = &'a (dyn Fn(usize) + Sync);

/// What the workers of a pool share.
pub struct Rounds<P> {
    parking: P,
    /// How often a worker looks before it parks.
    spins: u32,
    round: AtomicUsize,
    job: UnsafeCell<Option<Job<'static>>>,
    running: AtomicUsize,
    busy: AtomicBool,
    /// By worker.
    asleep: Box<[AtomicBool]>,
}

// SAFETY: `job` is the only field that is not `Sync` by itself. The caller writes it while no worker runs (`running` is zero
// and `busy` keeps other callers out), and workers read it only between the change of `round` and their count-off. The jobs
// are `Sync`.
unsafe impl<P: Sync> Sync for Rounds<P> {}
// SAFETY: as for `Sync`; nothing in it belongs to a thread.
unsafe impl<P: Send> Send for Rounds<P> {}

impl<P: Parking> Rounds<P> {
    /// A pool of `workers` workers, the caller included. Workers `1..workers` must each call [`work`](Rounds::work).
    pub fn new(workers: usize, spins: u32, parking: P) -> Rounds<P> {
        assert!(workers > 0, "a pool has at least the caller");
        Rounds {
            parking,
            spins,
            round: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            running: AtomicUsize::new(0),
            busy: AtomicBool::new(false),
            asleep: (0..workers)
                .map(|_| AtomicBool::new(false))
                .collect::<Vec<_>>()
                .into(),
        }
    }

    /// How the workers wait.
    pub fn parking(&self) -> &P {
        &self.parking
    }

    /// What worker `worker` does all its life: one job a round, for as long as `go_on` says so after each.
    pub fn work(&self, worker: usize, go_on: impl Fn() -> bool) {
        let mut seen = 0;
        loop {
            self.wait(worker, &|| self.round.load(SeqCst) != seen);
            seen = seen.wrapping_add(1);
            // SAFETY: the round changed (acquire, in the wait), so that the caller has written the job, and it waits for
            // this worker's count-off below before it writes or drops it.
            let job = unsafe { *self.job.get() };
            if let Some(job) = job {
                job(worker);
            }
            let stay = go_on();
            if self.running.fetch_sub(1, SeqCst) == 1 {
                self.wake_if_asleep(CALLER);
            }
            if !stay {
                return;
            }
        }
    }

    /// Wakes all workers, those included that wait for the pool itself to exist.
    pub fn wake_all(&self) {
        (1..self.asleep.len()).for_each(|worker| self.parking.wake(worker));
    }

    /// Waits until `awaited`, which whoever makes it hold follows by waking `worker` if that is asleep.
    fn wait(&self, worker: usize, awaited: &dyn Fn() -> bool) {
        loop {
            for _ in 0..=self.spins {
                if awaited() {
                    return;
                }
                spin_loop();
            }
            self.asleep[worker].store(true, SeqCst);
            self.parking.park(worker, awaited);
            self.asleep[worker].store(false, SeqCst);
        }
    }

    fn wake_if_asleep(&self, worker: usize) {
        if self.asleep[worker].load(SeqCst) {
            self.parking.wake(worker);
        }
    }
}

impl<P: Parking> ForkJoin for Rounds<P> {
    fn workers(&self) -> usize {
        self.asleep.len()
    }

    fn run(&self, job: Job<'_>) {
        assert!(
            !self.busy.swap(true, Acquire),
            "fork-join is not re-entrant and has one caller at a time"
        );
        self.running.store(self.workers() - 1, Relaxed);
        // SAFETY: only the lifetime changes; the job is borrowed until the end of this function, which comes after all
        // workers have counted off, and they do not touch it after that.
        let job_for_workers = unsafe { core::mem::transmute::<Job<'_>, Job<'static>>(job) };
        // SAFETY: no worker reads it now: all counted off in the round before, and this round has not begun.
        unsafe { *self.job.get() = Some(job_for_workers) };
        self.round.fetch_add(1, SeqCst);
        (1..self.workers()).for_each(|worker| self.wake_if_asleep(worker));
        job(0);
        // No deadline: a worker that does not finish is computing, or panicked, which ends the kernel.
        self.wait(CALLER, &|| self.running.load(SeqCst) == 0);
        self.busy.store(false, Release);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Condvar, Mutex, atomic::AtomicU64},
        thread,
    };

    use super::*;

    /// Threads that sleep on a condition variable each.
    struct Threads(Vec<(Mutex<bool>, Condvar)>);

    impl Threads {
        fn new(workers: usize) -> Threads {
            Threads((0..workers).map(|_| Default::default()).collect())
        }
    }

    impl Parking for Threads {
        fn park(&self, worker: usize, awaited: &dyn Fn() -> bool) {
            // Like a core with its interrupts off: what comes after this check is held back until the wait.
            if awaited() {
                return;
            }
            let (woken, condition) = &self.0[worker];
            let mut woken = woken.lock().unwrap();
            while !*woken {
                woken = condition.wait(woken).unwrap();
            }
            *woken = false;
        }

        fn wake(&self, worker: usize) {
            *self.0[worker].0.lock().unwrap() = true;
            self.0[worker].1.notify_one();
        }
    }

    fn with_pool(workers: usize, spins: u32, test: impl FnOnce(&Rounds<Threads>)) {
        let pool = Rounds::new(workers, spins, Threads::new(workers));
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for worker in 1..workers {
                let (pool, stop) = (&pool, &stop);
                scope.spawn(move || pool.work(worker, || !stop.load(Relaxed)));
            }
            test(&pool);
            // Stored before the round begins, so that every worker sees it after its job.
            stop.store(true, Relaxed);
            pool.run(&|_| ());
        });
    }

    #[test]
    #[should_panic(expected = "not re-entrant")]
    fn a_job_may_not_start_a_round() {
        let pool = Rounds::new(1, 0, Threads::new(1));
        pool.run(&|_| pool.run(&|_| ()));
    }

    #[test]
    fn every_worker_runs_each_job_once_and_its_writes_are_seen() {
        for (workers, spins) in [(1, 0), (2, 0), (3, 1), (4, 1000)] {
            with_pool(workers, spins, |pool| {
                let mut sums = vec![0_u64; workers];
                for round in 0..2000_u64 {
                    let slots: Vec<AtomicU64> =
                        sums.iter().map(|&sum| AtomicU64::new(sum)).collect();
                    // Relaxed: that the values are seen is what the pool promises.
                    pool.run(&|worker| _ = slots[worker].fetch_add(round, Relaxed));
                    sums = slots.into_iter().map(AtomicU64::into_inner).collect();
                }
                assert_eq!(
                    sums,
                    vec![2000 * 1999 / 2; workers],
                    "{workers} workers, {spins} spins"
                );
            });
        }
    }
}
