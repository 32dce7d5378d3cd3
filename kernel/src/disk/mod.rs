//! Where on a disk the model lies: the whole disk, or a partition of a GPT.
//!
//! Everything here reads through [`inference::source::BlockSource`] and trusts no byte of the disk.

pub mod buffered;
pub mod gpt;
pub mod locate;
