//! The gfx1100 (RDNA 3, Navi 31) instruction set, compute part, wave32: one table of rows, and what is driven by it:
//! encoder, decoder, assembler, disassembler. The compiler selects from the table, the interpreter executes by it.
//!
//! It never executes anything and knows no compiler IR. Start reading at [`Inst`], then [`table`].
//!
//! Source of facts: AMD "RDNA3 Instruction Set Architecture" manual; every row is checked against `llvm-mc-19`.
#![forbid(unsafe_code)]

mod decode;
mod encode;
mod inst;
mod layout;
mod operand;
mod row;
mod rules;
pub mod table;
#[cfg(test)]
mod tests;
mod text;
mod vopd;

pub use decode::{DecodeError, Rigor, decode};
pub use encode::{EncodeError, Words, encode, shortest};
pub use inst::{Dpp, Dual, Encoding, Inst, Mods, Place};
pub use operand::Operand;
pub use row::{Accepts, Class, Effects, Field, Format, Row, Slot, Ty};
pub use rules::Rule;
pub use table::Op;
pub use text::{AsmError, Reason, assemble, assemble_words, disassemble};
