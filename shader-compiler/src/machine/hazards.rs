//! Keeps clear of what gfx1100 does not interlock in wave32 (reference: LLVM's `GCNHazardRecognizer`, ACO's `README-ISA.md`).
//!
//! | hazard | triggered by | mitigated by |
//! | --- | --- | --- |
//! | VALUTransUse | VALU reads what a transcendental wrote | 6 VALU, or 2 transcendentals, or a memory instruction, in between |
//! | VcmpxPermlane | `v_permlane*` after `v_cmpx` | any VALU in between (not `v_nop`, which may be discarded) |
//! | WmmaAfterWmma | WMMA reads as A or B what the one before wrote | any VALU in between |
//!
//! What remains is done by others: 64-bit multiply-adds whose result overlaps a source are refused by the validator, the
//! `s_nop` before registers are given back is emission's, and no selection uses `op_sel` on a dot product.
//!
//! Where paths meet, the state nearest to each hazard holds.

use gfx1100_isa::{Class, Inst, Op, Place};

use super::code::{Code, Line, control};
use super::spans::{Span, results, sources};

/// VALU instructions after which a transcendental's result may be read.
const VALU_COVERS_TRANS: u8 = 6;
/// Transcendentals after which it may be.
const TRANS_COVERS_TRANS: u8 = 2;
/// `s_waitcnt_depctr` with `va_vdst` 0, all else not waited for.
const VA_VDST_0: i32 = 0x0fff;

/// VALU and transcendental instructions since a transcendental wrote the register.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Since {
    valu: u8,
    trans: u8,
}

impl Since {
    const LONG: Self = Self {
        valu: VALU_COVERS_TRANS,
        trans: TRANS_COVERS_TRANS,
    };

    fn is_hazard(self) -> bool {
        self.valu < VALU_COVERS_TRANS && self.trans < TRANS_COVERS_TRANS
    }
}

#[derive(Clone, PartialEq, Eq)]
struct State {
    /// Per vector register.
    trans: [Since; 256],
    /// A `v_cmpx` without VALU after it.
    cmpx: bool,
    /// Vector registers that a WMMA wrote without VALU after it, as a set.
    wmma: [u64; 4],
}

impl State {
    fn clear() -> Self {
        Self {
            trans: [Since::LONG; 256],
            cmpx: false,
            wmma: [0; 4],
        }
    }

    fn join(&mut self, other: &Self) -> bool {
        let before = self.clone();
        for (mine, theirs) in self.trans.iter_mut().zip(&other.trans) {
            mine.valu = mine.valu.min(theirs.valu);
            mine.trans = mine.trans.min(theirs.trans);
        }
        self.cmpx |= other.cmpx;
        for (mine, theirs) in self.wmma.iter_mut().zip(&other.wmma) {
            *mine |= theirs;
        }
        *self != before
    }

    /// What must stand before `inst`.
    fn cure(&self, inst: &Inst) -> Option<Inst> {
        if inst.op.row().is_valu() && vectors(&sources(inst)).any(|v| self.trans[v].is_hazard()) {
            return Some(control(Op::S_WAITCNT_DEPCTR, VA_VDST_0));
        }
        if self.cmpx && is_permlane(inst.op) {
            // The register is the one that the permlane reads, so that it is known to hold something.
            let mut cure = control(Op::V_MOV_B32, 0);
            cure.dst[0] = inst.src[0];
            cure.src[0] = inst.src[0];
            return Some(cure);
        }
        if inst.op.row().class == Class::Wmma {
            let read = |place| Span::of(inst.get(place), inst.dwords(place));
            let factors = [read(Place::Src0), read(Place::Src1)];
            let mut factors = factors.iter().flatten().flat_map(|span| span.units());
            if factors.any(|unit| contains(&self.wmma, unit - 256)) {
                return Some(control(Op::V_NOP, 0));
            }
        }
        None
    }

    fn step(&mut self, inst: &Inst) {
        let row = inst.op.row();
        let class = row.class;
        let waits_for_valu = inst.op == Op::S_WAITCNT_DEPCTR && inst.imm >> 12 & 15 == 0;
        if is_memory(class) || waits_for_valu {
            self.trans = [Since::LONG; 256];
        }
        if !row.is_valu() {
            return;
        }
        let is_trans = class == Class::Trans;
        for since in &mut self.trans {
            since.valu = (since.valu + 1).min(VALU_COVERS_TRANS);
            since.trans = (since.trans + u8::from(is_trans)).min(TRANS_COVERS_TRANS);
        }
        self.cmpx = row.format == gfx1100_isa::Format::Vopc && row.effects.writes_exec
            || self.cmpx && inst.op == Op::V_NOP;
        self.wmma = [0; 4];
        for v in vectors(&results(inst)) {
            // What another instruction writes over it does not end the hazard, neither for LLVM nor for ACO.
            if is_trans {
                self.trans[v] = Since { valu: 0, trans: 0 };
            }
            if class == Class::Wmma {
                self.wmma[v / 64] |= 1 << (v % 64);
            }
        }
    }
}

