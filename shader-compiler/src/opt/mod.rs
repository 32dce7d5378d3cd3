//! Passes on the SSA form.

pub mod locals;
