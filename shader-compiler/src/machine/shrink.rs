//! Picks the shorter of two ways to write an instruction, now that registers are known, and takes out what allocation
//! made superfluous.
//!
//! - `v_fma` whose addend is its destination becomes `v_fmac`; with a constant factor or addend `v_fmamk`, `v_fmaak`.
//!   These are not only shorter: only they can be halves of a dual instruction.
//! - VOP1, VOP2 and VOPC go to their one-word form, by exchanging sources where that is what it takes.
//! - Scalar arithmetic with a 16-bit literal goes to SOPK.
//! - Moves of a register to itself go away, and comparisons with 0 of a result whose SCC says the same.

use gfx1100_isa::{Encoding, Format, Inst, Mods, Op, Operand, Ty};

use super::code::{Code, Line};
use super::spans::{Span, results, sources};

/// Rewrites every instruction of `code`.
pub fn run(code: &mut Code) {
    for block in &mut code.blocks {
        block.lines.retain(|line| !is_self_move(&line.inst));
        for line in &mut block.lines {
            accumulate(&mut line.inst);
            shorten(&mut line.inst);
        }
    }
    let live = scc_live_out(code);
    for (block, live) in code.blocks.iter_mut().zip(live) {
        drop_zero_comparisons(&mut block.lines);
        let mut live = live;
        for line in block.lines.iter_mut().rev() {
            let scc_read_later = live;
            if touches_scc(&line.inst) != Scc::Untouched {
                live = touches_scc(&line.inst) == Scc::Read;
            }
            scalar_immediate(&mut line.inst, scc_read_later);
        }
    }
}

fn is_self_move(inst: &Inst) -> bool {
    let moves = matches!(inst.op, Op::V_MOV_B32 | Op::S_MOV_B32 | Op::S_MOV_B64);
    moves && inst.dst[0] == inst.src[0] && inst.mods == Mods::default()
}

/// The bits that an operand of an f32 or f16 instruction stands for, if it is a constant.
fn constant(operand: Operand, ty: Ty) -> Option<u32> {
    const F32: [u32; 9] = [
        0x3f00_0000,
        0xbf00_0000,
        0x3f80_0000,
        0xbf80_0000,
        0x4000_0000,
        0xc000_0000,
        0x4080_0000,
        0xc080_0000,
        0x3e22_f983,
    ];
    const F16: [u32; 9] = [
        0x3800, 0xb800, 0x3c00, 0xbc00, 0x4000, 0xc000, 0x4400, 0xc400, 0x3118,
    ];
    match operand {
        Operand::Literal(bits) => Some(bits),
        Operand::Inline(code @ 128..=192) => Some(u32::from(code) - 128),
        Operand::Inline(code @ 193..=208) if ty == Ty::F16 => {
            Some(0xffff & (192u32.wrapping_sub(code.into())))
        }
        Operand::Inline(code @ 193..=208) => Some(192u32.wrapping_sub(code.into())),
        Operand::Inline(code @ 240..=248) if ty == Ty::F16 => Some(F16[usize::from(code) - 240]),
        Operand::Inline(code @ 240..=248) => Some(F32[usize::from(code) - 240]),
        _ => None,
    }
}

fn is_vgpr(operand: Operand) -> bool {
    matches!(operand, Operand::V(_))
}

/// The forms that a three-address multiply-add can shrink to: accumulating, constant factor, constant addend.
fn accumulating_forms(op: Op) -> Option<(Op, Option<(Op, Op)>)> {
    Some(match op {
        Op::V_FMA_F32 => (Op::V_FMAC_F32, Some((Op::V_FMAMK_F32, Op::V_FMAAK_F32))),
        Op::V_FMA_F16 => (Op::V_FMAC_F16, Some((Op::V_FMAMK_F16, Op::V_FMAAK_F16))),
        Op::V_PK_FMA_F16 => (Op::V_PK_FMAC_F16, None),
        Op::V_DOT2_F32_F16 => (Op::V_DOT2ACC_F32_F16, None),
        _ => return None,
    })
}

