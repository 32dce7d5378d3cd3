//! The compiler's machine form: gfx1100 instructions on virtual registers in a linear order of blocks, and the passes
//! from there to bytes.
//!
//! What selection hands over:
//! - Blocks in emission order. `EXEC` is changed by explicit instructions. Two sets of edges: *logical* ones, the paths
//!   that a lane takes, for vector registers; *linear* ones, the paths that the program counter takes, for scalar ones. A
//!   lane that is off keeps its vector registers, so a vector value needs its register along logical paths only.
//! - Branches are the last instructions of a block and name blocks; a block that ends in none falls into the next.
//! - A virtual register is a tuple of dwords, each of which has its own life. It is written once, except for block
//!   parameters (written by [`Kind::Copies`] at the end of each predecessor) and registers that are filled by parts.
//! - Where `EXEC` changes within a block and lanes that are on in its remainder were off before (or the reverse), no vector
//!   register is written on both sides of the change: such code is blocks of its own. [`RegisterData::whole_wave`] excepted.
//! - Constants that fit no operand field have been moved to registers; each instruction is one that the table allows.
//! - Accumulation stands in its three-address form (`v_fma_f32`); it becomes `v_fmac_f32` where allocation made it so.
//!
//! What allocation hands over: the same with `Operand::Fixed` everywhere and no pseudo instructions left.

pub mod allocate;
pub mod branches;
#[cfg(test)]
mod builder;
mod check;
pub mod clauses;
mod coalesce;
pub mod code;
mod copies;
pub mod delay;
mod dependence;
pub mod dual;
pub mod emit;
#[cfg(test)]
mod execute;
pub mod hazards;
mod holdings;
mod latency;
mod liveness;
mod operands;
mod pairs;
mod parked;
mod place;
mod print;
#[cfg(test)]
mod random_functions;
pub mod release;
pub mod repeats;
pub mod schedule;
pub mod shrink;
pub mod spans;
pub mod statistics;
#[cfg(test)]
mod strict;
#[cfg(test)]
pub(crate) mod testing;
mod types;
pub mod waits;

pub use types::*;
