//! How a step spreads over cores, without knowing whether a core is a parked processor or a Linux thread.

/// A fixed set of workers that run one closure together.
pub trait ForkJoin: Sync {
    /// How many workers there are, the caller's own core included; at least 1, and constant.
    fn workers(&self) -> usize;

    /// Calls `job(w)` once for each worker `w` in `0..workers()`, in parallel, and returns when all have returned. The
    /// caller's core runs worker 0. Not re-entrant: a job must not call `run`.
    ///
    /// Everything written by a job happens-before the return.
    fn run(&self, job: &(dyn Fn(usize) + Sync));
}

/// One worker: the caller itself.
pub struct SingleCore;

impl ForkJoin for SingleCore {
    fn workers(&self) -> usize {
        1
    }

    fn run(&self, job: &(dyn Fn(usize) + Sync)) {
        job(0);
    }
}

impl<P: ForkJoin + ?Sized> ForkJoin for &P {
    fn workers(&self) -> usize {
        (**self).workers()
    }

    fn run(&self, job: &(dyn Fn(usize) + Sync)) {
        (**self).run(job);
    }
}
