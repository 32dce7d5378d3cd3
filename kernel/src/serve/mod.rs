//! What the machine is for: finds the devices, loads the model, and serves until it is told to stop.

pub mod budget;
#[cfg(not(test))]
pub mod machine;
