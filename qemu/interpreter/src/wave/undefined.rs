//! Values that were never written: who reads one, and where it came from.
//!
//! An instruction that computes with an undefined value stops; a load from memory that nobody wrote is no error, but makes
//! the register undefined in those lanes, so that wide loads may cover more than is used. What counts as a read:
//! - of a 16-bit operand only its half; of `v_cndmask` the arm that the lane selects; of `v_and_b32` with a constant the
//!   halves that the constant keeps, and likewise of constant shifts, fields and permutations;
//! - with DPP and permlane the lanes that deliver data to an active one;
//! - never the parts of a destination that stay (d16 loads, 16-bit results, `v_writelane`).

use super::{Context, Flow, Wave};
use crate::program::{SCC, Step};
use crate::rule::Rule;

/// Where an undefined value comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The register was never written.
    #[default]
    Never,
    /// Loaded from LDS that was never written.
    Lds,
    /// Loaded from memory that was never written.
    Memory,
    /// Loaded from scratch that was never written.
    Scratch,
}

impl Origin {
    pub(super) fn rule(self, vector: bool) -> Rule {
        match self {
            Self::Never if vector => Rule::UndefinedVgpr,
            Self::Never => Rule::UndefinedSgpr,
            Self::Lds => Rule::UndefinedLds,
            Self::Memory => Rule::UndefinedMemory,
            Self::Scratch => Rule::UndefinedScratch,
        }
    }

    const fn says(self) -> &'static str {
        match self {
            Self::Never => "was never written",
            Self::Lds => "was loaded from LDS that nobody wrote",
            Self::Memory => "was loaded from memory that nobody wrote",
            Self::Scratch => "was loaded from scratch that nobody wrote",
        }
    }
}

/// A lane mask in both halves of [`Wave::v_defined`].
#[inline]
pub(crate) const fn both(lanes: u32) -> u64 {
    lanes as u64 * 0x1_0000_0001
}

/// The name of a scalar register.
pub(crate) fn scalar_name(code: u32) -> String {
    match code {
        106 => "vcc_lo".to_owned(),
        107 => "vcc_hi".to_owned(),
        123 => "scc".to_owned(),
        125 => "m0".to_owned(),
        126 => "exec_lo".to_owned(),
        127 => "exec_hi".to_owned(),
        _ => format!("s{code}"),
    }
}

impl Wave {
    /// Stops if any of these lanes and halves of a VGPR is undefined.
    #[inline(always)]
    pub(crate) fn require(&self, context: &Context<'_>, register: u8, need: u64) -> Flow {
        let missing = need & !self.v_defined[usize::from(register)];
        if missing == 0 {
            return Ok(());
        }
        self.undefined_vector(context, register, missing)
    }

    #[cold]
    fn undefined_vector(&self, context: &Context<'_>, register: u8, missing: u64) -> Flow {
        let origin = self.v_origin[usize::from(register)];
        let lane = (missing as u32 | (missing >> 32) as u32).trailing_zeros();
        let half = match (missing >> lane & 1 == 1, missing >> (lane + 32) & 1 == 1) {
            (true, false) => "the low half of ",
            (false, true) => "the high half of ",
            _ => "",
        };
        context.violate(origin.rule(true), Some(lane), || {
            format!("{half}v{register} {}", origin.says())
        })
    }

    /// Stops for the first undefined scalar that the step reads.
    #[cold]
    pub(crate) fn undefined_scalar(&self, context: &Context<'_>, step: &Step) -> Flow {
        let missing = step.scalar_reads & !self.s_defined;
        let code = missing.trailing_zeros();
        if let crate::program::Kind::Scalar(scalar) = &step.kind
            && scalar.selects
            && self.s_defined >> SCC & 1 == 1
            && self.selected_is_defined(scalar)
        {
            return Ok(());
        }
        let origin = self.s_origin[code as usize];
        context.violate(origin.rule(false), None, || {
            format!("{} {}", scalar_name(code), origin.says())
        })
    }
}
