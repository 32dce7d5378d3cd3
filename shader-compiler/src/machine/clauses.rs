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

#[cfg(test)]
mod tests {
    use super::run;
    use crate::machine::testing::{check, unchanged};

    #[test]
    fn runs_of_one_kind_are_marked() {
        check(
            run,
            "buffer_load_b32 v0, v9, s[4:7], 0 offen
             buffer_load_b128 v[4:7], v9, s[4:7], 0 offen offset:16
             v_add_f32 v1, v2, v3
             s_load_b32 s0, s[2:3], null
             s_buffer_load_b32 s1, s[4:7], null
             s_load_b32 s8, s[2:3], null
             buffer_store_b32 v0, v9, s[4:7], 0 offen
             buffer_store_b32 v1, v9, s[4:7], 0 offen",
            "s_clause 0x1
             buffer_load_b32 v0, v9, s[4:7], 0 offen
             buffer_load_b128 v[4:7], v9, s[4:7], 0 offen offset:16
             v_add_f32 v1, v2, v3
             s_clause 0x2
             s_load_b32 s0, s[2:3], null
             s_buffer_load_b32 s1, s[4:7], null
             s_load_b32 s8, s[2:3], null
             s_clause 0x1
             buffer_store_b32 v0, v9, s[4:7], 0 offen
             buffer_store_b32 v1, v9, s[4:7], 0 offen",
        );
    }

    #[test]
    fn single_ones_are_not() {
        unchanged(
            run,
            "buffer_load_b32 v0, v9, s[4:7], 0 offen
             buffer_store_b32 v0, v9, s[4:7], 0 offen
             s_load_b32 s0, s[2:3], null
             ds_load_b32 v1, v2       ; LDS gains nothing
             ds_load_b32 v3, v2",
        );
    }

    #[test]
    fn long_runs_are_cut_at_32() {
        let load = "buffer_load_b32 v0, v9, s[4:7], 0 offen\n";
        check(
            run,
            &load.repeat(33),
            &["s_clause 0x1f\n", &load.repeat(32), load].concat(),
        );
    }
}
