//! Allocated machine code: blocks of instructions of the table, which the passes after allocation rewrite.
//!
//! Invariants, checked by [`validate`] between passes:
//! - A block's branches stand at its end: at most one conditional one, then at most one `s_branch` or `s_endpgm`. A block
//!   without either falls into the next; the last one does not.
//! - A branch names a block and nothing else does.
//! - Every instruction is one that the encoder takes; what no encoder checks but the hardware asks is checked here:
//!   `v_mad_u64_u32` must not write what it reads.

use std::fmt;

use gfx1100_isa::{Class, Encoding, Inst, Mods, Op, Operand, encode};

use super::spans::{Span, results, sources};
use super::{BlockId, Memory};
use crate::{Fault, Reason};

/// An instruction and what the compiler knows of it beside its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// What is emitted; the offset of a branch is filled in by emission.
    pub inst: Inst,
    /// Memory touched; for `s_barrier` the memory it orders (all, if none is named).
    pub memory: Option<Memory>,
    /// Target of a branch.
    pub target: Option<BlockId>,
    /// Byte offset in the WGSL source; `u32::MAX` where unknown.
    pub source: u32,
}

impl Line {
    /// An instruction that a pass adds, in front of one that comes from `source`.
    #[must_use]
    pub fn added(inst: Inst, source: u32) -> Self {
        Self {
            inst,
            memory: None,
            target: None,
            source,
        }
    }
}

/// A basic block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// In order.
    pub lines: Vec<Line>,
    /// First block of a loop.
    pub loop_header: bool,
}

/// A kernel's code. `BlockId(n)` is entry n, and the order is that of emission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// Entry point.
    pub name: String,
    /// Blocks.
    pub blocks: Vec<Block>,
}

/// An instruction without modifiers that has only an immediate: `s_nop`, `s_waitcnt`, hints.
#[must_use]
pub fn control(op: Op, imm: i32) -> Inst {
    Inst {
        imm,
        mods: Mods::default(),
        ..Inst::new(op, &[], &[])
    }
}

impl Code {
    /// Takes over what allocation left, which must hold no virtual registers and no pseudo instructions.
    ///
    /// # Errors
    /// Names the instruction that is neither.
    pub fn from_allocated(function: &super::Function) -> Result<Self, Fault> {
        let mut blocks = Vec::with_capacity(function.blocks.len());
        for block in &function.blocks {
            let lines = block.insts.iter().map(line);
            blocks.push(Block {
                lines: lines.collect::<Result<_, _>>()?,
                loop_header: block.loop_header,
            });
        }
        Ok(Self {
            name: function.name.clone(),
            blocks,
        })
    }

    /// Blocks that may run after `block`, each once.
    #[must_use]
    pub fn successors(&self, block: usize) -> Vec<usize> {
        let mut next = Vec::new();
        let mut falls_through = true;
        for line in &self.blocks[block].lines {
            if let Some(BlockId(target)) = line.target {
                next.push(target as usize);
            }
            falls_through &= !ends_path(line.inst.op);
        }
        if falls_through && block + 1 < self.blocks.len() {
            next.push(block + 1);
        }
        next.sort_unstable();
        next.dedup();
        next
    }

    /// The deepest loop (of several, the one with the most instructions) as the blocks in it; empty without loops. A loop
    /// is what can reach a jump back to its header without passing the header; its depth is the number of loops around.
    #[must_use]
    pub fn innermost_loop(&self) -> Vec<usize> {
        let loops = self.loops();
        let size = |body: &Vec<usize>| -> usize {
            body.iter()
                .map(|&block| self.blocks[block].lines.len())
                .sum()
        };
        let depth = |body: &Vec<usize>| {
            let inside = |outer: &&Vec<usize>| body.iter().all(|block| outer.contains(block));
            loops.iter().filter(inside).count()
        };
        let best = loops.iter().max_by_key(|body| (depth(body), size(body)));
        best.cloned().unwrap_or_default()
    }

    /// Each loop's blocks, in order; loops that share a header are one.
    #[must_use]
    pub fn loops(&self) -> Vec<Vec<usize>> {
        let successors: Vec<_> = (0..self.blocks.len()).map(|b| self.successors(b)).collect();
        let mut loops = Vec::new();
        for header in 0..self.blocks.len() {
            let mut inside = vec![false; self.blocks.len()];
            let back = (header..self.blocks.len()).filter(|&b| successors[b].contains(&header));
            let mut work: Vec<_> = back.collect();
            if work.is_empty() {
                continue;
            }
            inside[header] = true;
            while let Some(block) = work.pop() {
                if !std::mem::replace(&mut inside[block], true) {
                    work.extend((0..self.blocks.len()).filter(|&b| successors[b].contains(&block)));
                }
            }
            loops.push((0..self.blocks.len()).filter(|&b| inside[b]).collect());
        }
        loops
    }
}

