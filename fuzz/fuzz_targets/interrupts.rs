//! Fuzzes `interrupts` of `../targets.rs`.
#![no_main]

#[path = "../targets.rs"]
#[allow(dead_code, reason = "each fuzzer calls one of the functions")]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::driver::interrupts(data));
