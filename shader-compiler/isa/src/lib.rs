//! The gfx1100 (RDNA 3, Navi 31) instruction set, compute part, wave32: one table of rows, and what is driven by it:
//! encoder, decoder, assembler, disassembler. The compiler selects from the table, the interpreter executes by it.
//!
//! It never executes anything and knows no compiler IR. Start reading at [`Inst`], then [`table`].
//!
//! | to go from | to | call |
//! | --- | --- | --- |
//! | [`Inst`] | dwords | [`encode`]; [`shortest`] before it picks the one-word form where it is legal |
//! | dwords | [`Inst`] | [`decode`], strictly or letting pass what hardware ignores ([`Rigor`]) |
//! | text | [`Inst`], dwords | [`assemble`], [`assemble_words`] |
//! | [`Inst`], dwords | text | `Display`, [`disassemble`] |
//!
//! # How it fits together
//! A row of the [`table`] says which operands an instruction has, of what type, and which modifiers it accepts. `layout`
//! says where each format keeps its fields; encoder and decoder walk the same list. `rules` says what is legal beside
//! that (constant bus, alignment of tuples, literals, lane exchange, pairing in VOPD): the encoder asks before it writes and
//! the decoder after it has read. So what decodes strictly encodes to the same dwords, and nothing illegal passes either.
//!
//! # What it is checked against
//! `tests/llvm_mc` asks `llvm-mc-19` about every row with every operand kind and modifier, about everything that the
//! encoder refuses, and about the whole opcode space; where LLVM cannot answer or takes more, a table says why. SCC, VCC,
//! EXEC and M0 of [`Effects`] were compared with the pseudo-code of AMD's "RDNA3 Instruction Set Architecture" manual.
//!
//! Left out: image, export, interpolation, global data share, typed buffers, ray tracing, trap handlers and debugging.
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
