//! A deadline for work that cannot be stopped: a driver's own threads may wait for each other for ever.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Does `work`. If that takes longer than `limit`, this process says that `who` gave no answer, and ends.
pub fn within<T>(limit: Duration, who: &str, work: impl FnOnce() -> T) -> T {
    let (done, watch) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if watch.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{who} gave no answer in {} s", limit.as_secs());
                // Not an orderly end, which might wait for those threads.
                std::process::abort();
            }
        });
        let result = work();
        drop(done);
        result
    })
}
