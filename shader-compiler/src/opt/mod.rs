//! The optimiser: passes on the SSA form, each a file, in a flat list.

mod fold;
mod range;
mod rules;
mod simplify;
