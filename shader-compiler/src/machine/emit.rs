//! Finished code to bytes.
//!
//! Branches get their distances, loops that would otherwise straddle one more line of the instruction cache than they must
//! are moved to the start of a line, and the end is padded for the prefetcher. Every instruction is decoded back from its
//! bytes and must be the one that was meant.

use gfx1100_isa::{self as isa, Inst, Op};

use super::BlockId;
use super::code::{Code, Line, control};
use crate::{Fault, Reason};

/// Bytes of a line of the instruction cache, as far as loops care (LLVM aligns to this; the cache's own are 128).
const LINE: u32 = 64;
/// Only loops of at most this many lines are aligned: longer ones are read ahead anyway.
const ALIGNED_LINES: u32 = 8;
/// The end is padded to a multiple of this, and by three times this, since the prefetcher runs past it.
const PREFETCH_LINE: usize = 128;

const PASS: &str = "emit";

/// Machine code and what is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emitted {
    /// The code, padded.
    pub code: Vec<u8>,
    /// Bytes before the padding.
    pub code_bytes: u32,
    /// Byte offset in the code and byte offset in the WGSL source of each instruction.
    pub sources: Vec<(u32, u32)>,
}

/// Where each block starts, in bytes, and the padding in front of it.
struct Layout {
    starts: Vec<u32>,
    padding: Vec<u32>,
}

/// Encodes `code`.
///
/// # Errors
/// [`Reason::Broken`] if an instruction has no encoding or does not decode to itself, [`Reason::TooMuch`] if a branch
/// is too far.
pub fn run(code: &Code) -> Result<Emitted, Fault> {
    let layout = lay_out(code)?;
    let mut out = Emitted::default();
    for (n, block) in code.blocks.iter().enumerate() {
        for _ in 0..layout.padding[n] / 4 {
            push(&mut out, &control(Op::S_NOP, 0), u32::MAX)?;
        }
        for line in &block.lines {
            let mut inst = line.inst;
            if let Some(BlockId(target)) = line.target {
                let next = out.code.len() as u32 + 4;
                inst.imm = distance(next, layout.starts[target as usize], line)?;
            }
            push(&mut out, &inst, line.source)?;
        }
    }
    out.code_bytes = out.code.len() as u32;
    let end = out.code.len().next_multiple_of(PREFETCH_LINE) + 3 * PREFETCH_LINE;
    while out.code.len() < end {
        push(&mut out, &control(Op::S_CODE_END, 0), u32::MAX)?;
    }
    Ok(out)
}

/// The immediate of a branch: dwords from the next instruction, as 16 bits.
fn distance(next: u32, target: u32, line: &Line) -> Result<i32, Fault> {
    let dwords = (i64::from(target) - i64::from(next)) / 4;
    let field = i16::try_from(dwords).map_err(|_| Fault {
        reason: Reason::TooMuch {
            what: "dwords of code between a branch and its target",
            needed: dwords.unsigned_abs() as u32,
            available: i16::MAX as u32,
        },
        source: line.source,
    })?;
    Ok(i32::from(field as u16))
}

fn push(out: &mut Emitted, inst: &Inst, source: u32) -> Result<(), Fault> {
    let words = encode(inst, source)?;
    let decoded = isa::decode(&words, isa::Rigor::Strict);
    if decoded.as_ref().ok() != Some(&(*inst, words.len())) {
        let what = format!("{inst:?} became {:08x?}, which is {decoded:?}", &words[..]);
        let reason = Reason::Broken { pass: PASS, what };
        return Err(Fault { reason, source });
    }
    if inst.op != Op::S_CODE_END {
        out.sources.push((out.code.len() as u32, source));
    }
    out.code
        .extend(words.iter().flat_map(|word| word.to_le_bytes()));
    Ok(())
}

fn encode(inst: &Inst, source: u32) -> Result<isa::Words, Fault> {
    isa::encode(inst).map_err(|error| {
        let what = format!("{error}: {inst:?}");
        let reason = Reason::Broken { pass: PASS, what };
        Fault { reason, source }
    })
}

fn lay_out(code: &Code) -> Result<Layout, Fault> {
    let mut sizes = Vec::with_capacity(code.blocks.len());
    for block in &code.blocks {
        let bytes = block.lines.iter().map(|line| {
            let words = encode(&line.inst, line.source)?;
            Ok(4 * words.len() as u32)
        });
        sizes.push(bytes.sum::<Result<u32, Fault>>()?);
    }
    let loops = innermost_spans(code);
    let mut layout = Layout {
        starts: Vec::new(),
        padding: Vec::new(),
    };
    let mut at = 0;
    for (n, size) in sizes.iter().enumerate() {
        let span = loops.iter().find(|(header, _)| *header == n);
        let padding = span.map_or(0, |&(header, last)| {
            let bytes: u32 = sizes[header..=last].iter().sum();
            padding_for(at, bytes)
        });
        at += padding;
        layout.padding.push(padding);
        layout.starts.push(at);
        at += size;
    }
    Ok(layout)
}

/// First and last block of each loop that has no loop in it.
fn innermost_spans(code: &Code) -> Vec<(usize, usize)> {
    let loops = code.loops();
    let holds = |outer: &[usize], inner: &[usize]| {
        outer.len() > inner.len() && inner.iter().all(|block| outer.contains(block))
    };
    let innermost = loops
        .iter()
        .filter(|outer| !loops.iter().any(|inner| holds(outer, inner)));
    innermost
        .filter_map(|body| Some((*body.first()?, *body.last()?)))
        .collect()
}

/// Bytes of `s_nop` in front of a loop of `bytes` at `at`, if they save it a line.
fn padding_for(at: u32, bytes: u32) -> u32 {
    let lines = |start: u32| (start + bytes).div_ceil(LINE) - start / LINE;
    let aligned = at.next_multiple_of(LINE);
    let worth = lines(aligned) < lines(at) && lines(aligned) <= ALIGNED_LINES;
    if worth { aligned - at } else { 0 }
}

/// Registers of the code: one more than the highest VGPR and SGPR that an instruction names, VCC and above not counted.
#[must_use]
pub fn registers(code: &Code) -> (u32, u32) {
    let (mut vgprs, mut sgprs) = (0, 0);
    for line in code.blocks.iter().flat_map(|block| &block.lines) {
        let spans = [
            super::spans::sources(&line.inst),
            super::spans::results(&line.inst),
        ];
        for span in spans.iter().flat_map(|spans| spans.iter()) {
            let end = u32::from(span.first) + u32::from(span.len);
            match span.first {
                0..=105 => sgprs = sgprs.max(end),
                256.. => vgprs = vgprs.max(end - 256),
                _ => {}
            }
        }
    }
    (vgprs, sgprs)
}
