//! How a queue of an engine works: packet by packet, within the access that gave it work, until it has no more, waits or hangs.

use std::fmt;

use crate::fabric::Fabric;
use crate::rule::{Rule, Violation};

/// Packets of one run: a chain of buffers that leads into itself ends here.
const MOST_PACKETS: u32 = 1 << 20;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// It is to be looked at again.
    Waits,
    /// The queue goes no further.
    Hangs,
}

/// What a queue does between accesses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// It has nothing to do.
    #[default]
    Idle,
    /// Its next packet waits since this time, in nanoseconds.
    Waits(u64),
    /// Something will never end.
    Hung,
}

/// A queue, to [`run`].
pub(crate) trait Work {
    fn state(&mut self) -> &mut State;

    /// Dwords that are there to be read where packets come from now.
    fn available(&self) -> u64;

    /// Takes the next packet and does what it says.
    fn packet(&mut self, fabric: &mut Fabric) -> Result<Outcome, Violation>;

    /// Writes the read pointer to memory.
    fn report(&self, fabric: &mut Fabric) -> Result<(), Violation>;
}

/// Lets a queue work. Whether it did anything. Whoever waits for longer than `patience` nanoseconds breaks the rule.
pub(crate) fn run(
    queue: &mut (impl Work + fmt::Display),
    (patience, rule): (u64, Rule),
    fabric: &mut Fabric,
) -> Result<bool, Violation> {
    let mut worked = false;
    for _ in 0..MOST_PACKETS {
        if queue.available() == 0 {
            *queue.state() = State::Idle;
            queue.report(fabric)?;
            return Ok(worked);
        }
        match queue.packet(fabric)? {
            Outcome::Done => {
                worked = true;
                // What waited is done, and what follows is none that was seen before.
                *queue.state() = State::Idle;
            }
            Outcome::Waits => {
                let now = fabric.clock.ns();
                let since = match *queue.state() {
                    State::Waits(since) => since,
                    _ => now,
                };
                *queue.state() = State::Waits(since);
                fabric.require(
                    now - since <= patience,
                    rule,
                    format_args!("{queue} since {since} ns"),
                )?;
                if worked {
                    queue.report(fabric)?;
                }
                return Ok(worked);
            }
            Outcome::Hangs => break,
        }
    }
    *queue.state() = State::Hung;
    Ok(true)
}
