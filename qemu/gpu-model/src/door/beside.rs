//! Where a door's thread runs: beside the thread that waits for its answers.
//!
//! QEMU sends an access and sleeps until it is answered, so the two threads never work at the same time. On one processor
//! the kernel hands over from one to the other within a few microseconds; on two, each message has to wake an idle processor
//! first, which takes several times as long as everything else together. The scheduler does not see that, since a processor
//! that idles looks like the better place: so both threads are kept from it for as long as accesses are dense.
//!
//! Who waits stands in `/proc`: the task of the peer's process that sleeps in a read of a Unix stream, and where it last
//! ran. Where that cannot be read, the thread runs where the kernel lets it.

use std::fs;
use std::path::PathBuf;

use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

/// Messages in a row after which the thread looks where its peer is, again and again: a look costs some 50 microseconds.
const LOOK: u32 = 256;

/// A thread that may go to where its peer runs.
pub(super) struct Beside {
    /// The peer's tasks, once it is known.
    tasks: Option<PathBuf>,
    /// Processors that the thread may use by itself.
    own: Option<CpuSet>,
    /// The one that it shares with the peer.
    shared: Option<usize>,
    /// The peer's thread that was kept there, and the processors that it may use by itself.
    kept: Option<(Pid, CpuSet)>,
    messages: u32,
}

impl Beside {
    /// For the thread that calls.
    pub(super) fn new() -> Self {
        Self {
            tasks: None,
            own: sched_getaffinity(None).ok(),
            shared: None,
            kept: None,
            messages: 0,
        }
    }

    /// Messages come from this process.
    pub(super) fn peer(&mut self, process: i32) {
        self.tasks = Some(format!("/proc/{process}/task").into());
    }

    /// A message came soon after the last one.
    pub(super) fn message(&mut self) {
        self.messages += 1;
        if self.messages == LOOK {
            self.messages = 0;
            self.follow();
        }
    }

    /// No message comes, or there is work to do that several processors are good for.
    pub(super) fn leave(&mut self) {
        self.messages = 0;
        // What was allowed before; if it no longer is, or the peer is gone, a thread stays where it is, which is slow and
        // not wrong.
        if self.shared.take().is_some()
            && let Some(own) = &self.own
        {
            let _ = sched_setaffinity(None, own);
        }
        if let Some((peer, own)) = self.kept.take() {
            let _ = sched_setaffinity(Some(peer), &own);
        }
    }

    fn follow(&mut self) {
        let (Some(tasks), Some(own)) = (&self.tasks, &self.own) else {
            return;
        };
        let Some((peer, processor)) = waiting(tasks) else {
            return;
        };
        let is_kept = self.kept.as_ref().is_some_and(|(kept, _)| *kept == peer);
        if self.shared == Some(processor) && is_kept
            || processor >= CpuSet::MAX_CPU
            || !own.is_set(processor)
        {
            return;
        }
        self.leave();
        let mut only = CpuSet::new();
        only.set(processor);
        if sched_setaffinity(None, &only).is_ok() {
            self.shared = Some(processor);
        }
        // Another user's process cannot be kept; then the two part when another processor idles.
        if let Ok(theirs) = sched_getaffinity(Some(peer))
            && sched_setaffinity(Some(peer), &only).is_ok()
        {
            self.kept = Some((peer, theirs));
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.leave();
    }
}

/// The task that sleeps in a read of a Unix stream, and the processor on which it last ran.
fn waiting(tasks: &PathBuf) -> Option<(Pid, usize)> {
    fs::read_dir(tasks).ok()?.flatten().find_map(|task| {
        let task = task.path();
        let sleeps_in = fs::read_to_string(task.join("wchan")).ok()?;
        if !sleeps_in.starts_with("unix_stream") {
            return None;
        }
        // Field 39 of proc(5); the name, field 2, may hold anything and ends with the last bracket.
        let stat = fs::read_to_string(task.join("stat")).ok()?;
        let (_, fields) = stat.rsplit_once(") ")?;
        let processor = fields.split(' ').nth(39 - 3)?.parse().ok()?;
        let id = task.file_name()?.to_str()?.parse().ok()?;
        Some((Pid::from_raw(id)?, processor))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_thread_goes_to_the_one_that_waits_and_comes_back() {
        let (mut theirs, ours) = UnixStream::pair().expect("sockets");
        let own = sched_getaffinity(None).expect("an affinity");
        let reader = std::thread::spawn(move || {
            let end = theirs.read(&mut [0; 1]);
            (end, sched_getaffinity(None).expect("an affinity"))
        });
        let mut beside = Beside::new();
        beside.peer(rustix::process::getpid().as_raw_nonzero().get());
        let deadline = Instant::now() + Duration::from_secs(20);
        while beside.shared.is_none() {
            assert!(Instant::now() < deadline, "the reader is never found");
            beside.message();
        }
        let now = sched_getaffinity(None).expect("an affinity");
        assert_eq!(now.count(), 1);
        beside.leave();
        assert_eq!(sched_getaffinity(None).expect("an affinity"), own);
        drop(ours);
        let (end, theirs) = reader.join().expect("no panic");
        assert_eq!(end.expect("an end"), 0);
        assert_eq!(theirs, own, "the peer is free again");
    }
}
