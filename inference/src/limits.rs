//! Every limit of this room in one place, with its unit and the reason for its size.

/// Positions per KV block. 16 keeps the waste per sequence under 16 positions and a block's rows of one head (16 x 64
/// x 2 bytes) a multiple of a cache line and of a GPU's 128-byte line.
pub const KV_BLOCK_TOKENS: usize = 16;

/// Sequences that one step may carry. The API must hold 16 connections; the rest is head room for the GPU.
pub const MAX_BATCH_SEQUENCES: usize = 64;

/// Tokens that one step may carry, prefill and decode together.
pub const MAX_BATCH_TOKENS: usize = 512;
