//! The server as its clients see it: bytes in, bytes out, with a backend that is arithmetic on the tokens so far.
//!
//! `harness` has the model and the clients, the other modules a subject each.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod bad_requests;
mod company;
mod harness;
mod http;
mod mutation;
mod patience;
