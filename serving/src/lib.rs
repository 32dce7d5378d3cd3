//! The OpenAI API as a state machine: bytes of a connection in, bytes out, no sockets, no clock, no threads.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