fn accumulate(inst: &mut Inst) {
    let Some((fmac, with_constant)) = accumulating_forms(inst.op) else {
        return;
    };
    let packed = with_constant.is_none();
    let plain = Mods {
        op_sel_hi: if packed { 7 } else { inst.mods.op_sel_hi },
        ..Mods::default()
    };
    if inst.mods != plain {
        return;
    }
    let Operand::V(_) = inst.dst[0] else { return };
    let [a, b, c, _] = inst.src;
    let short = |op, src: [Operand; 3]| Inst {
        op,
        encoding: Encoding::Native,
        src: [src[0], src[1], src[2], Operand::None],
        mods: Mods::default(),
        ..*inst
    };
    // Packed constants have rules of their own about the high half; they stay in the long form.
    let factors = [(a, b), (b, a)].into_iter();
    let mut factors =
        factors.filter(|(a, b)| is_vgpr(*b) && !(packed && constant(*a, Ty::F32).is_some()));
    let short = if c == inst.dst[0] {
        factors
            .next()
            .map(|(a, b)| short(fmac, [a, b, Operand::None]))
    } else {
        with_constant.and_then(|ops| fma_with_constant(inst, ops))
    };
    if let Some(short) = short.filter(fits_native) {
        *inst = short;
    }
}

fn fma_with_constant(inst: &Inst, (fmamk, fmaak): (Op, Op)) -> Option<Inst> {
    let ty = inst.op.row().dst[0].ty;
    let [a, b, c, _] = inst.src;
    let not_literal = |operand| !matches!(operand, Operand::Literal(_));
    let form = |op, src: [Operand; 3]| Inst {
        op,
        encoding: Encoding::Native,
        src: [src[0], src[1], src[2], Operand::None],
        mods: Mods::default(),
        ..*inst
    };
    for (a, b) in [(a, b), (b, a)] {
        if let Some(k) = constant(c, ty)
            && is_vgpr(b)
            && not_literal(a)
        {
            return Some(form(fmaak, [a, b, Operand::Literal(k)]));
        }
        if let Some(k) = constant(b, ty)
            && is_vgpr(c)
            && not_literal(a)
        {
            return Some(form(fmamk, [a, Operand::Literal(k), c]));
        }
    }
    None
}

/// Whether the instruction has its one-word form with these operands.
fn fits_native(inst: &Inst) -> bool {
    let native = Inst {
        encoding: Encoding::Native,
        ..*inst
    };
    gfx1100_isa::encode(&native).is_ok()
}

/// The operation that does the same with sources 0 and 1 exchanged.
#[must_use]
pub fn exchanged(op: Op) -> Option<Op> {
    const PAIRS: &[(Op, Op)] = &[
        (Op::V_SUB_F32, Op::V_SUBREV_F32),
        (Op::V_SUB_F16, Op::V_SUBREV_F16),
        (Op::V_SUB_NC_U32, Op::V_SUBREV_NC_U32),
        (Op::V_SUB_CO_CI_U32, Op::V_SUBREV_CO_CI_U32),
    ];
    let row = op.row();
    if row.effects.commutes {
        return Some(op);
    }
    let pair = PAIRS.iter().find_map(|&(a, b)| match op {
        _ if op == a => Some(b),
        _ if op == b => Some(a),
        _ => None,
    });
    pair.or_else(|| (row.format == Format::Vopc).then(|| mirrored(op))?)
}

/// `a < b` for `b > a`. The low bits of a VOPC opcode are a set of less, equal and greater (and, for floats, negation).
fn mirrored(op: Op) -> Option<Op> {
    let row = op.row();
    if row.name.contains("_class_") {
        return None;
    }
    let (less, equal, greater) = (row.opcode & 1, row.opcode & 2, row.opcode >> 2 & 1);
    // The negated half of the float predicates counts down the same set: nge is 15 - ge.
    let opcode = row.opcode & !7 | equal | greater | less << 2;
    let same = |op: &&Op| op.row().format == Format::Vopc && op.row().opcode == opcode;
    Op::ALL.iter().find(same).copied()
}

fn swap_bits(bits: u8) -> u8 {
    bits & !3 | (bits & 1) << 1 | bits >> 1 & 1
}

/// `inst` with sources 0 and 1 exchanged.
#[must_use]
pub fn exchange(inst: &Inst) -> Option<Inst> {
    let op = exchanged(inst.op)?;
    let mut other = Inst { op, ..*inst };
    other.src.swap(0, 1);
    for bits in [
        &mut other.mods.neg,
        &mut other.mods.abs,
        &mut other.mods.op_sel,
    ] {
        *bits = swap_bits(*bits);
    }
    Some(other)
}

