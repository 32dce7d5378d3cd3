//! OpenAI's API: what a request may say, what is wrong with those that may not, and the objects that answer.
//!
//! The rule of this module: everything in a request is either honoured, or known to mean nothing here, or refused by
//! name. [`fields`] takes a body apart under that rule, [`options`] holds what chat and completion share, [`problem`]
//! lists every way in which a request can be wrong.

pub(crate) mod chat;
pub(crate) mod completion;
pub(crate) mod fields;
pub(crate) mod options;
pub(crate) mod problem;
