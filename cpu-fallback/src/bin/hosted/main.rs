//! Infernel's CPU path as a Linux process.
fn main() {}
