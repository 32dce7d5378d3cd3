//! Memory and queues on the model at level strict, on a card that was brought up from cold.

mod copies;
mod hangs;
mod kernels;
mod rig;

use std::time::Duration;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(1);
