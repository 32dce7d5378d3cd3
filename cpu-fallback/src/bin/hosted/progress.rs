//! Says on standard error how far something long has come.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Nothing is said about what takes less.
const QUIET: Duration = Duration::from_secs(1);

/// Time between two lines in a log, where no line can be overwritten.
const LOG_INTERVAL: Duration = Duration::from_secs(5);

/// Reports progress of one task.
pub(crate) struct Progress {
    task: String,
    total: u64,
    start: Instant,
    said: Option<Instant>,
    terminal: bool,
}

impl Progress {
    /// Begins a task of `total` units.
    pub(crate) fn new(task: impl Into<String>, total: u64) -> Self {
        Self {
            task: task.into(),
            total,
            start: Instant::now(),
            said: None,
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Notes that `done` units are done.
    pub(crate) fn at(&mut self, done: u64) {
        let now = Instant::now();
        let interval = if self.terminal {
            QUIET / 5
        } else {
            LOG_INTERVAL
        };
        if now - self.start < QUIET || self.said.is_some_and(|said| now - said < interval) {
            return;
        }
        self.said = Some(now);
        let percent = 100 * done / self.total.max(1);
        let end = if self.terminal { "\r" } else { "\n" };
        eprint!("{}: {percent} %{end}", self.task);
        // Progress that cannot be shown is no reason to fail.
        let _ = std::io::stderr().flush();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.said.is_some() {
            let seconds = self.start.elapsed().as_secs_f64();
            eprintln!("{}: done in {seconds:.1} s", self.task);
        }
    }
}