/// Control does not go on to the next instruction.
fn ends_path(op: Op) -> bool {
    matches!(op, Op::S_BRANCH | Op::S_ENDPGM | Op::S_SETPC_B64)
}

fn line(inst: &super::Inst) -> Result<Line, Fault> {
    let fixed = |operand: &super::Operand| match operand {
        super::Operand::None => Some(Operand::None),
        super::Operand::Fixed(fixed) => Some(*fixed),
        super::Operand::Virtual(..) => None,
    };
    let inner = || {
        let super::Kind::Isa(op) = inst.kind else {
            return None;
        };
        let [d0, d1] = &inst.dst;
        let [s0, s1, s2, s3] = &inst.src;
        Some(legal(Inst {
            dst: [fixed(d0)?, fixed(d1)?],
            src: [fixed(s0)?, fixed(s1)?, fixed(s2)?, fixed(s3)?],
            mods: inst.mods,
            dual: inst.dual,
            ..control(op, inst.imm)
        }))
    };
    let unallocated = || Fault {
        reason: Reason::Broken {
            pass: "allocate",
            what: format!("left {inst:?}"),
        },
        source: inst.source,
    };
    Ok(Line {
        inst: inner().ok_or_else(unallocated)?,
        memory: inst.memory,
        target: inst.target,
        source: inst.source,
    })
}

/// Allocation does not choose encodings: the long form, where the short one cannot name the operands.
fn legal(inst: Inst) -> Inst {
    let long = Inst {
        encoding: Encoding::Vop3,
        ..inst
    };
    let needed = inst.op.row().vop3 && encode(&inst).is_err() && encode(&long).is_ok();
    if needed { long } else { inst }
}

/// Checks the rules at the head of this file, after `pass`.
///
/// # Errors
/// [`Reason::Broken`] with the first rule that does not hold.
pub fn validate(code: &Code, pass: &'static str) -> Result<(), Fault> {
    let last = code
        .blocks
        .iter()
        .rposition(|block| !block.lines.is_empty());
    for (n, block) in code.blocks.iter().enumerate() {
        let mut branched = 0;
        for line in &block.lines {
            let rule = broken_rule(code, line, branched);
            if let Some(rule) = rule {
                let what = format!("block {n} of {}: {rule}: {:?}", code.name, line.inst);
                let reason = Reason::Broken { pass, what };
                let source = line.source;
                return Err(Fault { reason, source });
            }
            branched = match line.inst.op {
                op if ends_path(op) => 2,
                _ if line.target.is_some() => 1,
                _ => branched,
            };
        }
        if Some(n) == last && branched != 2 {
            let what = format!("the last block of {} falls out of the code", code.name);
            return Err(Fault::broken(pass, what));
        }
    }
    Ok(())
}

/// `branched`: 0 nothing, 1 a conditional branch, 2 the end of the path stands before this line.
fn broken_rule(code: &Code, line: &Line, branched: u8) -> Option<&'static str> {
    let inst = &line.inst;
    let branches = inst.op.row().class == Class::Branch;
    if branched == 2 || (branched == 1 && !ends_path(inst.op)) {
        return Some("an instruction after the end of the block");
    }
    if branches != line.target.is_some() {
        return Some("branches, and only branches, name a block");
    }
    if line
        .target
        .is_some_and(|BlockId(b)| b as usize >= code.blocks.len())
    {
        return Some("a branch to a block that is not there");
    }
    if inst.op != Op::S_BARRIER && !branches && encode(inst).is_err() {
        return Some("an instruction without encoding");
    }
    if matches!(inst.op, Op::V_MAD_U64_U32 | Op::V_MAD_I64_I32) {
        let written = results(inst);
        let vector = |span: &&Span| span.is_vector();
        let reads = sources(inst);
        let hit = |w: &Span| reads.iter().any(|r| r.overlaps(*w));
        if written.iter().filter(vector).any(hit) {
            return Some("the 64-bit multiply-add writes a register that it reads");
        }
    }
    None
}

impl fmt::Display for Code {
    /// As assembly: blocks are labels `bN`, branches name them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, block) in self.blocks.iter().enumerate() {
            writeln!(f, "b{n}:")?;
            for line in &block.lines {
                match line.target {
                    Some(BlockId(target)) => {
                        writeln!(f, "    {} b{target}", line.inst.op.row().name)?
                    }
                    None => writeln!(f, "    {}", line.inst)?,
                }
            }
        }
        Ok(())
    }
}
