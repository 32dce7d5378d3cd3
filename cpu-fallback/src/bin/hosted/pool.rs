//! A [`ForkJoin`] on threads that spin for a moment and then sleep.
//!
//! A step forks and joins many times in a row, so a worker that has finished will most likely be wanted again within
//! microseconds: it spins. When nothing comes it sleeps, so an idle server costs no processor time.

use std::panic::AssertUnwindSafe;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use cpu_fallback::fork_join::ForkJoin;

/// Looks at the shared state before a worker sleeps: about 50 microseconds.
const SPINS: u32 = 2000;

type Job<'a> = &'a (dyn Fn(usize) + Sync);

/// What the workers share.
struct Shared {
    /// Counts forks; a worker that sees a new number runs the job.
    fork: AtomicU64,
    /// The job of the current fork: valid until `running` is 0 again.
    job: AtomicPtr<Job<'static>>,
    /// Workers that have not finished the current fork.
    running: AtomicUsize,
    stop: AtomicBool,
}

struct Worker {
    thread: JoinHandle<()>,
    asleep: Arc<AtomicBool>,
}

/// Threads that run one closure together.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
    /// Held during a fork: there is one job at a time.
    forking: Mutex<()>,
}

impl Pool {
    /// A pool of `workers`, of which the caller of [`ForkJoin::run`] is one.
    pub(crate) fn new(workers: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            fork: AtomicU64::new(0),
            job: AtomicPtr::new(ptr::null_mut()),
            running: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let mut pool = Self {
            shared,
            workers: Vec::new(),
            forking: Mutex::new(()),
        };
        for index in 1..workers {
            let (shared, asleep) = (pool.shared.clone(), Arc::new(AtomicBool::new(false)));
            let sleeper = asleep.clone();
            let thread = thread::Builder::new()
                .name(format!("worker {index}"))
                .spawn(move || work(index, &shared, &sleeper))?;
            pool.workers.push(Worker { thread, asleep });
        }
        Ok(pool)
    }

    fn wake(&self) {
        for worker in &self.workers {
            // `SeqCst` here and in `wait`: either this load sees the worker asleep, or the worker sees the new fork.
            if worker.asleep.load(Ordering::SeqCst) {
                worker.thread.thread().unpark();
            }
        }
    }
}

impl ForkJoin for Pool {
    fn workers(&self) -> usize {
        self.workers.len() + 1
    }

    fn run(&self, job: Job<'_>) {
        let _one_at_a_time = self.forking.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = &self.shared;
        let mut job = job;
        shared.running.store(self.workers.len(), Ordering::Relaxed);
        shared.job.store((&raw mut job).cast(), Ordering::Relaxed);
        shared.fork.fetch_add(1, Ordering::SeqCst);
        self.wake();
        // Whatever happens here, the workers' references to the job must end before this call does.
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| job(0)));
        let mut spins = 0;
        while shared.running.load(Ordering::Acquire) > 0 {
            pause(&mut spins);
        }
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.fork.fetch_add(1, Ordering::SeqCst);
        self.wake();
        for worker in self.workers.drain(..) {
            // A worker that panicked has aborted the process, so there is no error to report.
            let _ = worker.thread.join();
        }
    }
}

/// Ends the process if a job panics on a worker: its caller would wait for ever.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

fn work(index: usize, shared: &Shared, asleep: &AtomicBool) {
    let _guard = AbortOnPanic;
    let mut seen = 0;
    loop {
        wait(shared, asleep, seen);
        seen += 1;
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let job = shared.job.load(Ordering::Relaxed);
        // SAFETY: 1. The pointer was stored before the number of the fork, which `wait` has seen, so it is this fork's.
        // 2. It points to a variable of `run`, which does not return before `running` is 0, and this worker counts
        //    itself out of `running` only after its last use of the job.
        // 3. The job may be called from any thread, as it is `Sync`.
        unsafe { (*job)(index) };
        shared.running.fetch_sub(1, Ordering::Release);
    }
}

/// Returns when a fork after number `seen` has begun.
fn wait(shared: &Shared, asleep: &AtomicBool, seen: u64) {
    for _ in 0..SPINS {
        if shared.fork.load(Ordering::Acquire) != seen {
            return;
        }
        std::hint::spin_loop();
    }
    asleep.store(true, Ordering::SeqCst);
    while shared.fork.load(Ordering::SeqCst) == seen {
        thread::park();
    }
    asleep.store(false, Ordering::SeqCst);
}

/// Spins, and lets others run now and then, in case there are more threads than processors.
fn pause(spins: &mut u32) {
    *spins += 1;
    if spins.is_multiple_of(SPINS) {
        thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_runs_each_job_once() {
        for workers in 1..=5 {
            let pool = Pool::new(workers).unwrap();
            assert_eq!(pool.workers(), workers);
            for round in 0..2000 {
                let counts: Vec<_> = (0..workers).map(|_| AtomicUsize::new(0)).collect();
                pool.run(&|worker| {
                    counts[worker].fetch_add(1, Ordering::Relaxed);
                });
                let counts: Vec<_> = counts.into_iter().map(AtomicUsize::into_inner).collect();
                assert_eq!(counts, vec![1; workers], "round {round}");
                if round % 500 == 0 {
                    // Long enough for workers to fall asleep.
                    thread::sleep(std::time::Duration::from_millis(5));
                }
            }
        }
    }
}
