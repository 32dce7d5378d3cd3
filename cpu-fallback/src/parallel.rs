//! Disjoint writes from several workers: the one place where workers share memory that they change.
//!
//! A buffer is cut into parts, each part is given out once by an atomic counter, and whoever gets a part holds the only
//! reference to it. This holds whatever the [`ForkJoin`] does: a pool that called a job twice would find no part left. It
//! also balances load, because a slow worker takes fewer parts.

use core::marker::PhantomData;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::fork_join::ForkJoin;

/// A buffer while its parts are given out.
struct Parts<'a, T> {
    start: *mut T,
    length: usize,
    next: AtomicUsize,
    buffer: PhantomData<&'a mut [T]>,
}

// SAFETY: through a shared `Parts` each element is reached by one worker at most (see `take`), which amounts to sending
// that `&mut T` to the worker.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    fn new(buffer: &'a mut [T]) -> Self {
        Self {
            start: buffer.as_mut_ptr(),
            length: buffer.len(),
            next: AtomicUsize::new(0),
            buffer: PhantomData,
        }
    }

    /// The next `length` elements that nobody has had yet, with their number; `None` when all are given out. All calls on
    /// one `Parts` pass the same `length`, which divides the buffer's.
    fn take(&self, length: usize) -> Option<(usize, &'a mut [T])> {
        let part = self.next.fetch_add(1, Ordering::Relaxed);
        let start = part.checked_mul(length)?;
        if self.length.checked_sub(start)? < length || length == 0 {
            return None;
        }
        // SAFETY: 1. `start + length <= self.length`. 2. The counter gives each `part` out once, so that no two of these
        // slices overlap. 3. `self.buffer` keeps the buffer borrowed for 'a.
        let slice = unsafe { core::slice::from_raw_parts_mut(self.start.add(start), length) };
        Some((part, slice))
    }
}

/// Calls `job(i, part, scratch)` for the `i`th `length` elements of `buffer`, for all `i`, spread over the workers. Each
/// worker has `scratch_length` elements of `scratch` to itself; `scratch` holds that many for every worker.
pub(crate) fn parts<P: ForkJoin, T: Send>(
    pool: &P,
    buffer: &mut [T],
    length: usize,
    scratch: &mut [f32],
    scratch_length: usize,
    job: impl Fn(usize, &mut [T], &mut [f32]) + Sync,
) {
    let parts = Parts::new(buffer);
    let scratch = Parts::new(scratch);
    pool.run(&|_| {
        let Some((_, scratch)) = scratch.take(scratch_length) else {
            return;
        };
        while let Some((i, part)) = parts.take(length) {
            job(i, part, scratch);
        }
    });
}

/// Some neighbouring columns of a matrix, for all of its rows.
pub(crate) struct Columns<'a> {
    start: *mut f32,
    rows: usize,
    width: usize,
    range: Range<usize>,
    matrix: PhantomData<&'a mut [f32]>,
}

impl Columns<'_> {
    /// Which columns these are.
    pub(crate) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// These columns of a row.
    #[inline]
    pub(crate) fn row(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.rows);
        // SAFETY: 1. The elements are inside the matrix: `row < rows`, and `range` ends at `width` or before. 2.
        // `&mut self` is the only way to them, because no other `Columns` of the matrix has these columns (see
        // `columns`).
        unsafe {
            let start = self.start.add(row * self.width + self.range.start);
            core::slice::from_raw_parts_mut(start, self.range.len())
        }
    }
}

/// Cuts the columns of some matrices, each `[rows][width]`, into ranges that begin at multiples of `granule`, and calls
/// `job` with the same range of each, spread over the workers.
pub(crate) fn columns<P: ForkJoin, const N: usize>(
    pool: &P,
    matrices: [&mut [f32]; N],
    width: usize,
    granule: usize,
    job: impl Fn([Columns<'_>; N]) + Sync,
) {
    /// Ranges for each worker: enough that a late one leaves its share to others.
    const RANGES_PER_WORKER: usize = 4;

    let ranges = match pool.workers() {
        1 => 1,
        workers => workers * RANGES_PER_WORKER,
    };
    let length = width.div_ceil(ranges).next_multiple_of(granule);
    let matrices = matrices.map(Parts::new);
    let next = AtomicUsize::new(0);
    pool.run(&|_| {
        loop {
            let start = next.fetch_add(1, Ordering::Relaxed) * length;
            if start >= width {
                return;
            }
            // The counter gives each range out once, so that no two `Columns` of a matrix overlap.
            job(core::array::from_fn(|n| Columns {
                start: matrices[n].start,
                rows: matrices[n].length / width,
                width,
                range: start..width.min(start + length),
                matrix: PhantomData,
            }));
        }
    });
}
