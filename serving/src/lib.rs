//! The OpenAI API as a state machine: bytes of a connection in, bytes out, no sockets, no clock, no threads.
//!
//! What it is for: HTTP/1.1 with every limit and deadline that strangers on a network make necessary, OpenAI's requests
//! checked to the last field, their sequences handed to [`inference::engine`], tokens turned into answers and streams.
//!
//! What it never does: it opens no socket, reads no clock, blocks on nothing. Time comes in as `now`, a duration since
//! any fixed moment.
//!
//! How to drive a [`Server`]: call [`Server::open`] for a new connection, [`Server::receive`] with what it sends (not
//! more than [`Server::room`]), write [`Server::pending`] to it and say so with [`Server::sent`], tell of its end with
//! [`Server::peer_closed`], and close it when [`Server::should_close`] says so. Call [`Server::step`] in between as long
//! as it returns `true`, and now and then when it does not, as it also keeps the deadlines.
//!
//! Where to start reading: `server` for what happens to a request, `connection` for whose turn it is, `api` for what a
//! request may say, `answer` for what is said in return.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod answer;
mod api;
mod buffer;
mod connection;
mod describe;
mod generator;
mod http;
mod json;
pub mod limits;
mod logprobs;
mod metrics;
mod route;
mod server;

pub use connection::ConnectionId;
pub use server::{Server, ServerConfig, TooManyConnections};

/// What to send to a client whose connection could not be opened, before closing it.
pub const TOO_MANY_CONNECTIONS: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\n\
    Content-Type: application/json\r\nContent-Length: 122\r\nRetry-After: 1\r\nConnection: close\r\n\r\n\
    {\"error\":{\"message\":\"Too many connections are open.\",\"type\":\"rate_limit_error\",\
    \"param\":null,\"code\":\"rate_limit_exceeded\"}}";