fn contains(set: &[u64; 4], n: usize) -> bool {
    set[n / 64] >> (n % 64) & 1 != 0
}

/// Numbers of the vector registers in `spans`.
fn vectors(spans: &[Span]) -> impl Iterator<Item = usize> {
    let vector = spans.iter().filter(|span| span.is_vector());
    vector.flat_map(|span| span.units()).map(|unit| unit - 256)
}

fn is_memory(class: Class) -> bool {
    use Class::{LdsAtomic, LdsCross, LdsLoad, LdsStore, VmemAtomic, VmemLoad, VmemStore};
    matches!(
        class,
        LdsLoad | LdsStore | LdsAtomic | LdsCross | VmemLoad | VmemStore | VmemAtomic
    )
}

fn is_permlane(op: Op) -> bool {
    matches!(
        op,
        Op::V_PERMLANE16_B32 | Op::V_PERMLANEX16_B32 | Op::V_PERMLANE64_B32
    )
}

/// Walks a block, handing each instruction and the cures before it to `visit`.
fn walk(lines: &[Line], state: &mut State, mut visit: impl FnMut(Line)) {
    for line in lines {
        // An instruction may run into several hazards at once, and each cure ends its own.
        while let Some(inst) = state.cure(&line.inst) {
            state.step(&inst);
            visit(Line::added(inst, line.source));
        }
        state.step(&line.inst);
        visit(*line);
    }
}

/// Inserts what the table at the head of this file asks for.
pub fn run(code: &mut Code) {
    let mut entry = vec![None; code.blocks.len()];
    entry[0] = Some(State::clear());
    let mut work = vec![0];
    while let Some(block) = work.pop() {
        let Some(mut state) = entry[block].clone() else {
            continue;
        };
        walk(&code.blocks[block].lines, &mut state, |_| {});
        for next in code.successors(block) {
            let changed = match &mut entry[next] {
                Some(old) => State::join(old, &state),
                none => {
                    *none = Some(state.clone());
                    true
                }
            };
            if changed {
                work.push(next);
            }
        }
    }
    for (block, state) in code.blocks.iter_mut().zip(entry) {
        let mut state = state.unwrap_or_else(State::clear);
        let mut lines = Vec::with_capacity(block.lines.len());
        walk(&block.lines, &mut state, |line| lines.push(line));
        block.lines = lines;
    }
}

#[cfg(test)]
mod tests {
    use super::run;
    use crate::machine::testing::{check, unchanged};

    #[test]
    fn a_transcendental_needs_six_valu_or_two_of_its_kind_or_memory() {
        check(
            run,
            "v_exp_f32 v0, v1
             v_add_f32 v2, v0, v0",
            "v_exp_f32 v0, v1
             s_waitcnt_depctr 0xfff   ; VALUTransUse
             v_add_f32 v2, v0, v0",
        );
        check(
            run,
            "v_exp_f32 v0, v1
             v_mov_b32 v3, 0
             v_mov_b32 v4, 0
             v_mov_b32 v5, 0
             v_mov_b32 v6, 0
             v_mov_b32 v7, 0
             v_add_f32 v2, v0, v0",
            "v_exp_f32 v0, v1
             v_mov_b32 v3, 0
             v_mov_b32 v4, 0
             v_mov_b32 v5, 0
             v_mov_b32 v6, 0
             v_mov_b32 v7, 0
             s_waitcnt_depctr 0xfff   ; five are one too few
             v_add_f32 v2, v0, v0",
        );
        unchanged(
            run,
            "v_exp_f32 v0, v1
             v_mov_b32 v3, 0
             v_mov_b32 v4, 0
             v_mov_b32 v5, 0
             v_mov_b32 v6, 0
             v_mov_b32 v7, 0
             v_mov_b32 v8, 0
             v_add_f32 v2, v0, v0",
        );
        // Two transcendentals in between; the one in front of the last is itself too near.
        check(
            run,
            "v_exp_f32 v0, v1
             v_exp_f32 v3, v1
             v_exp_f32 v4, v1
             v_add_f32 v2, v0, v0
             v_add_f32 v2, v3, v3",
            "v_exp_f32 v0, v1
             v_exp_f32 v3, v1
             v_exp_f32 v4, v1
             v_add_f32 v2, v0, v0
             s_waitcnt_depctr 0xfff
             v_add_f32 v2, v3, v3",
        );
        unchanged(
            run,
            "v_exp_f32 v0, v1
             ds_store_b32 v8, v9      ; memory instructions wait for the VALU
             v_add_f32 v2, v0, v0",
        );
        // Scalar instructions do not count; one wait serves all.
        check(
            run,
            "v_exp_f32 v0, v1
             v_rcp_f32 v3, v1
             s_mov_b32 s0, 0
             v_add_f32 v2, v0, v3
             v_add_f32 v2, v0, v3",
            "v_exp_f32 v0, v1
             v_rcp_f32 v3, v1
             s_mov_b32 s0, 0
             s_waitcnt_depctr 0xfff
             v_add_f32 v2, v0, v3
             v_add_f32 v2, v0, v3",
        );
        // That another instruction writes the register too is not taken for an end of the hazard.
        check(
            run,
            "v_exp_f32 v0, v1
             v_mov_b32 v0, 0
             v_add_f32 v2, v0, v0",
            "v_exp_f32 v0, v1
             v_mov_b32 v0, 0
             s_waitcnt_depctr 0xfff
             v_add_f32 v2, v0, v0",
        );
    }

