//! Why a run stopped: the rule, the instruction and the lane.

use std::fmt;

use crate::rule::Rule;

/// What a wave did wrong, before it is known where in the dispatch it was.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    pub(crate) lane: Option<u32>,
    pub(crate) message: String,
}

impl Violation {
    #[cold]
    pub(crate) fn new(rule: Rule, lane: Option<u32>, message: String) -> Box<Self> {
        Box::new(Self {
            rule,
            lane,
            message,
        })
    }
}

/// A wave stopped at an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The rule that it broke.
    pub rule: Rule,
    /// Byte offset of the instruction in the code.
    pub pc: u32,
    /// The instruction.
    pub instruction: String,
    /// The lane, where one can be named.
    pub lane: Option<u32>,
    /// Number of the wave in its workgroup.
    pub wave: u32,
    /// The workgroup.
    pub workgroup: [u32; 3],
    /// What was found and what was expected.
    pub message: String,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rule,
            pc,
            instruction,
            wave,
            workgroup: [x, y, z],
            message,
            ..
        } = self;
        write!(
            f,
            "{}: `{instruction}` at 0x{pc:x} (workgroup {x} {y} {z}, wave {wave}",
            rule.name()
        )?;
        if let Some(lane) = self.lane {
            write!(f, ", lane {lane}")?;
        }
        write!(f, "): {message}")
    }
}

impl std::error::Error for Stop {}

impl Violation {
    /// Memory refused an access.
    #[cold]
    pub(crate) fn fault(lane: Option<u32>, fault: &crate::memory::Fault) -> Box<Self> {
        let message = format!(
            "{} bytes at address {:#x}: {}",
            fault.bytes, fault.address, fault.reason
        );
        Self::new(Rule::MemoryFault, lane, message)
    }
}
