//! Every limit of this room in one place, with its unit and the reason for its size.

/// Positions per KV block. 16 keeps the waste per sequence under 16 positions and a block's rows of one head (16 x 64
/// x 2 bytes) a multiple of a cache line and of a GPU's 128-byte line.
pub const KV_BLOCK_TOKENS: usize = 16;

/// Sequences that one step may carry. The API must hold 16 connections; the rest is head room for the GPU.
pub const MAX_BATCH_SEQUENCES: usize = 64;

/// Tokens that one step may carry, prefill and decode together.
pub const MAX_BATCH_TOKENS: usize = 512;

/// Bytes of a GGUF file in front of its tensor data. The largest published vocabularies (256 thousand tokens, 500
/// thousand merges, scores and types) take 20 MiB.
pub const MAX_GGUF_METADATA_BYTES: u64 = 64 << 20;

/// Key/value pairs of a GGUF file; published files have under a hundred.
pub const MAX_GGUF_KEYS: u64 = 4096;

/// Tensors of a GGUF file; a model of 80 layers has 723.
pub const MAX_GGUF_TENSORS: u64 = 16384;

/// Elements of one GGUF array: the longest are the merges of a vocabulary.
pub const MAX_GGUF_ARRAY_LENGTH: u64 = 1 << 20;

/// Bytes of one GGUF string value: the longest are chat templates.
pub const MAX_GGUF_STRING_BYTES: u64 = 1 << 20;

/// Bytes of a GGUF key, by the format's own rule.
pub const MAX_GGUF_KEY_BYTES: u64 = 65535;

/// Bytes of a tensor's name, by the format's own rule.
pub const MAX_GGUF_NAME_BYTES: u64 = 64;

/// Dimensions of a tensor, by the format's own rule.
pub const MAX_GGUF_RANK: usize = 4;

/// Bytes that the GGUF reader fetches at once: large enough that a disk streams, small enough for a small machine.
pub const GGUF_READ_AHEAD_BYTES: usize = 64 << 10;

/// Positions of a model's context; the longest published one is 10 million.
pub const MAX_CONTEXT: usize = 1 << 24;

/// Width of the residual stream; the largest published Llama has 16384.
pub const MAX_EMBEDDING: usize = 1 << 16;

/// Layers; the largest published Llama has 126.
pub const MAX_LAYERS: usize = 512;

/// Width of the feed-forward part; the largest published Llama has 53248.
pub const MAX_FEED_FORWARD: usize = 1 << 18;

/// Query heads; the largest published Llama has 128.
pub const MAX_HEADS: usize = 1024;

/// Elements of a head; published models have 64 to 256.
pub const MAX_HEAD_LENGTH: usize = 1024;

/// Tokens of a vocabulary: as many as a GGUF array holds.
pub const MAX_VOCABULARY: usize = MAX_GGUF_ARRAY_LENGTH as usize;

/// Bytes of text that a tokenizer merges as one: the working memory is about 50 times as much. Longer text without a
/// place to cut is cut here.
pub const MAX_MERGE_BYTES: usize = 16 << 20;

/// Bytes of one token's text, which bounds what a look-up while merging costs. The longest published ones are runs of
/// some hundred spaces or dashes.
pub const MAX_TOKEN_BYTES: usize = 4096;
