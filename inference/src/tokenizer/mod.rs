//! Text to tokens and back, by what the model file says about its vocabulary.
//!
//! What it is for: the two families that Llama-architecture models come with, SentencePiece-style BPE (`llama`) and
//! byte-level BPE (`gpt2`), with ids equal to llama.cpp's. Where the two differ on purpose: ordinary text never becomes
//! a control token here, also not where merging its characters would spell one.
//!
//! What it never does: it adds no begin or end token by itself ([`Tokenizer::add_bos`] says whether the caller should),
//! and it runs no regular expressions: how text is cut into words is written out in [`pre_tokenizer`].
//!
//! Bounds: encoding takes time n log n in the length of the text, whatever the text is, and about 50 bytes of memory
//! for each byte of the longest stretch that is merged as one (a word, or with `llama` the text between two special
//! tokens), of which none is longer than [`MAX_MERGE_BYTES`].
//!
//! Where to start reading: [`Tokenizer::encode_parts`], then [`merge`], which both families end in.

mod byte_level;
mod detokenizer;
mod error;
mod merge;
mod metadata;
mod names;
mod pre_tokenizer;
mod roles;
mod sentence_piece;
mod special;
#[cfg(test)]
mod tests;
mod vocabulary;

use alloc::{string::String, vec::Vec};

pub use detokenizer::{ControlTokens, Detokenizer};
pub use error::TokenizerError;
pub use metadata::{BOS, EOS, Metadata, ROLE_KEYS, UNKNOWN};
pub use vocabulary::TokenKind;

use crate::gguf::Header;
use crate::ids::TokenId;
#[cfg(doc)]
use crate::limits::MAX_MERGE_BYTES;
use byte_level::ByteLevel;
use merge::Merger;
use roles::Roles;
use sentence_piece::SentencePiece;
use special::{Fragment, SpecialTokens};
use vocabulary::{Spelling, Vocabulary};

/// What happens to text that spells a special token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// It becomes that token: for text that the operator or the chat template wrote.
    Parse,
    /// It stays text, unless the token is user-defined and so text itself: for everything that a user wrote.
    AsText,
}

enum Algorithm {
    SentencePiece(SentencePiece),
    ByteLevel(ByteLevel),
}

/// A model's tokenizer: its checked vocabulary and how text is merged into it.
pub struct Tokenizer {
    vocabulary: Vocabulary,
    algorithm: Algorithm,
    special: SpecialTokens,
    roles: Roles,
    add_bos: bool,
    add_eos: bool,
}

impl Tokenizer {
    /// The tokenizer that a GGUF file describes.
    ///
    /// # Errors
    /// [`TokenizerError`], as for [`Self::new`].
    pub fn from_gguf(header: &Header) -> Result<Self, TokenizerError> {
        Self::new(&Metadata::from_gguf(header)?)
    }

    /// Checks everything that a model file says about its tokenizer.
    ///
    /// # Errors
    /// [`TokenizerError`], one variant for each way to be wrong.
    pub fn new(metadata: &Metadata<'_>) -> Result<Self, TokenizerError> {
        let (spelling, default_roles) = match metadata.model {
            "llama" => (Spelling::SentencePiece, [Some(1), Some(2), Some(0)]),
            "gpt2" => (Spelling::ByteLevel, [None; 3]),
            found => {
                return Err(TokenizerError::UnknownModel {
                    found: found.into(),
                });
            }
        };
        let vocabulary = Vocabulary::new(metadata, spelling)?;
        let roles = Roles::new(metadata, &vocabulary, default_roles)?;
        let (algorithm, adds_bos) = match spelling {
            Spelling::SentencePiece => {
                let algorithm = SentencePiece::new(metadata, &vocabulary, roles.unknown)?;
                (Algorithm::SentencePiece(algorithm), true)
            }
            Spelling::ByteLevel => {
                let algorithm = ByteLevel::new(metadata, &vocabulary)?;
                let adds_bos = algorithm.adds_bos();
                (Algorithm::ByteLevel(algorithm), adds_bos)
            }
        };
        Ok(Self {
            special: SpecialTokens::new(&vocabulary),
            add_bos: metadata.add_bos.unwrap_or(adds_bos) && roles.bos.is_some(),
            add_eos: metadata.add_eos.unwrap_or(false) && roles.eos.is_some(),
            vocabulary,
            algorithm,
            roles,
        })
    }

    /// Appends the tokens of `text` to `out`. No begin or end token is added.
    pub fn encode(&self, text: &str, special: Special, out: &mut Vec<TokenId>) {
        self.encode_parts([(text, special)], out);
    }

