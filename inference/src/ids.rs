//! Numbers that cross rooms, each with a type of its own, so that a wrong one does not compile.

/// Index of a token in the model's vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub u32);

/// Index of a block in the paged KV cache; a block holds [`crate::limits::KV_BLOCK_TOKENS`] positions of one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(pub u32);

/// Names a request from its submission to its last event; never used twice by one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);
