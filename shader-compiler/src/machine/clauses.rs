//! Puts `s_clause` before runs of memory instructions of one kind, so that the memory pipeline takes them back to back and
//! neighbouring lines are fetched together, instead of in turns with another wave's.

use gfx1100_isa::{Class, Format, Inst, Op};

use super::code::{Code, Line, control};

/// The field has six bits, but LLVM (`GCNSubtarget::maxHardClauseLength`) stays at 32 on gfx11.
const LONGEST: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar,
    Load,
    Store,
}

fn kind(inst: &Inst) -> Option<Kind> {
    let row = inst.op.row();
    match row.class {
        Class::Smem if row.bytes > 0 => Some(Kind::Scalar),
        Class::VmemLoad if row.format != Format::Flat => Some(Kind::Load),
        Class::VmemStore if row.format != Format::Flat => Some(Kind::Store),
        _ => None,
    }
}

/// Marks every run of two and more.
pub fn run(code: &mut Code) {
    for block in &mut code.blocks {
        let mut lines = Vec::with_capacity(block.lines.len());
        let mut rest = block.lines.as_slice();
        while let Some(first) = rest.first() {
            let run = match kind(&first.inst) {
                Some(of) => rest
                    .iter()
                    .take_while(|line| kind(&line.inst) == Some(of))
                    .count(),
                None => 1,
            };
            let run = run.min(LONGEST);
            if run > 1 {
                let clause = control(Op::S_CLAUSE, run as i32 - 1);
                lines.push(Line::added(clause, first.source));
            }
            lines.extend_from_slice(&rest[..run]);
            rest = &rest[run..];
        }
        block.lines = lines;
    }
}
