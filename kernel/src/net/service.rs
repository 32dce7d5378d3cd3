//! The seam between connections and whoever answers on them.

use core::time::Duration;

/// Answers on connections that somebody else carries: the API server, or what stands in for it without a model.
pub trait Service {
    /// Names an open connection.
    type Connection: Copy;

    /// What a client is told for whom there is no room; then the connection is closed.
    const REFUSAL: &'static [u8];

    /// A client has connected. `None` if there is no room for one more.
    fn open(&mut self, now: Duration) -> Option<Self::Connection>;

    /// Bytes from the client; returns how many were taken. The rest is offered again.
    fn receive(&mut self, connection: Self::Connection, bytes: &[u8], now: Duration) -> usize;

    /// The client sends no more, though it may still read.
    fn peer_closed(&mut self, connection: Self::Connection);

    /// Bytes for the client.
    fn pending(&self, connection: Self::Connection) -> &[u8];

    /// The first `count` bytes of [`Self::pending`] are on their way.
    fn sent(&mut self, connection: Self::Connection, count: usize, now: Duration);

    /// Whether the connection is over once [`Self::pending`] is empty.
    fn should_close(&self, connection: Self::Connection) -> bool;

    /// The connection is gone; its name means nothing from here on.
    fn release(&mut self, connection: Self::Connection);

    /// What the machine measures of itself, for those who ask: lines in Prometheus' text format.
    fn set_machine_metrics(&mut self, _lines: &str) {}

    /// Does one bounded piece of work, the longest being one step of the model. Returns whether there may be more.
    fn step(&mut self, now: Duration) -> bool;
}
