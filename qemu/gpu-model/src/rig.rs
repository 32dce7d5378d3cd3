//! What the tests of rules share: a card to break them on, and the list of what breaks and what keeps each.

use std::sync::Arc;

use amdgpu_registers::{Bases, Register};

use crate::fabric::Fabric;
use crate::{Card, Level, NAVI31, NoHost, Rule, Violation, every_rule};

/// A card in a test, with accesses by register.
pub(crate) struct Rig {
    pub(crate) card: Card,
}

impl Rig {
    /// A card as it is after power-on, strict.
    pub(crate) fn new() -> Self {
        let card =
            Card::new(Level::Strict, Arc::new(NoHost)).expect("address space for video memory");
        Self { card }
    }

    /// Lets an engine do something, which may stop the card.
    pub(crate) fn engine(&mut self, act: impl FnOnce(&mut Fabric) -> Result<(), Violation>) {
        if let Err(violation) = act(&mut self.card.fabric) {
            self.card.stop(violation);
        }
    }

    /// Reads a register as a driver does: through the RSMU window if it lies beyond BAR5.
    pub(crate) fn read(&mut self, register: Register) -> u32 {
        let dword = NAVI31.address(register).expect("a segment of Navi 31");
        let mut value = [0; 4];
        if dword < 0x4_0000 {
            self.card.bar_read(5, u64::from(dword) * 4, &mut value);
        } else {
            self.card.bar_write(5, 0x14 * 4, &(dword * 4).to_le_bytes());
            self.card.bar_read(5, 0x15 * 4, &mut value);
        }
        u32::from_le_bytes(value)
    }

    /// Writes a register in the same way.
    pub(crate) fn write(&mut self, register: Register, value: u32) {
        let dword = NAVI31.address(register).expect("a segment of Navi 31");
        if dword < 0x4_0000 {
            self.card
                .bar_write(5, u64::from(dword) * 4, &value.to_le_bytes());
        } else {
            self.card.bar_write(5, 0x14 * 4, &(dword * 4).to_le_bytes());
            self.card.bar_write(5, 0x15 * 4, &value.to_le_bytes());
        }
    }
}

/// How a rule is broken, and how the same thing is done right.
pub(crate) struct Case {
    pub(crate) rule: Rule,
    pub(crate) breaks: fn(&mut Rig),
    pub(crate) keeps: fn(&mut Rig),
}

/// The cases of every block.
fn cases() -> impl Iterator<Item = &'static Case> {
    const ALL: &[&[Case]] = &[
        crate::card::tests::CASES,
        crate::gmc::tests::CASES,
        crate::gfx::tests::CASES,
        crate::sdma::tests::CASES,
        crate::psp::tests::CASES,
        crate::pci::tests::CASES,
        crate::discovery::tests::CASES,
        crate::hdp::tests::CASES,
        crate::nbio::tests::CASES,
        crate::smu::tests::CASES,
        crate::ih::tests::CASES,
    ];
    ALL.iter().copied().flatten()
}

#[test]
fn every_rule_is_broken_by_one_test_and_kept_by_another() {
    let names: std::collections::BTreeSet<_> = every_rule().map(|rule| rule.name).collect();
    assert_eq!(names.len(), every_rule().count(), "names are unique");
    for rule in every_rule() {
        let of_rule: Vec<_> = cases().filter(|case| case.rule == *rule).collect();
        assert!(!of_rule.is_empty(), "{} has no case", rule.name);
        for case in of_rule {
            let mut rig = Rig::new();
            (case.breaks)(&mut rig);
            let stopped = rig.card.stopped().map(|violation| violation.rule.name);
            assert_eq!(stopped, Some(rule.name), "{:?}", rig.card.stopped());
            let mut rig = Rig::new();
            (case.keeps)(&mut rig);
            assert_eq!(rig.card.stopped(), None, "what keeps {}", rule.name);
        }
    }
}
