//! Machine code made ready to execute, once: a dense array of steps with everything in it that does not depend on the state
//! of a wave, down to the rules that an instruction breaks by itself.
//!
//! The code is decoded from its first byte to its last. Bytes that are no instruction become a step that stops the wave if
//! it gets there, so padding and data behind the end do no harm.

mod access;
mod checks;
mod lower;
mod operand;
mod registers;
mod step;
mod vector;

use gfx1100_isa::{Class, DecodeError, Inst, Op, Rigor, decode};

pub(crate) use access::{Access, Action, Atomic, Fill, Half, ScalarLoad, Space};
pub(crate) use operand::{Constants, ScalarSource, Source};
pub(crate) use registers::{SCC, VgprSet};
pub(crate) use step::{
    Condition, Control, Destination, HIGH_HALF, Kind, LOW_HALF, LaneStep, NO_REGISTER, Prepare,
    ScalarStep, Shape, Step, Target, VectorStep, WmmaStep,
};

use crate::cycles;
use crate::rule::Rule;
use checks::Broken;
use lower::Tables;
use registers::Registers;

/// VGPRs of a wave are allocated in multiples of this (LLVM's `GCNSubtarget`).
const GRANULE: u32 = 24;
/// The longest code: what a signed 16-bit branch could span, many times over.
const MAX_BYTES: usize = 1 << 22;
const NOWHERE: u32 = u32::MAX;

/// An instruction as found in code.
#[derive(Clone, Copy, Debug)]
struct Located {
    /// Byte offset.
    offset: u32,
    /// `None`: no instruction.
    inst: Option<Inst>,
    /// Why it is none, or one in an unusual encoding.
    error: Option<DecodeError>,
    /// Its first dword, for messages.
    word: u32,
}

impl Located {
    /// What stands at the start of these dwords, and how many it takes.
    fn find(words: &[u32], offset: u32) -> (Self, usize) {
        let here = |inst, error| Self {
            offset,
            inst,
            error,
            word: words[0],
        };
        let error = match decode(words, Rigor::Strict) {
            Ok((inst, length)) => return (here(Some(inst), None), length),
            Err(error) => error,
        };
        match decode(words, Rigor::Lenient) {
            Ok((inst, length)) => (here(Some(inst), Some(error)), length),
            Err(_) => (here(None, Some(error)), 1),
        }
    }
}

/// Code that waves can run.
#[derive(Debug)]
pub struct Program {
    pub(crate) steps: Vec<Step>,
    pub(crate) constants: Constants,
    pub(crate) shapes: Vec<Shape>,
    located: Vec<Located>,
    /// For each dword of the code the step that begins there.
    starts: Vec<u32>,
    /// Address of the first byte, for `s_getpc` and `s_setpc`.
    pub(crate) address: u64,
}

/// Code that no program can be made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadCode {
    /// No bytes.
    Empty,
    /// Not a multiple of 4 bytes.
    Length(usize),
    /// More bytes than a kernel can have.
    TooLong(usize),
}

impl std::fmt::Display for BadCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => write!(f, "the code is empty; at least s_endpgm was expected"),
            Self::Length(bytes) => write!(f, "the code has {bytes} bytes, not a multiple of 4"),
            Self::TooLong(bytes) => {
                write!(f, "the code has {bytes} bytes; at most {MAX_BYTES} are run")
            }
        }
    }
}

impl std::error::Error for BadCode {}

impl Program {
    /// Decodes `code`, which lies at `address`, for waves of `vgprs` VGPRs (256 if unknown).
    ///
    /// # Errors
    /// If the bytes cannot be code at all. An instruction that is none stops a wave when it gets there.
    pub fn new(code: &[u8], address: u64, vgprs: u32) -> Result<Self, BadCode> {
        match code.len() {
            0 => return Err(BadCode::Empty),
            bytes if bytes % 4 != 0 => return Err(BadCode::Length(bytes)),
            bytes if bytes > MAX_BYTES => return Err(BadCode::TooLong(bytes)),
            _ => {}
        }
        let words: Vec<u32> = code
            .as_chunks()
            .0
            .iter()
            .map(|word| u32::from_le_bytes(*word))
            .collect();
        let mut located = Vec::new();
        let mut at = 0;
        while at < words.len() {
            let (here, length) = Located::find(&words[at..], 4 * at as u32);
            located.push(here);
            at += length;
        }
        Ok(Self::of(located, words.len(), address, vgprs))
    }

