//! Tokens that are known by their text, because published files often give them the wrong type or no role.
//!
//! The lists are those that llama.cpp goes by, so that the same file ends a generation at the same token and treats the
//! same text as a control token.

/// End a generation, and are control tokens whatever the file says.
pub(super) const END_OF_GENERATION: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
];

/// Fill-in-the-middle tokens, in the order of their keys from [`super::metadata::FIRST_FILL_ROLE`] on. Where the file
/// does not give a role, the first of its names that the vocabulary has, by id, takes it and is a control token.
pub(super) const FILL_IN_THE_MIDDLE: [&[&str]; 6] = [
    &[
        "<|fim_prefix|>",
        "<fim-prefix>",
        "<fim_prefix>",
        "<｜fim▁begin｜>",
        "<PRE>",
        "▁<PRE>",
        "<|code_prefix|>",
        "<|prefix|>",
    ],
    &[
        "<|fim_suffix|>",
        "<fim-suffix>",
        "<fim_suffix>",
        "<｜fim▁hole｜>",
        "<SUF>",
        "▁<SUF>",
        "<|code_suffix|>",
        "<|suffix|>",
    ],
    &[
        "<|fim_middle|>",
        "<fim-middle>",
        "<fim_middle>",
        "<｜fim▁end｜>",
        "<MID>",
        "▁<MID>",
        "<|code_middle|>",
        "<|middle|>",
    ],
    &["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"],
    &[
        "<|fim_repo|>",
        "<|repo_name|>",
        "<fim-repo>",
        "<REPO>",
        "<reponame>",
    ],
    &["<|file_sep|>"],
];

/// Shown as text and recognised in any text: the structure of an answer, which a client wants to see.
pub(super) const USER_DEFINED: &[&str] =
    &["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

/// Where all of one set end a generation, `<|end|>` only ends a message.
pub(super) const END_IS_NOT_LAST: &[&[&str]] = &[
    &["<|return|>", "<|call|>"],
    &["<|return|>", "<|calls|>"],
    &["<|call|>", "<|flush|>"],
    &["<|calls|>", "<|flush|>"],
];
