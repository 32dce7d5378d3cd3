//! What the whole-system tests share: oracles and their set-up, a server under test, random models, and the census.
#![forbid(unsafe_code)]

pub mod binary;
pub mod census;
pub mod evaluation;
pub mod gpu_guest;
pub mod gpu_machine;
pub mod gpu_script;
pub mod guest;
pub mod hosted;
pub mod http;
pub mod oracles;
pub mod random_model;

pub use shader_cases::random;
