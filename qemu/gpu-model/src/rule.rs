//! Rules: what a driver must do or must not do, where that is known from, and what real cards let pass.

use std::fmt;

/// A part of the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "AMD's names")]
pub enum Block {
    Pci,
    Vram,
    Discovery,
    Nbio,
    Hdp,
    Psp,
    Smu,
    Ih,
    Gmc,
    Caches,
    Gfx,
    Sdma,
}

/// How strict the card is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Every rule holds.
    Strict,
    /// What real cards are known to let pass is counted and passes.
    Hardware,
}

/// What a real card does when a rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerance {
    /// It fails too, or nobody knows: the rule holds at both levels.
    None,
    /// It goes on; this is the evidence.
    Known(&'static str),
}

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Unique name, in words joined by `-`.
    pub name: &'static str,
    /// Which part of the card watches it.
    pub block: Block,
    /// What must hold.
    pub says: &'static str,
    /// Where that is known from.
    pub source: &'static str,
    /// What real cards let pass.
    pub tolerance: Tolerance,
}

/// A rule that was broken, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// What was seen: the register, packet or address, and what was expected.
    pub seen: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?}: {}: {} ({})",
            self.rule.block, self.rule.name, self.seen, self.rule.says
        )
    }
}

impl std::error::Error for Violation {}

/// What real cards let pass, by the evidence that a row gives, if any.
pub(crate) const fn tolerance(evidence: &[&'static str]) -> Tolerance {
    match evidence {
        [] => Tolerance::None,
        [evidence, ..] => Tolerance::Known(evidence),
    }
}

/// Writes the rules of a block: constants, and the list `RULES` of them.
///
/// A row: `NAME, "name", "what must hold", "source" [, tolerated "evidence"];`.
macro_rules! rules {
    ($block:ident: $($constant:ident, $name:literal, $says:literal, $source:literal $(, tolerated $evidence:literal)?;)*) => {
        $(
            pub(crate) const $constant: $crate::rule::Rule = $crate::rule::Rule {
                name: $name,
                block: $crate::rule::Block::$block,
                says: $says,
                source: $source,
                tolerance: $crate::rule::tolerance(&[$($evidence)?]),
            };
        )*
        pub(crate) const RULES: &[$crate::rule::Rule] = &[$($constant),*];
    };
}
pub(crate) use rules;

/// Every rule, by block.
pub fn every_rule() -> impl Iterator<Item = &'static Rule> {
    const ALL: &[&[Rule]] = &[
        crate::card::RULES,
        crate::gmc::RULES,
        crate::caches::RULES,
        crate::gfx::RULES,
        crate::gfx::LAUNCH_RULES,
        crate::sdma::RULES,
        crate::psp::RULES,
        crate::psp::boot::RULES,
        crate::psp::command::RULES,
        crate::psp::image::RULES,
        crate::psp::memory::RULES,
        crate::psp::ring::RULES,
        crate::pci::RULES,
        crate::discovery::RULES,
        crate::hdp::RULES,
        crate::nbio::RULES,
        crate::smu::RULES,
        crate::smu::message::RULES,
        crate::ih::RULES,
    ];
    ALL.iter().copied().flatten()
}