fn shorten(inst: &mut Inst) {
    let row = inst.op.row();
    if !matches!(row.format, Format::Vop1 | Format::Vop2 | Format::Vopc) {
        return;
    }
    let native = |inst: Inst| Inst {
        encoding: Encoding::Native,
        ..inst
    };
    let other = || exchange(inst).filter(|other| fits_native(other) && inst.mods.dpp.is_none());
    if fits_native(inst) {
        *inst = native(*inst);
    } else if let Some(other) = other() {
        *inst = native(other);
    } else if row.vop3 {
        inst.encoding = Encoding::Vop3;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scc {
    Untouched,
    Read,
    Written,
}

/// An instruction that reads SCC and writes it counts as reading.
fn touches_scc(inst: &Inst) -> Scc {
    if sources(inst).contains(&Span::SCC) {
        Scc::Read
    } else if results(inst).contains(&Span::SCC) {
        Scc::Written
    } else {
        Scc::Untouched
    }
}

/// Whether SCC at the end of each block is read after it.
fn scc_live_out(code: &Code) -> Vec<bool> {
    let first_touch = |lines: &[Line]| {
        let mut touches = lines.iter().map(|line| touches_scc(&line.inst));
        touches.find(|touch| *touch != Scc::Untouched)
    };
    let first: Vec<_> = code
        .blocks
        .iter()
        .map(|block| first_touch(&block.lines))
        .collect();
    let mut out = vec![false; code.blocks.len()];
    loop {
        let mut changed = false;
        for block in (0..code.blocks.len()).rev() {
            let live_in = |next: &usize| match first[*next] {
                Some(touch) => touch == Scc::Read,
                None => out[*next],
            };
            let live = code.successors(block).iter().any(live_in);
            changed |= live != out[block];
            out[block] = live;
        }
        if !changed {
            return out;
        }
    }
}

/// `s_cmp_lg_u32 d, 0` says again what SCC says since `d` was computed, for operations that set it to "d is not 0".
fn drop_zero_comparisons(lines: &mut Vec<Line>) {
    let mut known: Option<Operand> = None;
    lines.retain(|line| {
        let inst = &line.inst;
        let compares = matches!(inst.op, Op::S_CMP_LG_U32 | Op::S_CMP_LG_I32);
        if compares && inst.src[1] == Operand::Inline(128) && known == Some(inst.src[0]) {
            return false;
        }
        let written = results(inst);
        if written.contains(&Span::SCC) {
            known = sets_scc_if_not_zero(inst.op).then_some(inst.dst[0]);
        } else if let Some(span) = known.and_then(|operand| Span::of(operand, 1)) {
            known = known.filter(|_| !written.iter().any(|w| w.overlaps(span)));
        }
        true
    });
}

fn sets_scc_if_not_zero(op: Op) -> bool {
    use Op::{
        S_AND_B32, S_AND_NOT1_B32, S_ASHR_I32, S_BCNT1_I32_B32, S_BFE_I32, S_BFE_U32, S_LSHL_B32,
        S_LSHR_B32, S_NOT_B32, S_OR_B32, S_XOR_B32,
    };
    matches!(
        op,
        S_AND_B32
            | S_OR_B32
            | S_XOR_B32
            | S_AND_NOT1_B32
            | S_NOT_B32
            | S_LSHL_B32
            | S_LSHR_B32
            | S_ASHR_I32
            | S_BFE_U32
            | S_BFE_I32
            | S_BCNT1_I32_B32
    )
}

/// A literal that fits in 16 bits goes into the immediate field of a SOPK instruction, which extends the sign (for unsigned
/// comparisons: not).
fn scalar_immediate(inst: &mut Inst, scc_read_later: bool) {
    let literal = |operand| match operand {
        Operand::Literal(bits) => Some(bits),
        _ => None,
    };
    let signed = |bits: u32| i16::try_from(bits as i32).ok().map(|v| i32::from(v as u16));
    let unsigned = |bits: u32| u16::try_from(bits).ok().map(i32::from);
    let sopk = |op, dst: Operand, src: Operand, imm| Inst {
        dst: [dst, Operand::None],
        src: [src, Operand::None, Operand::None, Operand::None],
        ..super::code::control(op, imm)
    };
    let [a, b, ..] = inst.src;
    let dst = inst.dst[0];
    let accumulates = [(a, b), (b, a)].into_iter().find(|(a, _)| *a == dst);
    let accumulated = accumulates.and_then(|(_, b)| signed(literal(b)?));
    let short = match inst.op {
        Op::S_MOV_B32 => literal(a)
            .and_then(signed)
            .map(|imm| sopk(Op::S_MOVK_I32, dst, Operand::None, imm)),
        // The carry of an unsigned addition is not the overflow of a signed one.
        Op::S_ADD_U32 if scc_read_later => None,
        Op::S_ADD_I32 | Op::S_ADD_U32 => {
            accumulated.map(|imm| sopk(Op::S_ADDK_I32, dst, Operand::None, imm))
        }
        Op::S_MUL_I32 => accumulated.map(|imm| sopk(Op::S_MULK_I32, dst, Operand::None, imm)),
        _ => compare_with_immediate(inst.op).and_then(|(op, is_signed)| {
            let extend = if is_signed { signed } else { unsigned };
            let scalar = matches!(a, Operand::S(_));
            let imm = literal(b).filter(|_| scalar).and_then(extend)?;
            Some(sopk(op, Operand::None, a, imm))
        }),
    };
    if let Some(short) = short {
        *inst = short;
    }
}

fn compare_with_immediate(op: Op) -> Option<(Op, bool)> {
    Some(match op {
        Op::S_CMP_EQ_I32 => (Op::S_CMPK_EQ_I32, true),
        Op::S_CMP_LG_I32 => (Op::S_CMPK_LG_I32, true),
        Op::S_CMP_GT_I32 => (Op::S_CMPK_GT_I32, true),
        Op::S_CMP_GE_I32 => (Op::S_CMPK_GE_I32, true),
        Op::S_CMP_LT_I32 => (Op::S_CMPK_LT_I32, true),
        Op::S_CMP_LE_I32 => (Op::S_CMPK_LE_I32, true),
        Op::S_CMP_EQ_U32 => (Op::S_CMPK_EQ_U32, false),
        Op::S_CMP_LG_U32 => (Op::S_CMPK_LG_U32, false),
        Op::S_CMP_GT_U32 => (Op::S_CMPK_GT_U32, false),
        Op::S_CMP_GE_U32 => (Op::S_CMPK_GE_U32, false),
        Op::S_CMP_LT_U32 => (Op::S_CMPK_LT_U32, false),
        Op::S_CMP_LE_U32 => (Op::S_CMPK_LE_U32, false),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use gfx1100_isa::Operand::{Inline, Literal, S, V};

    use super::*;
    use crate::machine::code::control;
    use crate::machine::testing::{self, Random, arithmetic, inst, random_code};

    fn size(code: &Code) -> usize {
        let lines = code.blocks.iter().flat_map(|block| &block.lines);
        lines
            .map(|line| gfx1100_isa::encode(&line.inst).map_or(0, |words| words.len()))
            .sum()
    }

    #[test]
    fn what_is_shorter_computes_the_same() {
        let mut random = Random::new("shrink", 0x5eed_0004);
        let (mut long, mut short) = (0, 0);
        for _ in 0..3000 {
            let blocks = 1 + random.below(4);
            let mut code = random_code(&mut random, blocks, arithmetic);
            let before = testing::run(&code, 12);
            let was = code.clone();
            run(&mut code);
            assert_eq!(testing::run(&code, 12), before, "{was:?}");
            long += size(&was);
            short += size(&code);
            assert!(size(&code) <= size(&was), "{was:?}");
        }
        assert!(short * 10 < long * 9, "{long} dwords became {short}");
    }

    fn shrunk(lines: &[Inst]) -> Vec<Inst> {
        let mut code = Code::default();
        let lines = lines.iter().map(|inst| Line::added(*inst, 0));
        code.blocks.push(crate::machine::code::Block {
            lines: lines
                .chain([Line::added(control(Op::S_ENDPGM, 0), 0)])
                .collect(),
            loop_header: false,
        });
        run(&mut code);
        let mut out: Vec<_> = code.blocks[0].lines.iter().map(|line| line.inst).collect();
        out.pop();
        out
    }

    #[test]
    fn accumulation_takes_the_short_form() {
        let fma = |d, a, b, c| inst(Op::V_FMA_F32, &[d], &[a, b, c]);
        let (d, a, b) = (V(1), V(2), V(3));
        assert_eq!(
            shrunk(&[fma(d, a, b, d)]),
            [inst(Op::V_FMAC_F32, &[d], &[a, b])]
        );
        // Source 1 of the short form is a VGPR: the scalar goes first.
        assert_eq!(
            shrunk(&[fma(d, a, S(4), d)]),
            [inst(Op::V_FMAC_F32, &[d], &[S(4), a])]
        );
        // A constant factor or addend.
        let k = Literal(0x42f0_0000);
        assert_eq!(
            shrunk(&[fma(d, a, k, b)]),
            [inst(Op::V_FMAMK_F32, &[d], &[a, k, b])]
        );
        assert_eq!(
            shrunk(&[fma(d, a, b, k)]),
            [inst(Op::V_FMAAK_F32, &[d], &[a, b, k])]
        );
        // 1.0 is as good as a literal, and can be half of a pair.
        let one = Literal(0x3f80_0000);
        assert_eq!(
            shrunk(&[fma(d, a, b, Inline(242))]),
            [inst(Op::V_FMAAK_F32, &[d], &[a, b, one])]
        );
        // Nothing is shorter here.
        assert_eq!(shrunk(&[fma(d, a, b, V(9))]), [fma(d, a, b, V(9))]);
        let mut negated = fma(d, a, b, d);
        negated.mods.neg = 1;
        assert_eq!(shrunk(&[negated]), [negated]);
    }

    #[test]
    fn comparisons_are_mirrored_to_reach_vcc() {
        let compare = |op, a, b| inst(op, &[Operand::VCC], &[a, b]);
        let long = Inst {
            encoding: Encoding::Vop3,
            ..compare(Op::V_CMP_LT_F32, V(1), S(4))
        };
        assert_eq!(shrunk(&[long]), [compare(Op::V_CMP_GT_F32, S(4), V(1))]);
        let long = Inst {
            encoding: Encoding::Vop3,
            ..compare(Op::V_CMP_NGE_F32, V(1), S(4))
        };
        assert_eq!(shrunk(&[long]), [compare(Op::V_CMP_NLE_F32, S(4), V(1))]);
        let long = Inst {
            encoding: Encoding::Vop3,
            ..compare(Op::V_CMP_LE_U32, V(1), Inline(130))
        };
        assert_eq!(
            shrunk(&[long]),
            [compare(Op::V_CMP_GE_U32, Inline(130), V(1))]
        );
        // A mask that is not VCC needs the long form, whatever was asked for.
        let masked = inst(Op::V_CMP_LT_F32, &[S(6)], &[V(1), V(2)]);
        let long = Inst {
            encoding: Encoding::Vop3,
            ..masked
        };
        assert_eq!(shrunk(&[masked]), [long]);
    }

    #[test]
    fn high_registers_of_16_bits_keep_the_long_form() {
        let low = Inst {
            encoding: Encoding::Vop3,
            ..inst(Op::V_ADD_F16, &[V(127)], &[V(1), V(2)])
        };
        assert_eq!(shrunk(&[low])[0].encoding, Encoding::Native);
        let high = Inst {
            dst: [V(128), Operand::None],
            ..low
        };
        assert_eq!(shrunk(&[high]), [high]);
    }

    #[test]
    fn scc_is_kept_where_it_is_read() {
        let add = inst(Op::S_ADD_U32, &[S(4)], &[S(4), Literal(0x1000)]);
        let mut short = inst(Op::S_ADDK_I32, &[S(4)], &[]);
        short.imm = 0x1000;
        assert_eq!(shrunk(&[add]), [short]);
        let carry = inst(Op::S_ADDC_U32, &[S(5)], &[S(5), Inline(128)]);
        assert_eq!(shrunk(&[add, carry]), [add, carry]);
        // The result says itself whether it is 0.
        let and = inst(Op::S_AND_B32, &[S(4)], &[S(5), S(6)]);
        let compare = inst(Op::S_CMP_LG_U32, &[], &[S(4), Inline(128)]);
        assert_eq!(shrunk(&[and, compare]), [and]);
        let between = inst(Op::S_MOV_B32, &[S(4)], &[S(7)]);
        assert_eq!(shrunk(&[and, between, compare]), [and, between, compare]);
    }
}