    fn of(located: Vec<Located>, dwords: usize, address: u64, vgprs: u32) -> Self {
        let mut starts = vec![NOWHERE; dwords];
        for (index, here) in located.iter().enumerate() {
            starts[here.offset as usize / 4] = index as u32;
        }
        let allocated = vgprs.div_ceil(GRANULE) * GRANULE;
        let mut tables = Tables::default();
        let end = 4 * dwords as u32;
        let steps = (0..located.len())
            .map(|index| {
                let next = located.get(index + 1).map_or(end, |next| next.offset);
                let target = |dwords: i64| target(&starts, i64::from(next) + 4 * dwords);
                step(&located, index, allocated, &mut tables, target)
            })
            .collect();
        Self {
            steps,
            constants: tables.constants,
            shapes: tables.shapes,
            located,
            starts,
            address,
        }
    }

    /// The step that begins at an address.
    pub(crate) fn at_address(&self, address: u64) -> Target {
        target(&self.starts, address.wrapping_sub(self.address) as i64)
    }

    /// Byte offset of a step, or the length of the code.
    #[must_use]
    pub fn offset(&self, step: usize) -> u32 {
        self.located
            .get(step)
            .map_or(4 * self.starts.len() as u32, |here| here.offset)
    }

    /// The step at a byte offset, if an instruction begins there.
    pub(crate) fn step_at(&self, offset: u64) -> Option<u32> {
        match target(&self.starts, i64::try_from(offset).ok()?) {
            Target::Step(step) => Some(step),
            Target::Nowhere(_) => None,
        }
    }

    /// The instruction of a step; `None` for bytes that are none.
    pub(crate) fn inst(&self, step: usize) -> Option<&Inst> {
        self.located.get(step)?.inst.as_ref()
    }

    /// Number of steps.
    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The text of an instruction, or its bytes if it is none.
    #[must_use]
    pub fn text(&self, step: usize) -> String {
        match self.located.get(step) {
            None => "(end of code)".to_owned(),
            Some(Located {
                inst: Some(inst), ..
            }) => inst.to_string(),
            Some(here) => format!(".long 0x{:08x}", here.word),
        }
    }

    /// What the decoder has against a step.
    pub(crate) fn complaint(&self, step: usize) -> Option<String> {
        Some(self.located.get(step)?.error?.to_string())
    }
}

fn target(starts: &[u32], offset: i64) -> Target {
    let aligned = offset % 4 == 0;
    let start = usize::try_from(offset / 4).ok().filter(|_| aligned);
    match start.and_then(|dword| starts.get(dword)) {
        Some(step) if *step != NOWHERE => Target::Step(*step),
        _ => Target::Nowhere(offset),
    }
}

fn step(
    located: &[Located],
    index: usize,
    allocated: u32,
    tables: &mut Tables,
    target: impl Fn(i64) -> Target,
) -> Step {
    let complaint = located[index].error.as_ref().map(checks::refusal);
    let Some(inst) = &located[index].inst else {
        return refused(complaint.unwrap_or(Rule::ReservedEncoding));
    };
    let registers = Registers::of(inst);
    let previous = index
        .checked_sub(1)
        .and_then(|index| located[index].inst.as_ref());
    let mut broken = checks::broken(inst, &registers, previous, allocated);
    if let Some(rule) = complaint {
        broken.add(true, rule);
    }
    if inst.op == Op::S_CLAUSE {
        let ok = clause(inst, &located[index + 1..]);
        broken.add(!ok, Rule::Clause);
    }
    let class = inst.op.row().class;
    let load = matches!(
        class,
        Class::VmemLoad | Class::LdsLoad | Class::VmemAtomic | Class::LdsAtomic | Class::LdsCross
    );
    let mut touches = registers.vector_reads;
    if !load {
        touches.extend(&registers.vector_writes);
    }
    Step {
        kind: lower::kind(inst, tables, target),
        class,
        cost: cycles::issue(inst),
        broken: broken.0,
        vector_touches: touches,
        vector_reads: registers.vector_reads,
        scalar_touches: registers.scalar_reads | registers.scalar_writes,
        scalar_reads: registers.scalar_reads,
    }
}

fn refused(rule: Rule) -> Step {
    Step {
        kind: Kind::Refused(rule),
        class: Class::Control,
        cost: 0,
        broken: Broken::default().0,
        vector_touches: VgprSet::default(),
        vector_reads: VgprSet::default(),
        scalar_touches: 0,
        scalar_reads: 0,
    }
}

/// Whether a clause has a length that it may have and instructions of one kind.
fn clause(inst: &Inst, after: &[Located]) -> bool {
    let count = inst.imm as usize & 63;
    let Some(members) = (count > 0).then(|| after.get(..=count)).flatten() else {
        return false;
    };
    let kind = |located: &Located| {
        located.inst.and_then(|inst| match inst.op.row().class {
            Class::Smem => Some(0),
            Class::VmemLoad => Some(1),
            Class::VmemStore => Some(2),
            Class::VmemAtomic => Some(3),
            Class::LdsLoad | Class::LdsStore | Class::LdsAtomic | Class::LdsCross => Some(4),
            _ => None,
        })
    };
    let first = kind(&members[0]);
    first.is_some() && members.iter().all(|member| kind(member) == first)
}
