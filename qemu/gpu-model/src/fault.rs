//! Faults on demand: what goes wrong when the user of the model says so.

use std::fmt;
use std::str::FromStr;

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// PSP answers a firmware with an error.
    FirmwareRejected,
    /// PSP no longer answers.
    PspSilent,
    /// SMU no longer answers.
    SmuSilent,
    /// A fence is not written.
    FenceLost,
    /// A dispatch never ends.
    HungWave,
    /// A page table entry is invalid when a wave reads it.
    PageFault,
    /// A wave meets an instruction that does not exist.
    IllegalInstruction,
    /// An interrupt comes so often that the whole ring overflows with it.
    IhOverflow,
    /// A bit of video memory flips; reads report poison.
    BitFlip,
    /// The card leaves the bus: everything reads as ones.
    Removal,
}

/// Name and meaning of each kind.
pub(crate) const KINDS: &[(FaultKind, &str)] = &[
    (FaultKind::FirmwareRejected, "firmware-rejected"),
    (FaultKind::PspSilent, "psp-silent"),
    (FaultKind::SmuSilent, "smu-silent"),
    (FaultKind::FenceLost, "fence-lost"),
    (FaultKind::HungWave, "hung-wave"),
    (FaultKind::PageFault, "page-fault"),
    (FaultKind::IllegalInstruction, "illegal-instruction"),
    (FaultKind::IhOverflow, "ih-overflow"),
    (FaultKind::BitFlip, "bit-flip"),
    (FaultKind::Removal, "removal"),
];

/// Not `NAME@N`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFault(String);

impl fmt::Display for BadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = KINDS.iter().map(|(_, name)| *name).collect();
        write!(
            f,
            "fault \"{}\": expected NAME@N, N from 1, NAME of {}",
            self.0,
            names.join(", ")
        )
    }
}

impl std::error::Error for BadFault {}

/// The faults that are to come: each kind with the occasion, counted from 1, at which it happens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    pending: Vec<(FaultKind, u64)>,
}

impl Faults {
    /// Asks for a fault at the `occasion`th time that it could happen from now on.
    pub fn add(&mut self, kind: FaultKind, occasion: u64) {
        self.pending.push((kind, occasion.max(1)));
    }

    /// Asks for these too.
    pub fn join(&mut self, others: Self) {
        self.pending.extend(others.pending);
    }

    /// Counts an occasion: whether the fault happens now.
    pub(crate) fn happens(&mut self, kind: FaultKind) -> bool {
        let mut happens = false;
        self.pending.retain_mut(|(pending, left)| {
            if *pending != kind {
                return true;
            }
            *left -= 1;
            happens |= *left == 0;
            *left > 0
        });
        happens
    }
}

impl FromStr for Faults {
    type Err = BadFault;

    /// Reads `NAME@N`.
    fn from_str(text: &str) -> Result<Self, BadFault> {
        let bad = || BadFault(text.to_owned());
        let (name, occasion) = text.split_once('@').ok_or_else(bad)?;
        let (kind, _) = KINDS
            .iter()
            .find(|(_, known)| *known == name)
            .ok_or_else(bad)?;
        let occasion = occasion.parse().ok().filter(|n| *n > 0).ok_or_else(bad)?;
        Ok(Self {
            pending: vec![(*kind, occasion)],
        })
    }
}
