//! Which tokens begin a text, end it, or end a generation; and the kinds that their names overrule.

use alloc::vec::Vec;

use super::metadata::{BOS, END_ROLES, EOS, FIRST_FILL_ROLE, ROLE_KEYS, UNKNOWN};
use super::names::{END_IS_NOT_LAST, END_OF_GENERATION, FILL_IN_THE_MIDDLE, USER_DEFINED};
use super::vocabulary::Vocabulary;
use super::{Metadata, TokenKind, TokenizerError};
use crate::ids::TokenId;

pub(super) struct Roles {
    pub(super) bos: Option<TokenId>,
    pub(super) eos: Option<TokenId>,
    pub(super) unknown: Option<TokenId>,
    /// What ends a generation, sorted.
    pub(super) ends: Vec<TokenId>,
}

impl Roles {
    /// `defaults` are the ids of bos, eos and unknown where the file names none.
    pub(super) fn new(
        metadata: &Metadata<'_>,
        vocabulary: &Vocabulary,
        defaults: [Option<u32>; 3],
    ) -> Result<Self, TokenizerError> {
        for (role, key) in metadata.roles.iter().zip(ROLE_KEYS) {
            if let Some(found) = role.filter(|&id| id as usize >= vocabulary.len()) {
                return Err(TokenizerError::TokenOutOfRange {
                    key,
                    found,
                    vocabulary: vocabulary.len(),
                });
            }
        }
        let mut roles = metadata.roles;
        for (role, default) in roles.iter_mut().zip(defaults) {
            *role = role.or(default.filter(|&id| (id as usize) < vocabulary.len()));
        }
        for (role, names) in roles[FIRST_FILL_ROLE..].iter_mut().zip(FILL_IN_THE_MIDDLE) {
            *role = role.or_else(|| first(vocabulary, names));
        }
        let mut ends: Vec<u32> = END_OF_GENERATION
            .iter()
            .filter_map(|name| vocabulary.find(name.as_bytes()))
            .collect();
        ends.extend(END_ROLES.iter().filter_map(|&role| roles[role]));
        if end_is_not_last(vocabulary) {
            ends.retain(|&id| vocabulary.text(id as usize) != b"<|end|>");
        }
        ends.sort_unstable();
        ends.dedup();
        let [bos, eos, unknown] = [BOS, EOS, UNKNOWN].map(|role| roles[role].map(TokenId));
        Ok(Self {
            bos,
            eos,
            unknown,
            ends: ends.into_iter().map(TokenId).collect(),
        })
    }
}

/// Gives tokens that are known by name the kind that the name implies.
pub(super) fn correct_kinds(metadata: &Metadata<'_>, vocabulary: &mut Vocabulary) {
    let mut control: Vec<u32> = END_OF_GENERATION
        .iter()
        .filter_map(|name| vocabulary.find(name.as_bytes()))
        .collect();
    for (role, names) in metadata.roles[FIRST_FILL_ROLE..]
        .iter()
        .zip(FILL_IN_THE_MIDDLE)
    {
        if role.is_none() {
            control.extend(first(vocabulary, names));
        }
    }
    for token in control {
        vocabulary.set_kind(token, TokenKind::Control);
    }
    let mut shown = USER_DEFINED.to_vec();
    if end_is_not_last(vocabulary) {
        shown.push("<|end|>");
    }
    for name in shown {
        if let Some(token) = vocabulary.find(name.as_bytes()) {
            vocabulary.set_kind(token, TokenKind::UserDefined);
        }
    }
}

fn end_is_not_last(vocabulary: &Vocabulary) -> bool {
    let has = |name: &&str| vocabulary.find(name.as_bytes()).is_some();
    END_IS_NOT_LAST.iter().any(|names| names.iter().all(has))
}

/// The lowest id among tokens of these names.
fn first(vocabulary: &Vocabulary, names: &[&str]) -> Option<u32> {
    names
        .iter()
        .filter_map(|name| vocabulary.find(name.as_bytes()))
        .min()
}
