//! Doors: how something outside of this process reaches a [`Card`](crate::Card).
//!
//! [`qemu`] attaches it to stock QEMU, [`remote`] serves it to tinygrad's driver over TCP. Both take messages from a stream
//! that may be hostile: lengths are bounded before anything is allocated, a message that has begun must end within
//! [`MESSAGE_LIMIT`], and nothing in it makes the process panic.

mod beside;
pub mod qemu;
pub mod remote;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Card;

/// A card that several threads reach.
pub type SharedCard = Arc<Mutex<Card>>;

/// How long a message that has begun may take to arrive.
pub const MESSAGE_LIMIT: Duration = Duration::from_secs(30);

/// How often a wait for the next message looks whether it is to end.
const SLICE: Duration = Duration::from_millis(200);

/// How often the card is asked to go on while nobody accesses it: a queue may wait for memory that a guest writes unseen.
const TICK: Duration = Duration::from_millis(2);

/// Says to doors that they are to close.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// All doors that wait on this close soon.
    pub fn now(&self) {
        self.0.store(true, Relaxed);
    }

    /// Whether they are to.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Relaxed)
    }
}

fn lock(card: &SharedCard) -> MutexGuard<'_, Card> {
    card.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The peer did not keep to the protocol.
fn refused(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// Whether a read ended only because its slice of time did.
fn timed_out(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}
