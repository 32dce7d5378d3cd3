//! JSON in, with limits that `serde_json` does not have, and JSON out, without a tree in between.

mod parse;
mod write;

pub(crate) use parse::parse;
pub(crate) use write::{Escaped, Lossy};
