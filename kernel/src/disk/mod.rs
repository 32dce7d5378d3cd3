//! Where on a disk the model lies, the whole disk or a partition of a GPT; and AMD's firmware, in a partition of its own.
//!
//! Everything here reads through [`inference::source::BlockSource`] and trusts no byte of the disk.

pub mod buffered;
pub mod firmware;
pub mod gpt;
pub mod locate;