    /// Appends the tokens of a text of several parts, such as template and user text in turn, to `out`.
    ///
    /// Special tokens are looked for in each part by itself, as it says; all other text is encoded as if the parts were
    /// one, so that the seams between them leave no trace in the tokens.
    pub fn encode_parts<'a>(
        &self,
        parts: impl IntoIterator<Item = (&'a str, Special)>,
        out: &mut Vec<TokenId>,
    ) {
        let mut merger = Merger::default();
        let mut text = String::new();
        for (part, special) in parts {
            for fragment in self.special.split(&self.vocabulary, part, special) {
                match fragment {
                    Fragment::Text(fragment) => text.push_str(fragment),
                    Fragment::Token(token) => {
                        self.encode_text(&text, &mut merger, out);
                        text.clear();
                        out.push(token);
                    }
                }
            }
        }
        self.encode_text(&text, &mut merger, out);
    }

    fn encode_text(&self, text: &str, merger: &mut Merger, out: &mut Vec<TokenId>) {
        match &self.algorithm {
            _ if text.is_empty() => {}
            Algorithm::SentencePiece(algorithm) => {
                algorithm.encode(&self.vocabulary, text, merger, out)
            }
            Algorithm::ByteLevel(algorithm) => {
                algorithm.encode(&self.vocabulary, text, merger, out)
            }
        }
    }

    /// The text of a whole list of tokens; undoes [`Self::encode`].
    pub fn detokenize(&self, tokens: &[TokenId], control: ControlTokens) -> String {
        let mut text = String::new();
        let mut detokenizer = Detokenizer::of_whole_text(self, control);
        for &token in tokens {
            detokenizer.push(self, token, &mut text);
        }
        detokenizer.finish(&mut text);
        text
    }

    /// The token that begins a text.
    pub fn bos(&self) -> Option<TokenId> {
        self.roles.bos
    }

    /// The token that ends a text.
    pub fn eos(&self) -> Option<TokenId> {
        self.roles.eos
    }

    /// Whether a prompt should begin with [`Self::bos`], which then exists.
    pub fn add_bos(&self) -> bool {
        self.add_bos
    }

    /// Whether a text that is complete should end with [`Self::eos`], which then exists.
    pub fn add_eos(&self) -> bool {
        self.add_eos
    }

    /// Whether the model says with this token that it has finished.
    pub fn is_end_of_generation(&self, token: TokenId) -> bool {
        self.roles.ends.binary_search(&token).is_ok()
    }

    /// All tokens that [`Self::is_end_of_generation`], in ascending order.
    pub fn end_of_generation(&self) -> &[TokenId] {
        &self.roles.ends
    }

    /// The fewest tokens that so many bytes of text can become, known without encoding them. 0 where the vocabulary
    /// cannot express every byte, because what it cannot is left out.
    pub fn least_tokens(&self, bytes: usize) -> usize {
        let expresses_all = match &self.algorithm {
            Algorithm::SentencePiece(algorithm) => algorithm.expresses_all(),
            Algorithm::ByteLevel(algorithm) => algorithm.expresses_all(),
        };
        // A token's text is never shorter than what it stands for. The token for unknown text stands for a character.
        let longest = self.vocabulary.longest().max(char::MAX.len_utf8());
        if expresses_all {
            bytes.div_ceil(longest)
        } else {
            0
        }
    }

    /// The number of tokens; ids are below it.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary.len()
    }

    /// The bytes that a token stands for, not always whole characters; of a control token, its name. Empty for an id
    /// outside of the vocabulary.
    pub fn token_bytes(&self, token: TokenId) -> &[u8] {
        self.index(token)
            .map_or(&[], |index| self.vocabulary.piece(index))
    }

    /// The token as the vocabulary writes it. Empty for an id outside of the vocabulary.
    pub fn token_text(&self, token: TokenId) -> &str {
        let text = self
            .index(token)
            .map(|index| core::str::from_utf8(self.vocabulary.text(index)));
        text.and_then(Result::ok).unwrap_or_default()
    }

    /// What the token is; none for an id outside of the vocabulary.
    pub fn token_kind(&self, token: TokenId) -> Option<TokenKind> {
        self.index(token).map(|index| self.vocabulary.kind(index))
    }

    fn index(&self, token: TokenId) -> Option<usize> {
        Some(token.0 as usize).filter(|&index| index < self.vocabulary.len())
    }

    fn adds_space(&self) -> bool {
        matches!(&self.algorithm, Algorithm::SentencePiece(algorithm) if algorithm.adds_space)
    }
}
