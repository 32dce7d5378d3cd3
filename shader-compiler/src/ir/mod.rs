//! The compiler's SSA form: scalar values in basic blocks with parameters, and the structure of the source kept as
//! annotations on blocks.
//!
//! Shape that every pass keeps, checked by [`verify`] after each of them:
//! - A value is a scalar of 16, 32 or 64 bits, a pair of f16, a run of dwords as memory moves them, or a matrix tile.
//!   Vectors of WGSL are taken apart by the front end (f16 vectors into pairs), structs and arrays exist in memory only.
//! - Values are defined once; a use is dominated by its definition. Blocks have parameters instead of phis.
//! - Control flow is structured: a `Branch` names the block where its sides meet again; a loop is a header block with
//!   `loop_` set, entered from one preheader and one latch; it is left only to its `merge` block. Both sides of a
//!   `Branch` may leave early to the merge or latch block of the innermost loop around it, or return. Nested branches
//!   may meet in one block. A latch that ends in a `Branch` (to header and merge) names the loop's merge as its merge.
//! - A value that is defined in a loop and used after it is passed as a parameter of the loop's merge block (loop-closed
//!   form), because lanes leave a loop at different times.
//!
//! Index arithmetic: the byte offset of a memory access is a u32 whose computation does not wrap, in no part of a sum; the
//! buffer is smaller than 4 GiB. That is a rule of our dialect: it lets the parts of a sum move into the instruction's fields.

pub mod divergence;
pub mod eval;
mod function;
mod graph;
mod print;
pub mod range;
pub mod scalar;
mod types;
mod verify;
mod visit;

pub use divergence::Divergence;
pub use function::*;
pub use graph::Graph;
pub use types::*;
pub use verify::verify;
