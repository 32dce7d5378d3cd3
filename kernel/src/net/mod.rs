//! TCP/IP between a network card and whoever answers requests.
//!
//! [`stack::Stack`] owns smoltcp's interface, the address and the sockets; [`service::Service`] is what it carries bytes
//! to and from. Neither knows a card or a clock: the card is any [`smoltcp::phy::Device`], time is a parameter, and the
//! work of one call is bounded.

pub mod service;
pub mod stack;
pub mod unready;