    #[test]
    fn permlane_after_cmpx_needs_a_valu_that_is_not_discarded() {
        check(
            run,
            "v_cmpx_lt_u32 v0, v1
             v_permlane16_b32 v2, v3, s0, s1",
            "v_cmpx_lt_u32 v0, v1
             v_mov_b32 v3, v3         ; VcmpxPermlane
             v_permlane16_b32 v2, v3, s0, s1",
        );
        check(
            run,
            "v_cmpx_lt_u32 v0, v1
             v_nop
             v_permlane16_b32 v2, v3, s0, s1",
            "v_cmpx_lt_u32 v0, v1
             v_nop
             v_mov_b32 v3, v3
             v_permlane16_b32 v2, v3, s0, s1",
        );
        unchanged(
            run,
            "v_cmpx_lt_u32 v0, v1
             v_add_f32 v4, v4, v4
             v_permlane16_b32 v2, v3, s0, s1",
        );
        // Beside another hazard.
        check(
            run,
            "v_exp_f32 v3, v4
             v_cmpx_lt_u32 v0, v1
             v_permlane16_b32 v2, v3, s0, s1",
            "v_exp_f32 v3, v4
             v_cmpx_lt_u32 v0, v1
             s_waitcnt_depctr 0xfff
             v_mov_b32 v3, v3
             v_permlane16_b32 v2, v3, s0, s1",
        );
        unchanged(
            run,
            "v_cmp_lt_u32 vcc_lo, v0, v1
             v_permlane16_b32 v2, v3, s0, s1",
        );
    }

    #[test]
    fn a_product_is_no_factor_of_the_next() {
        check(
            run,
            "v_wmma_f32_16x16x16_f16 v[0:7], v[8:15], v[16:23], v[0:7]
             v_wmma_f32_16x16x16_f16 v[32:39], v[7:14], v[16:23], v[32:39]",
            "v_wmma_f32_16x16x16_f16 v[0:7], v[8:15], v[16:23], v[0:7]
             v_nop                    ; A overlaps D
             v_wmma_f32_16x16x16_f16 v[32:39], v[7:14], v[16:23], v[32:39]",
        );
        // As a summand it is forwarded.
        unchanged(
            run,
            "v_wmma_f32_16x16x16_f16 v[0:7], v[8:15], v[16:23], v[0:7]
             v_wmma_f32_16x16x16_f16 v[0:7], v[8:15], v[16:23], v[0:7]",
        );
        unchanged(
            run,
            "v_wmma_f32_16x16x16_f16 v[0:7], v[8:15], v[16:23], v[0:7]
             v_mov_b32 v40, 0
             v_wmma_f32_16x16x16_f16 v[32:39], v[0:7], v[16:23], v[32:39]",
        );
    }

    #[test]
    fn hazards_cross_blocks_and_go_around_loops() {
        check(
            run,
            "b0:
             v_mov_b32 v0, 0
             b1:
             v_add_f32 v2, v0, v0
             s_add_u32 s0, s0, 1
             v_exp_f32 v0, v1
             s_cbranch_scc1 b1
             b2:
             v_mul_f32 v3, v0, v0
             s_endpgm",
            "b0:
             v_mov_b32 v0, 0
             b1:
             s_waitcnt_depctr 0xfff   ; from the end of the loop
             v_add_f32 v2, v0, v0
             s_add_u32 s0, s0, 1
             v_exp_f32 v0, v1
             s_cbranch_scc1 b1
             b2:
             s_waitcnt_depctr 0xfff
             v_mul_f32 v3, v0, v0
             s_endpgm",
        );
    }
}
